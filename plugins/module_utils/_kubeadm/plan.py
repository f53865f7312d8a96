# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Decide what kubeadm must still do on a host. Pure: frozen values in and out."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node

KUBELET_CONFIG = "/var/lib/kubelet/config.yaml"
KUBELET_PORT = 10250
SCHEDULER_PORT = 10259
CONTROLLER_MANAGER_PORT = 10257
ETCD_PORTS = (2379, 2380)
UPLOAD_CONFIG = "upload-config/kubeadm"
# What phases of init leave in the cluster, in the order in which they run (cmd/kubeadm/app/cmd/init.go). Those without
# an object of their own are judged by the node's label and by kubelet.conf.
_OBJECTS_BEFORE = {
    UPLOAD_CONFIG: "/api/v1/namespaces/kube-system/configmaps/kubeadm-config",
    "upload-config/kubelet": "/api/v1/namespaces/kube-system/configmaps/kubelet-config",
}
_OBJECTS_AFTER = {
    "bootstrap-token": "/api/v1/namespaces/kube-public/configmaps/cluster-info",
    "kubelet-finalize/enable-client-cert-rotation": "",
    "addon/coredns": "/apis/apps/v1/namespaces/kube-system/deployments/coredns",
}


class KubeadmError(OperatorError):
    """kubeadm may not or could not do what is asked for."""


@dataclass(frozen=True)
class Desired:
    """What the host shall be.

    :param operation: C(init) or C(join). :param role: C(control_plane) or C(worker).
    :param cluster_ids: hashes of the CA keys of the cluster to join; empty when not told.
    :param bind_port: port of this host's API server. :param etcd_dir: data folder of the local etcd.
    """

    operation: str
    role: str
    cluster_ids: tuple[str, ...] = ()
    ignore_preflight_errors: tuple[str, ...] = ()
    skip_phases: tuple[str, ...] = ()
    bind_port: int = 6443
    etcd_dir: str = "/var/lib/etcd"


@dataclass(frozen=True)
class Observation:
    """What the host is.

    :param etcd_data: whether C(etcd_dir) holds data. :param credentials: whether the kubelet has made itself a
        certificate, which it does in a cluster alone.
    :param unfinished: phases of C(kubeadm init) or C(join) whose result is not there; C(None) while nobody looked.
    """

    host: str
    membership: node.Membership
    files: tuple[str, ...]
    cluster_id: str | None = None
    etcd_data: bool = False
    unfinished: tuple[str, ...] | None = None
    credentials: bool = False


@dataclass(frozen=True)
class Step:
    """One change.

    :param kind: C(remove) (a file), C(init), C(join) or C(phase) (one phase of them).
    :param path: of the file to remove. :param phase: to run, for example C(addon/coredns).
    """

    name: str
    kind: str
    path: str = ""
    phase: str = ""
    resumed: bool = False


@dataclass(frozen=True)
class Plan:
    """The steps, and what kubeadm is told beside its documents."""

    steps: tuple[Step, ...] = ()
    ignore_preflight_errors: tuple[str, ...] = ()
    skip_phases: tuple[str, ...] = ()

    def names(self) -> list[str]:
        return [step.name for step in self.steps]

    def runs(self, *kinds: str) -> bool:
        """Whether a step of one of these kinds is in the plan."""
        return any(step.kind in kinds for step in self.steps)


def needs_look(observation: Observation) -> bool:
    """Whether the cluster must be asked before a plan can be made: a control plane with all its files.

    Without the kubelet's configuration, init stopped before it started anything; asking would only wait.
    """
    own = observation.membership
    return own.state == "member" and own.role == "control_plane" and KUBELET_CONFIG in observation.files


def deleted_manifests(observation: Observation) -> tuple[str, ...]:
    """Manifests that this host once had, and nothing but them is missing: it is a control plane to be mended.

    kubeadm writes the manifests of the control plane before it starts the kubelet, and that of etcd before etcd makes
    its data; where these followed, an interrupted run is not what left the manifests out.
    """
    own = observation.membership
    once = (
        *(node.CONTROL_PLANE_MANIFESTS if observation.credentials else ()),
        *((node.ETCD_MANIFEST,) if observation.etcd_data else ()),
    )
    files = (node.KUBELET_CONF, node.CA_KEY, KUBELET_CONFIG)
    if own.state != "partial" or own.role != "control_plane" or not set(files) <= set(observation.files):
        return ()
    return own.missing if set(own.missing) <= set(once) else ()


