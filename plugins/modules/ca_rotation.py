# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ca_rotation
short_description: Take a step of a CA rotation on a node
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Replaces the cluster's CA, and those of etcd and of the front proxy, in steps. All nodes take a step before one of
    them takes the next, so that what one of them serves or presents is always trusted by the others.
  - A step that has been taken changes nothing when it is taken again, also after a later one. Components are restarted
    when they have started before one of their files was written, so that an interrupted step is completed.
  - An authority whose key is not on the control plane, as that of an external etcd, is not rotated.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._kubeadm_program
attributes:
  check_mode:
    support: full
    details: Steps after one that was only predicted are predicted without their details.
  diff_mode:
    support: full
    details: Shows names, fingerprints and ends of certificates, never a key.
  idempotent:
    support: full
options:
  step:
    description:
      - V(check) fails when the host cannot take part in a rotation.
      - V(stage) keeps the new authorities in C(/etc/kubernetes/ca-rotation); nothing uses them yet. Without
        O(content), it creates none unless O(generate) is set.
      - V(trust) adds the new authorities to those that the node trusts.
      - V(sign) has the control plane sign with the new authorities, and issues its own certificates again.
      - V(finish) removes the former authorities. It fails as long as the host has a certificate of theirs.
      - V(close) deletes what V(stage) has kept.
    type: str
    required: true
    choices: [check, stage, trust, sign, finish, close]
  generate:
    description: Whether V(stage) creates new authorities when the host keeps none.
    type: bool
    default: false
  content:
    description:
      - For V(stage), what a control plane has returned as RV(content), or as RV(public) for a worker.
    type: str
  reveal:
    description: Whether to return RV(content), which has the keys. Use C(no_log) on the task.
    type: bool
    default: false
  configuration:
    description:
      - Fields of a ClusterConfiguration that new certificates follow, as C(certificateValidityPeriod) and
        C(caCertificateValidityPeriod).
    type: dict
    default: {}
  timeout:
    description: Seconds that a component may take to be healthy.
    type: int
    default: 180
notes:
  - Take V(trust), V(sign) and V(finish) on one control plane after the other.
  - A kubelet's own certificates are issued again by M(baremetal.kubernetes.kubelet_credentials) between V(sign) and
    V(finish).
seealso:
  - module: baremetal.kubernetes.kubelet_credentials
  - module: baremetal.kubernetes.certificate_renewal
  - name: Manual Rotation of CA Certificates
    description: What Kubernetes' documentation says of it.
    link: https://kubernetes.io/docs/tasks/tls/manual-rotation-of-ca-certificates/
"""

EXAMPLES = r"""
- name: Create the new authorities on one control plane
  baremetal.kubernetes.ca_rotation:
    step: stage
    generate: true
    reveal: true
  register: staged
  no_log: true
  delegate_to: cp1
  run_once: true

- name: Keep them on all control planes
  baremetal.kubernetes.ca_rotation:
    step: stage
    content: "{{ staged.content }}"
  no_log: true

- name: Trust them
  baremetal.kubernetes.ca_rotation:
    step: trust
"""

RETURN = r"""
staged:
  description: Whether the host keeps new authorities.
  returned: success
  type: bool
  sample: true
authorities:
  description: Base names of the authorities that are rotated, below C(/etc/kubernetes/pki).
  returned: success
  type: list
  elements: str
  sample: [ca, etcd/ca, front-proxy-ca]
restarted:
  description: Components that were restarted, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [kubelet, etcd, kube-apiserver]
public:
  description: Certificates for O(content) of workers; empty when the host keeps none.
  returned: success
  type: str
  sample: '{"ca.crt": "-----BEGIN CERTIFICATE-----..."}'
content:
  description: Certificates and keys for O(content) of other control planes.
  returned: with O(reveal=true), when the host keeps them
  type: str
  sample: '{"ca.crt": "-----BEGIN CERTIFICATE-----...", "ca.key": "..."}'
"""

import contextlib
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._certificates import rotation
from ansible_collections.baremetal.kubernetes.plugins.module_utils._certificates.rotate import Rotation
from ansible_collections.baremetal.kubernetes.plugins.module_utils._certificates.staging import (
    RotatedHost,
    Staging,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import Host
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "step": {
        "type": "str",
        "required": True,
        "choices": [
            rotation.CHECK,
            rotation.STAGE,
            rotation.TRUST,
            rotation.SIGN,
            rotation.FINISH,
            rotation.CLOSE,
        ],
    },
    "generate": {"type": "bool", "default": False},
    "content": {"type": "str", "no_log": True},
    "reveal": {"type": "bool", "default": False},
    "configuration": {"type": "dict", "default": {}},
    "timeout": {"type": "int", "default": 180},
    "kubeadm_path": {"type": "str", "default": "kubeadm"},
    "kubeadm_timeout": {"type": "int", "default": 60},
    "root": {"type": "path", "default": "/"},
}


def stage(own: Staging, params: t.Mapping[str, t.Any]) -> rotation.Stage | None:
    """Create or keep the new authorities.

    :return: what the host keeps then.
    """
    present = own.staged()
    if params["content"]:
        given = rotation.parse(params["content"], f"{own.host.name}: the option content")
        own.place(given)
        return given if own.control_plane else given.public()
    if present is None and params["generate"]:
        own.check()
        return own.create()
    return present


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Take the step."""
    params, check = module.params, module.check_mode
    host = Host(params["root"], params["kubeadm_path"])
    rotated = RotatedHost(host, params["kubeadm_timeout"], params["configuration"], check)
    staging = Staging(rotated)
    own = Rotation(staging, params["timeout"])
    reads = check or params["step"] == rotation.CHECK
    with contextlib.nullcontext() if reads else host.exclusive(params["timeout"]):
        kept = staging.staged()
        if params["step"] == rotation.CHECK:
            staging.check()
        elif params["step"] == rotation.STAGE:
            kept = stage(staging, params)
        elif params["step"] == rotation.CLOSE:
            staging.close()
            kept = kept if check else None
        else:
            own.take(params["step"])
    before, after = rotated.before, [*rotated.after, *(f"restart {name}" for name in own.restarted)]
    result: dict[str, t.Any] = {
        "changed": before != after,
        "staged": kept is not None,
        "authorities": list(kept.authorities if kept else staging.authorities()),
        "restarted": own.restarted,
        "public": kept.public().render() if kept else "",
        "diff": {
            "before": "".join(f"{line}\n" for line in before),
            "after": "".join(f"{line}\n" for line in after),
        },
    }
    if params["reveal"] and kept is not None:
        result["content"] = kept.render()
    return result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, run)


if __name__ == "__main__":
    main()
