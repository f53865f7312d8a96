# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_unready
short_description: Mark nodes as not ready whose hosts are not up
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Runs on a control plane. In a cluster that was restored, nodes are as ready as they were when it was backed up.
    C(kubeadm join) refuses a host whose node is ready, and the controller manager notices only after 40 seconds.
  - It sets the condition C(Ready) of such a node to C(Unknown), as the controller manager would. The Node object
    stays, with its labels and pods; the kubelet of the host sets the condition again when it has joined.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  nodes:
    description: Names of the nodes.
    type: list
    elements: str
    required: true
  known:
    description: Names of all nodes that the inventory has, for RV(unknown).
    type: list
    elements: str
    default: []
  root:
    description: Directory below which the module reads kubeadm's files, for tests.
    type: path
    default: /
seealso:
  - module: baremetal.kubernetes.etcd_restore
"""

EXAMPLES = r"""
- name: Mark nodes as not ready whose hosts are empty
  baremetal.kubernetes.node_unready:
    nodes: [w1, w2]
"""

RETURN = r"""
nodes:
  description: Names of the nodes that were marked, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [w1, w2]
unknown:
  description: Names of nodes of the cluster that are not among O(known).
  returned: success
  type: list
  elements: str
  sample: []
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.admin import Api
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import StatusError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module

NODES = "/api/v1/nodes"
_ATTEMPTS = 5

ARGUMENT_SPEC: dict[str, t.Any] = {
    "nodes": {"type": "list", "elements": "str", "required": True},
    "known": {"type": "list", "elements": "str", "default": []},
    "root": {"type": "path", "default": "/"},
}


def unready(node: t.Mapping[str, t.Any], now: str) -> dict[str, t.Any] | None:
    """The node with the condition C(Ready) unknown; C(None) when it is not ready anyway."""
    status = dict(node.get("status") or {})
    conditions = [dict(condition) for condition in status.get("conditions") or []]
    ready = [one for one in conditions if one.get("type") == "Ready" and one.get("status") == "True"]
    for condition in ready:
        condition.update(
            status="Unknown",
            reason="Restored",
            message="The cluster was restored from a backup, and this host has not joined yet.",
            lastTransitionTime=now,
        )
    return {**node, "status": {**status, "conditions": conditions}} if ready else None


def mark(api: Api, name: str, check_mode: bool) -> bool:
    """Whether the node was ready, and is not any more."""
    for attempt in range(_ATTEMPTS):
        found = api.get(f"{NODES}/{name}")
        changed = unready(found, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())) if found else None
        if changed is None:
            return False
        if check_mode:
            return True
        try:
            api.update(f"{NODES}/{name}/status", changed)
        except StatusError as exc:
            # Somebody else has changed it in between.
            if exc.status != 409 or attempt == _ATTEMPTS - 1:
                raise
            continue
        return True
    return False


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Mark those that are ready."""
    params = module.params
    api = Api(params["root"])
    marked = [name for name in params["nodes"] if mark(api, name, module.check_mode)]
    present = {str(item["metadata"]["name"]) for item in api.items(NODES)} if params["known"] else set()
    return {
        "changed": bool(marked),
        "nodes": marked,
        "unknown": sorted(present - set(params["known"])),
        "diff": {
            "before": "".join(f"{name}: Ready\n" for name in marked),
            "after": "".join(f"{name}: Ready is unknown\n" for name in marked),
        },
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, run)


if __name__ == "__main__":
    main()