def resume_errors(observation: Observation, desired: Desired) -> tuple[str, ...]:
    """Preflight errors that a run which is taken up again trips over by what the first run left, and no others.

    Names and order follow cmd/kubeadm/app/preflight/checks.go of Kubernetes 1.36 (InitNodeChecks, JoinNodeChecks): a
    check of a path has every slash replaced by a dash.
    """
    own = set(observation.files)
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
        if observation.etcd_data:
            names.append("DirAvailable-" + desired.etcd_dir.replace("/", "-"))
    if desired.operation == "join":
        available(node.KUBELET_CONF)
        available(node.BOOTSTRAP_CONF)
        if desired.role == "worker":
            available(node.CA_CERT)
    if KUBELET_CONFIG in own:
        names.append(f"Port-{KUBELET_PORT}")
    return tuple(names)


def _ignored(observation: Observation, desired: Desired) -> tuple[str, ...]:
    if "all" in (name.lower() for name in desired.ignore_preflight_errors):
        return desired.ignore_preflight_errors
    return tuple(dict.fromkeys((*desired.ignore_preflight_errors, *resume_errors(observation, desired))))


def _refuse_foreign_etcd(observation: Observation, owner: str) -> None:
    if observation.etcd_data and owner not in observation.files:
        raise KubeadmError(
            f"{observation.host} holds the data of an etcd, but not {owner} of the cluster that it belongs to."
            " Nothing was changed.",
            "Save the data if it may still be wanted, then reset the host (kubeadm reset), or restore its"
            " /etc/kubernetes/pki.",
        )


def plan_init(observation: Observation, desired: Desired) -> Plan:
    """Plan C(kubeadm init).

    Fresh: run it. Begun: run it again, as its phases keep the keys and files that they find. Once the configuration is
    in the cluster, only the phases that are missing: the host may be one of several by now, and its manifests are not
    rewritten for the sake of an add-on. Complete: nothing.

    :raises KubeadmError: for a worker, for data of an unknown etcd, and for a control plane that was never looked at.
    """
    own = observation.membership
    if desired.role != "control_plane":
        raise KubeadmError(
            "kubeadm init makes a control plane; the role asked for is worker.", "Use operation: join."
        )
    if own.state == "member" and own.role == "worker":
        raise KubeadmError(
            f"{observation.host} is a worker of the cluster {observation.cluster_id}; no cluster can be made on it.",
            "Remove the node from that cluster and reset the host first.",
        )
    _refuse_foreign_etcd(observation, node.CA_KEY)
    # kubelet.conf of a node that was joined as a worker without its CA: the host belongs somewhere.
    if (
        node.KUBELET_CONF in observation.files
        and node.CA_KEY not in observation.files
        and own.state != "member"
    ):
        raise KubeadmError(
            f"{observation.host} has {node.KUBELET_CONF} of a cluster, but not the key of its CA. Nothing was changed.",
            "Reset the host (kubeadm reset) if it is not wanted there any more.",
        )
    if own.state == "fresh":
        return Plan((Step("kubeadm init", "init"),), desired.ignore_preflight_errors, desired.skip_phases)
    leftovers = _leftovers(observation)
    if needs_look(observation):
        if observation.unfinished is None:
            raise KubeadmError("The cluster was not looked at before planning.", "Report this error.")
        if UPLOAD_CONFIG not in observation.unfinished:
            return Plan((*leftovers, *(_phase("init", phase) for phase in observation.unfinished)))
    return Plan(
        (*leftovers, Step("resume kubeadm init", "init", resumed=True)),
        _ignored(observation, desired),
        desired.skip_phases,
    )


def _phase(operation: str, phase: str) -> Step:
    return Step(f"kubeadm {operation} phase {phase}", "phase", phase=phase)


