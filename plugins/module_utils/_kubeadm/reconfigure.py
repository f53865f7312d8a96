# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Decide what must change on a node that is a member already. Pure: frozen values in and out."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import yaml
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import manifests
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import KubeadmError

# What a running cluster is built on. kubeadm would write a new value down, and the cluster would not follow it.
_FIXED: tuple[tuple[str, ...], ...] = (
    ("certificatesDir",),
    ("clusterName",),
    ("controlPlaneEndpoint",),
    ("networking", "dnsDomain"),
    ("networking", "podSubnet"),
    ("networking", "serviceSubnet"),
    ("etcd", "external"),
    ("etcd", "local", "dataDir"),
)
# Fields that CoreDNS is deployed from.
_DNS = ("dns", "imageRepository")


@dataclass(frozen=True)
class FileState:
    """A file as it is; without content it is not there."""

    content: bytes | None = field(default=None, repr=False)
    mode: int = 0
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True)
class WantedFile:
    """A file as it shall be.

    :param kind: C(file), C(certificate), C(manifest) (of C(component)) or C(kubelet).
    :param mode: C(None) keeps that of the file, as do C(uid) and C(gid). :param secret: whether contents are not shown.
    :param note: what a message says of the change, for a certificate.
    """

    path: str
    content: bytes = field(repr=False)
    kind: str = "file"
    component: str = ""
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    secret: bool = False
    note: str = ""


@dataclass(frozen=True)
class Wanted:
    """What kubeadm makes of the documents.

    :param cluster: ClusterConfiguration as kubeadm uploads it, C(None) when this host is not to upload it.
    :param kubelet: the same of the KubeletConfiguration.
    """

    files: tuple[WantedFile, ...]
    cluster: str | None = None
    kubelet: str | None = None


@dataclass(frozen=True)
class Found:
    """What there is.

    :param answers: whether the API server answered; without, C(cluster) and C(kubelet) are unknown.
    :param unsettled: files that an interrupted run replaced without seeing them at work.
    """

    host: str
    files: t.Mapping[str, FileState]
    answers: bool = True
    cluster: str | None = None
    kubelet: str | None = None
    unsettled: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Action:
    """One change.

    :param kind: C(file), C(certificate), C(manifest), C(kubelet), C(upload) or C(phase).
    :param files: what is written. :param target: the component, the ConfigMap's phase or the phase of kubeadm.
    :param restarts: whether a pod is to be replaced by another.
    """

    kind: str
    name: str
    files: tuple[WantedFile, ...] = ()
    target: str = ""
    restarts: bool = False
    diff: str = field(default="", repr=False)


@dataclass(frozen=True)
class Changes:
    """All changes, in their order."""

    actions: tuple[Action, ...] = ()

    def names(self) -> list[str]:
        return [action.name for action in self.actions]

    def of(self, *kinds: str) -> tuple[Action, ...]:
        """The actions of some kinds."""
        return tuple(action for action in self.actions if action.kind in kinds)

    def diffs(self) -> str:
        return "".join(action.diff for action in self.actions)

    @property
    def local(self) -> bool:
        """Whether files of this host change."""
        return bool(self.of("file", "certificate", "manifest", "kubelet"))


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode("utf-8", "replace")


def _misplaced(wanted: WantedFile, found: FileState) -> list[str]:
    """How mode and owner differ."""
    return [
        f"{name} {shown(now)} instead of {shown(then)}"
        for name, now, then, shown in (
            ("mode", found.mode, wanted.mode, lambda value: f"{value:04o}"),
            ("owner", found.uid, wanted.uid, str),
            ("group", found.gid, wanted.gid, str),
        )
        if then is not None and now != then
    ]


def _shown(wanted: WantedFile, found: FileState) -> str:
    """The difference of a file for a person."""
    if wanted.content == found.content:
        rights = ", ".join(_misplaced(wanted, found))
        return f"{wanted.path}: {rights}\n" if rights else ""
    if wanted.secret:
        state = "is not there" if found.content is None else "has other contents"
        return f"{wanted.path}: {state} (secret, not shown)\n"
    return manifests.diff(wanted.path, _text(found.content), _text(wanted.content))


def _differs(wanted: WantedFile, found: FileState) -> bool:
    return found.content is None or wanted.content != found.content or bool(_misplaced(wanted, found))


def _plain(wanted: WantedFile, found: FileState) -> Action:
    if found.content is None:
        name = f"{wanted.path} placed"
    elif wanted.content == found.content:
        name = f"{wanted.path} corrected: {', '.join(_misplaced(wanted, found))}"
    else:
        name = f"{wanted.path} replaced"
    return Action("file", name, (wanted,), diff=_shown(wanted, found))


def _manifest(wanted: WantedFile, found: FileState, unsettled: bool) -> Action:
    before, after = _text(found.content), _text(wanted.content)
    restarts = not manifests.same_pod(before, after)
    if before is None:
        name = f"{wanted.component} restored: its manifest was not there"
    elif restarts:
        name = f"{wanted.component} reconfigured"
    elif before != after:
        name = f"{wanted.component} manifest rewritten, which makes the same pod"
    elif unsettled:
        name = f"{wanted.component} seen at work after an interrupted run"
    else:
        name = f"{wanted.component} manifest corrected: {', '.join(_misplaced(wanted, found))}"
    return Action("manifest", name, (wanted,), wanted.component, restarts, _shown(wanted, found))


