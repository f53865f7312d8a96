# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of basic_auth_password; the module of the same name documents it."""

from __future__ import annotations

import os
import typing as t

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._action import ControllerAction, Json
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics import password as passwords


class ActionModule(ControllerAction):
    """Keeps passwords and their hashes on the controller."""

    ARGUMENT_SPEC: t.ClassVar[Json] = {"paths": {"type": "list", "elements": "path", "required": True}}

    def perform(self, params: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> Json:
        """See C(ControllerAction)."""
        if passwords.BCRYPT_ERROR is not None:
            message = missing_required_lib("bcrypt")
            return {"failed": True, "msg": message, "exception": passwords.BCRYPT_ERROR}
        paths = [os.path.abspath(os.path.expanduser(path)) for path in params["paths"]]
        try:
            # All of them are read before one is written.
            found = {path: passwords.observe(path) for path in paths}
            for path, state in found.items():
                if state.reasons and not self._task.check_mode:
                    passwords.complete(path, state)
        except OSError as exc:
            raise OperatorError(
                f"{exc.filename or ', '.join(paths)} cannot be read or written on the controller: {exc.strerror}."
                " Expected a file of yours in a directory of yours.",
                "Choose another path, or correct owner and mode.",
            ) from exc
        reasons = {path: state.reasons for path, state in found.items() if state.reasons}
        result: Json = {"changed": bool(reasons), "reasons": reasons}
        if self._task.diff and reasons:
            result["diff"] = [
                {
                    "before_header": path,
                    "after_header": path,
                    "before": "".join(f"{line}\n" for line in lines),
                    "after": "a password and its hash\n",
                }
                for path, lines in reasons.items()
            ]
        return result
