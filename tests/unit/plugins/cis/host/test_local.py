# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real reader on trees of files, with real ports and certificates."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host import local as host_module
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.local import MOST_BYTES, Host

from tests.unit.plugins.cis.tree import HOST_NETWORK, POD_UID, STATIC_UID, Tree
from tests.unit.support.certificates import Issued, authority, issue, server_context
from tests.unit.support.servers import Answer, Server

ETCD = "/usr/local/bin/etcd"
SYSTEMD_POD = (
    f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{POD_UID.replace('-', '_')}.slice"
)
ANOTHER_NETWORK = "net:[4026532999]"
CA = authority()
ADMIN, SERVER = issue("kube-apiserver-kubelet-client", issuer=CA), issue("system:node:w1", issuer=CA)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


# Processes


def test_command_line_is_split_at_null_bytes(tree: Tree) -> None:
    words = ["etcd", "--name=a b", "", "--x", 'say "hi"', "--empty="]
    tree.run(7, ETCD, words)
    (found,) = Host(str(tree.root)).processes("etcd")
    assert found.argv == tuple(words) and found.pid == 7


def test_arguments_that_are_not_text_stay_separate(tree: Tree) -> None:
    tree.run(7, ETCD, ["etcd"])
    (tree.root / "proc/7/cmdline").write_bytes(b"etcd\0--n=\xff\xfe\0last")
    assert Host(str(tree.root)).processes("etcd")[0].argv == ("etcd", "--n=\ufffd\ufffd", "last")


def test_process_is_named_by_its_executable(tree: Tree) -> None:
    tree.run(7, "/usr/local/bin/kubelet", ["/opt/kubelet-wrapped", "--config=/a"])
    tree.run(8, "/usr/bin/python3", ["/usr/bin/python3", "kubelet"])
    tree.run(9, "/usr/bin/vim", ["kubelet"])
    assert [item.pid for item in Host(str(tree.root)).processes("kubelet")] == [7]


@pytest.mark.parametrize("exe", [None, "/usr/bin/kubelet (deleted)", "/usr/bin/kubelet;5f3a01 (deleted)"])
def test_process_of_a_replaced_executable_is_named_by_its_first_argument(tree: Tree, exe: str | None) -> None:
    tree.run(7, exe, ["/usr/bin/kubelet", "--config=/a"])
    assert [item.pid for item in Host(str(tree.root)).processes("kubelet")] == [7]


def test_kernel_threads_and_ended_processes_are_ignored(tree: Tree) -> None:
    tree.run(7, None, [])
    (tree.root / "proc/8").mkdir()
    (tree.root / "proc/self").mkdir()
    assert Host(str(tree.root)).processes("") == ()


def test_processes_are_sorted_by_pid(tree: Tree) -> None:
    for pid in (100, 20, 3):
        tree.run(pid, ETCD, ["etcd"])
    assert [item.pid for item in Host(str(tree.root)).processes("etcd")] == [3, 20, 100]


def test_only_etcd_variables_of_the_environment_are_kept(tree: Tree) -> None:
    env = {"ETCD_NAME": "a=b", "PATH": "/bin", "ETCD_ROOT_PASSWORD": "geheim", "ETCD_AUTH_TOKEN": "geheim"}
    tree.run(7, ETCD, ["etcd"], env=env)
    tree.run(8, "/bin/kubelet", ["kubelet"], env=env)
    reader = Host(str(tree.root))
    assert reader.processes("etcd")[0].env == {"ETCD_NAME": "a=b"}
    assert reader.processes("kubelet")[0].env == {}


@pytest.mark.parametrize(
    ("group", "network", "ours"),
    [
        ("/system.slice/etcd.service", "host", True),
        (f"/kubepods/burstable/pod{STATIC_UID}/0123", "host", True),
        (
            f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{STATIC_UID}.slice/c.scope",
            "host",
            True,
        ),
        # Workloads of tenants, also with the network of the host.
        (f"/kubepods/besteffort/pod{POD_UID}/0123", "own", False),
        (f"/kubepods/besteffort/pod{POD_UID}/0123", "host", False),
        (f"{SYSTEMD_POD}/cri-containerd-0123.scope", "host", False),
        # A cluster within a Pod, and one within a container.
        (f"/kubepods/pod{POD_UID}/c1/kubepods/pod{STATIC_UID}/c2", "host", False),
        (f"/docker/c1/kubelet.slice/kubelet-kubepods-pod{STATIC_UID}.slice/c2", "own", False),
        ("/docker/0123", "own", False),
        ("/docker/0123", "host", True),
    ],
)
def test_etcd_of_a_workload_is_ignored(tree: Tree, group: str, network: str, ours: bool) -> None:
    tree.run(7, ETCD, ["etcd"], group=group, network=HOST_NETWORK if network == "host" else ANOTHER_NETWORK)
    assert bool(Host(str(tree.root)).processes("etcd")) is ours


