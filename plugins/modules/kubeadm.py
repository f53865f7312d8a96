# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeadm
short_description: Make a host a control plane or a node of a cluster with kubeadm, and keep it as it shall be
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Looks at the host, and for a control plane also at the cluster, and runs C(kubeadm init) or C(kubeadm join) when
    that has not run to its end.
  - An interrupted run is taken up again. kubeadm's phases keep the keys and files that they find, so nothing is reset;
    only the preflight errors that the first run itself causes are ignored.
  - A host that is a member already is compared with what kubeadm makes of the documents, and just the difference is
    changed. On a control plane with a ClusterConfiguration among O(documents) these are O(files), the API server's
    certificate when its names differ, the static pods of this host (a deleted or edited manifest is restored), the
    kubelet's files, and the ConfigMaps C(kubeadm-config) and C(kubelet-config). On a worker these are O(files) and the
    kubelet's files, which follow a KubeletConfiguration among O(documents), or C(kubelet-config) without one.
  - New arguments and files of the API server, the controller manager and the scheduler are tried first, in a container
    without a network, before anything is touched. Manifests are then replaced one at a time, and each component is
    waited for until it runs with its new arguments and is healthy. When one is not after O(ready_timeout), or ends
    again and again, all files are put back and the module fails with the component's last words. The ConfigMaps are
    written last.
  - Former contents of replaced files are kept in C(/var/lib/baremetal-kubernetes/kubeadm/backups), five runs back.
  - Another version of Kubernetes than the cluster's is refused, as are changes of what a running cluster is built on
    (its networks, names, endpoint and etcd's place).
  - With O(operation=adjust), some settings of a member are changed and all others stay as they are, in a cluster that
    anybody made with kubeadm. The documents are made of the ConfigMaps C(kubeadm-config) and C(kubelet-config) and of
    what the host says of itself; O(arguments) and O(kubelet_configuration) are put over them, and the difference takes
    the same way as above. Only the components that it is about are looked at. The changed settings stand in the
    ConfigMaps afterwards, where C(kubeadm upgrade) and nodes to come find them.
  - When such a component has a manifest or a configuration that somebody wrote by hand, so that it differs from what
    kubeadm makes of the cluster's configuration in more than what is to be changed, that is refused and shown.
  - A host that belongs to another cluster, or holds the data of an unknown etcd, is refused.
  - Afterwards it waits until the API server of a control plane is ready, or until the kubelet of a worker is healthy.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
attributes:
  check_mode:
    support: full
    details:
      - Secrets need not be given in check mode, as they exist only once the cluster is there.
      - Arguments are not tried in check mode.
  diff_mode:
    support: full
    details:
      - Shows the state of the host, the steps, and what changes in files and ConfigMaps. Secret files and keys are not
        shown.
  idempotent:
    support: full
options:
  operation:
    description:
      - Whether the host makes a cluster (V(init)), joins one (V(join)), or is a member whose settings are changed
        (V(adjust)).
      - To adjust a cluster, begin with its control planes, one after the other. Workers follow what these wrote down.
    type: str
    choices: [init, join, adjust]
    required: true
  role:
    description: What the host shall be. Needed but for O(operation=adjust), where the host tells.
    type: str
    choices: [control_plane, worker]
  arguments:
    description:
      - Arguments of the control plane's components that O(operation=adjust) changes. Each has one of
        O(arguments[].value), O(arguments[].absent), and O(arguments[].add) or O(arguments[].remove).
      - Ignored on workers.
    type: list
    elements: dict
    default: []
    suboptions:
      component:
        description: Whose argument it is.
        type: str
        choices: [etcd, kube-apiserver, kube-controller-manager, kube-scheduler]
        required: true
      name:
        description: Its name, without dashes.
        type: str
        required: true
      value:
        description: What it shall have.
        type: str
      keep:
        description: Whether any value is as good that the cluster's configuration has.
        type: bool
        default: false
      absent:
        description: Take it away. Where kubeadm sets the argument by itself, its value comes back.
        type: bool
        default: false
      add:
        description: Items that a list separated by commas shall have, beside those that are there.
        type: list
        elements: str
        default: []
      remove:
        description: Items that a list separated by commas shall not have.
        type: list
        elements: str
        default: []
      unless:
        description: Names of arguments beside which this one is left alone; RV(skipped) says so.
        type: list
        elements: str
        default: []
      volumes:
        description: What the component must see of the host for O(arguments[].value), as kubeadm's C(extraVolumes).
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
      - Fields of C(kubelet-config) that O(operation=adjust) changes, at all depths; V(null) takes a field away.
      - On a worker, a value that C(kubelet-config) does not have yet is refused.
    type: dict
    default: {}
  replace_edits:
    description:
      - Whether O(operation=adjust) may take back what somebody wrote into a manifest or the kubelet's file by hand.
    type: bool
    default: false
  documents:
    description:
      - Configuration that kubeadm reads, C(kubeadm.k8s.io/v1beta4) and C(kubelet.config.k8s.io/v1beta1), without
        secrets.
      - For V(join), discovery and the certificate key are added from the other options.
      - A control plane that joined is kept like the first one when it gets the same ClusterConfiguration and
        KubeletConfiguration. Without a ClusterConfiguration, a control plane that is there already stays as it is;
        without a KubeletConfiguration, its kubelet follows that of the cluster.
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
  files:
    description:
      - Files that the components read, for example an audit policy. They are placed before the components need them,
        and when one changes, the components that have it mounted (C(extraVolumes) of the ClusterConfiguration) restart.
      - A file that is no longer named stays where it is.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where it lies on the host.
        type: path
        required: true
      content:
        description: Its text. It is not logged.
        type: str
        required: true
      mode:
        description: Permission bits, octal.
        type: str
        default: '0600'
      owner:
        description: Name of the user that it belongs to.
        type: str
        default: root
      group:
        description: Name of the group that it belongs to.
        type: str
        default: root
      secret:
        description: Whether a diff leaves its contents out.
        type: bool
        default: true
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
  - crictl and ctr are used on a control plane, the former to show a log and the latter to try arguments. Without ctr,
    or with another container runtime than containerd, nothing is tried, and what does not work is put back.
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

- name: Make the cluster with an audit log, or give the log to the cluster that is there
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

- name: Give any cluster of kubeadm two settings, with all others kept
  baremetal.kubernetes.kubeadm:
    operation: adjust
    arguments:
      - {component: kube-apiserver, name: profiling, value: "false"}
      - {component: kube-apiserver, name: enable-admission-plugins, add: [DenyServiceExternalIPs]}
    kubelet_configuration:
      podPidsLimit: 4096

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
  description: Those of RV(steps) that change a node that is a member, or place O(files).
  returned: success
  type: list
  elements: str
  sample: [/etc/kubernetes/audit/policy.yaml replaced, kube-apiserver reconfigured, ConfigMap kubeadm-config updated]
skipped:
  description: Which of O(arguments) were left alone, and why.
  returned: O(operation=adjust)
  type: list
  elements: str
  sample: ["kube-apiserver --authentication-config: left alone because of --oidc-issuer-url"]
edited:
  description: Files that somebody wrote by hand.
  returned: when O(operation=adjust) was refused because of them
  type: list
  elements: str
  sample: [/etc/kubernetes/manifests/kube-apiserver.yaml]
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
  returned: when that was tried or put back
  type: str
  sample: kube-apiserver
rolled_back:
  description: Files that were put back.
  returned: when a new configuration did not work
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

import os
import time
import typing as t
from dataclasses import replace

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import documents
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.adjust import PLACES
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.adjusting import Adjusting
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.member import Member
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import (
    Desired,
    KubeadmError,
    Observation,
    Plan,
    Step,
    deleted_manifests,
    needs_look,
    plan_init,
    plan_join,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.reconfigure import Changes
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.redact import redact
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import (
    Host,
    Output,
    flags,
    fresh_token,
    look_further,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import (
    Membership,
    observe,
    under,
)

ARGUMENT_SPEC: dict[str, t.Any] = {
    "operation": {"type": "str", "choices": ["init", "join", "adjust"], "required": True},
    "role": {"type": "str", "choices": ["control_plane", "worker"]},
    "arguments": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "component": {"type": "str", "choices": sorted(PLACES), "required": True},
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
    "kubelet_configuration": {"type": "dict", "default": {}},
    "replace_edits": {"type": "bool", "default": False},
    "documents": {"type": "list", "elements": "dict", "default": []},
    "token": {"type": "str", "no_log": True},
    "ca_cert_hashes": {"type": "list", "elements": "str", "default": []},
    "certificate_key": {"type": "str", "no_log": True},
    "api_server_endpoint": {"type": "str"},
    "ignore_preflight_errors": {"type": "list", "elements": "str", "default": []},
    "skip_phases": {"type": "list", "elements": "str", "default": []},
    "patches": {"type": "path"},
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "path", "required": True},
            "content": {"type": "str", "required": True, "no_log": True},
            "mode": {"type": "str", "default": "0600"},
            "owner": {"type": "str", "default": "root"},
            "group": {"type": "str", "default": "root"},
            "secret": {"type": "bool", "default": True},
        },
    },
    "timeout": {"type": "int", "default": 600},
    "ready_timeout": {"type": "int", "default": 180},
    "kubeadm_path": {"type": "str", "default": "kubeadm"},
    "root": {"type": "path", "default": "/"},
}


