# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""node_info and what it is made of, on host trees made for the purpose."""

from __future__ import annotations

import base64
import datetime
import subprocess
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._encryption import plan as encryption_plan
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import kubeconfig as _kubeconfig
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import x509 as _x509
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import facts, membership, security
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.unit.support.certificates import Issued, issue, name
from tests.unit.support.modules import RunModule

NOT_INSTALLED = {
    "enabled": False,
    "running": False,
    "masked": False,
    "stale": False,
    "started_at": None,
    "reloaded_at": None,
}


def certificate(common_name: str, key: t.Any = None, organization: str | None = None) -> Issued:
    begin = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    return issue(
        common_name,
        [organization] if organization else [],
        issuer=name("issuer"),
        key=key,
        begin=begin,
        end=begin + datetime.timedelta(days=365),
        bare=True,
    )


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["rsa", "p256", "p384", "ed25519"],
)
def test_public_key_hash_equals_cryptography(key: t.Any) -> None:
    cert = certificate("kubernetes", key)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(
        cert.certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    parsed = _x509.parse_pem("leading text\n" + cert.pem)
    assert parsed.public_key_hash == "sha256:" + digest.finalize().hex()
    assert parsed.common_name == "kubernetes"


def test_subject_of_a_node() -> None:
    parsed = _x509.parse_pem(certificate("system:node:w1", organization="system:nodes").pem)
    assert (parsed.common_name, parsed.organizations) == ("system:node:w1", ("system:nodes",))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nMIAAAA==\n-----END CERTIFICATE-----",
    ],
)
def test_no_certificate(text: str) -> None:
    with pytest.raises(_x509.CertificateError):
        _x509.parse_pem(text)


def test_kubeconfig_of_a_joined_kubelet() -> None:
    config = _kubeconfig.parse(KUBELET_CONF)
    assert config.server == "https://192.0.2.11:6443"
    assert config.ca == b"ca"
    assert config.client_cert_path == "/var/lib/kubelet/pki/kubelet-client-current.pem"


CLUSTER, USER = "clusters:\n- cluster: {server: a}\n", "users:\n- user: {client-key-data: c2VjcmV0}\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a\n",
        "clusters: [",
        "clusters: {cluster: {server: a}}\n",
        CLUSTER + "- cluster: {server: b}\n",
        CLUSTER + "- cluster: {}\n",
        "clusters:\n- cluster: {server: [a]}\n",
        CLUSTER + "users:\n- user: {client-key-data: '%%'}\n",
        CLUSTER + USER + "- user: {}\n",
        CLUSTER + "users: [a]\n",
    ],
)
def test_no_kubeconfig(text: str) -> None:
    with pytest.raises(_kubeconfig.KubeconfigError):
        _kubeconfig.parse(text)


def test_private_key_is_not_shown() -> None:
    config = _kubeconfig.parse(CLUSTER + USER)
    assert config.client_key == b"secret"
    assert "secret" not in repr(config)
    with pytest.raises(_kubeconfig.KubeconfigError) as caught:
        _kubeconfig.parse(CLUSTER + "users:\n- user:\n    client-key-data: &key c2VjcmV0\n")
    assert str(caught.value) == "line 5 cannot be read"


M = membership
COMPLETE = (M.KUBELET_CONF, M.ADMIN_CONF, M.CA_CERT, *M.CONTROL_PLANE_MANIFESTS)


