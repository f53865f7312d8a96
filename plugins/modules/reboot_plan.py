# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: reboot_plan
short_description: Plan which hosts of a cluster boot again
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Says for each host whether it boots again, whether its node is drained before, and whether a run that was
    interrupted has left its node cordoned, which has to be completed.
  - Refuses, in one message with every finding, hosts that are no nodes, and nodes that are not Ready before their hosts
    boot again.
  - Changes nothing. Runs on the controller, with its kubeconfig and its Python packages; it contacts no host.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._attributes.info
  - baremetal.kubernetes._kube_api
options:
  nodes:
    description: Names of the nodes by host, of the hosts of this run.
    type: dict
    required: true
  reasons:
    description: Why each host has to boot again, by host, as RV(baremetal.kubernetes.reboot_info#module:reasons).
    type: dict
    required: true
  force:
    description: Whether hosts boot again without a reason.
    type: bool
    default: false
seealso:
  - module: baremetal.kubernetes.reboot_info
  - module: baremetal.kubernetes.node_boot
"""

EXAMPLES = r"""
- name: Plan reboots
  baremetal.kubernetes.reboot_plan:
    kubeconfig: ~/.kube/example
    nodes: {cp1.example.org: cp1, w1.example.org: w1}
    reasons:
      cp1.example.org: []
      w1.example.org: [{kind: flag, text: /run/reboot-required asks for it}]
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
    action:
      description:
        - V(reboot), V(complete) (the node is cordoned by a run that was interrupted, and its host need not boot again)
          or V(nothing).
      type: str
      sample: reboot
    reasons:
      description: Why it boots again.
      type: list
      elements: str
      sample: [/run/reboot-required asks for it]
    drain:
      description: Whether its Pods are evicted first. False where no other node can take them.
      type: bool
      sample: true
    keeps_cordon:
      description: Whether somebody else has cordoned the node, so that it stays so.
      type: bool
      sample: false
left:
  description: Hosts for which there is something to do.
  returned: always
  type: list
  elements: str
  sample: [w1]
lines:
  description: The plan for people, a line for each host.
  returned: always
  type: list
  elements: str
  sample: ["w1: reboots (/run/reboot-required asks for it), drained"]
"""
