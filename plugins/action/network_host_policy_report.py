# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of network_host_policy_report; the module of the same name documents it."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import Client
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.action import (
    API_OPTIONS,
    ApiAction,
    say,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.execute import Execute
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.objects import patiently
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network import (
    host_policies,
    policies,
    verdicts,
    watch,
)


def _on_host(text: str) -> bool:
    return verdicts.realized_on_host(text, host_policies.NODES)


class ActionModule(ApiAction):
    """Watches the verdicts of all agents on their own nodes, from the controller."""

    ARGUMENT_SPEC: t.ClassVar[dict[str, t.Any]] = {
        **API_OPTIONS,
        "seconds": {"type": "int", "default": 30},
        "timeout": {"type": "int", "default": 120},
    }

    def work(self, api: Client, params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """See C(ApiAction)."""
        seconds, timeout = params["seconds"], params["timeout"]
        if not 0 < seconds <= 3600:
            raise OperatorError(f"seconds is {seconds}, expected 1 to 3600.", "Run it again to watch longer.")
        mode = patiently(lambda: watch.mode(api, host_policies.BASELINE), timeout, say)
        if mode != policies.REPORT:
            raise OperatorError(
                f"The policies of nodes of this cluster are in the mode {mode}, in which nothing tells apart what they"
                " deny.",
                "Set network_host_policy_mode to report, and run the playbook platform.",
            )
        agents = patiently(lambda: watch.agents(api), timeout, say)
        first = patiently(lambda: watch.pods(api), timeout, say)
        say(f"watching what arrives at {len(agents)} node(s) for {seconds} seconds")
        run = Execute(params["kubeconfig"], params["context"])
        seen = watch.watch_all(run, agents, seconds, _on_host)
        pods, namespaces = patiently(lambda: (watch.pods(api), watch.namespaces(api)), timeout, say)
        names = {agent.address: agent.node for agent in agents}
        found = verdicts.host_flows(seen, names, [*first, *pods], namespaces)
        lost = sum(one.lost for one in seen)
        return {
            "changed": False,
            "flows": [
                {
                    **{
                        key: value
                        for key, value in flow.as_dict().items()
                        if key not in ("namespace", "pods")
                    },
                    "nodes": list(flow.pods),
                }
                for flow in found
            ],
            "lost": lost,
            "report": verdicts.lines(found, seconds, lost),
        }
