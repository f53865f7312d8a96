# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Put everything into place: all of it, or nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.model import ArtifactError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.plan import (
    DirectoryTarget,
    Plan,
    Target,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.staging import Stage, Staged
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import fsync_dir

_DIRECTORY_MODE = 0o755


def _source_of(target: Target, staged: Staged, stage: Stage) -> str:
    if target.spec.content is not None:
        path = stage.beside(target.dest)
        with open(path, "wb") as stream:
            stream.write(target.spec.content)
        return path
    key = str(target.spec.checksum)
    return staged.files[(key, target.member)] if target.member is not None else staged.downloads[key].path


def _make_parents(directory: str) -> None:
    """Make missing directories readable for all, whatever the umask."""
    if os.path.isdir(directory):
        return
    _make_parents(os.path.dirname(directory))
    os.mkdir(directory)
    os.chmod(directory, _DIRECTORY_MODE)


def place(
    plan: Plan, staged: Staged, stage: Stage, label: t.Callable[[str], None] = lambda path: None
) -> None:
    """Bring everything to its place: first all that can fail cheaply, then the renames.

    :param label: gives a path its security label (SELinux).
    :raises ArtifactError: when a path cannot be replaced; what was replaced before is put back.
    """
    ready = _prepare(plan, staged, stage)
    made = _make_directories(plan)
    try:
        _replace(ready, stage)
    except ArtifactError:
        for path in reversed(made):
            with contextlib.suppress(OSError):
                os.rmdir(path)
        raise
    for target in plan.targets:
        if target.attributes and not target.content:
            _set_attributes(target)
    for directory in plan.directories:
        _purge(directory)
    for path in (*made, *(target.dest for target, _source in ready)):
        label(path)


def _make_directories(plan: Plan) -> list[str]:
    """Make missing directories and give all of them their mode and owner.

    :returns: the paths that were made.
    """
    made = []
    for directory in sorted(plan.directories, key=lambda item: item.spec.path):
        path = directory.spec.path
        if not directory.changed:
            continue
        try:
            if directory.before.kind == "absent":
                _make_parents(os.path.dirname(path))
                with contextlib.suppress(FileExistsError):
                    os.mkdir(path, 0o700)
                    made.append(path)
            os.chown(path, directory.spec.uid, directory.spec.gid)
            os.chmod(path, directory.spec.mode)
        except OSError as exc:
            raise ArtifactError(
                f"The directory {path} cannot be made as asked for: {exc.strerror or exc}.",
                "Run as root, on a writable file system.",
            ) from exc
    return made


def _purge(directory: DirectoryTarget) -> None:
    for path in directory.purge:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        parent = os.path.dirname(path)
        while parent != directory.spec.path:
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
            lost = _put_back(undo)
            state = (
                f"Of the files replaced before it, these could not be put back: {', '.join(lost)}."
                if lost
                else "The files replaced before it were put back."
            )
            raise ArtifactError(
                f"{dest} cannot be replaced: {exc.strerror or exc}. {state}",
                "Check that the file system is writable and the path no mount point, and run again.",
            ) from exc
        undo.append((dest, backup))
    for directory in {os.path.dirname(target.dest) for target, _source in ready}:
        fsync_dir(directory)


def _put_back(undo: t.Sequence[tuple[str, str | None]]) -> list[str]:
    """Undo replacements.

    :returns: the paths where that was impossible, with the reason.
    """
    return [reason for path, backup in reversed(undo) if (reason := _undo(path, backup))]


def _undo(path: str, backup: str | None) -> str:
    try:
        if backup is None:
            os.unlink(path)
        else:
            os.rename(backup, path)
    except OSError as exc:
        return f"{path} ({exc.strerror or exc})"
    return ""


def _set_attributes(target: Target) -> None:
    try:
        os.chown(target.dest, target.spec.uid, target.spec.gid)
        os.chmod(target.dest, target.mode)
    except OSError as exc:
        raise ArtifactError(
            f"Mode or owner of {target.dest} cannot be set: {exc.strerror or exc}.", "Run as root."
        ) from exc
