# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_health
short_description: See that a cluster works, or wait until it does
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Asks the API server of a cluster whether everything that is expected of it is there and works. It changes nothing.
  - When something is not as expected, it fails with one message that lists all of it, with what was found and what to
    do.
  - Runs where the kubeconfig is, usually on the controller.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes.info
requirements:
  - kubernetes >= 31.0
options:
  kubeconfig:
    description: File with address and credentials of the cluster; by default what C(kubectl) would take.
    type: path
  context:
    description: Context within the file; by default its current one.
    type: str
  nodes:
    description:
      - Names of nodes that must be registered and ready. When empty, every registered node must be ready.
    type: list
    elements: str
    default: []
  checks:
    description:
      - What is looked at.
      - V(readyz) are the API server's own checks, V(etcd) only those of them about etcd.
      - V(nodes) is about O(nodes).
      - V(control_plane) is about the static Pods of each control plane.
      - V(system_pods) is about the Deployments and DaemonSets of C(kube-system).
    type: list
    elements: str
    choices: [readyz, nodes, control_plane, etcd, system_pods]
    default: [readyz, nodes, control_plane, system_pods]
  wait:
    description: Whether to ask again until all is as expected, or O(timeout) is over.
    type: bool
    default: false
  timeout:
    description: Seconds to wait at most.
    type: int
    default: 300
seealso:
  - module: baremetal.kubernetes.node_info
"""

EXAMPLES = r"""
- name: Wait until two nodes are ready
  baremetal.kubernetes.cluster_health:
    kubeconfig: ~/.kube/example
    nodes: [cp1, w1]
    wait: true
  delegate_to: localhost
"""

RETURN = r"""
ready:
  description: Whether everything is as expected.
  returned: always
  type: bool
  sample: true
nodes:
  description: The registered nodes.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the node.
      type: str
      sample: cp1
    ready:
      description: Whether it is ready.
      type: bool
      sample: true
    reason:
      description: Why it is not ready, empty when it is.
      type: str
      sample: ""
    version:
      description: Version of its kubelet.
      type: str
      sample: 1.36.4
    addresses:
      description: Its addresses and names.
      type: list
      elements: str
      sample: [192.0.2.11, cp1]
    roles:
      description: Its roles by label.
      type: list
      elements: str
      sample: [control-plane]
    schedulable:
      description: Whether Pods may be placed on it, as far as it is not cordoned.
      type: bool
      sample: true
unmet:
  description: What is not as expected.
  returned: always
  type: list
  elements: dict
  contains:
    object:
      description: What it is about.
      type: str
      sample: node w1
    found:
      description: What was found.
      type: str
      sample: "Ready is False (KubeletNotReady: container runtime network not ready)"
    expected:
      description: What was expected.
      type: str
      sample: Ready
    next_step:
      description: What to do.
      type: str
      sample: Look at the kubelet's log on that host
waited:
  description: Seconds until the result.
  returned: always
  type: float
  sample: 3.2
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cluster.client import Cluster
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cluster.health import (
    CHECKS,
    Expectation,
    Verdict,
    evaluate,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cluster.rest import (
    KUBERNETES_ERROR,
    KubeconfigError,
    connect,
)

POLL_SECONDS = 2.0

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
}


def open_cluster(module: AnsibleModule) -> Cluster:
    """The cluster of the kubeconfig."""
    try:
        return Cluster(connect(module.params["kubeconfig"], module.params["context"]))
    except KubeconfigError as exc:
        module.fail_json(msg=str(exc), ready=False, nodes=[], unmet=[], waited=0.0)
    raise RuntimeError("fail_json returned")


def judge(module: AnsibleModule, cluster: Cluster) -> tuple[Verdict, float]:
    """Ask, and ask again while that is wanted."""
    params = module.params
    expectation = Expectation(nodes=tuple(params["nodes"]), checks=tuple(params["checks"]))
    began = time.monotonic()
    while True:
        verdict = evaluate(cluster.snapshot(), expectation)
        waited = time.monotonic() - began
        if not verdict.unmet or not params["wait"] or waited >= params["timeout"]:
            return verdict, round(waited, 1)
        time.sleep(min(POLL_SECONDS, max(0.0, params["timeout"] - waited)))


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    if KUBERNETES_ERROR is not None:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=KUBERNETES_ERROR)
    verdict, waited = judge(module, open_cluster(module))
    result: dict[str, t.Any] = {
        "ready": not verdict.unmet,
        "nodes": list(verdict.nodes),
        "unmet": [item.as_dict() for item in verdict.unmet],
        "waited": waited,
    }
    if verdict.unmet:
        after = f" after {waited:.0f} s" if module.params["wait"] else ""
        lines = "\n".join(f"- {item.line()}" for item in verdict.unmet)
        module.fail_json(
            msg=f"The cluster is not as expected{after}, {len(verdict.unmet)} finding(s):\n{lines}", **result
        )
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
