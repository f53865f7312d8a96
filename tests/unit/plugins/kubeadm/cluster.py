# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host with a fake kubeadm and API server, for tests of the modules."""

from __future__ import annotations

import time
import typing as t
from pathlib import Path

import yaml
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import x509
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.bootstrap_plan import (
    KUBELET_CONFIG,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node

from tests.unit.support.certificates import Issued
from tests.unit.support.servers import Answer, ApiServer, Request, Server, client, kubeconfig_of

TOKEN = "abcdef.0123456789abcdef"
KEY = "0123456789abcdef" * 4
OURS, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64


COMPLETE_OBJECTS = (
    "/api/v1/namespaces/kube-system/configmaps/kubeadm-config",
    "/api/v1/namespaces/kube-system/configmaps/kubelet-config",
    "/api/v1/namespaces/kube-public/configmaps/cluster-info",
    "/apis/apps/v1/namespaces/kube-system/deployments/coredns",
)
SECRET = "/api/v1/namespaces/kube-system/secrets/"
CLUSTER_TEXT = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nkubernetesVersion: v1.36.4\n"
KUBELET_TEXT = "kind: KubeletConfiguration\n"


def cluster_id(ca: Issued) -> str:
    return x509.parse_pem(ca.pem).public_key_hash


def static_pod(component: str, *arguments: str, annotations: str = "") -> str:
    """A manifest as kubeadm writes it."""
    words = "".join(f"    - {word}\n" for word in (component, *arguments))
    return (
        f"kind: Pod\nmetadata:\n{annotations}  name: {component}\nspec:\n  containers:\n  - command:\n{words}"
        f"    image: registry.k8s.io/{component}:v1.36.4\n    name: {component}\n"
    )


class Api(ApiServer):
    """An API server that may take a while until it is ready."""

    ready_after = 0.0

    def handle(self, request: Request) -> Answer:
        if request.path != "/readyz":
            return super().handle(request)
        if time.monotonic() < self.ready_after:
            return Answer(500, "[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n")
        return Answer(200, "ok")


class Cluster:
    """A host tree with a fake kubeadm, an API server and a kubelet's health endpoint."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "host"
        self.log = directory / "kubeadm"
        # What kubeadm renders of the documents; its files have an ending.
        self.rendered = directory / "rendered"
        for path in (self.root, self.log, self.rendered):
            path.mkdir()
        self.api = Api()
        self.ca = self.api.authority
        self._kubelet = Server(lambda request: Answer(200 if request.path == "/healthz" else 404))
        self.kubeadm = directory / "kubeadm.sh"
        self.script("exit 0")

    def close(self) -> None:
        self.api.close()
        self._kubelet.close()

    @property
    def id(self) -> str:
        return cluster_id(self.ca)

    @property
    def objects(self) -> dict[str, t.Any]:
        return self.api.objects

    @property
    def deleted(self) -> list[str]:
        return self.api.deleted

    def script(self, action: str) -> None:
        """What the fake kubeadm does after it has recorded how it was called."""
        self.kubeadm.write_text(
            f"""#!/bin/sh
case "$*" in
*--dry-run*) cat {self.rendered}/kubelet-config; cp {self.rendered}/*.* "$KUBEADM_INIT_DRYRUN_DIR"; exit 0 ;;
*migrate*) cp "$4" {self.log}/rendered; cat {self.rendered}/cluster; exit 0 ;;
esac
printf '%s\\n' "$@" >> {self.log}/argv
env > {self.log}/env
previous=
for word; do
  if [ "$previous" = --config ]; then
    cat "$word" > {self.log}/config
    stat -c '%a %n' "$word" "$(dirname "$word")" > {self.log}/modes
  fi
  previous=$word
done
{action}
"""
        )
        self.kubeadm.chmod(0o755)

    def write(self, path: str, data: bytes | str) -> None:
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data.encode() if isinstance(data, str) else data)

    def become_worker(self, ca: Issued | None = None) -> None:
        """Files of a joined node."""
        self.write(node.CA_CERT, (ca or self.ca).pem)
        own = client(self.ca, "system:node:node1")
        self.write(node.KUBELET_CONF, kubeconfig_of(self.api.url, self.ca.pem, own))
        self.write(KUBELET_CONFIG, f"healthzPort: {self._kubelet.port}\n")

    def become_control_plane(self, complete: bool = True) -> None:
        """Files, and with C(complete) also objects, of an initialised control plane."""
        self.become_worker()
        # A load balancer that does not answer while the first host is initialised.
        admin = kubeconfig_of("https://192.0.2.10:6443", self.ca.pem, client(self.ca, "kubernetes-admin"))
        self.write(node.ADMIN_CONF, admin)
        address = (
            "  annotations:\n    kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint:"
            f" 127.0.0.1:{self.api.port}\n"
        )
        pods = {
            "etcd": static_pod("etcd"),
            "kube-apiserver": static_pod(
                "kube-apiserver", "--etcd-servers=https://127.0.0.1:2379", annotations=address
            ),
            "kube-controller-manager": static_pod("kube-controller-manager"),
            "kube-scheduler": static_pod("kube-scheduler"),
        }
        for component, text in pods.items():
            self.write(f"{node.MANIFESTS}/{component}.yaml", text)
            (self.root / node.MANIFESTS.lstrip("/") / f"{component}.yaml").chmod(0o600)
            (self.rendered / f"{component}.yaml").write_text(text)
        (self.rendered / "cluster").write_text(CLUSTER_TEXT)
        (self.rendered / "kubelet-config").write_text("data:\n  kubelet: |\n    kind: KubeletConfiguration\n")
        self.write(node.CA_KEY, "key")
        self.write(node.ETCD_DATA + "/snap/db", "data")
        if complete:
            self.objects.update({path: {"kind": "Any"} for path in COMPLETE_OBJECTS})
            self.objects[COMPLETE_OBJECTS[0]] = {"data": {"ClusterConfiguration": CLUSTER_TEXT}}
            self.objects[COMPLETE_OBJECTS[1]] = {"data": {"kubelet": KUBELET_TEXT}}
            self.objects["/api/v1/nodes/node1"] = {
                "metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}
            }

    @property
    def argv(self) -> list[str]:
        path = self.log / "argv"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def config(self) -> list[dict[str, t.Any]]:
        return list(yaml.safe_load_all((self.log / "config").read_text()))

    def config_was_private_and_is_removed(self) -> None:
        (file_mode, path), (directory_mode, directory) = (
            line.split(" ", 1) for line in (self.log / "modes").read_text().splitlines()
        )
        assert (file_mode, directory_mode) == ("600", "700")
        assert not Path(path).exists()
        assert not Path(directory).exists()


def copy_files_of(made: Cluster, prepare: t.Callable[[], None], tmp_path: Path) -> str:
    """The shell command by which the fake kubeadm writes what C(prepare) would."""
    real, staged = made.root, tmp_path / "staged"
    staged.mkdir()
    made.root = staged
    prepare()
    made.root = real
    return f"cp -a {staged}/. {real}/"


DOCUMENTS = [
    {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "InitConfiguration",
        "nodeRegistration": {"name": "node1"},
    },
    {"apiVersion": "kubeadm.k8s.io/v1beta4", "kind": "ClusterConfiguration", "kubernetesVersion": "v1.36.4"},
]


def init_args(made: Cluster, **more: t.Any) -> dict[str, t.Any]:
    return {
        "operation": "init",
        "role": "control_plane",
        "documents": DOCUMENTS,
        "skip_phases": ["addon/kube-proxy"],
        "root": str(made.root),
        "kubeadm_path": str(made.kubeadm),
        "ready_timeout": 3,
        **more,
    }


def join_args(made: Cluster, role: str = "worker", **more: t.Any) -> dict[str, t.Any]:
    return {
        "operation": "join",
        "role": role,
        "token": TOKEN,
        "ca_cert_hashes": [made.id],
        "api_server_endpoint": "192.0.2.10:6443",
        "root": str(made.root),
        "kubeadm_path": str(made.kubeadm),
        "ready_timeout": 3,
        **more,
    }
