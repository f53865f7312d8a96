# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_renewal
short_description: Renew kubeadm's certificates on a control plane
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Has kubeadm renew the certificates and kubeconfigs that are due, with the authorities on this host. It needs no
    API server, so it also renews what has expired already.
  - The API server and etcd read a new serving certificate by themselves, which the module verifies. A component that
    reads its certificate only when it starts is restarted, and so is one that an earlier, interrupted run has left
    with an old certificate.
  - The API server, controller manager, scheduler and etcd of this host have to be healthy at the end.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._kubeadm_program
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Shows names and ends of certificates, never a key.
  idempotent:
    support: full
    details: With O(all), each run renews all certificates.
options:
  within_days:
    description: Renew what ends within this number of days.
    type: int
    default: 30
  all:
    description: Whether to renew all of them.
    type: bool
    default: false
  restart:
    description:
      - Whether to restart components and to wait until they are healthy. Without, files alone are renewed; the next
        run with it restarts what has to read them again.
    type: bool
    default: true
  configuration:
    description: Fields of a ClusterConfiguration that new certificates follow, as C(certificateValidityPeriod).
    type: dict
    default: {}
  timeout:
    description: Seconds that a component may take to be healthy.
    type: int
    default: 180
notes:
  - Renew one control plane after the other.
  - Certificates of authorities are not renewed, nor are those that kubelets renew by themselves.
seealso:
  - module: baremetal.kubernetes.certificates_info
  - module: baremetal.kubernetes.kubelet_credentials
"""

EXAMPLES = r"""
- name: Renew what ends within 60 days
  baremetal.kubernetes.certificate_renewal:
    within_days: 60
"""

RETURN = r"""
renewed:
  description: Names of the certificates that were renewed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [apiserver, admin.conf]
restarted:
  description: Components that were restarted, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [kube-apiserver]
certificates:
  description: The certificates afterwards, as M(baremetal.kubernetes.certificates_info) returns them.
  returned: success
  type: list
  elements: dict
  sample: []
table:
  description: The same as lines of text.
  returned: success
  type: list
  elements: str
  sample: []
"""

import typing as t
from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._certificates import observe, plan
from ansible_collections.baremetal.kubernetes.plugins.module_utils._certificates.plan import CertificatesError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._certificates.renew import (
    ControlPlaneRenewal,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import Host
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "within_days": {"type": "int", "default": 30},
    "all": {"type": "bool", "default": False},
    "restart": {"type": "bool", "default": True},
    "configuration": {"type": "dict", "default": {}},
    "timeout": {"type": "int", "default": 180},
    "kubeadm_path": {"type": "str", "default": "kubeadm"},
    "kubeadm_timeout": {"type": "int", "default": 60},
    "root": {"type": "path", "default": "/"},
}


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Observe, plan, apply."""
    params = module.params
    host = Host(params["root"], params["kubeadm_path"])
    renewal = ControlPlaneRenewal(host, params["timeout"], params["kubeadm_timeout"])
    within = observe.within(params["within_days"], params["all"])
    now = datetime.now(timezone.utc)
    found = observe.collect(host.root)
    why = plan.refusals(found, now, within)
    if why:
        raise CertificatesError(f"{host.name}: {'; '.join(why)}. Nothing was changed.")
    todo = plan.plan(found, renewal.started(), now, within)
    restart = todo.restart if params["restart"] else ()
    changed = bool(todo.renew or restart)
    before = plan.table(found, now)
    if changed and not module.check_mode:
        with host.exclusive(params["timeout"]):
            if todo.renew:
                renewal.renew(todo.renew, params["configuration"], within)
            if params["restart"]:
                renewal.restart(restart, todo.renew)
        now = datetime.now(timezone.utc)
        found = observe.collect(host.root)
    after = plan.table(found, now) if not module.check_mode else _predicted(before, todo.renew)
    return {
        "changed": changed,
        "renewed": list(todo.renew),
        "restarted": list(restart),
        "diff": {"before": _text(before), "after": _text(after) + "".join(f"restart {n}\n" for n in restart)},
        **observe.shown(found, now),
    }


def _text(lines: t.Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _predicted(lines: t.Sequence[str], renewed: t.Collection[str]) -> list[str]:
    return [f"{line.split()[0]:<26}renewed" if line.split()[0] in renewed else line for line in lines]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, run)


if __name__ == "__main__":
    main()
