# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Whether this host could mount an export and make directories in it, without mounting it."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.module_utils._nfs import nfs3, nfs4
from ansible_collections.baremetal.kubernetes.plugins.module_utils._nfs.rpc import (
    Connection,
    Deadline,
    NfsError,
    VersionError,
)

PORT = 2049
VERSIONS = ("4.2", "4.1", "4.0", "3")
#: Without options: version 3 needs more of a node than a mount, so that it has to be named.
DEFAULT_VERSIONS = VERSIONS[:3]
#: For the list of exports, which only makes an error clearer.
_LIST_SECONDS = 3.0
_SHOWN = 5


@dataclass(frozen=True)
class Export:
    """An export as a StorageClass names it.

    :param versions: NFS versions that may be used, newest first. :param port: TCP port of the server.
    :param mount_port: of its mountd (version 3), 0 to ask rpcbind.
    :param kerberos: whether it is mounted with Kerberos, so that nobody can look into it without a ticket.
    :param read_only: whether it is mounted so.
    """

    server: str
    path: str
    versions: tuple[str, ...] = DEFAULT_VERSIONS
    port: int = PORT
    mount_port: int = 0
    kerberos: bool = False
    read_only: bool = False


@dataclass
class Found:
    """What was found. C(problem) and C(step) are empty when the export can be used."""

    server: str
    path: str
    address: str = ""
    source: str = ""
    version: str = ""
    writable: bool = False
    problem: str = ""
    step: str = ""
    exports: dict[str, list[str]] = field(default_factory=dict)


def versions(text: str, minor: str = "") -> tuple[str, ...]:
    """The versions that options of mount.nfs(8) allow.

    :param text: of C(nfsvers) or C(vers). :param minor: of C(minorversion).
    :raises ValueError: there is no such version.
    """
    if text == "4" and minor:
        text = f"4.{minor}"
    if text in ("", "4"):
        return DEFAULT_VERSIONS
    if text not in VERSIONS:
        raise ValueError(f"NFS version {text}, expected one of 3, 4, 4.0, 4.1, 4.2")
    return (text,)


def parse(server: str, path: str, options: t.Sequence[str]) -> Export:
    """An export by the options that it is mounted with.

    :raises ValueError: an option has a value that it cannot have.
    """
    given: dict[str, str] = {}
    for option in ",".join(options).split(","):
        key, _equals, value = option.strip().partition("=")
        given[key] = value
    wanted = versions(given.get("nfsvers", given.get("vers", "")), given.get("minorversion", ""))
    return Export(
        server=server.strip("[]"),
        path=path,
        versions=wanted,
        port=_number(given, "port") or PORT,
        mount_port=_number(given, "mountport"),
        kerberos=given.get("sec", "").startswith("krb5"),
        read_only="ro" in given,
    )


def _number(given: t.Mapping[str, str], key: str) -> int:
    value = given.get(key) or "0"
    if not value.isdecimal() or int(value) > 65535:
        raise ValueError(f"{key}={value}, expected a port")
    return int(value)


def probe(export: Export, seconds: float) -> Found:
    """Ask a server for an export, in one version after the other.

    :param seconds: for all of it.
    """
    found = Found(export.server, export.path)
    deadline = Deadline(seconds)
    wrong: list[NfsError] = []
    try:
        for version in export.versions:
            refused = _try(export, version, deadline, found)
            if refused is None:
                break
            wrong.append(refused)
            if isinstance(refused, nfs4.StatusError):
                # An older version would find the same exports.
                break
    except NfsError as error:
        text = str(error)
        known = export.server in text or (found.address and found.address in text)
        _told(
            found,
            f"{'' if known else f'{found.address or export.server}: '}{text}, expected an NFS server",
            "Start the NFS server, and open its TCP port for the nodes",
        )
        return found
    if found.version:
        _check_write(export, found)
    else:
        _explain(export, found, wrong, deadline)
    return found


def _try(export: Export, version: str, deadline: Deadline, found: Found) -> NfsError | None:
    """Ask in one version. :returns: why that cannot be used."""
    try:
        may = _access(export, version, deadline, found)
    except (VersionError, nfs4.StatusError) as error:
        return error
    found.version = version
    found.writable = bool(may & (nfs4.MODIFY | nfs4.EXTEND))
    return None


def _access(export: Export, version: str, deadline: Deadline, found: Found) -> int:
    with Connection(export.server, export.port, deadline) as connection:
        found.address, found.source = connection.address, connection.source
        major, _dot, minor = version.partition(".")
        if export.kerberos:
            connection.call(nfs4.PROGRAM, int(major), 0)
            return nfs4.MODIFY
        if major == "3":
            return nfs3.access(connection, export.server, export.path, deadline, export.mount_port)
        return nfs4.access(connection, int(minor), export.path)


def _told(found: Found, problem: str, step: str) -> None:
    found.problem, found.step = problem, step


def _check_write(export: Export, found: Found) -> None:
    if found.writable or export.read_only:
        return
    _told(
        found,
        f"{found.address} exports {export.path} to {found.source}, but root of this host may not make directories"
        " in it; expected to, as each volume is one",
        "Export it with rw and no_root_squash (exports(5)), or let the user that root is mapped to write there",
    )


def _explain(export: Export, found: Found, wrong: t.Sequence[NfsError], deadline: Deadline) -> None:
    refused = next((error for error in wrong if isinstance(error, nfs4.StatusError)), None)
    if refused is None:
        ranges = [error for error in wrong if isinstance(error, VersionError)]
        lowest, highest = min(one.low for one in ranges), max(one.high for one in ranges)
        has = f"NFS version {lowest}" + (f" to {highest}" if highest != lowest else "")
        _told(
            found,
            f"{found.address} serves {has}, expected version {' or '.join(export.versions)}",
            "Correct nfsvers in mount_options, or enable this version on the server",
        )
        return
    try:
        found.exports = nfs3.exports(export.server, deadline.sooner(_LIST_SECONDS), export.mount_port)
    except NfsError:
        found.exports = {}
    _told(
        found,
        f"{found.address} does not export {export.path} to {found.source} ({_where(export, refused)});"
        f" expected it to. {_listed(found.exports)}",
        "Export it to the addresses of all nodes, or correct server and path",
    )


def _where(export: Export, refused: nfs4.StatusError) -> str:
    names = [part for part in export.path.split("/") if part]
    if refused.name == nfs4.NOT_THERE and refused.done < len(names):
        return f"there is no {names[refused.done]!r} in /{'/'.join(names[: refused.done])}"
    return refused.name


def _listed(exports: t.Mapping[str, t.Sequence[str]]) -> str:
    if not exports:
        return "It does not tell what it exports"
    parts = [f"{path} to {', '.join(to) or 'everybody'}" for path, to in list(exports.items())[:_SHOWN]]
    more = len(exports) - len(parts)
    return f"It exports {'; '.join(parts)}" + (f"; and {more} more" if more > 0 else "")
