# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of network_policy_report; the module of the same name documents it."""

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
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network import policies, verdicts, watch


class ActionModule(ApiAction):
    """Watches the verdicts of all agents from the controller."""

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
        mode = patiently(lambda: watch.mode(api), timeout, say)
        if mode != policies.REPORT:
            raise OperatorError(
                f"The baseline of this cluster is in the mode {mode}, in which nothing tells apart what it denies.",
                "Set network_policy_mode to report, and run the playbook platform.",
            )
        agents = patiently(lambda: watch.agents(api), timeout, say)
        first = patiently(lambda: watch.pods(api), timeout, say)
        say(f"watching flows on {len(agents)} node(s) for {seconds} seconds")
        seen = watch.watch_all(Execute(params["kubeconfig"], params["context"]), agents, seconds)
        pods, namespaces = patiently(lambda: (watch.pods(api), watch.namespaces(api)), timeout, say)
        flows = verdicts.flows(seen, [*first, *pods], namespaces)
        lost = sum(one.lost for one in seen)
        return {
            "changed": False,
            "flows": [flow.as_dict() for flow in flows],
            "lost": lost,
            "report": verdicts.lines(flows, seconds, lost),
        }
