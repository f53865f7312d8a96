# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reset takes only what is the collection's: data of others, links, mounts of the operator, servers that are down."""

from __future__ import annotations

import ctypes
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact import record
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.record import PlacedFile, Record
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import child
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.child import GivenUpError, Tell
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.mounts import parse_mountinfo
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset import disk, plan, removal
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.apply import Remover
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.model import (
    Entry,
    Item,
    Observation,
    Process,
    Service,
    User,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.observe import Observer

from tests.checkout import ROOT
from tests.unit.support import boltdb
from tests.unit.support.modules import RunModule

DIGEST = "5" * 64
UNIT = "# Managed by baremetal.kubernetes: x\n[Service]\nExecStart=/usr/local/bin/containerd\n"
UNIT_PATH = "/etc/systemd/system/containerd.service"
PROGRAM = "/usr/local/bin/containerd"
FILES = {
    PROGRAM: PlacedFile("container_runtime", DIGEST, "", True),
    UNIT_PATH: PlacedFile("container_runtime", DIGEST),
}
STORES = ("/etc/kubernetes", "/var/lib/kubelet", "/var/lib/etcd", "/var/lib/containerd")


def observed(*paths: str, data: t.Iterable[str] = (), **more: t.Any) -> Observation:
    """A host of ours with directories in which something is."""
    return Observation(
        services=(Service("containerd", UNIT_PATH, UNIT),),
        record=Record(files=FILES, data=dict.fromkeys(data, "kubelet")),
        entries=tuple(Entry(path, "directory") for path in paths),
        **more,
    )


def removed(seen: Observation) -> set[str]:
    return {item.name for item in plan.plan_reset(seen).items if item.kind in ("directory", "contents of")}


# Evidence


def test_directories_that_nothing_proves_to_be_ours_stay_and_are_named() -> None:
    """A worker with the distribution's etcd and containerd, both stopped, on which the collection is at work."""
    found = plan.plan_reset(observed(*STORES, namespaces=("moby",)))
    assert not {item.name for item in found.items}.intersection(STORES)
    text = "\n".join(found.kept)
    for path in STORES:
        assert f"{path} " in text
    assert "the namespaces moby; it stays" in text
    assert found.refused == ()


def test_what_a_role_found_empty_is_ours() -> None:
    assert removed(observed(*STORES, data=STORES)) == set(STORES)


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/etc/kubernetes", {"files": ("/etc/kubernetes/kubelet.conf",)}),
        ("/var/lib/kubelet", {"files": ("/var/lib/kubelet/config.yaml",)}),
        ("/var/lib/etcd", {"etcd_data": "/var/lib/etcd"}),
        ("/var/lib/etcd", {"files": ("/etc/kubernetes/pki/etcd/ca.key",)}),
        ("/var/lib/containerd", {"namespaces": ("k8s.io",)}),
        ("/var/lib/containerd", {"namespaces": ()}),
    ],
)
def test_kubeadm_and_containerd_tell_when_the_record_does_not(path: str, more: dict[str, t.Any]) -> None:
    seen = observed(path, **more)
    assert removed(seen) == {path}
    # On a disk of its own, or behind a link, there may be other things beside.
    entries = (dataclasses.replace(seen.entries[0], keep=True),)
    assert removed(dataclasses.replace(seen, entries=entries)) == set()
    known = dataclasses.replace(seen.record, data={path: "kubelet"})
    assert removed(dataclasses.replace(seen, entries=entries, record=known)) == {path}


@pytest.mark.parametrize(
    "more",
    [
        # The member's own data is no evidence: any etcd has such a directory.
        {"files": ("/var/lib/etcd/member",)},
        {"etcd_data": "/srv/etcd"},
        {"files": ("/etc/kubernetes/pki/ca.crt", "/var/lib/etcd/member")},
    ],
)
def test_an_etcd_that_is_not_of_kubeadm_stays(more: dict[str, t.Any]) -> None:
    assert removed(observed("/var/lib/etcd", **more)) == set()


