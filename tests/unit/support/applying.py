# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server that takes server-side apply."""

from __future__ import annotations

import copy
import typing as t

from tests.unit.support.servers import Answer, ApiServer, Request, refused

Object = dict[str, t.Any]
NAMESPACES = "/api/v1/namespaces"


class Cluster(ApiServer):
    """An API server that applies whole objects, and knows who manages them."""

    def __init__(self) -> None:
        super().__init__(token="sesame")
        self.version = 0
        #: What controllers write into an object some looks after it was applied: by its name, one status a look.
        self.statuses: dict[str, list[Object]] = {}
        #: Paths of objects whose spec it does not change.
        self.fixed: set[str] = set()
        self.kinds("/api/v1", Namespace=False, Secret=True)
        self.kinds("/apis/networking.k8s.io/v1", NetworkPolicy=True)
        self.kinds("/apis/rbac.authorization.k8s.io/v1", ClusterRole=False)

    def kinds(self, base: str, **kinds: bool) -> None:
        resources = [
            {
                "kind": kind,
                "name": f"{kind.lower().removesuffix('y')}{'ies' if kind.endswith('y') else 's'}",
                "namespaced": namespaced,
            }
            for kind, namespaced in kinds.items()
        ]
        self.objects[base] = {
            "resources": [*resources, *({**one, "name": f"{one['name']}/status"} for one in resources)]
        }

    def handle(self, request: Request) -> Answer:
        if "labelSelector" in request.query:
            return self.selected(request)
        if request.method != "PATCH":
            self.control(request)
            return super().handle(request)
        assert request.headers["Content-Type"] == "application/apply-patch+yaml"
        declared, live = request.object, self.objects.get(request.path)
        namespace = declared["metadata"].get("namespace")
        if namespace and f"{NAMESPACES}/{namespace}" not in self.objects:
            return refused(404, f'namespaces "{namespace}" not found')
        if declared.get("spec", {}).get("wrong"):
            return refused(422, "spec.wrong: Forbidden")
        if live and request.path in self.fixed and live.get("spec") != declared.get("spec"):
            return refused(422, "spec: Invalid value: field is immutable")
        manager = request.query["fieldManager"]
        owners = [one["manager"] for one in (live or {}).get("metadata", {}).get("managedFields", [])]
        others = [owner for owner in owners if owner != manager]
        same = (
            live is not None
            and all(live.get(key) == declared.get(key) for key in ("spec", "data"))
            and live["metadata"].get("labels") == declared["metadata"].get("labels")
        )
        if others and not same and request.query["force"] != "true":
            return refused(409, f'Apply failed with 1 conflict: conflict with "{others[0]}": .spec')
        if same and manager in owners:
            return Answer(200, live)
        self.version += 1
        after = copy.deepcopy(declared)
        # A real one fills in defaults, and counts.
        after["metadata"] |= {
            "resourceVersion": str(self.version),
            "uid": "1",
            "managedFields": [
                {"manager": one, "operation": "Apply", "time": str(self.version)}
                for one in dict.fromkeys([*owners, manager])
            ],
        }
        if "dryRun" not in request.query:
            self.objects[request.path] = after
        return Answer(200 if live else 201, after)

    def control(self, request: Request) -> None:
        """What controllers do between two looks at an object."""
        found = self.objects.get(request.path)
        left = self.statuses.get(request.path.rpartition("/")[2])
        if found is not None and left:
            found["status"] = left.pop(0) if len(left) > 1 else left[0]

    def selected(self, request: Request) -> Answer:
        """The objects of a kind in all namespaces that have a label."""
        base, _, plural = request.path.rpartition("/")
        label, _, value = request.query["labelSelector"].partition("=")
        found = [
            # Items of a list do not repeat their kind.
            {key: field for key, field in one.items() if key not in ("apiVersion", "kind")}
            for path, one in self.objects.items()
            if path.startswith(f"{base}/") and path.split("/")[-2] == plural
            if (one["metadata"].get("labels") or {}).get(label) == value
        ]
        return self.listed(request, found)

    @property
    def written(self) -> list[str]:
        """What was changed, in its order."""
        return [
            f"{one.method} {one.path.rpartition('/')[2]}"
            for one in self.requests
            if one.method != "GET" and "dryRun" not in one.query
        ]
