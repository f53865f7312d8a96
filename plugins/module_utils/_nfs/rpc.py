# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""ONC RPC over TCP (RFC 5531) with XDR (RFC 4506), as far as a question to an NFS server needs it."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import struct
import threading
import time
import typing as t

#: An answer is some hundred bytes; a list of exports may be longer.
MOST_BYTES = 1 << 20
_LAST_FRAGMENT = 0x80000000
_CALL, _REPLY = 0, 1
_AUTH_NONE, _AUTH_SYS = 0, 1
#: accept_stat and auth_stat of RFC 5531, sections 9 and 9.1.
_ACCEPT = {
    1: "it does not have this program",
    3: "it does not know this procedure",
    4: "it cannot read the call",
    5: "it has an error of its own",
}
_PROG_MISMATCH = 2
#: Without one of them Linux' NFS server refuses exports that are `secure`, its default (exports(5)).
_RESERVED_PORTS = range(665, 1024)
_TRIES = 20


class NfsError(Exception):
    """What is wrong, as a part of a sentence."""


class SilentError(NfsError):
    """No answer in time."""


class VersionError(NfsError):
    """The server has a program in other versions.

    :param low: its oldest. :param high: its newest.
    """

    def __init__(self, low: int, high: int) -> None:
        self.low = low
        self.high = high
        super().__init__(f"it has versions {low} to {high}")


class Deadline:
    """When a question is given up.

    :param seconds: from now on.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """:raises SilentError: when the time is over."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise SilentError(f"no answer within {self.seconds:.0f} s")
        return left

    def sooner(self, seconds: float) -> Deadline:
        """One that is not later, and ends after some seconds."""
        return Deadline(min(seconds, max(self._end - time.monotonic(), 0.001)))


class Writer:
    """Puts values together."""

    def __init__(self) -> None:
        self.data = b""

    def u32(self, *values: int) -> Writer:
        self.data += struct.pack(f">{len(values)}I", *values)
        return self

    def u64(self, value: int) -> Writer:
        self.data += struct.pack(">Q", value)
        return self

    def fixed(self, value: bytes) -> Writer:
        self.data += value + b"\0" * (-len(value) % 4)
        return self

    def opaque(self, value: bytes) -> Writer:
        return self.u32(len(value)).fixed(value)


