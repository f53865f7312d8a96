# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Decide what has to change on a node that is a member already. Pure: frozen values in and out."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import documents as docs
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import manifests
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import (
    DesiredFile,
    KubeadmError,
    ObservedFile,
    Plan,
    Step,
)

# What a running cluster is built on. kubeadm would store a new value, and the cluster would not follow it.
_FIXED: tuple[tuple[str, ...], ...] = (
    ("certificatesDir",),
    ("clusterName",),
    ("networking", "dnsDomain"),
    ("networking", "podSubnet"),
    ("networking", "serviceSubnet"),
    ("etcd", "external"),
    ("etcd", "local", "dataDir"),
)
# Fields that CoreDNS is deployed from.
_DNS = ("dns", "imageRepository")


@dataclass(frozen=True)
class DesiredConfiguration:
    """What kubeadm makes of the documents.

    :param cluster: ClusterConfiguration as kubeadm uploads it, C(None) when this host does not upload it.
    :param kubelet: the same of the KubeletConfiguration.
    """

    files: tuple[DesiredFile, ...] = ()
    cluster: str | None = None
    kubelet: str | None = None


@dataclass(frozen=True)
class ObservedConfiguration:
    """What host and cluster have.

    :param answers: whether the API server answered; otherwise C(cluster) and C(kubelet) are unknown.
    :param pending: files that an interrupted run replaced without having verified that the components work with them.
    """

    host: str
    files: t.Mapping[str, ObservedFile]
    answers: bool = True
    cluster: str | None = None
    kubelet: str | None = None
    pending: frozenset[str] = frozenset()

    def file(self, desired: DesiredFile) -> ObservedFile:
        """The file in place of a desired one."""
        return self.files.get(desired.path, ObservedFile())


@dataclass(frozen=True)
class Comparison:
    """A member as it has to be and as it is, and what its steps are applied with.

    :param documents: for the phases of C(kubeadm init) that write to the cluster, InitConfiguration first.
    :param skipped: settings that are left alone, and why.
    """

    desired: DesiredConfiguration
    observed: ObservedConfiguration
    documents: tuple[docs.Document, ...] = ()
    skipped: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def empty(cls, host: str) -> Comparison:
        """Of a host where nothing is reconfigured."""
        return cls(DesiredConfiguration(), ObservedConfiguration(host, {}))


def _misplaced(desired: DesiredFile, observed: ObservedFile) -> list[str]:
    """How mode and owner differ."""
    return [
        f"{name} {shown(now)} instead of {shown(then)}"
        for name, now, then, shown in (
            ("mode", observed.mode, desired.mode, lambda value: f"{value:04o}"),
            ("owner", observed.uid, desired.uid, str),
            ("group", observed.gid, desired.gid, str),
        )
        if then is not None and now != then
    ]


def _diff(desired: DesiredFile, observed: ObservedFile) -> str:
    if desired.content == observed.content:
        rights = ", ".join(_misplaced(desired, observed))
        return f"{desired.path}: {rights}\n" if rights else ""
    if desired.secret:
        if desired.note:
            return f"{desired.path}: {desired.note}\n"
        state = "does not exist" if observed.content is None else "has other contents"
        return f"{desired.path}: {state} (secret, not shown)\n"
    return manifests.diff(desired.path, observed.text, desired.text)


def _differs(desired: DesiredFile, observed: ObservedFile) -> bool:
    return (
        observed.content is None or desired.content != observed.content or bool(_misplaced(desired, observed))
    )


def _file(desired: DesiredFile, observed: ObservedFile) -> Step:
    if observed.content is None:
        name = f"{desired.path} placed"
    elif desired.content == observed.content:
        name = f"{desired.path} corrected: {', '.join(_misplaced(desired, observed))}"
    else:
        name = f"{desired.path} replaced"
    return Step(name, "file", files=(desired,), diff=_diff(desired, observed))