def test_workload_without_a_known_cgroup_is_recognised_by_its_mounts(tree: Tree) -> None:
    mounts = f"1 2 0:35 /kubelet/pods/{POD_UID}/etc-hosts /etc/hosts rw - ext4 /dev/vda rw\n"
    tree.run(7, ETCD, ["etcd"], group="/k8s.io/0123", mounts=mounts)
    tree.run(8, ETCD, ["etcd"], group="/k8s.io/4567", mounts=mounts.replace(POD_UID, STATIC_UID))
    assert [item.pid for item in Host(str(tree.root)).processes("etcd")] == [8]


def test_static_pod_with_a_uid_in_its_manifest(tree: Tree) -> None:
    tree.run(7, ETCD, ["etcd"], group=f"/kubepods/pod{POD_UID}/0123")
    assert not Host(str(tree.root)).processes("etcd")
    tree.file("/etc/kubernetes/manifests/etcd.yaml", f"metadata:\n  uid: {POD_UID}\n")
    assert Host(str(tree.root)).processes("etcd")


def test_static_pod_without_host_network_is_recognised_by_its_directory(tree: Tree) -> None:
    tree.run(
        7,
        "/bin/kube-scheduler",
        ["kube-scheduler"],
        group=f"/kubepods/pod{STATIC_UID}/1",
        network=ANOTHER_NETWORK,
    )
    assert not Host(str(tree.root)).processes("kube-scheduler")
    (tree.root / "var/lib/kubelet/pods" / STATIC_UID).mkdir(parents=True)
    assert Host(str(tree.root)).processes("kube-scheduler")


def test_kube_proxy_is_a_pod_of_the_api(tree: Tree) -> None:
    tree.run(7, "/bin/kube-proxy", ["kube-proxy"], group=f"/kubepods/pod{POD_UID}/1")
    tree.run(8, "/bin/kube-proxy", ["kube-proxy"], group=f"/kubepods/pod{POD_UID}/2", network=ANOTHER_NETWORK)
    assert [item.pid for item in Host(str(tree.root)).processes("kube-proxy")] == [7]


# Files


def test_metadata_of_files(tree: Tree) -> None:
    tree.file("/etc/a.conf", "text", 0o640)
    reader = Host(str(tree.root))
    fact = reader.stat("/etc/a.conf")
    assert (fact.kind, fact.mode, fact.uid, fact.gid, fact.link) == (
        "file",
        0o640,
        os.getuid(),
        os.getgid(),
        "",
    )
    assert reader.read("/etc/a.conf") == b"text"
    assert reader.stat("/etc").kind == "directory" and reader.stat("/").kind == "directory"
    assert reader.stat("/none").kind == "missing" and reader.stat("/etc/a.conf/b").kind == "missing"


def test_files_of_a_container(tree: Tree) -> None:
    tree.file("/etc/a.conf", "host")
    tree.file("/etc/a.conf", "container", under="/box")
    tree.run(7, ETCD, ["etcd"], root="/box")
    reader = Host(str(tree.root))
    (etcd,) = reader.processes("etcd")
    assert reader.read("/etc/a.conf") == b"host" and reader.read("/etc/a.conf", etcd) == b"container"
    assert reader.stat("/", etcd).kind == "directory"
    assert [fact.path for fact in reader.walk("/etc", etcd)] == ["/etc", "/etc/a.conf"]