class Site(t.NamedTuple):
    """What the module works on."""

    host: Host
    params: t.Mapping[str, t.Any]
    desired: Desired
    member: Member


class Look(t.NamedTuple):
    """What there is, and what is left to do."""

    observation: Observation
    plan: Plan
    changes: Changes

    def names(self) -> list[str]:
        return [*self.plan.names(), *self.changes.names()]


def init(site: Site, plan: Plan, phase: str) -> Output:
    """C(kubeadm init), or one phase of it."""
    token = fresh_token()
    host, params = site.host, site.params
    with site.member.renderer.patches() as patches:
        content = documents.render(documents.init_documents(params["documents"], token, patches))
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


def join(site: Site, plan: Plan, phase: str) -> Output:
    """C(kubeadm join), or one phase of it, which works with C(admin.conf) and needs no token."""
    host, params = site.host, site.params
    with site.member.renderer.patches() as patches:
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
                patches,
            )
            argv = ["join"]
            extra = flags(plan.ignore_preflight_errors, plan.skip_phases)
        with host.config_file(documents.render(own)) as path:
            secrets = [params["token"], params["certificate_key"]]
            return host.run([*argv, "--config", path, *extra], params["timeout"], secrets)


def perform(site: Site, plan: Plan, step: Step) -> Output | None:
    """Do one step."""
    if step.kind == "remove":
        os.unlink(under(site.host.root, step.path))
        return None
    if site.params["operation"] == "init":
        return init(site, plan, step.phase)
    return join(site, plan, step.phase)


