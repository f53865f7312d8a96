# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""A backup: what is in it, and how it is written and read. Files of the host are neither read nor written here.

It is a compressed tar archive, encrypted as a whole: C(manifest.json) first, which names all others with their hashes,
then small files, and the snapshot of etcd at the end, so that a reader needs memory for the small ones only.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import tarfile
import typing as t
import zlib
from dataclasses import asdict, dataclass, field, fields

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError

FORMAT = 1
MANIFEST = "manifest.json"
SNAPSHOT = "etcd/snapshot.db"
#: Files of a host have their path behind it.
FILES = "files"
_COMPRESSION = 3
_PIECE = 1 << 20
# Of a manifest, and of a small file.
_MOST = 4 << 20


class ArchiveError(OperatorError):
    """A backup is damaged, or is none."""


@dataclass(frozen=True)
class Entry:
    """A file of a backup.

    :param name: in the archive. :param mode: on the host.
    """

    name: str
    size: int
    sha256: str
    mode: int = 0o600

    @property
    def path(self) -> str:
        """Its path on the host; empty for what is no file of a host."""
        return self.name[len(FILES) :] if self.name.startswith(f"{FILES}/") else ""


@dataclass(frozen=True)
class Cluster:
    """The cluster that a backup is of.

    :param id: hash of its CA's public key, as everywhere in this collection.
    :param endpoint: address and port of its API. :param encrypts: whether Secrets are encrypted at rest.
    """

    name: str
    id: str
    endpoint: str
    kubernetes_version: str
    service_cidr: str = ""
    pod_cidr: str = ""
    dns_domain: str = ""
    encrypts: bool = False


