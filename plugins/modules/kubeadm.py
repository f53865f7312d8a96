# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeadm
short_description: Make a host a control plane or a node of a cluster with kubeadm
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Looks at the host, and for a control plane also at the cluster, and runs C(kubeadm init) or C(kubeadm join) when
    that has not run to its end.
  - An interrupted run is taken up again. kubeadm's phases keep the keys and files that they find, so nothing is reset;
    only the preflight errors that the first run itself causes are ignored.
  - A host that belongs to another cluster, or holds the data of an unknown etcd, is refused.
  - Afterwards it waits until the API server of a control plane is ready, or until the kubelet of a worker is healthy.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
attributes:
  check_mode:
    support: full
    details:
      - Secrets need not be given in check mode, as they exist only once the cluster is there.
  diff_mode:
    support: full
    details:
      - Shows the state of the host and the steps.
  idempotent:
    support: full
options:
  operation:
    description: Whether the host makes a cluster (V(init)) or joins one (V(join)).
    type: str
    choices: [init, join]
    required: true
  role:
    description: What the host shall be.
    type: str
    choices: [control_plane, worker]
    required: true
  documents:
    description:
      - Configuration that kubeadm reads, C(kubeadm.k8s.io/v1beta4) and C(kubelet.config.k8s.io/v1beta1), without
        secrets.
      - For V(join), discovery and the certificate key are added from the other options.
      - For V(init) without C(bootstrapTokens), a token that cannot be used to join is given and deleted afterwards;
        kubeadm would make one that lets nodes join for 24 hours.
    type: list
    elements: dict
    default: []
  token:
    description: Bootstrap token to join with.
    type: str
  ca_cert_hashes:
    description:
      - Hashes of the CA's public key, as C(sha256:<hex>), of the cluster to join. A host with another CA is refused.
    type: list
    elements: str
    default: []
  certificate_key:
    description: Key of the uploaded certificates, for a control plane that joins.
    type: str
  api_server_endpoint:
    description: Address and port of the API server to join, for example V(192.0.2.10:6443).
    type: str
  ignore_preflight_errors:
    description: Names of preflight checks that may fail.
    type: list
    elements: str
    default: []
  skip_phases:
    description: Phases of kubeadm that are left out, for example V(addon/kube-proxy).
    type: list
    elements: str
    default: []
  patches:
    description: Directory on the host with patches for kubeadm's manifests and for the kubelet's configuration.
    type: path
  timeout:
    description: Seconds that kubeadm may take.
    type: int
    default: 600
  ready_timeout:
    description: Seconds that the API server or the kubelet may take to be healthy.
    type: int
    default: 180
  kubeadm_path:
    description: The program, by path or by name.
    type: str
    default: kubeadm
  root:
    description:
      - Folder below which the module looks for kubeadm's files. kubeadm itself does not know of it, so that it is of
        use for tests alone.
    type: path
    default: /
notes:
  - kubeadm starts the kubelet itself, by systemd or OpenRC; containerd must run before.
  - Secrets are given to kubeadm in a file that only root can read and that is removed at the end, never as an argument.
    They are taken out of everything that the module returns.
  - The module never runs C(kubeadm reset).
  - One run at a time changes a host; a second one, for example after the controller was killed, waits up to O(timeout)
    for the first to end.
seealso:
  - module: baremetal.kubernetes.bootstrap_token
  - module: baremetal.kubernetes.node_info
  - module: baremetal.kubernetes.cluster_health
"""

EXAMPLES = r"""
- name: Make the cluster
  baremetal.kubernetes.kubeadm:
    operation: init
    role: control_plane
    skip_phases: [addon/kube-proxy]
    documents:
      - apiVersion: kubeadm.k8s.io/v1beta4
        kind: InitConfiguration
        localAPIEndpoint: {advertiseAddress: 192.0.2.11, bindPort: 6443}
      - apiVersion: kubeadm.k8s.io/v1beta4
        kind: ClusterConfiguration
        kubernetesVersion: v1.36.4
        controlPlaneEndpoint: 192.0.2.10:6443

