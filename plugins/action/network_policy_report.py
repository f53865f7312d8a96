# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of network_policy_report; the module of the same name documents it."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import Client
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.action import ApiAction
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network import policies, report, verdicts

PODS = report.Subject(policies.BASELINE, "The policies of pods", "network_policy_mode", "flows on {nodes}")


class ActionModule(ApiAction):
    """Watches the verdicts of all agents from the controller."""

    ARGUMENT_SPEC = report.OPTIONS

    def work(self, api: Client, params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """See C(ApiAction)."""
        told = report.observe(api, params, PODS)
        flows = verdicts.flows(told.seen, told.pods, told.namespaces)
        return told.result(flows, [flow.as_dict() for flow in flows], params["seconds"])
