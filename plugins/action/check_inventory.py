# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs C(check_inventory) on the controller; the module of the same name documents it."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight import inventory

ARGUMENT_SPEC: dict[str, t.Any] = {
    "groups": {
        "type": "list",
        "elements": "str",
        "default": [inventory.CONTROL_PLANE, inventory.WORKER],
    },
}


class ActionModule(ActionBase):
    """Looks at the inventory that the controller has read; contacts no host."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the action.

        :return: what the module's documentation lists.
        """
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _validated, params = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        known = task_vars or {}
        sources = known.get("ansible_inventory_sources") or ()
        try:
            hosts = inventory.check(
                known["groups"],
                known["ansible_play_hosts_all"],
                params["groups"],
                ", ".join(map(str, sources)),
            )
        except OperatorError as exc:
            return {**result, "failed": True, "msg": str(exc), "changed": False}
        return {**result, "changed": False, "hosts": hosts}
