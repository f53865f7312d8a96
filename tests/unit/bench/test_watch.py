# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counting from outside: connections, calls, bytes, memory, processor time."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

from tests.bench import measure, watch
from tests.bench.watch import Bytes

HOSTS = {"cp1": "192.0.2.1", "w1": "192.0.2.2"}
SYN, ACK = 0x02, 0x10


def _packet(
    flags: int = SYN, port: int = 22, protocol: int = 6, version: int = 4, fragment: int = 0, options: int = 0
) -> bytes:
    header = struct.pack(
        "!BBHHHBBH4s4s",
        *(version << 4 | 5 + options, 0, 40, 1, fragment, 64, protocol, 0),
        socket.inet_aton("192.0.2.9"),
        socket.inet_aton("192.0.2.1"),
    )
    tcp = struct.pack("!HHIIBBHHH", 40000, port, 7, 0, 5 << 4, flags, 1000, 0, 0)
    return header + b"\0" * options * 4 + tcp


def _filter(packet: bytes) -> int:
    """The socket filter, run here: what the kernel would keep of a packet."""
    a = x = position = 0
    while True:
        code, yes, no, k = watch._FIRST_PACKETS[position]
        position += 1
        match code:
            case 0x30:
                a = packet[k]
            case 0x28:
                a = int.from_bytes(packet[k : k + 2], "big")
            case 0x50:
                a = packet[x + k]
            case 0x48:
                a = int.from_bytes(packet[x + k : x + k + 2], "big")
            case 0xB1:
                x = (packet[k] & 0x0F) * 4
            case 0x54:
                a &= k
            case 0x15:
                position += yes if a == k else no
            case 0x45:
                position += yes if a & k else no
            case 0x06:
                return k
            case _:
                raise AssertionError(hex(code))


@pytest.mark.parametrize(
    ("packet", "kept"),
    [
        (_packet(), True),
        (_packet(options=3), True),
        (_packet(SYN | 0xC0), True),  # with the flags of explicit congestion notification
        (_packet(SYN | ACK), False),
        (_packet(ACK), False),
        (_packet(port=6443), False),
        (_packet(protocol=17), False),
        (_packet(version=6), False),
        (_packet(fragment=100), False),
    ],
)
def test_filter_keeps_first_packets_to_sshd(packet: bytes, kept: bool) -> None:
    assert bool(_filter(packet)) is kept


def test_first_packet() -> None:
    assert watch.first_packet(_packet(options=2)) == ("192.0.2.1", 40000, 7)
    for other in (_packet(SYN | ACK), _packet(protocol=17), _packet(version=6), _packet()[:25], b""):
        assert watch.first_packet(other) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="listening on an interface needs root")
def test_connections_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    program = tuple(
        (code, yes, no, port if (code, k) == (0x15, 22) else k) for code, yes, no, k in watch._FIRST_PACKETS
    )
    monkeypatch.setattr(watch, "_FIRST_PACKETS", program)
    with server, watch.Connections("lo") as connections:
        for _number in range(3):
            socket.create_connection(("127.0.0.1", port)).close()
    # Each packet passes the loopback interface twice, out and in.
    assert connections.by_address() == {"127.0.0.1": 3}


def test_calls() -> None:
    # A line that was cut off is passed over.
    lines = ["ssh 192.0.2.1 10.25", "sftp 192.0.2.2 11.00", "ssh cp1 12.50", "ssh cp1", ""]
    assert watch.calls(lines, HOSTS) == [("cp1", 10.25), ("w1", 11.0), ("cp1", 12.5)]


@pytest.mark.parametrize(
    ("program", "arguments", "noted"),
    [
        ("ssh", ["-C", "-o", 'User="root"', "192.0.2.1", "/bin/sh -c 'echo 192.0.2.2'"], "ssh 192.0.2.1"),
        ("ssh", ["-F", "file", "w1", "bash", "-s"], "ssh w1"),
        ("sftp", ["-b", "-", "[192.0.2.2]"], "sftp 192.0.2.2"),
        ("ssh", ["elsewhere", ""], ""),
    ],
)
def test_wrapper_notes_the_host_and_hands_on_all_arguments(
    program: str, arguments: list[str], noted: str, tmp_path: Path
) -> None:
    real = tmp_path / program
    real.write_text('#!/bin/sh\nfor word in "$@"; do echo "<$word>"; done\nexit 7\n', encoding="utf-8")
    real.chmod(0o755)
    env = measure.environment(tmp_path, HOSTS) | {"BENCH_PROGRAMS": str(tmp_path)}
    (tmp_path / "calls").touch()
    done = subprocess.run([program, *arguments], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (7, "")
    assert done.stdout == "".join(f"<{word}>\n" for word in arguments)
    line = (tmp_path / "calls").read_text(encoding="utf-8")
    assert line.rpartition(" ")[0] == noted
    # By the clock that the callback uses.
    assert not noted or time.monotonic() - 60 < float(line.split()[2]) <= time.monotonic() + 0.01


def test_interface_bytes() -> None:
    links = [
        {"ifname": "bmk-cp1", "stats64": {"rx": {"bytes": 10}, "tx": {"bytes": 200}}},
        {"ifname": "bridge", "stats64": {"rx": {"bytes": 1}, "tx": {"bytes": 2}}},
        {},
    ]
    found = watch.interface_bytes(json.dumps(links), "bmk-")
    assert found == {"cp1": Bytes(received=200, sent=10)}
    assert found["cp1"] - Bytes(50, 5) == Bytes(150, 5)


def test_tree() -> None:
    assert watch.parent("12 (a (b) c) S 7 12 12 0") == 7
    assert watch.descendants(2, {1: 0, 2: 1, 3: 2, 4: 3, 5: 1, 6: 9}) == {2, 3, 4}


def test_memory_of_one_process() -> None:
    text = "55-7f ---p 0 00:00 0 [rollup]\nRss:   1696 kB\nPss:    198 kB\nPss_Dirty:  116 kB\n"
    assert watch.memory(text) == (198 * 1024, 1696 * 1024)


def test_memory_of_this_process() -> None:
    pss, rss = watch.tree_memory(os.getpid())
    assert 2**20 < pss <= rss


def test_memory_keeps_the_highest() -> None:
    looks = iter([(1, 9), (5, 2)])
    with watch.Memory(1, interval=0.001, look=lambda _root: next(looks, (0, 0))) as memory:
        while next(iter([memory.pss])) < 5:
            pass
    assert (memory.pss, memory.rss) == (5, 9)


def test_busy_seconds() -> None:
    assert watch.busy_seconds("cpu  100 20 30 9999 50 4 6 7 0 0\ncpu0 1 1\n", 100) == pytest.approx(1.6)


@pytest.mark.parametrize(
    ("name", "text", "seconds"),
    [
        ("cpuacct.usage", "1500000000\n", 1.5),
        ("cpu.stat", "usage_usec 2500000\nuser_usec 1\n", 2.5),
        ("cpu.stat", "nr_periods 0\nnr_throttled 0\n", 0.0),
    ],
)
def test_seconds_of_a_control_group(name: str, text: str, seconds: float, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert watch.group_seconds([tmp_path / "none", tmp_path]) == seconds
