# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Which hosts become nodes, and which nodes are removed. Pure: inventory and Node objects in, a plan out."""

from __future__ import annotations

import difflib
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._node.roster import (
    Host,
    Node,
    RosterError,
    listed,
    match,
)


@dataclass(frozen=True)
class Addition:
    """What add_node does.

    :param hosts: that join, control planes first. :param present: hosts of the run that are Ready nodes already.
    :param waiting: nodes that are not Ready, which a run without --limit leaves alone.
    :param unknown: nodes that no host of the inventory is. :param delegates: hosts of Ready control planes.
    :param addresses: of the nodes that are control planes, by host.
    """

    hosts: tuple[str, ...]
    present: tuple[str, ...]
    waiting: tuple[str, ...]
    unknown: tuple[str, ...]
    delegates: tuple[str, ...]
    addresses: dict[str, str]


@dataclass(frozen=True)
class Leaving:
    """A node that is removed.

    :param host: of the inventory, empty for a node that it does not know. :param node: name of the Node object.
    :param exists: whether there is a Node object. :param ready: whether it is Ready.
    """

    host: str
    node: str
    addresses: tuple[str, ...]
    control_plane: bool
    exists: bool
    ready: bool


@dataclass(frozen=True)
class Removal:
    """What remove_node does.

    :param nodes: that are removed, workers first. :param delegates: hosts of Ready control planes that stay.
    :param peers: control planes of the inventory that stay.
    """

    nodes: tuple[Leaving, ...]
    delegates: tuple[str, ...]
    peers: tuple[str, ...]


def _delegates(
    hosts: t.Iterable[Host], found: t.Mapping[str, Node], without: t.Collection[str] = ()
) -> list[str]:
    """Hosts of control planes that are Ready."""
    return [
        host.name
        for host in hosts
        if host.control_plane
        and host.name not in without
        and host.name in found
        and found[host.name].control_plane
        and found[host.name].ready
    ]


def _fail(findings: t.Sequence[tuple[str, str]]) -> None:
    if findings:
        raise RosterError(
            " ".join(found for found, _step in findings) + " Nothing was changed.",
            " ".join(dict.fromkeys(step for _found, step in findings)),
        )


def plan_addition(
    hosts: t.Sequence[Host], nodes: t.Sequence[Node], limited: t.Collection[str] = (), whole: bool = True
) -> Addition:
    """The hosts that are no nodes yet, or whose join was interrupted.

    A control plane has its role's label from when kubeadm has joined it completely. A node that is not Ready may be one
    whose join was interrupted, or one that is down: only the operator knows, so it has to be named.

    :param hosts: the control planes of the inventory, and the hosts of the run. :param limited: hosts of --limit.
    :param whole: whether these are all hosts of the inventory.
    :raises RosterError: with all reasons why nothing can be added.
    """
    found = match(hosts, nodes)
    delegates = _delegates(hosts, found)
    findings = []
    if not delegates:
        known = listed(host.name for host in hosts if host.control_plane)
        findings.append(
            (
                f"No control plane of the inventory ({known}) is a Ready node of the cluster, so that nothing"
                " can join.",
                "Repair one of them; the playbook site creates a cluster.",
            )
        )
    new, present, waiting = [], [], []
    for host in hosts:
        node = found.get(host.name)
        if limited and host.name not in limited:
            continue
        if node is None or (host.control_plane and not node.control_plane):
            new.append(host)
        elif node.control_plane and not host.control_plane:
            findings.append(
                (
                    f"{host.name} is a control plane of the cluster, and a worker in the inventory.",
                    f"Put it into the group control_plane, or remove it first (playbook remove_node,"
                    f" remove_node_confirm={host.name}) and add it again.",
                )
            )
        elif node.ready:
            present.append(host.name)
        elif limited:
            new.append(host)
        else:
            waiting.append(host.name)
    _fail(findings)
    new.sort(key=lambda host: not host.control_plane)
    taken = {node.name for node in found.values()}
    return Addition(
        hosts=tuple(host.name for host in new),
        present=tuple(present),
        waiting=tuple(waiting),
        unknown=tuple(node.name for node in nodes if node.name not in taken) if whole else (),
        delegates=tuple(name for name in delegates if name not in {host.name for host in new}),
        addresses={
            host.name: found[host.name].addresses[0]
            for host in hosts
            if host.control_plane and host.name in found and found[host.name].addresses
        },
    )


def _leaving(
    name: str, hosts: t.Mapping[str, Host], nodes: t.Mapping[str, Node], found: t.Mapping[str, Node]
) -> Leaving | None:
    """What a name stands for: a host of the inventory before a node."""
    owners = {node.name: host for host, node in found.items()}
    host = hosts.get(name) or hosts.get(owners.get(name, ""))
    node = found.get(host.name) if host else nodes.get(name)
    if host is None and node is None:
        return None
    addresses = [*(node.addresses if node else ()), *(host.addresses if host else ())]
    return Leaving(
        host=host.name if host else "",
        node=node.name if node else t.cast("Host", host).expected_node,
        addresses=tuple(dict.fromkeys(addresses)),
        control_plane=bool((host and host.control_plane) or (node and node.control_plane)),
        exists=node is not None,
        ready=bool(node and node.ready),
    )


def plan_removal(names: t.Sequence[str], hosts: t.Sequence[Host], nodes: t.Sequence[Node]) -> Removal:
    """The nodes that are removed.

    :param names: of hosts or nodes. :param hosts: all of the inventory.
    :raises RosterError: with all reasons why they cannot be removed.
    """
    by_host = {host.name: host for host in hosts}
    by_node = {node.name: node for node in nodes}
    found = match(hosts, nodes)
    findings = []
    leaving: list[Leaving] = []
    for name in dict.fromkeys(names):
        one = _leaving(name, by_host, by_node, found)
        if one is None:
            known = sorted({*by_host, *by_node})
            near = difflib.get_close_matches(name, known, 3) or known
            findings.append(
                (
                    f"{name} is neither a host of the inventory nor a node of the cluster: it is removed already, or"
                    " misspelled.",
                    f"Similar names: {listed(near)}.",
                )
            )
        elif one not in leaving:
            leaving.append(one)
    gone = {one.host for one in leaving}
    peers = [host.name for host in hosts if host.control_plane and host.name not in gone]
    delegates = _delegates(hosts, found, gone)
    if leaving and not peers:
        findings.append(
            (
                "No control plane of the inventory would stay: the cluster would end.",
                "Use the playbook reset for that.",
            )
        )
    elif leaving and not delegates:
        findings.append(
            (
                f"None of the control planes that stay ({listed(peers)}) is a Ready node of the cluster.",
                "Repair or add one first.",
            )
        )
    _fail(findings)
    # Pods of workers can still move to a control plane that runs pods.
    leaving.sort(key=lambda one: one.control_plane)
    return Removal(tuple(leaving), tuple(delegates), tuple(peers))
