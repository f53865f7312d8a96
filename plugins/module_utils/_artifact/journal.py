# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Read and write the record of a host, and keep it true while files are placed."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import typing as t
from dataclasses import replace

from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact import record
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.model import (
    ArtifactError,
    Contents,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.record import Placement, Record
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import write_atomic

_CHUNK = 1 << 20


def load(path: str) -> Record:
    """Read the record; without a file it is empty."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return record.parse(stream.read())
    except (FileNotFoundError, NotADirectoryError):
        return Record()
    except OSError:
        return Record(damaged=True)


@contextlib.contextmanager
def _locked(directory: str) -> t.Iterator[None]:
    """Let no other call change the record between reading and writing it."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def update(path: str, change: t.Callable[[Record], Record]) -> bool:
    """Replace the record by what C(change) makes of it.

    :returns: whether the file was written.
    :raises ArtifactError: when it cannot be written.
    """
    old = load(path)
    if not old.damaged and change(old) == old:
        return False
    try:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        with _locked(os.path.dirname(path)):
            new = change(replace(load(path), damaged=False))
            write_atomic(path, record.render(new).encode(), 0o644)
    except OSError as exc:
        raise ArtifactError(
            f"The record {path} cannot be written: {exc.strerror or exc}.",
            "Make its directory writable for root.",
        ) from exc
    return True


class Journal:
    """Records what one call places: announced before it begins, completed when everything is in place.

    Used as a context; when the call fails, the record says again what is there.

    :param path: the record. :param component: what the files belong to; without one, only archives are recorded.
    :param root: directory that stands for C(/).
    """

    def __init__(self, path: str, component: str, root: str = "/") -> None:
        self._path = path
        self.component = component
        self._root = root
        self._written = False
        self._placement: Placement | None = None
        self.before = load(path)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: object, *_exc: object) -> None:
        if kind is None or not self._written:
            return
        with contextlib.suppress(ArtifactError):
            placement = self._placement or Placement(self.component, {})
            digests = {path: self._digest(path) for path in placement.changing}
            present = {path for path in placement.created if os.path.isdir(self._real(path))}
            update(
                self._path,
                lambda now: record.reconcile(now, self.before, placement, digests, present),
            )
            if load(self._path) == Record():
                with contextlib.suppress(OSError):
                    os.unlink(self._path)
                    os.rmdir(os.path.dirname(self._path))

    def temporary(self, directories: t.Iterable[str]) -> None:
        """Note where unfinished files are about to be written."""
        if self.component:
            added = tuple(sorted(set(directories)))
            self._update(lambda now: replace(now, temporary=tuple(dict.fromkeys((*now.temporary, *added)))))

    def announce(self, placement: Placement) -> None:
        """Note what is about to be placed."""
        if self.component and (placement.changing or placement.created or placement.data):
            self._placement = placement
            self._update(lambda now: record.announce(now, placement))

    def complete(self, placement: Placement, archives: t.Mapping[str, Contents] | None = None) -> None:
        """Note that everything is in place."""
        known = archives or {}
        if self.component:
            self._update(lambda now: record.complete(now, placement, known))
        elif known:
            self._update(lambda now: replace(now, archives={**now.archives, **known}))

    def _update(self, change: t.Callable[[Record], Record]) -> None:
        self._written = update(self._path, change) or self._written

    def _real(self, path: str) -> str:
        return os.path.join(self._root, path.lstrip("/"))

    def _digest(self, path: str) -> str:
        """SHA-256 of a regular file, empty when there is none."""
        real, digest = self._real(path), hashlib.sha256()
        try:
            if not stat.S_ISREG(os.lstat(real).st_mode):
                return ""
            with open(real, "rb") as stream:
                while chunk := stream.read(_CHUNK):
                    digest.update(chunk)
        except OSError:
            return ""
        return digest.hexdigest()