def test_metadata_that_cannot_be_read_proves_nothing() -> None:
    assert removed(observed("/var/lib/containerd", namespaces=None)) == set()
    assert removed(observed("/var/lib/containerd", namespaces=None, data=["/var/lib/containerd"]))


def test_containerd_of_others_keeps_its_state_and_mounts() -> None:
    own = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/1/rootfs"
    others = "/run/containerd/io.containerd.runtime.v2.task/moby/1/rootfs"
    seen = observed(
        *("/var/lib/containerd", "/run/containerd", "/run/nri"),
        namespaces=("k8s.io", "moby"),
        mounts=(others, own, "/var/lib/containerd/tmp/x"),
    )
    assert {item.name for item in plan.plan_reset(seen).items if item.name.startswith(("/run", "/var"))} == {
        own
    }
    ours = dataclasses.replace(seen, namespaces=("k8s.io",))
    assert len([item for item in plan.plan_reset(ours).items if item.kind == "mount"]) == 3


def test_recorded_files_go_although_their_directory_stays() -> None:
    own, other = "/etc/kubernetes/kubelet.conf.d/50-host.conf", "/etc/kubernetes/manifests/site.yaml"
    known = Record(
        files={**FILES, own: PlacedFile("kubelet", DIGEST)},
        directories={"/etc/kubernetes/kubelet.conf.d": "kubelet", "/etc/kubernetes/manifests": "kubelet"},
    )
    seen = observed("/etc/kubernetes")
    entries = (
        *seen.entries,
        Entry(own, "file", sha256=DIGEST),
        Entry("/etc/kubernetes/kubelet.conf.d", "directory", below=(own,)),
        Entry("/etc/kubernetes/manifests", "directory", below=(other,)),
    )
    assert removed(dataclasses.replace(seen, record=known, entries=entries)) == {
        "/etc/kubernetes/kubelet.conf.d"
    }


# Refusals


def test_images_of_others_in_our_containerd_stop_a_reset() -> None:
    seen = observed("/var/lib/containerd", data=["/var/lib/containerd"], namespaces=("default", "k8s.io"))
    (text,) = plan.plan_reset(seen).refused
    assert "/var/lib/containerd also holds images or containers of the namespaces default" in text


@pytest.mark.parametrize(
    ("process", "refused"),
    [
        (Process(7, 1, "/usr/bin/etcd"), True),
        (Process(7, 1, "/usr/bin/etcd", own_namespace=False), True),
        (Process(7, 1, PROGRAM), False),
        (Process(7, 1, f"{PROGRAM} (deleted)"), False),
        (Process(7, 3, "/usr/bin/unpigz"), False),
        (Process(7, 1, "/etcd", pod=True), False),
        (Process(8, 1, "/usr/bin/etcd"), False),
    ],
)
def test_a_program_of_others_that_writes_there_stops_a_reset(process: Process, refused: bool) -> None:
    seen = observed(
        "/var/lib/etcd",
        data=["/var/lib/etcd"],
        processes=(process, Process(3, 1, PROGRAM)),
        users=(User(7, "/var/lib/etcd"),),
    )
    text = "; ".join(plan.plan_reset(seen).refused)
    assert bool(text) == refused
    if refused:
        assert "process 7 (/usr/bin/etcd) writes to files below /var/lib/etcd" in text
    # Where nothing is removed, nobody is in the way.
    assert plan.plan_reset(dataclasses.replace(seen, record=Record(files=FILES))).refused == ()


def test_our_daemons_are_known_without_a_record() -> None:
    seen = observed("/var/lib/containerd", processes=(Process(7, 1, PROGRAM),), users=(User(7, STORES[3]),))
    assert plan.plan_reset(dataclasses.replace(seen, record=Record())).refused == ()


