# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: network_policy_probe
short_description: Try who may reach whom, against what is expected
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Starts pods of the image agnhost with labels and namespaces of your choice, tries connections between them and to
    other targets, many at once, and fails when one is open that has to be denied, or the reverse. Each of these is
    named with the policies that decide it, NetworkPolicies and those of Cilium.
  - The pods meet the Pod Security level C(restricted). They are removed at the end, also after a failure. What a run
    has left that was killed, the next one removes, so run one at a time; the kubelet ends the pods after 15 minutes at
    the latest.
  - Programs run in the pods through the API server and the kubelet, whatever the policies are. It needs the permissions
    to create pods in these namespaces and C(pods/exec), and to read policies, namespaces and nodes.
  - Runs on the controller, with its kubeconfig and its Python packages; it contacts no host.
notes:
  - A TCP or SCTP connection is open when it is established, UDP when agnhost has answered. A policy of Cilium drops
    packets, so one that is denied takes O(connect_seconds). One that is refused is neither, as a policy has let it
    through.
  - Which policies decide is read from the objects. Rules for DNS names (C(toFQDNs)), Services and named ports are not
    evaluated in it, and neither are targets that are given by a DNS name; what was observed is the truth.
  - In Cilium, networks never stand for pods or nodes, neither C(ipBlock) of a NetworkPolicy nor C(toCIDR); a message
    says so where one has the address of the other side.
  - Pods with C(hostNetwork) are nodes for Cilium, and policies of pods do not apply to them; a probe has none.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._kube_api
attributes:
  check_mode:
    support: none
    details: It is skipped, as it would have to start pods.
  diff_mode:
    support: N/A
    details: Nothing is left of what it does.
  idempotent:
    support: full
options:
  image:
    description: The image agnhost, as the nodes can pull it.
    type: str
    required: true
  pods:
    description: The pods to start. Their namespaces have to exist.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: A name for O(pairs), which no other one has.
        type: str
        required: true
      namespace:
        description: The namespace.
        type: str
        required: true
      labels:
        description: Labels that policies select it by. It gets one more, which marks it as a probe.
        type: dict
        default: {}
      ports:
        description: Ports at which it listens, with TCP and UDP; from 1024 on, as it does not run as root.
        type: list
        elements: int
        default: [8080]
      node:
        description: Name of the node where it runs, whatever its taints are. By default, the scheduler decides.
        type: str
        default: ""
  pairs:
    description: The connections to try.
    type: list
    elements: dict
    required: true
    suboptions:
      from:
        description: Name of one of O(pods).
        type: str
        required: true
      to:
        description: Name of one of O(pods), or V(HOST:PORT) with an address, or a name that the source resolves.
        type: str
        required: true
      port:
        description: Port of the target; by default its first. It does not apply to V(HOST:PORT).
        type: int
      protocol:
        description: The protocol.
        type: str
        choices: [TCP, UDP, SCTP]
        default: TCP
      expected:
        description: Whether it has to be V(open) or V(denied).
        type: str
        choices: [open, denied]
        required: true
  connect_seconds:
    description: Seconds after which a connection without an answer counts as denied.
    type: int
    default: 2
  seconds:
    description:
      - Seconds for which pairs that are not as expected are tried again, as Cilium needs a moment for policies.
    type: int
    default: 30
  timeout:
    description: Seconds for which the pods may take to be ready.
    type: int
    default: 120
seealso:
  - module: baremetal.kubernetes.network_policy_plan
"""

EXAMPLES = r"""
- name: Check who reaches the shop
  baremetal.kubernetes.network_policy_probe:
    kubeconfig: ~/.kube/example
    image: registry.k8s.io/e2e-test-images/agnhost:2.63.0
    pods:
      - {name: traefik, namespace: ingress, labels: {app: traefik}}
      - {name: web, namespace: shop, labels: {app: web}, ports: [8080, 9090]}
      - {name: other, namespace: till}
    pairs:
      - {from: traefik, to: web, port: 8080, expected: open}
      - {from: traefik, to: web, port: 9090, expected: denied}
      - {from: other, to: web, expected: denied}
      - {from: web, to: "192.0.2.10:443", expected: denied}
      - {from: web, to: "kube-dns.kube-system.svc:53", protocol: TCP, expected: open}
  run_once: true
"""

RETURN = r"""
results:
  description: All pairs, in their order.
  returned: when the pods have started
  type: list
  elements: dict
  contains:
    from:
      description: As given.
      type: str
      sample: traefik
    to:
      description: As given.
      type: str
      sample: web
    port:
      description: Port of the target.
      type: int
      sample: 8080
    protocol:
      description: As given.
      type: str
      sample: TCP
    expected:
      description: As given.
      type: str
      sample: open
    observed:
      description:
        - V(open), V(denied), V(refused) (nothing listens), V(unresolved) (the name is not known), or V(failed) (another
          error of the connection).
      type: str
      sample: open
mismatches:
  description: One sentence for each pair that is not as expected, with the policies that decide it.
  returned: when the pods have started
  type: list
  elements: str
  sample:
    - >-
      other to web:8080/TCP: expected denied, found open. By its policies, egress of till/other is isolated by no
      policy; ingress of shop/web is allowed by NetworkPolicy shop/open
msg:
  description: All of them, or that there are none.
  returned: always
  type: str
  sample: all 5 connections are as expected
"""
