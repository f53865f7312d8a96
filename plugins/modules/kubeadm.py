# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeadm
short_description: Initialise a cluster or join a node with kubeadm, and reconfigure nodes that are members already
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Observes the host, and for a control plane also the cluster, and runs C(kubeadm init) or C(kubeadm join) unless that
    is complete.
  - An interrupted run is resumed. kubeadm's phases keep the keys and files that they find, so nothing is reset; only
    the preflight errors that the first run itself causes are ignored.
  - A host that is a member already is reconfigured by O(documents) and O(files), as
    M(baremetal.kubernetes.kubeadm_reconfigure) does, so that one task both joins new hosts and reconciles members.
  - A host that belongs to another cluster, or holds the data of an unknown etcd, is refused.
  - Afterwards it waits until the API server of a control plane is ready, or until the kubelet of a worker is healthy.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._kubeadm
attributes:
  check_mode:
    support: full
    details:
      - Secrets need not be given in check mode, as they exist only once the cluster does.
      - Arguments are not tried in check mode.
  diff_mode:
    support: full
    details:
      - Shows the state of the host, the steps, and what changes in files and ConfigMaps, without secret files and keys.
  idempotent:
    support: full
options:
  operation:
    description: Whether the host initialises a cluster (V(init)) or joins one (V(join)).
    type: str
    choices: [init, join]
    required: true
  role:
    description: The role of the node. V(init) makes control planes only.
    type: str
    choices: [control_plane, worker]
    required: true
  documents:
    description:
      - Configuration that kubeadm reads, C(kubeadm.k8s.io/v1beta4) and C(kubelet.config.k8s.io/v1beta1), without
        secrets. C(bootstrapTokens), C(certificateKey), C(token), C(tlsBootstrapToken) and C(staticPodURLHeader) are
        refused at any depth.
      - For V(join), discovery and the certificate key are added from the other options.
      - A control plane that joined is reconfigured like the first one when it gets the same ClusterConfiguration and
        KubeletConfiguration. Without a ClusterConfiguration, an existing control plane stays as it is; without a
        KubeletConfiguration, its kubelet follows that of the cluster.
      - For V(init), a token without any rights is given and deleted afterwards; kubeadm would create one that lets
        nodes join for 24 hours.
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
  images:
    description:
      - Digests of images by their reference with a tag, for example C(sha256:...) by C(registry.k8s.io/pause:3.10.2).
      - They are pulled before kubeadm runs. Where the registry serves another image, nothing is started.
    type: dict
    default: {}
notes:
  - kubeadm starts the kubelet itself, by systemd or OpenRC; containerd has to run before.
  - Secrets are given to kubeadm in a file that only root can read and that is removed at the end, never as an argument.
    They are removed from everything that the module returns.
  - The module never runs C(kubeadm reset).
  - One run at a time changes a host; a second one, for example after the controller was killed, waits up to O(timeout)
    for the first to end.
seealso:
  - module: baremetal.kubernetes.kubeadm_reconfigure
  - module: baremetal.kubernetes.bootstrap_token
  - module: baremetal.kubernetes.node_info
  - module: baremetal.kubernetes.cluster_health
"""

EXAMPLES = r"""
- name: Initialise the cluster
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

- name: Initialise the cluster with an audit log, or add the log to an existing cluster
  baremetal.kubernetes.kubeadm:
    operation: init
    role: control_plane
    files:
      - path: /etc/kubernetes/audit/policy.yaml
        content: |
          apiVersion: audit.k8s.io/v1
          kind: Policy
          rules:
            - level: Metadata
        secret: false
    documents:
      - apiVersion: kubeadm.k8s.io/v1beta4
        kind: InitConfiguration
        localAPIEndpoint: {advertiseAddress: 192.0.2.11, bindPort: 6443}
      - apiVersion: kubeadm.k8s.io/v1beta4
        kind: ClusterConfiguration
        kubernetesVersion: v1.36.4
        controlPlaneEndpoint: 192.0.2.10:6443
        proxy: {disabled: true}
        apiServer:
          extraArgs:
            - {name: audit-policy-file, value: /etc/kubernetes/audit/policy.yaml}
            - {name: audit-log-path, value: /var/log/kubernetes/audit.log}
          extraVolumes:
            - {name: audit, hostPath: /etc/kubernetes/audit, mountPath: /etc/kubernetes/audit, readOnly: true}
            - name: audit-log
              hostPath: /var/log/kubernetes
              mountPath: /var/log/kubernetes
              pathType: DirectoryOrCreate

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
actions:
  description: Those of RV(steps) that reconfigure a member, or place O(files).
  returned: success
  type: list
  elements: str
  sample: [/etc/kubernetes/audit/policy.yaml replaced, kube-apiserver reconfigured, ConfigMap kubeadm-config updated]
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
component:
  description: What refuses its new configuration or does not work with it, for example V(kube-apiserver) or V(kubelet).
  returned: when a component refuses its new configuration, or is rolled back
  type: str
  sample: kube-apiserver
