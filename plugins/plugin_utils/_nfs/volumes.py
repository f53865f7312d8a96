# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Volumes of csi-driver-nfs in a cluster, and who uses them. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.ending import finished
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._nfs.classes import DRIVER

Json = dict[str, t.Any]

#: Where csi-provisioner and csi-snapshotter note the Secret that a deletion needs.
_VOLUME_ANNOTATION = "volume.kubernetes.io/provisioner-deletion-secret"
_SNAPSHOT_ANNOTATION = "snapshot.storage.kubernetes.io/deletion-secret"


def of_driver(volumes: t.Iterable[Json]) -> list[Json]:
    """The PersistentVolumes of the driver."""
    return [one for one in volumes if ((one.get("spec") or {}).get("csi") or {}).get("driver") == DRIVER]


def described(volumes: t.Iterable[Json]) -> list[Json]:
    """PersistentVolumes for a person: name, claim, place on the server, reclaim policy and phase."""
    found = []
    for one in volumes:
        spec = one["spec"]
        claim = spec.get("claimRef") or {}
        attributes = spec["csi"].get("volumeAttributes") or {}
        path = "/".join(
            part.strip("/") for part in (attributes.get("share", ""), attributes.get("subDir", "")) if part
        )
        found.append(
            {
                "name": str(one["metadata"]["name"]),
                "claim": f"{claim['namespace']}/{claim['name']}" if claim else "",
                "place": f"{attributes.get('server', '')}:/{path}",
                "reclaim_policy": str(spec.get("persistentVolumeReclaimPolicy", "")),
                "phase": str((one.get("status") or {}).get("phase", "")),
            }
        )
    return found


def users(volumes: t.Iterable[Json], pods: t.Iterable[Json]) -> list[str]:
    """The pods that have one of these volumes, each with its claim."""
    claims = {
        (str(claim.get("namespace")), str(claim.get("name")))
        for claim in ((one["spec"].get("claimRef") or {}) for one in volumes)
        if claim
    }
    found = []
    for pod in pods:
        if finished(pod):
            continue
        namespace = str(pod["metadata"].get("namespace"))
        for volume in (pod.get("spec") or {}).get("volumes") or ():
            name = str((volume.get("persistentVolumeClaim") or {}).get("claimName"))
            if (namespace, name) in claims:
                found.append(f"pod {namespace}/{pod['metadata']['name']} uses the claim {name}")
    return found


def secrets(volumes: t.Iterable[Json], contents: t.Iterable[Json], namespace: str) -> list[str]:
    """Names of the Secrets of a namespace that deletions of these volumes and snapshots need."""
    found = set()
    for one, prefix in (
        *((volume, _VOLUME_ANNOTATION) for volume in volumes),
        *((content, _SNAPSHOT_ANNOTATION) for content in contents),
    ):
        annotations = one["metadata"].get("annotations") or {}
        if annotations.get(f"{prefix}-namespace") == namespace and annotations.get(f"{prefix}-name"):
            found.add(str(annotations[f"{prefix}-name"]))
    return sorted(found)
