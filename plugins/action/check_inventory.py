# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs C(check_inventory) on the controller; the module of the same name documents it."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._action import ControllerAction
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._options import inventory as options
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._options import specification
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight import inventory

ARGUMENT_SPEC: dict[str, t.Any] = {
    "groups": {
        "type": "list",
        "elements": "str",
        "default": [inventory.CONTROL_PLANE, inventory.WORKER],
    },
}


def _values(
    hostvars: t.Mapping[str, t.Any], hosts: t.Iterable[str], names: t.Collection[str]
) -> dict[str, dict[str, t.Any]]:
    """Host -> option -> value, for what the inventory and the command line set."""
    values: dict[str, dict[str, t.Any]] = {}
    for host in hosts:
        # Ansible collects it from all files at each access.
        own = hostvars[host]
        values[host] = {}
        for name in own.keys() & names:
            try:
                values[host][name] = own[name]
            except AnsibleError:
                # A template of what is known later, such as facts; the role that reads it validates it.
                continue
    return values


class ActionModule(ControllerAction):
    """Looks at the inventory that the controller has read."""

    ARGUMENT_SPEC = ARGUMENT_SPEC

    def perform(self, params: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """See C(ControllerAction)."""
        sources = task_vars.get("ansible_inventory_sources") or ()
        hosts = inventory.check(
            task_vars["groups"],
            task_vars["ansible_play_hosts_all"],
            params["groups"],
            ", ".join(map(str, sources)),
        )
        specified = specification.load()
        options.check(_values(task_vars["hostvars"], hosts, specified.keys()), specified)
        return {"changed": False, "hosts": hosts}
