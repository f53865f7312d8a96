# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.
"""Read what the policies of nodes are made of, from objects of the API and from what hosts have told. Pure."""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network.host_policies import (
    Client,
    Facts,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network.openings import Port

Json = t.Mapping[str, t.Any]

#: Ansible's connection to a host that is the controller itself, which is not by ssh.
LOCAL = ("local", "ansible.builtin.local")
# Cilium's own defaults (pkg/defaults/defaults.go).
_TUNNEL_PORTS = {"vxlan": 8472, "geneve": 6081}


class FactsError(ValueError):
    """What cannot be used, in words."""


@dataclass(frozen=True)
class Connection:
    """How the controller is connected to a host.

    :param host: its name in the inventory. :param kind: Ansible's connection plugin.
    :param ssh: C(SSH_CONNECTION) of a session on the host (sshd(8)), which is addresses and ports of both sides.
    """

    host: str
    kind: str
    ssh: str


def _address(text: str) -> str:
    """An address as Cilium has it: of IPv4, where an IPv6 socket has accepted it."""
    found = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(found)


def client(connection: Connection) -> Client | None:
    """Where a connection comes from, C(None) for one that is not by ssh.

    :raises FactsError: when the host has not told.
    """
    if connection.kind in LOCAL:
        return None
    parts = connection.ssh.split()
    try:
        return Client(_address(parts[0]), int(parts[3]))
    except (IndexError, ValueError):
        raise FactsError(
            f"{connection.host} does not say from where it is connected: SSH_CONNECTION is {connection.ssh!r} there,"
            f" with the connection {connection.kind}; expected addresses and ports of both sides"
        ) from None


def clients(connections: t.Iterable[Connection], controllers: t.Sequence[str]) -> tuple[Client, ...]:
    """Where all connections come from.

    :param controllers: addresses instead of those that hosts see; ports are as they see them.
    :raises FactsError: with all that is wrong.
    """
    found: list[Client] = []
    wrong = []
    for connection in connections:
        try:
            one = client(connection)
        except FactsError as problem:
            if not controllers:
                wrong.append(str(problem))
                continue
            one = Client("")
        if one is not None:
            found += [Client(address, one.port) for address in controllers] or [one]
    if wrong:
        raise FactsError("; ".join(wrong))
    return tuple(sorted(set(found), key=lambda each: (each.address, each.port)))


def _addresses(node: Json) -> list[str]:
    listed = (node.get("status") or {}).get("addresses") or ()
    return [str(one["address"]) for one in listed if one.get("type") == "InternalIP"]


def api_ports(slices: t.Iterable[Json]) -> tuple[int, ...]:
    """Ports of the API servers, from EndpointSlices of the Service C(kubernetes)."""
    found = {int(port["port"]) for one in slices for port in one.get("ports") or () if port.get("port")}
    return tuple(sorted(found)) or (6443,)


def tunnel(config: t.Mapping[str, str]) -> Port | None:
    """Port of Cilium's tunnel, from the ConfigMap C(cilium-config)."""
    if config.get("routing-mode", "tunnel") != "tunnel":
        return None
    number = int(config.get("tunnel-port") or 0) or _TUNNEL_PORTS.get(
        config.get("tunnel-protocol", "vxlan"), 8472
    )
    return Port(number, number, "UDP")


def _enabled(config: t.Mapping[str, str], name: str) -> bool:
    return config.get(name, "false").lower() == "true"


def unusable(config: t.Mapping[str, str], vrrp: bool) -> list[str]:
    """Why Cilium, as it is configured, cannot apply policies to nodes.

    :param config: the ConfigMap C(cilium-config). :param vrrp: whether control planes hold a virtual IP address.
    """
    needed = ["enable-host-firewall", "enable-node-selector-labels"]
    # Cilium's host firewall drops protocols that it does not know, VRRP too, also without a policy.
    needed += ["enable-extended-ip-protocols"] if vrrp else []
    found = [
        f"{name} is {config.get(name, 'not set')}, expected true"
        for name in needed
        if not _enabled(config, name)
    ]
    if _enabled(config, "enable-ipsec"):
        found.append(
            "enable-ipsec is true, expected false: Cilium's host firewall does not work together with IPsec"
        )
    return found


def unguarded(nodes: t.Iterable[Json], hosts: t.Iterable[Json]) -> list[str]:
    """Names of nodes that are no hosts of the inventory, so that no guard can run on them."""
    known = {host["address"] for host in hosts}
    return [str(node["metadata"]["name"]) for node in nodes if not known & set(_addresses(node))]


def read(
    nodes: t.Sequence[Json],
    slices: t.Sequence[Json],
    config: t.Mapping[str, str],
    hosts: t.Sequence[Json],
    **more: t.Any,
) -> Facts:
    """Facts for the policies.

    :param nodes: Nodes of the API. :param slices: EndpointSlices of the Service C(kubernetes).
    :param config: the ConfigMap C(cilium-config).
    :param hosts: those of the inventory, with C(address) (empty when it is not known) and C(control_plane).
    :param more: of C(Facts), as they are.
    """
    known = tuple(dict.fromkeys(address for node in nodes for address in _addresses(node)))
    joining = [host for host in hosts if host["address"] and host["address"] not in known]
    return Facts(
        nodes=known,
        pod_networks=tuple(
            str(one) for node in nodes for one in (node.get("spec") or {}).get("podCIDRs") or ()
        ),
        joining=tuple(str(host["address"]) for host in joining),
        joining_control_planes=tuple(str(host["address"]) for host in joining if host["control_plane"]),
        api_ports=api_ports(slices),
        tunnel=tunnel(config),
        wireguard=_enabled(config, "enable-wireguard"),
        hubble=_enabled(config, "enable-hubble"),
        **more,
    )
