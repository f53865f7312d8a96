# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The host's network interfaces, their addresses and routes, from the kernel itself (rtnetlink(7)).

Not by ip(8): preflight runs before that is installed.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
import typing as t
from dataclasses import dataclass, field

# linux/netlink.h, linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h
_GETLINK, _GETADDR, _GETROUTE = 18, 22, 26
_NEWLINK, _NEWADDR, _NEWROUTE = 16, 20, 24
_REQUEST_DUMP = 0x301
_DONE, _ERROR = 3, 2
_MAC, _IFNAME, _MASTER, _LINKINFO, _INFO_KIND = 1, 3, 10, 18, 1
_ETHER, _LOOPBACK = 1, 8
_ADDRESS, _LOCAL = 1, 2
_DST, _OIF, _MULTIPATH, _TABLE = 1, 4, 9, 15
_MAIN, _UNICAST, _UNIVERSE = 254, 1, 0
_SECONDS = 2.0

Message = tuple[int, bytes]


@dataclass
class Interface:
    """An interface that others can reach.

    :param mac: C(None) without one. :param addresses: with their prefix lengths.
    :param kind: C(bridge), C(bond), C(vlan), C(veth) ..., as C(ip -d link) has it; empty for a network card.
    :param member: it belongs to a bridge, a bond or a VRF. :param default_route: the main table has one through it.
    :param routed: the main table has a route to a network through it.
    """

    name: str
    mac: str | None
    addresses: list[str] = field(default_factory=list)
    kind: str = ""
    member: bool = False
    default_route: bool = False
    routed: bool = False


def messages(data: bytes) -> t.Iterator[Message]:
    """Type and body of each message."""
    at = 0
    while at + 16 <= len(data):
        length, kind = struct.unpack_from("=IH", data, at)
        if length < 16 or at + length > len(data):
            return
        yield kind, data[at + 16 : at + length]
        at += (length + 3) & ~3


def attributes(data: bytes) -> dict[int, bytes]:
    """Attributes by number."""
    found, at = {}, 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4 or at + length > len(data):
            break
        # The two highest bits are flags.
        found[kind & 0x3FFF] = data[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


def _number(data: bytes | None) -> int:
    return int(struct.unpack("=I", data)[0]) if data is not None and len(data) == 4 else 0


def _text(data: bytes | None) -> str:
    return (data or b"").split(b"\0")[0].decode("utf-8", "replace")


def _outputs(known: t.Mapping[int, bytes]) -> t.Iterator[int]:
    """Interfaces that a route leaves through."""
    if _OIF in known:
        yield _number(known[_OIF])
    hops, at = known.get(_MULTIPATH, b""), 0
    while at + 8 <= len(hops):
        length = struct.unpack_from("=H", hops, at)[0]
        yield int(struct.unpack_from("=i", hops, at + 4)[0])
        at += max((length + 3) & ~3, 8)


def _is_global(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Go's IsGlobalUnicast."""
    return not (
        address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local
    )


def _link(body: bytes) -> Interface | None:
    """An interface without its addresses, C(None) for a loopback one."""
    kind, _index, flags = struct.unpack_from("=HiI", body, 2)
    known = attributes(body[16:])
    if flags & _LOOPBACK:
        return None
    return Interface(
        _text(known.get(_IFNAME)),
        known.get(_MAC, b"").hex(":") or None if kind == _ETHER else None,
        kind=_text(attributes(known.get(_LINKINFO, b"")).get(_INFO_KIND)),
        member=_number(known.get(_MASTER)) != 0,
    )


def _address(body: bytes, links: t.Mapping[int, Interface]) -> None:
    index, known = int(struct.unpack_from("=I", body, 4)[0]), attributes(body[8:])
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(known.get(_LOCAL, known.get(_ADDRESS, b"")))
        if index in links and body[3] == _UNIVERSE and _is_global(address):
            links[index].addresses.append(f"{address}/{body[1]}")


def _route(body: bytes, links: t.Mapping[int, Interface]) -> None:
    known = attributes(body[12:])
    if (_number(known.get(_TABLE)) or body[4]) != _MAIN or body[7] != _UNICAST:
        return
    for index in _outputs(known):
        if index in links:
            links[index].default_route |= body[1] == 0
            with contextlib.suppress(ValueError):
                links[index].routed |= _is_global(ipaddress.ip_address(known.get(_DST, b"")))


def parse(seen: t.Iterable[Message]) -> list[dict[str, t.Any]]:
    """The interfaces with an address that others can reach, in the kernel's order."""
    links: dict[int, Interface] = {}
    later: list[Message] = []
    for kind, body in seen:
        if kind == _NEWLINK and len(body) >= 16:
            link = _link(body)
            if link is not None:
                links[int(struct.unpack_from("=i", body, 4)[0])] = link
        else:
            later.append((kind, body))
    for kind, body in later:
        if kind == _NEWADDR and len(body) >= 8:
            _address(body, links)
        elif kind == _NEWROUTE and len(body) >= 12:
            _route(body, links)
    return [dict(vars(link)) for _index, link in sorted(links.items()) if link.addresses]


def _ask(kind: int) -> t.Iterator[Message]:
    """The kernel's answer to one question."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as handle:
        handle.settimeout(_SECONDS)
        handle.send(struct.pack("=IHHIIB3x", 20, kind, _REQUEST_DUMP, 1, 0, 0))
        while True:
            for item in messages(handle.recv(1 << 18)):
                if item[0] in (_DONE, _ERROR):
                    return
                yield item


def observe(root: str = "/") -> list[dict[str, t.Any]]:
    """The host's interfaces; none below another root, or where the kernel does not tell."""
    if root != "/":
        return []
    try:
        return parse([item for kind in (_GETLINK, _GETADDR, _GETROUTE) for item in _ask(kind)])
    except OSError:
        return []


def interfaces_with(
    interfaces: t.Iterable[t.Mapping[str, t.Any]], address: str | None
) -> list[t.Mapping[str, t.Any]]:
    """Those of the interfaces that have an address."""
    return [
        interface
        for interface in interfaces
        if any(own.partition("/")[0] == address for own in interface.get("addresses") or ())
    ]


def interface_of(interfaces: t.Iterable[t.Mapping[str, t.Any]], address: str | None) -> str | None:
    """Name of the interface that has an address, C(None) when there is none."""
    return next((str(interface["name"]) for interface in interfaces_with(interfaces, address)), None)
