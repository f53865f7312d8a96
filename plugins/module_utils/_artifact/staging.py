# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Download, verify and unpack into private directories, beside where the files are going to be."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.archive import read_archive
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.download import Fetched, Fetcher
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.model import (
    ArtifactError,
    Contents,
    FileSpec,
    clean_member,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.transport import Space

STAGE_PREFIX = ".bmk-artifact-"
# A run that was killed leaves its stage behind. One that is at work holds a lock on it, but for its very first moment.
_STALE_SECONDS = 60
_WORKERS = 4


def parent_of(dest: str) -> str:
    """The nearest directory above a path that exists.

    :raises ArtifactError: when something else is in the way.
    """
    parent = os.path.dirname(dest)
    while not os.path.isdir(parent):
        if os.path.lexists(parent):
            raise ArtifactError(
                f"{parent} is not a directory, so {dest} cannot be placed.",
                "Move it away, or choose another path.",
            )
        parent = os.path.dirname(parent)
    return parent


class Stage:
    """Private directories for unfinished files, on the file system of the place each file goes to.

    :param work_dir: one directory for downloads, or C(None) for beside the destination.
    """

    def __init__(self, work_dir: str | None = None) -> None:
        self._work_dir = work_dir
        self._directories: dict[str, str] = {}
        self._locks: list[int] = []
        self._counter = 0

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_exc: object) -> None:
        for directory in self._directories.values():
            shutil.rmtree(directory, ignore_errors=True)
        for lock in self._locks:
            os.close(lock)

    def parents(self, paths: t.Iterable[str]) -> set[str]:
        """Directories in which the private ones for these paths are made."""
        return {parent_of(path) for path in paths} | ({self._work_dir} if self._work_dir else set())

    def beside(self, dest: str) -> str:
        """A fresh path from which C(dest) can be replaced by a rename."""
        return self._path_in(parent_of(dest))

    def download(self, spec: FileSpec, near: str) -> str:
        """A fresh path for the bytes that come from the URL."""
        if self._work_dir is None:
            return self.beside(near)
        try:
            os.makedirs(self._work_dir, mode=0o700, exist_ok=True)
        except OSError as exc:
            raise ArtifactError(
                f"{spec.name}: work_dir {self._work_dir} cannot be made: {exc.strerror or exc}.",
                "Choose another one.",
            ) from exc
        return self._path_in(self._work_dir)

    def _path_in(self, parent: str) -> str:
        if parent not in self._directories:
            _remove_stale(parent)
            try:
                directory = tempfile.mkdtemp(prefix=STAGE_PREFIX, dir=parent)
                self._directories[parent] = directory
                self._locks.append(os.open(directory, os.O_RDONLY | os.O_DIRECTORY))
                fcntl.flock(self._locks[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                raise ArtifactError(
                    f"{parent} cannot be written: {exc.strerror or exc}.",
                    "Run as root, on a writable file system.",
                ) from exc
        self._counter += 1
        return os.path.join(self._directories[parent], str(self._counter))


def _remove_stale(parent: str) -> None:
    limit = time.time() - _STALE_SECONDS
    with contextlib.suppress(OSError):
        for entry in os.scandir(parent):
            own = entry.name.startswith(STAGE_PREFIX) and entry.is_dir(follow_symlinks=False)
            if own and entry.stat(follow_symlinks=False).st_mtime < limit and not _in_use(entry.path):
                shutil.rmtree(entry.path, ignore_errors=True)


def _in_use(directory: str) -> bool:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


class Staged:
    """What this run downloaded, verified and unpacked. Nothing of it is in place yet."""

    def __init__(self) -> None:
        self.downloads: dict[str, Fetched] = {}
        self.contents: dict[str, Contents] = {}
        self.files: dict[tuple[str, str], str] = {}


def fetch_all(specs: t.Sequence[FileSpec], fetcher: Fetcher, stage: Stage) -> Staged:
    """Download, verify and unpack.

    :raises ArtifactError: naming every file that failed, when one did.
    """
    staged = Staged()
    by_checksum: dict[str, list[FileSpec]] = {}
    for spec in specs:
        by_checksum.setdefault(str(spec.checksum), []).append(spec)
    first = {key: same[0] for key, same in by_checksum.items()}
    places = {key: stage.download(spec, near(spec)) for key, spec in first.items()}
    with ThreadPoolExecutor(_WORKERS) as pool:
        jobs = {key: pool.submit(fetcher.fetch, spec, places[key]) for key, spec in first.items()}
    failures = [exc for exc in (job.exception() for job in jobs.values()) if isinstance(exc, ArtifactError)]
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise ArtifactError(
            f"{len(failures)} files failed: " + " | ".join(str(failure) for failure in failures),
            failures=[{"msg": str(failure), **failure.context} for failure in failures],
        )
    # Any other exception is a fault of this program and surfaces here.
    staged.downloads.update({key: job.result() for key, job in jobs.items()})
    for key, download in staged.downloads.items():
        if first[key].is_archive:
            _unpack(key, by_checksum[key], download, stage, fetcher.space, staged)
    return staged


def near(spec: FileSpec) -> str:
    """A path on the file system that the spec's files go to."""
    return spec.dest or (spec.members[0].dest if spec.members else os.path.join(str(spec.unpack_to), "x"))


def _unpack(
    key: str, specs: t.Sequence[FileSpec], download: Fetched, stage: Stage, space: Space, staged: Staged
) -> None:
    places: dict[str, str] = {}
    whole = next((spec for spec in specs if spec.unpack_to is not None), None)
    for spec in specs:
        for member in spec.members:
            places.setdefault(clean_member(member.source), member.dest)

    def sink(name: str, size: int) -> t.BinaryIO | None:
        dest = places.get(name) or (near(whole) if whole is not None else None)
        if dest is None:
            return None
        path = stage.beside(dest)
        space.reserve(os.path.dirname(path), size, specs[0].name)
        staged.files[(key, name)] = path
        return open(path, "wb")

    staged.contents[key] = read_archive(download.path, specs[0].name, sink)
    os.unlink(download.path)
