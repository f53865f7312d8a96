# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Static pod manifests of a control plane: reading them, and when two of them make the same pod. Pure."""

from __future__ import annotations

import difflib
import hashlib
import json
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import yaml
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import KubeadmError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import MANIFESTS

# In the order in which they are replaced: each depends on the ones before it.
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
DIGEST_ANNOTATION = "baremetal.kubernetes/files"
_FIELDS = {
    "kube-apiserver": "apiServer",
    "kube-controller-manager": "controllerManager",
    "kube-scheduler": "scheduler",
}
# kubeadm mounts the directory of the certificates into these.
_READ_CERTIFICATES = ("kube-apiserver", "kube-controller-manager")
_PKI = "/etc/kubernetes/pki"
# etcd reads them at its very first start only. They name the members of that moment, which kubeadm cannot know later.
_INITIAL_CLUSTER, _STATE = "initial-cluster", "initial-cluster-state"


def path_of(component: str) -> str:
    """Where the kubelet reads the manifest from."""
    return f"{MANIFESTS}/{component}.yaml"


@dataclass(frozen=True)
class Volume:
    """A path of the host that is mounted into a container.

    :param kind: C(hostPath.type), for example C(DirectoryOrCreate).
    """

    host_path: str
    mount_path: str
    read_only: bool
    kind: str


@dataclass(frozen=True)
class Manifest:
    """What a manifest says about its one container."""

    component: str
    command: tuple[str, ...]
    image: str
    volumes: tuple[Volume, ...] = ()

    def argument(self, name: str) -> str | None:
        """The value of an argument; the last one counts."""
        prefix = f"--{name}="
        found = [word[len(prefix) :] for word in self.command if word.startswith(prefix)]
        return found[-1] if found else None


def read(component: str, text: str) -> Manifest:
    """Read a manifest.

    :raises ValueError: when it is none, or the reader does not know its YAML.
    """
    pod = yaml.load(text)
    try:
        container = pod["spec"]["containers"][0]
        sources = {
            volume["name"]: volume["hostPath"]
            for volume in pod["spec"].get("volumes") or []
            if "hostPath" in volume
        }
        volumes = [
            Volume(
                host_path=str(sources[mount["name"]]["path"]),
                mount_path=str(mount["mountPath"]),
                read_only=bool(mount.get("readOnly")),
                kind=str(sources[mount["name"]].get("type") or ""),
            )
            for mount in container.get("volumeMounts") or []
            if mount["name"] in sources
        ]
        words = [str(word) for word in [*(container.get("command") or []), *(container.get("args") or [])]]
        return Manifest(component, tuple(words), str(container["image"]), tuple(volumes))
    except (KeyError, IndexError, TypeError, AttributeError) as exc:
        raise ValueError(f"no manifest of {component}") from exc


def read_rendered(component: str, text: str) -> Manifest:
    """Read a manifest that kubeadm wrote.

    :raises KubeadmError: when the reader does not know its YAML.
    """
    try:
        return read(component, text)
    except ValueError as exc:
        raise KubeadmError(
            f"The manifest of {component} that kubeadm makes of the documents cannot be read ({exc}).",
            "Use no argument that is wrapped over several lines (more than 80 characters, with blanks).",
        ) from exc


def same_pod(one: str | None, other: str | None) -> bool:
    """Whether two manifests make the same pod, whatever their comments and layout. C(False) when in doubt."""
    if one is None or other is None:
        return one is other
    if one == other:
        return True
    try:
        return bool(yaml.load(one) == yaml.load(other))
    except ValueError:
        return False


def image_version(image: str) -> str:
    """The tag of an image, empty without one."""
    name = image.partition("@")[0].rpartition("/")[2]
    return name.partition(":")[2]


def keep_members(rendered: str, actual: str | None) -> str:
    """C(rendered) of etcd with the members that C(actual) names.

    Without a usable C(actual) the rendered ones stay: etcd has its data and does not read them any more.
    """
    try:
        present = read("etcd", actual or "")
    except ValueError:
        return rendered
    members = present.argument(_INITIAL_CLUSTER)
    return rendered if members is None else _with_members(rendered, members, present.argument(_STATE))


def started(text: str, actual: str | None) -> str:
    """The manifest of an etcd that has data and is restarted: it must not create a cluster any more.

    kubeadm leaves C(--initial-cluster-state=new) to the member that C(kubeadm init) has created. etcd reads it only
    when its data directory is empty, after a disk was lost or was not mounted at the boot. It would then be a cluster
    of its own. A member is not restarted for this alone, as the API of a single control plane would be away meanwhile.
    """
    if same_pod(text, actual):
        return text
    try:
        members = read("etcd", text).argument(_INITIAL_CLUSTER)
    except ValueError:
        return text
    return text if members is None else _with_members(text, members, "existing")


def _with_members(text: str, members: str, state: str | None) -> str:
    """A manifest of etcd with what it reads at its very first start."""
    kept = [f"--{_INITIAL_CLUSTER}={members}", *([f"--{_STATE}={state}"] if state else [])]
    result: list[str] = []
    for line in text.split("\n"):
        margin, dash, word = line.partition("- --")
        name = word.partition("=")[0]
        if margin.strip() or not dash or name not in (_INITIAL_CLUSTER, _STATE):
            result.append(line)
        elif name == _INITIAL_CLUSTER:
            result.extend(f"{margin}- {argument}" for argument in kept)
    return "\n".join(result)


def readers_of(path: str, cluster: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    """The components into which a path of the host is mounted, by a ClusterConfiguration."""

    def below(directory: str) -> bool:
        directory = directory.rstrip("/")
        return path == directory or path.startswith(directory + "/")

    found = []
    for component, field in _FIELDS.items():
        volumes = (cluster.get(field) or {}).get("extraVolumes") or []
        mounted = [str(volume.get("hostPath") or "") for volume in volumes]
        if component in _READ_CERTIFICATES:
            mounted.append(str(cluster.get("certificatesDir") or _PKI))
        if any(directory and below(directory) for directory in mounted):
            found.append(component)
    return tuple(found)


def digests(files: t.Mapping[str, bytes], cluster: t.Mapping[str, t.Any]) -> dict[str, str]:
    """For each component that reads some of the files: a digest of their names and contents."""
    hashes: dict[str, t.Any] = {}
    for path in sorted(files):
        for component in readers_of(path, cluster):
            own = hashes.setdefault(component, hashlib.sha256())
            own.update(f"{len(path)}:{path}:{len(files[path])}:".encode())
            own.update(files[path])
    return {component: own.hexdigest()[:32] for component, own in hashes.items()}


def digest_patches(by_component: t.Mapping[str, str]) -> dict[str, bytes]:
    """Patches for kubeadm, by file name, that write the digests into manifests: a change then restarts the pod."""
    return {
        f"{component}-zz-baremetal-kubernetes+merge.json": json.dumps(
            {"metadata": {"annotations": {DIGEST_ANNOTATION: digest}}}
        ).encode()
        for component, digest in by_component.items()
    }


def diff(path: str, before: str | None, after: str | None) -> str:
    """What changes in a text file, as a unified diff."""
    return "".join(
        difflib.unified_diff(
            (before or "").splitlines(keepends=True),
            (after or "").splitlines(keepends=True),
            f"{path} (now)",
            f"{path} (desired)",
            n=2,
        )
    )