@pytest.mark.parametrize(
    "target",
    ["/etc/shadow", "../../../../../../etc/shadow", "/../../etc/shadow", "/proc/self/root/etc/shadow"],
)
def test_links_stay_within_a_container(tree: Tree, target: str) -> None:
    tree.file("/etc/shadow", "secret of the host")
    tree.file("/etc/shadow", "of the container", under="/box")
    tree.link("/data/ca.crt", target, under="/box")
    (tree.root / "box/proc/self").mkdir(parents=True)
    tree.link("/proc/self/root", "/", under="/box")
    tree.run(7, ETCD, ["etcd"], root="/box")
    reader = Host(str(tree.root))
    (etcd,) = reader.processes("etcd")
    assert reader.read("/data/ca.crt", etcd) == b"of the container"
    assert reader.stat("/data/ca.crt", etcd).link == target
    (tree.root / "box/etc/shadow").unlink()
    assert reader.stat("/data/ca.crt", etcd).kind == "missing"
    with pytest.raises(FileNotFoundError):
        reader.read("/data/ca.crt", etcd)


def test_linked_directory_stays_within_a_container(tree: Tree) -> None:
    tree.file("/srv/real/a.crt", "host")
    tree.link("/pki", "/srv/real", under="/box")
    tree.file("/srv/real/a.crt", "container", under="/box")
    tree.run(7, ETCD, ["etcd"], root="/box")
    reader = Host(str(tree.root))
    (etcd,) = reader.processes("etcd")
    assert reader.read("/pki/a.crt", etcd) == b"container"


def test_link_loops_end(tree: Tree) -> None:
    tree.link("/a", "/b")
    tree.link("/b", "a")
    reader = Host(str(tree.root))
    fact = reader.stat("/a")
    assert fact.error == os.strerror(errno.ELOOP) and fact.link == "/b"
    with pytest.raises(OSError, match="Too many levels"):
        reader.read("/a")


def test_relative_path_is_resolved_from_the_working_directory(tree: Tree) -> None:
    tree.file("/srv/run/default.etcd/x", "in it", under="/box")
    tree.run(7, ETCD, ["etcd"], root="/box", cwd="/srv/run")
    reader = Host(str(tree.root))
    (etcd,) = reader.processes("etcd")
    assert reader.stat("default.etcd", etcd).kind == "directory"
    assert reader.read("default.etcd/x", etcd) == b"in it"


def test_too_large_files_are_not_read(tree: Tree) -> None:
    tree.file("/large", b"x" * (MOST_BYTES + 1))
    tree.file("/just", b"x" * MOST_BYTES)
    reader = Host(str(tree.root))
    assert len(reader.read("/just")) == MOST_BYTES
    with pytest.raises(OSError, match="larger than 4 MiB") as caught:
        reader.read("/large")
    assert caught.value.errno == errno.EFBIG


def test_kernel_settings_can_be_read() -> None:
    assert Host().read("/proc/sys/kernel/hostname").decode().strip() == os.uname().nodename


def test_fifo_does_not_block(tree: Tree) -> None:
    os.mkfifo(tree.root / "fifo")
    reader = Host(str(tree.root))
    assert reader.stat("/fifo").kind == "other"
    with pytest.raises(OSError, match="not a regular file"):
        reader.read("/fifo")
    with pytest.raises(OSError, match="not a regular file"):
        reader.read("/proc")