@pytest.mark.parametrize(
    ("files", "state", "role", "missing"),
    [
        ((), "fresh", None, ()),
        ((M.KUBELET_CONF, M.CA_CERT), "member", "worker", ()),
        ((M.KUBELET_CONF,), "partial", "worker", (M.CA_CERT,)),
        ((M.BOOTSTRAP_CONF, M.CA_CERT), "partial", "worker", (M.KUBELET_CONF,)),
        ((M.CA_CERT,), "partial", None, (M.KUBELET_CONF,)),
        (("/var/lib/kubelet/config.yaml",), "partial", None, (M.KUBELET_CONF,)),
        (COMPLETE, "member", "control_plane", ()),
        ((*COMPLETE, M.ETCD_DATA, M.ETCD_MANIFEST), "member", "control_plane", ()),
        ((*COMPLETE, M.ETCD_DATA), "partial", "control_plane", (M.ETCD_MANIFEST,)),
        (COMPLETE[:-1], "partial", "control_plane", (M.CONTROL_PLANE_MANIFESTS[-1],)),
        ((M.CA_KEY, *COMPLETE[:1]), "partial", "control_plane", COMPLETE[1:]),
        ((M.ETCD_DATA,), "partial", "control_plane", (*COMPLETE, M.ETCD_MANIFEST)),
    ],
)
def test_classify(files: tuple[str, ...], state: str, role: str | None, missing: tuple[str, ...]) -> None:
    assert membership.classify(files) == membership.Membership(state, role, missing)


KUBELET_CONF = """apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: Y2E=
    server: https://192.0.2.11:6443
  name: default-cluster
contexts:
- context:
    cluster: default-cluster
    namespace: default
    user: default-auth
  name: default-context
current-context: default-context
kind: Config
preferences: {}
users:
- name: default-auth
  user:
    client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem
    client-key: /var/lib/kubelet/pki/kubelet-client-current.pem
"""

FIB_TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
Local:
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
     |-- 192.0.2.11
        /32 host LOCAL
     |-- 192.0.2.255
        /32 link BROADCAST
"""


class Tree:
    """A host as files."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, text: str, mode: int = 0o644) -> Tree:
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)
        return self

    def program(self, path: str, body: str) -> Tree:
        return self.write(path, f"#!/bin/sh\n{body}\n", 0o755)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    host = Tree(tmp_path / "host")
    host.write("/etc/hostname", "W2.example.org\n")
    host.write("/etc/os-release", 'ID=gentoo\nPRETTY_NAME="Gentoo Linux"\nVERSION_ID="2.18"\n')
    host.write("/etc/machine-id", "4c4c4544004a3910804ac4c04f4d3332\n")
    host.write("/proc/1/comm", "openrc-init\n")
    host.write("/proc/meminfo", "MemTotal:        2048 kB\nSwapTotal:          16 kB\n")
    host.write("/proc/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n")
    host.write("/sys/fs/cgroup/cgroup.controllers", "memory cpu pids\n")
    host.write(
        "/proc/1/mountinfo", "1 0 0:1 / / rw - ext4 /dev/a rw\n2 1 0:2 / / rw shared:1 - ext4 /dev/b rw\n"
    )
    host.write("/proc/net/fib_trie", FIB_TRIE)
    host.write(
        "/proc/net/if_inet6",
        "20010db8000000000000000000000011 02 40 00 80 eth0\n"
        "fe800000000000000000000000000001 02 40 20 80 eth0\n"
        "00000000000000000000000000000001 01 80 10 80 lo\n",
    )
    return host


def test_fresh_openrc_host(tree: Tree, run_module: RunModule) -> None:
    result = run_module("node_info", {"root": str(tree.root), "address_probe": "127.0.0.1"})
    node = result["node"]
    assert result["changed"] is False
    assert node["hostname"] == "W2.example.org"
    assert (node["node_name"], node["node_name_source"]) == ("w2.example.org", "hostname")
    assert node["distribution"] == {
        "id": "gentoo",
        "version_id": "2.18",
        "pretty_name": "Gentoo Linux",
        "like": [],
    }
    assert node["service_manager"] == "openrc"
    assert node["address"] == "127.0.0.1"
    assert node["addresses"] == ["192.0.2.11", "2001:db8::11"]
    assert (node["memory_bytes"], node["swap_bytes"]) == (2048 * 1024, 16 * 1024)
    assert node["cgroup"] == {"version": "2", "controllers": ["cpu", "memory", "pids"]}
    assert node["root_propagation"] == "shared"
    assert node["product_uuid"] is None
    assert node["kubernetes"]["state"] == "fresh"
    assert node["kubernetes"]["cluster_id"] is None
    assert set(node["versions"].values()) == {None}
    assert node["daemons"]["kubelet"] == NOT_INSTALLED
    assert node["security"]["encryption"]["exists"] is False
    assert (node["security"]["serving_certificate"], node["security"]["kubeconfigs"]) == (None, {})


