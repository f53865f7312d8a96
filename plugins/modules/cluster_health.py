# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_health
short_description: Verify that a cluster is healthy, or wait until it is
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Reads from the API server of a cluster whether everything that is expected is there and works. It changes nothing,
    but for O(spread_dns), O(control_plane_taints) and O(node_metadata).
  - When something is not as expected, it fails with one message that lists every finding, with the next step for each.
  - Runs on the controller, with its kubeconfig and its Python packages; it contacts no host.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._kube_api
attributes:
  check_mode:
    support: partial
    details: Does the same as always, but for O(spread_dns), which it does not predict.
  diff_mode:
    support: partial
    details: For O(control_plane_taints) and O(node_metadata).
  idempotent:
    support: full
options:
  nodes:
    description:
      - Names of nodes that must be registered and ready. When empty, every registered node must be ready.
    type: list
    elements: str
    default: []
  checks:
    description:
      - What is checked.
      - V(readyz) are the API server's own checks, V(etcd) only those of them about etcd.
      - V(nodes) are the nodes of O(nodes).
      - V(control_plane) are the static Pods of each control-plane node.
      - V(system_pods) are the Deployments and DaemonSets of C(kube-system).
      - With O(nodes), Pods of other nodes that are not ready are not expected, so that a run which leaves out a dead
        host does not wait for it.
    type: list
    elements: str
    choices: [readyz, nodes, control_plane, etcd, system_pods]
    default: [readyz, nodes, control_plane, system_pods]
  wait:
    description: Whether to repeat the checks until all pass, or O(timeout) is over.
    type: bool
    default: false
  timeout:
    description: Seconds to wait at most.
    type: int
    default: 300
  spread_dns:
    description:
      - Whether to evict one Pod of the cluster's DNS when all of them are on one node, and others have become ready
        since. All Pods have to be ready; the scheduler then places the new one on another node.
      - Nothing is evicted in check mode.
    type: bool
    default: false
  control_plane_taints:
    description:
      - Control-plane nodes by name, each with C(taints), those of control planes, and C(runs_pods).
      - A node that runs pods loses these taints, and the label that excludes it from external load balancers; an
        annotation C(baremetal.kubernetes/runs-pods) notes it. A node with the annotation that does not run pods any
        more gets them again. Taints of other nodes, whoever set or removed them, stay as they are.
    type: dict
    default: {}
  node_metadata:
    description:
      - Nodes by name, each with the C(labels), C(annotations) and C(taints) that the inventory declares for it. A node
        that is not listed stays as it is.
      - Labels and annotations are set by server-side apply under the field manager C(baremetal.kubernetes), and removed
        when they are no longer declared. Those of others stay; one that is declared with another value is a finding
        that names its manager.
      - An annotation C(baremetal.kubernetes/taints) lists the taints that were set. Only those are changed and removed.
    type: dict
    default: {}
  known_nodes:
    description:
      - Names of the nodes of all hosts of the inventory. Others are a warning. When empty, none are.
    type: list
    elements: str
    default: []
seealso:
  - module: baremetal.kubernetes.node_info
"""

EXAMPLES = r"""
- name: Wait until two nodes are ready
  baremetal.kubernetes.cluster_health:
    kubeconfig: ~/.kube/example
    nodes: [cp1, w1]
    wait: true
  run_once: true
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
      description: Whether Pods may be scheduled on it, which is not so while it is cordoned.
      type: bool
      sample: true
unmet:
  description: What is not as expected.
  returned: always
  type: list
  elements: dict
  contains:
    object:
      description: The object with the finding.
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
      description: What to do about it.
      type: str
      sample: Look at the kubelet's log on that host
unknown_nodes:
  description: Registered nodes that O(known_nodes) does not list.
  returned: always
  type: list
  elements: str
  sample: []
evicted:
  description: The Pod that was evicted by O(spread_dns).
  returned: always
  type: list
  elements: str
  sample: [coredns-7d764666f9-2kd7x]
waited:
  description: Seconds until the result.
  returned: always
  type: float
  sample: 3.2
"""
