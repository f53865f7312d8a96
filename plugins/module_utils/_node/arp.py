# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Ask a network who has an IPv4 address, by an ARP probe (RFC 5227)."""

from __future__ import annotations

import ipaddress
import socket
import struct
import time
import typing as t

_ETH_P_ARP = 0x0806
_REPLY = 2
# Hardware and protocol type, their sizes, operation; then sender and target, hardware and protocol address each.
_PACKET = struct.Struct("!HHBBH6s4s6s4s")
_HEADER = struct.Struct("!6s6sH")
_BROADCAST = b"\xff" * 6
#: Probes are sent so many times, as a network may lose one.
_TIMES = 3


def probe(address: str, mac: bytes) -> bytes:
    """The frame that asks for an address without claiming one: its sender has the address 0.0.0.0."""
    target = ipaddress.IPv4Address(address).packed
    return _HEADER.pack(_BROADCAST, mac, _ETH_P_ARP) + _PACKET.pack(
        1, 0x0800, 6, 4, 1, mac, b"\0" * 4, b"\0" * 6, target
    )


def answer(frame: bytes, address: str) -> str | None:
    """MAC address of who says in a frame that it has the address; C(None) for any other frame."""
    if len(frame) < _HEADER.size + _PACKET.size:
        return None
    _destination, _source, kind = _HEADER.unpack_from(frame)
    hardware, protocol, _hlen, _plen, operation, mac, sender, _tmac, _target = _PACKET.unpack_from(
        frame, _HEADER.size
    )
    if (kind, hardware, protocol, operation) != (_ETH_P_ARP, 1, 0x0800, _REPLY):
        return None
    return mac.hex(":") if sender == ipaddress.IPv4Address(address).packed else None


def who_has(address: str, interface: str, timeout: float) -> dict[str, t.Any]:
    """Who answers for an address in the network of an interface.

    :param timeout: seconds to wait when nobody answers; the first answer ends it.
    :returns: C(macs) of those that have answered, and C(error) when the network could not be asked.
    """
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ARP)) as wire:
            wire.bind((interface, _ETH_P_ARP))
            own = wire.getsockname()[4]
            if len(own) != 6:
                return {"macs": [], "error": f"{interface} is no Ethernet interface"}
            return {"macs": _ask(wire, address, own, timeout), "error": None}
    except (OSError, ValueError) as exc:
        return {"macs": [], "error": str(exc)}


def _ask(wire: socket.socket, address: str, own: bytes, timeout: float) -> list[str]:
    end = time.monotonic() + timeout
    for number in range(_TIMES):
        wire.send(probe(address, own))
        until = end - timeout * (_TIMES - 1 - number) / _TIMES
        while (left := until - time.monotonic()) > 0:
            wire.settimeout(left)
            try:
                mac = answer(wire.recv(2048), address)
            # An alias of TimeoutError since Python 3.10.
            except socket.timeout:
                break
            if mac is not None:
                return [mac]
    return []
