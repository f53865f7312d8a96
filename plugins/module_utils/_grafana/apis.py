# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Grafana's C(/apis): which groups and versions it has, and objects in the form of Kubernetes."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana import errors, mark
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana.client import (
    Client,
    query,
    quoted,
)

DASHBOARDS, DIRECTORIES = "dashboard.grafana.app", "folder.grafana.app"
_VERSION = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")
_PAGE = 100


@dataclass(frozen=True)
class Discovered:
    """What a Grafana has.

    :param namespace: of the token's organisation. :param versions: of each group of C(/apis); empty without it.
    """

    namespace: str
    versions: t.Mapping[str, tuple[str, ...]]

    def version(self, group: str, major: int = 1) -> str:
        """The best version of a group with this major number: a stable one, else the newest beta; empty without one.

        Alpha versions are never used: they change without notice, and Grafana does not serve them by default.
        """
        found = []
        for name in self.versions.get(group, ()):
            match = _VERSION.fullmatch(name)
            if match and int(match.group(1)) == major and match.group(2) != "alpha":
                found.append((match.group(2) is None, int(match.group(3) or 0), name))
        return max(found)[2] if found else ""


def discover(client: Client, namespace: str = "") -> Discovered:
    """Ask Grafana what it has.

    :param namespace: instead of the one of the token's organisation, as that of Grafana Cloud.
    :raises GrafanaError: when it does not answer, or does not accept the token.
    """
    # First what every Grafana has: it tells a wrong URL and a wrong token from a Grafana without /apis.
    try:
        organisation = client.get("/api/org")
    except errors.PermissionDeniedError:
        organisation = {}
    if not isinstance(organisation, dict):
        raise errors.NotGrafanaError(
            f"{client.url}/api/org did not answer with an object.", "Check that this is the URL of Grafana."
        )
    try:
        groups = client.find("/apis")
    except (errors.PermissionDeniedError, errors.NotGrafanaError):
        # Grafana before 12 answers unknown paths with its own page.
        groups = None
    return Discovered(namespace or namespace_of(organisation.get("id")), versions_in(groups))


def namespace_of(organisation: t.Any) -> str:
    """The namespace of an organisation, by its number."""
    return f"org-{organisation}" if isinstance(organisation, int) and organisation > 1 else "default"


def versions_in(groups: t.Any) -> dict[str, tuple[str, ...]]:
    """Versions of each group of an C(APIGroupList)."""
    found: dict[str, tuple[str, ...]] = {}
    listed = groups.get("groups") if isinstance(groups, dict) else None
    for group in listed if isinstance(listed, list) else ():
        if isinstance(group, dict):
            versions = [one.get("version") for one in group.get("versions") or () if isinstance(one, dict)]
            found[str(group.get("name"))] = tuple(str(one) for one in versions if one)
    return found


