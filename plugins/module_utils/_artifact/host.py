# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The host's side of artifacts: look at what is there, stage beside it, place all or nothing."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.archive import read_archive
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.download import (
    Fetched,
    Fetcher,
    Space,
    digest_file,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.model import (
    ABSENT,
    ArtifactError,
    Contents,
    FileSpec,
    FolderSpec,
    Found,
    clean_member,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.plan import (
    Folder,
    Plan,
    Target,
    unpacked_names,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import fsync_dir

STAGE_PREFIX = ".bmk-artifact-"
# A run that was killed leaves its stage behind. One that is at work holds a lock on it, but for its very first moment.
_STALE_SECONDS = 60
_WORKERS = 4
_FOLDER_MODE = 0o755


def look(path: str, algorithms: t.Iterable[str]) -> Found:
    """What is at a path, with digests when it is a regular file. Links are not followed."""
    try:
        info = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return ABSENT
    mode = stat.S_IMODE(info.st_mode)
    if stat.S_ISLNK(info.st_mode):
        return Found("link", {}, mode, info.st_uid, info.st_gid, info.st_size)
    if stat.S_ISDIR(info.st_mode):
        return Found("directory", {}, mode, info.st_uid, info.st_gid)
    if not stat.S_ISREG(info.st_mode):
        return Found("other", {}, mode, info.st_uid, info.st_gid)
    size, digests = digest_file(path, algorithms)
    return Found("file", digests, mode, info.st_uid, info.st_gid, size)


def paths_of(spec: FileSpec, contents: Contents | None) -> list[str]:
    """The paths that one file concerns, as far as they are known."""
    if spec.dest is not None:
        return [spec.dest]
    if spec.members:
        return [member.dest for member in spec.members]
    return list(unpacked_names(spec, contents).values()) if contents is not None else []


def observe(
    specs: t.Sequence[FileSpec], known: t.Mapping[str, Contents], already: t.Mapping[str, Found]
) -> dict[str, Found]:
    """Look at every path that the call concerns; hashing runs in parallel.

    :param already: what was seen before; not read again.
    """
    wanted: dict[str, set[str]] = {}
    for spec in specs:
        for path in paths_of(spec, known.get(str(spec.checksum))):
            if path not in already:
                wanted.setdefault(path, {"sha256"}).add(spec.checksum.algorithm)
    with ThreadPoolExecutor(_WORKERS) as pool:
        seen = dict(zip(wanted, pool.map(lambda item: look(*item), wanted.items())))
    return {**already, **seen}


def observe_folders(specs: t.Sequence[FolderSpec]) -> tuple[Folder, ...]:
    """Look at every folder of the call, and for marked files in those that are kept clean of them."""
    folders = []
    for spec in specs:
        found = look(spec.path, ())
        if found.kind == "link" and os.path.isdir(spec.path):
            found = look(os.path.realpath(spec.path), ())
        folders.append(Folder(spec, found, tuple(_marked(spec)) if spec.purge_marked else ()))
    return tuple(folders)


def _marked(spec: FolderSpec) -> t.Iterator[str]:
    marker = spec.purge_marked.encode()
    for parent, _folders, names in os.walk(spec.path):
        for name in sorted(names):
            path = os.path.join(parent, name)
            with contextlib.suppress(OSError):
                if stat.S_ISREG(os.lstat(path).st_mode):
                    with open(path, "rb") as stream:
                        if marker in stream.readline(4096):
                            yield path


class Stage:
    """Private folders for unfinished files, on the file system of the place each file goes to.

    :param work_dir: one folder for downloads, or C(None) for beside the destination.
    """

    def __init__(self, work_dir: str | None = None) -> None:
        self._work_dir = work_dir
        self._folders: dict[str, str] = {}
        self._locks: list[int] = []
        self._counter = 0

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_exc: object) -> None:
        for folder in self._folders.values():
            shutil.rmtree(folder, ignore_errors=True)
        for lock in self._locks:
            os.close(lock)

    def beside(self, dest: str) -> str:
        """A fresh path from which C(dest) can be replaced by a rename."""
        parent = os.path.dirname(dest)
        while not os.path.isdir(parent):
            if os.path.lexists(parent):
                raise ArtifactError(
                    f"{parent} is not a directory, so {dest} cannot be placed.",
                    "Move it away, or choose another path.",
                )
            parent = os.path.dirname(parent)
        return self._path_in(parent)

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
        if parent not in self._folders:
            _remove_stale(parent)
            try:
                folder = tempfile.mkdtemp(prefix=STAGE_PREFIX, dir=parent)
                self._folders[parent] = folder
                self._locks.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))
                fcntl.flock(self._locks[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                raise ArtifactError(
                    f"{parent} cannot be written: {exc.strerror or exc}.",
                    "Run as root, on a writable file system.",
                ) from exc
        self._counter += 1
        return os.path.join(self._folders[parent], str(self._counter))


def _remove_stale(parent: str) -> None:
    limit = time.time() - _STALE_SECONDS
    with contextlib.suppress(OSError):
        for entry in os.scandir(parent):
            own = entry.name.startswith(STAGE_PREFIX) and entry.is_dir(follow_symlinks=False)
            if own and entry.stat(follow_symlinks=False).st_mtime < limit and not _in_use(entry.path):
                shutil.rmtree(entry.path, ignore_errors=True)


def _in_use(folder: str) -> bool:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
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


def fetch_all(plan: Plan, fetcher: Fetcher, stage: Stage, space: Space) -> Staged:
    """Download, verify and unpack everything that the plan needs.

    :raises ArtifactError: naming every file that failed, when one did.
    """
    staged = Staged()
    wanted: dict[str, FileSpec] = {}
    specs: dict[str, list[FileSpec]] = {}
    for spec in plan.fetch:
        wanted.setdefault(str(spec.checksum), spec)
        specs.setdefault(str(spec.checksum), []).append(spec)
    places = {key: stage.download(spec, _near(spec)) for key, spec in wanted.items()}
    with ThreadPoolExecutor(_WORKERS) as pool:
        jobs = {key: pool.submit(fetcher.fetch, spec, places[key]) for key, spec in wanted.items()}
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
        if wanted[key].is_archive:
            _unpack(key, specs[key], download, stage, space, staged)
    return staged


def _near(spec: FileSpec) -> str:
    """A path on the file system that the spec's files go to."""
    return spec.dest or (spec.members[0].dest if spec.members else os.path.join(str(spec.unpack_to), "x"))


def _unpack(
    key: str, specs: t.Sequence[FileSpec], download: Fetched, stage: Stage, space: Space, staged: Staged
) -> None:
    near: dict[str, str] = {}
    whole = next((spec for spec in specs if spec.unpack_to is not None), None)
    for spec in specs:
        for member in spec.members:
            near.setdefault(clean_member(member.source), member.dest)

    def sink(name: str, size: int) -> t.BinaryIO | None:
        dest = near.get(name) or (_near(whole) if whole is not None else None)
        if dest is None:
            return None
        path = stage.beside(dest)
        space.reserve(os.path.dirname(path), size, specs[0].name)
        staged.files[(key, name)] = path
        return open(path, "wb")

    staged.contents[key] = read_archive(download.path, specs[0].name, sink)
    os.unlink(download.path)


def _source_of(target: Target, staged: Staged, stage: Stage) -> str:
    if target.spec.content is not None:
        path = stage.beside(target.dest)
        with open(path, "wb") as stream:
            stream.write(target.spec.content)
        return path
    key = str(target.spec.checksum)
    return staged.files[(key, target.member)] if target.member is not None else staged.downloads[key].path


def _make_parents(folder: str) -> None:
    """Make missing folders readable for all, whatever the umask."""
    if os.path.isdir(folder):
        return
    _make_parents(os.path.dirname(folder))
    os.mkdir(folder)
    os.chmod(folder, _FOLDER_MODE)


def place(
    plan: Plan, staged: Staged, stage: Stage, label: t.Callable[[str], None] = lambda path: None
) -> None:
    """Bring everything to its place: first all that can fail cheaply, then the renames.

    :param label: gives a path its security label (SELinux).
    :raises ArtifactError: when a path cannot be replaced; what was replaced before is put back.
    """
    ready = _prepare(plan, staged, stage)
    made = _make_folders(plan)
    try:
        _replace(ready, stage)
    except ArtifactError:
        for path in reversed(made):
            with contextlib.suppress(OSError):
                os.rmdir(path)
        raise
    for target in plan.targets:
        if target.attributes and not target.content:
            _adjust(target)
    for folder in plan.folders:
        _purge(folder)
    for path in (*made, *(target.dest for target, _source in ready)):
        label(path)


def _make_folders(plan: Plan) -> list[str]:
    """Make missing folders and give those that are there their mode and owner; the paths that were made."""
    made = []
    for folder in sorted(plan.folders, key=lambda item: item.spec.path):
        path = folder.spec.path
        if not folder.changed:
            continue
        try:
            if folder.before.kind == "absent":
                _make_parents(os.path.dirname(path))
                with contextlib.suppress(FileExistsError):
                    os.mkdir(path, 0o700)
                    made.append(path)
            os.chown(path, folder.spec.uid, folder.spec.gid)
            os.chmod(path, folder.spec.mode)
        except OSError as exc:
            raise ArtifactError(
                f"The directory {path} cannot be made as asked for: {exc.strerror or exc}.",
                "Run as root, on a writable file system.",
            ) from exc
    return made


def _purge(folder: Folder) -> None:
    for path in folder.purge:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        parent = os.path.dirname(path)
        while parent != folder.spec.path:
            try:
                os.rmdir(parent)
            except OSError:
                break
            parent = os.path.dirname(parent)


def _prepare(plan: Plan, staged: Staged, stage: Stage) -> list[tuple[Target, str]]:
    """Give every staged file its owner and mode, on the file system of its destination."""
    ready: list[tuple[Target, str]] = []
    used: set[str] = set()
    for target in plan.targets:
        if not target.content:
            continue
        try:
            source = _source_of(target, staged, stage)
            fresh = stage.beside(target.dest)
            if source in used or os.stat(source).st_dev != os.stat(os.path.dirname(fresh)).st_dev:
                shutil.copyfile(source, fresh)
                source = fresh
            used.add(source)
            with open(source, "rb") as stream:
                os.fchown(stream.fileno(), target.spec.uid, target.spec.gid)
                os.fchmod(stream.fileno(), target.mode)
                os.fsync(stream.fileno())
        except OSError as exc:
            raise ArtifactError(
                f"{target.dest} cannot be prepared: {exc.strerror or exc}. Nothing was replaced.",
                "Free space on that file system, and run as root.",
            ) from exc
        ready.append((target, source))
    return ready


def _replace(ready: t.Sequence[tuple[Target, str]], stage: Stage) -> None:
    """Rename every file to its place; put back those that were there when one cannot be replaced."""
    undo: list[tuple[str, str | None]] = []
    for target, source in ready:
        dest = target.dest
        try:
            _make_parents(os.path.dirname(dest))
            backup: str | None = None
            if target.before.kind in ("file", "link"):
                backup = stage.beside(dest)
                os.link(dest, backup, follow_symlinks=False)
            os.rename(source, dest)
        except OSError as exc:
            _put_back(undo)
            raise ArtifactError(
                f"{dest} cannot be replaced: {exc.strerror or exc}. The files replaced before it were put back.",
                "Check that the file system is writable and the path no mount point.",
            ) from exc
        undo.append((dest, backup))
    for folder in {os.path.dirname(target.dest) for target, _source in ready}:
        fsync_dir(folder)


def _put_back(undo: t.Sequence[tuple[str, str | None]]) -> None:
    for path, backup in reversed(undo):
        with contextlib.suppress(OSError):
            if backup is None:
                os.unlink(path)
            else:
                os.rename(backup, path)


def _adjust(target: Target) -> None:
    try:
        os.chown(target.dest, target.spec.uid, target.spec.gid)
        os.chmod(target.dest, target.mode)
    except OSError as exc:
        raise ArtifactError(
            f"Mode or owner of {target.dest} cannot be set: {exc.strerror or exc}.", "Run as root."
        ) from exc
