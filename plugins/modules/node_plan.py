# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_plan
short_description: Plan which hosts join a cluster, or which nodes are removed
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Compares the hosts of the inventory, in the groups C(control_plane) and C(worker), with the Node objects of the
    cluster. A host is the node that has its name (C(cluster_node_name), otherwise the host's own) or one of its
    addresses.
  - It fails when the operation must not be done, with all reasons in one message.
  - Runs on the controller, with its kubeconfig and its Python packages; it contacts no host, and changes nothing.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._kube_api
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  operation:
    description:
      - V(add) finds the hosts that are no nodes yet. It is refused when no control plane is Ready, and for a control
        plane of the cluster that is a worker in the inventory.
      - V(remove) finds the nodes of O(names). It is refused for names that are neither hosts nor nodes, and when no
        Ready control plane of the inventory would stay.
    type: str
    choices: [add, remove]
    required: true
  names:
    description:
      - For O(operation=add), the hosts that may join. By default all, and a node that is not Ready is left alone then.
      - For O(operation=remove), names of hosts or nodes, also of nodes that the inventory does not know.
    type: list
    elements: str
    default: []
seealso:
  - module: baremetal.kubernetes.node_removal
  - module: baremetal.kubernetes.image_prefetch
"""

EXAMPLES = r"""
- name: Find the hosts that are no nodes yet
  baremetal.kubernetes.node_plan:
    kubeconfig: ~/.kube/example
    operation: add
  run_once: true
"""

RETURN = r"""
hosts:
  description: Hosts that join, control planes first.
  returned: O(operation=add)
  type: list
  elements: str
  sample: [w3]
present:
  description: Hosts that are Ready nodes already.
  returned: O(operation=add)
  type: list
  elements: str
  sample: [cp1, w1]
waiting:
  description: Hosts that are nodes but not Ready, and were not named.
  returned: O(operation=add)
  type: list
  elements: str
  sample: [w2]
unknown:
  description: Nodes that no host of the inventory is, when all were looked at.
  returned: O(operation=add)
  type: list
  elements: str
  sample: [old1]
addresses:
  description: Addresses of the nodes that are control planes, by host.
  returned: O(operation=add)
  type: dict
  sample: {cp1: 192.0.2.11}
images:
  description:
    - Images of the critical pods (C(system-node-critical)) that every new node gets from DaemonSets, among them those
      of the CNI.
  returned: O(operation=add), when a host joins
  type: list
  elements: str
  sample: [quay.io/cilium/cilium:v1.19.5]
nodes:
  description: Nodes that are removed, workers first.
  returned: O(operation=remove)
  type: list
  elements: dict
  contains:
    host:
      description: Host of the inventory, empty for a node that it does not know.
      type: str
      sample: w3
    node:
      description: Name of the Node object.
      type: str
      sample: w3
    addresses:
      description: Its addresses.
      type: list
      elements: str
      sample: [192.0.2.23]
    control_plane:
      description: Whether it is a control plane, in the cluster or in the inventory.
      type: bool
      sample: false
    exists:
      description: Whether there is a Node object.
      type: bool
      sample: true
    ready:
      description: Whether it is Ready.
      type: bool
      sample: true
peers:
  description: Control planes of the inventory that stay.
  returned: O(operation=remove)
  type: list
  elements: str
  sample: [cp1, cp2]
delegates:
  description: Hosts of control planes that are Ready, and stay.
  returned: success
  type: list
  elements: str
  sample: [cp1]
"""