def look(site: Site) -> Look:
    """What there is, and what is left to do: by the host's files, and by the cluster where they do not tell enough."""
    host, desired = site.host, site.desired
    found = host.observe(desired)
    foreign = desired.cluster_ids and found.cluster_id not in desired.cluster_ids
    if site.member.follows and deleted_manifests(found):
        found = replace(found, membership=Membership("member", "control_plane"))
    changes = Changes()
    if desired.role == "control_plane" and not foreign and needs_look(found):
        changes = site.member.look()
        if changes.local and not site.member.found.answers:
            # The API server may be away because of what is to be mended. Its cluster is looked at after that.
            found = replace(found, unfinished=())
        else:
            dns = documents.wants_dns(site.params["documents"])
            unfinished = look_further(host, found, desired, dns, site.params["ready_timeout"])
            found = replace(found, unfinished=unfinished)
    plan = plan_init(found, desired) if desired.operation == "init" else plan_join(found, desired)
    if desired.role == "worker" and found.membership.state == "member":
        changes = site.member.look()
    elif plan.runs("init", "join"):
        changes = site.member.misplaced_files()
    return Look(found, plan, changes)


def apply(site: Site, seen: Look) -> list[Output]:
    """Do all steps, and wait until what they started is healthy."""
    host, seconds = site.host, site.params["ready_timeout"]
    making = seen.plan.runs("init", "join")
    if making:
        # The control plane reads them at its first start.
        site.member.place_files()
    outputs = [output for step in seen.plan.steps if (output := perform(site, seen.plan, step)) is not None]
    if making or seen.plan.runs("phase"):
        site.member.tighten_kubelet_files()
        host.wait_kubelet(seconds)
        if site.desired.role == "control_plane":
            host.wait_ready(seconds)
    if not making:
        site.member.apply(seen.changes)
    return outputs


