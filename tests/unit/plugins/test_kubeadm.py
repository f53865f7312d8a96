# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""kubeadm and bootstrap_token: their plans, and the modules against a stand-in for kubeadm and the API server."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import re
import shutil
import ssl
import stat
import subprocess
import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import x509 as _x509
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import (
    documents,
    plan,
    redact,
    runner,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

RunModule = t.Callable[..., dict[str, t.Any]]
TOKEN = "abcdef.0123456789abcdef"
KEY = "0123456789abcdef" * 4


# --- pure -----------------------------------------------------------------------------------------------------------

CONTROL_PLANE = (
    node.KUBELET_CONF,
    node.ADMIN_CONF,
    node.CA_CERT,
    node.CA_KEY,
    *node.CONTROL_PLANE_MANIFESTS,
    node.ETCD_MANIFEST,
    node.ETCD_DATA,
    plan.KUBELET_CONFIG,
)
WORKER = (node.KUBELET_CONF, node.CA_CERT, plan.KUBELET_CONFIG)
OURS, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def observation(
    files: tuple[str, ...] = (), cluster_id: str | None = None, unfinished: tuple[str, ...] | None = None
) -> plan.Observation:
    return plan.Observation(
        host="cp1",
        membership=node.classify(files),
        files=files,
        cluster_id=cluster_id,
        etcd_data=node.ETCD_DATA in files,
        unfinished=unfinished,
    )


def desired(operation: str, role: str, **more: t.Any) -> plan.Desired:
    return plan.Desired(operation=operation, role=role, **more)


INIT = desired("init", "control_plane", ignore_preflight_errors=("Swap",), skip_phases=("addon/kube-proxy",))
RESUME_ALL = (
    "Swap",
    "FileAvailable--etc-kubernetes-manifests-kube-apiserver.yaml",
    "FileAvailable--etc-kubernetes-manifests-kube-controller-manager.yaml",
    "FileAvailable--etc-kubernetes-manifests-kube-scheduler.yaml",
    "FileAvailable--etc-kubernetes-manifests-etcd.yaml",
    "Port-6443",
    "Port-10259",
    "Port-10257",
    "Port-2379",
    "Port-2380",
    "DirAvailable--var-lib-etcd",
    "Port-10250",
)


@pytest.mark.parametrize(
    ("seen", "steps", "ignored"),
    [
        (observation(), ["kubeadm init"], ("Swap",)),
        (observation((node.CA_CERT, node.CA_KEY)), ["resume kubeadm init"], ("Swap",)),
        # A container runtime role or an operator may have left the kubelet's files alone.
        (observation((plan.KUBELET_CONFIG,)), ["resume kubeadm init"], ("Swap", "Port-10250")),
        # All manifests are written, but the kubelet was never started: nobody is asked.
        (observation(CONTROL_PLANE[:-1]), ["resume kubeadm init"], RESUME_ALL[:-1]),
        (observation(CONTROL_PLANE, OURS, ()), [], ()),
        (
            observation(CONTROL_PLANE, OURS, ("upload-config/kubeadm", "addon/coredns")),
            ["resume kubeadm init"],
            RESUME_ALL,
        ),
        (
            observation(CONTROL_PLANE, OURS, ("bootstrap-token", "addon/coredns")),
            ["kubeadm init phase bootstrap-token", "kubeadm init phase addon/coredns"],
            (),
        ),
        (
            observation((*CONTROL_PLANE, node.BOOTSTRAP_CONF), OURS, ()),
            ["remove /etc/kubernetes/bootstrap-kubelet.conf"],
            (),
        ),
    ],
)
def test_plan_init(seen: plan.Observation, steps: list[str], ignored: tuple[str, ...]) -> None:
    made = plan.plan_init(seen, INIT)
    assert made.names() == steps
    assert made.ignore_preflight_errors == ignored


def test_resume_uses_the_documents_port_and_folder() -> None:
    wanted = desired("init", "control_plane", bind_port=7443, etcd_dir="/data/etcd")
    names = plan.plan_init(
        observation(CONTROL_PLANE, OURS, (plan.UPLOAD_CONFIG,)), wanted
    ).ignore_preflight_errors
    assert {"Port-7443", "DirAvailable--data-etcd"} <= set(names)
    assert "Port-6443" not in names


def test_ignoring_all_stays_alone() -> None:
    wanted = desired("init", "control_plane", ignore_preflight_errors=("all",))
    assert plan.plan_init(
        observation(CONTROL_PLANE, OURS, (plan.UPLOAD_CONFIG,)), wanted
    ).ignore_preflight_errors == ("all",)


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (observation((node.ETCD_DATA,)), ("data of an etcd", "kubeadm reset", "cp1")),
        (observation(WORKER, OTHER), ("worker of the cluster", OTHER)),
        (observation((node.KUBELET_CONF, plan.KUBELET_CONFIG)), ("not the key of its CA",)),
        (observation(CONTROL_PLANE, OURS), ("not looked at",)),
    ],
)
def test_plan_init_refuses(seen: plan.Observation, words: tuple[str, ...]) -> None:
    with pytest.raises(plan.KubeadmError) as caught:
        plan.plan_init(seen, INIT)
    for word in words:
        assert word in str(caught.value)


