# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Whether addresses can be announced for the ingress controller, before anything is changed. Pure.

An address that is announced by ARP or NDP is answered for on a network of its node only. So a range has to lie in a
network that every node of the ingress controller has an interface in, and nobody else may have its addresses.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t
from dataclasses import dataclass

Json = dict[str, t.Any]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface

_FORM = "FIRST-LAST, one address, or a network, such as 192.0.2.240-192.0.2.247 or 192.0.2.240/29"


@dataclass(frozen=True)
class Range:
    """Addresses of one family.

    :param text: as the inventory has it. :param first: :param last: both included.
    """

    text: str
    first: Address
    last: Address

    def __contains__(self, address: Address) -> bool:
        return address.version == self.first.version and int(self.first) <= int(address) <= int(self.last)

    def overlaps(self, other: Range) -> bool:
        """Whether both have an address in common."""
        return other.first in self or self.first in other

    @property
    def block(self) -> Json:
        """As a block of a CiliumLoadBalancerIPPool."""
        return {"start": str(self.first), "stop": str(self.last)}


def read_range(text: str) -> Range:
    """Read a range.

    :raises ValueError: it is none.
    """
    first, dash, last = (part.strip() for part in text.partition("-"))
    if "/" in first and not dash:
        network = ipaddress.ip_network(first)
        return Range(text, network[0], network[-1])
    begin, end = ipaddress.ip_address(first), ipaddress.ip_address(last if dash else first)
    if begin.version != end.version or int(begin) > int(end):
        raise ValueError("the last address is before the first one, or of another family")
    return Range(text, begin, end)


def read_ranges(texts: t.Iterable[t.Any], option: str) -> tuple[list[Range], list[str]]:
    """Ranges, and one line for each that is none.

    :param option: what messages call their place.
    """
    ranges, problems = [], []
    for text in texts:
        try:
            ranges.append(read_range(str(text)))
        except ValueError as exc:
            problems.append(f"{option}: {text}: {exc}; expected {_FORM}")
    for number, one in enumerate(ranges):
        problems += [
            f"{option}: {one.text} and {other.text} overlap"
            for other in ranges[number + 1 :]
            if one.overlaps(other)
        ]
    return ranges, problems


def networks_problems(texts: t.Iterable[t.Any], option: str) -> list[str]:
    """One line for each text that is no address or network.

    :param option: what messages call their place.
    """
    problems = []
    for text in texts:
        try:
            ipaddress.ip_network(str(text))
        except ValueError as exc:
            problems.append(f"{option}: {text}: {exc}; expected an address or a network such as 192.0.2.0/24")
    return problems


def patterns_problems(patterns: t.Iterable[str], option: str) -> list[str]:
    """One line for each text that is no regular expression.

    :param option: what messages call their place.
    """
    problems = []
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as exc:
            problems.append(f"{option}: {pattern} is no regular expression: {exc}")
    return problems


def _interfaces(node: Json, patterns: t.Sequence[str]) -> dict[str, list[Interface]]:
    """Interface -> its addresses, for those that addresses are announced on."""
    return {
        str(one["name"]): [ipaddress.ip_interface(address) for address in one.get("addresses") or ()]
        for one in node.get("interfaces") or ()
        if not patterns or any(re.search(pattern, str(one["name"])) for pattern in patterns)
    }


def _home(one: Range, interfaces: t.Mapping[str, t.Sequence[Interface]]) -> Interface | None:
    """The address of an interface whose network has all of a range."""
    for addresses in interfaces.values():
        for address in addresses:
            if one.first in address.network and one.last in address.network:
                return address
    return None


def _on_host(host: str, node: Json, ranges: t.Sequence[Range], patterns: t.Sequence[str]) -> t.Iterator[str]:
    interfaces = _interfaces(node, patterns)
    if not interfaces:
        names = ", ".join(str(one["name"]) for one in node.get("interfaces") or ()) or "none"
        yield f"{host}: no interface matches ingress_interfaces ({', '.join(patterns)}), found {names}"
        return
    for one in ranges:
        home = _home(one, interfaces)
        if home is None:
            found = "; ".join(
                f"{name} {', '.join(str(address.network) for address in addresses)}"
                for name, addresses in interfaces.items()
            )
            yield (
                f"{host}: {one.text} is in no network of the node, expected it to be in one of those that the"
                f" address is announced on: {found}"
            )
        elif home.version == 4 and home.network.prefixlen < 31:
            for address, kind in (
                (home.network.network_address, "the address of the network"),
                (home.network.broadcast_address, "the broadcast address"),
            ):
                if address in one:
                    yield f"{host}: {one.text} has {address}, {kind} {home.network}"


def problems(
    ranges: t.Sequence[Range],
    patterns: t.Sequence[str],
    nodes: t.Mapping[str, Json],
    taken: t.Mapping[str, str],
) -> list[str]:
    """What is wrong with ranges of addresses, one line each.

    :param patterns: regular expressions of interfaces, none for all.
    :param nodes: host -> C(node) as of node_info, for the hosts that may announce.
    :param taken: address -> whose it is.
    """
    found = [line for host, node in nodes.items() for line in _on_host(host, node, ranges, patterns)]
    own = {
        str(address.ip): f"interface {name} of {host}"
        for host, node in nodes.items()
        for name, addresses in _interfaces(node, ()).items()
        for address in addresses
    }
    for text, owner in {**own, **taken}.items():
        address = ipaddress.ip_address(text)
        found += [f"{one.text} has {text}, which {owner} has" for one in ranges if address in one]
    return found


def pool_problems(ranges: t.Sequence[Range], pools: t.Iterable[Json]) -> list[str]:
    """One line for each range that another pool of Cilium has addresses of; Cilium would use neither.

    :param pools: CiliumLoadBalancerIPPools of others.
    """
    found = []
    for pool in pools:
        for block in (pool.get("spec") or {}).get("blocks") or ():
            first, last = block.get("start"), block.get("stop") or block.get("start")
            try:
                other = read_range(block.get("cidr") or f"{first}-{last}")
            except ValueError:
                # Cilium says so in the pool's status, and does not use it either.
                continue
            found += [
                f"{one.text} overlaps {other.text} of the CiliumLoadBalancerIPPool {pool['metadata']['name']}"
                for one in ranges
                if one.overlaps(other)
            ]
    return found
