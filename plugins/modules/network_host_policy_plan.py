# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: network_host_policy_plan
short_description: Plan network policies of the nodes themselves
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Makes CiliumClusterwideNetworkPolicies with C(nodeSelector), by which nodes accept only what Kubernetes and Cilium
    need, ssh from the controller, and what openings allow. What nodes send stays open.
    M(baremetal.kubernetes.api_objects) applies them.
  - Addresses of nodes and ports of API servers are read from the API, the tunnel from Cilium's configuration, and the
    addresses of controllers from what hosts see of their connections.
  - With options that cannot be used it fails, with all problems in one message, and likewise in a cluster whose Cilium
    is not configured for it.
  - Runs on the controller, with its kubeconfig and its Python packages; it contacts no host, and changes nothing.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._attributes.info
  - baremetal.kubernetes._kube_api
  - baremetal.kubernetes._kube_api.patience
options:
  mode:
    description:
      - V(enforce) denies what no policy allows. V(report) has the same policies, but nothing is denied by them;
        M(baremetal.kubernetes.network_host_policy_report) shows what would be. V(off) has no policies.
    type: str
    choices: ["off", report, enforce]
    required: true
  openings:
    description:
      - Who may connect to programs on nodes, beside what is always open. Its keys are described with the variable
        C(network_host_openings) of the role C(baremetal.kubernetes.network).
    type: list
    elements: dict
    default: []
  connections:
    description: How the controller is connected to each host, from where ssh stays open.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: Its name in the inventory.
        type: str
        required: true
      connection:
        description: Ansible's connection plugin. V(local) needs no ssh.
        type: str
        default: ssh
      ssh:
        description: The variable E(SSH_CONNECTION) of a session there.
        type: str
        default: ""
  controllers:
    description: Addresses of controllers, instead of those that hosts see.
    type: list
    elements: str
    default: []
  ssh_cidrs:
    description: Further networks from which ssh is open.
    type: list
    elements: str
    default: []
  api_cidrs:
    description: Networks outside the cluster from which the API is open. It is to controllers.
    type: list
    elements: str
    default: []
  hosts:
    description: Hosts of the inventory. Those that are no nodes yet may use what joining needs.
    type: list
    elements: dict
    default: []
    suboptions:
      address:
        description: Of the node that it becomes. Empty where it is not known.
        type: str
        default: ""
      control_plane:
        description: Whether it becomes a control plane.
        type: bool
        default: false
  virtual_address:
    description: Whether control planes hold a virtual IP address, and speak VRRP with each other.
    type: bool
    default: false
seealso:
  - module: baremetal.kubernetes.api_objects
  - module: baremetal.kubernetes.network_host_policy_guard
  - module: baremetal.kubernetes.network_host_policy_report
"""

EXAMPLES = r"""
- name: Ask the host from where it is connected
  ansible.builtin.command: printenv SSH_CONNECTION
  register: ssh
  changed_when: false
  become: false

- name: Plan policies of nodes
  baremetal.kubernetes.network_host_policy_plan:
    kubeconfig: ~/.kube/example
    mode: report
    connections:
      - host: node1
        ssh: "{{ ssh.stdout }}"
    ssh_cidrs: [192.0.2.0/28]
    openings:
      - name: node-exporter
        from: {namespaces: [monitoring]}
        ports: [9100]
  register: plan
  run_once: true
"""

RETURN = r"""
objects:
  description: The policies, in the order to apply them. None with O(mode=off).
  returned: success
  type: list
  elements: dict
  sample:
    - apiVersion: cilium.io/v2
      kind: CiliumClusterwideNetworkPolicy
      metadata: {name: host-baseline}
      specs: []
nodes:
  description: Addresses of the nodes that the cluster has.
  returned: success
  type: list
  elements: str
  sample: [192.0.2.11]
ssh:
  description: From where controllers connect, and the ports of ssh.
  returned: success
  type: list
  elements: dict
  sample:
    - address: 192.0.2.7
      port: 22
"""