def test_joined_worker(tree: Tree, run_module: RunModule) -> None:
    ca = certificate("kubernetes")
    tree.write("/etc/kubernetes/pki/ca.crt", ca.pem).write("/etc/kubernetes/kubelet.conf", KUBELET_CONF)
    tree.write("/var/lib/kubelet/pki/kubelet-client-2026.pem", certificate("system:node:worker-2").pem)
    link = tree.root / "var/lib/kubelet/pki/kubelet-client-current.pem"
    link.symlink_to("/var/lib/kubelet/pki/kubelet-client-2026.pem")
    tree.program("/usr/local/bin/kubelet", "echo Kubernetes v1.36.4")
    tree.program("/usr/local/bin/kubeadm", 'test "$*" = "version -o short" && echo v1.36.4')
    tree.program("/usr/bin/containerd", "echo containerd github.com/containerd/containerd/v2 v2.3.4 abc")
    tree.program("/usr/bin/runc", "exit 1")
    tree.program("/sbin/rc-service", 'test "$*" = "containerd status"')
    tree.write("/etc/init.d/kubelet", "").write("/etc/init.d/containerd", "")
    tree.write("/etc/runlevels/default/kubelet", "")
    node = run_module("node_info", {"root": str(tree.root)})["node"]
    assert (node["node_name"], node["node_name_source"]) == ("worker-2", "certificate")
    assert node["kubernetes"]["state"] == "member"
    assert node["kubernetes"]["role"] == "worker"
    assert node["kubernetes"]["cluster_id"] == _x509.parse_pem(ca.pem).public_key_hash
    assert node["kubernetes"]["api_server"] == "https://192.0.2.11:6443"
    assert node["versions"] == {
        "kubelet": "1.36.4",
        "kubeadm": "1.36.4",
        "containerd": "2.3.4",
        "runc": None,
        "crictl": None,
    }
    assert node["daemons"]["kubelet"] == {**NOT_INSTALLED, "enabled": True}
    assert node["daemons"]["containerd"] == {**NOT_INSTALLED, "running": True}
    assert node["daemons"]["kubelet-csr-approver"] == NOT_INSTALLED


def test_systemd_services(tree: Tree) -> None:
    (tree.root / "run/systemd/system").mkdir(parents=True)
    tree.program(
        "/usr/bin/systemctl",
        r"printf 'Id=kubelet.service\nActiveState=activating\nUnitFileState=enabled\n\n"
        r"Id=containerd.service\nActiveState=active\nUnitFileState=disabled\nNeedDaemonReload=yes\nMainPID=1\n'",
    )
    root = str(tree.root)
    assert facts.service_manager(root) == "systemd"
    found = facts.daemons(root, "systemd")
    assert found["kubelet"] == {**NOT_INSTALLED, "enabled": True}
    assert found["containerd"] == {
        **NOT_INSTALLED,
        "running": True,
        "stale": True,
        "started_at": found["containerd"]["started_at"],
    }
    assert 0 < found["containerd"]["started_at"] < time.time(), "process 1 of this machine"
    assert found["kubelet-csr-approver"] == NOT_INSTALLED


