# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Decide what C(kubeadm init) or C(kubeadm join) still has to do on a host. Pure: frozen values in and out."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import (
    KubeadmError,
    Plan,
    Step,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import LOST_AND_FOUND

KUBELET_CONFIG = "/var/lib/kubelet/config.yaml"
KUBELET_PORT = 10250
SCHEDULER_PORT = 10259
CONTROLLER_MANAGER_PORT = 10257
ETCD_PORTS = (2379, 2380)
# What ext2 to ext4 have at their root.
UPLOAD_CONFIG = "upload-config/kubeadm"
# What phases of init leave in the cluster, in the order in which they run (cmd/kubeadm/app/cmd/init.go). Those without
# an object of their own are recognised by the node's label and by kubelet.conf.
_OBJECTS_BEFORE = {
    UPLOAD_CONFIG: "/api/v1/namespaces/kube-system/configmaps/kubeadm-config",
    "upload-config/kubelet": "/api/v1/namespaces/kube-system/configmaps/kubelet-config",
}
_OBJECTS_AFTER = {
    "bootstrap-token": "/api/v1/namespaces/kube-public/configmaps/cluster-info",
    "kubelet-finalize/enable-client-cert-rotation": "",
    "addon/coredns": "/apis/apps/v1/namespaces/kube-system/deployments/coredns",
}


@dataclass(frozen=True)
class DesiredNode:
    """What the host has to be.

    :param operation: C(init) or C(join). :param role: C(control_plane) or C(worker).
    :param cluster_ids: hashes of the CA keys of the cluster to join; empty when unknown.
    :param bind_port: port of this host's API server. :param etcd_dir: data directory of the local etcd.
    """

    operation: str
    role: str
    cluster_ids: tuple[str, ...] = ()
    ignore_preflight_errors: tuple[str, ...] = ()
    skip_phases: tuple[str, ...] = ()
    bind_port: int = 6443
    etcd_dir: str = "/var/lib/etcd"


@dataclass(frozen=True)
class ObservedNode:
    """What the host is now.

    :param etcd_data: whether C(etcd_dir) holds data.
    :param etcd_dir: names in C(etcd_dir). :param credentials: whether the kubelet has a client
        certificate of its own, which it gets only in a cluster.
    :param unfinished: phases of C(kubeadm init) or C(join) whose result is missing; C(None) while unknown.
    """

    host: str
    membership: node.Membership
    files: tuple[str, ...]
    cluster_id: str | None = None
    etcd_data: bool = False
    unfinished: tuple[str, ...] | None = None
    credentials: bool = False
    etcd_dir: tuple[str, ...] = ()


def needs_cluster_state(observed: ObservedNode) -> bool:
    """Whether the cluster has to be asked before a plan can be made: on a control plane with all its files.

    Without the kubelet's configuration, init stopped before it started anything, and asking would only wait.
    """
    own = observed.membership
    return own.state == "member" and own.role == "control_plane" and KUBELET_CONFIG in observed.files


def without_deleted_manifests(observed: ObservedNode) -> ObservedNode:
    """The host with its membership as it is once deleted manifests are restored."""
    if not deleted_manifests(observed):
        return observed
    return replace(observed, membership=node.Membership("member", "control_plane"))


def deleted_manifests(observed: ObservedNode) -> tuple[str, ...]:
    """Manifests that this host once had, when nothing else is missing: a control plane that needs them restored.

    kubeadm writes the manifests of the control plane before it starts the kubelet, and that of etcd before etcd creates
    its data. Where these followed, the manifests are not missing because of an interrupted run.
    """
    own = observed.membership
    once = (
        *(node.CONTROL_PLANE_MANIFESTS if observed.credentials else ()),
        *((node.ETCD_MANIFEST,) if observed.etcd_data else ()),
    )
    files = (node.KUBELET_CONF, node.CA_KEY, KUBELET_CONFIG)
    if own.state != "partial" or own.role != "control_plane" or not set(files) <= set(observed.files):
        return ()
    return own.missing if set(own.missing) <= set(once) else ()