- name: Join a worker
  baremetal.kubernetes.kubeadm:
    operation: join
    role: worker
    token: "{{ __worker_token.token }}"
    ca_cert_hashes: "{{ __worker_token.ca_cert_hashes }}"
    api_server_endpoint: 192.0.2.10:6443
"""

RETURN = r"""
steps:
  description: What was done, or would be done in check mode.
  returned: success
  type: list
  elements: str
  sample: [kubeadm init]
state:
  description: What the host is to a cluster afterwards, V(fresh), V(partial) or V(member).
  returned: success
  type: str
  sample: member
cluster_id:
  description: Hash of the public key of the cluster's CA; V(null) in check mode on a fresh host.
  returned: success
  type: str
  sample: sha256:8cb2de97839780a412b93877f8507ad6c94f73add17d5d7058e91741c9d5ec78
node_name:
  description: Name of the node; V(null) in check mode on a fresh host.
  returned: success
  type: str
  sample: cp1
duration:
  description: Seconds that the steps and the wait for health took.
  returned: success
  type: float
  sample: 11.4
phase:
  description: Phase of kubeadm that failed.
  returned: when kubeadm failed
  type: str
  sample: preflight
stdout:
  description: What kubeadm printed, without secrets.
  returned: when kubeadm ran
  type: str
  sample: "[init] Using Kubernetes version: v1.36.4"
stderr:
  description: What kubeadm printed as errors and warnings, without secrets.
  returned: when kubeadm ran
  type: str
  sample: ""
"""

import os
import time
import typing as t
from dataclasses import replace

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import documents
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import (
    Desired,
    KubeadmError,
    Observation,
    Plan,
    Step,
    plan_init,
    plan_join,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import (
    Host,
    Output,
    flags,
    fresh_token,
    look_further,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import under

ARGUMENT_SPEC: dict[str, t.Any] = {
    "operation": {"type": "str", "choices": ["init", "join"], "required": True},
    "role": {"type": "str", "choices": ["control_plane", "worker"], "required": True},
    "documents": {"type": "list", "elements": "dict", "default": []},
    "token": {"type": "str", "no_log": True},
    "ca_cert_hashes": {"type": "list", "elements": "str", "default": []},
    "certificate_key": {"type": "str", "no_log": True},
    "api_server_endpoint": {"type": "str"},
    "ignore_preflight_errors": {"type": "list", "elements": "str", "default": []},
    "skip_phases": {"type": "list", "elements": "str", "default": []},
    "patches": {"type": "path"},
    "timeout": {"type": "int", "default": 600},
    "ready_timeout": {"type": "int", "default": 180},
    "kubeadm_path": {"type": "str", "default": "kubeadm"},
    "root": {"type": "path", "default": "/"},
}


def init(host: Host, params: t.Mapping[str, t.Any], plan: Plan, phase: str) -> Output:
    """C(kubeadm init), or one phase of it."""
    token = fresh_token()
    content = documents.render(documents.init_documents(params["documents"], token, params["patches"]))
    with host.config_file(content) as path:
        if phase:
            argv = ["init", "phase", *phase.split("/"), "--config", path]
            argv += ["--skip-token-print"] if phase == "bootstrap-token" else []
        else:
            argv = ["init", "--config", path, *flags(plan.ignore_preflight_errors, plan.skip_phases)]
            argv += ["--skip-token-print", "--skip-certificate-key-print"]
        output = host.run(argv, params["timeout"], [token])
    if phase in ("", "bootstrap-token"):
        host.delete_token(token)
    return output


def join(host: Host, params: t.Mapping[str, t.Any], plan: Plan, phase: str) -> Output:
    """C(kubeadm join), or one phase of it, which works with C(admin.conf) and needs no token."""
    if phase:
        own = documents.phase_documents(params["documents"])
        argv = ["join", "phase", *phase.split("/")]
        extra: list[str] = []
    else:
        own = documents.join_documents(
            params["documents"],
            params["role"],
            params["token"],
            params["ca_cert_hashes"],
            params["api_server_endpoint"],
            params["certificate_key"],
            params["patches"],
        )
        argv = ["join"]
        extra = flags(plan.ignore_preflight_errors, plan.skip_phases)
    with host.config_file(documents.render(own)) as path:
        secrets = [params["token"], params["certificate_key"]]
        return host.run([*argv, "--config", path, *extra], params["timeout"], secrets)


def perform(host: Host, params: t.Mapping[str, t.Any], plan: Plan, step: Step) -> Output | None:
    """Do one step."""
    if step.kind == "remove":
        os.unlink(under(host.root, step.path))
        return None
    if params["operation"] == "init":
        return init(host, params, plan, step.phase)
    return join(host, params, plan, step.phase)


def observe(host: Host, params: t.Mapping[str, t.Any], desired: Desired) -> Observation:
    """The host, and the cluster where the host's files do not tell enough."""
    observation = host.observe(desired)
    foreign = desired.cluster_ids and observation.cluster_id not in desired.cluster_ids
    if desired.role == "control_plane" and not foreign:
        dns = documents.wants_dns(params["documents"])
        unfinished = look_further(host, observation, desired, dns, params["ready_timeout"])
        observation = replace(observation, unfinished=unfinished)
    return observation


