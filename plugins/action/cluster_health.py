# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of cluster_health; the module of the same name documents it."""

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import ApiError, Client
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._action import ControllerAction
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.health import (
    CHECKS,
    Expectation,
    Json,
    Verdict,
    evaluate,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.observe import (
    apply_taints,
    observe,
    spread_dns,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.taints import shown
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api import connect

POLL_SECONDS = 2.0
EVICTION_SECONDS = 0.5

ARGUMENT_SPEC: dict[str, t.Any] = {
    "kubeconfig": {"type": "path"},
    "context": {"type": "str"},
    "nodes": {"type": "list", "elements": "str", "default": []},
    "checks": {
        "type": "list",
        "elements": "str",
        "choices": list(CHECKS),
        "default": ["readyz", "nodes", "control_plane", "system_pods"],
    },
    "wait": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 300},
    "spread_dns": {"type": "bool", "default": False},
    "control_plane_taints": {"type": "dict", "default": {}},
}


def verify(
    api: Client, params: t.Mapping[str, t.Any], check_mode: bool = False
) -> tuple[Verdict, float, str]:
    """Evaluate the cluster, again while that is wanted.

    :return: the verdict, how long it took, and the Pod that was evicted.
    """
    evicted = ""
    expectation = Expectation(nodes=tuple(params["nodes"]), checks=tuple(params["checks"]))
    began = time.monotonic()
    while True:
        seen = observe(api)
        verdict = evaluate(seen, expectation)
        # As soon as it is possible, not when all is well: nodes that are waited for take longer than the new Pod.
        if params["spread_dns"] and not evicted and not check_mode and not seen.error:
            evicted = spread_dns(api, seen.nodes)
            if evicted and params["wait"]:
                # The Deployment's status does not tell yet that a Pod is missing.
                time.sleep(EVICTION_SECONDS)
                continue
        waited = time.monotonic() - began
        if not verdict.unmet or not params["wait"] or waited >= params["timeout"]:
            return verdict, round(waited, 1), evicted
        time.sleep(min(POLL_SECONDS, max(0.0, params["timeout"] - waited)))


def report(verdict: Verdict, waited: float, wait: bool, evicted: str = "") -> dict[str, t.Any]:
    """What the action returns."""
    result: dict[str, t.Any] = {
        "changed": bool(evicted),
        "evicted": [evicted] if evicted else [],
        "ready": not verdict.unmet,
        "nodes": list(verdict.nodes),
        "unmet": [item.as_dict() for item in verdict.unmet],
        "waited": waited,
    }
    if verdict.unmet:
        after = f" after {waited:.0f} s" if wait else ""
        lines = "\n".join(f"- {item.line()}" for item in verdict.unmet)
        result["failed"] = True
        result["msg"] = f"The cluster is not as expected{after}, {len(verdict.unmet)} finding(s):\n{lines}"
    return result


class ActionModule(ControllerAction):
    """Reads from the API server on the controller."""

    ARGUMENT_SPEC = ARGUMENT_SPEC

    def perform(self, params: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """See C(ControllerAction)."""
        if connect.KUBERNETES_ERROR is not None:
            failure = {"failed": True, "msg": missing_required_lib("kubernetes")}
            return {**failure, "exception": connect.KUBERNETES_ERROR}
        try:
            api = connect.connect(params["kubeconfig"], params["context"])
        except OperatorError as exc:
            empty: dict[str, t.Any] = {"ready": False, "nodes": [], "unmet": [], "evicted": [], "waited": 0.0}
            return {**empty, "failed": True, "msg": str(exc)}
        wanted, check_mode = params["control_plane_taints"], self._task.check_mode
        tainted: dict[str, tuple[Json, Json]] | None = None
        # The report explains an API that does not answer better, if that is not over by then.
        with contextlib.suppress(ApiError):
            tainted = apply_taints(api, wanted, check_mode)
        verdict, waited, evicted = verify(api, params, check_mode)
        result = report(verdict, waited, params["wait"], evicted)
        if tainted is None and not verdict.unmet:
            tainted = apply_taints(api, wanted, check_mode)
        if tainted:
            before, after = ({name: shown(pair[at]) for name, pair in tainted.items()} for at in (0, 1))
            result |= {"changed": True, "diff": {"before": before, "after": after}}
        return result
