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

    :param etcd_data: whether C(etcd_dir) holds data.
    :param missing: objects that a finished C(kubeadm init) or C(join) leaves in the cluster and that are not there;
        C(None) while nobody looked.
    """

    host: str
    membership: node.Membership
    files: tuple[str, ...]
    cluster_id: str | None = None
    etcd_data: bool = False
    missing: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Step:
    """One change.

    :param kind: C(remove) (a file), C(init), C(join) or C(mark) (the node object as control plane).
    :param path: of the file to remove.
    """

    name: str
    kind: str
    path: str = ""
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

    Fresh: run it. Begun: run it again, as its phases keep the keys and files that they find. Complete: nothing.

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
        if observation.missing is None:
            raise KubeadmError("The cluster was not looked at before planning.", "Report this error.")
        if not observation.missing:
            return Plan(leftovers)
    return Plan(
        (*leftovers, Step("resume kubeadm init", "init", resumed=True)),
        _ignored(observation, desired),
        desired.skip_phases,
    )


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
        if desired.role == "control_plane" and observation.missing:
            steps = (*steps, Step("mark the node as control plane", "mark"))
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


def expected_objects(operation: str, skip_phases: t.Collection[str], dns: bool = True) -> tuple[str, ...]:
    """Paths below the API of what a finished run leaves in the cluster, but for the node itself.

    Each is written by another phase, so together they tell how far an interrupted init came. Skipped phases leave
    nothing.
    """
    if operation != "init":
        return ()
    own = set(skip_phases)
    paths = []
    if not own & {"upload-config", "upload-config/kubeadm"}:
        paths.append("/api/v1/namespaces/kube-system/configmaps/kubeadm-config")
    if not own & {"upload-config", "upload-config/kubelet"}:
        paths.append("/api/v1/namespaces/kube-system/configmaps/kubelet-config")
    if "bootstrap-token" not in own:
        paths.append("/api/v1/namespaces/kube-public/configmaps/cluster-info")
    if dns and not own & {"addon", "addon/coredns"}:
        paths.append("/apis/apps/v1/namespaces/kube-system/deployments/coredns")
    return tuple(paths)
