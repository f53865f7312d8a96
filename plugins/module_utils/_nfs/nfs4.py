# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What an NFSv4 server (RFC 7530, RFC 8881) shows this host of an export."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._nfs.rpc import (
    Connection,
    NfsError,
    Reader,
    VersionError,
    Writer,
)

PROGRAM = 100003
_COMPOUND = 1
_ACCESS, _LOOKUP, _PUTROOTFH = 3, 15, 24
_EXCHANGE_ID, _CREATE_SESSION, _DESTROY_SESSION, _SEQUENCE, _DESTROY_CLIENTID = 42, 43, 44, 53, 57
#: Bits of ACCESS, of NFSv3 as well: what a directory needs so that others are made in it.
MODIFY, EXTEND = 0x4, 0x8
_ALL_ACCESS = 0x1F
NOT_THERE, DENIED, READ_ONLY = "NFS4ERR_NOENT", "NFS4ERR_ACCESS", "NFS4ERR_ROFS"
_MINOR_VERSION = 10021
_STATUS = {
    1: "NFS4ERR_PERM",
    2: NOT_THERE,
    5: "NFS4ERR_IO",
    13: DENIED,
    20: "NFS4ERR_NOTDIR",
    30: READ_ONLY,
    70: "NFS4ERR_STALE",
    10006: "NFS4ERR_SERVERFAULT",
    10008: "NFS4ERR_DELAY",
    10013: "NFS4ERR_GRACE",
    10016: "NFS4ERR_WRONGSEC",
    10019: "NFS4ERR_MOVED",
    10029: "NFS4ERR_SYMLINK",
}


class StatusError(NfsError):
    """An operation failed.

    :param name: its error, as RFC 8881 names it. :param done: how many operations before it succeeded.
    """

    def __init__(self, name: str, done: int) -> None:
        self.name = name
        self.done = done
        super().__init__(name)


def _op(number: int, arguments: bytes = b"") -> bytes:
    return Writer().u32(number).data + arguments


def _compound(connection: Connection, minor: int, operations: t.Sequence[bytes]) -> Reader:
    """Call operations, and return their results after the first status.

    :raises VersionError: the server does not have this minor version. :raises StatusError: one failed.
    """
    request = Writer().opaque(b"").u32(minor, len(operations)).data + b"".join(operations)
    reply = connection.call(PROGRAM, 4, _COMPOUND, request)
    status = reply.u32()
    if status == _MINOR_VERSION:
        raise VersionError(4, 4)
    reply.opaque()
    count = reply.u32()
    if status:
        raise StatusError(_STATUS.get(status, f"status {status}"), max(count - 1, 0))
    return reply


def _result(reply: Reader) -> None:
    """Skip the number and the status of a result."""
    reply.u32()
    reply.u32()


class _Session:
    """A session of NFSv4.1 and later, without which these versions answer nothing."""

    def __init__(self, connection: Connection, minor: int) -> None:
        self._connection = connection
        self._minor = minor
        # Random, so that a client of this host that has mounts never shares it: the server would end that one's state.
        owner = Writer().fixed(os.urandom(8)).opaque(b"baremetal.kubernetes/" + os.urandom(8).hex().encode())
        reply = self._call(_EXCHANGE_ID, owner.u32(0, 0, 0).data)
        self._client, sequence = reply.u64(), reply.u32()
        # Header, request, response, cached response, operations, requests, RDMA: small ones, of one slot.
        channel = (0, 8192, 8192, 2048, 64, 1, 0)
        request = Writer().u64(self._client).u32(sequence, 0, *channel, *channel, 0, 1, 0)
        self._id = self._call(_CREATE_SESSION, request.data).fixed(16)

    def _call(self, number: int, arguments: bytes) -> Reader:
        reply = _compound(self._connection, self._minor, [_op(number, arguments)])
        _result(reply)
        return reply

    @property
    def sequence(self) -> bytes:
        """The first operation of a call; there is only one."""
        return _op(_SEQUENCE, Writer().fixed(self._id).u32(1, 0, 0, 0).data)

    def close(self) -> None:
        """End it. When the server does not take that, its lease ends it."""
        with contextlib.suppress(NfsError):
            self._call(_DESTROY_SESSION, self._id)
            self._call(_DESTROY_CLIENTID, Writer().u64(self._client).data)


def access(connection: Connection, minor: int, path: str) -> int:
    """What root of this host may do in a directory.

    :param minor: minor version, 0 to 2. :param path: of the export.
    :returns: bits of ACCESS.
    :raises VersionError: the server does not have this version.
    :raises StatusError: with the number of the path's components that were found.
    """
    names = [part.encode() for part in path.split("/") if part]
    operations = [_op(_PUTROOTFH)]
    operations += [_op(_LOOKUP, Writer().opaque(name).data) for name in names]
    operations.append(_op(_ACCESS, Writer().u32(_ALL_ACCESS).data))
    before = 1
    if minor == 0:
        reply = _ask(connection, minor, operations, before)
    else:
        session = _Session(connection, minor)
        try:
            before += 1
            reply = _ask(connection, minor, [session.sequence, *operations], before)
        finally:
            session.close()
        _result(reply)
        # sa_resok of SEQUENCE: the session's id and five numbers.
        reply.fixed(36)
    for _operation in operations:
        _result(reply)
    reply.u32()
    return reply.u32()


def _ask(connection: Connection, minor: int, operations: t.Sequence[bytes], before: int) -> Reader:
    try:
        return _compound(connection, minor, operations)
    except StatusError as error:
        raise StatusError(error.name, max(error.done - before, 0)) from error
