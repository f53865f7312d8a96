# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of node_drain; the module of the same name documents it."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import Client
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._drain.plan import (
    Policy,
    cordoned_by,
    unschedulable,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._drain.run import (
    Drain,
    Outcome,
    read_node,
    set_cordon,
    stale,
    uncordons,
    with_cordon,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.action import (
    API_OPTIONS,
    ApiAction,
    say,
)

Json = dict[str, t.Any]


def shown(node: t.Mapping[str, t.Any], pods: t.Iterable[str] = ()) -> Json:
    """What of a node changes here, for a diff."""
    return {
        "unschedulable": unschedulable(node),
        "cordoned_by": cordoned_by(node),
        "pods": sorted(pods),
    }


class ActionModule(ApiAction):
    """Cordons, drains and uncordons a node by the API server, on the controller."""

    ARGUMENT_SPEC: t.ClassVar[Json] = {
        **API_OPTIONS,
        "node": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["drained", "cordoned", "uncordoned"], "default": "drained"},
        "operation": {"type": "str", "default": "maintenance"},
        "timeout": {"type": "int", "default": 600},
        "delete_emptydir_data": {"type": "bool", "default": False},
        "force": {"type": "bool", "default": False},
        "ignore_budgets": {"type": "bool", "default": False},
        "grace_period": {"type": "int", "default": -1},
    }

    def work(self, api: Client, params: t.Mapping[str, t.Any]) -> Json:
        """See C(ApiAction)."""
        if params["state"] == "drained":
            return self._drain(api, params)
        node = read_node(api, params["node"])
        cordoned = params["state"] == "cordoned"
        uncordoned = uncordons(node, params["operation"]) or stale(node)
        changed = not unschedulable(node) if cordoned else uncordoned
        after = with_cordon(node, cordoned, params["operation"]) if changed else node
        if changed and not self._task.check_mode:
            after = set_cordon(api, node, cordoned, params["operation"])
        return self._result(node, after, Outcome(node, changed=changed))

    def _drain(self, api: Client, params: t.Mapping[str, t.Any]) -> Json:
        policy = Policy(params["force"], params["delete_emptydir_data"], params["ignore_budgets"])
        drain = Drain(
            api, params["node"], policy, params["operation"], params["timeout"], params["grace_period"], say
        )
        if self._task.check_mode:
            outcome = drain.planned()
            before = after = outcome.node
            if not unschedulable(before):
                after = with_cordon(before, True, params["operation"])
        else:
            outcome = drain.run()
            before, after = outcome.before, outcome.node
        return self._result(before, after, outcome)

    @staticmethod
    def _result(before: t.Mapping[str, t.Any], after: t.Mapping[str, t.Any], outcome: Outcome) -> Json:
        staying = dict(outcome.planned.staying)
        return {
            "changed": outcome.changed,
            "evicted": outcome.evicted,
            "staying": [{"pod": pod, "reason": why} for pod, why in sorted(staying.items())],
            "held_up": [hold.as_dict() for hold in outcome.planned.holds],
            "stuck": outcome.stuck,
            "unschedulable": unschedulable(after),
            "cordoned_by": cordoned_by(after),
            "waited": outcome.waited,
            "diff": {"before": shown(before, [*outcome.evicted, *staying]), "after": shown(after, staying)},
        }
