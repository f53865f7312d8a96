# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of upgrade_plan; the module of the same name documents it."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import Client
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api import connect
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.action import (
    API_OPTIONS,
    ApiAction,
    say,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._upgrade.observe import observe
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._upgrade.plan import (
    DesiredUpgrade,
    UpgradePlan,
    plan_upgrade,
)

ARGUMENT_SPEC: dict[str, t.Any] = {
    **API_OPTIONS,
    "version": {"type": "str", "required": True},
    "nodes": {"type": "dict", "required": True},
    "control_planes": {"type": "list", "elements": "str", "required": True},
    "accept_removed_apis": {"type": "bool", "default": False},
}


def report(plan: UpgradePlan, check_mode: bool) -> dict[str, t.Any]:
    """What the action returns."""
    lines = [host.line() for host in plan.hosts]
    result: dict[str, t.Any] = {
        # Tasks that upgrade do not run in check mode: this is what they would change.
        "changed": check_mode and bool(plan.left) and not plan.findings,
        "hosts": {host.host: host.as_dict() for host in plan.hosts},
        "pending": [host.host for host in plan.left],
        "lines": lines,
        "warnings": list(plan.warnings),
        "diff": {
            "before": "".join(f"{host.host}: {host.current}\n" for host in plan.hosts),
            "after": "".join(f"{host.host}: {host.version}\n" for host in plan.hosts),
        },
    }
    if plan.findings:
        found = "\n".join(f"- {finding.line()}" for finding in plan.findings)
        result["failed"] = True
        result["msg"] = (
            f"The upgrade cannot begin, {len(plan.findings)} finding(s); nothing was changed:\n{found}"
        )
    return result


class ActionModule(ApiAction):
    """Reads from the API servers on the controller."""

    ARGUMENT_SPEC = ARGUMENT_SPEC

    def work(self, api: Client, params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """See C(ApiAction)."""
        kubeconfig, context = params["kubeconfig"], params["context"]
        cluster, unread = observe(api, lambda address: connect.connect_at(kubeconfig, context, address))
        desired = DesiredUpgrade(
            version=params["version"],
            nodes={str(host): str(node) for host, node in params["nodes"].items()},
            control_planes=tuple(params["control_planes"]),
            accept_removed_apis=params["accept_removed_apis"],
        )
        plan = plan_upgrade(desired, cluster)
        result = report(plan, self._task.check_mode)
        result["warnings"] += unread
        if not plan.findings:
            for line in result["lines"]:
                say(f"  {line}")
        return result