@pytest.mark.parametrize("mounted", [True, False])
def test_a_mount_of_the_operator_inside_a_directory_that_goes_stops_a_reset(mounted: bool) -> None:
    point = "/var/lib/kubelet/a b"
    seen = observed(
        "/var/lib/kubelet", data=["/var/lib/kubelet"], permanent=(point,), mounts=(point,) if mounted else ()
    )
    found = plan.plan_reset(seen)
    assert f"{point} is a mount point of your own" in found.refused[0]
    assert not any(item.kind == "mount" for item in found.items)
    linked = dataclasses.replace(seen, permanent=("/srv/k/x",), targets={"/var/lib/kubelet": "/srv/k"})
    assert "/srv/k/x is a mount point of your own" in plan.plan_reset(linked).refused[0]
    other = dataclasses.replace(seen, permanent=("/var/lib/kubelet-x", "/var/lib", "/var/lib/kubelet"))
    assert plan.plan_reset(other).refused == ()


def test_a_directory_that_does_not_answer_stops_a_reset() -> None:
    (text,) = plan.plan_reset(observed(stuck=("/var/lib/kubelet",))).refused
    assert "/var/lib/kubelet does not answer; the server of a network file system may be down" in text


# Links


def test_mounts_below_what_a_link_leads_to_are_unmounted() -> None:
    seen = observed(
        "/var/lib/kubelet",
        data=["/var/lib/kubelet"],
        targets={
            "/var/lib/kubelet": "/srv/disk/kubelet",
            "/var/lib/kubelet/plugins": "/data/plugins",
            "/var/lib/kubelet/site": "/home",
            "/etc/kubernetes/plugins": "/home",
        },
        mounts=(
            "/home/x",
            "/srv/disk",
            "/srv/disk/kubelet/pods/1/v",
            "/data/plugins/x",
            "/data/y",
            "/srv/disk/kubelet-2/x",
        ),
    )
    found = [item.name for item in plan.plan_reset(seen).items if item.kind == "mount"]
    assert found == ["/data/plugins/x", "/srv/disk/kubelet/pods/1/v"]


def test_what_stays_behind_a_link_is_named() -> None:
    targets = {"/etc/kubernetes/pki": "/secure/pki", "/var/lib/etcd/member": "/ssd/member"}
    found = plan.plan_reset(observed("/etc/kubernetes", data=["/etc/kubernetes"], targets=targets))
    assert (
        "/etc/kubernetes/pki leads to /secure/pki: the link goes, what is in /secure/pki stays" in found.kept
    )


def test_links_are_found_with_where_they_lead(tmp_path: Path) -> None:
    for name in (
        "srv/kubelet/pods",
        "srv/pki",
        "etc/kubernetes/manifests",
        "var/lib/kubelet/x",
        "var/log/pods/a",
    ):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "etc/kubernetes/pki").symlink_to("../../srv/pki")
    (tmp_path / "etc/kubernetes/manifests/site.yaml").symlink_to(tmp_path / "srv/site.yaml")
    (tmp_path / "srv/site.yaml").touch()
    (tmp_path / "etc/kubernetes/inside").symlink_to("manifests")
    (tmp_path / "etc/kubernetes/dangling").symlink_to("nowhere")
    (tmp_path / "var/lib/containerd").symlink_to(tmp_path / "srv/kubelet")
    paths = ["/etc/kubernetes", "/var/lib/kubelet", "/var/lib/containerd", "/absent"]
    assert disk.links(str(tmp_path), paths, ["/etc/kubernetes"]) == {
        "/etc/kubernetes/pki": "/srv/pki",
        "/etc/kubernetes/manifests/site.yaml": "/srv/site.yaml",
        "/var/lib/containerd": "/srv/kubelet",
    }


# What is on the disk


def test_namespaces_of_containerd(tmp_path: Path) -> None:
    assert disk.namespaces(str(tmp_path)) == ()
    path = tmp_path / disk.METADATA
    path.parent.mkdir()
    path.write_bytes(boltdb.containerd(k8s_io=["pause"], moby=["app"], default=[]))
    assert disk.namespaces(str(tmp_path)) == ("k8s.io", "moby")
    path.write_bytes(b"damaged")
    assert disk.namespaces(str(tmp_path)) is None
    path.unlink()
    path.symlink_to("nowhere")
    assert disk.namespaces(str(tmp_path)) is None


