# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of etcd_restore: decrypts a backup, sends the host what it needs. The module documents it."""

from __future__ import annotations

import base64
import os
import tempfile
import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.baremetal.kubernetes.plugins.module_utils._backup import archive, host_files
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import private_directory
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._action import log_nothing
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._backup.opening import open_backup


def keys_of(manifest: archive.Manifest, contents: t.Mapping[str, bytes]) -> dict[str, t.Any]:
    """What a host gets of a backup's small files, by path."""
    return {
        entry.path: {"content": base64.b64encode(contents[entry.name]).decode(), "mode": entry.mode}
        for entry in manifest.entries
        if entry.path and host_files.restorable(entry.path)
    }


class ActionModule(ActionBase):
    """Decrypts a backup, and has the host restore it."""

    TRANSFERS_FILES = True
    _supports_check_mode = True
    _supports_async = False
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the action.

        :return: what the module's documentation lists.
        """
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        args = dict(self._task.args)
        # The directory on the host that has the snapshot.
        self._remote = ""
        log_nothing(self)
        try:
            with tempfile.TemporaryDirectory(prefix="bmk-restore-", dir=private_directory()) as directory:
                if args.get("archive"):
                    args.update(self._send(args, directory))
                found = self._execute_module(module_args=args, task_vars=task_vars)
        except OperatorError as error:
            return {**result, "changed": False, "failed": True, "msg": str(error)}
        except OSError as error:
            return {**result, "changed": False, "failed": True, "msg": f"{error.filename}: {error.strerror}."}
        finally:
            if self._remote:
                self._remove_tmp_path(self._remote, force=True)
        result.update({name: value for name, value in found.items() if name != "invocation"})
        return result

    def _send(self, args: t.Mapping[str, t.Any], directory: str) -> dict[str, t.Any]:
        """Options of the module for a backup, whose snapshot is on the host then."""
        path = os.path.join(directory, "snapshot.db")
        archive_path = os.path.abspath(os.path.expanduser(str(args["archive"])))
        identity = os.path.abspath(os.path.expanduser(str(args.get("identity") or "")))
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as snapshot:
            manifest, contents = open_backup(archive_path, identity, snapshot.write)
        entry = manifest.entry(archive.SNAPSHOT)
        options = {"files": keys_of(manifest, contents), "sha256": entry.sha256 if entry else ""}
        if self._task.check_mode:
            return options
        self._remote = self._make_tmp_path()
        remote = self._connection._shell.join_path(self._remote, "snapshot.db")
        self._transfer_file(path, remote)
        return {**options, "snapshot": remote}
