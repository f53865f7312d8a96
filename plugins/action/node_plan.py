# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of node_plan; the module of the same name documents it."""

from __future__ import annotations

import json
import typing as t
from dataclasses import asdict

from ansible.errors import AnsibleError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import Client
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.action import (
    API_OPTIONS,
    ApiAction,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._node.changes import (
    Addition,
    Removal,
    plan_addition,
    plan_removal,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._node.roster import (
    Host,
    images_of_every_node,
    node_of,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight.inventory import (
    CONTROL_PLANE,
    WORKER,
)

ARGUMENT_SPEC: dict[str, t.Any] = {
    **API_OPTIONS,
    "operation": {"type": "str", "choices": ["add", "remove"], "required": True},
    "names": {"type": "list", "elements": "str", "default": []},
}


def _text(own: t.Mapping[str, t.Any], name: str) -> str:
    """A variable of a host, empty where it is not set or a template of what is not known yet."""
    try:
        return str(own[name] or "") if name in own else ""
    except AnsibleError:
        return ""


def read_hosts(
    groups: t.Mapping[str, t.Sequence[str]],
    hostvars: t.Mapping[str, t.Any],
    only: t.Collection[str] | None = None,
) -> list[Host]:
    """The cluster's hosts of the inventory.

    :param only: hosts to read beside the control planes. Each costs some milliseconds, so that all of them are read
        only when they count.
    """
    control = dict.fromkeys(groups.get(CONTROL_PLANE, ()))
    names = dict.fromkeys([*control, *groups.get(WORKER, ())])
    hosts = []
    for name in names:
        if only is not None and name not in control and name not in only:
            continue
        own = hostvars[name]
        addresses = [_text(own, "cluster_node_address"), _text(own, "ansible_host")]
        hosts.append(
            Host(name, name in control, _text(own, "cluster_node_name"), tuple(filter(None, addresses)))
        )
    return hosts


class ActionModule(ApiAction):
    """Reads the Node objects on the controller; contacts no host."""

    ARGUMENT_SPEC = ARGUMENT_SPEC

    def perform(self, params: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """See C(ControllerAction)."""
        self._groups, self._hostvars = task_vars["groups"], task_vars["hostvars"]
        return super().perform(params, task_vars)

    def work(self, api: Client, params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """See C(ApiAction)."""
        nodes = [node_of(item) for item in api.items("/api/v1/nodes")]
        names = params["names"]
        plan: Addition | Removal
        more: dict[str, t.Any] = {}
        if params["operation"] == "add":
            hosts = read_hosts(self._groups, self._hostvars, names or None)
            plan = plan_addition(hosts, nodes, names, whole=not names)
            if plan.hosts:
                more["images"] = images_of_every_node(api.items("/apis/apps/v1/daemonsets"))
        else:
            plan = plan_removal(names, read_hosts(self._groups, self._hostvars), nodes)
        # Jinja does not add a tuple to a list.
        return {"changed": False, **json.loads(json.dumps(asdict(plan))), **more}
