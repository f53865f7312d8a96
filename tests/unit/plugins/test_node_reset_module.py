# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""node_reset on a tree of files, and its steps on a simulated host."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import signal
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact import record
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.record import PlacedFile
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.mounts import Mount
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset import apply, observe
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.apply import Remover, StepError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.model import (
    LOCK,
    STATE,
    Item,
    Observation,
    Plan,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.observe import Observer

from tests.unit.support.modules import RunModule

CONTAINERD = b"containerd, as released"
FSTAB = "# table\n/dev/sda1 / ext4 rw 0 1\n# baremetal.kubernetes: /dev/sda2 none swap sw 0 0\n"


def write(root: Path, path: str, text: str | bytes = "x") -> Path:
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(text if isinstance(text, bytes) else text.encode())
    return target


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A systemd host with a node on it, and with things of its own."""
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    unit = "# Managed by baremetal.kubernetes: x\n[Unit]\nDescription={}\n[Service]\nExecStart=/usr/local/bin/{}\n"
    write(tmp_path, "/etc/systemd/system/kubelet.service", unit.format("Kubernetes node agent", "kubelet"))
    write(
        tmp_path,
        "/etc/systemd/system/containerd.service",
        unit.format("containerd container runtime", "containerd"),
    )
    wants = tmp_path / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir()
    for name in ("kubelet", "containerd"):
        (wants / f"{name}.service").symlink_to(f"/etc/systemd/system/{name}.service")
    write(tmp_path, "/usr/local/bin/containerd", CONTAINERD)
    write(tmp_path, "/usr/local/bin/kubelet", "kubelet, as released")
    write(tmp_path, "/usr/local/bin/kubectl", "the operator's own")
    write(tmp_path, "/opt/cni/bin/bridge", "bridge")
    write(tmp_path, "/opt/cni/bin/site-plugin")
    write(tmp_path, "/etc/cni/net.d/05-cilium.conflist")
    write(tmp_path, "/etc/cni/net.d/87-site.conflist.cilium_bak", "site")
    write(tmp_path, "/etc/kubernetes/pki/ca.key")
    write(tmp_path, "/etc/kubernetes/manifests/etcd.yaml")
    write(tmp_path, "/var/lib/kubelet/config.yaml")
    write(tmp_path, "/srv/containerd/io.containerd/meta.db")
    write(tmp_path, "/srv/containerd/lost+found/x")
    (tmp_path / "var/lib/containerd").symlink_to(tmp_path / "srv/containerd")
    write(tmp_path, "/etc/sysctl.d/baremetal-kubernetes.conf", "# Written by baremetal.kubernetes.\n")
    write(tmp_path, "/etc/sysctl.d/90-site.conf")
    write(tmp_path, "/etc/fstab", FSTAB).chmod(0o640)
    write(tmp_path, "/usr/libexec/kubernetes/kubelet-plugins/volume/exec/site/driver")
    files = {
        "/usr/local/bin/containerd": CONTAINERD,
        "/opt/cni/bin/bridge": b"bridge",
        "/usr/local/bin/kubelet": b"kubelet, as released",
        "/usr/local/bin/kubectl": b"kubectl, as released",
        "/etc/sysctl.d/baremetal-kubernetes.conf": b"before somebody edited it",
        "/etc/systemd/system/containerd.service": b"unit",
        "/etc/systemd/system/kubelet.service": b"unit",
    }
    placed = {
        path: PlacedFile("kubelet", sha256(data), release=not path.startswith("/etc/"))
        for path, data in files.items()
    }
    write(
        tmp_path,
        record.DEFAULT_PATH,
        record.render(record.Record(files=placed, data={"/var/lib/containerd": "container_runtime"})),
    )
    return tmp_path


def arguments(root: Path) -> dict[str, t.Any]:
    return {"root": str(root)}


def tree(root: Path) -> set[str]:
    return {
        f"/{path.relative_to(root)}" for path in root.rglob("*") if not path.is_dir() or path.is_symlink()
    }


KEPT = {
    "/etc/cni/net.d/87-site.conflist",
    "/etc/fstab",
    "/etc/sysctl.d/90-site.conf",
    "/opt/cni/bin/site-plugin",
    "/srv/containerd/lost+found/x",
    "/usr/libexec/kubernetes/kubelet-plugins/volume/exec/site/driver",
    "/usr/local/bin/kubectl",
    "/var/lib/containerd",
}


def test_removes_what_is_ours_and_only_that(run_module: RunModule, root: Path) -> None:
    before = tree(root)
    shown = run_module("node_reset", arguments(root), check=True)
    assert shown["changed"]
    assert tree(root) == before
    done = run_module("node_reset", arguments(root))
    assert done["rc"] == 0, done.get("msg")
    assert done["changed"]
    assert tree(root) == KEPT
    # What was announced is what was done.
    assert set(done["removed"]) == {*shown["removed"], f"file {LOCK}"}
    assert done["left"] == []
    assert "packages that the role host installed stay" in done["kept"]
    assert any(
        text.startswith("/usr/local/bin/kubectl is not what the role kubelet placed") for text in done["kept"]
    )
    again = run_module("node_reset", arguments(root))
    assert (again["changed"], again["removed"], again["left"]) == (False, [], [])
    assert tree(root) == KEPT


def test_empty_directories_are_ours_only_when_nothing_else_is_in_them(
    run_module: RunModule, root: Path
) -> None:
    run_module("node_reset", arguments(root))
    assert not (root / "etc/kubernetes").exists()
    assert not (root / "etc/containerd").exists()
    assert not (root / "var/lib/baremetal-kubernetes").exists()
    assert (root / "opt/cni/bin").is_dir()


def test_swap_is_put_back_with_mode_and_other_lines(run_module: RunModule, root: Path) -> None:
    run_module("node_reset", arguments(root))
    fstab = root / "etc/fstab"
    assert fstab.read_text() == FSTAB.replace("# baremetal.kubernetes: ", "")
    assert fstab.stat().st_mode & 0o777 == 0o640


def test_diff_lists_what_goes(run_module: RunModule, root: Path) -> None:
    shown = run_module("node_reset", arguments(root), check=True)
    assert "directory /etc/kubernetes\n" in shown["diff"]["before"]
    assert shown["diff"]["after"] == ""


def test_a_fresh_host_is_left_alone(run_module: RunModule, tmp_path: Path) -> None:
    write(tmp_path, "/usr/local/bin/kubectl")
    write(tmp_path, "/etc/containerd/config.toml")
    before = tree(tmp_path)
    result = run_module("node_reset", {"root": str(tmp_path)})
    assert not result["changed"]
    assert "/etc/containerd" in " ".join(result["kept"])
    assert tree(tmp_path) == before


def test_an_interrupted_reset_is_completed(run_module: RunModule, root: Path) -> None:
    for path in (
        "etc/systemd/system/kubelet.service",
        "usr/local/bin/containerd",
        "etc/kubernetes/pki/ca.key",
    ):
        (root / path).unlink()
    done = run_module("node_reset", arguments(root))
    assert done["rc"] == 0
    assert tree(root) == KEPT


def test_a_reset_without_a_readable_record_is_refused(run_module: RunModule, root: Path) -> None:
    write(root, record.DEFAULT_PATH, "{")
    before = tree(root)
    shown = run_module("node_reset", arguments(root), check=True)
    assert "cannot be read" in shown["refused"][0]
    done = run_module("node_reset", arguments(root))
    assert done["failed"]
    assert "Nothing was changed" in done["msg"]
    assert tree(root) == before


def test_what_an_interrupted_call_left_goes(run_module: RunModule, root: Path) -> None:
    """A call of artifact was killed: the record names what it was about to place, and where."""
    known = record.parse((root / record.DEFAULT_PATH.lstrip("/")).read_text())
    files = {**known.files, "/usr/local/sbin/runc": PlacedFile("kubelet", "", sha256(b"runc"), release=True)}
    now = dataclasses.replace(known, files=files, temporary=("/opt",))
    write(root, record.DEFAULT_PATH, record.render(now))
    write(root, "/usr/local/sbin/runc", "runc")
    write(root, "/opt/.bmk-artifact-x1/1", "part")
    assert run_module("node_reset", arguments(root))["rc"] == 0
    assert tree(root) == KEPT


def test_links_are_not_followed(run_module: RunModule, root: Path) -> None:
    write(root, "/home/precious")
    (root / "var/lib/kubelet/pods").mkdir()
    (root / "var/lib/kubelet/pods/out").symlink_to(root / "home")
    run_module("node_reset", arguments(root))
    assert (root / "home/precious").exists()
    assert not (root / "var/lib/kubelet").exists()


def test_a_root_that_is_none(run_module: RunModule, tmp_path: Path) -> None:
    result = run_module("node_reset", {"root": str(tmp_path / "no")})
    assert result["failed"]
    assert "is not a directory" in result["msg"]


# The steps


class Programs:
    """Answers of programs, and what was asked of them."""

    def __init__(self, answers: dict[str, tuple[int, str, str]] | None = None) -> None:
        self.answers = answers or {}
        self.calls: list[list[str]] = []
        self.inputs: list[str | None] = []

    def __call__(self, argv: list[str], data: str | None = None) -> tuple[int, str, str]:
        # Each is called with a limit of time: timeout -k 5 60 PROGRAM ...
        words = [os.path.basename(argv[4]), *argv[5:]]
        self.calls.append(words)
        self.inputs.append(data)
        for key, answer in self.answers.items():
            if " ".join(words).startswith(key):
                return answer
        return 0, "", ""


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Programs:
    monkeypatch.setattr(observe, "find", lambda name: f"/usr/sbin/{name}")
    return Programs()


def remover(programs: Programs, root: Path, live: bool = False) -> Remover:
    observer = Observer(programs, str(root))
    observer.live = live
    return Remover(observer)


def test_the_packet_filter_is_edited_and_never_flushed(programs: Programs, tmp_path: Path) -> None:
    saved = "*nat\n:POSTROUTING ACCEPT [0:0]\n:CILIUM_POST_nat - [0:0]\n-A POSTROUTING -j CILIUM_POST_nat\nCOMMIT\n"
    programs.answers["iptables-nft-save"] = (0, saved, "")
    remover(programs, tmp_path)._perform(Item("packet filter", "x", ("iptables-nft", "nat")))
    assert programs.calls == [
        ["iptables-nft-save", "-t", "nat"],
        ["iptables-nft-restore", "-w", "10", "--noflush"],
    ]
    assert programs.inputs[1] == (
        "*nat\n-D POSTROUTING -j CILIUM_POST_nat\n-F CILIUM_POST_nat\n-X CILIUM_POST_nat\nCOMMIT\n"
    )


def test_the_rule_for_local_addresses_is_back_before_the_other_goes(
    programs: Programs, tmp_path: Path
) -> None:
    programs.answers["ip -4 rule show"] = (
        0,
        "9:\tfrom all fwmark 0x200/0xf00 lookup 2004\n100:\tfrom all lookup local\n",
        "",
    )
    remover(programs, tmp_path)._perform(Item("routing rule", "x", ("-4", "local")))
    assert programs.calls[1:] == [
        ["ip", "-4", "rule", "add", "pref", "0", "lookup", "local"],
        ["ip", "-4", "rule", "del", "pref", "100", "lookup", "local"],
    ]


def test_an_own_routing_rule_is_deleted_without_its_protocol(programs: Programs, tmp_path: Path) -> None:
    words = ["from", "all", "fwmark", "0x200/0xf00", "lookup", "2004", "proto", "kernel"]
    remover(programs, tmp_path)._perform(Item("routing rule", "x", ("-6", "own", "9", *words)))
    assert programs.calls == [["ip", "-6", "rule", "del", "pref", "9", *words[:-2]]]


def test_tc_xdp_route_ipset(programs: Programs, tmp_path: Path) -> None:
    mine = remover(programs, tmp_path)
    mine._perform(Item("tc filter", "x", ("eth0", "ingress", "all", "1", "0x1")))
    mine._perform(Item("XDP program", "x", ("eth0", "xdpdrv")))
    mine._perform(Item("route", "x", ("-4", "2004", "local", "default", "dev", "lo")))
    mine._perform(Item("ipset", "cilium_node_set_v4"))
    assert [" ".join(call) for call in programs.calls] == [
        "tc filter del dev eth0 ingress protocol all pref 1 handle 0x1 bpf",
        "ip link set dev eth0 xdpdrv off",
        "ip -4 route del local default dev lo table 2004",
        "ipset destroy cilium_node_set_v4",
    ]


def test_a_program_that_fails_gives_the_reason(programs: Programs, tmp_path: Path) -> None:
    programs.answers["ipset destroy"] = (1, "", "ipset v7: Set cannot be destroyed: it is in use\n")
    with pytest.raises(StepError, match="ipset destroy: ipset v7: Set cannot be destroyed"):
        remover(programs, tmp_path)._perform(Item("ipset", "cilium_a"))


def test_what_is_mounted_is_not_touched(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "kubelet"
    write(data, "/pods/1/volumes/nfs/precious")
    write(data, "/pods/1/volumes/other")
    mine = remover(programs, Path("/"), live=True)
    monkeypatch.setattr(mine, "_mounted", lambda: {str(data / "pods/1/volumes/nfs"): None})
    with pytest.raises(StepError, match="volumes/nfs is still mounted"):
        mine._remove(str(data))
    assert (data / "pods/1/volumes/nfs/precious").exists()
    assert not (data / "pods/1/volumes/other").exists()


def test_unmounting_tries_again_and_then_detaches(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = remover(programs, Path("/"), live=True)
    mounted = ["/run/containerd/x"]

    def umount(argv: list[str], data: str | None = None) -> tuple[int, str, str]:
        programs(argv, data)
        if "-l" in argv:
            mounted.clear()
            return 0, "", ""
        return 32, "", "target is busy"

    mine.observer.run = umount
    monkeypatch.setattr(mine, "_mounted", lambda: {name: Mount(name, "overlay") for name in mounted})
    monkeypatch.setattr(apply, "_POLL_SECONDS", 0)
    mine._perform(Item("mount", "/run/containerd/x"))
    assert [call[1:] for call in programs.calls] == [
        ["/run/containerd/x"],
        ["/run/containerd/x"],
        ["-l", "/run/containerd/x"],
    ]


class Rounds(Remover):
    """Plans given in advance; items called "bad" fail."""

    def __init__(self, *plans: tuple[Item, ...]) -> None:
        super().__init__(Observer(Programs(), "/nowhere"))
        self.plans = list(plans)
        self.performed: list[str] = []

    def look(self) -> tuple[Observation, Plan]:
        return Observation(), Plan(self.plans.pop(0) if self.plans else ())

    def _perform(self, item: Item) -> None:
        self.performed.append(item.name)
        if item.name == "bad":
            raise OSError(16, "Device or resource busy", "/x")


def test_an_error_stops_nothing_and_is_kept_with_its_reason() -> None:
    bad, good = Item("mount", "bad"), Item("mount", "good")
    mine = Rounds((bad, good), (bad,), (bad,))
    rest = mine.run()
    assert mine.performed == ["bad", "good", "bad"]
    assert rest.items == (bad,)
    assert mine.errors[bad.key] == "/x: Device or resource busy"
    assert list(mine.done.values()) == [good]


def test_what_appears_later_goes_too() -> None:
    first, second = Item("processes of", "pods"), Item("empty directory", "/opt/cni")
    mine = Rounds((first,), (second,), ())
    assert mine.run().items == ()
    assert list(mine.done.values()) == [first, second]


def test_the_record_stays_while_something_is_left() -> None:
    bad, last = Item("mount", "bad"), Item("record", STATE)
    mine = Rounds((bad, last), (bad, last), (bad, last), (bad, last))
    rest = mine.run()
    assert mine.performed == ["bad"]
    assert last in rest.items
    assert mine.errors[last.key] == "kept until the rest is gone: mount bad"


def test_it_gives_up_after_some_rounds() -> None:
    plans = [(Item("mount", f"m{number}"),) for number in range(20)]
    mine = Rounds(*plans)
    assert mine.run().items
    assert len(mine.performed) == 4


def test_two_resets_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = remover(Programs(), tmp_path), remover(Programs(), tmp_path)
    naps: list[float] = []
    monkeypatch.setattr(apply.time, "sleep", naps.append)
    with (
        first.exclusive(5),
        pytest.raises(OperatorError, match="another run is still at work"),
        second.exclusive(0),
    ):
        pytest.fail("both have the lock")
    # The lock is removed with the rest, and the next one makes its own.
    with first.exclusive(5):
        (tmp_path / LOCK.lstrip("/")).unlink()
        with second.exclusive(0):
            assert (tmp_path / LOCK.lstrip("/")).exists()


def test_an_error_inside_the_lock_is_not_swallowed(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="inside"), remover(Programs(), tmp_path).exclusive(5):
        raise OSError("inside")


def test_processes_are_asked_before_they_are_killed(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = remover(programs, tmp_path)
    sent: list[tuple[list[int], signal.Signals]] = []
    alive = [10, 11]

    def send(pids: t.Iterable[int], number: signal.Signals) -> None:
        sent.append((list(pids), number))
        if number == signal.SIGKILL:
            alive.clear()

    monkeypatch.setattr(mine, "_pids", lambda name: list(alive))
    monkeypatch.setattr(apply, "_signal", send)
    monkeypatch.setattr(apply, "_DAEMON_SECONDS", 0)
    mine._perform(Item("processes of", "kubelet", ("10", "11")))
    assert sent == [([10, 11], signal.SIGTERM), ([10, 11], signal.SIGKILL)]