def _leftovers(observation: Observation) -> tuple[Step, ...]:
    """A member needs no bootstrap credentials any more; they hold a token."""
    if observation.membership.state == "member" and node.BOOTSTRAP_CONF in observation.files:
        return (Step(f"remove {node.BOOTSTRAP_CONF}", "remove", node.BOOTSTRAP_CONF),)
    return ()


def plan_join(observation: Observation, desired: Desired) -> Plan:
    """Plan C(kubeadm join).

    Fresh: run it. Begun: run it again. Member of the expected cluster in the expected role: nothing.

    :raises KubeadmError: for a member of another cluster, another role, or data of an unknown etcd.
    """
    own = observation.membership
    if observation.cluster_id and desired.cluster_ids and observation.cluster_id not in desired.cluster_ids:
        raise KubeadmError(
            f"{observation.host} belongs to the cluster {observation.cluster_id}, expected"
            f" {' or '.join(desired.cluster_ids)}. Nothing was changed.",
            "Take the host out of this inventory, or remove it from its cluster and reset it (kubeadm reset) first.",
            cluster_id=observation.cluster_id,
            expected_cluster_ids=list(desired.cluster_ids),
        )
    if own.state == "member" and own.role != desired.role:
        raise KubeadmError(
            f"{observation.host} is a {_words(own.role)} of the cluster already, expected a {_words(desired.role)}.",
            "Move it to the matching inventory group, or remove the node, reset the host and join it anew.",
        )
    if desired.role == "worker" and own.role == "control_plane":
        raise KubeadmError(
            f"{observation.host} holds files of a control plane, expected a worker. Nothing was changed.",
            "Move it to the control planes of the inventory, or reset the host (kubeadm reset) first.",
        )
    if desired.role == "control_plane":
        _refuse_foreign_etcd(observation, node.CA_CERT)
    if own.state == "member":
        steps = _leftovers(observation)
        if desired.role == "control_plane":
            steps = (*steps, *(_phase("join", phase) for phase in observation.unfinished or ()))
        return Plan(steps)
    if own.state == "fresh":
        return Plan((Step("kubeadm join", "join"),), desired.ignore_preflight_errors, desired.skip_phases)
    skip = desired.skip_phases
    if node.KUBELET_CONF in observation.files and KUBELET_CONFIG in observation.files:
        # The kubelet has its certificate. kubelet-start would refuse: a node of this name is Ready, namely this one
        # (cmd/kubeadm/app/cmd/phases/join/kubelet.go).
        skip = tuple(dict.fromkeys((*skip, "kubelet-start")))
    return Plan((Step("resume kubeadm join", "join", resumed=True),), _ignored(observation, desired), skip)


def _words(role: str | None) -> str:
    return (role or "node").replace("_", " ")


def unfinished_phases(
    operation: str,
    skip_phases: t.Collection[str],
    dns: bool,
    exists: t.Callable[[str], bool],
    marked: bool,
    rotatable: bool,
) -> tuple[str, ...]:
    """The phases of a control plane that have not left their result, in the order in which they run.

    A phase that is skipped, by its own name or its parent's, leaves nothing and is not missed.

    :param dns: whether kubeadm installs CoreDNS. :param exists: tells of a path below the API whether it is there.
    :param marked: whether the node object has the control plane's label.
    :param rotatable: whether the kubelet uses the certificate that it renews itself.
    """
    skipped = set(skip_phases)

    def wanted(phase: str) -> bool:
        return phase not in skipped and phase.partition("/")[0] not in skipped

    left: list[str] = []
    if operation == "join":
        wants_mark = wanted("control-plane-join/mark-control-plane")
        return ("control-plane-join/mark-control-plane",) if wants_mark and not marked else ()
    left.extend(phase for phase, path in _OBJECTS_BEFORE.items() if wanted(phase) and not exists(path))
    if wanted("mark-control-plane") and not marked:
        left.append("mark-control-plane")
    for phase, path in _OBJECTS_AFTER.items():
        if not wanted(phase) or (phase == "addon/coredns" and not dns):
            continue
        if not (exists(path) if path else rotatable):
            left.append(phase)
    return tuple(left)