rolled_back:
  description: Files that were put back.
  returned: when a new configuration does not work
  type: list
  elements: str
  sample: [/etc/kubernetes/manifests/kube-apiserver.yaml]
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

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import documents, options
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.bootstrap import (
    Bootstrap,
    JoinSecrets,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.converge import converge
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.declared import Declared
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.reconfigure import Reconfiguration
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import Host
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    **options.ARGUMENT_SPEC,
    "operation": {"type": "str", "choices": ["init", "join"], "required": True},
    "role": {"type": "str", "choices": ["control_plane", "worker"], "required": True},
    "documents": {"type": "list", "elements": "dict", "default": []},
    "token": {"type": "str", "no_log": True},
    "ca_cert_hashes": {"type": "list", "elements": "str", "default": []},
    "certificate_key": {"type": "str", "no_log": True},
    "api_server_endpoint": {"type": "str"},
    "ignore_preflight_errors": {"type": "list", "elements": "str", "default": []},
    "images": {"type": "dict", "default": {}},
}


def node_from(params: t.Mapping[str, t.Any], check_mode: bool) -> Bootstrap:
    """The host and what it has to be, by the options.

    :raises KubeadmError: for unusable documents or files.
    """
    documents.check(params["documents"])
    host = Host(params["root"], params["kubeadm_path"])
    declaration = options.declaration(params, params["role"])
    return Bootstrap(
        host=host,
        desired=documents.desired_from(
            params["operation"],
            params["role"],
            params["documents"],
            params["ca_cert_hashes"],
            params["ignore_preflight_errors"],
            params["skip_phases"],
        ),
        declaration=declaration,
        secrets=JoinSecrets(
            params["token"],
            tuple(params["ca_cert_hashes"]),
            params["api_server_endpoint"],
            params["certificate_key"],
        ),
        declared=Declared(host, declaration, check_mode),
        reconfiguration=Reconfiguration(host, params["role"], params["ready_timeout"], params["timeout"]),
        images=params["images"],
        kubeadm_seconds=params["timeout"],
        ready_seconds=params["ready_timeout"],
    )


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Observe, plan, apply."""
    params = module.params
    began = time.monotonic()
    node = node_from(params, module.check_mode)
    outcome = converge(node, node.host, params["timeout"], params["ready_timeout"], module.check_mode)
    after = node.host.observe(node.desired)
    first, names = outcome.first, outcome.names()
    for warning in first.comparison.warnings:
        module.warn(warning)
    result: dict[str, t.Any] = {
        "changed": bool(names),
        "steps": names,
        "actions": outcome.reconfigured(),
        "state": after.membership.state if outcome.applied else first.state,
        "cluster_id": after.cluster_id,
        "node_name": node.host.node_name(),
        "duration": round(time.monotonic() - began, 1),
    }
    if outcome.outputs:
        result["stdout"] = "".join(output.stdout for output in outcome.outputs)
        result["stderr"] = "".join(output.stderr for output in outcome.outputs)
    if module._diff:
        goal = "member" if first.bootstrap.steps else first.state
        steps = "".join(f"step: {name}\n" for name in names)
        result["diff"] = {"before": f"state: {first.state}\n", "after": f"state: {goal}\n{steps}"}
        if outcome.diff():
            result["diff"]["prepared"] = outcome.diff()
    return result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, run)


if __name__ == "__main__":
    main()
