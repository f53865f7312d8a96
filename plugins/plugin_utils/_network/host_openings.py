# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.
"""Read the openings of nodes from an inventory. Pure.

An opening of nodes says who may connect to programs that run on nodes themselves: outside of pods, or in pods with
C(hostNetwork).
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network.openings import (
    Labels,
    OpeningError,
    Peer,
    Port,
    read_labels,
    read_named,
    read_peer,
    read_ports,
    refuse_unknown,
)

OPTION = "network_host_openings"
_KEYS = ("name", "from", "nodes", "ports")
#: Labels of nodes that Cilium 1.19 does not take over for its host endpoint (pkg/labelsfilter/filter.go): keys that
#: begin with one of the first, or contain one of the second.
_DROPPED_PREFIXES = (
    *("kubernetes.io", "io.kubernetes", "k8s.io", "topology.kubernetes.io", "annotation", "etcd_node"),
    *("statefulset.kubernetes.io/pod-name", "pod-template-", "controller-"),
)
_DROPPED_PARTS = ("beta.kubernetes.io",)


@dataclass(frozen=True)
class HostOpening:
    """Who may connect to nodes.

    :param name: unique in the inventory. :param source: who connects.
    :param ports: of the node, none for all ports and protocols.
    :param nodes: labels of the nodes that it is for, none for all nodes.
    """

    name: str
    source: Peer
    ports: tuple[Port, ...] = ()
    nodes: Labels = ()


def _node_labels(value: t.Any) -> Labels:
    labels = read_labels(value, "nodes")
    for key, _text in labels:
        if key.startswith(_DROPPED_PREFIXES) or any(part in key for part in _DROPPED_PARTS):
            raise OpeningError(
                f"nodes has the label {key}, which Cilium does not see on nodes; expected another one, such as"
                " node-role.kubernetes.io/control-plane or one of your own"
            )
    return labels


def _opening(given: t.Mapping[str, t.Any], name: str) -> HostOpening:
    refuse_unknown(given, _KEYS, "")
    if "from" not in given:
        raise OpeningError("it has no from, expected who may connect to nodes")
    source = read_peer(given["from"], "from")
    return HostOpening(
        name,
        source,
        read_ports(given["ports"]) if "ports" in given else (),
        _node_labels(given["nodes"]) if "nodes" in given else (),
    )


def read(value: t.Any, option: str = OPTION) -> tuple[tuple[HostOpening, ...], tuple[str, ...]]:
    """Read openings of nodes: those without an error, and what is wrong with the others.

    :param value: of the option. :param option: its name, for the problems.
    """
    return read_named(value, option, _opening)
