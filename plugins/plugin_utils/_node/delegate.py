# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Select the control-plane delegate. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._node.identity import clusters


class SelectionError(OperatorError):
    """The observations do not allow a selection."""


def select_delegate(
    observations: t.Sequence[t.Mapping[str, t.Any]], known: t.Mapping[str, t.Any] | None = None
) -> dict[str, t.Any]:
    """Select the control-plane node that cluster-wide tasks are delegated to.

    A member of the cluster, if there is one. Otherwise, when every control plane was asked and none is a member, a
    partially initialised host (its certificates exist) before the first of the list.

    :param observations: one result per control plane of a loop over them: C(item), the host; C(unreachable); and
        C(node) as of C(node_info), missing where the loop has left the host out.
    :param known: host -> C(node), for the hosts that the loop has left out.
    :returns: C(host), C(initialised), C(cluster_id) and C(node).
    :raises SelectionError: when members belong to different clusters, when hosts that could be members were not
        reached, or when there is no control plane.
    """
    if not observations:
        raise SelectionError(
            "There is no control plane in the inventory, expected at least one.",
            "Add a host to the control-plane group.",
        )
    nodes: dict[str, t.Mapping[str, t.Any]] = {}
    unreachable: list[str] = []
    for item in observations:
        host = str(item["item"])
        node = item.get("node") or (known or {}).get(host)
        if item.get("unreachable") or not isinstance(node, t.Mapping) or not node:
            unreachable.append(host)
        else:
            nodes[host] = node
    members = _control_planes(nodes, "member")
    begun = _control_planes(nodes, "partial")
    if len(set(members.values())) > 1:
        listing = ", ".join(f"{host} in {cluster_id}" for host, cluster_id in members.items())
        raise SelectionError(
            f"The control planes belong to different clusters: {listing}. Expected one cluster.",
            "Remove the hosts that do not belong here from the inventory, or reset them.",
        )
    if not members and unreachable:
        raise SelectionError(
            f"No control plane that answered is in a cluster, and {', '.join(sorted(unreachable))} did not answer; a"
            " cluster may exist there. A second one is not created.",
            "Bring these hosts back, or remove them from the inventory if they are gone for good.",
        )
    first = str(observations[0]["item"])
    host, cluster_id = next(iter((members or begun or {first: None}).items()))
    return {"host": host, "initialised": bool(members), "cluster_id": cluster_id, "node": nodes[host]}


def _control_planes(nodes: t.Mapping[str, t.Mapping[str, t.Any]], state: str) -> dict[str, str | None]:
    """Host -> cluster of the control planes in a state."""
    found = {host: node["kubernetes"] for host, node in nodes.items()}
    own = clusters(found)
    return {
        host: own[host]
        for host, one in found.items()
        if one["state"] == state and one["role"] == "control_plane"
    }
