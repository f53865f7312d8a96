# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: issued_certificates_info
short_description: List the certificates of cert-manager, and why some are not issued
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Lists each C(Certificate) with its end, its issuer, and what is wrong with it, in one line.
  - The reason of one that is not issued is that of its Challenge, Order or CertificateRequest, whichever says it most
    precisely, or that its issuer is not Ready.
  - Without cert-manager in the cluster, the list is empty.
  - Runs on the controller, with its kubeconfig and its Python packages; it contacts no host, and changes nothing.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._attributes.info
  - baremetal.kubernetes._kube_api
  - baremetal.kubernetes._kube_api.patience
options:
  namespace:
    description: Only certificates of this namespace; empty for all.
    type: str
    default: ""
seealso:
  - module: baremetal.kubernetes.cluster_issuers
  - module: baremetal.kubernetes.certificates_info
    description: Certificates of the cluster itself.
"""

EXAMPLES = r"""
- name: Read the certificates of all namespaces
  baremetal.kubernetes.issued_certificates_info:
    kubeconfig: ~/.kube/example
  register: issued
  run_once: true

- name: Fail when one is not in order
  ansible.builtin.assert:
    that: issued.failing == 0
    fail_msg: "{{ issued.lines }}"
  run_once: true
"""

RETURN = r"""
certificates:
  description: One entry for each C(Certificate), those with a problem first, then by their end.
  returned: success
  type: list
  elements: dict
  contains:
    namespace:
      description: Its namespace.
      type: str
      sample: shop
    name:
      description: Its name.
      type: str
      sample: shop-tls
    issuer:
      description: Kind and name of its issuer.
      type: str
      sample: ClusterIssuer letsencrypt
    names:
      description: What it is for.
      type: list
      elements: str
      sample: [shop.example.org]
    secret:
      description: The Secret that has it, of the same namespace.
      type: str
      sample: shop-tls
    not_after:
      description: When the newest one ends, in UTC; empty when there is none yet.
      type: str
      sample: "2027-02-27T10:11:12Z"
    renewal:
      description: When it is renewed, in UTC; empty when there is none yet.
      type: str
      sample: "2027-01-28T10:11:12Z"
    problem:
      description: What is wrong, in one line; empty when nothing is.
      type: str
      sample: "HTTP-01 challenge for shop.example.org is pending: Waiting for HTTP-01 challenge propagation"
lines:
  description: The same for a person, one line each.
  returned: success
  type: list
  elements: str
  sample: ["shop/shop-tls  2027-02-27T10:11:12Z  89 days  ClusterIssuer letsencrypt  in order"]
failing:
  description: How many have a problem.
  returned: success
  type: int
  sample: 0
"""
