# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What an NFSv3 server (RFC 1813) shows this host of an export, and whom it names as its clients."""

from __future__ import annotations

import contextlib

from ansible_collections.baremetal.kubernetes.plugins.module_utils._nfs.nfs4 import (
    DENIED,
    NOT_THERE,
    StatusError,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._nfs.rpc import (
    Connection,
    Deadline,
    NfsError,
    Reader,
    Writer,
)

PROGRAM = 100003
_RPCBIND, _RPCBIND_PORT, _GETPORT = 100000, 111, 3
_MOUNT, _MNT, _UMNT, _EXPORT = 100005, 1, 3, 5
_TCP = 6
_ACCESS = 4
_ALL_ACCESS = 0x1F
#: fattr3: 13 fields of 84 bytes in all.
_ATTRIBUTES = 84
_MOUNT_STATUS = {1: "MNT3ERR_PERM", 2: NOT_THERE, 13: DENIED, 20: "MNT3ERR_NOTDIR"}
_MOST_EXPORTS = 1000


def _port(name: str, program: int, deadline: Deadline) -> int:
    """The TCP port of a program, from the server's rpcbind.

    :raises NfsError: it has none.
    """
    with Connection(name, _RPCBIND_PORT, deadline) as connection:
        request = Writer().u32(program, 3, _TCP, 0).data
        port = connection.call(_RPCBIND, 2, _GETPORT, request).u32()
    if not port:
        raise NfsError(
            f"its rpcbind knows no {'mountd' if program == _MOUNT else 'NFS'} of version 3 over TCP"
        )
    return port


def access(connection: Connection, name: str, path: str, deadline: Deadline, mount_port: int = 0) -> int:
    """What root of this host may do in an export.

    :param connection: to the NFS server. :param name: of the server. :param mount_port: of its mountd, 0 to ask its
        rpcbind.
    :returns: bits of ACCESS.
    :raises StatusError: it is not exported to this host.
    """
    port = mount_port or _port(name, _MOUNT, deadline)
    with Connection(name, port, deadline) as mountd:
        request = Writer().opaque(path.encode()).data
        reply = mountd.call(_MOUNT, 3, _MNT, request)
        status = reply.u32()
        if status:
            raise StatusError(_MOUNT_STATUS.get(status, f"mount status {status}"), 0)
        handle = reply.opaque()
        try:
            reply = connection.call(PROGRAM, 3, _ACCESS, Writer().opaque(handle).u32(_ALL_ACCESS).data)
            status = reply.u32()
            if reply.u32():
                reply.fixed(_ATTRIBUTES)
            if status:
                raise StatusError(f"NFS3 status {status}", 0)
            return reply.u32()
        finally:
            # Only the server's list of clients is concerned.
            with contextlib.suppress(NfsError):
                mountd.call(_MOUNT, 3, _UMNT, request)


def exports(name: str, deadline: Deadline, mount_port: int = 0) -> dict[str, list[str]]:
    """What a server says it exports to whom, as C(showmount --exports) shows it.

    :raises NfsError: it does not tell, as many with NFSv4 alone.
    """
    port = mount_port or _port(name, _MOUNT, deadline)
    with Connection(name, port, deadline) as mountd:
        return _exports(mountd.call(_MOUNT, 3, _EXPORT))


def _exports(reply: Reader) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    while reply.u32() and len(found) < _MOST_EXPORTS:
        path = reply.opaque().decode(errors="replace")
        found[path] = []
        while reply.u32():
            found[path].append(reply.opaque().decode(errors="replace"))
    return found
