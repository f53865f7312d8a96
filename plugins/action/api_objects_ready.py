# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of api_objects_ready; the module of the same name documents it."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import Client
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._action import Json
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.action import (
    API_OPTIONS,
    PATIENCE,
    ApiAction,
    say,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.in_effect import wait_in_effect
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.objects import (
    FIELD_MANAGER,
    Objects,
    references,
)


class ActionModule(ApiAction):
    """Waits for objects by the API server, on the controller."""

    ARGUMENT_SPEC: t.ClassVar[dict[str, t.Any]] = {
        **API_OPTIONS,
        **PATIENCE,
        "objects": {"type": "list", "elements": "dict", "required": True},
        "wait": {"type": "int", "default": 300},
    }

    def work(self, api: Client, params: t.Mapping[str, t.Any]) -> Json:
        """See C(ApiAction)."""
        refs = references(params["objects"])
        began = time.monotonic()
        # In check mode, a task before may only have predicted them.
        if not self._task.check_mode:
            wait_in_effect(
                Objects(api, FIELD_MANAGER, False, params["timeout"], say), refs, params["wait"], say
            )
        return {"changed": False, "seconds": round(time.monotonic() - began, 1)}