def test_processes_that_write_below_a_directory(tmp_path: Path) -> None:
    (tmp_path / "read").touch()
    script = f"a = open('{tmp_path}/written', 'w'); b = open('{tmp_path}/read'); print('ready', flush=True); input()"
    reader = script.replace(f"open('{tmp_path}/written', 'w')", "0")
    with (
        subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as writing,
        subprocess.Popen(
            [sys.executable, "-c", reader], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as reading,
    ):
        for process in (writing, reading):
            assert process.stdout
            process.stdout.readline()
        link = tmp_path.with_name("link")
        link.symlink_to(tmp_path)
        assert disk.users({str(link): str(tmp_path)}) == (User(writing.pid, str(link)),)
        assert disk.users({f"{tmp_path}x": f"{tmp_path}x"}) == ()
        for process in (writing, reading):
            process.communicate(b"\n")


def test_the_whole_on_a_tree_of_files(run_module: RunModule, tmp_path: Path) -> None:
    """A worker of ours beside the distribution's etcd; Docker's containerd came first. kubelet's disk is linked."""

    def write(path: str, data: bytes | str = "x") -> None:
        target = tmp_path / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data if isinstance(data, bytes) else data.encode())

    (tmp_path / "run/systemd/system").mkdir(parents=True)
    write(UNIT_PATH, UNIT)
    write("/var/lib/etcd/member/snap/db", "a database")
    write(f"/var/lib/containerd/{disk.METADATA}", boltdb.containerd(k8s_io=["pause"], moby=["app"]))
    write("/srv/kubelet/config.yaml")
    (tmp_path / "var/lib/kubelet").symlink_to(tmp_path / "srv/kubelet")
    write("/secure/pki/ca.key")
    write("/etc/kubernetes/kubelet.conf")
    (tmp_path / "etc/kubernetes/pki").symlink_to("../../secure/pki")
    known = Record(
        files={UNIT_PATH: PlacedFile("container_runtime", DIGEST)}, data={"/var/lib/kubelet": "kubelet"}
    )
    write(record.DEFAULT_PATH, record.render(known))
    shown = run_module("node_reset", {"root": str(tmp_path)}, check=True)
    done = run_module("node_reset", {"root": str(tmp_path)})
    assert done["rc"] == 0, done.get("msg")
    assert {*shown["removed"], "file /run/baremetal-kubernetes-kubeadm.lock"} == set(done["removed"])
    files = {f"/{path.relative_to(tmp_path)}" for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {
        "/var/lib/etcd/member/snap/db",
        f"/var/lib/containerd/{disk.METADATA}",
        "/secure/pki/ca.key",
    }
    assert (tmp_path / "var/lib/kubelet").is_symlink()
    text = "\n".join(done["kept"])
    for part in (
        "/var/lib/etcd holds nothing",
        "namespaces moby",
        "/secure/pki stays",
        "/var/lib/kubelet: mounted or",
    ):
        assert part in text


@pytest.mark.skipif(shutil.which("chattr") is None, reason="chattr makes the removal fail")
def test_evidence_survives_an_interrupted_reset(run_module: RunModule, tmp_path: Path) -> None:
    """What proved etcd's data to be ours went before it, as that was busy."""
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    for path, text in (
        (UNIT_PATH, UNIT),
        (
            record.DEFAULT_PATH,
            record.render(Record(files={UNIT_PATH: PlacedFile("container_runtime", DIGEST)})),
        ),
        ("/etc/kubernetes/pki/etcd/ca.key", "x"),
        ("/var/lib/etcd/member/snap/db", "x"),
    ):
        (tmp_path / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path.lstrip("/")).write_text(text)
    busy = tmp_path / "var/lib/etcd/member"
    subprocess.run(["chattr", "+i", busy / "snap/db"], check=False)
    immutable = (
        subprocess.run(["rm", "-f", busy / "snap/db"], check=False, capture_output=True).returncode != 0
    )
    try:
        if not immutable:
            pytest.skip("the file system has no immutable files")
        assert run_module("node_reset", {"root": str(tmp_path)})["failed"]
        assert not (tmp_path / "etc/kubernetes").exists()
    finally:
        subprocess.run(["chattr", "-i", busy / "snap/db"], check=False, capture_output=True)
    assert run_module("node_reset", {"root": str(tmp_path)})["rc"] == 0
    assert not (tmp_path / "var/lib/etcd").exists()


# Servers that are down


def test_a_child_that_hangs_is_given_up() -> None:
    def work(tell: Tell) -> None:
        for number in range(3):
            tell(f"/step/{number}")
            time.sleep(0.05)
        time.sleep(60)

    began = time.monotonic()
    with pytest.raises(GivenUpError, match=r"/step/2 does not answer for 0\.3 s") as caught:
        child.in_child(work, 0.3)
    assert caught.value.at == "/step/2"
    assert time.monotonic() - began < 3


def test_a_child_that_works_on_is_waited_for() -> None:
    def work(tell: Tell) -> str:
        for number in range(12):
            tell(str(number))
            time.sleep(0.05)
        return "é" * 100_000

    assert child.in_child(work, 0.3) == "é" * 100_000


def test_errors_of_a_child() -> None:
    with pytest.raises(FileNotFoundError, match="/nowhere"):
        child.in_child(lambda tell: os.listdir("/nowhere"), 5)
    with pytest.raises(OSError, match="has died"):
        child.in_child(lambda tell: os._exit(0), 5)
    with pytest.raises(OSError, match="has died"):
        child.in_child(lambda tell: object(), 5)


def test_paths_that_do_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = os.lstat
    dead = {str(tmp_path / "a"), str(tmp_path / "c")}

    def lstat(path: str, *args: t.Any, **more: t.Any) -> os.stat_result:
        if path in dead:
            time.sleep(60)
        return listed(path, *args, **more)

    monkeypatch.setattr(os, "lstat", lstat)
    paths = [str(tmp_path / name) for name in ("a", "b", "c", "d")]
    assert disk.stuck(paths, 0.3) == (paths[0], paths[2])
    assert disk.stuck([paths[1], "/"], 5) == ()


def test_a_mount_point_is_not_even_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """lstat of the mount point of a server that is down does not return."""
    (tmp_path / "pods/nfs").mkdir(parents=True)
    (tmp_path / "pods/file").touch()
    (tmp_path / "z").touch()
    looked = os.lstat

    def lstat(path: str, *args: t.Any, **more: t.Any) -> os.stat_result:
        if str(path).endswith("/nfs"):
            time.sleep(60)
        return looked(path, *args, **more)

    monkeypatch.setattr(os, "lstat", lstat)
    (reason,) = removal.empty(str(tmp_path), {str(tmp_path / "pods/nfs")}, directory_too=True)
    assert reason == f"{tmp_path}/pods/nfs is still mounted, so nothing in it was touched"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["nfs", "pods"]
    monkeypatch.setattr(removal, "_STEP_SECONDS", 0.3)
    with pytest.raises(GivenUpError, match="pods/nfs does not answer"):
        removal.empty(str(tmp_path), set())


def test_a_deep_tree_is_removed(tmp_path: Path) -> None:
    top = tmp_path / "x"
    top.mkdir()
    path = str(top)
    while len(path) < 4000:
        path += "/d"
        os.mkdir(path)
    assert removal.empty(str(top), (), directory_too=True) == []
    assert not top.exists()


def test_empty_directories_with_a_mount_in_them(tmp_path: Path) -> None:
    (tmp_path / "a/b/c").mkdir(parents=True)
    (tmp_path / "a/d").mkdir()
    reasons = removal.prune(str(tmp_path / "a"), {str(tmp_path / "a/b/c")})
    assert reasons[0] == f"{tmp_path}/a/b/c is still mounted"
    assert not (tmp_path / "a/d").exists()
    assert removal.prune(str(tmp_path / "a"), ()) == []


@pytest.fixture
def dead(tmp_path: Path) -> Iterator[Path]:
    """A file system whose server never answers: one of FUSE, of which nobody reads the requests."""
    point = tmp_path / "data/dead"
    point.mkdir(parents=True)
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        handle = os.open("/dev/fuse", os.O_RDWR)
    except OSError:
        pytest.skip("there is no FUSE here")
    options = f"fd={handle},rootmode=40000,user_id=0,group_id=0".encode()
    try:
        if libc.mount(b"dead", str(point).encode(), b"fuse", 0, options):
            pytest.skip("file systems cannot be mounted here")
        yield point
    finally:
        libc.umount2(str(point).encode(), 2)
        os.close(handle)


def test_a_server_that_is_down(dead: Path) -> None:
    (dead.parent / "file").touch()
    found = {mount.point: mount for mount in parse_mountinfo(Path("/proc/self/mountinfo").read_bytes())}
    assert found[str(dead)].remote
    began = time.monotonic()
    assert disk.stuck([str(dead), str(dead.parent)], 0.3) == (str(dead),)
    (reason,) = removal.empty(str(dead.parent), found, directory_too=True)
    assert reason == f"{dead} is still mounted, so nothing in it was touched"
    assert os.listdir(dead.parent) == ["dead"]
    assert time.monotonic() - began < 5


def test_the_mount_of_a_server_that_is_down_is_detached(dead: Path) -> None:
    def run(argv: t.Sequence[str], data: str | None = None) -> tuple[int, str, str]:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, input=data)
        return done.returncode, done.stdout, done.stderr

    began = time.monotonic()
    remover = Remover(Observer(run))
    remover._perform(Item("mount", str(dead)))
    assert os.listdir(dead) == []
    assert time.monotonic() - began < 40


