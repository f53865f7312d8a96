# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: network_host_policy_report
short_description: Report which connections policies of nodes would deny
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Watches Cilium's verdicts on all nodes at once while the policies of
    M(baremetal.kubernetes.network_host_policy_plan) are in the mode V(report), and returns the connections to nodes
    that V(enforce) would deny. Nothing is denied for it.
  - A connection is seen when it begins while this runs. Of those that have begun before, only the node is reported
    when packets arrive meanwhile. What does not happen while it runs is not reported.
  - It runs C(cilium-dbg) in the pods of Cilium's agents through the API server, and needs the permission to C(create)
    C(pods/exec) in C(kube-system).
  - Runs on the controller, with its kubeconfig and its Python packages; it contacts no host, and changes nothing.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._attributes.info
  - baremetal.kubernetes._kube_api
  - baremetal.kubernetes._kube_api.patience
options:
  seconds:
    description: For how long to watch, at most 3600.
    type: int
    default: 30
seealso:
  - module: baremetal.kubernetes.network_host_policy_plan
  - module: baremetal.kubernetes.network_policy_report
"""

EXAMPLES = r"""
- name: Watch for ten minutes what arrives at nodes
  baremetal.kubernetes.network_host_policy_report:
    kubeconfig: ~/.kube/example
    seconds: 600
  register: watched
  run_once: true

- name: Show what enforcing the policies would deny
  ansible.builtin.debug:
    msg: "{{ watched.report }}"
  run_once: true
"""

RETURN = r"""
flows:
  description: What would be denied.
  returned: success
  type: list
  elements: dict
  contains:
    nodes:
      description: Names of the nodes.
      type: list
      elements: str
      sample: [w1]
    direction:
      description: V(ingress), as of the nodes.
      type: str
      sample: ingress
    peer:
      description: The other side. Empty where it is not known.
      type: str
      sample: 192.0.2.40 outside the cluster
    port:
      description: Of the node; 0 for none, or where it is not known.
      type: int
      sample: 9100
    protocol:
      description: In capital letters. Empty where it is not known.
      type: str
      sample: TCP
    connections:
      description: How many were seen to begin; 0 for connections that were open before.
      type: int
      sample: 14
lost:
  description: Number of events that Cilium could not deliver, because there were too many.
  returned: success
  type: int
  sample: 0
report:
  description: The same for people.
  returned: success
  type: list
  elements: str
  sample:
    - watched for 30 seconds
    - "nodes, would be denied:"
    - "  ingress to w1 9100/TCP from 192.0.2.40 outside the cluster: 14 connections"
"""
