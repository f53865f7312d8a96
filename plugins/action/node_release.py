# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of node_release; the module of the same name documents it."""

from __future__ import annotations

import json
import time
import typing as t
import urllib.parse

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import Client
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.health import Json, condition
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._drain.run import node_path
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.action import (
    API_OPTIONS,
    ApiAction,
    say,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.ending import being_deleted
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._waiting import Waiting

# The taint of "Non-graceful node shutdown" (kubernetes.io, "Node Shutdowns").
TAINT = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}
POLL_SECONDS = 1.0
#: A node whose machine has just died is Ready until kube-controller-manager misses its kubelet for 50 seconds
#: (--node-monitor-grace-period) and looks again.
DOWN_SECONDS = 60.0
REPEAT_SECONDS = 15.0
_CONFLICTS = 5
_SHOWN = 5

ARGUMENT_SPEC: dict[str, t.Any] = {
    **API_OPTIONS,
    "node": {"type": "str", "required": True},
    "host_reset": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 120},
}


def tainted(node: Json) -> dict[str, t.Any] | None:
    """The node with the taint, C(None) when it has it."""
    spec = node.get("spec") or {}
    taints = list(spec.get("taints") or ())
    if any((one.get("key"), one.get("effect")) == (TAINT["key"], TAINT["effect"]) for one in taints):
        return None
    return {**node, "apiVersion": "v1", "kind": "Node", "spec": {**spec, "taints": [*taints, dict(TAINT)]}}


def held(pods: t.Iterable[Json], attachments: t.Iterable[Json], name: str) -> list[str]:
    """What is not freed yet: Pods that are being deleted, and volumes that are attached."""
    found = []
    for pod in pods:
        if being_deleted(pod):
            metadata = pod["metadata"]
            found.append(f"Pod {metadata.get('namespace')}/{metadata.get('name')}")
    for one in attachments:
        spec = one.get("spec") or {}
        if spec.get("nodeName") == name:
            volume = (spec.get("source") or {}).get("persistentVolumeName") or "volume"
            found.append(f"attachment of {volume}")
    return sorted(found)


def wait_down(api: Client, name: str, tell: t.Callable[[str], None]) -> None:
    """Wait until a node is not Ready, or gone, or has been Ready for too long."""
    deadline = time.monotonic() + DOWN_SECONDS
    waiting = Waiting(DOWN_SECONDS, tell)
    while (node := api.get(node_path(name))) is not None and condition(node, "Ready")[0]:
        if time.monotonic() >= deadline:
            return
        waiting.still([f"the cluster to notice that {name} is down"])
        time.sleep(POLL_SECONDS)


def taint(api: Client, name: str, check_mode: bool, host_reset: bool = False) -> bool | None:
    """Set the taint: whether that was a change, C(None) when there is no such node.

    :param host_reset: whether nothing of the node runs, whatever its condition is.
    :raises OperatorError: for a node that is Ready, as its Pods run.
    """
    path = node_path(name)
    for _attempt in range(_CONFLICTS):
        node = api.get(path)
        if node is None:
            return None
        if condition(node, "Ready")[0] and not host_reset:
            raise OperatorError(
                f"The node {name} is Ready, expected one that is down: its Pods would run on"
                " while others take their place.",
                "Run the playbook again, which drains it.",
            )
        wanted = tainted(node)
        if wanted is None:
            return False
        status, text = (200, "") if check_mode else api.request(path, "PUT", wanted)
        if status == 200:
            return True
        if status != 409:
            raise OperatorError(
                f"The node {name} cannot be tainted: HTTP {status} {_message(text)}.",
                "Run the playbook again.",
            )
    raise OperatorError(
        f"The node {name} changes all the time, so that it cannot be tainted.", "Run the playbook again."
    )


def _message(text: str) -> str:
    try:
        parsed = json.loads(text)
    except ValueError:
        return text.strip()[:200]
    return str(parsed.get("message") or "") if isinstance(parsed, dict) else ""


def wait_freed(api: Client, name: str, seconds: float, tell: t.Callable[[str], None]) -> float:
    """Wait until nothing is held by the node, and return how long that took.

    :raises OperatorError: with what is still held when the time is over.
    """
    began = said = time.monotonic()
    selector = "fieldSelector=" + urllib.parse.quote(f"spec.nodeName={name}")
    while True:
        left = held(
            api.items("/api/v1/pods", selector), api.items("/apis/storage.k8s.io/v1/volumeattachments"), name
        )
        now = time.monotonic()
        if not left:
            return round(now - began, 1)
        shown = ", ".join(left[:_SHOWN]) + (f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else "")
        if now - began >= seconds:
            raise OperatorError(
                f"The node {name} still holds {shown} after {now - began:.0f} s, expected nothing.",
                "Find out why (kube-controller-manager frees them, or the driver of the volume), and run the playbook"
                " again; node_remove_timeout sets the time.",
            )
        if said == began or now - said >= REPEAT_SECONDS:
            tell(f"{name}: waiting for {shown} ({now - began:.0f} of {seconds:.0f} s)")
            said = now
        time.sleep(POLL_SECONDS)


class ActionModule(ApiAction):
    """Frees what a dead node holds, by the API server, on the controller."""

    ARGUMENT_SPEC = ARGUMENT_SPEC

    def work(self, api: Client, params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """See C(ApiAction)."""
        if not params["host_reset"] and not self._task.check_mode:
            wait_down(api, params["node"], say)
        changed = taint(api, params["node"], self._task.check_mode, params["host_reset"])
        waited = 0.0
        if changed is not None and not self._task.check_mode:
            waited = wait_freed(api, params["node"], params["timeout"], say)
        after = f"{TAINT['key']}={TAINT['value']}:{TAINT['effect']}\n"
        return {
            "changed": bool(changed),
            "waited": waited,
            "diff": {"before": "", "after": after if changed else ""},
        }