def test_init_of_a_worker_is_refused() -> None:
    with pytest.raises(plan.KubeadmError, match="operation: join"):
        plan.plan_init(observation(), desired("init", "worker"))


JOIN_W = desired("join", "worker", cluster_ids=(OURS,))
JOIN_CP = desired("join", "control_plane", cluster_ids=(OURS,))
FILE_KUBELET = "FileAvailable--etc-kubernetes-kubelet.conf"
FILE_BOOTSTRAP = "FileAvailable--etc-kubernetes-bootstrap-kubelet.conf"
FILE_CA = "FileAvailable--etc-kubernetes-pki-ca.crt"


@pytest.mark.parametrize(
    ("seen", "wanted", "steps", "ignored", "skipped"),
    [
        (observation(), JOIN_W, ["kubeadm join"], (), ()),
        (observation(WORKER, OURS), JOIN_W, [], (), ()),
        (
            observation((*WORKER, node.BOOTSTRAP_CONF), OURS),
            JOIN_W,
            ["remove /etc/kubernetes/bootstrap-kubelet.conf"],
            (),
            (),
        ),
        (
            observation((node.BOOTSTRAP_CONF, node.CA_CERT, plan.KUBELET_CONFIG), OURS),
            JOIN_W,
            ["resume kubeadm join"],
            (FILE_BOOTSTRAP, FILE_CA, "Port-10250"),
            (),
        ),
        (observation((node.CA_CERT,), OURS), JOIN_W, ["resume kubeadm join"], (FILE_CA,), ()),
        (observation((node.KUBELET_CONF,)), JOIN_W, ["resume kubeadm join"], (FILE_KUBELET,), ()),
        (observation(), JOIN_CP, ["kubeadm join"], (), ()),
        (observation(CONTROL_PLANE, OURS, ()), JOIN_CP, [], (), ()),
        (
            observation(CONTROL_PLANE, OURS, ("control-plane-join/mark-control-plane",)),
            JOIN_CP,
            ["kubeadm join phase control-plane-join/mark-control-plane"],
            (),
            (),
        ),
        (
            observation((*WORKER, node.ADMIN_CONF), OURS),
            JOIN_CP,
            ["resume kubeadm join"],
            (FILE_KUBELET, "Port-10250"),
            ("kubelet-start",),
        ),
    ],
)
def test_plan_join(
    seen: plan.Observation,
    wanted: plan.Desired,
    steps: list[str],
    ignored: tuple[str, ...],
    skipped: tuple[str, ...],
) -> None:
    made = plan.plan_join(seen, wanted)
    assert made.names() == steps
    assert made.ignore_preflight_errors == ignored
    assert made.skip_phases == skipped


