# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of network_policy_probe; the module of the same name documents it."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import Client
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.action import (
    API_OPTIONS,
    ApiAction,
    say,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.execute import Execute
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network import decide, probe, probing


class ActionModule(ApiAction):
    """Starts probes, tries connections from them, and removes them, from the controller."""

    _supports_check_mode = False

    ARGUMENT_SPEC: t.ClassVar[dict[str, t.Any]] = {
        **API_OPTIONS,
        "image": {"type": "str", "required": True},
        "pods": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "name": {"type": "str", "required": True},
                "namespace": {"type": "str", "required": True},
                "labels": {"type": "dict", "default": {}},
                "ports": {"type": "list", "elements": "int", "default": [8080]},
                "node": {"type": "str", "default": ""},
            },
        },
        "pairs": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "from": {"type": "str", "required": True},
                "to": {"type": "str", "required": True},
                "port": {"type": "int"},
                "protocol": {"type": "str", "choices": ["TCP", "UDP", "SCTP"], "default": "TCP"},
                "expected": {"type": "str", "choices": [probe.OPEN, probe.DENIED], "required": True},
            },
        },
        "connect_seconds": {"type": "int", "default": 2},
        "seconds": {"type": "int", "default": 30},
        "timeout": {"type": "int", "default": 120},
    }

    def work(self, api: Client, params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """See C(ApiAction)."""
        pods, problems = probe.pods_of(params["pods"])
        pairs, more = probe.pairs_of(params["pairs"], pods)
        if problems + more:
            lines = "\n".join(f"- {line}." for line in problems + more)
            raise OperatorError(
                f"The probe cannot be run. Nothing was changed. Correct its options:\n{lines}"
            )
        prober = probing.Prober(api, Execute(params["kubeconfig"], params["context"]), say)
        prober.remove()
        try:
            addresses = prober.start(pods, params["image"], params["timeout"])
            say(f"trying {len(pairs)} connection(s) between {len(pods)} pods")
            observed = prober.observe(pods, pairs, addresses, params["connect_seconds"], params["seconds"])
            # With the pods, whose labels and namespaces decide.
            ends, nodes, rules = prober.ends(pods, addresses), prober.nodes(), prober.rules()
        finally:
            began = time.monotonic()
            left = prober.remove()
        mismatches = []
        for pair, seen in zip(pairs, observed, strict=True):
            if seen.observed != pair.expected:
                target = ends.get(pair.target) or probe.end_of(pair.target, nodes)
                decisions = (
                    decide.decide(ends[pair.source], target, pair.port, pair.protocol, rules)
                    if target
                    else []
                )
                mismatches.append(probe.explain(pair, seen, decisions))
        lines = "\n".join(f"- {line}." for line in mismatches)
        say(f"removed {left} pod(s) in {time.monotonic() - began:.1f} s")
        return {
            "changed": False,
            "failed": bool(mismatches),
            "msg": f"{len(mismatches)} of {len(pairs)} connections are not as expected:\n{lines}"
            if mismatches
            else f"all {len(pairs)} connections are as expected",
            "mismatches": mismatches,
            "results": [
                {
                    "from": pair.source,
                    "to": pair.target,
                    "port": pair.port,
                    "protocol": pair.protocol,
                    "expected": pair.expected,
                    "observed": seen.observed,
                }
                for pair, seen in zip(pairs, observed, strict=True)
            ],
        }
