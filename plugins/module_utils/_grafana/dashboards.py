# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Dashboards, in C(/apis) where Grafana has it, else in C(/api)."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana import apis, errors, mark
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana.client import (
    Client,
    query,
    quoted,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana.plan import Desired, Observed

KIND = "dashboard"
# Grafana's limit of a uid, and the characters that it takes.
_UID_LENGTH = 40
_PAGE = 500
# How far back a revision of ours is looked for.
_REVISIONS = 50


def schema_of(spec: t.Mapping[str, t.Any]) -> int:
    """Which schema a dashboard is written in: 2 has elements and a layout, 1 has panels."""
    return 2 if "elements" in spec and "layout" in spec else 1


def check_uid(uid: str) -> None:
    """Refuse a uid that Grafana would refuse or change.

    :raises OperatorError: with the limit.
    """
    usable = 0 < len(uid) <= _UID_LENGTH and all(
        one.isascii() and (one.isalnum() or one in "-_") for one in uid
    )
    if not usable:
        raise OperatorError(
            f"uid is {uid!r}, expected at most {_UID_LENGTH} letters, digits, - and _.",
            "Choose another one, or a shorter id of the cluster (metrics_cluster).",
        )


class Dashboards:
    """Read and write dashboards.

    :param found: what this Grafana has. :param cluster: whose dashboards are written.
    """

    def __init__(self, client: Client, found: apis.Discovered, cluster: str) -> None:
        self._client = client
        self._found = found
        self._cluster = cluster

    def api(self, schema: int) -> str:
        """Which API a schema is written by.

        :raises OperatorError: for a schema that this Grafana does not have.
        """
        version = self._found.version(apis.DASHBOARDS, schema)
        if version:
            return f"{apis.DASHBOARDS}/{version}"
        if schema == 1:
            return "api"
        offered = ", ".join(self._found.versions.get(apis.DASHBOARDS, ())) or "none"
        raise OperatorError(
            f"Grafana has these versions of {apis.DASHBOARDS}: {offered}; expected v{schema} for a dashboard of schema"
            f" {schema}.",
            "Use the dashboard in schema 1 (classic JSON), or a newer Grafana.",
        )

    def read(self, uid: str, schema: int = 1) -> Observed | None:
        """A dashboard, C(None) when there is none."""
        resource = self._resource(schema)
        if resource is None:
            return self._read_former(uid)
        raw = resource.read(uid)
        if raw is None:
            return None
        annotations = apis.annotations_of(raw)
        spec = raw.get("spec") or {}
        found = mark.from_annotations(annotations, apis.generation_of(raw))
        return Observed(
            uid,
            spec,
            found if found.cluster else self._tagged(uid, spec),
            annotations.get(mark.PARENT) or "",
            apis.manager_of(raw),
            raw,
        )

    def create(self, desired: Desired) -> None:
        """Create a dashboard."""
        resource = self._resource(schema_of(desired.spec))
        if resource is None:
            self._save_former(desired, None)
        else:
            resource.create(desired.uid, self._spec(desired), self._annotations(desired))

    def update(self, desired: Desired, observed: Observed) -> None:
        """Replace a dashboard that has been read.

        :raises ConflictError: when somebody else has saved it since.
        """
        resource = self._resource(schema_of(desired.spec))
        if resource is None:
            self._save_former(desired, observed)
        else:
            resource.replace(observed.raw, self._spec(desired), self._annotations(desired))

    def delete(self, uid: str) -> None:
        """Delete a dashboard."""
        resource = self._resource(1) or self._resource(2)
        if resource is None:
            self._client.send("DELETE", f"/api/dashboards/uid/{quoted(uid)}")
        else:
            resource.delete(uid)

    def tagged(self) -> tuple[str, ...]:
        """Uids of dashboards with this cluster's tags. A copy of one may have them, too: read its mark."""
        tags = mark.tags_of(self._cluster)
        try:
            return tuple(sorted(self._searched(tags)))
        except errors.MissingError:
            resource = self._resource(1) or self._resource(2)
            if resource is None:
                raise
        wanted = set(tags)
        return tuple(
            sorted(
                str(one["metadata"]["name"])
                for one in resource.items()
                if wanted <= set((one.get("spec") or {}).get("tags") or ())
            )
        )

    def _searched(self, tags: t.Sequence[str]) -> t.Iterator[str]:
        page = 1
        while True:
            found = self._client.get("/api/search" + query(type="dash-db", tag=tags, limit=_PAGE, page=page))
            listed = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
            # What a search engine returns is checked again: its tags may be a part of others.
            yield from (str(one["uid"]) for one in listed if set(tags) <= set(one.get("tags") or ()))
            if len(listed) < _PAGE:
                return
            page += 1

    def _resource(self, schema: int) -> apis.Resource | None:
        version = self._found.version(apis.DASHBOARDS, schema)
        if not version:
            return None
        return apis.Resource(self._client, self._found, apis.DASHBOARDS, version, "Dashboard", "dashboards")

    def _spec(self, desired: Desired) -> dict[str, t.Any]:
        """What is written: without numbers of a database, and with the tags that mark it."""
        spec = {key: value for key, value in desired.spec.items() if key not in ("id", "uid", "version")}
        tags = [str(tag) for tag in spec.get("tags") or ()]
        return {**spec, "tags": [*tags, *(tag for tag in mark.tags_of(self._cluster) if tag not in tags)]}

    def _annotations(self, desired: Desired) -> dict[str, str]:
        annotations = {
            mark.CLUSTER: self._cluster,
            mark.SPEC_HASH: desired.hash,
            # For a Grafana that ignores the others.
            mark.MESSAGE: mark.message_of(desired.uid, desired.hash),
        }
        if desired.parent is not None:
            annotations[mark.PARENT] = desired.parent
        return annotations

    def _read_former(self, uid: str) -> Observed | None:
        raw = self._client.find(f"/api/dashboards/uid/{quoted(uid)}")
        if raw is None:
            return None
        spec = raw.get("dashboard") if isinstance(raw, dict) else None
        if not isinstance(spec, dict):
            raise errors.NotGrafanaError(
                f"{self._client.url}/api/dashboards/uid/{uid} has no dashboard in its answer.",
                "Check that this is the URL of Grafana.",
            )
        meta = raw.get("meta") or {}
        manager = (
            f"the file {meta.get('provisionedExternalId') or ''}".strip() if meta.get("provisioned") else ""
        )
        return Observed(uid, spec, self._tagged(uid, spec), str(meta.get("folderUid") or ""), manager, raw)

    def _save_former(self, desired: Desired, observed: Observed | None) -> None:
        dashboard = {**self._spec(desired), "uid": desired.uid, "id": None}
        if observed is not None:
            dashboard["id"] = observed.spec.get("id")
            dashboard["version"] = observed.spec.get("version") or 0
        self._client.send(
            "POST",
            "/api/dashboards/db",
            {
                "dashboard": dashboard,
                "folderUid": (observed.parent or "" if observed else "")
                if desired.parent is None
                else desired.parent,
                "message": mark.message_of(desired.uid, desired.hash),
                "overwrite": False,
            },
        )

    def _tagged(self, uid: str, spec: t.Mapping[str, t.Any]) -> mark.Mark:
        tags = [str(tag) for tag in spec.get("tags") or ()]
        if not mark.from_tags(uid, tags, None).cluster:
            return mark.Mark()
        return mark.from_tags(uid, tags, self._messages(uid))

    def _messages(self, uid: str) -> list[str] | None:
        """Messages of the latest revisions, C(None) when they cannot be read."""
        try:
            found = self._client.find(f"/api/dashboards/uid/{quoted(uid)}/versions" + query(limit=_REVISIONS))
        except errors.PermissionDeniedError:
            return None
        listed = found.get("versions") if isinstance(found, dict) else found
        if not isinstance(listed, list):
            return None
        revisions = sorted(
            (one for one in listed if isinstance(one, dict)), key=lambda one: -int(one.get("version") or 0)
        )
        return [str(one.get("message") or "") for one in revisions]
