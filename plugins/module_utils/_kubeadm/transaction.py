# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Replace several files as one change: put all of them back, or know later that they were not seen at work."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.reconfigure import (
    FileState,
    WantedFile,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import under
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import fsync_dir, write_atomic

STATE = "/var/lib/baremetal-kubernetes/kubeadm"
_KEPT = 5


def state_of(root: str, path: str) -> FileState:
    """A file as it is."""
    try:
        with open(under(root, path), "rb") as handle:
            status = os.fstat(handle.fileno())
            return FileState(handle.read(), status.st_mode & 0o7777, status.st_uid, status.st_gid)
    except (FileNotFoundError, NotADirectoryError):
        return FileState()


class Transaction:
    """The files that a run replaces, with their former contents in a folder of root's.

    The folder is there from before the first file is replaced until all of them were seen at work. When a run finds
    one, the run before it was interrupted; what that one saved stays what is put back.

    :param root: folder that stands for C(/).
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._folder = under(root, f"{STATE}/pending")
        self._journal: dict[str, dict[str, t.Any]] = {}
        with (
            contextlib.suppress(OSError, ValueError),
            open(self._path("journal.json"), encoding="utf-8") as handle,
        ):
            self._journal = dict(json.load(handle)["files"])

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)

    @property
    def pending(self) -> frozenset[str]:
        """What an interrupted run may have replaced."""
        return frozenset(self._journal)

    def begin(self, files: t.Iterable[WantedFile]) -> None:
        """Save the present contents, before the first file is replaced."""
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        os.chmod(self._folder, 0o700)
        files = list(files)
        # What an interrupted run replaced, and this one has no quarrel with, is settled.
        self._journal = {item.path: self._journal[item.path] for item in files if item.path in self._journal}
        for wanted in files:
            if wanted.path in self._journal:
                continue
            found = state_of(self._root, wanted.path)
            entry: dict[str, t.Any] = {"backup": None}
            if found.content is not None:
                name = hashlib.sha256(wanted.path.encode()).hexdigest()[:16]
                write_atomic(self._path(name), found.content, 0o600)
                entry = {"backup": name, "mode": found.mode, "uid": found.uid, "gid": found.gid}
            self._journal[wanted.path] = entry
        write_atomic(self._path("journal.json"), json.dumps({"files": self._journal}).encode(), 0o600)

    def place(self, wanted: WantedFile) -> None:
        """Replace one file."""
        path = under(self._root, wanted.path)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        found = state_of(self._root, wanted.path)

        def chosen(asked: int | None, now: int, default: int) -> int:
            if asked is not None:
                return asked
            return now if found.content is not None else default

        mode = chosen(wanted.mode, found.mode, 0o600)
        owner = (chosen(wanted.uid, found.uid, 0), chosen(wanted.gid, found.gid, 0))
        write_atomic(path, wanted.content, mode, owner)

    def restore(self) -> list[str]:
        """Put everything back.

        :return: the paths whose contents changed by it.
        """
        changed = []
        for path, entry in self._journal.items():
            target = under(self._root, path)
            now = state_of(self._root, path)
            if entry["backup"] is None:
                if now.content is not None:
                    os.unlink(target)
                    fsync_dir(os.path.dirname(target))
                    changed.append(path)
                continue
            with open(self._path(entry["backup"]), "rb") as handle:
                content = handle.read()
            if (now.content, now.mode) != (content, entry["mode"]):
                write_atomic(target, content, entry["mode"], (entry["uid"], entry["gid"]))
                changed.append(path)
        self._close(keep=False)
        return changed

    def commit(self) -> None:
        """All files were seen at work. The former contents are kept for a while."""
        self._close(keep=True)

    def _close(self, keep: bool) -> None:
        self._journal = {}
        if not os.path.isdir(self._folder):
            return
        if not keep:
            shutil.rmtree(self._folder)
            return
        kept = under(self._root, f"{STATE}/backups")
        os.makedirs(kept, mode=0o700, exist_ok=True)
        name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        os.replace(self._folder, os.path.join(kept, f"{name}-{os.getpid()}"))
        for old in sorted(os.listdir(kept))[:-_KEPT]:
            shutil.rmtree(os.path.join(kept, old), ignore_errors=True)
