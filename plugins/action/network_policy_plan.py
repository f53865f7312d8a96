# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of network_policy_plan; the module of the same name documents it."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import (
    METADATA_ONLY,
    Client,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.action import (
    API_OPTIONS,
    PATIENCE,
    ApiAction,
    say,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.objects import patiently
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network import openings, policies

_CILIUM_CONFIG = "/api/v1/namespaces/kube-system/configmaps/cilium-config"


def _sees_names(api: Client) -> bool:
    """Whether Cilium's DNS proxy is enabled, which learns the addresses of names."""
    found = api.get(_CILIUM_CONFIG) or {}
    return str((found.get("data") or {}).get("enable-l7-proxy", "true")).lower() == "true"


def _refuse_hosts(found: t.Sequence[openings.Opening]) -> None:
    with_hosts = [one.name for one in found if one.hosts]
    if with_hosts:
        raise OperatorError(
            f"network_openings opens host names ({', '.join(with_hosts)}), and Cilium's DNS proxy is disabled in this"
            " cluster (enable-l7-proxy in the ConfigMap cilium-config): it would learn no address of them, and open"
            " nothing. Nothing was changed.",
            "Enable it (network_values.l7Proxy: true, and run site), or open networks (cidrs) instead.",
        )


class ActionModule(ApiAction):
    """Makes the objects of the baseline on the controller, and compares them with the namespaces that exist."""

    ARGUMENT_SPEC: t.ClassVar[dict[str, t.Any]] = {
        **API_OPTIONS,
        **PATIENCE,
        "mode": {"type": "str", "choices": list(policies.MODES), "required": True},
        "openings": {"type": "list", "elements": "dict", "default": []},
    }

    def perform(self, params: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """See C(ControllerAction). What is wrong with the openings is told without the API server."""
        self._read = openings.read(params["openings"])
        if self._read.problems:
            lines = "\n".join(f"- {line}." for line in self._read.problems)
            raise OperatorError(f"Openings cannot be used. Nothing was changed. Correct them:\n{lines}")
        return super().perform(params, task_vars)

    def work(self, api: Client, params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """See C(ApiAction)."""
        found = self._read.openings

        def ask() -> tuple[set[str], bool]:
            listed = api.items("/api/v1/namespaces", accept=METADATA_ONLY)
            return {str(one["metadata"]["name"]) for one in listed}, _sees_names(api)

        namespaces, sees_names = patiently(ask, params["timeout"], say)
        if params["mode"] != policies.OFF and not sees_names:
            _refuse_hosts(found)
        missing = policies.missing(found, namespaces)
        return {
            "changed": False,
            "objects": policies.plan(params["mode"], found),
            "missing": [
                f"opening {name}: no namespace {', '.join(names)} yet; it is open from when there is one"
                for name, names in missing.items()
            ]
            if params["mode"] != policies.OFF
            else [],
        }
