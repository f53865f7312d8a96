# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Interfaces and their addresses, from what ip(8) prints."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.interfaces import (
    interface_of,
    parse_interfaces,
)


def link(name: str, *addresses: tuple[str, int, str], **more: t.Any) -> dict[str, t.Any]:
    """An interface as ip(8) prints it. Addresses are (address, prefix length, scope)."""
    return {
        "ifname": name,
        "flags": ["BROADCAST", "UP"],
        "link_type": "ether",
        "address": "02:00:00:00:00:0b",
        "addr_info": [
            {
                "family": "inet6" if ":" in address else "inet",
                "local": address,
                "prefixlen": size,
                "scope": scope,
            }
            for address, size, scope in addresses
        ],
        **more,
    }


LOOPBACK = link("lo", ("127.0.0.1", 8, "host"), flags=["LOOPBACK", "UP"], link_type="loopback")
ETH0 = link(
    "eth0",
    ("192.0.2.11", 24, "global"),
    ("192.0.2.100", 32, "global"),
    ("2001:db8::11", 64, "global"),
    ("fe80::b", 64, "link"),
)


def test_usable_interfaces_and_addresses() -> None:
    text = json.dumps(
        [LOOPBACK, ETH0, link("eth1"), link("wg0", ("10.9.0.1", 24, "global"), link_type="none")]
    )
    assert parse_interfaces(text) == [
        {
            "name": "eth0",
            "mac": "02:00:00:00:00:0b",
            "addresses": ["192.0.2.11/24", "192.0.2.100/32", "2001:db8::11/64"],
        },
        {"name": "wg0", "mac": None, "addresses": ["10.9.0.1/24"]},
    ]


@pytest.mark.parametrize("text", ["", "ip: unrecognized option: json", "{}", "[1]", "[{}]"])
def test_anything_else_gives_no_interfaces(text: str) -> None:
    assert parse_interfaces(text) == []


@pytest.mark.parametrize(
    ("address", "name"),
    [("192.0.2.100", "eth0"), ("2001:db8::11", "eth0"), ("192.0.2.1", None), (None, None)],
)
def test_interface_of_an_address(address: str | None, name: str | None) -> None:
    assert interface_of(parse_interfaces(json.dumps([LOOPBACK, ETH0])), address) == name
