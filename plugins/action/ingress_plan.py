# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of ingress_plan; the module of the same name documents it."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import Client
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._ingress import addresses
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.action import (
    API_OPTIONS,
    PATIENCE,
    ApiAction,
    say,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.objects import patiently
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._options.forms import is_address

Json = dict[str, t.Any]

LOAD_BALANCER = "load_balancer"
EXPOSURES = (LOAD_BALANCER, "node_port", "host_port")
_CILIUM_CONFIG = "/api/v1/namespaces/kube-system/configmaps/cilium-config"
_POOLS = "/apis/cilium.io/v2/ciliumloadbalancerippools"
_PART_OF = "baremetal.kubernetes/part-of"
_HOSTNAME = "kubernetes.io/hostname"


def _refuse(problems: t.Sequence[str], next_step: str = "Correct them and run again.") -> None:
    if problems:
        lines = "\n".join(f"- {line}." for line in problems)
        raise OperatorError(
            f"The ingress controller cannot be deployed as declared. Nothing was changed. {next_step}\n{lines}"
        )


def _internal(node: Json) -> t.Iterator[str]:
    for address in (node.get("status") or {}).get("addresses") or ():
        if address.get("type") == "InternalIP":
            yield str(address["address"])


class ActionModule(ApiAction):
    """Compares what is declared for the ingress controller with the nodes and with Cilium's settings."""

    ARGUMENT_SPEC: t.ClassVar[dict[str, t.Any]] = {
        **API_OPTIONS,
        **PATIENCE,
        "exposure": {"type": "str", "choices": list(EXPOSURES), "required": True},
        "nodes": {"type": "dict", "required": True},
        "ranges": {"type": "list", "elements": "str", "default": []},
        "interfaces": {"type": "list", "elements": "str", "default": []},
        "address": {"type": "str", "default": ""},
        "published": {"type": "str", "default": ""},
        "trusted": {"type": "list", "elements": "str", "default": []},
        "taken": {"type": "list", "elements": "str", "default": []},
    }

    def perform(self, params: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> Json:
        """See C(ControllerAction). What is wrong by itself is told without the API server."""
        self._ranges: list[addresses.Range] = []
        problems = addresses.networks_problems(params["trusted"], "trusted addresses")
        if params["published"] and not is_address(params["published"]):
            problems.append(
                f"ingress_published_address: {params['published']} is no IP address, expected that of the site's load"
                " balancer"
            )
        if not params["nodes"]:
            problems.append(
                "no host runs pods, expected one at least in ingress_hosts or in the group worker"
            )
        problems += [
            f"{host}: its node was not read in this run, expected a run without --limit"
            for host, node in params["nodes"].items()
            if not node
        ]
        if params["exposure"] == LOAD_BALANCER:
            problems += self._read_pool(params)
        _refuse(problems)
        return super().perform(params, task_vars)

    def _read_pool(self, params: t.Mapping[str, t.Any]) -> list[str]:
        self._ranges, problems = addresses.read_ranges(params["ranges"], "ingress_ranges")
        problems += addresses.patterns_problems(params["interfaces"], "ingress_interfaces")
        if not params["ranges"]:
            problems.append(
                "ingress_ranges is empty, expected addresses of the nodes' network that nobody has; or ingress_exposure"
                " node_port or host_port behind a load balancer of the site"
            )
        if params["address"]:
            wanted, wrong = addresses.read_ranges([params["address"]], "ingress_address")
            problems += wrong
            problems += [
                f"ingress_address: {one.text} is one address of ingress_ranges, found it in none of them"
                for one in wanted
                if one.first != one.last or not any(one.first in known for known in self._ranges)
            ]
        return problems

    def work(self, api: Client, params: t.Mapping[str, t.Any]) -> Json:
        """See C(ApiAction)."""

        def ask() -> tuple[list[Json], Json, list[Json]]:
            pools = list(api.items(_POOLS)) if self._ranges else []
            return list(api.items("/api/v1/nodes")), api.get(_CILIUM_CONFIG) or {}, pools

        found, config, pools = patiently(ask, params["timeout"], say)
        known = {str(node["metadata"]["name"]): node for node in found}
        names = {host: str(node["node_name"]) for host, node in params["nodes"].items()}
        _refuse(
            [
                f"{host}: the cluster has no node {name}, found {', '.join(sorted(known))}"
                for host, name in names.items()
                if name not in known
            ],
            "Run the playbook site first.",
        )
        if self._ranges:
            self._check_pool(params, found, config, pools)
        return {
            "changed": False,
            "hostnames": [
                str((known[name]["metadata"].get("labels") or {}).get(_HOSTNAME, name))
                for name in names.values()
            ],
            "blocks": [one.block for one in self._ranges],
        }

    def _check_pool(
        self, params: t.Mapping[str, t.Any], found: list[Json], config: Json, pools: list[Json]
    ) -> None:
        taken = {
            address: f"the node {node['metadata']['name']}" for node in found for address in _internal(node)
        }
        taken |= dict.fromkeys(filter(is_address, params["taken"]), "the API endpoint")
        others = [pool for pool in pools if (pool["metadata"].get("labels") or {}).get(_PART_OF) != "ingress"]
        _refuse(
            addresses.problems(self._ranges, params["interfaces"], params["nodes"], taken)
            + addresses.pool_problems(self._ranges, others)
        )
        if str((config.get("data") or {}).get("enable-l2-announcements", "false")).lower() != "true":
            _refuse(
                [
                    "Cilium does not announce addresses (enable-l2-announcements in the ConfigMap cilium-config), so"
                    " that nobody would answer for an address of ingress_ranges"
                ],
                "Set network_address_announcements: true and run the playbook site.",
            )
