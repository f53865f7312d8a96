# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tar archives whose bytes depend on their content alone: no times, owners, or order of a directory's entries."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from lab.run import run, write_atomic

#: Time of every entry: the start of the epoch, as reproducible image builds use it.
EPOCH = 0
#: Capability "bind ports below 1024" in permitted and effective set, as the kernel keeps it in the extended
#: attribute security.capability (linux/capability.h: struct vfs_cap_data, revision 2).
BIND_PORTS = "\x01\x00\x00\x02\x00\x04\x00\x00" + "\x00" * 12


@dataclass(frozen=True)
class Entry:
    """One entry of an archive.

    :param name: path in the archive.
    :param source: file whose content it gets; None for directories, links and literal content.
    :param content: literal content.
    :param link: target, for symbolic links.
    :param directory: whether it is a directory.
    :param mode: permissions.
    :param capabilities: value of security.capability.
    """

    name: str
    source: Path | None = None
    content: bytes = b""
    link: str = ""
    directory: bool = False
    mode: int = 0o644
    capabilities: str = ""


def walk(name: str, source: Path) -> Iterator[Entry]:
    """Entries for a file, or for a directory with all in it, under another name.

    A file that anybody may execute, or that starts with ``#!``, becomes executable: module archives carry no
    permissions.
    """
    if source.is_symlink():
        yield Entry(name, link=os.readlink(source))
    elif source.is_dir():
        yield Entry(name, directory=True, mode=0o755)
        for child in sorted(source.iterdir(), key=lambda path: path.name):
            yield from walk(str(PurePosixPath(name) / child.name), child)
    else:
        yield Entry(name, source=source, mode=0o755 if _executable(source) else 0o644)


def _executable(file: Path) -> bool:
    if file.stat().st_mode & 0o111:
        return True
    with file.open("rb") as handle:
        return handle.read(2) == b"#!"


def unpack(archive: Path, directory: Path, *members: str) -> None:
    """Unpack an archive that others have made into a directory, which is created; without members, all of it.

    By tar(1), which writes nothing outside of the directory: Python does so since 3.11.4 only (PEP 706), and
    Debian 12 has an older one.

    :raises LabError: it is no archive, or lacks a member.
    """
    directory.mkdir(parents=True, exist_ok=True)
    run(
        [
            "tar",
            "--extract",
            "--no-same-owner",
            f"--file={archive}",
            f"--directory={directory}",
            "--",
            *members,
        ]
    )


def write_tar(sink: IO[bytes] | gzip.GzipFile, entries: Iterable[Entry]) -> None:
    """Write entries in the order in which they come, each owned by root."""
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for entry in entries:
            _add(archive, entry)


def _add(archive: tarfile.TarFile, entry: Entry) -> None:
    info = tarfile.TarInfo(entry.name)
    info.mtime = EPOCH
    info.mode = stat.S_IMODE(entry.mode)
    if entry.capabilities:
        info.pax_headers = {"SCHILY.xattr.security.capability": entry.capabilities}
    if entry.directory:
        info.type = tarfile.DIRTYPE
        archive.addfile(info)
    elif entry.link:
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.link, 0o777
        archive.addfile(info)
    elif entry.source is not None:
        info.size = entry.source.stat().st_size
        with entry.source.open("rb") as handle:
            archive.addfile(info, handle)
    else:
        info.size = len(entry.content)
        archive.addfile(info, io.BytesIO(entry.content))


def write_tar_gz(target: Path, members: Mapping[str, Path]) -> None:
    """Replace `target` by a gzipped tar.

    :param members: path in the archive -> file or directory.
    """
    fd, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        # Level 1: these archives are read over a local network, and made while compilers wait for the
        # processor.
        with (
            os.fdopen(fd, "wb") as raw,
            gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=EPOCH) as sink,
        ):
            write_tar(sink, (entry for name, path in members.items() for entry in walk(name, path)))
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_documents(target: Path, sources: Sequence[Path]) -> None:
    """Write files of YAML as one stream of documents, whole or not at all.

    :param sources: each may begin with a separator of its own.
    """
    documents = (source.read_bytes().removeprefix(b"---\n").rstrip(b"\n") for source in sources)
    write_atomic(target, b"".join(b"---\n" + document + b"\n" for document in documents))