def work(site: Site) -> tuple[Look, list[str], list[str], list[Output]]:
    """Do what is left to do.

    A control plane whose API server was away is looked at again once that works.

    :return: the first look, the names of all steps and those of changes, and what kubeadm printed.
    """
    with site.host.exclusive(site.params["timeout"]):
        # Another run, whose controller is gone, may have been at work until now.
        first = seen = look(site)
        outputs = apply(site, seen)
        names, actions = seen.names(), seen.changes.names()
        if seen.changes.local and site.desired.role == "control_plane" and not site.member.found.answers:
            site.host.wait_ready(site.params["ready_timeout"])
            seen = look(site)
            outputs += apply(site, seen)
            names += seen.names()
            actions += seen.changes.names()
    return first, names, actions, outputs


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
    site = Site(host, params, desired, Member(host, params, module.check_mode))
    seen = look(site)
    names, actions = seen.names(), seen.changes.names()
    after = seen.observation
    outputs: list[Output] = []
    if not module.check_mode and (names or site.member.interrupted()):
        seen, names, actions, outputs = work(site)
        after = host.observe(desired)
    result: dict[str, t.Any] = {
        "changed": bool(names),
        "steps": names,
        "actions": actions,
        "state": after.membership.state,
        "cluster_id": after.cluster_id,
        "node_name": host.node_name(),
        "duration": round(time.monotonic() - began, 1),
    }
    for warning in site.member.warnings:
        module.warn(warning)
    if outputs:
        result["stdout"] = "".join(output.stdout for output in outputs)
        result["stderr"] = "".join(output.stderr for output in outputs)
    if module._diff:
        state = seen.observation.membership.state
        goal = "member" if seen.plan.steps else state
        steps = "".join(f"step: {name}\n" for name in names)
        result["diff"] = {"before": f"state: {state}\n", "after": f"state: {goal}\n{steps}"}
        if seen.changes.diffs():
            result["diff"]["prepared"] = redact(seen.changes.diffs())
    return result


def adjust(module: AnsibleModule) -> dict[str, t.Any]:
    """Change some settings of a member."""
    params = module.params
    began = time.monotonic()
    own = observe(params["root"])
    host = Host(params["root"], params["kubeadm_path"])
    role = own.membership.role
    if own.membership.state != "member" or role is None:
        raise KubeadmError(
            f"{host.name} is no complete member of a cluster ({own.membership.state}; missing:"
            f" {', '.join(own.membership.missing) or 'all files of kubeadm'}). Nothing was changed.",
            "Complete it first, with kubeadm or by the playbook site.",
        )
    member = Adjusting(host, params, role, module.check_mode)
    changes = member.look()
    if not module.check_mode and (changes.actions or member.interrupted()):
        with host.exclusive(params["timeout"]):
            # Another run, whose controller is gone, may have been at work until now.
            member = Adjusting(host, params, role)
            changes = member.look()
            member.apply(changes)
    result: dict[str, t.Any] = {
        "changed": bool(changes.actions),
        "steps": changes.names(),
        "actions": changes.names(),
        "skipped": member.skipped,
        "state": own.membership.state,
        "cluster_id": own.cluster_id,
        "node_name": own.node_name,
        "duration": round(time.monotonic() - began, 1),
    }
    if module._diff and changes.diffs():
        result["diff"] = {"prepared": redact(changes.diffs())}
    return result


def main() -> None:
    """Run the module."""
    required = [("operation", operation, ["role"]) for operation in ("init", "join")]
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True, required_if=required)
    run_module(module, adjust if module.params["operation"] == "adjust" else run)


if __name__ == "__main__":
    main()