@dataclass(frozen=True)
class Etcd:
    """The etcd that a backup is of.

    :param cluster_id: etcd's own, as C(member_id) hexadecimal. :param hash: of all keys, by C(etcdutl).
    """

    version: str
    cluster_id: str
    member_id: str
    member: str
    revision: int
    keys: int
    hash: str


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself.

    :param created: UTC time as of RFC 3339. :param host: where it was made.
    """

    created: str
    host: str
    cluster: Cluster
    etcd: Etcd
    entries: tuple[Entry, ...] = ()
    format: int = field(default=FORMAT)

    def entry(self, name: str) -> Entry | None:
        return next((entry for entry in self.entries if entry.name == name), None)

    def render(self) -> bytes:
        """The file."""
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode() + b"\n"

    def summary(self) -> dict[str, t.Any]:
        """For an operator; it has no secret."""
        found = asdict(self)
        del found["entries"], found["format"]
        return {**found, "files": [entry.path for entry in self.entries if entry.path]}


def entry_of(name: str, content: bytes, mode: int) -> Entry:
    """The entry of a small file."""
    return Entry(name, len(content), hashlib.sha256(content).hexdigest(), mode)


def _build(kind: t.Any, found: t.Any) -> t.Any:
    """A dataclass from its fields in JSON."""
    types = {item.name: item.type for item in fields(kind)}
    values = {}
    for name, value in dict(found).items():
        wanted = {"str": str, "int": int, "bool": bool}.get(str(types[name]))
        # A truth value is a number to Python.
        if wanted and (not isinstance(value, wanted) or isinstance(value, bool) != (wanted is bool)):
            raise TypeError(f"{name} is no {wanted.__name__}")
        values[name] = value
    return kind(**values)


def parse_manifest(data: bytes) -> Manifest:
    """Read a manifest.

    :raises ArchiveError: when it is none, or that of a newer release.
    """
    try:
        found = json.loads(data)
        if found["format"] != FORMAT:
            raise ArchiveError(
                f"It has the format {found['format']}, expected {FORMAT}.",
                "Restore it with the release of baremetal.kubernetes that made it, or a newer one.",
            )
        return Manifest(
            created=str(found["created"]),
            host=str(found["host"]),
            cluster=_build(Cluster, found["cluster"]),
            etcd=_build(Etcd, found["etcd"]),
            entries=tuple(_build(Entry, item) for item in found["entries"]),
        )
    except (ValueError, KeyError, TypeError) as exc:
        raise ArchiveError(f"{MANIFEST} cannot be read ({exc!r}).", _DAMAGED) from exc


_DAMAGED = "Choose another backup; this one is damaged, or was not made by the playbook backup."


def write(out: t.BinaryIO, manifest: Manifest, contents: t.Mapping[str, bytes], snapshot: t.BinaryIO) -> None:
    """Write an archive.

    :param out: gets all bytes in their order. :param contents: the small files by their names.
    :raises OSError: of C(out).
    """
    # One after the other: the archive ends before what packs it.
    with contextlib.ExitStack() as stack:
        packed = stack.enter_context(
            gzip.GzipFile(fileobj=out, mode="wb", compresslevel=_COMPRESSION, mtime=0, filename="")
        )
        tar = stack.enter_context(tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT))
        data = manifest.render()
        tar.addfile(_info(MANIFEST, len(data), 0o600), io.BytesIO(data))
        for entry in manifest.entries:
            source = snapshot if entry.name == SNAPSHOT else io.BytesIO(contents[entry.name])
            tar.addfile(_info(entry.name, entry.size, entry.mode), source)


def _info(name: str, size: int, mode: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, mode
    return info


def read(source: t.BinaryIO, write_snapshot: t.Callable[[bytes], t.Any]) -> tuple[Manifest, dict[str, bytes]]:
    """Read an archive to its end, and verify all of it.

    :param write_snapshot: gets the snapshot piece by piece, before it is verified.
    :return: its manifest, and its small files by their names.
    :raises ArchiveError: when anything is missing, damaged or more than expected.
    """
    try:
        with gzip.GzipFile(fileobj=source, mode="rb") as packed:
            with tarfile.open(fileobj=packed, mode="r|") as tar:
                manifest, contents = _read_members(tar, write_snapshot)
            # The checksum of what is compressed comes at the end.
            while packed.read(_PIECE):
                pass
    except (EOFError, tarfile.TarError, gzip.BadGzipFile, zlib.error, UnicodeError) as exc:
        raise ArchiveError(f"It is damaged or cut off: {exc}.", _DAMAGED) from exc
    return manifest, contents


def _read_members(
    tar: tarfile.TarFile, write_snapshot: t.Callable[[bytes], t.Any]
) -> tuple[Manifest, dict[str, bytes]]:
    manifest: Manifest | None = None
    missing: list[Entry] = []
    contents: dict[str, bytes] = {}
    for info in tar:
        stream = tar.extractfile(info) if info.isreg() else None
        if stream is None:
            raise ArchiveError(f"{info.name} in it is no file.", _DAMAGED)
        if manifest is None:
            if info.name != MANIFEST or info.size > _MOST:
                raise ArchiveError(f"It begins with {info.name}, expected {MANIFEST}.", _DAMAGED)
            manifest = parse_manifest(stream.read())
            missing = list(manifest.entries)
            continue
        entry = next((one for one in missing if one.name == info.name), None)
        if entry is None or entry.size != info.size or (entry.name != SNAPSHOT and entry.size > _MOST):
            raise ArchiveError(f"{info.name} in it is not what its manifest names.", _DAMAGED)
        missing.remove(entry)
        digest = hashlib.sha256()
        pieces: list[bytes] = []
        keep = write_snapshot if entry.name == SNAPSHOT else pieces.append
        while piece := stream.read(_PIECE):
            digest.update(piece)
            keep(piece)
        if digest.hexdigest() != entry.sha256:
            raise ArchiveError(f"{info.name} in it does not match its hash.", _DAMAGED)
        if entry.name != SNAPSHOT:
            contents[entry.name] = b"".join(pieces)
    if manifest is None or missing:
        names = ", ".join(entry.name for entry in missing) or MANIFEST
        raise ArchiveError(f"{names} is missing in it: it is cut off.", _DAMAGED)
    if manifest.entry(SNAPSHOT) is None:
        raise ArchiveError("It has no snapshot of etcd.", _DAMAGED)
    return manifest, contents