def test_unreadable_file_is_an_error_and_not_missing(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.file("/closed/a.key", "x")
    before = os.lstat

    def refuse(path: str) -> os.stat_result:
        if "closed" in str(path):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return before(path)

    monkeypatch.setattr(host_module.os, "lstat", refuse)
    reader = Host(str(tree.root))
    fact = reader.stat("/closed/a.key")
    assert (fact.kind, fact.error) == ("missing", "Permission denied")
    assert [item.error for item in reader.walk("/closed")] == ["Permission denied"]


def test_a_walk_is_sorted_and_does_not_follow_links_into_directories(tree: Tree) -> None:
    for path in ("/pki/b.crt", "/pki/a.key", "/pki/etcd/ca.crt", "/outside/secret"):
        tree.file(path)
    tree.link("/pki/out", "/outside")
    tree.link("/pki/same", "a.key")
    tree.link("/pki/gone", "/nothing")
    found = Host(str(tree.root)).walk("/pki")
    assert [(fact.path, fact.kind) for fact in found] == [
        ("/pki", "directory"),
        ("/pki/a.key", "file"),
        ("/pki/b.crt", "file"),
        ("/pki/etcd", "directory"),
        ("/pki/etcd/ca.crt", "file"),
        ("/pki/gone", "missing"),
        ("/pki/out", "directory"),
        ("/pki/same", "file"),
    ]
    assert Host(str(tree.root)).walk("/none") == ()
    assert [fact.path for fact in Host(str(tree.root)).walk("/pki/a.key")] == ["/pki/a.key"]


def test_a_walk_ends(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        tree.file(f"/many/{number:02}/x")
    monkeypatch.setattr(host_module, "_MOST_FILES", 10)
    found = Host(str(tree.root)).walk("/many")
    assert len(found) < 40 and any(fact.error == "more than 10 files" for fact in found)


# Ports


class Kubelet(Server):
    """A kubelet's port with TLS, which answers clients with a certificate of the CA."""

    def __init__(self) -> None:
        self.answer = Answer(200, {"kubeletconfig": {"podPidsLimit": 7}})
        super().__init__(lambda _request: self.answer, server_context(SERVER.pair, CA.pem, ssl.CERT_OPTIONAL))


@pytest.fixture
def kubelet() -> Iterator[Kubelet]:
    running = Kubelet()
    yield running
    running.close()


def _place(tree: Tree, made: Issued, cert: str, key: str, under: str = "") -> None:
    tree.file(cert, made.pem, under=under)
    tree.file(key, made.key_pem, under=under)


def test_served_certificate(kubelet: Kubelet, tree: Tree) -> None:
    assert Host(str(tree.root)).served_certificate("127.0.0.1", kubelet.port) == SERVER.der


def test_a_port_without_tls(tree: Tree) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        number = listening.getsockname()[1]
        with pytest.raises(OSError, match="timed out"):
            Host(str(tree.root), seconds=0.2).served_certificate("127.0.0.1", number)
    with pytest.raises(ConnectionRefusedError):
        Host(str(tree.root)).served_certificate("127.0.0.1", number)


def test_configz_with_the_api_servers_certificate(kubelet: Kubelet, tree: Tree) -> None:
    tree.run(7, "/bin/kubelet", ["kubelet", "--config=/k.yaml"])
    tree.file("/k.yaml", f"port: {kubelet.port}\n")
    flags = ["--kubelet-client-certificate=/pki/c.crt", "--kubelet-client-key=/pki/c.key"]
    tree.run(8, "/bin/kube-apiserver", ["kube-apiserver", *flags], root="/box")
    _place(tree, ADMIN, "/pki/c.crt", "/pki/c.key", under="/box")
    reader = Host(str(tree.root))
    assert reader.configz() == {"podPidsLimit": 7} and reader.configz() == {"podPidsLimit": 7}
    assert kubelet.targets == ["/configz"]


def test_refused_configz_is_requested_once(kubelet: Kubelet, tree: Tree) -> None:
    tree.run(7, "/bin/kubelet", ["kubelet", f"--port={kubelet.port}"])
    current = "/var/lib/kubelet/pki/kubelet-client-current.pem"
    tree.file(current, ADMIN.pem + ADMIN.key_pem)
    kubelet.answer = Answer(403, b"Forbidden")
    reader = Host(str(tree.root))
    for _ in range(2):
        with pytest.raises(OSError, match="HTTP 403"):
            reader.configz()
    assert len(kubelet.requests) == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"kubeletconfig": []}', b"\xff"])
def test_invalid_response(kubelet: Kubelet, tree: Tree, body: bytes) -> None:
    tree.run(7, "/bin/kubelet", ["kubelet", f"--port={kubelet.port}"])
    _place(tree, ADMIN, *host_module._CLIENT_PAIRS[0])
    kubelet.answer = Answer(200, body)
    with pytest.raises(OSError, match="no kubeletconfig"):
        Host(str(tree.root)).configz()


def test_reason_of_a_failed_configz(kubelet: Kubelet, tree: Tree) -> None:
    with pytest.raises(OSError, match="no kubelet runs"):
        Host(str(tree.root)).configz()
    tree.run(7, "/bin/kubelet", ["kubelet", f"--port={kubelet.port}"])
    with pytest.raises(OSError, match="no client certificate"):
        Host(str(tree.root)).configz()
    tree.file(host_module._CLIENT_PAIRS[0][0], "damaged")
    tree.file(host_module._CLIENT_PAIRS[0][1], "damaged")
    with pytest.raises(OSError, match="cannot be used"):
        Host(str(tree.root)).configz()
