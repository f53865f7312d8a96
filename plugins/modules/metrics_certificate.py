# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: metrics_certificate
short_description: Issue and renew a host's certificate for metrics
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Gives a host one certificate as server and client of the site's metrics, by a CA of their own on the controller. The
    host makes the key and a request, and the controller signs it; neither of the two keys moves.
  - The CA is created when there is none. Its certificate is renewed with the same key when a third of its life is left.
    Either certificate of the CA verifies what the other one has signed.
  - A certificate is renewed with a new key when a third of its life is left, when its names or the CA change, and when
    it does not belong to its key.
  - A host that trusts another CA than the controller has is refused, as another controller, or a directory that was
    lost, is the likely reason.
  - Exporters and Prometheus read the files again by themselves, so nothing has to be restarted.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
attributes:
  check_mode:
    support: full
    details:
      - A host that trusts another CA is not refused in check mode, but reported in RV(foreign).
  diff_mode:
    support: full
    details:
      - Shows names and expiration of the certificate, and what is wrong with modes and owners; never a key.
  idempotent:
    support: full
options:
  ca_directory:
    description:
      - Directory on the controller with certificate (C(ca.crt)) and key (C(ca.key)) of the CA. It is created with mode
        0700 when it is missing. Required, but in calls of the action to the host.
    type: path
  ca_name:
    description: Common name of a CA that is created.
    type: str
    default: Metrics
  ca_days:
    description: Days for which a new certificate of the CA is valid.
    type: int
    default: 3650
  common_name:
    description: Common name of the certificate, at most 64 characters.
    type: str
    default: ""
  names:
    description: DNS names and addresses of the host. Empty ones and repetitions are left out.
    type: list
    elements: str
    default: []
  days:
    description: Days for which a new certificate is valid.
    type: int
    default: 90
  renew:
    description: Whether to renew a certificate that could stay.
    type: bool
    default: false
  replace_ca:
    description: Whether a host that trusts another CA gets the one of the controller instead.
    type: bool
    default: false
  ca_path:
    description: The CA's certificate on the host. The directory must exist, as those of the other files.
    type: path
    default: /etc/metrics/ca.crt
  certificate_path:
    description: The certificate on the host.
    type: path
    default: /etc/metrics/tls.crt
  key_path:
    description: Its key, with mode 0640.
    type: path
    default: /etc/metrics/tls.key
  group:
    description: Group that may read the key, beside root. By default that of the user that the module runs as.
    type: str
    default: ""
  operation:
    description: What the host does. The action sets it.
    type: str
    choices: [observe, request, install]
    default: observe
  ca:
    description: The CA's certificate in PEM form. The action sets it.
    type: str
    default: ""
  certificate:
    description: The signed certificate in PEM form. The action sets it.
    type: str
    default: ""
requirements:
  - "cryptography >= 44 (Python library, on the controller)"
  - "openssl >= 1.1.1 (program, on the host)"
notes:
  - Keep a backup of O(ca_directory). Without its key, all certificates have to be issued again.
seealso:
  - module: baremetal.kubernetes.client_kubeconfig
"""

EXAMPLES = r"""
- name: Issue the certificate of a node
  baremetal.kubernetes.metrics_certificate:
    ca_directory: /home/operator/site-a/.credentials/metrics
    common_name: "node:{{ inventory_hostname }}"
    names:
      - "{{ inventory_hostname }}"
      - 192.0.2.21
    group: metrics
"""

RETURN = r"""
reasons:
  description: Why a new certificate was issued, or would be; empty when the present one stays.
  returned: success
  type: list
  elements: str
  sample: ["its certificate expires at 2026-12-20T08:00:00Z, in 20 days, expected at least 30 days"]
others:
  description: What else differed, as a mode or the copy of the CA.
  returned: success
  type: list
  elements: str
  sample: ["/etc/metrics/tls.key has mode 0644, expected 0640"]
foreign:
  description: Whether the host trusted another CA than the controller has.
  returned: success
  type: bool
  sample: false
ca_sha256:
  description: SHA-256 of the public key of the controller's CA; empty while there is none.
  returned: success
  type: str
  sample: 9f2c1f6f0a0a7dfb8f3b0c8a0a6f8f5a1f0b3e5c7d9a1b2c3d4e5f60718293a4
not_after:
  description: When the certificate expires, in UTC (RFC 3339); in check mode, the present one.
  returned: when there is one
  type: str
  sample: "2027-02-28T12:00:00Z"
days_left:
  description: Whole days until then, 0 when it has expired.
  returned: when there is one
  type: int
  sample: 89
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._metrics import certificate
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "ca_directory": {"type": "path"},
    "ca_name": {"type": "str", "default": "Metrics"},
    "ca_days": {"type": "int", "default": 3650},
    "common_name": {"type": "str", "default": ""},
    "names": {"type": "list", "elements": "str", "default": []},
    "days": {"type": "int", "default": 90},
    "renew": {"type": "bool", "default": False},
    "replace_ca": {"type": "bool", "default": False},
    "ca_path": {"type": "path", "default": "/etc/metrics/ca.crt"},
    "certificate_path": {"type": "path", "default": "/etc/metrics/tls.crt"},
    "key_path": {"type": "path", "default": "/etc/metrics/tls.key", "no_log": False},
    "group": {"type": "str", "default": ""},
    "operation": {"type": "str", "choices": ["observe", "request", "install"], "default": "observe"},
    "ca": {"type": "str", "default": ""},
    "certificate": {"type": "str", "default": ""},
}


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Do the host's part of what the action has decided."""
    params = module.params
    paths = certificate.Paths(
        params["ca_path"], params["certificate_path"], params["key_path"], params["group"]
    )
    if params["operation"] == "request" and not module.check_mode:
        return {"changed": True, "request": certificate.request(paths)}
    if params["operation"] == "install" and not module.check_mode:
        certificate.install(paths, params["ca"], params["certificate"])
        return {"changed": True}
    return {"changed": False, "observed": certificate.observe(paths, module.check_mode)}


def main() -> None:
    """Run the module."""
    run_module(AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True), run)


if __name__ == "__main__":
    main()
