# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Read release archives without trusting their names: tar (plain, gzip, bzip2, xz) and zip."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import io
import lzma
import posixpath
import stat
import struct
import tarfile
import typing as t
import zipfile
import zlib

from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.model import (
    ArtifactError,
    MemberFacts,
)

# The largest release archive of the components installed here unpacks to about 0.3 GiB; beyond these limits an
# archive is a mistake or a bomb.
MAX_UNPACKED_BYTES = 4 << 30
MAX_MEMBERS = 20_000
_MAX_NAME = 4096
_SHOWN = 80
_CHUNK = 1 << 20
# What a reader of tar takes beside contents for one member: its header, and extended ones with a long name; and the
# most settings that these may have.
_MAX_HEADER = 4 << 20
_MAX_SETTINGS = 1000
# A zip file's list of members, which is read as a whole.
_MAX_LIST = 32 << 20
# What the standard library raises for bytes that are no archive, a damaged one, or one made to break it.
_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    ArithmeticError,
    EOFError,
    LookupError,
    RuntimeError,
    ValueError,
    OSError,
)

# Opens the place for a member (name, declared size in bytes), or declines it with None.
Sink = t.Callable[[str, int], "t.BinaryIO | None"]


def read_archive(
    path: str, label: str, sink: Sink, limit: int = MAX_UNPACKED_BYTES
) -> dict[str, MemberFacts]:
    """Pass over an archive once: check every member, hash every regular file, hand the wanted ones to C(sink).

    Nothing is written under a name from the archive: the sink decides where bytes go.

    :param label: what errors call the archive.
    :param limit: most bytes that all regular files may have together.
    :returns: the regular files by normalised name.
    :raises ArtifactError: for an absolute name, a name with C(..), a link that leaves the tree, a device, two members
        of one name, too many members, too much content, an archive that cannot be read, or a disk that is full.
    """
    try:
        with open(path, "rb") as raw:
            magic = raw.read(6)
        if magic.startswith(b"PK"):
            return _read_zip(path, label, sink, limit)
        return _read_tar(path, magic, label, sink, limit)
    except _DAMAGE as exc:
        raise ArtifactError(
            f"{label}: the archive cannot be read: {exc or type(exc).__name__}.",
            "Supported are tar (plain, gz, bz2, xz) and zip; the checksum matched, so look at what was published.",
        ) from exc


class _Reader:
    """The rules that both formats share."""

    def __init__(self, label: str, sink: Sink, limit: int) -> None:
        self._label = label
        self._sink = sink
        self._limit = limit
        self._total = 0
        self._members = 0
        self._seen: set[str] = set()
        self.files: dict[str, MemberFacts] = {}

    def refuse(self, name: str, why: str) -> ArtifactError:
        shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..."
        return ArtifactError(
            f"{self._label}: the archive holds {shown!r}, {why}. Nothing was replaced.",
            "No release archive needs this: do not use the file, and tell who published it.",
        )

    def name(self, raw: str) -> str:
        """The normalised, safe name of a member of any kind, which is counted."""
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise self.refuse(raw, f"more than {MAX_MEMBERS} members")
        if len(raw) > _MAX_NAME:
            raise self.refuse(raw, f"a name of {len(raw)} characters")
        if raw.startswith("/") or "\x00" in raw or "\\" in raw:
            raise self.refuse(raw, "an absolute or unusable name")
        if ".." in raw.split("/"):
            raise self.refuse(raw, "a name that leaves the tree")
        return posixpath.normpath(raw)

    def once(self, name: str) -> None:
        """Two members of one name would let the second replace the verified first."""
        if name in self._seen:
            raise self.refuse(name, "twice")
        self._seen.add(name)

    def link(self, name: str, target: str, symbolic: bool) -> None:
        base = posixpath.dirname(name) if symbolic else ""
        where = posixpath.normpath(posixpath.join(base, target))
        if target.startswith("/") or where == ".." or where.startswith("../"):
            raise self.refuse(name, f"a link to {target!r} outside the tree")

    def regular(self, name: str, size: int, stream: t.IO[bytes]) -> None:
        """Hash one regular file and copy it to the sink."""
        if self._total + size > self._limit:
            raise self._too_large(name)
        out = self._open(name, size)
        digest, copied = hashlib.sha256(), 0
        try:
            while chunk := stream.read(_CHUNK):
                copied += len(chunk)
                if self._total + copied > self._limit:
                    raise self._too_large(name)
                digest.update(chunk)
                if out is not None:
                    self._write(out, chunk, name)
        finally:
            if out is not None:
                with contextlib.suppress(OSError):
                    out.close()
        if copied != size:
            raise EOFError(f"{name} ends after {copied} of {size} bytes")
        self._total += copied
        self.files[name] = MemberFacts(sha256=digest.hexdigest(), size=copied)

    def _open(self, name: str, size: int) -> t.BinaryIO | None:
        try:
            return self._sink(name, size)
        except OSError as exc:
            raise self._unwritable(name, exc) from exc

    def _write(self, out: t.BinaryIO, chunk: bytes, name: str) -> None:
        try:
            out.write(chunk)
            out.flush()
        except OSError as exc:
            raise self._unwritable(name, exc) from exc

    def _unwritable(self, name: str, exc: OSError) -> ArtifactError:
        return ArtifactError(
            f"{self._label}: {name!r} cannot be written: {exc.strerror or exc}. Nothing was replaced.",
            "Free space on that file system, or make it writable.",
        )

    def _too_large(self, name: str) -> ArtifactError:
        return ArtifactError(
            f"{self._label}: the archive unpacks to more than {self._limit} bytes (reached at {name!r})."
            " Nothing was replaced.",
            "Check that the URL names the intended release file.",
        )


