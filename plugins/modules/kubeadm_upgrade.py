# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeadm_upgrade
short_description: Upgrade a node that kubeadm made a member of a cluster
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Upgrades the static Pods of a control plane, what C(kubeadm upgrade) changes in the cluster, and the files of the
    kubelet. kubeadm has to have the version O(version) already; the kubelet's own program is replaced afterwards, by
    the role P(baremetal.kubernetes.kubelet#role).
  - The manifests are those that kubeadm makes of O(documents), with the annotations of this collection, so that a later
    run of M(baremetal.kubernetes.kubeadm) has nothing to change. New arguments are tried in a container without a
    network first.
  - etcd is upgraded first, by itself. Then the other components are replaced one at a time, and each is waited for
    until it is healthy. When one is not after O(ready_timeout), or ends soon after each start, the manifests and the
    files of the kubelet are put back and the module fails with the component's log. etcd and its data stay as they are
    then.
  - Certificates of kubeadm are renewed before components restart.
  - On the first control plane, C(kubeadm upgrade apply) follows, on other nodes C(kubeadm upgrade node), both without
    the phases that this module performs itself. C(kubeadm-config) is written last, so that an interrupted run is
    completed by the next.
  - Nothing is downgraded.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._kubeadm
attributes:
  check_mode:
    support: full
    details: kubeadm has to have the version O(version) in check mode as well. Arguments are not tried.
  diff_mode:
    support: full
    details: Shows what changes in files and ConfigMaps, without secret files and keys.
  idempotent:
    support: full
options:
  version:
    description: Version of Kubernetes to upgrade to, without a leading C(v).
    type: str
    required: true
  state:
    description:
      - V(upgraded) upgrades the node but for the kubelet's program.
      - V(pulled) pulls the images that this needs, and verifies those of O(images).
      - V(verified) waits until the kubelet has O(version), is healthy and its node is ready.
    type: str
    choices: [upgraded, pulled, verified]
    default: upgraded
  role:
    description: The role of the node.
    type: str
    choices: [control_plane, worker]
    required: true
  documents:
    description:
      - Configuration of the node, as for M(baremetal.kubernetes.kubeadm), with the new C(kubernetesVersion).
      - A control plane needs a ClusterConfiguration among them, unless O(state=verified).
    type: list
    elements: dict
    default: []
  ignore_preflight_errors:
    description: Names of preflight checks of kubeadm that may fail.
    type: list
    elements: str
    default: []
  images:
    description:
      - Digests of images by their reference with a tag, which are pulled and verified before anything changes.
    type: dict
    default: {}
notes:
  - One run at a time changes a host; a second one, for example after the controller was killed, waits up to O(timeout)
    for the first to end.
seealso:
  - module: baremetal.kubernetes.upgrade_plan
  - module: baremetal.kubernetes.kubeadm
  - module: baremetal.kubernetes.kubeadm_reconfigure
"""

EXAMPLES = r"""
- name: Upgrade a worker
  baremetal.kubernetes.kubeadm_upgrade:
    version: 1.37.1
    role: worker
    documents:
      - apiVersion: kubeadm.k8s.io/v1beta4
        kind: JoinConfiguration
        nodeRegistration: {name: w1}
"""

RETURN = r"""
steps:
  description: What was done, or would be done in check mode.
  returned: success
  type: list
  elements: str
  sample: [certificates renewed, etcd reconfigured, kube-apiserver reconfigured, kubeadm upgrade apply v1.37.1]
node_name:
  description: Name of the node.
  returned: success
  type: str
  sample: cp1
duration:
  description: Seconds that the steps and the wait for health took.
  returned: success
  type: float
  sample: 41.4
component:
  description: What refuses its new version or does not work with it, for example V(kube-apiserver) or V(kubelet).
  returned: when a component is rolled back
  type: str
  sample: kube-apiserver
rolled_back:
  description: Files that were put back.
  returned: when a new version does not work
  type: list
  elements: str
  sample: [/etc/kubernetes/manifests/kube-apiserver.yaml]
stdout:
  description: What kubeadm printed, without secrets.
  returned: when kubeadm ran
  type: str
  sample: "[upgrade] SUCCESS! A control plane node of your cluster was upgraded to \"v1.37.1\"."
stderr:
  description: What kubeadm printed as errors and warnings, without secrets.
  returned: when kubeadm ran
  type: str
  sample: ""
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import documents, options
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.converge import converge
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.declared import Declared
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import KubeadmError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.reconfigure import Reconfiguration
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import Host
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.upgrade import Upgrade
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.upgrade_plan import DesiredUpgrade
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership

ARGUMENT_SPEC: dict[str, t.Any] = {
    **options.ARGUMENT_SPEC,
    "version": {"type": "str", "required": True},
    "role": {"type": "str", "choices": ["control_plane", "worker"], "required": True},
    "state": {"type": "str", "choices": ["upgraded", "pulled", "verified"], "default": "upgraded"},
    "documents": {"type": "list", "elements": "dict", "default": []},
    "ignore_preflight_errors": {"type": "list", "elements": "str", "default": []},
    "images": {"type": "dict", "default": {}},
}


def upgrade_from(params: t.Mapping[str, t.Any], check_mode: bool) -> Upgrade:
    """The host and what it is upgraded to, by the options.

    :raises KubeadmError: for unusable documents, and on a host that is no member.
    """
    documents.check(params["documents"])
    host = Host(params["root"], params["kubeadm_path"])
    own = membership.observe(params["root"]).membership
    if own.role not in (None, params["role"]) or own.state == "fresh":
        raise KubeadmError(
            f"{host.name} is {own.state} as {own.role or 'nothing'}, expected a member of a cluster as"
            f" {params['role']}. Nothing was changed.",
            "Complete it first, with the playbook site at the cluster's version.",
        )
    declaration = options.declaration(params, params["role"])
    if not declaration.complete and params["state"] != "verified":
        raise KubeadmError(f"{host.name}: the documents have no ClusterConfiguration.", "Add it.")
    return Upgrade(
        host=host,
        desired=DesiredUpgrade(host.name, params["version"], params["role"] == "worker"),
        declared=Declared(host, declaration, check_mode),
        reconfiguration=Reconfiguration(host, params["role"], params["ready_timeout"], params["timeout"]),
        images=params["images"],
        ignored=tuple(params["ignore_preflight_errors"]),
        kubeadm_seconds=params["timeout"],
        ready_seconds=params["ready_timeout"],
    )


def _without_upgrade(subject: Upgrade, params: t.Mapping[str, t.Any], check_mode: bool) -> list[str] | None:
    """What the states that upgrade nothing did, C(None) for the one that does."""
    if params["state"] == "upgraded":
        return None
    if params["state"] == "verified":
        if not check_mode:
            subject.verify()
        return []
    subject.check_kubeadm()
    return [] if check_mode else [f"{image} pulled" for image in subject.pull(params["documents"])]


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Observe, plan, apply."""
    params = module.params
    began = time.monotonic()
    subject = upgrade_from(params, module.check_mode)
    host = subject.host
    steps = _without_upgrade(subject, params, module.check_mode)
    if steps is not None:
        return {
            "changed": bool(steps),
            "steps": steps,
            "node_name": host.node_name(),
            "duration": round(time.monotonic() - began, 1),
        }
    subject.check_kubeadm()
    outcome = converge(subject, host, params["timeout"], params["ready_timeout"], module.check_mode)
    for warning in outcome.first.comparison.warnings:
        module.warn(warning)
    result: dict[str, t.Any] = {
        "changed": bool(outcome.names()),
        "steps": outcome.names(),
        "node_name": host.node_name(),
        "duration": round(time.monotonic() - began, 1),
    }
    if outcome.outputs:
        result["stdout"] = "".join(output.stdout for output in outcome.outputs)
        result["stderr"] = "".join(output.stderr for output in outcome.outputs)
    if module._diff and outcome.diff():
        result["diff"] = {"prepared": outcome.diff()}
    return result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, run)


if __name__ == "__main__":
    main()