@pytest.mark.parametrize(
    ("seen", "wanted", "words"),
    [
        (observation(WORKER, OTHER), JOIN_W, (OTHER, OURS, "kubeadm reset")),
        (observation((node.CA_CERT,), OTHER), JOIN_W, (OTHER, OURS)),
        (observation(WORKER, OURS), JOIN_CP, ("is a worker", "expected a control plane")),
        (observation(CONTROL_PLANE, OURS, ()), JOIN_W, ("is a control plane", "expected a worker")),
        (observation((node.ADMIN_CONF,)), JOIN_W, ("files of a control plane",)),
        (observation((node.ETCD_DATA,)), JOIN_CP, ("data of an etcd", node.CA_CERT)),
    ],
)
def test_plan_join_refuses(seen: plan.Observation, wanted: plan.Desired, words: tuple[str, ...]) -> None:
    with pytest.raises(plan.KubeadmError) as caught:
        plan.plan_join(seen, wanted)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("skip", "dns", "there", "marked", "rotatable", "left"),
    [
        ((), True, True, True, True, ()),
        (
            (),
            True,
            False,
            False,
            False,
            (
                "upload-config/kubeadm",
                "upload-config/kubelet",
                "mark-control-plane",
                "bootstrap-token",
                "kubelet-finalize/enable-client-cert-rotation",
                "addon/coredns",
            ),
        ),
        (
            ("addon", "upload-config/kubelet", "kubelet-finalize"),
            True,
            False,
            True,
            False,
            ("upload-config/kubeadm", "bootstrap-token"),
        ),
        (
            ("addon/kube-proxy", "upload-config", "bootstrap-token"),
            True,
            False,
            True,
            True,
            ("addon/coredns",),
        ),
        (("upload-config", "bootstrap-token", "mark-control-plane"), False, False, False, True, ()),
    ],
)
def test_unfinished_phases(
    skip: tuple[str, ...], dns: bool, there: bool, marked: bool, rotatable: bool, left: tuple[str, ...]
) -> None:
    assert plan.unfinished_phases("init", skip, dns, lambda path: there, marked, rotatable) == left


def test_unfinished_join() -> None:
    def look(skip: tuple[str, ...], marked: bool) -> tuple[str, ...]:
        return plan.unfinished_phases("join", skip, True, lambda path: False, marked, False)

    assert look((), False) == ("control-plane-join/mark-control-plane",)
    assert look((), True) == look(("control-plane-join",), False) == ()


def test_redact() -> None:
    text = f"token {TOKEN} key {KEY} hash sha256:{KEY} id v1.36.4 and {TOKEN}x"
    assert redact.redact(text) == f"token <hidden> key <hidden> hash sha256:{KEY} id v1.36.4 and {TOKEN}x"
    assert redact.redact("pass word", ["word", None, ""]) == "pass <hidden>"


@pytest.mark.parametrize(
    ("stdout", "stderr", "phase"),
    [
        ("[preflight] x", "error execution phase preflight: [preflight] Some fatal errors", "preflight"),
        (
            "",
            "error execution phase control-plane-prepare/download-certs: no",
            "control-plane-prepare/download-certs",
        ),
        ("[init] a\n[certs] b\n[kubelet-start] c\n", "killed", "kubelet-start"),
        ("", "no such file", "start"),
    ],
)
def test_failed_phase(stdout: str, stderr: str, phase: str) -> None:
    assert runner.failed_phase(stdout, stderr) == phase


def test_fresh_tokens_have_the_right_form_and_differ() -> None:
    tokens = {runner.fresh_token() for _ in range(20)}
    assert len(tokens) == 20
    assert all(re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}", token) for token in tokens)


def test_documents_are_refused() -> None:
    join = {"apiVersion": documents.API_VERSION, "kind": "JoinConfiguration"}
    for bad in (
        [{"kind": "InitConfiguration"}],
        [{**join, "discovery": {"tlsBootstrapToken": TOKEN}}],
        [{**join, "discovery": {"bootstrapToken": {"token": TOKEN}}}],
        [join, join],
    ):
        with pytest.raises(plan.KubeadmError) as caught:
            documents.check(bad)
        assert TOKEN not in str(caught.value)
    with pytest.raises(plan.KubeadmError, match="role is worker"):
        documents.join_documents([{**join, "controlPlane": {}}], "worker", TOKEN, [OURS], "a:1", None)
    with pytest.raises(plan.KubeadmError, match="certificate_key"):
        documents.join_documents([join], "control_plane", TOKEN, [OURS], "a:1", None)


