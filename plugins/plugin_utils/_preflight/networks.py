# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Networks of the cluster against each other and against those of the hosts."""

from __future__ import annotations

import contextlib
import re
import traceback
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight.model import (
    ERROR,
    Finding,
    Host,
    Site,
)

try:
    import netaddr
except ImportError:
    NETADDR_ERROR: str | None = traceback.format_exc()
else:
    NETADDR_ERROR = None

# Interfaces that the CNI creates on a node: their routes are the cluster's own.
_OWN_INTERFACES = re.compile(r"(cilium_|lxc|cni|kube-|nodelocaldns|dummy0$)")
# Size of a node's Pod network by default (--node-cidr-mask-size-ipv4 and -ipv6 of the controller manager).
_NODE_PREFIX = {4: 24, 6: 64}
# kubeadm's limits (cmd/kubeadm/app/constants): difference between the Pod network's and a node's mask, bits of the
# Service network, and the minimum number of its addresses.
_MASK_DIFFERENCE = 16
_SERVICE_BITS = 20
_SERVICE_ADDRESSES = 10

_CHOOSE = "Choose another network in cluster_pod_cidr or cluster_service_cidr; it cannot be changed later."


def _finding(check: str, found: str, expected: str, fix: str = _CHOOSE, host: str = "") -> Finding:
    return Finding(host, check, ERROR, found, expected, fix)


def _parse(name: str, text: str) -> tuple[list[t.Any], list[Finding]]:
    """The networks in a variable, and findings about their format."""
    networks: list[t.Any] = []
    wrong = []
    for part in (item.strip() for item in text.split(",")):
        try:
            network = netaddr.IPNetwork(part)
        except (netaddr.AddrFormatError, ValueError, TypeError):
            wrong.append(
                _finding(
                    "network_format", f"{name} has {part!r}", "a network in CIDR form, as in 10.244.0.0/16"
                )
            )
            continue
        if "/" not in part or network.ip != network.network:
            wrong.append(
                _finding(
                    "network_format", f"{name} has {part!r}", f"a network in CIDR form, as in {network.cidr}"
                )
            )
        networks.append(network.cidr)
    if len({network.version for network in networks}) != len(networks):
        wrong.append(
            _finding(
                "network_format", f"{name} is {text!r}", "at most one network of each family, IPv4 and IPv6"
            )
        )
    return networks, wrong


def _overlap(one: t.Any, other: t.Any) -> bool:
    return bool(one.version == other.version and (one in other or other in one))


def _sizes(pods: t.Sequence[t.Any], services: t.Sequence[t.Any], nodes: int) -> t.Iterator[Finding]:
    for network in pods:
        prefix = _NODE_PREFIX[network.version]
        room = prefix - network.prefixlen
        if room < 0 or 2**room < nodes:
            yield _finding(
                "network_size",
                f"cluster_pod_cidr {network} has room for {2**room if room >= 0 else 0} nodes with a /{prefix} each",
                f"room for {nodes} nodes, as the inventory has",
            )
        elif room > _MASK_DIFFERENCE:
            yield _finding(
                "network_size",
                f"cluster_pod_cidr {network} would hold more than 2^{_MASK_DIFFERENCE} nodes",
                f"a /{prefix - _MASK_DIFFERENCE} or smaller, as the node CIDR allocator needs",
            )
    for network in services:
        bits = (32 if network.version == 4 else 128) - network.prefixlen
        if network.size < _SERVICE_ADDRESSES:
            yield _finding(
                "network_size",
                f"cluster_service_cidr {network} has {network.size} addresses",
                f"{_SERVICE_ADDRESSES} addresses or more",
            )
        elif bits > _SERVICE_BITS:
            yield _finding(
                "network_size",
                f"cluster_service_cidr {network} has 2^{bits} addresses",
                f"2^{_SERVICE_BITS} addresses at most, which is kubeadm's limit",
            )


def _host_networks(host: Host) -> list[tuple[t.Any, str]]:
    """Networks that a host has routes to, and its node address."""
    known = [
        (netaddr.IPNetwork(item["network"]), f"{item['network']} on {item['interface']}")
        for item in host.extra.get("networks") or ()
        if not _OWN_INTERFACES.match(item["interface"])
    ]
    if host.address:
        with contextlib.suppress(netaddr.AddrFormatError, ValueError):
            known.append((netaddr.IPNetwork(host.address), f"the node's address {host.address}"))
    return known


def check_networks(hosts: t.Sequence[Host], site: Site) -> t.Iterator[Finding]:
    """Format, overlaps and sizes."""
    pods, wrong_pods = _parse("cluster_pod_cidr", site.pod_cidr)
    services, wrong_services = _parse("cluster_service_cidr", site.service_cidr)
    yield from (*wrong_pods, *wrong_services)
    for pod in pods:
        for service in services:
            if _overlap(pod, service):
                yield _finding(
                    "network_overlap",
                    f"cluster_pod_cidr {pod} and cluster_service_cidr {service} overlap",
                    "networks that do not overlap",
                )
    named = [("cluster_pod_cidr", network) for network in pods]
    named += [("cluster_service_cidr", network) for network in services]
    for host in hosts:
        seen = set()
        for network, shown in _host_networks(host):
            for name, own in named:
                if _overlap(network, own) and (name, own) not in seen:
                    seen.add((name, own))
                    yield _finding(
                        "network_overlap",
                        f"{name} {own} overlaps {shown}",
                        "a network that no host has a route to",
                        host=host.name,
                    )
    yield from _sizes(pods, services, len({*site.control_planes, *site.workers}))
