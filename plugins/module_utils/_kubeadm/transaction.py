# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Replace several files as one change: roll all of them back, or know later that they were never verified."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import time
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import (
    DesiredFile,
    KubeadmError,
    ObservedFile,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import under
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import fsync_dir, write_atomic

STATE = "/var/lib/baremetal-kubernetes/kubeadm"
_KEPT = 5
# What was rolled back, and is about to be deleted: a journal without its saved contents never has the other name.
_DONE = "done"


def observe_file(root: str, path: str) -> ObservedFile:
    """A file as it is."""
    try:
        with open(under(root, path), "rb") as handle:
            status = os.fstat(handle.fileno())
            return ObservedFile(handle.read(), status.st_mode & 0o7777, status.st_uid, status.st_gid)
    except (FileNotFoundError, NotADirectoryError):
        return ObservedFile()


class Transaction:
    """The files that a run replaces, with their former contents in a private directory.

    The directory exists from before the first file is replaced until the components were verified with all of them. A
    run that finds it follows an interrupted one, whose saved contents stay what is rolled back to.

    :param root: directory that stands for C(/).
    :raises KubeadmError: when the journal of an interrupted run cannot be read.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._directory = under(root, f"{STATE}/pending")
        self._journal: dict[str, dict[str, t.Any]] = {}
        try:
            with open(self._path("journal.json"), encoding="utf-8") as handle:
                self._journal = _entries(json.load(handle))
        except (FileNotFoundError, NotADirectoryError):
            pass
        except (OSError, ValueError) as exc:
            raise self._unusable(f"{self._path('journal.json')} cannot be read: {exc}") from exc

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, name)

    @property
    def pending(self) -> frozenset[str]:
        """What an interrupted run may have replaced."""
        return frozenset(self._journal)

    def _unusable(self, why: str) -> KubeadmError:
        names = f" ({', '.join(sorted(self._journal))})" if self._journal else ""
        return KubeadmError(
            f"{socket.gethostname()}: an earlier run was interrupted while it replaced files of this node{names}, and"
            f" what it saved is incomplete: {why}. Expected the former contents, to put them back if the new ones do"
            " not work."
            " Nothing was changed.",
            f"Check that the node works with its files as they are, move {self._directory} away, and run again.",
        )

    def check(self, paths: t.Collection[str]) -> None:
        """Read what an interrupted run saved of these files.

        :raises KubeadmError: when something of it is missing.
        """
        for path, entry in self._journal.items():
            if path in paths and entry["backup"] is not None:
                try:
                    with open(self._path(entry["backup"]), "rb") as handle:
                        handle.read()
                except OSError as exc:
                    raise self._unusable(f"{exc.filename}: {exc.strerror}") from exc

    def begin(self, files: t.Iterable[DesiredFile]) -> None:
        """Save the present contents, before the first file is replaced.

        :raises KubeadmError: when that is impossible, or an earlier run's are lost. Nothing was changed then.
        """
        files = list(files)
        self.check({item.path for item in files})
        try:
            self._begin(files)
        except OSError as exc:
            raise KubeadmError(
                f"{socket.gethostname()}: the present files cannot be saved in {self._directory}:"
                f" {exc.strerror or exc}. Nothing was changed.",
                "Free space on that file system, or make it writable, and run again.",
            ) from exc

    def _begin(self, files: t.Sequence[DesiredFile]) -> None:
        self._sweep()
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        os.chmod(self._directory, 0o700)
        # What an interrupted run replaced, and this one does not change, counts as verified.
        self._journal = {item.path: self._journal[item.path] for item in files if item.path in self._journal}
        for desired in files:
            if desired.path in self._journal:
                continue
            found = observe_file(self._root, desired.path)
            entry: dict[str, t.Any] = {"backup": None}
            if found.content is not None:
                name = hashlib.sha256(desired.path.encode()).hexdigest()[:16]
                write_atomic(self._path(name), found.content, 0o600)
                entry = {"backup": name, "mode": found.mode, "uid": found.uid, "gid": found.gid}
            self._journal[desired.path] = entry
        write_atomic(self._path("journal.json"), json.dumps({"files": self._journal}).encode(), 0o600)
        fsync_dir(os.path.dirname(self._directory))

    def place(self, desired: DesiredFile) -> None:
        """Replace one file."""
        path = under(self._root, desired.path)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        found = observe_file(self._root, desired.path)

        def chosen(asked: int | None, now: int, default: int) -> int:
            if asked is not None:
                return asked
            return now if found.content is not None else default

        mode = chosen(desired.mode, found.mode, 0o600)
        owner = (chosen(desired.uid, found.uid, 0), chosen(desired.gid, found.gid, 0))
        write_atomic(path, desired.content, mode, owner)

    def restore(self) -> list[str]:
        """Put the former contents back.

        :return: the paths whose contents changed by it.
        :raises KubeadmError: naming what could not be put back. What was saved stays, so that the next run continues.
        """
        errors: dict[str, OSError] = {}
        changed = [path for path, entry in self._journal.items() if self._restored(path, entry, errors)]
        if errors:
            failed = [f"{path} ({exc.strerror or exc})" for path, exc in errors.items()]
            raise KubeadmError(
                f"{socket.gethostname()}: the former contents of {', '.join(failed)} could not be put back; they are in"
                f" {self._directory}, whose journal.json names them.",
                "Make the file systems writable and free space on them, and run again.",
            )
        self._close(keep=False)
        return changed

    def _restored(self, path: str, entry: t.Mapping[str, t.Any], errors: dict[str, OSError]) -> bool:
        try:
            return self._restore(path, entry)
        except OSError as exc:
            errors[path] = exc
            return False

    def _restore(self, path: str, entry: t.Mapping[str, t.Any]) -> bool:
        target = under(self._root, path)
        now = observe_file(self._root, path)
        if entry["backup"] is None:
            if now.content is None:
                return False
            os.unlink(target)
            fsync_dir(os.path.dirname(target))
            return True
        with open(self._path(entry["backup"]), "rb") as handle:
            content = handle.read()
        if (now.content, now.mode) == (content, entry["mode"]):
            return False
        write_atomic(target, content, entry["mode"], (entry["uid"], entry["gid"]))
        return True

    def commit(self) -> None:
        """The components work with all files. The former contents are kept for a few runs."""
        self._close(keep=True)

    def _close(self, keep: bool) -> None:
        self._journal = {}
        if not os.path.isdir(self._directory):
            return
        parent = os.path.dirname(self._directory)
        if not keep:
            # Power may fail at any moment of the deletion, which has no order.
            os.replace(self._directory, os.path.join(parent, f"{_DONE}-{os.getpid()}-{time.monotonic_ns()}"))
            fsync_dir(parent)
            self._sweep()
            return
        kept = under(self._root, f"{STATE}/backups")
        os.makedirs(kept, mode=0o700, exist_ok=True)
        name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        # An upgrade commits twice in one process.
        os.replace(self._directory, os.path.join(kept, f"{name}-{os.getpid()}-{time.monotonic_ns()}"))
        fsync_dir(parent)
        for old in sorted(os.listdir(kept))[:-_KEPT]:
            shutil.rmtree(os.path.join(kept, old), ignore_errors=True)

    def _sweep(self) -> None:
        """Delete what was rolled back, by this run or an interrupted one."""
        parent = os.path.dirname(self._directory)
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(parent):
                if name.startswith(f"{_DONE}-"):
                    shutil.rmtree(os.path.join(parent, name), ignore_errors=True)


def _entries(document: t.Any) -> dict[str, dict[str, t.Any]]:
    """The files of a journal.

    :raises ValueError: when it is none.
    """
    try:
        return {
            str(path): {"backup": None}
            if entry["backup"] is None
            else {
                "backup": os.path.basename(str(entry["backup"])),
                **{key: int(entry[key]) for key in ("mode", "uid", "gid")},
            }
            for path, entry in document["files"].items()
        }
    except (KeyError, TypeError, AttributeError) as exc:
        raise ValueError(f"it is no journal ({exc!r})") from exc
