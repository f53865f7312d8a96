# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: upgrade_plan
short_description: Plan the upgrade of a cluster, or refuse it
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Reads the versions of all API servers and kubelets from the cluster and says for each host whether it is finished,
    was interrupted, or is pending.
  - Refuses, in one message with every finding, a downgrade, a skipped minor version, kubelets that are too old, a run
    that leaves out control planes, nodes that are not ready, and API versions in use that the release removes. Those
    are read from the metric C(apiserver_requested_deprecated_apis) of each API server.
  - Changes nothing. Runs on the controller, with its kubeconfig and its Python packages; it contacts no host.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._kube_api
attributes:
  check_mode:
    support: full
    details: Reports in check mode as changed that hosts are left to upgrade, as the tasks that do so are skipped then.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  version:
    description: Version of Kubernetes to upgrade to, without a leading C(v).
    type: str
    required: true
  nodes:
    description: Names of the nodes by host, of the hosts of this run.
    type: dict
    required: true
  control_planes:
    description: Those of the hosts that are control planes, in the order in which they are upgraded.
    type: list
    elements: str
    required: true
  accept_removed_apis:
    description: Whether to upgrade although API versions are in use that the release does not have any more.
    type: bool
    default: false
seealso:
  - module: baremetal.kubernetes.kubeadm_upgrade
  - module: baremetal.kubernetes.cluster_health
"""

EXAMPLES = r"""
- name: Plan an upgrade
  baremetal.kubernetes.upgrade_plan:
    kubeconfig: ~/.kube/example
    version: 1.37.1
    nodes: {cp1.example.org: cp1, w1.example.org: w1}
    control_planes: [cp1.example.org]
  run_once: true
"""

RETURN = r"""
hosts:
  description: Each host that is a node.
  returned: always
  type: dict
  contains:
    node:
      description: Name of the node.
      type: str
      sample: w1
    state:
      description: V(finished), V(interrupted) or V(pending).
      type: str
      sample: pending
    current:
      description: Version of its kubelet.
      type: str
      sample: 1.36.4
    version:
      description: Version that it is upgraded to.
      type: str
      sample: 1.37.1
    api_server:
      description: Version of its API server, empty on a worker.
      type: str
      sample: 1.36.4
    drain:
      description: Whether its Pods are evicted first. False where no other node can take them.
      type: bool
      sample: true
pending:
  description: Hosts that are not finished.
  returned: always
  type: list
  elements: str
  sample: [w1]
lines:
  description: The plan for people, a line for each host.
  returned: always
  type: list
  elements: str
  sample: ["w1: kubelet 1.36.4 -> 1.37.1, drained"]
"""
