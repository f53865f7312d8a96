# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of etcd_snapshot: copies the archive here and deletes older ones. The module documents it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import typing as t
from datetime import UTC, datetime
from pathlib import Path

from ansible.plugins.action import ActionBase
from ansible_collections.baremetal.kubernetes.plugins.module_utils._backup import encryption, retention
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import fsync_dir


def place(fetch: t.Callable[[str], object], target: Path, sha256: str) -> None:
    """Get an archive under its name, whole or not at all.

    :param fetch: writes it to a path. :raises OperatorError: when it is not what the host made.
    """
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(handle)
    try:
        fetch(temporary)
        with open(temporary, "rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
            os.fsync(stream.fileno())
        if found != sha256:
            raise OperatorError(
                f"{target.name} has the SHA-256 {found} on the controller, expected {sha256}.", "Run again."
            )
        os.chmod(temporary, 0o600)
        os.replace(temporary, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
    fsync_dir(str(target.parent))


class ActionModule(ActionBase):
    """Has the host make an archive, and copies it."""

    TRANSFERS_FILES = True
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the action.

        :return: what the module's documentation lists.
        """
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        args = dict(self._task.args)
        destination = Path(os.path.expanduser(str(args.get("destination") or ""))).absolute()
        keep, days = int(args.get("keep", 14)), int(args.get("keep_days", 0))
        remote_directory = ""
        try:
            encryption.parse([str(key) for key in args.get("recipients") or ()])
            # Its owner is the user of the connection, who can fetch from it what root has put there.
            if not self._task.check_mode:
                destination.mkdir(mode=0o700, parents=True, exist_ok=True)
            args["directory"] = remote_directory = self._make_tmp_path()
            made = self._execute_module(module_args=args, task_vars=task_vars)
            result.update({name: value for name, value in made.items() if name != "invocation"})
            if made.get("failed") or made.get("unreachable"):
                return result
            if "archive" in made:
                remote = str(made["archive"])
                target = destination / os.path.basename(remote)
                place(lambda path: self._connection.fetch_file(remote, path), target, str(made["sha256"]))
                result["archive"] = str(target)
            result["deleted"] = self._expire(destination, str(args.get("cluster_name")), keep, days)
        except OperatorError as error:
            return {**result, "changed": False, "failed": True, "msg": str(error)}
        except OSError as error:
            where = error.filename or destination
            message = f"{where} on the controller: {error.strerror}."
            next_step = "Set etcd_backup_destination to a directory of yours."
            return {**result, "changed": False, "failed": True, "msg": f"{message} {next_step}"}
        finally:
            if remote_directory:
                self._remove_tmp_path(remote_directory, force=True)
        return result

    def _expire(self, directory: Path, cluster: str, keep: int, days: int) -> list[str]:
        names = os.listdir(directory) if directory.is_dir() else []
        # In check mode, the new one is not there yet.
        found = retention.expired(
            names, cluster, max(1, keep - self._task.check_mode), days, datetime.now(UTC)
        )
        for name in () if self._task.check_mode else found:
            (directory / name).unlink(missing_ok=True)
        return found
