# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of image_directory; the module of the same name documents it."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._action import ControllerAction
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


class ActionModule(ControllerAction):
    """Copies images on the controller."""

    ARGUMENT_SPEC = ARGUMENT_SPEC

    def perform(self, params: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """See C(ControllerAction)."""
        try:
            return copy_images(params, self._task.check_mode)
        except OSError as error:
            raise OperatorError(
                f"{error.filename or params['directory']}: {error.strerror}.",
                "Free space there, and check that you may write.",
            ) from error
