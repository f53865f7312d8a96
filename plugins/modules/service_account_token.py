# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_account_token
short_description: Keep a valid token of a ServiceAccount in a file on a host
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Reads the token in a file on the host, and replaces it when it ends soon, or is not one of this ServiceAccount that
    the API server accepts. A new one is requested from the API server (C(TokenRequest)) by the controller, with its
    kubeconfig.
  - A token is replaced when less than half of its life is left, so that runs at any interval shorter than that keep it
    valid.
  - The token is never shown, neither in results nor in logs of any verbosity.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._kube_api
  - baremetal.kubernetes._kube_api.patience
attributes:
  check_mode:
    support: full
    details:
      - No token is requested. The one that is there is read, and the API server is asked whether it accepts it.
  diff_mode:
    support: full
    details:
      - Shows why the token is replaced.
  idempotent:
    support: full
options:
  namespace:
    description: Namespace of the ServiceAccount.
    type: str
    required: true
  name:
    description: Name of the ServiceAccount. It has to exist.
    type: str
    required: true
  days:
    description:
      - Days that a new token is asked to be valid. The API server may shorten them
        (C(--service-account-max-token-expiration)).
    type: int
    default: 30
  path:
    description: Absolute path of the file on the host.
    type: str
    required: true
  owner:
    description: Owner of the file, by name or number; by default as of M(baremetal.kubernetes.artifact).
    type: str
  group:
    description: Group of the file, by name or number; by default as of M(baremetal.kubernetes.artifact).
    type: str
  mode:
    description: Permission bits of the file as a quoted octal number.
    type: str
    default: "0600"
  component:
    description: As of M(baremetal.kubernetes.artifact), which places the file.
    type: str
  record:
    description: As of M(baremetal.kubernetes.artifact).
    type: str
seealso:
  - module: baremetal.kubernetes.client_kubeconfig
    description: A client certificate on a control plane, which cannot be revoked.
"""

EXAMPLES = r"""
- name: Keep the token of the scraper
  baremetal.kubernetes.service_account_token:
    kubeconfig: ~/.kube/example
    namespace: metrics
    name: metrics-scraper
    path: /etc/prometheus/scraper.token
    group: prometheus
    mode: "0640"
  register: access

- name: Show when it ends
  ansible.builtin.debug:
    msg: "{{ access.expires }}"
"""

RETURN = r"""
reason:
  description: Why the token was replaced, or would be; empty when it was not.
  returned: success
  type: str
  sample: it ends in 11.2 days, less than half of its life
expires:
  description: When the token ends, in UTC; empty in check mode when it would be replaced.
  returned: success
  type: str
  sample: "2027-02-27T10:11:12Z"
server:
  description: URL of the API server, as in the kubeconfig.
  returned: success
  type: str
  sample: https://192.0.2.10:6443
ca:
  description: CA of the cluster in PEM form, both of them while it is rotated.
  returned: success
  type: str
  sample: "-----BEGIN CERTIFICATE-----\n..."
"""
