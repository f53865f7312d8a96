# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Read release archives without trusting their names: tar (plain, gzip, bzip2, xz) and zip."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import posixpath
import stat
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
MAX_MEMBERS = 100_000
_CHUNK = 1 << 20
_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
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
        of one name, too much content, or an archive that cannot be read.
    """
    try:
        if zipfile.is_zipfile(path) and not tarfile.is_tarfile(path):
            return _read_zip(path, label, sink, limit)
        return _read_tar(path, label, sink, limit)
    except _DAMAGE as exc:
        raise ArtifactError(
            f"{label}: the archive cannot be read: {exc or type(exc).__name__}.",
            "Supported are tar (plain, gz, bz2, xz) and zip; the checksum matched, so look at what was published.",
        ) from exc


def _refuse(label: str, name: str, why: str) -> ArtifactError:
    return ArtifactError(
        f"{label}: the archive holds {name!r}, {why}. Nothing was replaced.",
        "No release archive needs this: do not use the file, and tell who published it.",
    )


class _Reader:
    """The rules that both formats share."""

    def __init__(self, label: str, sink: Sink, limit: int) -> None:
        self._label = label
        self._sink = sink
        self._limit = limit
        self._total = 0
        self._seen: set[str] = set()
        self.files: dict[str, MemberFacts] = {}

    def name(self, raw: str) -> str:
        """The normalised, safe name of a member."""
        if raw.startswith("/") or "\x00" in raw or "\\" in raw:
            raise _refuse(self._label, raw, "an absolute or unusable name")
        if ".." in raw.split("/"):
            raise _refuse(self._label, raw, "a name that leaves the tree")
        return posixpath.normpath(raw)

    def once(self, name: str) -> None:
        """Two members of one name would let the second replace the verified first."""
        if name in self._seen:
            raise _refuse(self._label, name, "twice")
        self._seen.add(name)
        if len(self._seen) > MAX_MEMBERS:
            raise _refuse(self._label, name, f"more than {MAX_MEMBERS} members")

    def link(self, name: str, target: str, symbolic: bool) -> None:
        base = posixpath.dirname(name) if symbolic else ""
        where = posixpath.normpath(posixpath.join(base, target))
        if target.startswith("/") or where == ".." or where.startswith("../"):
            raise _refuse(self._label, name, f"a link to {target!r} outside the tree")

    def regular(self, name: str, size: int, stream: t.IO[bytes]) -> None:
        """Hash one regular file and copy it to the sink."""
        if self._total + size > self._limit:
            raise self._too_large(name)
        out = self._sink(name, size)
        digest, copied = hashlib.sha256(), 0
        try:
            while chunk := stream.read(_CHUNK):
                copied += len(chunk)
                if self._total + copied > self._limit:
                    raise self._too_large(name)
                digest.update(chunk)
                if out is not None:
                    out.write(chunk)
        finally:
            if out is not None:
                out.close()
        if copied != size:
            raise EOFError(f"{name} ends after {copied} of {size} bytes")
        self._total += copied
        self.files[name] = MemberFacts(sha256=digest.hexdigest(), size=copied)

    def _too_large(self, name: str) -> ArtifactError:
        return ArtifactError(
            f"{self._label}: the archive unpacks to more than {self._limit} bytes (reached at {name!r})."
            " Nothing was replaced.",
            "Check that the URL names the intended release file.",
        )


def _read_tar(path: str, label: str, sink: Sink, limit: int) -> dict[str, MemberFacts]:
    reader = _Reader(label, sink, limit)
    with tarfile.open(path, mode="r:*") as archive:
        for member in archive:
            name = reader.name(member.name)
            if member.isdir():
                continue
            reader.once(name)
            if member.issym() or member.islnk():
                reader.link(name, member.linkname, member.issym())
            elif member.isreg():
                stream = archive.extractfile(member)
                if stream is not None:
                    with stream:
                        reader.regular(name, member.size, stream)
            else:
                raise _refuse(label, member.name, "a device, pipe or other special file")
    return reader.files


def _read_zip(path: str, label: str, sink: Sink, limit: int) -> dict[str, MemberFacts]:
    reader = _Reader(label, sink, limit)
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name = reader.name(info.filename)
            if info.is_dir():
                continue
            reader.once(name)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.flag_bits & 0x1:
                raise _refuse(label, name, "encrypted")
            if kind == stat.S_IFLNK:
                reader.link(name, archive.read(info).decode("utf-8", "replace"), symbolic=True)
            elif kind in (0, stat.S_IFREG):
                with archive.open(info) as stream:
                    reader.regular(name, info.file_size, stream)
            else:
                raise _refuse(label, name, "a device, pipe or other special file")
    return reader.files
