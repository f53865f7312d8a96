# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of network_host_policy_report; the module of the same name documents it."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import Client
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.action import ApiAction
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network import (
    host_policies,
    report,
    verdicts,
)


def _on_host(text: str) -> bool:
    return verdicts.realized_on_host(text, host_policies.NODES)


NODES = report.Subject(
    host_policies.BASELINE,
    "The policies of nodes",
    "network_host_policy_mode",
    "what arrives at {nodes}",
    _on_host,
)


def _flow(flow: verdicts.Flow) -> dict[str, t.Any]:
    """A flow, whose pods are nodes."""
    found = {key: value for key, value in flow.as_dict().items() if key not in ("namespace", "pods")}
    return {**found, "nodes": list(flow.pods)}


class ActionModule(ApiAction):
    """Watches the verdicts of all agents on their own nodes, from the controller."""

    ARGUMENT_SPEC = report.OPTIONS

    def work(self, api: Client, params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """See C(ApiAction)."""
        told = report.observe(api, params, NODES)
        names = {agent.address: agent.node for agent in told.agents}
        flows = verdicts.host_flows(told.seen, names, told.pods, told.namespaces)
        return told.result(flows, [_flow(flow) for flow in flows], params["seconds"])
