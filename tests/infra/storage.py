# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Claims, and pods that use them, in a namespace of their own."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from kubernetes import client

from lab.artifacts import catalogue
from lab.artifacts.store import Record
from lab.config import Paths
from tests.infra.cluster import Cluster, running_and_ready
from tests.infra.waiting import wait_for

#: Images of csi-driver-nfs that the lab has stand-ins for.
DRIVER_IMAGES = tuple(
    f"registry.k8s.io/sig-storage/{name}"
    for name in ("nfsplugin", "csi-node-driver-registrar", "livenessprobe")
)
SHELL = "/usr/bin/sh"
USER = 1000
GROUP = 2000


def programs(paths: Paths) -> dict[str, str]:
    """Image -> which program ran in it: ``stand-in of the lab``, ``imported`` or ``upstream``."""
    record = Record(paths.artifacts_cache)
    images = catalogue.load().images
    found = {}
    for name in DRIVER_IMAGES:
        item = record.get(catalogue.label(images[name]))
        source = item.source if item else "unknown"
        found[name] = "stand-in of the lab" if source == "go" else source
    return found


@dataclass(frozen=True)
class Storage:
    """Claims and pods in one namespace.

    :param image: with a shell.
    """

    cluster: Cluster
    namespace: str
    image: str

    @property
    def _base(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}"

    def create(self) -> None:
        """Make the namespace."""
        self.cluster.core.create_namespace({"metadata": {"name": self.namespace}})

    def delete(self) -> None:
        """Delete it with everything in it, without waiting."""
        self.cluster.core.delete_namespace(self.namespace)

    def claim(self, name: str, storage_class: str, source: dict[str, str] | None = None) -> None:
        """Make a claim.

        :param source: its dataSource.
        """
        spec: dict[str, Any] = {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": storage_class,
            "resources": {"requests": {"storage": "1Gi"}},
        }
        if source:
            spec["dataSource"] = source
        self.cluster.core.create_namespaced_persistent_volume_claim(
            self.namespace, {"metadata": {"name": name}, "spec": spec}
        )

    def wait_bound(self, name: str, seconds: float = 60) -> str:
        """Wait until a claim has a volume, and return the volume's name."""
        path = f"{self._base}/persistentvolumeclaims/{name}"
        wait_for(
            f"claim {name} is bound",
            lambda: self.cluster.query(path, "status.phase") == "Bound",
            seconds=seconds,
            evidence=lambda: self.cluster.events(self.namespace),
        )
        return str(self.cluster.query(path, "spec.volumeName"))

    def release(self, name: str) -> None:
        """Delete a claim."""
        self.cluster.core.delete_namespaced_persistent_volume_claim(name, self.namespace)

    def pod(self, name: str, node: str, claim: str = "") -> None:
        """Start a pod, by the Pod Security Standard `restricted`.

        :param claim: of a volume at /data; none without.
        """
        mounts = [{"name": "data", "mountPath": "/data"}] if claim else []
        volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}] if claim else []
        self.cluster.core.create_namespaced_pod(
            self.namespace,
            {
                "metadata": {"name": name, "labels": {"app": name}},
                "spec": {
                    "nodeSelector": {"kubernetes.io/hostname": node},
                    "tolerations": [{"operator": "Exists"}],
                    "terminationGracePeriodSeconds": 1,
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": USER,
                        "fsGroup": GROUP,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "containers": [
                        {
                            "name": "shell",
                            "image": self.image,
                            "command": ["/agnhost", "pause"],
                            "securityContext": {
                                "allowPrivilegeEscalation": False,
                                "capabilities": {"drop": ["ALL"]},
                            },
                            "volumeMounts": mounts,
                        }
                    ],
                    "volumes": volumes,
                },
            },
        )

    def wait_running(self, *names: str, seconds: float = 90) -> None:
        """Wait until pods run."""
        for name in names:
            wait_for(
                f"pod {name} runs",
                lambda name=name: running_and_ready(self.cluster.query(f"{self._base}/pods/{name}", "@")),  # type: ignore[misc]
                seconds=seconds,
                evidence=lambda: self.cluster.events(self.namespace),
            )

    def remove(self, name: str, seconds: float = 90) -> None:
        """Delete a pod, and wait until it is gone."""
        with contextlib.suppress(client.ApiException):
            self.cluster.core.delete_namespaced_pod(name, self.namespace)
        wait_for(
            f"pod {name} is gone",
            lambda: name not in self.cluster.pods(self.namespace),
            seconds=seconds,
            evidence=lambda: self.cluster.events(self.namespace),
        )

    def run(self, pod: str, line: str) -> tuple[int, str]:
        """Run a shell line in a pod."""
        return self.cluster.execute(self.namespace, pod, [SHELL, "-c", line])

    def check(self, pod: str, line: str) -> str:
        """Output of a shell line in a pod that must succeed."""
        code, output = self.run(pod, line)
        assert code == 0, f"{pod}: `{line}` ended with code {code}: {output}"
        return output
