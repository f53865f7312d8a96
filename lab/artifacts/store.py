# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache's record: its lock, what is in it with which checksum, and how long steps took."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab.config import LabError
from lab.run import write_atomic

CHUNK = 1 << 20


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextlib.contextmanager
def lock(directory: Path, waits: Callable[[str], None] | None = None) -> Iterator[None]:
    """Lock a directory: one process at a time may change it. The kernel drops the lock when its holder dies.

    :param waits: gets a message when another process holds it, which is then waited for.
    :raises LabError: another process holds it and is not waited for; the message says which.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / "lock", "a+", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            handle.seek(0)
            holder = handle.read().strip() or "of unknown number"
            text = f"artifacts in {directory} are being made by process {holder}"
            if waits is None:
                hint = "wait for it to end and run the command again; what it made is kept"
                raise LabError(text, hint) from exc
            waits(f"{text}; waiting for it to end")
            fcntl.flock(handle, fcntl.LOCK_EX)
        handle.seek(0)
        handle.truncate()
        handle.write(str(os.getpid()))
        handle.flush()
        yield


@dataclass(frozen=True)
class Item:
    """What is known about one thing in the cache.

    :param source: where it came from: imported, upstream, go, debian.
    :param sha256: its checksum; of an image, that of its manifest.
    :param size: bytes.
    :param recipe: hash of what decided its content (see Catalogue.recipe).
    """

    source: str
    sha256: str
    size: int
    recipe: str


class Record:
    """Items by name, and durations in seconds by step; each change is on disk at once.

    :param directory: the cache's directory; the files are ``record.json`` and ``durations.json``.
    """

    def __init__(self, directory: Path) -> None:
        self._items_file = directory / "record.json"
        self._durations_file = directory / "durations.json"
        self._guard = threading.Lock()
        self._items = {name: Item(**entry) for name, entry in _read(self._items_file).items()}
        self._durations: dict[str, float] = _read(self._durations_file)

    def get(self, name: str) -> Item | None:
        return self._items.get(name)

    def put(self, name: str, item: Item) -> None:
        with self._guard:
            self._items[name] = item
            self._save_items()

    def forget(self, name: str) -> None:
        with self._guard:
            if self._items.pop(name, None):
                self._save_items()

    def _save_items(self) -> None:
        data = {name: asdict(item) for name, item in sorted(self._items.items())}
        write_atomic(self._items_file, json.dumps(data, indent=1))

    @property
    def durations(self) -> dict[str, float]:
        return dict(self._durations)

    def took(self, step: str, seconds: float) -> None:
        with self._guard:
            self._durations[step] = round(seconds, 1)
            write_atomic(self._durations_file, json.dumps(self._durations, indent=1, sort_keys=True))


def _read(path: Path) -> dict[str, Any]:
    """A JSON object from a file; empty when there is none or it is damaged: everything in it can be built again."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def verified(path: Path, item: Item | None, recipe: str) -> bool:
    """Whether a cached file is the one that was recorded for this recipe.

    A file that is not is deleted, so that nobody is ever served it.
    """
    if not path.is_file():
        return False
    if item and item.recipe == recipe and path.stat().st_size == item.size and sha256(path) == item.sha256:
        return True
    path.unlink()
    return False
