# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Which hosts and nodes a cluster has, by its inventory and by its API: both have to agree. Pure."""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics.jobs import (
    ALL,
    CLUSTER,
    CONTROL_PLANES,
    METRICS,
    NODES,
    Job,
)

Json = t.Mapping[str, t.Any]
#: Job and node; the node is empty for what is of the cluster as a whole.
Pair = tuple[str, str]

CONTROL_PLANE, WORKER, METRICS_HOST = "control_plane", "worker", "metrics"
_CONTROL_PLANE_LABEL = "node-role.kubernetes.io/control-plane"


@dataclass(frozen=True)
class Inventory:
    """What the inventory says.

    :param control_planes: :param workers: :param metrics: hosts; those of C(metrics) may be nodes, too.
    :param names: host -> name of its node, where it is known. :param addresses: host -> its address, where it is
        declared. :param removed: hosts that are being removed from the cluster.
    """

    control_planes: tuple[str, ...]
    workers: tuple[str, ...]
    metrics: tuple[str, ...] = ()
    names: t.Mapping[str, str] = field(default_factory=dict)
    addresses: t.Mapping[str, str] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()

    def roles(self) -> dict[str, str]:
        """Host -> its role in the cluster. A control plane that also is a worker is a control plane."""
        found = dict.fromkeys(self.workers, WORKER) | dict.fromkeys(self.control_planes, CONTROL_PLANE)
        return {host: role for host, role in found.items() if host not in self.removed}


@dataclass(frozen=True)
class Node:
    """What the API says about a node.

    :param addresses: of type InternalIP.
    """

    name: str
    control_plane: bool
    addresses: tuple[str, ...]


@dataclass(frozen=True, order=True)
class Member:
    """A host with metrics.

    :param name: its label C(node). :param host: in the inventory. :param address: that Prometheus connects to.
    :param role: its label C(role). :param metrics: whether a Prometheus server runs on it.
    """

    name: str
    host: str
    address: str
    role: str
    metrics: bool = False

    def has(self, job: Job) -> bool:
        """Whether it has a target of a job."""
        return {
            ALL: True,
            NODES: self.role != METRICS_HOST,
            CONTROL_PLANES: self.role == CONTROL_PLANE,
            METRICS: self.metrics,
        }.get(job.hosts, False)


@dataclass(frozen=True)
class Expected:
    """What has to have metrics.

    :param members: sorted by name. :param disagreements: of inventory and API, one sentence each.
    """

    members: tuple[Member, ...]
    disagreements: tuple[str, ...]

    def pairs(self, jobs: t.Iterable[Job]) -> dict[Pair, Member | None]:
        """Each pair of job and node of which samples have to arrive."""
        found: dict[Pair, Member | None] = {}
        for job in jobs:
            if job.hosts == CLUSTER:
                found[job.name, ""] = None
            found.update({(job.name, member.name): member for member in self.members if member.has(job)})
        return found


def read_node(node: Json) -> Node:
    """A Node object of the API."""
    metadata = node.get("metadata") or {}
    addresses = (node.get("status") or {}).get("addresses") or ()
    return Node(
        name=str(metadata.get("name")),
        control_plane=_CONTROL_PLANE_LABEL in (metadata.get("labels") or {}),
        addresses=tuple(str(one["address"]) for one in addresses if one.get("type") == "InternalIP"),
    )


class _Directory:
    """Finds the node of a host."""

    def __init__(self, nodes: t.Sequence[Node]) -> None:
        self._by_name = {node.name: node for node in nodes}
        self._by_address = {address: node for node in nodes for address in node.addresses}
        short = Counter(name.partition(".")[0] for name in self._by_name)
        self._by_short = {
            name.partition(".")[0]: node
            for name, node in self._by_name.items()
            if short[name.partition(".")[0]] == 1
        }

    def node_of(self, host: str, name: str, address: str) -> Node | None:
        """By the name that the host itself told, else by what the inventory has."""
        if name:
            return self._by_name.get(name)
        own = host.lower()
        return (
            self._by_name.get(own)
            or self._by_address.get(address)
            or self._by_short.get(own.partition(".")[0])
        )


def _address_problem(host: str, node: Node, declared: str) -> str:
    if not node.addresses:
        return f"{host}: its node {node.name} has no InternalIP, expected one"
    if declared and declared not in node.addresses:
        return (
            f"{host}: the inventory has the address {declared}, its node {node.name} has"
            f" {', '.join(node.addresses)}"
        )
    return ""


def _role_problem(host: str, node: Node, role: str) -> str:
    if node.control_plane != (role == CONTROL_PLANE):
        found = "a control plane" if node.control_plane else "no control plane"
        return f"{host}: the inventory has it as {role}, its node {node.name} is {found}"
    return ""


def expected(inventory: Inventory, nodes: t.Iterable[Node]) -> Expected:
    """Compare both, and give what they agree on."""
    nodes = tuple(nodes)
    directory = _Directory(nodes)
    members: list[Member] = []
    problems: list[str] = []
    owners: dict[str, str] = {}
    for host, role in sorted(inventory.roles().items()):
        declared = inventory.addresses.get(host) or ""
        node = directory.node_of(host, inventory.names.get(host) or "", declared)
        if node is None:
            named = inventory.names.get(host) or host
            problems.append(f"{host}: the inventory has it as {role}, the cluster has no node {named}")
            continue
        if node.name in owners:
            problems.append(f"{host} and {owners[node.name]}: both are the node {node.name}")
            continue
        owners[node.name] = host
        wrong = list(filter(None, [_address_problem(host, node, declared), _role_problem(host, node, role)]))
        problems += wrong
        if not wrong:
            address = declared or node.addresses[0]
            members.append(Member(node.name, host, address, role, host in inventory.metrics))
    leaving = {
        node.name
        for host in inventory.removed
        if (
            node := directory.node_of(
                host, inventory.names.get(host) or "", inventory.addresses.get(host) or ""
            )
        )
    }
    problems += [
        f"{node.name}: the cluster has this node, no host of the inventory is it"
        for node in sorted(nodes, key=lambda node: node.name)
        if node.name not in owners and node.name not in leaving
    ]
    in_cluster = {*inventory.control_planes, *inventory.workers} - inventory.removed
    taken = {member.name for member in members}
    for host in sorted(set(inventory.metrics) - in_cluster):
        if host in taken:
            problems.append(f"{host}: a host of the group metrics has the name of a node of another host")
            continue
        members.append(Member(host, host, inventory.addresses.get(host) or host, METRICS_HOST, True))
    return Expected(tuple(sorted(members)), tuple(problems))
