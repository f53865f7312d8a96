# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ingress_plan
short_description: Refuse an ingress controller that nobody could reach
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Compares what is declared for the ingress controller with the networks of its nodes, with the nodes of the cluster
    and with Cilium's settings. It fails with all problems in one message, before anything is changed.
  - A range of addresses must lie in a network of every node that may announce it, and must have no address of a node,
    of the API endpoint, or of another pool.
  - Runs on the controller, with its kubeconfig and its Python packages; it contacts no host, and changes nothing.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._attributes.info
  - baremetal.kubernetes._kube_api
  - baremetal.kubernetes._kube_api.patience
options:
  exposure:
    description:
      - How the ingress controller is reached. V(load_balancer) is an address that Cilium announces, V(node_port) and
        V(host_port) are behind a load balancer of the site.
    type: str
    choices: [load_balancer, node_port, host_port]
    required: true
  nodes:
    description:
      - Host -> C(node) as of M(baremetal.kubernetes.node_info), for the hosts that run the ingress controller.
    type: dict
    required: true
  ranges:
    description:
      - Addresses for it, of O(exposure=load_balancer). Each is C(FIRST-LAST), one address, or a network.
    type: list
    elements: str
    default: []
  interfaces:
    description:
      - Regular expressions of the interfaces that an address is announced on, of O(exposure=load_balancer). None means
        all.
    type: list
    elements: str
    default: []
  address:
    description: The address of O(ranges) that it has to have; empty for any.
    type: str
    default: ""
  published:
    description: Address of the site's load balancer, which the status of each Ingress gets; empty for none.
    type: str
    default: ""
  trusted:
    description: Addresses and networks of load balancers whose word on the client's address is taken.
    type: list
    elements: str
    default: []
  taken:
    description: Addresses of the API endpoint, which no range may have. Names among them are not looked at.
    type: list
    elements: str
    default: []
seealso:
  - module: baremetal.kubernetes.api_objects
  - module: baremetal.kubernetes.node_info
"""

EXAMPLES = r"""
- name: Read the networks of the node
  baremetal.kubernetes.node_info:
  register: node_info

- name: Refuse addresses that cannot be announced
  baremetal.kubernetes.ingress_plan:
    kubeconfig: ~/.kube/example
    exposure: load_balancer
    ranges: [192.0.2.240-192.0.2.247]
    interfaces: ["^eth0$"]
    nodes: "{{ ansible_play_hosts | baremetal.kubernetes.host_values(hostvars, 'node_info.node', {}) }}"
  register: plan
  run_once: true
"""

RETURN = r"""
hostnames:
  description: The label C(kubernetes.io/hostname) of each node of O(nodes), which selects it.
  returned: success
  type: list
  elements: str
  sample: [w1, w2]
blocks:
  description: O(ranges) as blocks of a C(CiliumLoadBalancerIPPool).
  returned: success
  type: list
  elements: dict
  sample: [{start: 192.0.2.240, stop: 192.0.2.247}]
"""
