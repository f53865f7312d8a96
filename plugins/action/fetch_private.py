# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of fetch_private; the module of the same name documents it."""

from __future__ import annotations

import base64
import os
import stat
import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import write_atomic

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700


def differences(path: str, data: bytes) -> list[str]:
    """What is not as expected on the controller, without anything of the content."""
    found = []
    directory = os.path.dirname(path)
    if not os.path.isdir(directory):
        found.append(f"directory {directory} missing")
    elif stat.S_IMODE(os.stat(directory).st_mode) != DIRECTORY_MODE:
        found.append(f"directory {directory} open to others")
    if not os.path.isfile(path):
        return [*found, "file missing"]
    with open(path, "rb") as stream:
        if stream.read() != data:
            found.append("content differs")
    if stat.S_IMODE(os.stat(path).st_mode) != FILE_MODE:
        found.append(f"mode {stat.S_IMODE(os.stat(path).st_mode):04o}")
    return found


def keep(path: str, data: bytes) -> None:
    """Write the file, which only its owner may read, as the directory.

    :raises OSError: when the directory or the file cannot be written.
    """
    directory = os.path.dirname(path)
    os.makedirs(directory, mode=DIRECTORY_MODE, exist_ok=True)
    os.chmod(directory, DIRECTORY_MODE)
    write_atomic(path, data, FILE_MODE)


class ActionModule(ActionBase):
    """Reads on the host, compares and writes on the controller."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the action.

        :return: what the module's documentation lists; never the content.
        """
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(
            argument_spec={
                "src": {"type": "str", "required": True},
                "dest": {"type": "path", "required": True},
            }
        )
        dest = os.path.abspath(os.path.expanduser(args["dest"]))
        read = self._execute_module(
            module_name="ansible.legacy.slurp", module_args={"src": args["src"]}, task_vars=task_vars
        )
        if read.get("unreachable"):
            return dict(read)
        if read.get("failed"):
            if self._task.check_mode:
                # The task that creates the file was only predicted, too.
                return {**result, "changed": True, "dest": dest, "reasons": ["source missing yet"]}
            return {
                **result,
                "failed": True,
                "msg": f"{args['src']} cannot be read on the host: {read.get('msg')}. Expected it to be there.",
            }
        data = base64.b64decode(read["content"])
        reasons = differences(dest, data)
        if reasons and not self._task.check_mode:
            try:
                keep(dest, data)
            except OSError as exc:
                return {
                    **result,
                    "failed": True,
                    "msg": f"{exc.filename or dest} cannot be written on the controller: {exc.strerror}."
                    " Choose a directory that belongs to you.",
                }
        result.update(changed=bool(reasons), dest=dest, reasons=reasons)
        if self._task.diff:
            before = "".join(f"{reason}\n" for reason in reasons)
            after = f"as on the host, mode {FILE_MODE:04o}\n" if reasons else ""
            result["diff"] = {"before_header": dest, "after_header": dest, "before": before, "after": after}
        return result
