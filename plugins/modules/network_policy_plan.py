# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: network_policy_plan
short_description: Plan the policies of a network baseline from openings
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Makes CiliumClusterwideNetworkPolicies by which every pod of every namespace, also of one that is created later, is
    denied all ingress and egress that no opening allows. M(baremetal.kubernetes.api_objects) applies them.
  - What Kubernetes needs itself is always open, which are probes of kubelets, API servers that call webhooks and
    aggregated APIs, and CoreDNS.
  - With an opening that cannot be used it fails, with all problems in one message.
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
        M(baremetal.kubernetes.network_policy_report) shows what would be. V(off) has no policies.
    type: str
    choices: ["off", report, enforce]
    required: true
  openings:
    description:
      - Who may reach whom, beside what is always open. An opening holds for both sides, what the source sends and the
        target receives.
      - The openings V(dns), by which all pods may ask CoreDNS, and V(api-server), by which pods of C(kube-system) may
        use the API, are there unless the list has others of these names.
      - Its keys are described with the variable C(network_openings) of the role C(baremetal.kubernetes.network).
    type: list
    elements: dict
    default: []
seealso:
  - module: baremetal.kubernetes.api_objects
  - module: baremetal.kubernetes.network_policy_report
  - module: baremetal.kubernetes.network_policy_probe
"""

EXAMPLES = r"""
- name: Plan the baseline
  baremetal.kubernetes.network_policy_plan:
    kubeconfig: ~/.kube/example
    mode: enforce
    openings:
      - name: web
        from:
          namespaces: [ingress]
        to:
          namespaces: [shop]
          pods: {app: web}
        ports: [8080]
      - name: shop
        within: [shop]
      - name: packages
        from: {namespaces: [build]}
        to: {cidrs: [192.0.2.0/24]}
        ports: [443]
  register: plan
  run_once: true

- name: Apply it
  baremetal.kubernetes.api_objects:
    kubeconfig: ~/.kube/example
    objects: "{{ plan.objects }}"
    part_of: network-baseline
    prune:
      - api_version: cilium.io/v2
        kind: CiliumClusterwideNetworkPolicy
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
      metadata: {name: baseline}
      specs: []
missing:
  description: One line for each opening that names namespaces which do not exist.
  returned: success
  type: list
  elements: str
  sample: ["opening web: no namespace shop yet; it is open from when there is one"]
"""