def resume_errors(observed: ObservedNode, desired: DesiredNode) -> tuple[str, ...]:
    """Preflight errors that what an interrupted run left causes in the next one, and no others.

    Names and order follow cmd/kubeadm/app/preflight/checks.go of Kubernetes 1.36 (InitNodeChecks, JoinNodeChecks): a
    check of a path has every slash replaced by a dash.
    """
    own = set(observed.files)
    names: list[str] = []

    def available(path: str) -> None:
        if path in own:
            names.append("FileAvailable-" + path.replace("/", "-"))

    if desired.role == "control_plane":
        for path in (*node.CONTROL_PLANE_MANIFESTS, node.ETCD_MANIFEST):
            available(path)
        ports = {
            node.CONTROL_PLANE_MANIFESTS[0]: (desired.bind_port,),
            node.CONTROL_PLANE_MANIFESTS[2]: (SCHEDULER_PORT,),
            node.CONTROL_PLANE_MANIFESTS[1]: (CONTROLLER_MANAGER_PORT,),
            node.ETCD_MANIFEST: ETCD_PORTS,
        }
        for path, numbers in ports.items():
            if path in own:
                names.extend(f"Port-{number}" for number in numbers)
        if observed.etcd_data:
            names.append(_directory_error(desired))
    if desired.operation == "join":
        available(node.KUBELET_CONF)
        available(node.BOOTSTRAP_CONF)
        if desired.role == "worker":
            available(node.CA_CERT)
    if KUBELET_CONFIG in own:
        names.append(f"Port-{KUBELET_PORT}")
    return tuple(names)


def _directory_error(desired: DesiredNode) -> str:
    return "DirAvailable-" + desired.etcd_dir.replace("/", "-")


def _ignored(observed: ObservedNode, desired: DesiredNode, resumes: bool = True) -> tuple[str, ...]:
    asked = desired.ignore_preflight_errors
    if "all" in (name.lower() for name in asked):
        return asked
    own = resume_errors(observed, desired) if resumes else ()
    # kubeadm expects an empty directory. A file system of its own for etcd has this one, and etcd does not mind.
    disk = observed.etcd_dir == (LOST_AND_FOUND,) and desired.role == "control_plane"
    return tuple(dict.fromkeys((*asked, *own, *((_directory_error(desired),) if disk else ()))))


def _refuse_unknown_etcd(observed: ObservedNode, owner: str, desired: DesiredNode) -> None:
    directory = desired.etcd_dir
    if observed.etcd_data and owner not in observed.files:
        raise KubeadmError(
            f"{observed.host} holds the data of an etcd in {directory}, but not {owner} of the cluster that it belongs"
            " to. Nothing was changed.",
            f"Save the data if it may still be needed, then empty {directory}, or restore the host's"
            " /etc/kubernetes/pki.",
        )
    others = [name for name in observed.etcd_dir if name != LOST_AND_FOUND]
    error = _directory_error(desired).lower()
    ignored = {"all", error}.intersection(name.lower() for name in desired.ignore_preflight_errors)
    if others and not observed.etcd_data and not ignored and observed.membership.state != "member":
        raise KubeadmError(
            f"{observed.host} has {', '.join(others[:3])} in {directory}, where etcd's data is going to be; expected an"
            " empty directory (lost+found of a file system may be there). Nothing was changed.",
            f"Move it away, or add {_directory_error(desired)} to cluster_ignore_preflight_errors if it does not"
            " matter.",
        )


def plan_init(observed: ObservedNode, desired: DesiredNode) -> Plan:
    """Plan C(kubeadm init).

    Fresh host: run it. Incomplete: run it again, as its phases keep the keys and files that they find. Once the
    configuration is in the cluster, only the missing phases: the host may be one of several by now, and its manifests
    are not rewritten for the sake of an add-on. Complete: nothing.

    :raises KubeadmError: for a worker, for data of an unknown etcd, and when the cluster was not asked.
    """
    own = observed.membership
    if desired.role != "control_plane":
        raise KubeadmError(
            "kubeadm init creates a control plane; the role asked for is worker.", "Use operation: join."
        )
    if own.state == "member" and own.role == "worker":
        raise KubeadmError(
            f"{observed.host} is a worker of the cluster {observed.cluster_id}; no cluster can be created on it.",
            "Remove the node from that cluster, and run the playbook reset on this host first.",
        )
    _refuse_unknown_etcd(observed, node.CA_KEY, desired)
    # kubelet.conf of a node that was joined as a worker without its CA: the host belongs somewhere.
    if node.KUBELET_CONF in observed.files and node.CA_KEY not in observed.files and own.state != "member":
        raise KubeadmError(
            f"{observed.host} has {node.KUBELET_CONF} of a cluster, but not the key of its CA. Nothing was changed.",
            "Run the playbook reset on this host if it is not needed there any more.",
        )
    if own.state == "fresh":
        ignored = _ignored(observed, desired, resumes=False)
        return Plan((Step("kubeadm init", "init"),), ignored, desired.skip_phases)
    leftovers = _leftovers(observed)
    if needs_cluster_state(observed):
        if observed.unfinished is None:
            raise KubeadmError("The cluster was not asked before planning.", "Report this error.")
        if UPLOAD_CONFIG not in observed.unfinished:
            return Plan((*leftovers, *(_phase("init", phase) for phase in observed.unfinished)))
    return Plan(
        (*leftovers, Step("resume kubeadm init", "init")),
        _ignored(observed, desired),
        desired.skip_phases,
    )


