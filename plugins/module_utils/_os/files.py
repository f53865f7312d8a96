# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Write small files so that a reader sees the old bytes or the new ones, never a part."""

from __future__ import annotations

import contextlib
import os
import tempfile
import typing as t

#: What a file system of its own has from the start: a directory that has nothing else is empty.
LOST_AND_FOUND = "lost+found"


def fsync_dir(path: str) -> None:
    """Make renames inside a directory durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def private_directory() -> str | None:
    """Where files with secrets may be for a moment: in memory where possible, else C(None), the default of tempfile."""
    for path in (os.environ.get("RUNTIME_DIRECTORY", ""), "/run"):
        if os.path.isdir(path) and os.access(path, os.W_OK):
            return path
    return None


def make_private_directories(path: str) -> None:
    """Create what is missing of a directory, for its owner alone. What exists keeps its mode: it may be /tmp.

    :raises OSError: when that fails.
    """
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for directory in reversed(missing):
        os.mkdir(directory, 0o700)


def write_atomic(path: str, data: bytes, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Replace C(path) by C(data).

    :param mode: permission bits, set before the file gets its name. :param owner: numbers of user and group, likewise.
    :raises OSError: when the directory is missing or cannot be written; the old file stays.
    """
    write_atomic_pieces(path, (data,), mode, owner)


def write_atomic_pieces(
    path: str, pieces: t.Iterable[bytes], mode: int, owner: tuple[int, int] | None = None
) -> None:
    """As C(write_atomic), for what is too large to be held in one piece.

    :raises OSError: as there; what C(pieces) raises comes through, and the old file stays, too.
    """
    directory = os.path.dirname(path) or "."
    handle, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", dir=directory)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.writelines(pieces)
            stream.flush()
            if owner is not None and owner != (os.geteuid(), os.getegid()):
                os.fchown(stream.fileno(), *owner)
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    fsync_dir(directory)