@pytest.mark.parametrize(
    ("text", "mode", "usable", "private"),
    [
        ("own", 0o600, True, True),
        ("own", 0o644, True, False),
        ("edited", 0o600, False, True),
        ("foreign", 0o600, False, True),
    ],
)
def test_encryption_at_rest(tree: Tree, text: str, mode: int, usable: bool, private: bool) -> None:
    secret = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
    config = encryption_plan.Config(("secrets",), (encryption_plan.Key("key-1", secret),), "identity")
    texts = {"own": encryption_plan.render(config), "foreign": "kind: EncryptionConfiguration\n"}
    texts["edited"] = texts["own"] + "# edited\n"
    tree.write(security.ENCRYPTION_CONFIG, texts[text])
    (tree.root / security.ENCRYPTION_CONFIG.lstrip("/")).chmod(mode)
    found = security.encryption(str(tree.root))
    assert (found["exists"], found["usable"], found["private"]) == (True, usable, private)
    if usable:
        assert (found["writes"], found["resources"], found["digest"]) == (
            "identity",
            ["secrets"],
            config.digest,
        )
    assert secret not in repr(found)


def test_serving_certificate_and_kubeconfigs(tree: Tree) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    ca, now = certificate("issuer", key), datetime.datetime.now(datetime.UTC)
    root = str(tree.root)
    tree.write("/etc/kubernetes/pki/ca.crt", ca.pem)
    tree.write("/var/lib/kubelet/pki/kubelet-server-1.pem", certificate("system:node:w1").pem)
    link = tree.root / "var/lib/kubelet/pki/kubelet-server-current.pem"
    link.symlink_to("/var/lib/kubelet/pki/kubelet-server-1.pem")
    served = security.serving_certificate(root, now)
    assert served is not None
    assert (served["common_name"], served["issued_by_cluster_ca"]) == ("system:node:w1", True)
    data = {
        "authority": base64.b64encode(ca.pem.encode()).decode(),
        "certificate": base64.b64encode(certificate("someone", organization="team").pem.encode()).decode(),
    }
    tree.write(
        security.APPROVER_CONF,
        f"""apiVersion: v1
kind: Config
clusters:
- cluster:
    certificate-authority-data: {data["authority"]}
    server: https://192.0.2.11:6443
  name: kubernetes
contexts:
- context:
    cluster: kubernetes
    user: someone
  name: someone@kubernetes
current-context: someone@kubernetes
users:
- name: someone
  user:
    client-certificate-data: {data["certificate"]}
    client-key-data: c2VjcmV0
""",
    )
    found = security.kubeconfigs(root, now)[security.APPROVER_CONF]
    assert (found["common_name"], found["organizations"], found["has_cluster_ca"]) == (
        "someone",
        ["team"],
        True,
    )
    assert "c2VjcmV0" not in repr(found)


@pytest.mark.parametrize(("group", "expected"), [("etcd:x:998:\n", ["etcd"]), ("", [])])
def test_users_have_a_group(tree: Tree, group: str, expected: list[str]) -> None:
    tree.write("/etc/passwd", "etcd:x:998:998::/var/lib/etcd:/sbin/nologin\nmail:x:8:12::/:/bin/false\n")
    tree.write("/etc/group", group)
    assert security.users(str(tree.root)) == expected


@pytest.mark.parametrize(
    ("comm", "directories", "inittab", "manager"),
    [
        ("systemd", ("run/systemd/system",), False, "systemd"),
        ("init", ("run/openrc",), True, "openrc"),
        ("openrc-init", (), False, "openrc"),
        ("init", (), True, "sysvinit"),
        ("bash", (), False, "other"),
    ],
)
def test_service_manager(
    tmp_path: Path, comm: str, directories: tuple[str, ...], inittab: bool, manager: str
) -> None:
    host = Tree(tmp_path).write("/proc/1/comm", comm + "\n")
    for directory in directories:
        (tmp_path / directory).mkdir(parents=True)
    if inittab:
        host.write("/etc/inittab", "")
    assert facts.service_manager(str(tmp_path)) == manager