class Reader:
    """Takes values apart."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def _take(self, size: int) -> bytes:
        found = self._data[self._at : self._at + size]
        if len(found) < size:
            raise NfsError("its answer ends too early")
        self._at += size
        return found

    def u32(self) -> int:
        return int(struct.unpack(">I", self._take(4))[0])

    def u64(self) -> int:
        return int(struct.unpack(">Q", self._take(8))[0])

    def fixed(self, size: int) -> bytes:
        found = self._take(size)
        self._take(-size % 4)
        return found

    def opaque(self) -> bytes:
        return self.fixed(self.u32())


def resolve(name: str, port: int, deadline: Deadline) -> list[t.Any]:
    """The addresses of a host, as C(getaddrinfo) gives them.

    In a thread, as the C library's resolver has limits of its own, which are longer.

    :raises NfsError: it has none. :raises SilentError: no name server answers.
    """
    found: list[t.Any] = []
    wrong: list[str] = []

    def ask() -> None:
        try:
            found.extend(socket.getaddrinfo(name, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as exc:
            wrong.append(str(exc))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(deadline.left)
    if wrong:
        raise NfsError(f"the name {name} has no address ({wrong[0]})")
    if not found:
        raise SilentError(f"no name server tells the address of {name} within {deadline.seconds:.0f} s")
    return list(found)


def _bind_reserved(connection: socket.socket) -> None:
    """From a port that only root has, where that is possible."""
    for port in random.sample(_RESERVED_PORTS, _TRIES):
        with contextlib.suppress(OSError):
            connection.bind(("", port))
            return
        if os.geteuid() != 0:
            return


class Connection:
    """A connection to one program of a host.

    :param name: name or address of the host. :param deadline: for everything that is done with it.
    :raises NfsError: nobody answers there.
    """

    def __init__(self, name: str, port: int, deadline: Deadline) -> None:
        self._deadline = deadline
        self._xid = random.getrandbits(31)
        self._socket = self._connect(name, port)
        self.address = str(self._socket.getpeername()[0])
        #: The address of this host that the server sees, unless it is translated on the way.
        self.source = str(self._socket.getsockname()[0])

    def _connect(self, name: str, port: int) -> socket.socket:
        wrong: list[str] = []
        for family, kind, protocol, _name, address in resolve(name, port, self._deadline):
            connection = socket.socket(family, kind, protocol)
            try:
                _bind_reserved(connection)
                connection.settimeout(self._deadline.left)
                connection.connect(address)
            except socket.timeout:
                connection.close()
                seconds = self._deadline.seconds
                wrong.append(f"{address[0]} does not answer on TCP port {port} within {seconds:.0f} s")
            except OSError as exc:
                connection.close()
                reason = (exc.strerror or str(exc)).lower()
                wrong.append(f"{address[0]} cannot be reached on TCP port {port} ({reason})")
            else:
                return connection
        raise NfsError("; ".join(dict.fromkeys(wrong)))

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._socket.close()

    def call(self, program: int, version: int, procedure: int, arguments: bytes = b"") -> Reader:
        """Call a procedure as root (AUTH_SYS).

        :raises VersionError: the server has other versions. :raises NfsError: it refuses the call, or is silent.
        """
        self._xid = (self._xid + 1) & 0xFFFFFFFF
        credentials = Writer().u32(0).opaque(socket.gethostname().encode()[:255]).u32(0, 0, 0)
        message = Writer().u32(self._xid, _CALL, 2, program, version, procedure)
        message.u32(_AUTH_SYS).opaque(credentials.data).u32(_AUTH_NONE, 0)
        data = message.data + arguments
        try:
            self._socket.settimeout(self._deadline.left)
            self._socket.sendall(struct.pack(">I", _LAST_FRAGMENT | len(data)) + data)
            while True:
                reply = Reader(self._record())
                if reply.u32() == self._xid:
                    break
        except socket.timeout as exc:
            raise SilentError(
                f"{self.address} is connected but does not answer within {self._deadline.seconds:.0f} s"
            ) from exc
        except OSError as exc:
            reason = (exc.strerror or str(exc)).lower()
            raise NfsError(f"{self.address} breaks the connection ({reason})") from exc
        return _accepted(reply)

    def _record(self) -> bytes:
        found, last = b"", False
        while not last:
            (mark,) = struct.unpack(">I", self._receive(4))
            last, size = bool(mark & _LAST_FRAGMENT), mark & ~_LAST_FRAGMENT
            if len(found) + size > MOST_BYTES:
                raise NfsError(f"{self.address} answers something else than RPC")
            found += self._receive(size)
        return found

    def _receive(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            self._socket.settimeout(self._deadline.left)
            part = self._socket.recv(size - len(found))
            if not part:
                raise NfsError(f"{self.address} closes the connection instead of an answer")
            found += part
        return found


def _accepted(reply: Reader) -> Reader:
    """What follows the header of a reply.

    :raises NfsError: the call was not accepted.
    """
    if reply.u32() != _REPLY:
        raise NfsError("it answers something else than RPC")
    if reply.u32() != 0:
        kind = reply.u32()
        raise NfsError("it has another RPC version" if kind == 0 else f"it refuses AUTH_SYS ({reply.u32()})")
    reply.u32()
    reply.opaque()
    status = reply.u32()
    if status == _PROG_MISMATCH:
        raise VersionError(reply.u32(), reply.u32())
    if status:
        raise NfsError(_ACCEPT.get(status, f"accept_stat {status}"))
    return reply
