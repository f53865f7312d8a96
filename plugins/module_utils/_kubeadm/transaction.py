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
import time
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import (
    DesiredFile,
    ObservedFile,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import under
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import fsync_dir, write_atomic

STATE = "/var/lib/baremetal-kubernetes/kubeadm"
_KEPT = 5


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
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._directory = under(root, f"{STATE}/pending")
        self._journal: dict[str, dict[str, t.Any]] = {}
        with (
            contextlib.suppress(OSError, ValueError),
            open(self._path("journal.json"), encoding="utf-8") as handle,
        ):
            self._journal = dict(json.load(handle)["files"])

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, name)

    @property
    def pending(self) -> frozenset[str]:
        """What an interrupted run may have replaced."""
        return frozenset(self._journal)

    def begin(self, files: t.Iterable[DesiredFile]) -> None:
        """Save the present contents, before the first file is replaced."""
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        os.chmod(self._directory, 0o700)
        files = list(files)
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
        """
        changed = []
        for path, entry in self._journal.items():
            target = under(self._root, path)
            now = observe_file(self._root, path)
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
        """The components work with all files. The former contents are kept for a few runs."""
        self._close(keep=True)

    def _close(self, keep: bool) -> None:
        self._journal = {}
        if not os.path.isdir(self._directory):
            return
        if not keep:
            shutil.rmtree(self._directory)
            return
        kept = under(self._root, f"{STATE}/backups")
        os.makedirs(kept, mode=0o700, exist_ok=True)
        name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        os.replace(self._directory, os.path.join(kept, f"{name}-{os.getpid()}"))
        for old in sorted(os.listdir(kept))[:-_KEPT]:
            shutil.rmtree(os.path.join(kept, old), ignore_errors=True)