# --- stand-ins ------------------------------------------------------------------------------------------------------


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
        """What the stand-in does after it has recorded how it was called."""
        self.kubeadm.write_text(
            f"""#!/bin/sh
case "$*" in
*--dry-run*) cat {self.rendered}/kubelet-config; cp {self.rendered}/*.* "$KUBEADM_INIT_DRYRUN_DIR"; exit 0 ;;
*migrate*) cat {self.rendered}/cluster; exit 0 ;;
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
        self.write(plan.KUBELET_CONFIG, f"healthzPort: {self._kubelet.server_address[1]}\n")

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


@pytest.fixture
def cluster(tmp_path: Path) -> t.Iterator[Cluster]:
    made = Cluster(tmp_path)
    yield made
    made.close()


def copy_files_of(made: Cluster, prepare: t.Callable[[], None], tmp_path: Path) -> str:
    """Let the stand-in write what C(prepare) would: the shell command for it."""
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


# --- the modules ----------------------------------------------------------------------------------------------------


def test_init_fresh_then_again(cluster: Cluster, tmp_path: Path, run_module: RunModule) -> None:
    made = copy_files_of(cluster, cluster.become_control_plane, tmp_path)
    cluster.script(f"echo '[init] Using'; {made}")
    predicted = run_module("kubeadm", init_args(cluster), check=True)
    assert (predicted["changed"], predicted["steps"], predicted["state"]) == (True, ["kubeadm init"], "fresh")
    assert cluster.argv == []

    result = run_module("kubeadm", init_args(cluster))
    assert result["changed"] is True
    assert result["steps"] == predicted["steps"]
    assert result["diff"] == predicted["diff"]
    assert (result["state"], result["node_name"], result["cluster_id"]) == ("member", "node1", cluster.ca.id)
    assert cluster.argv[0] == "init"
    assert "--skip-phases=addon/kube-proxy" in cluster.argv
    assert "--skip-token-print" in cluster.argv
    cluster.config_was_private_and_is_gone()
    (token,) = cluster.config[0]["bootstrapTokens"]
    assert token["groups"] == ["system:bootstrappers:baremetal-kubernetes:unused"]
    assert token["ttl"] == "5m0s"
    assert token["token"] not in " ".join(cluster.argv) + str(result)
    assert cluster.config[0]["nodeRegistration"] == {"name": "node1"}
    assert "LC_ALL=C\n" in (cluster.log / "env").read_text()

    calls = len(cluster.argv)
    again = run_module("kubeadm", init_args(cluster))
    assert (again["changed"], again["steps"], again["state"]) == (False, [], "member")
    assert not run_module("kubeadm", init_args(cluster), check=True)["changed"]
    assert len(cluster.argv) == calls


def test_init_deletes_its_own_token(cluster: Cluster, tmp_path: Path, run_module: RunModule) -> None:
    made = copy_files_of(cluster, cluster.become_control_plane, tmp_path)
    cluster.script(
        f'sed -n \'s/.*"token": "\\([a-z0-9]*\\)\\..*/\\1/p\' {cluster.log}/config > {cluster.log}/id; {made}'
    )
    # The server has the token from the start, under the name that the stand-in reads from its configuration.
    original = cluster.objects

    class Anything(dict[str, t.Any]):
        def pop(self, key: str, default: t.Any = None) -> t.Any:
            return {} if "/secrets/bootstrap-token-" in key else dict.pop(self, key, default)

    cluster.objects = Anything(original)
    result = run_module("kubeadm", init_args(cluster))
    assert result["changed"] is True
    assert cluster.deleted == ["bootstrap-token-" + (cluster.log / "id").read_text().strip()]


def test_second_run_waits_for_the_first_and_finds_its_work(
    cluster: Cluster, tmp_path: Path, run_module: RunModule
) -> None:
    made = copy_files_of(cluster, cluster.become_control_plane, tmp_path)
    cluster.script(f"touch {cluster.log}/begun; sleep 2; {made}")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(run_module, "kubeadm", init_args(cluster))
        while not (cluster.log / "begun").exists():
            time.sleep(0.05)
        second = run_module("kubeadm", init_args(cluster))
        assert first.result()["changed"] is True
    assert (second["changed"], second["state"]) == (False, "member")
    assert cluster.argv.count("init") == 1


def test_kubeadm_of_a_lost_run_is_named(tmp_path: Path) -> None:
    shutil.copy("/bin/sh", tmp_path / "kubeadm")
    (tmp_path / "join").write_text("while :; do sleep 0.1; done")
    (tmp_path / "token").write_text("while :; do sleep 0.1; done")
    host = runner.Host(str(tmp_path), str(tmp_path / "kubeadm"))
    lost = [subprocess.Popen(["./kubeadm", word], cwd=tmp_path) for word in ("join", "token")]
    try:
        while len(runner.running_kubeadm(str(tmp_path / "kubeadm"))) != 1:
            time.sleep(0.05)
        with (
            pytest.raises(plan.KubeadmError, match=rf"process {lost[0].pid}\) is still at work"),
            host.exclusive(0.2),
        ):
            pytest.fail("two at a time")
    finally:
        for process in lost:
            process.kill()
            process.wait()
    with host.exclusive(0.2):
        assert (tmp_path / "run/baremetal-kubernetes-kubeadm.lock").stat().st_mode & 0o777 == 0o600


def test_interrupted_init_is_resumed(cluster: Cluster, run_module: RunModule) -> None:
    cluster.become_control_plane(complete=False)
    predicted = run_module("kubeadm", init_args(cluster), check=True)
    result = run_module("kubeadm", init_args(cluster))
    assert result["steps"] == predicted["steps"] == ["resume kubeadm init"]
    (ignored,) = [word for word in cluster.argv if word.startswith("--ignore-preflight-errors=")]
    assert {"Port-6443", "Port-10250", "DirAvailable--var-lib-etcd"} <= set(
        ignored.partition("=")[2].split(",")
    )


def test_late_phases_are_run_alone(cluster: Cluster, run_module: RunModule) -> None:
    cluster.become_control_plane()
    for path in COMPLETE_OBJECTS[2:]:
        del cluster.objects[path]
    # The kubelet has a certificate that it renews, but was not told to use it.
    cluster.write("/var/lib/kubelet/pki/kubelet-client-current.pem", "any")
    result = run_module("kubeadm", init_args(cluster))
    assert result["steps"] == [
        "kubeadm init phase bootstrap-token",
        "kubeadm init phase kubelet-finalize/enable-client-cert-rotation",
        "kubeadm init phase addon/coredns",
    ]
    words = [word for word in cluster.argv if not word.startswith(("/", "--config"))]
    assert words == [
        *("init", "phase", "bootstrap-token", "--skip-token-print"),
        *("init", "phase", "kubelet-finalize", "enable-client-cert-rotation"),
        *("init", "phase", "addon", "coredns"),
    ]
    cluster.config_was_private_and_is_gone()


def test_init_waits_for_readiness_and_names_what_fails(cluster: Cluster, run_module: RunModule) -> None:
    cluster.become_control_plane()
    cluster.ready_after = time.monotonic() + 2
    assert run_module("kubeadm", init_args(cluster, ready_timeout=30))["changed"] is False
    cluster.ready_after = time.monotonic() + 60
    result = run_module("kubeadm", init_args(cluster, ready_timeout=1))
    assert result["failed"]
    assert "[-]etcd failed" in result["msg"]
    assert "crictl" in result["msg"]
    assert cluster.argv == []


def test_foreign_etcd_is_left_alone(cluster: Cluster, run_module: RunModule) -> None:
    cluster.write(node.ETCD_DATA + "/snap/db", "precious")
    result = run_module("kubeadm", init_args(cluster))
    assert result["failed"]
    assert "data of an etcd" in result["msg"]
    assert cluster.argv == []


def test_failure_is_explained_without_secrets(cluster: Cluster, run_module: RunModule) -> None:
    cluster.script(
        f"echo '[certs] using {TOKEN}'; echo '--certificate-key {KEY}' >&2; echo 'hash sha256:{KEY}' >&2\n"
        "echo 'error execution phase preflight: [ERROR NumCPU]: one CPU' >&2; exit 1"
    )
    result = run_module("kubeadm", init_args(cluster))
    assert result["failed"]
    assert result["phase"] == "preflight"
    for part in ("[ERROR NumCPU]", "exit code 1", "ignore_preflight_errors"):
        assert part in result["msg"]
    assert TOKEN not in str(result)
    assert str(result).count(KEY) == str(result).count("sha256:" + KEY) > 0
    cluster.config_was_private_and_is_gone()


def test_run_that_hangs_is_ended_with_its_children(cluster: Cluster, run_module: RunModule) -> None:
    cluster.script(f"echo '[kubelet-start] x'; sleep 300 & echo $! > {cluster.log}/child; wait")
    result = run_module("kubeadm", init_args(cluster, timeout=1))
    assert result["failed"]
    assert "did not end within 1 s in the phase kubelet-start" in result["msg"]
    child = (cluster.log / "child").read_text().strip()
    for _ in range(50):
        try:
            if Path(f"/proc/{child}/stat").read_text().split()[2] == "Z":
                break
        except FileNotFoundError:
            break
        time.sleep(0.1)
    else:
        pytest.fail("the child is still running")


def test_missing_program(cluster: Cluster, run_module: RunModule) -> None:
    result = run_module("kubeadm", init_args(cluster, kubeadm_path="/nowhere/kubeadm"))
    assert result["failed"]
    assert "/nowhere/kubeadm cannot be run" in result["msg"]


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


def test_worker_joins_then_again(cluster: Cluster, tmp_path: Path, run_module: RunModule) -> None:
    cluster.script(copy_files_of(cluster, cluster.become_worker, tmp_path))
    predicted = run_module("kubeadm", join_args(cluster, token=None, ca_cert_hashes=[]), check=True)
    result = run_module("kubeadm", join_args(cluster))
    assert predicted["changed"] is True
    assert result["steps"] == predicted["steps"] == ["kubeadm join"]
    assert (result["state"], result["node_name"]) == ("member", "node1")
    (document,) = cluster.config
    assert document["kind"] == "JoinConfiguration"
    assert document["discovery"] == {
        "bootstrapToken": {
            "token": TOKEN,
            "apiServerEndpoint": "192.0.2.10:6443",
            "caCertHashes": [cluster.ca.id],
        },
        "tlsBootstrapToken": TOKEN,
    }
    assert "controlPlane" not in document
    assert TOKEN not in " ".join(cluster.argv) + str(result) + (cluster.log / "env").read_text()
    cluster.config_was_private_and_is_gone()
    again = run_module("kubeadm", join_args(cluster, token=None))
    assert (again["changed"], again["steps"]) == (False, [])


def test_control_plane_joins(cluster: Cluster, tmp_path: Path, run_module: RunModule) -> None:
    cluster.script(copy_files_of(cluster, cluster.become_control_plane, tmp_path))
    result = run_module("kubeadm", join_args(cluster, "control_plane", certificate_key=KEY))
    assert result["changed"] is True
    (document,) = cluster.config
    assert document["controlPlane"] == {"certificateKey": KEY}
    assert KEY not in " ".join(cluster.argv) + str(result)
    # One that was interrupted before its node was marked needs no token for the rest.
    cluster.objects["/api/v1/nodes/node1"] = {"metadata": {"labels": {}}}
    (cluster.log / "argv").unlink()
    result = run_module("kubeadm", join_args(cluster, "control_plane", token=None))
    assert result["steps"] == ["kubeadm join phase control-plane-join/mark-control-plane"]
    assert cluster.argv[:4] == ["join", "phase", "control-plane-join", "mark-control-plane"]


def test_member_of_another_cluster_is_refused(cluster: Cluster, run_module: RunModule) -> None:
    other = Authority()
    cluster.become_worker(other)
    result = run_module("kubeadm", join_args(cluster))
    assert result["failed"]
    assert other.id in result["msg"]
    assert cluster.ca.id in result["msg"]
    assert cluster.argv == []


def test_join_without_a_token(cluster: Cluster, run_module: RunModule) -> None:
    result = run_module("kubeadm", join_args(cluster, token=None, ca_cert_hashes=[]))
    assert result["failed"]
    assert "kubeadm needs token, ca_cert_hashes" in result["msg"]


def test_leftover_bootstrap_file_is_removed(cluster: Cluster, run_module: RunModule) -> None:
    cluster.become_worker()
    cluster.write(node.BOOTSTRAP_CONF, f"token: {TOKEN}\n")
    assert run_module("kubeadm", join_args(cluster), check=True)["changed"]
    result = run_module("kubeadm", join_args(cluster))
    assert result["changed"] is True
    assert not (cluster.root / node.BOOTSTRAP_CONF.lstrip("/")).exists()
    assert cluster.argv == []


def test_kubelet_that_does_not_come_up(cluster: Cluster, tmp_path: Path, run_module: RunModule) -> None:
    def prepare() -> None:
        cluster.become_worker()
        cluster.write(plan.KUBELET_CONFIG, "healthzPort: 1\n")

    cluster.script(copy_files_of(cluster, prepare, tmp_path))
    result = run_module("kubeadm", join_args(cluster, ready_timeout=1))
    assert result["failed"]
    assert "the kubelet is not healthy after 1 s" in result["msg"]


def token_args(made: Cluster, **more: t.Any) -> dict[str, t.Any]:
    return {"root": str(made.root), "kubeadm_path": str(made.kubeadm), **more}


def test_token_is_made(cluster: Cluster, run_module: RunModule) -> None:
    cluster.become_control_plane()
    cluster.script(f"echo {TOKEN}")
    predicted = run_module("bootstrap_token", token_args(cluster), check=True)
    assert (predicted["changed"], predicted["ca_cert_hashes"]) == (True, [cluster.ca.id])
    assert "token" not in predicted
    assert cluster.argv == []
    result = run_module("bootstrap_token", token_args(cluster, ttl=600, description="join of w1"))
    assert (result["token"], result["token_id"]) == (TOKEN, "abcdef")
    assert result["ca_cert_hashes"] == [cluster.ca.id]
    ends = datetime.datetime.strptime(result["expires"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.UTC)
    left = (ends - datetime.datetime.now(datetime.UTC)).total_seconds()
    assert 580 < left <= 600
    assert cluster.argv[:2] == ["token", "create"]
    assert cluster.argv[cluster.argv.index("--ttl") + 1] == "600s"
    assert cluster.argv[cluster.argv.index("--description") + 1] == "join of w1"
    assert TOKEN not in cluster.argv


def test_token_of_an_interrupted_run_goes_before_another_is_made(
    cluster: Cluster, run_module: RunModule
) -> None:
    cluster.become_control_plane()
    cluster.script(f"echo {TOKEN}")
    left = [
        {
            "metadata": {"name": f"bootstrap-token-{name}"},
            "data": {"description": base64.b64encode(text).decode()},
        }
        for name, text in (("olda11", b"join of w1"), ("oldb22", b"join of w2"))
    ]
    for secret in left:
        cluster.objects[SECRET + str(secret["metadata"]["name"])] = secret
    cluster.objects[SECRET.rstrip("/")] = {"items": left}
    assert run_module("bootstrap_token", token_args(cluster, description="join of w1"))["changed"]
    assert cluster.deleted == ["bootstrap-token-olda11"]


def test_certificates_are_uploaded_under_a_hidden_key(cluster: Cluster, run_module: RunModule) -> None:
    cluster.become_control_plane()
    cluster.script(f'test "$1" = token && echo {TOKEN}; exit 0')
    result = run_module("bootstrap_token", token_args(cluster, control_plane=True))
    key = result["certificate_key"]
    assert re.fullmatch("[0-9a-f]{64}", key)
    assert key not in " ".join(cluster.argv)
    assert key not in (cluster.log / "env").read_text()
    assert cluster.argv[cluster.argv.index("init") :][:4] == [
        "init",
        "phase",
        "upload-certs",
        "--upload-certs",
    ]
    assert [document["kind"] for document in cluster.config] == ["InitConfiguration", "ClusterConfiguration"]
    assert cluster.config[0]["certificateKey"] == key
    cluster.config_was_private_and_is_gone()


def test_token_goes_when_the_upload_fails(cluster: Cluster, run_module: RunModule) -> None:
    cluster.become_control_plane()
    cluster.objects[SECRET + "bootstrap-token-abcdef"] = {}
    cluster.script(f'test "$1" = token && echo {TOKEN} && exit 0; cat {cluster.log}/config >&2; exit 1')
    result = run_module("bootstrap_token", token_args(cluster, control_plane=True))
    assert result["failed"]
    assert not re.search("[0-9a-f]{64}", str(result).replace(cluster.ca.id, ""))
    assert TOKEN not in str(result)
    assert cluster.deleted == ["bootstrap-token-abcdef"]


def test_token_and_certificates_are_deleted(cluster: Cluster, run_module: RunModule) -> None:
    cluster.become_control_plane()
    for name in ("bootstrap-token-abcdef", "bootstrap-token-owner0", "bootstrap-token-others"):
        cluster.objects[SECRET + name] = {}
    cluster.objects[SECRET + "kubeadm-certs"] = {
        "metadata": {"ownerReferences": [{"kind": "Secret", "name": "bootstrap-token-owner0"}]}
    }
    args = token_args(cluster, state="absent", token_id="abcdef", control_plane=True)
    predicted = run_module("bootstrap_token", args, check=True)
    assert cluster.deleted == []
    result = run_module("bootstrap_token", args)
    assert result["changed"] is True
    assert result["deleted"] == predicted["deleted"] == cluster.deleted
    assert cluster.deleted == ["kubeadm-certs", "bootstrap-token-owner0", "bootstrap-token-abcdef"]
    again = run_module("bootstrap_token", args)
    assert (again["changed"], again["deleted"]) == (False, [])
    assert SECRET + "bootstrap-token-others" in cluster.objects


@pytest.mark.parametrize(
    ("args", "word"),
    [
        ({"ttl": 901}, "expected 60 to 900"),
        ({"ttl": 0}, "expected 60 to 900"),
        ({"state": "absent"}, "neither token_id nor"),
        ({"state": "absent", "token_id": "../x"}, "six of a-z"),
    ],
)
def test_unusable_token_options(
    cluster: Cluster, run_module: RunModule, args: dict[str, t.Any], word: str
) -> None:
    cluster.become_control_plane()
    result = run_module("bootstrap_token", token_args(cluster, **args))
    assert result["failed"]
    assert word in result["msg"]


def test_token_needs_a_cluster(cluster: Cluster, run_module: RunModule) -> None:
    result = run_module("bootstrap_token", token_args(cluster))
    assert result["failed"]
    assert "is not in a cluster" in result["msg"]
    assert run_module("bootstrap_token", token_args(cluster), check=True)["changed"]


def test_no_secret_file_survives(cluster: Cluster, run_module: RunModule) -> None:
    """The client key of admin.conf is on disk for an instant only, and nowhere else afterwards."""
    before = {path.name for path in Path("/run").glob("bmk-*")}
    cluster.become_control_plane()
    assert run_module("kubeadm", init_args(cluster))["changed"] is False
    assert {path.name for path in Path("/run").glob("bmk-*")} == before
    assert stat.S_ISDIR(Path("/run").stat().st_mode)


def test_edited_and_deleted_manifests_are_found(cluster: Cluster, run_module: RunModule) -> None:
    cluster.become_control_plane()
    cluster.write(runner.KUBELET_CLIENT, "client")
    assert run_module("kubeadm", init_args(cluster), check=True)["actions"] == []

    scheduler = node.CONTROL_PLANE_MANIFESTS[2]
    cluster.write(scheduler, static_pod("kube-scheduler", "--profiling=true"))
    edited = run_module("kubeadm", init_args(cluster), check=True)
    assert edited["actions"] == ["kube-scheduler reconfigured"]
    assert "-    - --profiling=true\n" in edited["diff"]["prepared"]

    (cluster.root / scheduler.lstrip("/")).unlink()
    deleted = run_module("kubeadm", init_args(cluster), check=True)
    assert deleted["actions"] == ["kube-scheduler restored: its manifest was not there"]
    assert not (cluster.root / scheduler.lstrip("/")).exists()


def test_upgrade_is_refused(cluster: Cluster, run_module: RunModule) -> None:
    cluster.become_control_plane()
    (cluster.rendered / "cluster").write_text(CLUSTER_TEXT.replace("1.36.4", "1.37.1"))
    result = run_module("kubeadm", init_args(cluster))
    assert result["rc"] == 1
    assert (result["kubernetes_version"], result["expected_kubernetes_version"]) == ("v1.36.4", "v1.37.1")
    assert "upgrade" in result["msg"]


def test_files_come_before_init_and_are_not_logged(
    cluster: Cluster, tmp_path: Path, run_module: RunModule
) -> None:
    made = copy_files_of(cluster, cluster.become_control_plane, tmp_path)
    policy = cluster.root / "etc/audit/policy"
    cluster.script(f"test -s {policy} || exit 1; {made}")
    files = [{"path": "/etc/audit/policy", "content": "a very secret text"}]
    result = run_module("kubeadm", init_args(cluster, files=files))
    assert result["steps"] == ["kubeadm init", "/etc/audit/policy placed"]
    assert stat.S_IMODE(policy.stat().st_mode) == 0o600
    assert "very secret" not in json.dumps(result)
