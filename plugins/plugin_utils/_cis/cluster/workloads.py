# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The running Pods of a cluster, grouped by owner."""

from __future__ import annotations

import functools
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import (
    Object,
    Snapshot,
    labels_of,
    name_of,
    namespace_of,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.ending import finished

_MIRROR = "kubernetes.io/config.mirror"
# Owners of Pods that may have an owner themselves, by resource.
_OWNED = {"ReplicaSet": "replicasets", "Job": "jobs"}


@dataclass(frozen=True)
class Workload:
    """Running Pods of one owner.

    :param subject: C(Deployment/namespace/name), C(StaticPod/namespace/name), C(Pod/namespace/name) and so on.
    """

    subject: str
    namespace: str
    pods: tuple[Object, ...]

    @property
    def source(self) -> str:
        """One of the Pods in the API."""
        return f"/api/v1/namespaces/{self.namespace}/pods/{name_of(self.pods[0])}"

    @property
    def static(self) -> bool:
        """Whether it is a static Pod, to which no admission policy applies."""
        return self.subject.startswith("StaticPod/")


def controller_of(item: Object) -> tuple[str, str]:
    """Kind and name of the controller of an object, both empty without one."""
    for owner in (item.get("metadata") or {}).get("ownerReferences") or ():
        if owner.get("controller"):
            return str(owner.get("kind") or ""), str(owner.get("name") or "")
    return "", ""


def _owners(snapshot: Snapshot) -> dict[tuple[str, str, str], tuple[str, str]]:
    found = {}
    for kind, resource in _OWNED.items():
        # Without these, Pods are named by their ReplicaSet, which is good enough.
        for item in () if resource in snapshot.unseen else snapshot.all(resource):
            found[(kind, namespace_of(item), name_of(item))] = controller_of(item)
    return found


def subject_of(pod: Object, owners: t.Mapping[tuple[str, str, str], tuple[str, str]]) -> str:
    """Name of a Pod's workload: its owner, or a static Pod without the name of its node."""
    namespace, name = namespace_of(pod), name_of(pod)
    annotations = (pod.get("metadata") or {}).get("annotations") or {}
    kind, owner = controller_of(pod)
    if _MIRROR in annotations or kind == "Node":
        node = str((pod.get("spec") or {}).get("nodeName") or owner)
        bare = name[: -len(node) - 1] if node and name.endswith(f"-{node}") else name
        return f"StaticPod/{namespace}/{bare}"
    if not owner:
        return f"Pod/{namespace}/{name}"
    above = owners.get((kind, namespace, owner))
    if above is None and kind == "ReplicaSet":
        suffix = "-" + str(labels_of(pod).get("pod-template-hash") or "")
        above = ("Deployment", owner[: -len(suffix)]) if owner.endswith(suffix) and suffix != "-" else None
    if above and above[1]:
        kind, owner = above
    return f"{kind}/{namespace}/{owner}"


@functools.lru_cache(maxsize=1)
def workloads(snapshot: Snapshot) -> tuple[Workload, ...]:
    """All running workloads, sorted by name.

    :raises UnseenError: when the Pods could not be read.
    """
    owners = _owners(snapshot)
    groups: dict[str, list[Object]] = {}
    for pod in snapshot.all("pods"):
        if not finished(pod):
            groups.setdefault(subject_of(pod, owners), []).append(pod)
    return tuple(
        Workload(subject, namespace_of(pods[0]), tuple(pods)) for subject, pods in sorted(groups.items())
    )


def spec_of(pod: Object) -> Object:
    """The spec of a Pod."""
    return pod.get("spec") or {}


def containers(pod: Object) -> list[Object]:
    """All containers of a Pod, including init and ephemeral containers."""
    spec = spec_of(pod)
    return [
        container
        for part in ("initContainers", "containers", "ephemeralContainers")
        for container in spec.get(part) or ()
    ]


def setting(pod: Object, container: Object, name: str) -> t.Any:
    """A field of the effective security context of a container: its own, or the Pod's."""
    own = (container.get("securityContext") or {}).get(name)
    return own if own is not None else (spec_of(pod).get("securityContext") or {}).get(name)


def _holds_token(volume: Object) -> bool:
    """Whether a volume has a token for the API server, and not for another audience."""
    sources = (volume.get("projected") or {}).get("sources") or ()
    return any(
        "serviceAccountToken" in source and not (source["serviceAccountToken"] or {}).get("audience")
        for source in sources
    )


def token_mounts(pod: Object) -> list[str]:
    """Containers with a mounted token for the API server."""
    volumes = {volume.get("name") for volume in spec_of(pod).get("volumes") or () if _holds_token(volume)}
    return [
        str(container.get("name"))
        for container in containers(pod)
        if any(mount.get("name") in volumes for mount in container.get("volumeMounts") or ())
    ]
