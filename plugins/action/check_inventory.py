# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs C(check_inventory) on the controller; the module of the same name documents it."""

from __future__ import annotations

import typing as t

from ansible import constants
from ansible.errors import AnsibleError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
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


def _has_template(value: t.Any) -> bool:
    """Whether a value, or one in it, may depend on the host that reads it."""
    if isinstance(value, str):
        return any(mark in value for mark in ("{{", "{%", "{#"))
    if isinstance(value, t.Mapping):
        return any(_has_template(item) for pair in value.items() for item in pair)
    return isinstance(value, t.Iterable) and any(_has_template(item) for item in value)


def _values(hostvars: t.Any, hosts: t.Iterable[str], names: t.Collection[str]) -> dict[str, dict[str, t.Any]]:
    """Host -> option -> value, for what the inventory and the command line set.

    What a file of the inventory sets for all hosts is one object, which is templated for the first of them only: for a
    thousand hosts, that takes seconds otherwise. It is the same object in what is returned, too.

    :param hostvars: Ansible's C(HostVars).
    """
    values: dict[str, dict[str, t.Any]] = {}
    # The value as it is written keeps its id as long as it is here.
    common: dict[tuple[str, int], tuple[t.Any, t.Any]] = {}
    for host in hosts:
        # Ansible collects it from all files at each access.
        written = hostvars.raw_get(host)
        own = None
        values[host] = {}
        for name in written.keys() & names:
            place = (name, id(written[name]))
            if place in common:
                values[host][name] = common[place][1]
                continue
            if own is None:
                own = hostvars[host]
            try:
                values[host][name] = own[name]
            except AnsibleError:
                # A template of what is known later, such as facts; the role that reads it validates it.
                continue
            if not _has_template(written[name]):
                common[place] = (written[name], values[host][name])
    return values


def refuse_injected_facts() -> None:
    """Refuse a configuration in which what a host answers are variables of the site.

    Every module result may have C(ansible_facts). With C(inject_facts_as_vars), which is on by default, they go before
    the variables of the inventory: a host that was taken over would choose the helm that the controller runs.

    :raises OperatorError: with the setting.
    """
    if constants.config.get_config_value("INJECT_FACTS_AS_VARS"):
        where = constants.CONFIG_FILE or "ansible.cfg beside the inventory"
        raise OperatorError(
            "inject_facts_as_vars is on, so that a host which was taken over can set any variable of the cluster, the"
            " programs that this controller runs among them. Expected it to be off; no role needs it.",
            f"Set inject_facts_as_vars = false in the section [defaults] of {where}, or"
            " ANSIBLE_INJECT_FACT_VARS=false in the environment.",
        )


class ActionModule(ControllerAction):
    """Looks at the inventory that the controller has read."""

    ARGUMENT_SPEC = ARGUMENT_SPEC

    def perform(self, params: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """See C(ControllerAction)."""
        refuse_injected_facts()
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
