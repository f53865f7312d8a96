# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of reboot_plan; the module of the same name documents it."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import Client
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.observe import NODES
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.action import (
    API_OPTIONS,
    ApiAction,
    say,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._reboot.plan import (
    RebootPlan,
    plan_reboots,
)

Json = dict[str, t.Any]


def report(plan: RebootPlan) -> Json:
    """What the action returns."""
    result: Json = {
        "changed": False,
        "hosts": {host.host: host.as_dict() for host in plan.hosts},
        "left": [host.host for host in plan.left],
        "lines": [host.line() for host in plan.hosts],
    }
    if plan.findings:
        found = "\n".join(f"- {finding}" for finding in plan.findings)
        result["failed"] = True
        result["msg"] = (
            f"The hosts cannot be rebooted, {len(plan.findings)} finding(s); nothing was changed:\n{found}"
        )
    return result


class ActionModule(ApiAction):
    """Reads the nodes from the API server, on the controller."""

    ARGUMENT_SPEC: t.ClassVar[Json] = {
        **API_OPTIONS,
        "nodes": {"type": "dict", "required": True},
        "reasons": {"type": "dict", "required": True},
        "force": {"type": "bool", "default": False},
    }

    def work(self, api: Client, params: t.Mapping[str, t.Any]) -> Json:
        """See C(ApiAction)."""
        plan = plan_reboots(
            {str(host): str(node) for host, node in params["nodes"].items()},
            {host: [str(one["text"]) for one in found or ()] for host, found in params["reasons"].items()},
            tuple(api.items(NODES)),
            params["force"],
        )
        if not plan.findings:
            for host in plan.hosts:
                say(f"  {host.line()}")
        return report(plan)