def _manifest(desired: DesiredFile, observed: ObservedFile, pending: bool) -> Step:
    before, after = observed.text, desired.text
    restarts = not manifests.same_pod(before, after)
    if before is None:
        name = f"{desired.component} restored: its manifest was missing"
    elif restarts:
        name = f"{desired.component} reconfigured"
    elif before != after:
        name = f"{desired.component} manifest rewritten, which makes the same pod"
    elif pending:
        name = f"{desired.component} verified after an interrupted run"
    else:
        name = f"{desired.component} manifest corrected: {', '.join(_misplaced(desired, observed))}"
    return Step(name, "manifest", desired.component, (desired,), restarts, _diff(desired, observed))


def _kubelet(desired: t.Sequence[DesiredFile], observed: ObservedConfiguration) -> list[Step]:
    changed = tuple(
        item for item in desired if _differs(item, observed.file(item)) or item.path in observed.pending
    )
    shown = "".join(_diff(item, observed.file(item)) for item in changed)
    return [Step("kubelet reconfigured", "kubelet", "kubelet", changed, True, shown)] if changed else []


def _certificate(desired: t.Sequence[DesiredFile], observed: ObservedConfiguration) -> list[Step]:
    changed = tuple(item for item in desired if _differs(item, observed.file(item)))
    if not changed:
        return []
    note = changed[0].note
    name = "API server's certificate reissued" + (f": {note}" if note else "")
    shown = f"{changed[0].path}: {note or 'reissued'}\n"
    return [Step(name, "certificate", "kube-apiserver", changed, diff=shown)]


def _kubeconfigs(desired: t.Sequence[DesiredFile], observed: ObservedConfiguration) -> list[Step]:
    changed = tuple(item for item in desired if _differs(item, observed.file(item)))
    if not changed:
        return []
    shown = "".join(_diff(item, observed.file(item)) for item in changed)
    name = f"administrator's kubeconfig moved: {changed[0].note}"
    return [Step(name, "kubeconfig", "admin", changed, diff=shown)]


def _value(configuration: t.Any, path: t.Sequence[str]) -> t.Any:
    for key in path:
        configuration = configuration.get(key) if isinstance(configuration, dict) else None
    return configuration


def refuse(desired: DesiredConfiguration, observed: ObservedConfiguration, upgrades: bool = False) -> None:
    """Refuse what is no reconfiguration.

    :param upgrades: whether another version of Kubernetes is what is wanted.
    :raises KubeadmError: for another version of Kubernetes, and for what a running cluster is built on.
    """
    if desired.cluster is None:
        return
    if observed.cluster is None:
        if not upgrades:
            _refuse_other_images(desired, observed)
        return
    new, old = docs.parse(desired.cluster, docs.OUTPUT), docs.stored_cluster(observed.cluster)
    target = str(new.get("kubernetesVersion") or "")
    if not upgrades and str(old.get("kubernetesVersion") or "").lstrip("v") != target.lstrip("v"):
        raise _upgrade(observed.host, str(old.get("kubernetesVersion")), target)
    other = [path for path in _FIXED if _value(old, path) != _value(new, path)]
    if other:
        listed = "; ".join(
            f"{'.'.join(path)} is {_value(old, path)!r}, expected {_value(new, path)!r}" for path in other
        )
        raise KubeadmError(
            f"{observed.host}: the cluster was created with values that cannot be changed while it runs: {listed}."
            " Nothing was changed.",
            "Set the values back, or create a new cluster with the new ones.",
        )
    _refuse_own_endpoint(desired, observed, old, new)


def _refuse_own_endpoint(
    desired: DesiredConfiguration, observed: ObservedConfiguration, old: docs.Document, new: docs.Document
) -> None:
    """Refuse to go back from a shared endpoint to the address of one host."""
    before, after = str(old.get("controlPlaneEndpoint") or ""), str(new.get("controlPlaneEndpoint") or "")
    manifest = next(
        (item.text for item in desired.files if item.component == "kube-apiserver" and item.text), ""
    )
    own = (
        manifests.read_rendered("kube-apiserver", manifest).argument("advertise-address")
        if manifest
        else None
    )
    if before and before != after and own is not None and docs.host_of(after) == own:
        raise KubeadmError(
            f"{observed.host}: the cluster's endpoint is {before}, the documents ask for {after}, which is this host"
            " alone. Nothing was changed.",
            f"Set cluster_endpoint to {before}, or to another address that does not depend on one host.",
        )


