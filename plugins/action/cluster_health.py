# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of cluster_health; the module of the same name documents it."""

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible.utils.display import Display
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import ApiError, Client
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._action import ControllerAction
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.configure import (
    Changes,
    configure,
    read,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.drift import (
    unknown_nodes,
    unknown_text,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.health import (
    CHECKS,
    Expectation,
    Json,
    Unmet,
    Verdict,
    evaluate,
    name_of,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.observe import (
    NODES,
    observe,
    spread_dns,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api import connect
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.action import (
    API_OPTIONS,
    library_failure,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._waiting import Waiting

POLL_SECONDS = 2.0
EVICTION_SECONDS = 0.5

ARGUMENT_SPEC: dict[str, t.Any] = {
    **API_OPTIONS,
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
    "node_metadata": {"type": "dict", "default": {}},
    "known_nodes": {"type": "list", "elements": "str", "default": []},
}


def verify(
    api: Client,
    params: t.Mapping[str, t.Any],
    check_mode: bool,
    say: t.Callable[[str], object],
    nodes: t.Sequence[Json] | None = None,
) -> tuple[Verdict, float, str, t.Sequence[Json]]:
    """Evaluate the cluster, again while that is wanted.

    :param say: tells the operator what is waited for.
    :param nodes: where they were just read, so that the first round need not do it again.
    :return: the verdict, how long it took, the Pod that was evicted, and the nodes at the end.
    """
    evicted = ""
    expectation = Expectation(nodes=tuple(params["nodes"]), checks=tuple(params["checks"]))
    began = time.monotonic()
    waiting = Waiting(params["timeout"], say)
    while True:
        seen = observe(api, nodes)
        nodes = None
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
            return verdict, round(waited, 1), evicted, seen.nodes
        waiting.still([f"{item.object}: {item.found}" for item in verdict.unmet])
        time.sleep(min(POLL_SECONDS, max(0.0, params["timeout"] - waited)))


def report(
    verdict: Verdict, conflicts: t.Sequence[Unmet], waited: float, wait: bool, evicted: str = ""
) -> dict[str, t.Any]:
    """What the action returns."""
    unmet = [*verdict.unmet, *conflicts]
    result: dict[str, t.Any] = {
        "changed": bool(evicted),
        "evicted": [evicted] if evicted else [],
        "ready": not unmet,
        "nodes": list(verdict.nodes),
        "unmet": [item.as_dict() for item in unmet],
        "waited": waited,
    }
    if unmet:
        after = f" after {waited:.0f} s" if wait and verdict.unmet else ""
        lines = "\n".join(f"- {item.line()}" for item in unmet)
        result["failed"] = True
        result["msg"] = f"The cluster is not as expected{after}, {len(unmet)} finding(s):\n{lines}"
    return result


class ActionModule(ControllerAction):
    """Reads from the API server on the controller."""

    ARGUMENT_SPEC = ARGUMENT_SPEC

    def perform(self, params: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """See C(ControllerAction)."""
        if failure := library_failure():
            return failure
        try:
            api = connect.connect(params["kubeconfig"], params["context"])
        except OperatorError as exc:
            empty: dict[str, t.Any] = {"ready": False, "nodes": [], "unmet": [], "evicted": [], "waited": 0.0}
            empty["unknown_nodes"] = []
            return {**empty, "failed": True, "msg": str(exc)}
        wanted = read(params["node_metadata"], params["control_plane_taints"])
        check_mode, nodes = self._task.check_mode, None
        changes = Changes()
        if wanted.names():
            # The report explains an API that does not answer better, if that is not over by then.
            with contextlib.suppress(ApiError):
                found = tuple(api.items(NODES))
                changes = configure(api, found, wanted, check_mode)
                nodes = found
        unchanged = None if changes.nodes else nodes
        verdict, waited, evicted, last = verify(api, params, check_mode, Display().display, unchanged)
        # What had not registered by then, or did not answer.
        late = [node for node in last if nodes is None or name_of(node) not in map(name_of, nodes)]
        if late and not verdict.unmet:
            more = configure(api, late, wanted, check_mode)
            changes.nodes |= more.nodes
            changes.conflicts += more.conflicts
        result = report(verdict, changes.conflicts, waited, params["wait"], evicted)
        unknown = unknown_nodes(verdict.nodes, params["known_nodes"])
        result |= {"unknown_nodes": unknown}
        if unknown:
            result["warnings"] = [unknown_text(unknown)]
        if changes.nodes:
            result |= {"changed": True, "diff": changes.diff(wanted)}
        return result
