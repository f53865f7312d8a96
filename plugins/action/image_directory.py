# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of image_directory; the module of the same name documents it."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._mirror.copying import copy_images

ARGUMENT_SPEC: dict[str, t.Any] = {
    "images": {"type": "list", "elements": "str", "required": True},
    "directory": {"type": "path", "required": True},
    "architectures": {"type": "list", "elements": "str", "default": []},
    "source_registry": {"type": "str", "default": ""},
    "ca_path": {"type": "path"},
    "retries": {"type": "int", "default": 3},
    "skopeo": {"type": "str", "default": "skopeo"},
}


class ActionModule(ActionBase):
    """Copies images on the controller; contacts no host."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the action.

        :return: what the module's documentation lists.
        """
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _validation, params = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        try:
            return {**result, **copy_images(params, self._task.check_mode)}
        except OperatorError as error:
            return {**result, "failed": True, "msg": str(error), **error.context}
        except OSError as error:
            return {
                **result,
                "failed": True,
                "msg": f"{error.filename or params['directory']}: {error.strerror}. Free space there, and check that"
                " you may write.",
            }
