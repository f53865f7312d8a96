# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of node_boot; the module of the same name documents it."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import ApiError, Client
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.health import Unmet, condition
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._drain.run import (
    node_path,
    pods_of,
    read_node,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.action import (
    API_OPTIONS,
    ApiAction,
    say,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._reboot.returned import (
    boot_id,
    missing,
    pod_view,
    staying,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._waiting import Waiting

Json = dict[str, t.Any]
POLL_SECONDS = 2.0
_SERVER = "Look at the control planes: this is the API server that the kubeconfig names"


class ActionModule(ApiAction):
    """Reads a node and its Pods from the API server, on the controller."""

    ARGUMENT_SPEC: t.ClassVar[Json] = {
        **API_OPTIONS,
        "node": {"type": "str", "required": True},
        "boot_id": {"type": "str", "default": ""},
        "before": {"type": "list", "elements": "dict", "default": []},
        "timeout": {"type": "int", "default": 300},
    }

    def work(self, api: Client, params: t.Mapping[str, t.Any]) -> Json:
        """See C(ApiAction)."""
        name = params["node"]
        if not params["boot_id"]:
            return self._result(read_node(api, name), staying(pods_of(api, name)), (), 0.0)
        began = time.monotonic()
        waiting = Waiting(params["timeout"], say)
        while True:
            node: t.Mapping[str, t.Any] = {}
            pods: list[t.Any] = []
            try:
                node = api.get(node_path(name)) or {}
                pods = staying(pods_of(api, name))
                unmet = missing(node, pods, params["boot_id"], params["before"])
            except ApiError as exc:
                # As while the only API server starts.
                unmet = (Unmet("API server", str(exc).rstrip("."), "an answer", _SERVER),)
            waited = round(time.monotonic() - began, 1)
            if not unmet or waited >= params["timeout"]:
                return self._result(node, pods, unmet, waited)
            waiting.still([f"{item.object}: {item.found}" for item in unmet])
            time.sleep(min(POLL_SECONDS, max(0.0, params["timeout"] - waited)))

    @staticmethod
    def _result(
        node: t.Mapping[str, t.Any], pods: t.Iterable[t.Any], unmet: t.Sequence[Unmet], waited: float
    ) -> Json:
        result: Json = {
            "changed": False,
            "ready": condition(node, "Ready")[0],
            "boot_id": boot_id(node),
            "pods": [pod_view(pod) for pod in pods],
            "unmet": [item.as_dict() for item in unmet],
            "waited": waited,
        }
        if unmet:
            lines = "\n".join(f"- {item.line()}" for item in unmet)
            result |= {
                "failed": True,
                "msg": f"The node is not back after {waited:.0f} s, {len(unmet)} finding(s):\n{lines}",
            }
        return result
