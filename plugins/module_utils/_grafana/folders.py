# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Directories of dashboards (Grafana calls them folders), in C(/apis) where Grafana has it, else in C(/api)."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana import apis, errors, mark
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana.client import Client, quoted
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana.plan import Desired, Observed

KIND = "folder"


class Folders:
    """Read and write them.

    :param found: what this Grafana has. :param cluster: whose they are.
    """

    def __init__(self, client: Client, found: apis.Discovered, cluster: str) -> None:
        self._client = client
        self._cluster = cluster
        version = found.version(apis.DIRECTORIES)
        #: Which API is used.
        self.api = f"{apis.DIRECTORIES}/{version}" if version else "api"
        self._resource = (
            apis.Resource(client, found, apis.DIRECTORIES, version, "Folder", "folders") if version else None
        )

    def read(self, desired: Desired) -> Observed | None:
        """The one that is declared, C(None) when there is none."""
        if self._resource is None:
            raw = self._client.find(f"/api/folders/{quoted(desired.uid)}")
            if raw is None:
                return None
            # It returns no description, so none can differ.
            spec = {**desired.spec, "title": raw.get("title")}
            manager = str(raw.get("managedBy") or "")
            return Observed(
                desired.uid, spec, self._by_uid(desired), str(raw.get("parentUid") or ""), manager, raw
            )
        found = self._resource.read(desired.uid)
        if found is None:
            return None
        annotations = apis.annotations_of(found)
        own = mark.from_annotations(annotations, apis.generation_of(found))
        return Observed(
            desired.uid,
            found.get("spec") or {},
            own if own.cluster else self._by_uid(desired),
            annotations.get(mark.PARENT) or "",
            apis.manager_of(found),
            found,
        )

    def create(self, desired: Desired) -> None:
        """Create it."""
        if self._resource is not None:
            self._resource.create(desired.uid, desired.spec, self._annotations(desired))
            return
        body = {**desired.spec, "uid": desired.uid}
        if desired.parent:
            body["parentUid"] = desired.parent
        self._client.send("POST", "/api/folders", body)

    def update(self, desired: Desired, observed: Observed) -> None:
        """Replace what has been read.

        :raises ConflictError: when somebody else has changed it since.
        """
        if self._resource is not None:
            self._resource.replace(observed.raw, desired.spec, self._annotations(desired))
            return
        path = f"/api/folders/{quoted(desired.uid)}"
        self._client.send("PUT", path, {**desired.spec, "version": observed.raw.get("version") or 0})
        if desired.parent is not None and desired.parent != observed.parent:
            self._client.send("POST", f"{path}/move", {"parentUid": desired.parent})

    def delete(self, uid: str) -> None:
        """Delete it, when nothing is in it: Grafana would delete all that is in it, too.

        :raises OperatorError: when something is in it, or that cannot be told.
        """
        self.check_empty(uid)
        if self._resource is not None:
            self._resource.delete(uid)
        else:
            self._client.send("DELETE", f"/api/folders/{quoted(uid)}")

    def check_empty(self, uid: str) -> None:
        """Refuse what is not empty.

        :raises OperatorError: with what is in it.
        """
        counts = {name: count for name, count in self._counts(uid).items() if count}
        if counts:
            content = ", ".join(f"{count} of {name}" for name, count in sorted(counts.items()))
            raise OperatorError(
                f"The folder {uid} is not empty ({content}), and Grafana would delete all that is in it.",
                "Delete or move it in Grafana, and run again.",
            )

    def _counts(self, uid: str) -> dict[str, int]:
        if self._resource is not None:
            try:
                return self._resource.counts(uid)
            except errors.MissingError:
                pass
        found = self._client.get(f"/api/folders/{quoted(uid)}/counts")
        if not isinstance(found, dict):
            raise OperatorError(
                f"Grafana does not tell what is in the folder {uid}.",
                "Delete it in Grafana, when it is empty.",
            )
        return {str(name): int(count or 0) for name, count in found.items()}

    def _annotations(self, desired: Desired) -> dict[str, str]:
        annotations = {mark.CLUSTER: self._cluster, mark.SPEC_HASH: desired.hash}
        if desired.parent is not None:
            annotations[mark.PARENT] = desired.parent
        return annotations

    def _by_uid(self, desired: Desired) -> mark.Mark:
        """The mark where only the uid can be one. What was declared is unknown, so a difference is an edit."""
        return (
            mark.Mark(self._cluster, desired.hash) if desired.uid == own_uid(self._cluster) else mark.Mark()
        )


def own_uid(cluster: str) -> str:
    """The uid that a cluster's own one has."""
    return f"bmk-{cluster}"


def spec_of(title: str, description: str) -> dict[str, t.Any]:
    """The spec as it is declared."""
    return {"title": title, **({"description": description} if description else {})}