def _phase(operation: str, phase: str) -> Step:
    return Step(f"kubeadm {operation} phase {phase}", "phase", phase)


def _leftovers(observed: ObservedNode) -> tuple[Step, ...]:
    """Remove bootstrap credentials from a member, which needs them no more; they hold a token."""
    if observed.membership.state == "member" and node.BOOTSTRAP_CONF in observed.files:
        return (Step(f"remove {node.BOOTSTRAP_CONF}", "remove", node.BOOTSTRAP_CONF),)
    return ()


def plan_join(observed: ObservedNode, desired: DesiredNode) -> Plan:
    """Plan C(kubeadm join).

    Fresh host: run it. Incomplete: run it again. Member of the expected cluster in the expected role: nothing.

    :raises KubeadmError: for a member of another cluster, another role, or data of an unknown etcd.
    """
    own = observed.membership
    if observed.cluster_id and desired.cluster_ids and observed.cluster_id not in desired.cluster_ids:
        raise KubeadmError(
            f"{observed.host} belongs to the cluster {observed.cluster_id}, expected"
            f" {' or '.join(desired.cluster_ids)}. Nothing was changed.",
            "Take the host out of this inventory, or remove it from its cluster and reset it (playbook reset) first.",
            cluster_id=observed.cluster_id,
            expected_cluster_ids=list(desired.cluster_ids),
        )
    if own.state == "member" and own.role != desired.role:
        raise KubeadmError(
            f"{observed.host} is a {_role_name(own.role)} of the cluster already,"
            f" expected a {_role_name(desired.role)}.",
            "Move it to the matching inventory group, or remove the node, reset the host and join it again.",
        )
    if desired.role == "worker" and own.role == "control_plane":
        raise KubeadmError(
            f"{observed.host} holds files of a control plane, expected a worker. Nothing was changed.",
            "Move it to the control planes of the inventory, or run the playbook reset on this host first.",
        )
    if desired.role == "control_plane":
        _refuse_unknown_etcd(observed, node.CA_CERT, desired)
    if own.state == "member":
        steps = _leftovers(observed)
        if desired.role == "control_plane":
            steps = (*steps, *(_phase("join", phase) for phase in observed.unfinished or ()))
        return Plan(steps)
    if own.state == "fresh":
        ignored = _ignored(observed, desired, resumes=False)
        return Plan((Step("kubeadm join", "join"),), ignored, desired.skip_phases)
    skip = desired.skip_phases
    if node.KUBELET_CONF in observed.files and KUBELET_CONFIG in observed.files:
        # The kubelet has its certificate. kubelet-start would refuse: a node of this name is Ready, namely this one
        # (cmd/kubeadm/app/cmd/phases/join/kubelet.go).
        skip = tuple(dict.fromkeys((*skip, "kubelet-start")))
    return Plan((Step("resume kubeadm join", "join"),), _ignored(observed, desired), skip)


def _role_name(role: str | None) -> str:
    return (role or "node").replace("_", " ")


def unfinished_phases(
    operation: str,
    skip_phases: t.Collection[str],
    dns: bool,
    exists: t.Callable[[str], bool],
    marked: bool,
    rotatable: bool,
) -> tuple[str, ...]:
    """The phases of a control plane whose result is missing, in the order in which they run.

    A phase that is skipped, by its own name or its parent's, leaves nothing and is not reported.

    :param dns: whether kubeadm installs CoreDNS. :param exists: whether the API server has an object at a path.
    :param marked: whether the node object has the control plane's label.
    :param rotatable: whether the kubelet uses the certificate that it renews itself.
    """
    skipped = set(skip_phases)

    def runs(phase: str) -> bool:
        return phase not in skipped and phase.partition("/")[0] not in skipped

    missing: list[str] = []
    if operation == "join":
        marks = runs("control-plane-join/mark-control-plane")
        return ("control-plane-join/mark-control-plane",) if marks and not marked else ()
    missing.extend(phase for phase, path in _OBJECTS_BEFORE.items() if runs(phase) and not exists(path))
    if runs("mark-control-plane") and not marked:
        missing.append("mark-control-plane")
    for phase, path in _OBJECTS_AFTER.items():
        if not runs(phase) or (phase == "addon/coredns" and not dns):
            continue
        if not (exists(path) if path else rotatable):
            missing.append(phase)
    return tuple(missing)
