# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificates_info
short_description: List the certificates of a node, and when they end
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Reads the certificates and kubeconfigs of kubeadm, the kubelet's and the kubelet CSR approver's from the files of
    a node, and the certificates of its authorities. It needs no API server.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._attributes.info
options:
  within_days:
    description: A certificate is due when it ends within this number of days.
    type: int
    default: 30
  all:
    description: Whether all of them are due.
    type: bool
    default: false
  root:
    description: Directory below which the module reads, for tests.
    type: path
    default: /
seealso:
  - module: baremetal.kubernetes.certificate_renewal
"""

EXAMPLES = r"""
- name: Read the certificates of this node
  baremetal.kubernetes.certificates_info:
    within_days: 60
"""

RETURN = r"""
certificates:
  description: The certificates that the host has.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name, as C(kubeadm certs) has it.
      type: str
      sample: apiserver
    path:
      description: The file.
      type: str
      sample: /etc/kubernetes/pki/apiserver.crt
    not_after:
      description: When it ends, in UTC (RFC 3339); empty when it cannot be read.
      type: str
      sample: "2027-11-29T12:00:00Z"
    days_left:
      description: Whole days until then.
      type: int
      sample: 364
    expired:
      description: Whether it has ended, or cannot be read.
      type: bool
      sample: false
    renewed_by:
      description: Who renews it, V(kubeadm), V(kubelet), V(approver) or V(nobody), as for an authority.
      type: str
      sample: kubeadm
    renewable:
      description: Whether it can be read and its authority's key is on this host.
      type: bool
      sample: true
    error:
      description: Why it cannot be read, empty when it can.
      type: str
      sample: ""
table:
  description: The same as lines of text, the certificate that ends first at the top.
  returned: success
  type: list
  elements: str
  sample: ["apiserver                 2027-11-29T12:00:00Z  364 days    renewed by kubeadm"]
due:
  description: Names of kubeadm's certificates that are due.
  returned: success
  type: list
  elements: str
  sample: []
expired:
  description: Names of certificates of kubeadm and of the kubelet's client certificate that have ended.
  returned: success
  type: list
  elements: str
  sample: []
ending:
  description: Names of authorities that are due, which nobody renews.
  returned: success
  type: list
  elements: str
  sample: []
refused:
  description: Why due certificates cannot be renewed on this host.
  returned: success
  type: list
  elements: str
  sample: []
"""

import typing as t
from datetime import datetime, timedelta, timezone

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._certificates import observe, plan
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "within_days": {"type": "int", "default": 30},
    "all": {"type": "bool", "default": False},
    "root": {"type": "path", "default": "/"},
}


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Read and evaluate them."""
    params = module.params
    now = datetime.now(timezone.utc)
    found = observe.collect(params["root"])
    within = observe.within(params["within_days"], params["all"])
    soon = timedelta(days=params["within_days"])
    needed = [own for own in found if own.known not in (plan.KUBELET_SERVING, plan.APPROVER_CLIENT)]
    return {
        "changed": False,
        **observe.shown(found, now),
        "due": list(plan.plan(found, {}, now, within).renew),
        "expired": list(plan.expires(needed, now, (plan.KUBEADM, plan.KUBELET))),
        "ending": [own.known.name for own in found if own.known in plan.AUTHORITIES and own.due(now, soon)],
        "refused": list(plan.refusals(found, now, within)),
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, run)


if __name__ == "__main__":
    main()
