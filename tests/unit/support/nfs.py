# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An NFS server on the loopback address that knows directories and what may be done in them."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
import typing as t
from dataclasses import dataclass, field

NFS, MOUNT, RPCBIND = 100003, 100005, 100000
SESSION = b"s" * 16
_LAST = 0x80000000


class _Args:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def fixed(self, size: int) -> bytes:
        found = self.data[self.at : self.at + size]
        assert len(found) == size, "the client's call is too short"
        self.at += size + -size % 4
        return found

    def u32(self) -> int:
        return int(struct.unpack(">I", self.fixed(4))[0])

    def u64(self) -> int:
        return int(struct.unpack(">Q", self.fixed(8))[0])

    def opaque(self) -> bytes:
        return self.fixed(self.u32())


def u32(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def opaque(value: bytes) -> bytes:
    return u32(len(value)) + value + b"\0" * (-len(value) % 4)


@dataclass
class NfsServer:
    """Serves NFSv3 with its mountd, and NFSv4, all at one port.

    :param directories: path -> bits of ACCESS that root has there; above each, all may be looked at.
    :param minors: minor versions of NFSv4. :param three: whether it serves version 3.
    :param hang: whether it accepts connections and never answers. :param told: what its mountd tells of exports.
    :param garbage: what it answers instead. :param follow: whether that gets the number of the call.
    """

    directories: dict[str, int] = field(default_factory=lambda: {"/srv/data": 0x1F})
    minors: tuple[int, ...] = (0, 1, 2)
    three: bool = True
    hang: bool = False
    told: dict[str, list[str]] = field(default_factory=dict)
    refuse: int = 13
    garbage: bytes = b""
    follow: bool = False
    calls: list[str] = field(default_factory=list)
    sessions: set[bytes] = field(default_factory=set)
    clients: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        server = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                server.serve(self.request)

        class Listener(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._listener = Listener(("127.0.0.1", 0), Handler)
        self.port = int(self._listener.server_address[1])
        threading.Thread(target=self._listener.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown()
        self._listener.server_close()

    def serve(self, connection: socket.socket) -> None:
        while True:
            head = connection.recv(4, socket.MSG_WAITALL)
            if len(head) < 4:
                return
            (mark,) = struct.unpack(">I", head)
            data = connection.recv(mark & ~_LAST, socket.MSG_WAITALL)
            if self.hang:
                continue
            if self.garbage:
                connection.sendall(
                    self.garbage[:4] + data[:4] + self.garbage[8:] if self.follow else self.garbage
                )
                return
            reply = self._reply(_Args(data))
            # In two fragments, as a server may.
            first, rest = reply[:4], reply[4:]
            connection.sendall(u32(len(first)) + first + u32(_LAST | len(rest)) + rest)

    def _reply(self, call: _Args) -> bytes:
        xid, kind, version = call.u32(), call.u32(), call.u32()
        assert (kind, version) == (0, 2)
        program, number, procedure = call.u32(), call.u32(), call.u32()
        flavor, credentials = call.u32(), _Args(call.opaque())
        assert flavor == 1
        credentials.u32()
        assert credentials.opaque() and credentials.u32() == 0, "root of a host with a name"
        assert (call.u32(), call.opaque()) == (0, b"")
        head = u32(xid, 1, 0, 0, 0)
        offered = {4: bool(self.minors), 3: self.three}
        if program == NFS and not offered[number]:
            low, high = (3, 3) if self.three else (4, 4)
            return head + u32(2, low, high)
        if procedure == 0:
            return head + u32(0)
        if program == NFS and number == 4:
            return head + u32(0) + self._compound(call)
        return head + u32(0) + self._three(program, procedure, call)

    def _three(self, program: int, procedure: int, call: _Args) -> bytes:
        if program == RPCBIND:
            return u32(self.port)
        if program == MOUNT and procedure == 5:
            found = b"".join(
                u32(1)
                + opaque(path.encode())
                + b"".join(u32(1) + opaque(to.encode()) for to in clients)
                + u32(0)
                for path, clients in self.told.items()
            )
            return found + u32(0)
        if program == MOUNT:
            path = call.opaque().decode()
            self.calls.append(f"{'mount' if procedure == 1 else 'unmount'} {path}")
            if procedure == 3:
                return b""
            if path not in self.directories:
                return u32(self.refuse)
            return u32(0) + opaque(path.encode()) + u32(1, 1)
        assert (program, procedure) == (NFS, 4)
        path = call.opaque().decode()
        return u32(0, 1) + b"\0" * 84 + u32(call.u32() & self.directories[path])

    def _compound(self, call: _Args) -> bytes:
        call.opaque()
        minor, count = call.u32(), call.u32()
        if minor not in self.minors:
            return u32(10021) + opaque(b"") + u32(0)
        results, status, here = b"", 0, ""
        done = 0
        for number in range(count):
            operation = call.u32()
            status, result, here = self._operation(operation, minor, number, count, here, call)
            results += u32(operation, status) + result
            done += 1
            if status:
                break
        return u32(status) + opaque(b"") + u32(done) + results

    def _operation(
        self, operation: int, minor: int, number: int, count: int, here: str, call: _Args
    ) -> tuple[int, bytes, str]:
        if operation == 42:
            assert minor and count == 1
            call.fixed(8)
            self.calls.append(f"client {call.opaque().decode().partition('/')[0]}")
            assert (call.u32(), call.u32(), call.u32()) == (0, 0, 0)
            client = len(self.clients) + 1
            self.clients.add(client)
            return (
                0,
                struct.pack(">Q", client) + u32(7, 0, 0) + struct.pack(">Q", 1) + opaque(b"x") * 2 + u32(0),
                here,
            )
        if operation == 43:
            assert count == 1 and call.u64() in self.clients and call.u32() == 7
            call.fixed(4 + 28 + 28 + 12)
            self.sessions.add(SESSION)
            return 0, SESSION + u32(7, 0) + b"\0" * 56, here
        if operation == 44:
            self.sessions.discard(call.fixed(16))
            return 0, b"", here
        if operation == 57:
            self.clients.discard(call.u64())
            return 0, b"", here
        if operation == 53:
            assert number == 0 and call.fixed(16) in self.sessions
            call.fixed(16)
            return 0, SESSION + u32(1, 0, 0, 0, 0), here
        assert minor == 0 or number > 0, "NFSv4.1 answers nothing outside a session (RFC 8881, 2.10.2)"
        if operation == 24:
            return 0, b"", "/"
        if operation == 15:
            path = f"{here.rstrip('/')}/{call.opaque().decode()}"
            known = any(one == path or one.startswith(f"{path}/") for one in self.directories)
            return (0, b"", path) if known else (2, b"", here)
        assert operation == 3
        wanted = call.u32()
        return 0, u32(wanted, wanted & self.directories.get(here, 0x3)), here


Opened = t.Callable[..., NfsServer]