@pytest.mark.parametrize(
    ("mounts", "version"),
    [
        ("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", "2"),
        (
            "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n",
            "hybrid",
        ),
        ("cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n", "1"),
    ],
)
def test_cgroup_version(tmp_path: Path, mounts: str, version: str) -> None:
    Tree(tmp_path).write("/proc/mounts", mounts).write(
        "/proc/cgroups", "#subsys h n e\ncpu 1 1 1\nrdma 2 1 0\n"
    )
    seen = facts.cgroup(str(tmp_path))
    assert seen["version"] == version
    assert seen["controllers"] == ([] if version == "2" else ["cpu"])


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ("Kubernetes v1.36.4", "1.36.4"),
        ("runc version 1.4.3\ncommit: v1.4.3-0-gdeadbeef\ngo: go1.26.8", "1.4.3"),
        ("containerd github.com/containerd/containerd/v2 v2.3.4 abc", "2.3.4"),
        ("v1.37.0-rc.1", "1.37.0-rc.1"),
        ("unknown", None),
    ],
)
def test_parse_version(output: str, version: str | None) -> None:
    assert facts.parse_version(output) == version


def test_this_machine(run_module: RunModule) -> None:
    """The real host gives plausible values, the same in check mode."""
    node = run_module("node_info", {})["node"]
    again = run_module("node_info", {}, check=True)["node"]
    assert again.pop("observed_at") > node.pop("observed_at")
    assert node == again
    assert (
        node["kernel"]
        == subprocess.run(["uname", "-r"], capture_output=True, text=True, check=True).stdout.strip()
    )
    assert node["memory_bytes"] > 1 << 28


def test_root_must_exist(tmp_path: Path, run_module: RunModule) -> None:
    result = run_module("node_info", {"root": str(tmp_path / "absent")})
    assert result["failed"]
    assert "is not a directory" in result["msg"]


def test_missing_commands_are_named(tree: Tree, run_module: RunModule) -> None:
    tree.program("/usr/sbin/iptables", "").program("/bin/mount", "").write("/usr/bin/socat", "", 0o644)
    node = run_module("node_info", {"root": str(tree.root)})["node"]
    assert node["missing_commands"] == [
        name for name in facts.NODE_COMMANDS if name not in {"iptables", "mount"}
    ]
    assert node["package_manager"] == "portage"


@pytest.mark.parametrize(
    ("os_release", "programs", "manager"),
    [
        ("ID=debian", ["usr/bin/dnf", "usr/bin/apt-get"], "apt"),
        ("ID=mint\nID_LIKE='ubuntu debian'", [], "apt"),
        ("ID=gentoo", ["usr/bin/emerge"], "portage"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"', ["usr/bin/dnf"], "dnf"),
        ("ID=fedora", ["usr/bin/dnf5"], "dnf5"),
        ("ID=opensuse-leap\nID_LIKE='suse opensuse'", [], "zypper"),
        ("ID=own", ["usr/bin/pacman"], "pacman"),
        ("ID=own", ["sbin/apk", "usr/bin/apt-get"], "apt"),
        ("ID=own", ["usr/bin/dnf5"], "dnf5"),
        ("ID=own", [], "unknown"),
        ("", [], "unknown"),
    ],
)
def test_package_manager(tmp_path: Path, os_release: str, programs: list[str], manager: str) -> None:
    host = Tree(tmp_path).write("/etc/os-release", os_release + "\n")
    for program in programs:
        host.program(program, "")
    assert facts.package_manager(str(tmp_path)) == manager


def test_dnf_that_is_dnf5(tmp_path: Path) -> None:
    Tree(tmp_path).write("/etc/os-release", "ID=fedora\n").program("/usr/bin/dnf5", "")
    (tmp_path / "usr/bin/dnf").symlink_to("dnf5")
    assert facts.package_manager(str(tmp_path)) == "dnf5"


def test_image_based_system(tmp_path: Path) -> None:
    Tree(tmp_path).write("/etc/os-release", "ID=fedora\n").write("/run/ostree-booted", "")
    assert facts.package_manager(str(tmp_path)) == "atomic_container"


MANIFEST = "spec:\n  containers:\n  - command:\n    - kube-apiserver\n    - {}\n    image: kube-apiserver\n"


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (MANIFEST.format("--profiling=false"), {"profiling": "false"}),
        (
            MANIFEST.format("--etcd-servers=https://127.0.0.1:2379"),
            {"etcd-servers": "https://127.0.0.1:2379"},
        ),
        (MANIFEST.format("--flag\n    args: [--other=a=b]"), {"flag": "", "other": "a=b"}),
        ("spec:\n  containers: []\n", {}),
        ("spec: &anchor {}\n", {}),
        ("- --encryption-provider-config=/a\n", {}),
        (None, {}),
    ],
)
def test_arguments_of_a_static_pod(manifest: str | None, expected: dict[str, str]) -> None:
    assert membership.arguments(manifest) == expected


