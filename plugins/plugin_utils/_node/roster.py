# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Which hosts of the inventory are which nodes of the cluster. Pure: hosts and Node objects in, pairs out.

No host is asked: one that is dead has a Node object all the same, and a thousand need not be contacted to add one.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.health import Json, node_view


class RosterError(OperatorError):
    """Hosts and nodes do not fit together, or must not be changed like this."""


@dataclass(frozen=True)
class Node:
    """A Node object."""

    name: str
    addresses: tuple[str, ...] = ()
    ready: bool = True
    control_plane: bool = False


@dataclass(frozen=True)
class Host:
    """A host of the inventory.

    :param node_name: what the inventory says. :param addresses: likewise, that of the node before that of ssh.
    """

    name: str
    control_plane: bool = False
    node_name: str = ""
    addresses: tuple[str, ...] = ()

    @property
    def expected_node(self) -> str:
        """The name that its node probably has."""
        return self.node_name or self.name.lower()


def node_of(item: Json) -> Node:
    """A Node object as the API has it."""
    view = node_view(item)
    return Node(view["name"], tuple(view["addresses"]), view["ready"], "control-plane" in view["roles"])


def images_of_every_node(daemon_sets: t.Iterable[Json]) -> list[str]:
    """Images of the critical pods that a new node gets, among them the CNI's, without which it does not become Ready.

    :param daemon_sets: as the API has them. One that chooses nodes by labels of its own is left out.
    :return: references of the images, each once.
    """
    found: dict[str, None] = {}
    for item in daemon_sets:
        spec = item["spec"]["template"]["spec"]
        chosen = set(spec.get("nodeSelector") or {}) - {"kubernetes.io/os"}
        if spec.get("priorityClassName") == "system-node-critical" and not chosen:
            containers = [*(spec.get("initContainers") or ()), *spec["containers"]]
            found.update(dict.fromkeys(str(one["image"]) for one in containers if one.get("image")))
    return list(found)


def match(hosts: t.Iterable[Host], nodes: t.Iterable[Node]) -> dict[str, Node]:
    """The node of each host that is one, by name, otherwise by address.

    :raises RosterError: when two hosts would be the same node.
    """
    by_name = {node.name: node for node in nodes}
    by_address = {address: node for node in by_name.values() for address in node.addresses}
    found: dict[str, Node] = {}
    owners: dict[str, str] = {}
    for host in hosts:
        node = by_name.get(host.expected_node)
        if node is None and not host.node_name:
            node = next((by_address[one] for one in host.addresses if one in by_address), None)
        if node is None:
            continue
        if node.name in owners:
            raise RosterError(
                f"{owners[node.name]} and {host.name} of the inventory would both be the node {node.name}. Expected one"
                " host for each node.",
                "Set cluster_node_name and cluster_node_address of both hosts, or remove one of them from the"
                " inventory.",
            )
        owners[node.name] = host.name
        found[host.name] = node
    return found


def listed(names: t.Iterable[str], most: int = 10) -> str:
    """The first names, and how many there are besides."""
    every = sorted(names)
    more = len(every) - most
    return ", ".join(every[:most]) + (f" and {more} more" if more > 0 else "")
