# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A CA rotation: what is trusted after each step, and the module over a tree of files with real certificates."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._certificates import rotation
from ansible_collections.baremetal.kubernetes.plugins.module_utils._certificates.plan import CertificatesError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._certificates.rotate import Rotation
from ansible_collections.baremetal.kubernetes.plugins.module_utils._certificates.staging import (
    RotatedHost,
    Staging,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import kubeconfig, x509
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import Host
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._node.identity import clusters
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

from tests.unit.support.certificates import ENDED, Issued, issue
from tests.unit.support.modules import RunModule
from tests.unit.support.servers import kubeconfig_of

SERVER = "https://192.0.2.1:6443"
OLD, NEW, OTHER = b"old", b"new", b"other"
STEPS = (rotation.TRUST, rotation.SIGN, rotation.FINISH)


@pytest.mark.parametrize(
    ("present", "step", "expected"),
    [
        ([OLD], rotation.TRUST, (OLD, NEW)),
        ([OLD, NEW], rotation.TRUST, (OLD, NEW)),
        ([OLD, NEW], rotation.SIGN, (NEW, OLD)),
        ([NEW, OLD], rotation.SIGN, (NEW, OLD)),
        ([NEW, OLD], rotation.FINISH, (NEW,)),
        # A run that continues takes all steps again.
        ([NEW, OLD], rotation.TRUST, (NEW, OLD)),
        ([NEW], rotation.TRUST, (NEW,)),
        ([NEW], rotation.SIGN, (NEW,)),
        ([NEW], rotation.FINISH, (NEW,)),
        # What an earlier rotation has left, which nobody signs with, goes with the next one.
        ([OLD, OTHER], rotation.TRUST, (OLD, NEW)),
    ],
)
def test_what_is_trusted(present: list[bytes], step: str, expected: tuple[bytes, ...]) -> None:
    assert rotation.trusted(present, NEW, step) == expected


@pytest.mark.parametrize("step", [rotation.SIGN, rotation.FINISH])
def test_no_step_is_left_out(step: str) -> None:
    with pytest.raises(CertificatesError, match="not trusted yet"):
        rotation.trusted([OLD], NEW, step)


def test_argument_of_a_manifest() -> None:
    text = "spec:\n  containers:\n  - command:\n    - --a=1\n    - --b=2\n"
    assert rotation.with_argument(text, "b", "/x") == text.replace("--b=2", "--b=/x")
    for wrong in (text + "    - --b=3\n", text.replace("--b=", "--c=")):
        with pytest.raises(CertificatesError, match="expected once"):
            rotation.with_argument(wrong, "b", "/x")


@pytest.mark.parametrize(
    "text",
    ["[]", "{", "{}", json.dumps({"ca.crt": "damaged", "former.crt": "x"}), json.dumps({"../x": "y"})],
)
def test_content_that_is_none(text: str) -> None:
    with pytest.raises(CertificatesError):
        rotation.parse(text, "cp1")


def test_kubeconfig_gets_other_authorities() -> None:
    text = kubeconfig_of(SERVER, "A", issue("admin"))
    changed = kubeconfig.with_ca(text, b"BC")
    assert kubeconfig.parse(changed) == kubeconfig.Kubeconfig(
        SERVER, b"BC", kubeconfig.parse(text).client_cert, kubeconfig.parse(text).client_key
    )
    assert kubeconfig.with_ca(changed, b"BC") == changed
    named = text.replace("certificate-authority-data: QQ==", "certificate-authority: /ca.crt")
    assert kubeconfig.with_ca(named, b"BC") == named
    with pytest.raises(kubeconfig.KubeconfigError, match="one line"):
        kubeconfig.with_ca(text.replace("data: QQ==", 'data: "QQ=="'), b"BC")


def test_rotation_that_has_ended_on_some_hosts() -> None:
    both = {"cluster_id": "old", "new_cluster_id": "new"}
    found = {"cp1": both, "cp2": {"cluster_id": "new"}, "cp3": {"cluster_id": "other"}, "cp4": {}}
    assert clusters(found) == {"cp1": "old", "cp2": "old", "cp3": "other", "cp4": None}
    assert clusters({"cp2": {"cluster_id": "new", "new_cluster_id": None}}) == {"cp2": "new"}


KUBEADM = r"""#!{python}
import json, pathlib, sys
sys.path[:0] = {path!r}
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from tests.unit.support import certificates
from tests.unit.support.servers import kubeconfig_of

directory = pathlib.Path({directory!r})
pki = directory / "etc/kubernetes/pki"
argv = sys.argv[1:]
config = pathlib.Path(argv[argv.index("--config") + 1]).read_text()
with (directory / "calls").open("a") as stream:
    stream.write(json.dumps(argv[:4]) + "\n")
def signer(name):
    return certificates.Issued(
        x509.load_pem_x509_certificates((pki / (name + ".crt")).read_bytes())[0],
        serialization.load_pem_private_key((pki / (name + ".key")).read_bytes(), None),
    )
if argv[:3] == ["init", "phase", "certs"]:
    to = pathlib.Path(config.partition('"certificatesDir": "')[2].partition('"')[0])
    name, subject = {{
        "ca": ("ca", "kubernetes"), "etcd-ca": ("etcd/ca", "etcd-ca"), "front-proxy-ca": ("front-proxy-ca",) * 2
    }}[argv[3]]
    made = certificates.issue(subject, ca=True)
    (to / name).parent.mkdir(exist_ok=True)
    (to / (name + ".crt")).write_text(made.pem)
    (to / (name + ".key")).write_text(made.key_pem)
else:
    name = argv[2]
    if name.endswith(".conf"):
        ca = signer("ca")
        (directory / "etc/kubernetes" / name).write_text(
            kubeconfig_of({server!r}, ca.pem, certificates.issue(name, issuer=ca))
        )
    else:
        path, by = {{
            "apiserver": ("apiserver", "ca"), "etcd-server": ("etcd/server", "etcd/ca"),
            "front-proxy-client": ("front-proxy-client", "front-proxy-ca"),
        }}[name]
        (pki / (path + ".crt")).write_text(certificates.issue(name, issuer=signer(by), names=["cp1"]).pem)
"""
MANAGER = """apiVersion: v1
kind: Pod
spec:
  containers:
  - name: kube-controller-manager
    image: kube-controller-manager:v1.36.4
    command:
    - kube-controller-manager
    - --cluster-signing-cert-file=/etc/kubernetes/pki/ca.crt
    - --cluster-signing-key-file=/etc/kubernetes/pki/ca.key
    - --root-ca-file=/etc/kubernetes/pki/ca.crt
"""


class Node:
    """A tree of files of a member."""

    def __init__(self, directory: Path, run_module: RunModule, authorities: dict[str, Issued]) -> None:
        self.root = directory
        self.old = authorities
        self.pki = directory / "etc/kubernetes/pki"
        (self.pki / "etcd").mkdir(parents=True)
        (directory / "run").mkdir()
        (self.pki / "ca.crt").write_text(authorities["ca"].pem)
        self.write("kubelet.conf", kubeconfig_of(SERVER, authorities["ca"].pem, self.issued("system:node:n")))
        self.kubeadm = directory / "kubeadm"
        self._run_module = run_module

    def issued(self, subject: str, by: str = "ca", *names: str) -> Issued:
        return issue(subject, issuer=self.old[by], names=names)

    def write(self, name: str, text: str) -> None:
        path = self.root / "etc/kubernetes" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def text(self, name: str) -> str:
        return (self.root / "etc/kubernetes" / name).read_text()

    def trusted(self, name: str = "pki/ca.crt") -> list[x509.Certificate]:
        text = self.text(name)
        if name.endswith(".conf"):
            text = (kubeconfig.parse(text).ca or b"").decode()
        return x509.parse_bundle(text)

    def run(self, step: str, *, check: bool = False, **args: t.Any) -> dict[str, t.Any]:
        given = {"root": str(self.root), "step": step, "kubeadm_path": str(self.kubeadm), **args}
        return self._run_module("ca_rotation", given, check=check)

    def files(self) -> dict[str, str]:
        top = self.root / "etc"
        return {str(path): path.read_text() for path in top.rglob("*") if path.is_file()}


class Plane(Node):
    """The same of a control plane, with a kubeadm that issues real certificates."""

    def __init__(self, directory: Path, run_module: RunModule, authorities: dict[str, Issued]) -> None:
        super().__init__(directory, run_module, authorities)
        for name, one in authorities.items():
            (self.pki / f"{name}.crt").write_text(one.pem)
            (self.pki / f"{name}.key").write_text(one.key_pem)
            (self.pki / f"{name}.key").chmod(0o600)
        for name in ("admin.conf", "controller-manager.conf", "scheduler.conf"):
            self.write(name, kubeconfig_of(SERVER, authorities["ca"].pem, self.issued(name)))
        self.write("pki/apiserver.crt", self.issued("kube-apiserver", "ca", "cp1").pem)
        self.write("pki/etcd/server.crt", self.issued("cp1", "etcd/ca").pem)
        self.write("pki/front-proxy-client.crt", self.issued("client", "front-proxy-ca").pem)
        self.write("manifests/kube-controller-manager.yaml", MANAGER)
        for name in ("kube-apiserver", "kube-scheduler"):
            self.write(f"manifests/{name}.yaml", MANAGER.replace("kube-controller-manager", name))
        self.kubeadm.write_text(
            KUBEADM.format(python=sys.executable, path=sys.path, directory=str(directory), server=SERVER)
        )
        self.kubeadm.chmod(0o755)

    def calls(self) -> list[list[str]]:
        file = self.root / "calls"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
def authorities() -> dict[str, Issued]:
    subjects = {"ca": "kubernetes", "etcd/ca": "etcd-ca", "front-proxy-ca": "front-proxy-ca"}
    return {name: issue(subject, ca=True) for name, subject in subjects.items()}


@pytest.fixture
def plane(tmp_path: Path, run_module: RunModule, authorities: dict[str, Issued]) -> Plane:
    return Plane(tmp_path / "cp1", run_module, authorities)


@pytest.fixture
def worker(tmp_path: Path, run_module: RunModule, authorities: dict[str, Issued]) -> Node:
    return Node(tmp_path / "w1", run_module, authorities)


def finished(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> Rotation:
    """The last step of a control plane, but for the API server."""
    monkeypatch.setattr(Rotation, "_announce", lambda *_args: None)
    host = Host(str(plane.root), str(plane.kubeadm))
    own = Rotation(Staging(RotatedHost(host, 60, {}, False)), 60)
    own.take(rotation.FINISH)
    return own


def test_control_plane(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = membership.observe(str(plane.root)).cluster_id
    before = plane.files()
    assert not plane.run("check")["changed"]
    predicted = plane.run("stage", generate=True, check=True)
    assert predicted["changed"] and not predicted["staged"] and plane.files() == before and not plane.calls()
    assert plane.run("trust", check=True)["changed"]
    made = plane.run("stage", generate=True, reveal=True)
    assert made["changed"] and made["staged"] and made["authorities"] == ["ca", "etcd/ca", "front-proxy-ca"]
    assert "PRIVATE KEY" not in json.dumps({**made, "content": ""}) and "PRIVATE KEY" in made["content"]
    assert not plane.run("stage", generate=True)["changed"] and len(plane.calls()) == 3
    kept = plane.root / "etc/kubernetes/ca-rotation"
    assert kept.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in kept.rglob("*") if path.is_file())
    new = x509.parse_pem(plane.text("ca-rotation/ca.crt"))
    # Nothing but the kept files has changed.
    assert {**plane.files(), **before} == plane.files()
    state = membership.observe(str(plane.root))
    assert (state.cluster_id, state.new_cluster_id) == (identity, new.public_key_hash)

    assert "not trusted yet" in plane.run("sign")["msg"] and {**plane.files(), **before} == plane.files()
    assert "not trusted yet" in plane.run("finish")["msg"] and {**plane.files(), **before} == plane.files()
    result = plane.run("trust", check=True)
    assert result["changed"] and {**plane.files(), **before} == plane.files()
    result = plane.run("trust")
    assert result["changed"] and result["diff"]["after"].count("kubernetes, sha256") > 2
    for name in ("pki/ca.crt", "admin.conf", "controller-manager.conf", "scheduler.conf", "kubelet.conf"):
        assert [one.fingerprint for one in plane.trusted(name)][1:] == [new.fingerprint], name
    assert len(plane.trusted("pki/etcd/ca.crt")) == len(plane.trusted("pki/front-proxy-ca.crt")) == 2
    manifest = plane.text("manifests/kube-controller-manager.yaml")
    assert "cluster-signing-cert-file=/etc/kubernetes/pki/ca-rotation-signing.crt" in manifest
    assert plane.trusted("pki/ca-rotation-signing.crt")[0].public_key_hash == identity
    assert plane.text("pki/ca.key") == plane.old["ca"].key_pem
    assert not plane.run("trust")["changed"]

    result = plane.run("sign")
    assert result["changed"] and [call[2] for call in plane.calls()[3:]] == [
        "etcd-server", "apiserver", "front-proxy-client", "admin.conf", "controller-manager.conf",
        "scheduler.conf",
    ]  # fmt: skip
    assert "PRIVATE KEY" not in json.dumps(result)
    assert (plane.pki / "ca.key").stat().st_mode & 0o777 == 0o600
    assert plane.trusted()[0].fingerprint == new.fingerprint and len(plane.trusted("admin.conf")) == 2
    assert [one.fingerprint for one in plane.trusted("pki/ca-rotation-signing.crt")] == [new.fingerprint]
    for step in ("trust", "sign"):
        assert not plane.run(step)["changed"], step
    # The kubelet's certificate is still the former CA's.
    refused = plane.run("finish")
    assert (
        refused["failed"]
        and "kubelet-client (/etc/kubernetes/kubelet.conf) is not of the new CA" in refused["msg"]
    )
    assert len(plane.trusted()) == 2
    signer = Issued(
        load_pem_x509_certificate(plane.text("pki/ca.crt").encode()),
        load_pem_private_key(plane.text("pki/ca.key").encode(), None),
    )
    own = issue("system:node:n", issuer=signer)
    plane.write("kubelet.conf", kubeconfig_of(SERVER, plane.text("pki/ca.crt"), own))

    assert finished(plane, monkeypatch).rotated.before
    assert [one.fingerprint for one in plane.trusted()] == [new.fingerprint]
    assert [one.fingerprint for one in plane.trusted("kubelet.conf")] == [new.fingerprint]
    assert plane.text("manifests/kube-controller-manager.yaml") == MANAGER
    assert not finished(plane, monkeypatch).rotated.before
    for step in ("trust", "sign"):
        assert not plane.run(step)["changed"], step
    assert membership.observe(str(plane.root)).cluster_id == identity
    assert plane.run("close", check=True)["changed"] and kept.exists()
    assert plane.run("close")["changed"] and not kept.exists()
    assert not (plane.pki / "ca-rotation-signing.crt").exists()
    assert not plane.run("close")["changed"]
    state = membership.observe(str(plane.root))
    assert (state.cluster_id, state.new_cluster_id) == (new.public_key_hash, None)
    assert [
        path.name for path in (plane.root / "etc/kubernetes").iterdir() if path.name.startswith(".")
    ] == []


@pytest.mark.parametrize("trusts", ["former", "new", "both"])
def test_clients_of_the_api_server_need_not_know_the_new_ca(
    plane: Plane, tmp_path: Path, trusts: str
) -> None:
    """A client that has read its CA before the rotation and one after it verify the same chain, by OpenSSL."""
    plane.run("stage", generate=True)
    plane.run("trust")
    plane.run("sign")
    leaf, cross = x509.der_of(plane.text("pki/apiserver.crt"))
    (tmp_path / "leaf").write_text(ssl.DER_cert_to_PEM_cert(leaf))
    (tmp_path / "cross").write_text(ssl.DER_cert_to_PEM_cert(cross))
    new = plane.text("ca-rotation/ca.crt")
    roots = {"former": plane.old["ca"].pem, "new": new, "both": plane.text("pki/ca.crt")}
    (tmp_path / "roots").write_text(roots[trusts])
    argv = ["openssl", "verify", "-x509_strict", "-CAfile", "roots", "-untrusted", "cross", "leaf"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "leaf: OK", done.stderr
    if trusts == "former":
        argv.remove("-untrusted")
        argv.remove("cross")
        assert subprocess.run(argv, cwd=tmp_path, capture_output=True, check=False).returncode != 0


def test_worker(plane: Plane, worker: Node) -> None:
    made = plane.run("stage", generate=True, reveal=True)
    assert "PRIVATE KEY" not in made["public"]
    for content in (made["public"], made["content"]):
        # A worker keeps no key, whatever it is given.
        worker.run("stage", content=content)
        assert sorted(path.name for path in (worker.root / "etc/kubernetes/ca-rotation").iterdir()) == [
            "ca.crt",
            "former.crt",
        ]
    new = x509.parse_pem(plane.text("ca-rotation/ca.crt")).fingerprint
    old = worker.trusted()[0].fingerprint
    for step, expected in ((rotation.TRUST, [old, new]), (rotation.SIGN, [new, old])):
        assert worker.run(step)["changed"] and not worker.run(step)["changed"]
        assert [one.fingerprint for one in worker.trusted()] == expected
        assert [one.fingerprint for one in worker.trusted("kubelet.conf")] == expected
    assert "kubelet-client" in worker.run("finish")["msg"]
    assert len(worker.trusted()) == 2


def test_other_content_replaces_what_was_kept(
    plane: Plane, worker: Node, authorities: dict[str, Issued]
) -> None:
    """A worker may have been left out by a rotation that began, and never changed anything."""
    made = plane.run("stage", generate=True)
    worker.run("stage", content=made["public"])
    other = json.loads(made["public"])
    other["ca.crt"] = issue("kubernetes", ca=True).pem
    assert worker.run("stage", content=json.dumps(other))["changed"]
    assert worker.text("ca-rotation/ca.crt") == other["ca.crt"]


def damaged(plane: Plane) -> None:
    (plane.pki / "ca.crt").write_text("damaged")


def expired(plane: Plane) -> None:
    (plane.pki / "etcd/ca.crt").write_text(issue("etcd-ca", ca=True, end=ENDED).pem)


def two(plane: Plane) -> None:
    (plane.pki / "ca.crt").write_text(plane.old["ca"].pem + plane.old["etcd/ca"].pem)


def elsewhere(plane: Plane) -> None:
    (plane.pki / "ca.key").unlink()


def partial(plane: Plane) -> None:
    (plane.root / "etc/kubernetes/admin.conf").unlink()


def lost(plane: Plane) -> None:
    plane.run("stage", generate=True)
    (plane.root / "etc/kubernetes/ca-rotation/former.crt").unlink()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (damaged, "pki/ca.crt cannot be read"),
        (expired, "etcd/ca.crt ended at 2020-02-01"),
        (two, "has 2 certificates, expected one"),
        (elsewhere, "ca.key is not on this host"),
        (partial, r"not in the cluster \(partial\)"),
        (lost, "former.crt is missing"),
    ],
)
def test_refusals(plane: Plane, fault: t.Callable[[Plane], None], words: str) -> None:
    fault(plane)
    before = plane.files()
    for step in ("check", "stage"):
        result = plane.run(step, generate=True)
        assert result["failed"] and re.search(words, result["msg"]), result
        assert plane.files() == before


def test_authority_of_an_external_etcd_is_left_alone(plane: Plane) -> None:
    (plane.pki / "etcd/ca.key").unlink()
    assert plane.run("stage", generate=True)["authorities"] == ["ca", "front-proxy-ca"]
    before = plane.text("pki/etcd/ca.crt")
    plane.run("trust")
    plane.run("sign")
    assert plane.text("pki/etcd/ca.crt") == before
    assert "etcd-server" not in [call[2] for call in plane.calls()]


def test_signing_ca_of_the_site_is_left_alone(plane: Plane) -> None:
    own = MANAGER.replace(
        "pki/ca.crt\n    - --cluster-signing-key", "pki/site.crt\n    - --cluster-signing-key"
    )
    plane.write("manifests/kube-controller-manager.yaml", own)
    plane.run("stage", generate=True)
    assert plane.run("trust")["changed"]
    assert plane.text("manifests/kube-controller-manager.yaml") == own


def test_kubelet_is_restarted_by_the_next_run(plane: Plane, worker: Node) -> None:
    """Power was lost after the files of the kubelet had changed, and before it was restarted."""
    worker.run("stage", content=plane.run("stage", generate=True)["public"])
    assert worker.run("trust")["restarted"] == ["kubelet"]
    assert worker.run("trust")["restarted"] == []
    (worker.root / "etc/kubernetes/ca-rotation/restart-kubelet").touch()
    predicted = worker.run("trust", check=True)
    assert predicted["changed"] and predicted["restarted"] == ["kubelet"]
    assert worker.run("trust")["restarted"] == ["kubelet"]
    # A kubelet that bootstraps writes its kubeconfig itself.
    worker.write("kubelet.conf", worker.text("kubelet.conf"))
    assert not worker.run("trust")["changed"]


def test_killed_run_leaves_no_key(plane: Plane) -> None:
    """What a run that was killed has left beside the kept files goes with the next one."""
    left = plane.root / "etc/kubernetes/.ca-rotation.abc"
    left.mkdir()
    (left / "ca.key").write_text("secret")
    plane.run("stage", generate=True)
    assert not left.exists()