# On a whole host


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> dict[str, t.Any]:
    """What node_reset did on a private copy of this machine."""
    if os.geteuid() or not os.path.exists("/dev/fuse"):
        pytest.skip("needs root and FUSE")
    unshare = ["unshare", "-m", "-p", "-n", "-f", "--propagation", "private"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("namespaces cannot be made here")
    keep = {str(ROOT), sys.prefix, sys.base_prefix, *(path for path in sys.path if os.path.isdir(path))}
    program = [sys.executable, "-m", "tests.unit.support.reset_live"]
    script = str(ROOT / "tests/unit/support/private_host.sh")
    directory = tmp_path_factory.mktemp("host")
    done = subprocess.run(
        [*unshare, "sh", script, str(directory), *program],
        env={
            **os.environ,
            "KEEP": " ".join(sorted(keep)),
            "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


def test_live_what_others_use_is_named_first(live: dict[str, t.Any]) -> None:
    refused = live["results"][0]
    assert refused["failed"]
    assert "writes to files below /var/lib/kubelet" in refused["msg"]
    assert "/srv/disk/kubelet/site data is a mount point of your own" in refused["msg"]
    assert "Nothing was changed" in refused["msg"]


def test_live_links_mounts_and_servers_that_are_down(live: dict[str, t.Any]) -> None:
    shown, done, again = live["results"][1:]
    mounts = {f"mount /srv/disk/kubelet/pods/1/volumes/{name}" for name in ("a b", "deep/er", "nfs")}
    assert mounts < set(shown["removed"])
    assert done["rc"] == 0, done.get("msg")
    # No systemd runs there, so that its unit is removed with an error.
    other = {"file /run/baremetal-kubernetes-kubeadm.lock", "service containerd"}
    assert set(done["removed"]) - other == set(shown["removed"]) - other
    assert (again["changed"], again["left"]) == (False, [])
    left = live["left"]
    assert (left["disk"], left["kubelet"], left["mounts"]) == (["kubelet", "precious"], [], [])
    assert (left["link"], left["etc"]) == ("/srv/disk/kubelet", False)
    assert left["kept"] == ["/secure/pki/ca.key", "/var/lib/etcd/member/snap/db"]
    assert left["seconds"] < 60
    text = "\n".join(done["kept"])
    assert "/etc/kubernetes/pki leads to /secure/pki" in text
    assert "/var/lib/etcd holds nothing" in text