def _refuse_other_images(desired: DesiredConfiguration, observed: ObservedConfiguration) -> None:
    """While the cluster does not answer, its manifests tell the version. Otherwise another image is an edit to undo."""
    for item in desired.files:
        running = observed.file(item).text
        if item.kind == "manifest" and item.component != "etcd" and running is not None:
            old, new = _version(item.component, running), _version(item.component, item.text)
            if old and new and old != new:
                raise _upgrade(observed.host, old, new)


def _version(component: str, text: str) -> str:
    try:
        return manifests.image_version(manifests.read(component, text).image)
    except ValueError:
        return ""


def _upgrade(host: str, old: str, new: str) -> KubeadmError:
    return KubeadmError(
        f"{host}: the cluster runs Kubernetes {old}, the documents ask for {new}. That is an upgrade, not a"
        " reconfiguration; nothing was changed.",
        f"Ask for {old}, or upgrade the cluster with the playbook upgrade.",
        kubernetes_version=old,
        expected_kubernetes_version=new,
    )


def _uploads(desired: DesiredConfiguration, observed: ObservedConfiguration) -> list[Step]:
    if not observed.answers:
        return []
    result = []
    # Before kubeadm-config, whose difference tells an interrupted run that this is still to do.
    if moves(desired, observed):
        result.append(Step("ConfigMap cluster-info updated", "upload", "cluster-info"))
    for phase, name, new, old in (
        ("upload-config/kubeadm", "kubeadm-config", desired.cluster, observed.cluster),
        ("upload-config/kubelet", "kubelet-config", desired.kubelet, observed.kubelet),
    ):
        if new is not None and (old is None or new.strip() != old.strip()):
            shown = manifests.diff(f"ConfigMap kube-system/{name}", old, new)
            result.append(Step(f"ConfigMap {name} updated", "upload", phase, diff=shown))
    if desired.cluster is not None and observed.cluster is not None:
        after, before = docs.parse(desired.cluster, docs.OUTPUT), docs.stored_cluster(observed.cluster)
        disabled = (after.get("dns") or {}).get("disabled", False)
        if not disabled and any(after.get(key) != before.get(key) for key in _DNS):
            result.append(Step("CoreDNS reconfigured", "addon", "addon/coredns"))
    return result


def moves(desired: DesiredConfiguration, observed: ObservedConfiguration) -> bool:
    """Whether the cluster gets another API endpoint."""
    if desired.cluster is None or observed.cluster is None:
        return False
    new, old = docs.parse(desired.cluster, docs.OUTPUT), docs.stored_cluster(observed.cluster)
    return bool(new.get("controlPlaneEndpoint")) and (
        new.get("controlPlaneEndpoint") != old.get("controlPlaneEndpoint")
    )


def plan_reconfiguration(comparison: Comparison, upgrades: bool = False) -> Plan:
    """The changes: files that components read, the certificate, the static pods in the order in which they need each
    other, the kubelet, and last what the cluster stores for nodes to come, so that it never has a value that did not
    work on one host.

    :param upgrades: whether another version of Kubernetes is no reason to refuse.
    :raises KubeadmError: for what is no reconfiguration.
    """
    desired, observed = comparison.desired, comparison.observed
    refuse(desired, observed, upgrades)

    def of(kind: str) -> list[DesiredFile]:
        return [item for item in desired.files if item.kind == kind]

    steps = plan_files(of("file"), observed)
    steps += _certificate(of("certificate"), observed)
    steps += _kubeconfigs(of("kubeconfig"), observed)
    for item in sorted(of("manifest"), key=lambda item: manifests.COMPONENTS.index(item.component)):
        pending = item.path in observed.pending
        if _differs(item, observed.file(item)) or pending:
            steps.append(_manifest(item, observed.file(item), pending))
    steps += _kubelet(of("kubelet"), observed)
    return Plan((*steps, *_uploads(desired, observed)))


def plan_files(desired: t.Iterable[DesiredFile], observed: ObservedConfiguration) -> list[Step]:
    """The changes of the files that components read."""
    return [_file(item, observed.file(item)) for item in desired if _differs(item, observed.file(item))]
