# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_issuers
short_description: Apply ClusterIssuers of cert-manager, and wait until they can issue
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Applies a ClusterIssuer for each issuer by server-side apply, with the Secrets of what is secret in it. For a CA
    that cert-manager makes, also the C(Certificate) of it, so that its key never leaves the cluster.
  - Deletes what it has applied before and what is not declared any more. Secrets that cert-manager has made stay, which
    are keys of ACME accounts and of CAs.
  - Fails when an issuer is not Ready in time, with the reason and the message of its condition, which has the error of
    an ACME server. What was applied stays.
  - Runs on the controller, with its kubeconfig and its Python packages; it contacts no host.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._kube_api
attributes:
  check_mode:
    support: full
    details: The API server predicts the result; it does not wait then.
  diff_mode:
    support: full
    details: Values of Secrets are not shown.
  idempotent:
    support: full
options:
  issuers:
    description:
      - A list of issuers. Its keys are described with the variable C(certificates_issuers) of the role
        C(baremetal.kubernetes.certificates). It may have secrets, which no result has.
      - With an empty list, all that this module has applied is deleted.
    type: raw
    required: true
  namespace:
    description: Namespace of the Secrets of ClusterIssuers, as cert-manager's controller knows it.
    type: str
    required: true
  timeout:
    description: Seconds for which the API server, or cert-manager's webhook, may be without an answer.
    type: int
    default: 120
  wait:
    description: Seconds that all issuers together may take to be Ready, V(0) to not wait.
    type: int
    default: 60
seealso:
  - module: baremetal.kubernetes.certificates_plan
  - module: baremetal.kubernetes.issued_certificates_info
"""

EXAMPLES = r"""
- name: Issue certificates by Let's Encrypt, and by a CA of the cluster
  baremetal.kubernetes.cluster_issuers:
    kubeconfig: ~/.kube/example
    namespace: cert-manager-issuers
    issuers:
      - name: letsencrypt
        acme:
          email: admin@example.org
          solvers:
            - http01: {}
            - dns01:
                rfc2136:
                  server: 192.0.2.53
                  key_name: acme
                  key: "{{ vault_acme_tsig_key }}"
              zones: [internal.example.org]
      - name: internal
        ca: {common_name: Example internal CA}
  run_once: true
"""

RETURN = r"""
objects:
  description: Kind and name of the objects that were changed, or would be.
  returned: success
  type: list
  elements: str
  sample: [ClusterIssuer letsencrypt]
"""
