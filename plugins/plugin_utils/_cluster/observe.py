# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Read from a cluster what its health is evaluated by, and change the little that only a whole cluster can have."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import ApiError, Client
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.health import Json, Snapshot
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.spread import crowded

_SYSTEM = "namespaces/kube-system"
NODES = "/api/v1/nodes"
# The label of kubeadm's CoreDNS.
_DNS = "labelSelector=k8s-app%3Dkube-dns"


def observe(api: Client, nodes: t.Sequence[Json] | None = None) -> Snapshot:
    """The cluster as it is now.

    :param nodes: where they were just read.
    """
    try:
        status, text = api.request("/readyz?verbose")
        if status in (401, 403):
            return Snapshot(error=f"{api.server} refuses the credentials (HTTP {status})")
        return Snapshot(
            readyz_status=status,
            readyz=text,
            nodes=tuple(api.items(NODES) if nodes is None else nodes),
            static_pods=tuple(api.items(f"/api/v1/{_SYSTEM}/pods", "labelSelector=tier%3Dcontrol-plane")),
            deployments=tuple(api.items(f"/apis/apps/v1/{_SYSTEM}/deployments")),
            daemonsets=tuple(api.items(f"/apis/apps/v1/{_SYSTEM}/daemonsets")),
        )
    except ApiError as exc:
        return Snapshot(error=exc.message.rstrip("."))


def spread_dns(api: Client, nodes: tuple[Json, ...]) -> str:
    """Evict a Pod of the cluster's DNS when all of them are on one node though there are others.

    An eviction that is refused, by a PodDisruptionBudget for instance, is no error: DNS works as it is.

    :return: the Pod's name, empty without one.
    """
    with contextlib.suppress(ApiError):
        path = f"/api/v1/{_SYSTEM}/pods"
        name = crowded(tuple(api.items(path, _DNS)), nodes) if len(nodes) > 1 else ""
        if name:
            eviction = {
                "apiVersion": "policy/v1",
                "kind": "Eviction",
                "metadata": {"name": name, "namespace": "kube-system"},
            }
            status, _text = api.request(f"{path}/{name}/eviction", "POST", eviction)
            return name if status in (200, 201) else ""
    return ""
