# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Read from a cluster what its health is evaluated by, and change the little that only a whole cluster can have."""

from __future__ import annotations

import contextlib
import json
import typing as t
import urllib.parse

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import ApiError, Client
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.health import Json, Snapshot
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.spread import crowded
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.taints import planned

_SYSTEM = "namespaces/kube-system"
# The label of kubeadm's CoreDNS.
_CONFLICTS = 5
_DNS = "labelSelector=k8s-app%3Dkube-dns"


def observe(api: Client) -> Snapshot:
    """The cluster as it is now."""
    try:
        status, text = api.request("/readyz?verbose")
        if status in (401, 403):
            return Snapshot(error=f"{api.server} refuses the credentials (HTTP {status})")
        return Snapshot(
            readyz_status=status,
            readyz=text,
            nodes=tuple(api.items("/api/v1/nodes")),
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


def _apply(api: Client, name: str, settings: Json, check_mode: bool) -> tuple[Json, Json] | None:
    """One node of C(apply_taints): before and after, C(None) when it stays as it is."""
    path = f"/api/v1/nodes/{urllib.parse.quote(name, safe='')}"
    # Others write to a Node as well, above all its kubelet: a change of an older state is refused (409).
    for _attempt in range(_CONFLICTS):
        status, text = api.request(path)
        if status == 404:
            return None
        if status == 200:
            node = json.loads(text)
            after = planned(node, settings["taints"], settings["runs_pods"])
            if after is None:
                return None
            status = 200 if check_mode else api.request(path, "PUT", after)[0]
            if status == 200:
                return node, after
        if status != 409:
            raise OperatorError(
                f"The taints of node {name} cannot be set: the API server answers HTTP {status}.",
                "Look at its log, and run the playbook again.",
            )
    raise OperatorError(
        f"The taints of node {name} cannot be set: the Node object changes all the time.",
        "Find out what changes it (kubectl get node --watch), and run the playbook again.",
    )


def apply_taints(api: Client, wanted: t.Mapping[str, Json], check_mode: bool) -> dict[str, tuple[Json, Json]]:
    """Set or remove the taints of control planes. A node that is not registered is left out.

    :param wanted: node -> its C(taints) and whether it C(runs_pods).
    :return: node -> before and after, for those that change.
    :raises ApiError: without an answer. :raises OperatorError: when a node cannot be read or changed.
    """
    found = {name: _apply(api, name, settings, check_mode) for name, settings in wanted.items()}
    return {name: change for name, change in found.items() if change is not None}
