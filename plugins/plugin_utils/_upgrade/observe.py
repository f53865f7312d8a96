# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Read from a cluster what its upgrade is planned by."""

from __future__ import annotations

import typing as t

import yaml
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import ApiError, Client
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.health import condition
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._drain.plan import (
    cordoned_by,
    unschedulable,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._upgrade.plan import (
    Cluster,
    DeprecatedApi,
    NodeState,
    deprecated_apis,
)

_SYSTEM = "/api/v1/namespaces/kube-system"

Json = t.Mapping[str, t.Any]


def _tag(pod: Json, component: str) -> str:
    """Tag of a component's image, from what runs; empty when that cannot be told."""
    for container in (pod.get("spec") or {}).get("containers") or ():
        if container.get("name") == component:
            name = str(container.get("image", "")).partition("@")[0].rpartition("/")[2]
            return name.partition(":")[2]
    return ""


def node_state(node: Json, pods: t.Mapping[tuple[str, str], Json]) -> NodeState:
    """A node.

    :param pods: static Pods by node and component.
    """
    metadata, status = node.get("metadata") or {}, node.get("status") or {}
    name = str(metadata.get("name"))
    _ready, reason = condition(node, "Ready")

    def tag(component: str) -> str:
        return _tag(pods.get((name, component)) or {}, component)

    return NodeState(
        name=name,
        kubelet=str((status.get("nodeInfo") or {}).get("kubeletVersion") or "").lstrip("v"),
        api_server=tag("kube-apiserver").lstrip("v"),
        etcd=tag("etcd"),
        schedulable=not unschedulable(node),
        cordoned_by=cordoned_by(node),
        reason=reason,
    )


def observe(api: Client, server_at: t.Callable[[str], Client]) -> tuple[Cluster, tuple[str, ...]]:
    """The cluster as it is now, and what could not be read of it.

    :param server_at: the client of the API server at an address; each counts the requests that it answered itself.
    :raises ApiError: when the API server does not answer.
    """
    static = api.items(f"{_SYSTEM}/pods", "labelSelector=tier%3Dcontrol-plane")
    pods = {
        (
            str((pod.get("spec") or {}).get("nodeName")),
            str((pod["metadata"].get("labels") or {}).get("component")),
        ): pod
        for pod in static
    }
    nodes = tuple(node_state(node, pods) for node in api.items("/api/v1/nodes"))
    stored = api.get(f"{_SYSTEM}/configmaps/kubeadm-config") or {}
    configuration = yaml.safe_load((stored.get("data") or {}).get("ClusterConfiguration") or "") or {}
    addresses = {
        name: str((pod.get("status") or {}).get("hostIP") or "")
        for (name, component), pod in pods.items()
        if component == "kube-apiserver"
    }
    deprecated, unread = _deprecated(addresses, server_at)
    cluster = Cluster(nodes, str(configuration.get("kubernetesVersion") or "").lstrip("v"), deprecated)
    return cluster, unread


def _deprecated(
    addresses: t.Mapping[str, str], server_at: t.Callable[[str], Client]
) -> tuple[tuple[DeprecatedApi, ...], tuple[str, ...]]:
    found: list[DeprecatedApi] = []
    unread = []
    for name, address in sorted(addresses.items()):
        try:
            status, text = server_at(address).request("/metrics", accept="text/plain")
        except ApiError as exc:
            unread.append(f"the deprecated APIs that {name} was asked for are not known: {exc.message}")
            continue
        if status != 200:
            unread.append(
                f"the deprecated APIs that {name} was asked for are not known: /metrics answers HTTP {status}."
            )
            continue
        found += deprecated_apis(text, name)
    return tuple(found), tuple(unread)
