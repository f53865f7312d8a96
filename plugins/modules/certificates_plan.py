# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificates_plan
short_description: Refuse issuers of certificates that could not issue any
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Reads who is to issue certificates, and compares that with the cluster. It fails with all problems in one message,
    before anything is changed; the message has no secret.
  - Refused are, among others, a URL that is none of https, a solver for DNS without a zone, two solvers for the same
    names, a CA whose key is not its own, a Secret that does not exist, a ClusterIssuer of the same name that somebody
    else has made, and another cert-manager in the cluster.
  - Whether an ACME server answers is not tried, as only the cluster may reach it.
    M(baremetal.kubernetes.cluster_issuers) waits for that.
  - Runs on the controller, with its kubeconfig and its Python packages; it contacts no host, and changes nothing.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._attributes.info
  - baremetal.kubernetes._kube_api
  - baremetal.kubernetes._kube_api.patience
options:
  issuers:
    description:
      - A list of issuers. Its keys are described with the variable C(certificates_issuers) of the role
        C(baremetal.kubernetes.certificates). It may have secrets, which no result has.
    type: raw
    required: true
  default_issuer:
    description: The issuer of who asks for a certificate without naming one; empty for the first one.
    type: str
    default: ""
  resolvers:
    description: DNS servers, each C(HOST:PORT), that cert-manager asks when it tries a challenge itself.
    type: list
    elements: str
    default: []
  proxies:
    description: URLs, without users, of proxies that it reaches ACME servers through.
    type: list
    elements: str
    default: []
  namespace:
    description: Namespace of the Secrets of ClusterIssuers.
    type: str
    required: true
seealso:
  - module: baremetal.kubernetes.cluster_issuers
"""

EXAMPLES = r"""
- name: Refuse issuers that could not issue
  baremetal.kubernetes.certificates_plan:
    kubeconfig: ~/.kube/example
    namespace: cert-manager-issuers
    issuers:
      - name: letsencrypt
        acme:
          email: admin@example.org
      - name: internal
        ca: {common_name: Example internal CA}
  register: plan
  run_once: true
"""

RETURN = r"""
default_issuer:
  description: O(default_issuer), or the first one; empty without any issuer.
  returned: success
  type: str
  sample: letsencrypt
gateway:
  description: Whether the cluster serves C(Gateway) and C(HTTPRoute) of Gateway API.
  returned: success
  type: bool
  sample: true
gateway_issuers:
  description: Names of issuers whose challenges are answered through a Gateway.
  returned: success
  type: list
  elements: str
  sample: []
egress:
  description:
    - What cert-manager's controller connects to for these issuers, beside the API server and the DNS of the cluster, as
      rules of a C(CiliumNetworkPolicy).
  returned: success
  type: list
  elements: dict
  sample: [{toEntities: [all], toPorts: [{ports: [{port: "80", protocol: TCP}, {port: "443", protocol: TCP}]}]}]
"""