def look(host: Host, params: t.Mapping[str, t.Any], desired: Desired) -> tuple[Observation, Plan]:
    """What there is, and what is left to do."""
    found = observe(host, params, desired)
    return found, plan_init(found, desired) if desired.operation == "init" else plan_join(found, desired)


def apply(host: Host, params: t.Mapping[str, t.Any], desired: Desired, plan: Plan) -> list[Output]:
    """Do all steps, and wait until what they started is healthy."""
    outputs = [output for step in plan.steps if (output := perform(host, params, plan, step)) is not None]
    if plan.runs("init", "join", "phase"):
        host.wait_kubelet(params["ready_timeout"])
        if desired.role == "control_plane":
            host.wait_ready(params["ready_timeout"])
    return outputs


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Observe, plan, perform, wait."""
    params = module.params
    began = time.monotonic()
    documents.check(params["documents"])
    desired = documents.desired_from(
        params["operation"],
        params["role"],
        params["documents"],
        params["ca_cert_hashes"],
        params["ignore_preflight_errors"],
        params["skip_phases"],
    )
    host = Host(params["root"], params["kubeadm_path"])
    before, plan = look(host, params, desired)
    after = before
    outputs: list[Output] = []
    if plan.steps and not module.check_mode:
        with host.exclusive(params["timeout"]):
            # Another run, whose controller is gone, may have been at work until now.
            before, plan = look(host, params, desired)
            outputs = apply(host, params, desired, plan)
        after = host.observe(desired)
    result: dict[str, t.Any] = {
        "changed": bool(plan.steps),
        "steps": plan.names(),
        "state": after.membership.state,
        "cluster_id": after.cluster_id,
        "node_name": host.node_name(),
        "duration": round(time.monotonic() - began, 1),
    }
    if outputs:
        result["stdout"] = "".join(output.stdout for output in outputs)
        result["stderr"] = "".join(output.stderr for output in outputs)
    if module._diff:
        goal = "member" if plan.steps else before.membership.state
        steps = "".join(f"step: {name}\n" for name in plan.names())
        result["diff"] = {
            "before": f"state: {before.membership.state}\n",
            "after": f"state: {goal}\n{steps}",
        }
    return result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        result = run(module)
    except KubeadmError as exc:
        module.fail_json(msg=str(exc), **exc.context)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