def test_api_server_settings(tree: Tree) -> None:
    path = membership.CONTROL_PLANE_MANIFESTS[0]
    tree.write(path, MANIFEST.format("--encryption-provider-config=/etc/kubernetes/encryption/config.yaml"))
    state = membership.observe(str(tree.root))
    assert (state.encrypts, state.verifies_kubelets) == (True, False)
    # A comment is no argument.
    tree.write(path, MANIFEST.format("--kubelet-certificate-authority=/ca # --encryption-provider-config=/x"))
    state = membership.observe(str(tree.root))
    assert (state.encrypts, state.verifies_kubelets) == (False, True)


KEY = "c2VjcmV0IG9mIHRoZSBlbmNyeXB0aW9uIGtleSAhISE="


def _interpreters(root: Path, links: t.Mapping[str, str], *files: str) -> None:
    for path in files:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("")
        (root / path).chmod(0o755)
    for path, target in links.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).symlink_to(target)


@pytest.mark.parametrize(
    ("links", "files", "running", "named"),
    [
        # Only one of its own name, as where a distribution has no python3 at all.
        ({}, ["usr/bin/python3.13"], "usr/bin/python3.13", "usr/bin/python3.13"),
        ({"usr/bin/python3": "python3.11"}, ["usr/bin/python3.11"], "usr/bin/python3.11", "/usr/bin/python3"),
        (
            {"usr/local/bin/python3": "python3.12"},
            ["usr/local/bin/python3.12"],
            "usr/local/bin/python3.12",
            "/usr/local/bin/python3",
        ),
        # A virtual environment for Ansible.
        (
            {"usr/bin/python3": "python3.11", "opt/venv/bin/python": "../../../usr/bin/python3.11"},
            ["usr/bin/python3.11"],
            "opt/venv/bin/python",
            "/usr/bin/python3",
        ),
        # The system's is too old for the approver, and Ansible uses another.
        (
            {"usr/bin/python3": "python3.6"},
            ["usr/bin/python3.6", "usr/bin/python3.12"],
            "usr/bin/python3.12",
            "usr/bin/python3.12",
        ),
        # Gentoo.
        (
            {"usr/bin/python3": "python-exec2c"},
            ["usr/bin/python-exec2c", "usr/bin/python3.13"],
            "usr/bin/python3.13",
            "/usr/bin/python3",
        ),
    ],
    ids=["one version only", "link", "local link", "virtual environment", "old system", "python-exec"],
)
def test_python(tmp_path: Path, links: dict[str, str], files: list[str], running: str, named: str) -> None:
    _interpreters(tmp_path, links, *files)
    expected = named if named.startswith("/") else str(tmp_path / named)
    assert facts.python(str(tmp_path), str(tmp_path / running)) == expected


@pytest.mark.parametrize("text", ["", "[]", "{", '{"nodes": []}', "null"])
def test_an_allow_list_that_cannot_be_read_has_no_nodes(tmp_path: Path, text: str) -> None:
    path = tmp_path / security.APPROVER_LIST.lstrip("/")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert security.serving_nodes(str(tmp_path)) == {}
    path.write_text('{"nodes": {"w1": {"host": "h1"}}}')
    assert security.serving_nodes(str(tmp_path)) == {"w1": {"host": "h1"}}
