# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command costs, seen from outside: connections, calls of ssh, bytes, memory, processor time."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

_ETH_P_ALL = 0x0003
_SO_ATTACH_FILTER = 26
_SSH_PORT = 22

#: A socket filter (Documentation/networking/filter.rst of the kernel): first packets of TCP connections over IPv4 to
#: port 22, without the link's header. Fields of a line: operation, jump when true, jump when false, operand.
_FIRST_PACKETS = (
    (0x30, 0, 0, 0),  # the first byte: version and header's length
    (0x54, 0, 0, 0xF0),
    (0x15, 0, 10, 0x40),  # version 4
    (0x30, 0, 0, 9),
    (0x15, 0, 8, socket.IPPROTO_TCP),
    (0x28, 0, 0, 6),
    (0x45, 6, 0, 0x1FFF),  # a later fragment
    (0xB1, 0, 0, 0),  # X = length of the IP header
    (0x48, 0, 0, 2),
    (0x15, 0, 3, _SSH_PORT),
    (0x50, 0, 0, 13),
    (0x54, 0, 0, 0x12),  # of the flags: SYN and ACK
    (0x15, 1, 0, 0x02),  # SYN alone
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 64),
)


def first_packet(packet: bytes) -> tuple[str, int, int] | None:
    """Destination, source port and sequence number of a TCP connection's first packet; None for anything else.

    :param packet: from the IPv4 header on.
    """
    if len(packet) < 20 or packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_TCP:
        return None
    header = (packet[0] & 0x0F) * 4
    tcp = packet[header:]
    if len(tcp) < 14 or tcp[13] & 0x12 != 0x02:
        return None
    source, _destination, sequence = struct.unpack("!HHI", tcp[:8])
    return socket.inet_ntoa(packet[16:20]), source, sequence


class Connections:
    """Counts the TCP connections that are opened to port 22 of each address, while it is entered.

    It listens on the machine's cable to the hosts. Asking the hosts' sshd instead would need a log, which a host
    with OpenRC does not keep.

    :param interface: the machine's end of the cable.
    """

    def __init__(self, interface: str) -> None:
        self._interface = interface
        self._seen: set[tuple[str, int, int]] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Connections:
        program = b"".join(struct.pack("HBBI", *line) for line in _FIRST_PACKETS)
        buffer = ctypes.create_string_buffer(program)
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        self._socket.setsockopt(
            socket.SOL_SOCKET,
            _SO_ATTACH_FILTER,
            struct.pack("HL", len(_FIRST_PACKETS), ctypes.addressof(buffer)),
        )
        # Bound to the protocol only now, so that no packet passes before the filter.
        self._socket.bind((self._interface, _ETH_P_ALL))
        self._socket.settimeout(0.5)
        self._thread.start()
        return self

    def _receive(self) -> None:
        # A packet that is sent again is no connection of its own.
        if found := first_packet(self._socket.recv(128)):
            self._seen.add(found)

    def _listen(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                self._receive()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.setblocking(False)
        with self._socket, contextlib.suppress(BlockingIOError):
            while True:
                self._receive()

    def by_address(self) -> dict[str, int]:
        """Connections by destination."""
        return dict(Counter(address for address, _port, _sequence in self._seen))


def calls(lines: Iterable[str], hosts: Mapping[str, str]) -> list[tuple[str, float]]:
    """The host and the moment of each start of ssh or sftp.

    :param lines: what `bin/ssh` wrote: program, name or address, and seconds since the machine has booted.
    :param hosts: address by name.
    """
    names = {**{address: name for name, address in hosts.items()}, **{name: name for name in hosts}}
    return [(names[words[1]], float(words[2])) for line in lines if len(words := line.split()) == 3]


@dataclass(frozen=True)
class Bytes:
    """Traffic of a host: all of it, the downloads from the mirror and the cluster's own included."""

    received: int
    sent: int

    def __sub__(self, other: Bytes) -> Bytes:
        return Bytes(self.received - other.received, self.sent - other.sent)


def interface_bytes(text: str, prefix: str) -> dict[str, Bytes]:
    """Counters of the hosts' cables.

    :param text: output of `ip -json -statistics link show`, of the ends at the bridge: what goes out there is what
        the host receives.
    :param prefix: of these ends' names; the rest is the host's name.
    """
    return {
        entry["ifname"].removeprefix(prefix): Bytes(
            entry["stats64"]["tx"]["bytes"], entry["stats64"]["rx"]["bytes"]
        )
        for entry in json.loads(text)
        if entry.get("ifname", "").startswith(prefix)
    }


def parent(stat: str) -> int:
    """The parent's number, from the text of /proc/PID/stat; the name before it may hold blanks and brackets."""
    return int(stat[stat.rindex(")") + 1 :].split()[1])


def descendants(root: int, parents: Mapping[int, int]) -> set[int]:
    """A process and all below it.

    :param parents: parent by process.
    """
    children: dict[int, list[int]] = {}
    for pid, above in parents.items():
        children.setdefault(above, []).append(pid)
    found: set[int] = set()
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, [])
    return found


def memory(smaps_rollup: str) -> tuple[int, int]:
    """Bytes of PSS and of RSS, from the text of /proc/PID/smaps_rollup."""
    values = {"Pss:": 0, "Rss:": 0}
    for line in smaps_rollup.splitlines():
        words = line.split()
        if words and words[0] in values:
            values[words[0]] = int(words[1]) * 1024
    return values["Pss:"], values["Rss:"]


def _parents() -> dict[int, int]:
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                found[int(name)] = parent(
                    Path("/proc", name, "stat").read_text(encoding="utf-8", errors="replace")
                )
    return found


def tree_memory(root: int) -> tuple[int, int]:
    """PSS and RSS of a process and all below it; those that end meanwhile count as nothing."""
    pss = rss = 0
    for pid in descendants(root, _parents()):
        with contextlib.suppress(OSError):
            one = memory(Path("/proc", str(pid), "smaps_rollup").read_text(encoding="utf-8"))
            pss, rss = pss + one[0], rss + one[1]
    return pss, rss


class Memory:
    """The most memory that a tree of processes takes at once, while it is entered.

    :param root: the uppermost process.
    :param interval: seconds between two looks.
    :param look: gives PSS and RSS of the tree.
    """

    def __init__(
        self, root: int, interval: float = 0.3, look: Callable[[int], tuple[int, int]] = tree_memory
    ) -> None:
        self._root, self._interval, self._look = root, interval, look
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.pss = 0
        self.rss = 0

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._stop.wait(self._interval):
            pss, rss = self._look(self._root)
            self.pss, self.rss = max(self.pss, pss), max(self.rss, rss)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()


def group_seconds(groups: Iterable[Path]) -> float:
    """Processor seconds that control groups have taken; one of them has the controller."""
    for group in groups:
        if (file := group / "cpuacct.usage").exists():
            return int(file.read_text(encoding="utf-8")) / 1e9
        if (file := group / "cpu.stat").exists():
            values = dict(line.split() for line in file.read_text(encoding="utf-8").splitlines())
            # With version 1 the file of this name says something else.
            if "usage_usec" in values:
                return int(values["usage_usec"]) / 1e6
    return 0.0


def busy_seconds(stat: str, ticks: int) -> float:
    """Seconds that all processors together have worked, from the text of /proc/stat.

    :param ticks: clock ticks a second.
    """
    fields = next(line for line in stat.splitlines() if line.startswith("cpu ")).split()[1:]
    # user, nice, system, idle, iowait, irq, softirq; what guests take is in user already.
    return sum(int(fields[number]) for number in (0, 1, 2, 5, 6)) / ticks
