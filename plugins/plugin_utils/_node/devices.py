# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Interfaces that Cilium has to be told of. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.interfaces import interfaces_with

# What Cilium 1.19 leaves out when it looks for devices itself (isSelectedDevice in
# pkg/datapath/linux/devices_controller.go, ExcludedDevicePrefixes in pkg/defaults/node.go).
_PREFIXES = ("cilium_", "lo", "lxc", "cni", "docker")
_KINDS = ("bridge", "openvswitch", "ipoib")


def detected(interface: t.Mapping[str, t.Any]) -> bool:
    """Whether Cilium selects an interface by itself."""
    kind = interface.get("kind") or ""
    return not (
        str(interface["name"]).startswith(_PREFIXES)
        or kind in _KINDS
        or interface.get("member")
        or (kind == "veth" and not interface.get("default_route"))
        or not interface.get("routed")
    )


def cilium_devices(
    nodes: t.Mapping[str, t.Mapping[str, t.Any]],
    addresses: t.Mapping[str, str] | None = None,
    previous: str = "",
) -> list[str]:
    """Names of the interfaces with a node's address that Cilium would not select by itself, of all nodes together.

    Cilium has one list for all nodes, and takes from it what a node has.

    :param nodes: host -> C(node) of C(node_info); empty for a host that was not observed.
    :param addresses: host -> node address of the inventory.
    :param previous: what Cilium has been told; it is kept while a host was not observed.
    """
    found = set(previous.split()) if any(not node for node in nodes.values()) else set()
    for host, node in nodes.items():
        wanted = {
            one.strip() for one in ((addresses or {}).get(host) or node.get("address") or "").split(",")
        }
        for address in wanted:
            own = interfaces_with(node.get("interfaces") or (), address)
            found |= {str(interface["name"]) for interface in own if not detected(interface)}
    return sorted(found)
