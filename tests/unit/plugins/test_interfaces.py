# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Interfaces, their addresses and routes, from the kernel's messages; and which of them Cilium has to be told of."""

from __future__ import annotations

import ipaddress
import json
import struct
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.interfaces import (
    interface_of,
    messages,
    observe,
    parse,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._node.devices import cilium_devices
from hypothesis import given
from hypothesis import strategies as st

MAC = bytes.fromhex("02000000000b")


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def message(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 2, 1, 0) + body + bytes(-len(body) % 4)


def link(index: int, name: str, kind: str = "", master: int = 0, flags: int = 1, arp: int = 1) -> bytes:
    body = struct.pack("=BxHiII", 0, arp, index, flags, 0)
    body += attribute(3, name.encode() + b"\0") + attribute(1, MAC)
    if master:
        body += attribute(10, struct.pack("=I", master))
    if kind:
        body += attribute(18 | 0x8000, attribute(1, kind.encode() + b"\0"))
    return message(16, body)


def address(index: int, text: str, scope: int = 0) -> bytes:
    own = ipaddress.ip_interface(text)
    family = 2 if own.version == 4 else 10
    body = struct.pack("=BBBBI", family, own.network.prefixlen, 0, scope, index)
    return message(
        20, body + attribute(1, own.ip.packed) + (attribute(2, own.ip.packed) if family == 2 else b"")
    )


def route(index: int, to: str, table: int = 254, hops: bool = False) -> bytes:
    network = ipaddress.ip_network(to)
    body = struct.pack(
        "=BBBBBBBBI", 2 if network.version == 4 else 10, network.prefixlen, 0, 0, table, 3, 0, 1, 0
    )
    body += attribute(1, network.network_address.packed) if network.prefixlen else b""
    hop = struct.pack("=HBBi", 8, 0, 0, index)
    return message(24, body + (attribute(9, hop) if hops else attribute(4, struct.pack("=i", index))))


def host(*parts: bytes) -> list[dict[str, t.Any]]:
    return parse(list(messages(b"".join(parts))))


def test_what_others_can_reach() -> None:
    found = host(
        link(1, "lo", flags=9, arp=772),
        link(2, "eth0"),
        link(3, "eth1"),
        link(4, "wg0", "wireguard", arp=65534),
        address(1, "127.0.0.1/8", 254),
        address(2, "192.0.2.11/24"),
        address(2, "192.0.2.100/32"),
        address(2, "2001:db8::11/64"),
        address(2, "fe80::b/64", 253),
        address(4, "10.9.0.1/24"),
        route(2, "0.0.0.0/0", hops=True),
        route(2, "192.0.2.0/24"),
        route(4, "10.9.0.0/24", table=255),
    )
    assert found == [
        {
            "name": "eth0",
            "mac": "02:00:00:00:00:0b",
            "addresses": ["192.0.2.11/24", "192.0.2.100/32", "2001:db8::11/64"],
            "kind": "",
            "member": False,
            "default_route": True,
            "routed": True,
        },
        {
            "name": "wg0",
            "mac": None,
            "addresses": ["10.9.0.1/24"],
            "kind": "wireguard",
            "member": False,
            "default_route": False,
            "routed": False,
        },
    ]
    for wanted, name in (
        ("192.0.2.100", "eth0"),
        ("2001:db8::11", "eth0"),
        ("192.0.2.1", None),
        (None, None),
    ):
        assert interface_of(found, wanted) == name


@given(st.binary(max_size=200))
def test_no_bytes_are_too_strange(data: bytes) -> None:
    parse(list(messages(data)))
    parse([(kind, data) for kind in (16, 20, 24)])


def test_the_kernel_itself() -> None:
    """In a network of its own, with a bridge that has the address and a card below it."""
    program = (
        "import json; from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.interfaces"
        " import observe; print(json.dumps(observe()))"
    )
    script = (
        "ip link add br0 type bridge && ip link add v0 type veth peer name v1 && ip link set v0 master br0 up"
        " && ip addr add 198.51.100.7/24 dev br0 && ip link set br0 up && ip addr add 198.51.100.8/32 dev v0"
        f" && {sys.executable} -c '{program}'"
    )
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": ":".join(sys.path)},
    )
    if done.returncode:
        pytest.skip(f"no network namespace here: {done.stderr.strip()}")
    found = {item["name"]: item for item in json.loads(done.stdout)}
    assert {name: (item["kind"], item["member"], item["routed"]) for name, item in found.items()} == {
        "br0": ("bridge", False, True),
        "v0": ("veth", True, False),
    }
    assert found["br0"]["addresses"] == ["198.51.100.7/24"]


def test_another_root_has_no_kernel(tmp_path: Path) -> None:
    assert observe(str(tmp_path)) == []


def node(name: str = "eth0", **more: t.Any) -> dict[str, t.Any]:
    interface = {"name": name, "kind": "", "addresses": ["192.0.2.11/24"], "routed": True, **more}
    other = {"name": "eth9", "kind": "bridge", "addresses": ["198.51.100.1/24"], "routed": True}
    return {"address": "192.0.2.11", "interfaces": [other, interface]}


@pytest.mark.parametrize(
    ("interface", "told"),
    [
        ({}, []),
        ({"name": "bond0", "kind": "bond"}, []),
        ({"name": "bond0.7", "kind": "vlan"}, []),
        ({"name": "wg0", "kind": "wireguard"}, []),
        ({"name": "br0", "kind": "bridge"}, ["br0"]),
        ({"name": "br0.7", "kind": "vlan"}, []),
        ({"name": "ovs", "kind": "openvswitch"}, ["ovs"]),
        ({"name": "ib0", "kind": "ipoib"}, ["ib0"]),
        ({"kind": "veth", "default_route": True}, []),
        ({"kind": "veth", "default_route": False}, ["eth0"]),
        ({"routed": False}, ["eth0"]),
        ({"member": True}, ["eth0"]),
        ({"name": "docker0", "kind": "bridge"}, ["docker0"]),
        ({"name": "lan0"}, []),
        ({"name": "local0"}, ["local0"]),
    ],
)
def test_what_cilium_has_to_be_told(interface: dict[str, t.Any], told: list[str]) -> None:
    assert cilium_devices({"cp1": node(**interface)}) == told


def test_all_nodes_have_one_list() -> None:
    nodes = {"cp1": node(), "w1": node("br0", kind="bridge"), "w2": node("br1", kind="bridge"), "w3": {}}
    assert cilium_devices(nodes) == ["br0", "br1"]
    # What is not known of w3 stays; once all are known, only what they have.
    assert cilium_devices(nodes, previous="br0 br7") == ["br0", "br1", "br7"]
    assert cilium_devices({**nodes, "w3": node()}, previous="br7") == ["br0", "br1"]
    # The inventory's address counts, also where there is no default route and so no other.
    assert cilium_devices({"w1": {**node(), "address": None}}, {"w1": "198.51.100.1"}) == ["eth9"]
