# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: network_policy_report
short_description: Report which flows a network baseline would deny
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Watches Cilium's verdicts on all nodes at once while the baseline of M(baremetal.kubernetes.network_policy_plan) is
    in the mode V(report), and returns the connections that V(enforce) would deny, by namespace. Nothing is denied for
    it, and policies that the cluster has otherwise stay enforced.
  - A connection is seen when it begins while this runs, on both sides. Of those that have begun before, the pods and
    the direction are reported when they send packets meanwhile, and not their other side. What does not happen while
    it runs is not reported, so run it for as long, and as often, as the rarest connection needs.
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
  - module: baremetal.kubernetes.network_policy_plan
"""

EXAMPLES = r"""
- name: Watch flows for ten minutes
  baremetal.kubernetes.network_policy_report:
    kubeconfig: ~/.kube/example
    seconds: 600
  register: watched
  run_once: true

- name: Show what enforcing the baseline would deny
  ansible.builtin.debug:
    msg: "{{ watched.report }}"
  run_once: true
"""

RETURN = r"""
flows:
  description:
    - What would be denied. A connection between two pods is there twice, as egress of one and ingress of the other,
      where neither is open.
  returned: success
  type: list
  elements: dict
  contains:
    namespace:
      description: Of the pods.
      type: str
      sample: shop
    direction:
      description: V(ingress) or V(egress), as of the pods.
      type: str
      sample: egress
    pods:
      description: Names of the pods, which have the same labels.
      type: list
      elements: str
      sample: [web-7d9c-x2x4l]
    peer:
      description: The other side. Empty where it is not known.
      type: str
      sample: pod payments/api-0
    port:
      description: Of the side that is connected to; 0 for none, or where it is not known.
      type: int
      sample: 8080
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
    - "namespace shop, would be denied:"
    - "  egress from web-7d9c-x2x4l to pod payments/api-0 8080/TCP: 14 connections"
"""
