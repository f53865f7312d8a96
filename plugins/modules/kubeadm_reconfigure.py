# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeadm_reconfigure
short_description: Reconfigure a node that kubeadm made a member of a cluster
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Compares a member with its desired configuration and changes only the difference. It never initialises, joins,
    upgrades or resets a node.
  - With O(documents), the node follows the whole configuration that kubeadm makes of them. On a control plane with a
    ClusterConfiguration among them these are O(files), the API server's certificate when its names differ, the static
    pods of this host (a deleted or edited manifest is restored), the kubelet's files, and the ConfigMaps
    C(kubeadm-config) and C(kubelet-config). On a worker these are O(files) and the kubelet's files, which follow a
    KubeletConfiguration among O(documents), or C(kubelet-config) without one.
  - With O(arguments) and O(kubelet_configuration), single settings are changed and all others are kept, in any cluster
    that was created with kubeadm. The documents are made of the ConfigMaps C(kubeadm-config) and C(kubelet-config) and
    of what the host says about itself. Only the components concerned are compared. The settings are stored in the
    ConfigMaps afterwards, where C(kubeadm upgrade) and nodes that join later find them.
  - When such a component has a manifest or a configuration that was edited manually, so that it differs from what
    kubeadm makes of the cluster's configuration beyond the settings that change, the run is refused and shows the
    difference.
  - New arguments and files of the API server, the controller manager and the scheduler are tried first, in a container
    without a network, before anything is touched. Manifests are then replaced one at a time, and each component is
    waited for until it runs with its new arguments and is healthy. When one is not after O(ready_timeout), or ends
    soon after each start, all files are put back and the module fails with the component's log. The ConfigMaps are
    written last.
  - Former contents of replaced files are kept in C(/var/lib/baremetal-kubernetes/kubeadm/backups), five runs back.
  - Another version of Kubernetes than the cluster's is refused, as are changes of what a running cluster is built on
    (its networks, names, endpoint and etcd's data directory).
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._kubeadm
attributes:
  check_mode:
    support: full
    details: Arguments are not tried in check mode.
  diff_mode:
    support: full
    details: Shows what changes in files and ConfigMaps, without secret files and keys.
  idempotent:
    support: full
options:
  documents:
    description:
      - Configuration that kubeadm reads, C(kubeadm.k8s.io/v1beta4) and C(kubelet.config.k8s.io/v1beta1), without
        secrets, as for M(baremetal.kubernetes.kubeadm). Values that were edited manually on the host are replaced.
      - Without a ClusterConfiguration, a control plane stays as it is; without a KubeletConfiguration, the kubelet
        follows that of the cluster.
      - O(skip_phases) has to be that of the cluster's creation. It is ignored for single settings.
    type: list
    elements: dict
  arguments:
    description:
      - Arguments of the control plane's components. Each has one of O(arguments[].value), O(arguments[].absent), and
        O(arguments[].add) or O(arguments[].remove).
      - Begin with the control planes, one after the other. Ignored on workers.
    type: list
    elements: dict
    suboptions:
      component:
        description: The component.
        type: str
        choices: [etcd, kube-apiserver, kube-controller-manager, kube-scheduler]
        required: true
      name:
        description: Name of the argument, without dashes.
        type: str
        required: true
      value:
        description: The value.
        type: str
      keep:
        description: Whether any value that the cluster's configuration has is accepted.
        type: bool
        default: false
      absent:
        description: Remove the argument. Where kubeadm sets it by itself, kubeadm's value applies again.
        type: bool
        default: false
      add:
        description: Items to add to a comma-separated list.
        type: list
        elements: str
        default: []
      remove:
        description: Items to remove from a comma-separated list.
        type: list
        elements: str
        default: []
      unless:
        description: Names of arguments beside which this one is left alone; RV(skipped) says so.
        type: list
        elements: str
        default: []
      volumes:
        description: What the component has to mount for O(arguments[].value), as kubeadm's C(extraVolumes).
        type: list
        elements: dict
        default: []
      files:
        description: Paths of those O(files) that O(arguments[].value) needs. Others are not placed.
        type: list
        elements: path
        default: []
  kubelet_configuration:
    description:
      - Fields of C(kubelet-config) to change, at all depths; V(null) removes a field.
      - Workers follow what a control plane has stored; a value that C(kubelet-config) does not have yet is refused.
    type: dict
  replace_edits:
    description:
      - Whether manual edits of a manifest or of the kubelet's file may be lost when single settings change. With
        O(documents) they always are.
    type: bool
    default: false
notes:
  - crictl and ctr are used on a control plane, the former to show a log and the latter to try arguments. Without ctr,
    or with another container runtime than containerd, nothing is tried, and what does not work is put back.
  - One run at a time changes a host; a second one, for example after the controller was killed, waits up to O(timeout)
    for the first to end.
seealso:
  - module: baremetal.kubernetes.kubeadm
  - module: baremetal.kubernetes.cluster_health
"""

EXAMPLES = r"""
- name: Change two settings of any kubeadm cluster and keep all others
  baremetal.kubernetes.kubeadm_reconfigure:
    arguments:
      - {component: kube-apiserver, name: profiling, value: "false"}
      - {component: kube-apiserver, name: enable-admission-plugins, add: [DenyServiceExternalIPs]}
    kubelet_configuration:
      podPidsLimit: 4096

- name: Let the kubelet of a worker follow the cluster's configuration
  baremetal.kubernetes.kubeadm_reconfigure:
    documents: []
"""

RETURN = r"""
steps:
  description: What was done, or would be done in check mode.
  returned: success
  type: list
  elements: str
  sample: [kube-apiserver reconfigured, ConfigMap kubeadm-config updated]
skipped:
  description: Which of O(arguments) were left alone, and why.
  returned: success
  type: list
  elements: str
  sample: ["kube-apiserver --authentication-config: left alone because of --oidc-issuer-url"]
edited:
  description: Files that were edited manually.
  returned: when single settings were refused because of them
  type: list
  elements: str
  sample: [/etc/kubernetes/manifests/kube-apiserver.yaml]
role:
  description: Role of the node, V(control_plane) or V(worker).
  returned: success
  type: str
  sample: control_plane
cluster_id:
  description: Hash of the public key of the cluster's CA.
  returned: success
  type: str
  sample: sha256:8cb2de97839780a412b93877f8507ad6c94f73add17d5d7058e91741c9d5ec78
node_name:
  description: Name of the node.
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
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import (
    documents,
    options,
    settings_plan,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.bootstrap_plan import (
    ObservedNode,
    without_deleted_manifests,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.converge import (
    Member,
    Source,
    converge,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.declared import (
    Declared,
    desired_files,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import KubeadmError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.reconfigure import Reconfiguration
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import Host
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.settings import (
    DesiredSettings,
    Settings,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    **options.ARGUMENT_SPEC,
    "documents": {"type": "list", "elements": "dict"},
    "arguments": {
        "type": "list",
        "elements": "dict",
        "options": {
            "component": {"type": "str", "choices": sorted(settings_plan.PLACES), "required": True},
            "name": {"type": "str", "required": True},
            "value": {"type": "str"},
            "keep": {"type": "bool", "default": False},
            "absent": {"type": "bool", "default": False},
            "add": {"type": "list", "elements": "str", "default": []},
            "remove": {"type": "list", "elements": "str", "default": []},
            "unless": {"type": "list", "elements": "str", "default": []},
            "volumes": {"type": "list", "elements": "dict", "default": []},
            "files": {"type": "list", "elements": "path", "default": []},
        },
    },
    "kubelet_configuration": {"type": "dict"},
    "replace_edits": {"type": "bool", "default": False},
}


def observe_member(host: Host, params: t.Mapping[str, t.Any]) -> ObservedNode:
    """The host.

    :raises KubeadmError: when it is no complete member. Deleted manifests count when documents can restore them.
    """
    given = params["documents"] or []
    observed = host.observe(documents.desired_from("join", "control_plane", given, (), (), ()))
    if params["documents"] is not None:
        observed = without_deleted_manifests(observed)
    own = observed.membership
    if own.state != "member":
        raise KubeadmError(
            f"{host.name} is no complete member of a cluster ({own.state}; missing:"
            f" {', '.join(own.missing) or 'all files of kubeadm'}). Nothing was changed.",
            "Complete it first, with kubeadm or with the playbook site.",
        )
    return observed


def source_of(host: Host, role: str, params: t.Mapping[str, t.Any], check_mode: bool) -> Source:
    """Where the desired configuration comes from, by the options.

    :raises KubeadmError: for unusable documents, arguments or files.
    """
    if params["documents"] is not None:
        documents.check(params["documents"])
        return Declared(host, options.declaration(params, role), check_mode)
    desired = DesiredSettings(
        arguments=settings_plan.desired_arguments(params["arguments"] or []),
        kubelet=params["kubelet_configuration"],
        files=desired_files(params["files"]),
        patches=params["patches"],
        replace_edits=params["replace_edits"],
    )
    return Settings(host, role, desired, check_mode)


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Observe, plan, apply."""
    params = module.params
    began = time.monotonic()
    host = Host(params["root"], params["kubeadm_path"])
    observed = observe_member(host, params)
    role = observed.membership.role or "worker"
    member = Member(
        source_of(host, role, params, module.check_mode),
        Reconfiguration(host, role, params["ready_timeout"], params["timeout"]),
    )
    outcome = converge(member, host, params["timeout"], params["ready_timeout"], module.check_mode)
    comparison = outcome.first.comparison
    for warning in comparison.warnings:
        module.warn(warning)
    result: dict[str, t.Any] = {
        "changed": bool(outcome.names()),
        "steps": outcome.names(),
        "skipped": list(comparison.skipped),
        "role": role,
        "cluster_id": observed.cluster_id,
        "node_name": host.node_name(),
        "duration": round(time.monotonic() - began, 1),
    }
    if module._diff and outcome.diff():
        result["diff"] = {"prepared": outcome.diff()}
    return result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=ARGUMENT_SPEC,
        supports_check_mode=True,
        required_one_of=[("documents", "arguments", "kubelet_configuration")],
        mutually_exclusive=[("documents", "arguments"), ("documents", "kubelet_configuration")],
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