class Resource:
    """Objects of one kind in C(/apis).

    :param version: of the group. :param plural: the name in paths.
    """

    def __init__(
        self, client: Client, found: Discovered, group: str, version: str, kind: str, plural: str
    ) -> None:
        self._client = client
        self._type = {"apiVersion": f"{group}/{version}", "kind": kind}
        self._path = f"/apis/{group}/{version}/namespaces/{quoted(found.namespace)}/{plural}"

    def read(self, uid: str) -> dict[str, t.Any] | None:
        """An object, C(None) when there is none."""
        found = self._client.find(f"{self._path}/{quoted(uid)}")
        return None if found is None else _checked(found)

    def create(
        self, uid: str, spec: t.Mapping[str, t.Any], annotations: t.Mapping[str, str]
    ) -> dict[str, t.Any]:
        """Create an object, and return it as it is stored."""
        body = {
            **self._type,
            "metadata": {"name": uid, "annotations": {**annotations, mark.GENERATION: "1"}},
            "spec": dict(spec),
        }
        return self._recorded(_checked(self._client.send("POST", self._path, body)))

    def replace(
        self, raw: t.Mapping[str, t.Any], spec: t.Mapping[str, t.Any], annotations: t.Mapping[str, str]
    ) -> dict[str, t.Any]:
        """Replace the spec of an object that has been read, unless somebody else has done so since.

        :raises ConflictError: when somebody has.
        """
        metadata = _metadata(raw)
        body = {
            **self._type,
            "metadata": {
                **metadata,
                "annotations": {
                    **(metadata.get("annotations") or {}),
                    **annotations,
                    mark.GENERATION: str(generation_of(raw) + 1),
                },
            },
            "spec": dict(spec),
        }
        return self._recorded(_checked(self._put(body)))

    def delete(self, uid: str) -> None:
        """Delete an object."""
        self._client.send("DELETE", f"{self._path}/{quoted(uid)}")

    def counts(self, uid: str) -> dict[str, int]:
        """How many objects of which kind a directory has."""
        found = self._client.get(f"{self._path}/{quoted(uid)}/counts")
        listed = found.get("counts") if isinstance(found, dict) else None
        totals: dict[str, int] = {}
        for one in listed if isinstance(listed, list) else ():
            name = str(one.get("resource"))
            # Grafana counts once in its former tables and once in the new storage.
            totals[name] = max(totals.get(name, 0), int(one.get("count") or 0))
        return totals

    def items(self) -> t.Iterator[dict[str, t.Any]]:
        """All objects, page by page."""
        following = ""
        while True:
            page = self._client.get(
                self._path + query(limit=_PAGE, **{"continue": following} if following else {})
            )
            listed = page.get("items") if isinstance(page, dict) else None
            yield from (one for one in listed or () if isinstance(one, dict))
            following = (
                str((page.get("metadata") or {}).get("continue") or "") if isinstance(page, dict) else ""
            )
            if not following:
                return

    def _put(self, body: t.Mapping[str, t.Any]) -> t.Any:
        return self._client.send("PUT", f"{self._path}/{quoted(body['metadata']['name'])}", body)

    def _recorded(self, stored: dict[str, t.Any]) -> dict[str, t.Any]:
        """Correct the recorded generation where Grafana counts otherwise: a spec that stays the same is not counted."""
        annotations = annotations_of(stored)
        actual = generation_of(stored)
        if mark.CLUSTER not in annotations or not actual or annotations.get(mark.GENERATION) == str(actual):
            return stored
        metadata = {**_metadata(stored), "annotations": {**annotations, mark.GENERATION: str(actual)}}
        return _checked(self._put({**self._type, "metadata": metadata, "spec": stored.get("spec") or {}}))


def annotations_of(raw: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Annotations of an object."""
    return dict((raw.get("metadata") or {}).get("annotations") or {})


def generation_of(raw: t.Mapping[str, t.Any]) -> int:
    """How often the spec of an object has been changed, 0 when Grafana does not count it."""
    value = (raw.get("metadata") or {}).get("generation")
    return value if isinstance(value, int) else 0


def manager_of(raw: t.Mapping[str, t.Any]) -> str:
    """Who provisions an object, as a file or a repository; empty when nobody does."""
    annotations = annotations_of(raw)
    manager = annotations.get(mark.MANAGER) or ""
    name = annotations.get(mark.MANAGER_ID) or ""
    return f"{manager} {name}".strip()


def _metadata(raw: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Metadata to send back: with the version that was read, without what is the server's alone."""
    metadata = {key: value for key, value in (raw.get("metadata") or {}).items() if key != "managedFields"}
    # The message is of one revision.
    kept = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != mark.MESSAGE}
    return {**metadata, "annotations": kept}


def _checked(found: t.Any) -> dict[str, t.Any]:
    if not isinstance(found, dict) or not isinstance(found.get("metadata"), dict):
        raise OperatorError(
            "Grafana answered with something else than an object with metadata.",
            "Check that grafana_url is the URL of Grafana itself.",
        )
    return found