def _kubelet(wanted: t.Sequence[WantedFile], found: Found) -> Action | None:
    changed = tuple(
        item
        for item in wanted
        if _differs(item, found.files.get(item.path, FileState())) or item.path in found.unsettled
    )
    if not changed:
        return None
    shown = "".join(_shown(item, found.files.get(item.path, FileState())) for item in changed)
    return Action("kubelet", "kubelet reconfigured", changed, "kubelet", True, shown)


def _certificate(wanted: t.Sequence[WantedFile], found: Found) -> Action | None:
    changed = tuple(item for item in wanted if _differs(item, found.files.get(item.path, FileState())))
    if not changed:
        return None
    note = changed[0].note
    name = "API server's certificate made anew" + (f": {note}" if note else "")
    return Action(
        "certificate", name, changed, "kube-apiserver", diff=f"{changed[0].path}: {note or 'made anew'}\n"
    )


def _value(configuration: t.Any, path: t.Sequence[str]) -> t.Any:
    for key in path:
        configuration = configuration.get(key) if isinstance(configuration, dict) else None
    return configuration


def parsed(text: str | None) -> dict[str, t.Any]:
    """A configuration as data; empty when it cannot be read."""
    try:
        value = yaml.load(text or "")
    except yaml.YamlError:
        return {}
    return value if isinstance(value, dict) else {}


def refuse(wanted: Wanted, found: Found) -> None:
    """Refuse what is no reconfiguration.

    :raises KubeadmError: for another version of Kubernetes, and for what a running cluster is built on.
    """
    if wanted.cluster is None:
        return
    new = parsed(wanted.cluster)
    old = parsed(found.cluster)
    target = str(new.get("kubernetesVersion") or "")
    if found.cluster is not None:
        if str(old.get("kubernetesVersion") or "").lstrip("v") != target.lstrip("v"):
            raise _upgrade(found.host, str(old.get("kubernetesVersion")), target)
        other = [path for path in _FIXED if _value(old, path) != _value(new, path)]
        if other:
            listed = "; ".join(
                f"{'.'.join(path)} is {_value(old, path)!r}, expected {_value(new, path)!r}" for path in other
            )
            raise KubeadmError(
                f"{found.host}: the cluster was made with values that cannot be changed while it runs: {listed}."
                " Nothing was changed.",
                "Set the values back, or make a new cluster with the new ones.",
            )
    if found.cluster is None:
        # The cluster cannot be asked; its manifests tell. Where it can, another image is an edit to mend.
        for item in wanted.files:
            running = found.files.get(item.path, FileState()).content
            if item.kind == "manifest" and item.component != "etcd" and running is not None:
                old_tag, new_tag = _version(item.component, running), _version(item.component, item.content)
                if old_tag and new_tag and old_tag != new_tag:
                    raise _upgrade(found.host, old_tag, new_tag)


def _version(component: str, content: bytes) -> str:
    try:
        return manifests.image_version(manifests.read(component, content.decode("utf-8", "replace")).image)
    except ValueError:
        return ""


def _upgrade(host: str, old: str, new: str) -> KubeadmError:
    return KubeadmError(
        f"{host}: the cluster runs Kubernetes {old}, the documents ask for {new}. That is an upgrade, not a"
        " reconfiguration; nothing was changed.",
        f"Ask for {old}, or upgrade the cluster first.",
        kubernetes_version=old,
        expected_kubernetes_version=new,
    )


def _uploads(wanted: Wanted, found: Found) -> list[Action]:
    if not found.answers:
        return []
    result = []
    for phase, name, new, old in (
        ("upload-config/kubeadm", "kubeadm-config", wanted.cluster, found.cluster),
        ("upload-config/kubelet", "kubelet-config", wanted.kubelet, found.kubelet),
    ):
        if new is not None and (old is None or new.strip() != old.strip()):
            shown = manifests.diff(f"ConfigMap kube-system/{name}", old, new)
            result.append(Action("upload", f"ConfigMap {name} updated", target=phase, diff=shown))
    if wanted.cluster is not None and found.cluster is not None:
        new_values, old_values = parsed(wanted.cluster), parsed(found.cluster)
        disabled = (new_values.get("dns") or {}).get("disabled", False)
        if not disabled and any(new_values.get(key) != old_values.get(key) for key in _DNS):
            result.append(Action("phase", "CoreDNS reconfigured", target="addon/coredns"))
    return result


def plan(wanted: Wanted, found: Found) -> Changes:
    """The changes: files that components read, the certificate, the static pods in the order in which they need each
    other, the kubelet, and what the cluster keeps for nodes to come, which is last: it shall name no value that has not
    worked on one host.

    :raises KubeadmError: for what is no reconfiguration.
    """
    refuse(wanted, found)

    def of(kind: str) -> list[WantedFile]:
        return [item for item in wanted.files if item.kind == kind]

    actions: list[Action] = []
    for item in of("file"):
        state = found.files.get(item.path, FileState())
        if _differs(item, state):
            actions.append(_plain(item, state))
    certificate = _certificate(of("certificate"), found)
    if certificate:
        actions.append(certificate)
    for item in sorted(of("manifest"), key=lambda item: manifests.COMPONENTS.index(item.component)):
        state = found.files.get(item.path, FileState())
        unsettled = item.path in found.unsettled
        if _differs(item, state) or unsettled:
            actions.append(_manifest(item, state, unsettled))
    kubelet = _kubelet(of("kubelet"), found)
    if kubelet:
        actions.append(kubelet)
    return Changes((*actions, *_uploads(wanted, found)))