class _Bounded(io.RawIOBase):
    """A decompressed tar with headers of limited size: they are read as a whole, and compress well.

    :ivar left: bytes that may still be read; C(None) while a content is read, which has its own limit.
    """

    def __init__(self, stream: t.IO[bytes]) -> None:
        self._stream = stream
        self.left: int | None = _MAX_HEADER

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self.left is not None:
            if not 0 <= size <= self.left:
                raise tarfile.ReadError(f"a header of more than {_MAX_HEADER} bytes")
            self.left -= size
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()


def _decompressed(path: str, magic: bytes) -> t.IO[bytes]:
    if magic.startswith(b"\x1f\x8b"):
        return t.cast("t.IO[bytes]", gzip.open(path))
    if magic.startswith(b"BZh"):
        return t.cast("t.IO[bytes]", bz2.open(path))
    if magic.startswith((b"\xfd7zXZ\x00", b"\x5d\x00\x00")):
        return t.cast("t.IO[bytes]", lzma.open(path))
    return open(path, "rb")


def _read_tar(path: str, magic: bytes, label: str, sink: Sink, limit: int) -> dict[str, MemberFacts]:
    reader = _Reader(label, sink, limit)
    with contextlib.closing(_decompressed(path, magic)) as stream:
        bounded = _Bounded(stream)
        with tarfile.open(fileobj=t.cast("t.IO[bytes]", bounded), mode="r:") as archive:
            while (member := archive.next()) is not None:
                _read_member(reader, archive, member, bounded)
                # It keeps all members otherwise, each with a copy of the settings for all.
                archive.members = []  # type: ignore[attr-defined]
                if len(archive.pax_headers) > _MAX_SETTINGS:
                    raise tarfile.ReadError(f"more than {_MAX_SETTINGS} settings for all members")
                bounded.left = _MAX_HEADER
    return reader.files


def _read_member(
    reader: _Reader, archive: tarfile.TarFile, member: tarfile.TarInfo, bounded: _Bounded
) -> None:
    name = reader.name(member.name)
    if member.isdir():
        return
    reader.once(name)
    if member.issym() or member.islnk():
        reader.link(name, member.linkname, member.issym())
    elif member.isreg():
        content = archive.extractfile(member)
        if content is not None:
            bounded.left = None
            with content:
                reader.regular(name, member.size, content)
    else:
        raise reader.refuse(member.name, "a device, pipe or other special file")


def _list_size(path: str) -> int:
    """Bytes of a zip file's list of members, as its last record tells (APPNOTE.TXT 4.3.16)."""
    with open(path, "rb") as stream:
        end = stream.seek(0, io.SEEK_END)
        stream.seek(max(0, end - 22 - 0xFFFF))
        tail = stream.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        raise zipfile.BadZipFile("it has no list of members")
    return int(struct.unpack_from("<L", tail, at + 12)[0])


def _read_zip(path: str, label: str, sink: Sink, limit: int) -> dict[str, MemberFacts]:
    reader = _Reader(label, sink, limit)
    if _list_size(path) > _MAX_LIST:
        raise zipfile.BadZipFile(f"its list of members has more than {_MAX_LIST >> 20} MiB")
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name = reader.name(info.filename)
            if info.is_dir():
                continue
            reader.once(name)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.flag_bits & 0x1:
                raise reader.refuse(name, "encrypted")
            if kind == stat.S_IFLNK:
                with archive.open(info) as stream:
                    target = stream.read(_MAX_NAME + 1)
                if len(target) > _MAX_NAME:
                    raise reader.refuse(name, "a link to an endless name")
                reader.link(name, target.decode("utf-8", "replace"), symbolic=True)
            elif kind in (0, stat.S_IFREG):
                with archive.open(info) as stream:
                    reader.regular(name, info.file_size, stream)
            else:
                raise reader.refuse(name, "a device, pipe or other special file")
    return reader.files
