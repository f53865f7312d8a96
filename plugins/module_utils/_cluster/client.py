# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Ask a cluster for what its health is judged by."""

from __future__ import annotations

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cluster.health import Snapshot
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cluster.rest import Api, UnansweredError


class Cluster:
    """A cluster that can be asked for its health.

    :param api: its API server.
    """

    def __init__(self, api: Api) -> None:
        self._api = api

    def snapshot(self) -> Snapshot:
        """What the cluster says now."""
        api = self._api
        try:
            status, text = api.get("/readyz?verbose")
            if status in (401, 403):
                return Snapshot(error=f"{api.base} refuses the credentials (HTTP {status})")
            system = "namespaces/kube-system"
            return Snapshot(
                readyz_status=status,
                readyz=text,
                nodes=api.items("/api/v1/nodes"),
                static_pods=api.items(f"/api/v1/{system}/pods", "&labelSelector=tier%3Dcontrol-plane"),
                deployments=api.items(f"/apis/apps/v1/{system}/deployments"),
                daemonsets=api.items(f"/apis/apps/v1/{system}/daemonsets"),
            )
        except UnansweredError as exc:
            return Snapshot(error=str(exc))
