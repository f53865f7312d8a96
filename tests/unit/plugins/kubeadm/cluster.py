# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host with a fake kubeadm and API server, for tests of the modules."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import ssl
import threading
import time
import typing as t
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import x509 as _x509
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.bootstrap_plan import (
    KUBELET_CONFIG,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

TOKEN = "abcdef.0123456789abcdef"
KEY = "0123456789abcdef" * 4
OURS, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64


class Authority:
    """Certificates of a small cluster."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
        self._cert = self._build(self._name, self._key.public_key(), ca=True)
        self.pem = self._cert.public_bytes(serialization.Encoding.PEM)

    def _build(self, subject: x509.Name, public: t.Any, ca: bool) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            # The rest is as in certificates of kubeadm; Python 3.13 and later insist on it.
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    content_commitment=False,
                    key_encipherment=True,
                    data_encipherment=False,
                    key_agreement=False,
                    key_cert_sign=ca,
                    crl_sign=False,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )

    def issue(self, common_name: str) -> tuple[bytes, bytes]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        cert = self._build(subject, key.public_key(), ca=False).public_bytes(serialization.Encoding.PEM)
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return cert, secret

    @property
    def id(self) -> str:
        return _x509.parse_pem(self.pem.decode()).public_key_hash


COMPLETE_OBJECTS = (
    "/api/v1/namespaces/kube-system/configmaps/kubeadm-config",
    "/api/v1/namespaces/kube-system/configmaps/kubelet-config",
    "/api/v1/namespaces/kube-public/configmaps/cluster-info",
    "/apis/apps/v1/namespaces/kube-system/deployments/coredns",
)
SECRET = "/api/v1/namespaces/kube-system/secrets/"
CLUSTER_TEXT = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nkubernetesVersion: v1.36.4\n"
KUBELET_TEXT = "kind: KubeletConfiguration\n"


def static_pod(component: str, *arguments: str, annotations: str = "") -> str:
    """A manifest as kubeadm writes it."""
    words = "".join(f"    - {word}\n" for word in (component, *arguments))
    return (
        f"kind: Pod\nmetadata:\n{annotations}  name: {component}\nspec:\n  containers:\n  - command:\n{words}"
        f"    image: registry.k8s.io/{component}:v1.36.4\n    name: {component}\n"
    )


class Cluster:
    """A host tree with an API server that asks for a client certificate, and a kubelet's health page."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "host"
        self.root.mkdir()
        self.log = folder / "kubeadm"
        self.log.mkdir()
        # What kubeadm renders of the documents; its files have an ending.
        self.rendered = folder / "rendered"
        self.rendered.mkdir()
        self.ca = Authority()
        self.objects: dict[str, t.Any] = {}
        self.deleted: list[str] = []
        self.ready_after = 0.0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: t.Any) -> None:
                pass

            def _send(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path == "/healthz":
                    self._send(200, b"ok")
                elif path == "/readyz":
                    if time.monotonic() < outer.ready_after:
                        self._send(500, b"[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n")
                    else:
                        self._send(200, b"ok")
                elif path in outer.objects:
                    self._send(200, json.dumps(outer.objects[path]).encode())
                else:
                    self._send(404, b"{}")

            def do_DELETE(self) -> None:
                found = outer.objects.pop(self.path, None)
                if found is not None:
                    outer.deleted.append(self.path.rpartition("/")[2])
                self._send(200 if found is not None else 404, b"{}")

        self._kubelet = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._api = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        cert, key = self.ca.issue("kube-apiserver")
        pair = folder / "server.pem"
        pair.write_bytes(cert + key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair)
        context.load_verify_locations(cadata=self.ca.pem.decode())
        context.verify_mode = ssl.CERT_REQUIRED
        self._api.socket = context.wrap_socket(self._api.socket, server_side=True)
        for server in (self._kubelet, self._api):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        self.kubeadm = folder / "kubeadm.sh"
        self.script("exit 0")

    def close(self) -> None:
        for server in (self._kubelet, self._api):
            server.shutdown()
            server.server_close()

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

    def become_worker(self, ca: Authority | None = None) -> None:
        """Files of a joined node."""
        cert, key = self.ca.issue("system:node:node1")
        self.write(node.CA_CERT, (ca or self.ca).pem)
        server = f"https://127.0.0.1:{self._api.server_address[1]}"
        self.write(node.KUBELET_CONF, self._kubeconfig(cert, key, server))
        self.write(KUBELET_CONFIG, f"healthzPort: {self._kubelet.server_address[1]}\n")

    def become_control_plane(self, complete: bool = True) -> None:
        """Files, and with C(complete) also objects, of an initialised control plane."""
        self.become_worker()
        cert, key = self.ca.issue("kubernetes-admin")
        self.write(node.ADMIN_CONF, self._kubeconfig(cert, key))
        address = (
            "  annotations:\n    kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint:"
            f" 127.0.0.1:{self._api.server_address[1]}\n"
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

    def _kubeconfig(self, cert: bytes, key: bytes, server: str = "https://192.0.2.10:6443") -> str:
        # By default the server is one that nobody answers at, as a load balancer may be while the first host is made.
        ca, own, secret = (base64.b64encode(data).decode() for data in (self.ca.pem, cert, key))
        return (
            f"clusters:\n- cluster:\n    server: {server}\n    certificate-authority-data: {ca}\n"
            f"users:\n- user:\n    client-certificate-data: {own}\n    client-key-data: {secret}\n"
        )

    @property
    def argv(self) -> list[str]:
        path = self.log / "argv"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def config(self) -> list[dict[str, t.Any]]:
        return list(yaml.safe_load_all((self.log / "config").read_text()))

    def config_was_private_and_is_gone(self) -> None:
        (file_mode, path), (folder_mode, folder) = (
            line.split(" ", 1) for line in (self.log / "modes").read_text().splitlines()
        )
        assert (file_mode, folder_mode) == ("600", "700")
        assert not Path(path).exists()
        assert not Path(folder).exists()


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
        "ca_cert_hashes": [made.ca.id],
        "api_server_endpoint": "192.0.2.10:6443",
        "root": str(made.root),
        "kubeadm_path": str(made.kubeadm),
        "ready_timeout": 3,
        **more,
    }
