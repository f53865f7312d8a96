# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of network_host_policy_plan; the module of the same name documents it."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import Client
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.action import (
    API_OPTIONS,
    PATIENCE,
    ApiAction,
    say,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.objects import patiently
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network import (
    host_facts,
    host_openings,
    host_policies,
    policies,
)

_CILIUM_CONFIG = "/api/v1/namespaces/kube-system/configmaps/cilium-config"
_SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
_OF_KUBERNETES = "labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes"


def _networks(values: t.Sequence[str], option: str) -> tuple[list[str], list[str]]:
    """Networks in the form of CIDRs, and what is wrong with others."""
    found, wrong = [], []
    for value in values:
        try:
            found.append(str(ipaddress.ip_network(value)))
        except ValueError:
            wrong.append(
                f"{option} has {value!r}, expected a network in CIDR form without host bits, such as 192.0.2.0/24"
            )
    return found, wrong


def _addresses(values: t.Sequence[str], option: str) -> list[str]:
    """What is wrong with addresses."""
    wrong = []
    for value in values:
        try:
            ipaddress.ip_address(value)
        except ValueError:
            wrong.append(f"{option} has {value!r}, expected an address, such as 192.0.2.7")
    return wrong


def _refuse(what: str, lines: t.Sequence[str], next_step: str) -> None:
    if lines:
        listed = "\n".join(f"- {line}." for line in lines)
        raise OperatorError(f"{what} Nothing was changed.\n{listed}\n", next_step)


class ActionModule(ApiAction):
    """Makes the objects of the nodes' policies on the controller."""

    ARGUMENT_SPEC: t.ClassVar[dict[str, t.Any]] = {
        **API_OPTIONS,
        **PATIENCE,
        "mode": {"type": "str", "choices": list(policies.MODES), "required": True},
        "openings": {"type": "list", "elements": "dict", "default": []},
        "connections": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "host": {"type": "str", "required": True},
                "connection": {"type": "str", "default": "ssh"},
                "ssh": {"type": "str", "default": ""},
            },
        },
        "controllers": {"type": "list", "elements": "str", "default": []},
        "ssh_cidrs": {"type": "list", "elements": "str", "default": []},
        "api_cidrs": {"type": "list", "elements": "str", "default": []},
        "hosts": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "address": {"type": "str", "default": ""},
                "control_plane": {"type": "bool", "default": False},
            },
        },
        "virtual_address": {"type": "bool", "default": False},
    }

    def perform(self, params: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """See C(ControllerAction). What is wrong with the options is told without the API server."""
        if params["mode"] == policies.OFF:
            return {"changed": False, "objects": [], "ssh": [], "nodes": []}
        self._openings, wrong = host_openings.read(params["openings"])
        self._ssh, more = _networks(params["ssh_cidrs"], "network_host_policy_ssh_cidrs")
        self._api, others = _networks(params["api_cidrs"], "network_host_policy_api_cidrs")
        controllers = _addresses(params["controllers"], "network_host_policy_controllers")
        _refuse(
            "The options of host policies cannot be used.",
            [*wrong, *more, *others, *controllers],
            "Correct them.",
        )
        self._connections = [
            host_facts.Connection(one["host"], one["connection"], one["ssh"]) for one in params["connections"]
        ]
        try:
            self._clients = host_facts.clients(self._connections, params["controllers"])
        except host_facts.FactsError as exc:
            _refuse(
                "It is not known from where ssh has to stay open.",
                [str(exc)],
                "Connect by ssh, or name the controller's addresses in network_host_policy_controllers.",
            )
        return super().perform(params, task_vars)

    def work(self, api: Client, params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """See C(ApiAction)."""

        def ask() -> tuple[list[t.Any], list[t.Any], dict[str, str]]:
            config = api.get(_CILIUM_CONFIG) or {}
            return (
                list(api.items("/api/v1/nodes")),
                list(api.items(_SLICES, _OF_KUBERNETES)),
                {name: str(value) for name, value in (config.get("data") or {}).items()},
            )

        nodes, slices, config = patiently(ask, params["timeout"], say)
        _refuse(
            "Cilium cannot apply policies to nodes as it is configured (ConfigMap kube-system/cilium-config).",
            host_facts.unusable(config, params["virtual_address"]),
            "Run the playbook site with network_host_policy_mode set, which configures Cilium for it.",
        )
        if params["mode"] == policies.ENFORCE:
            _refuse(
                "Policies of nodes would be enforced where no guard rolls them back.",
                [
                    f"the node {name} is none of the hosts of the inventory"
                    for name in host_facts.unguarded(nodes, params["hosts"])
                ],
                "Add the hosts to the inventory, or remove the nodes.",
            )
        facts = host_facts.read(
            nodes,
            slices,
            config,
            params["hosts"],
            clients=self._clients,
            ssh_cidrs=tuple(self._ssh),
            api_cidrs=tuple(self._api),
            vrrp=params["virtual_address"],
        )
        _refuse(
            "Host policies would deny what has to stay open.",
            host_policies.problems(facts),
            "Run the playbook from elsewhere.",
        )
        return {
            "changed": False,
            "objects": host_policies.plan(params["mode"], facts, self._openings),
            "ssh": [{"address": one.address, "port": one.port} for one in facts.clients],
            "nodes": list(facts.nodes),
        }
