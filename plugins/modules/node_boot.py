# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_boot
short_description: Wait until a node is back after its host has booted
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Waits until the kubelet of a node has reported since its host has booted, the node is Ready, and all its Pods are
    Ready in new containers. The status of a node and its Pods says nothing before that, as it stays what it was when
    the host went down.
  - Pods that have finished or are being deleted are not waited for, and neither are those that were not Ready before.
  - Without O(boot_id) it waits for nothing, and returns the Pods as they are, for O(before).
  - Changes nothing. Runs on the controller, with its kubeconfig and its Python packages; it contacts no host.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._attributes.info
  - baremetal.kubernetes._kube_api
options:
  node:
    description: Name of the Node object.
    type: str
    required: true
  boot_id:
    description: Id of the boot that the host runs since, as M(baremetal.kubernetes.reboot_info) reads it on the host.
    type: str
    default: ""
  before:
    description: The Pods before the host has booted, as RV(pods).
    type: list
    elements: dict
    default: []
  timeout:
    description: Seconds to wait at most.
    type: int
    default: 300
seealso:
  - module: baremetal.kubernetes.reboot_info
  - module: baremetal.kubernetes.cluster_health
"""

EXAMPLES = r"""
- name: Read the pods of a node
  baremetal.kubernetes.node_boot:
    kubeconfig: ~/.kube/example
    node: w1
  delegate_to: localhost
  register: before

- name: Reboot the host
  ansible.builtin.reboot:

- name: Read the id of its boot
  baremetal.kubernetes.reboot_info:
  register: host

- name: Wait until the node is back
  baremetal.kubernetes.node_boot:
    kubeconfig: ~/.kube/example
    node: w1
    boot_id: "{{ host.boot_id }}"
    before: "{{ before.pods }}"
  delegate_to: localhost
"""

RETURN = r"""
ready:
  description: Whether the node is Ready.
  returned: always
  type: bool
  sample: true
boot_id:
  description: Id of the boot that its kubelet has reported.
  returned: always
  type: str
  sample: 0f3c1b0e-5a35-4a9e-9d7c-6a4c1a1c2b11
pods:
  description: Its Pods that have not finished and are not being deleted.
  returned: always
  type: list
  elements: dict
  contains:
    pod:
      description: Namespace and name.
      type: str
      sample: kube-system/cilium-x2x8p
    ready:
      description: Whether it is Ready.
      type: bool
      sample: true
    containers:
      description: Ids of its running containers.
      type: list
      elements: str
      sample: ["containerd://6b5d3c0e"]
unmet:
  description: What is not back.
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
      sample: its kubelet has not reported since the boot (boot id 7c2e)
    expected:
      description: What was expected.
      type: str
      sample: boot id 0f3c
    next_step:
      description: What to do about it.
      type: str
      sample: Look at the kubelet's log on that host
waited:
  description: Seconds until the result.
  returned: always
  type: float
  sample: 14.1
"""
