# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reboots: reboot_info, the plan and the wait as tables, and the actions against a small API server."""

from __future__ import annotations

import os
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.action import node_boot
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.members import Member, refuse_absence
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reboot import observe
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reboot.plan import (
    Kernel,
    Observed,
    flavour,
    reasons,
    sort_key,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._drain.plan import CORDONED_BY
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._reboot.plan import plan_reboots
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._reboot.returned import missing, pod_view

from tests.unit.support.modules import RunAction, RunModule
from tests.unit.support.servers import Answer, ApiServer, refused

Object = dict[str, t.Any]
BOOTED = 1_000_000.0
LATER, BEFORE = BOOTED + 3600, BOOTED - 3600


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("6.1.0-9-amd64", "6.1.0-13-amd64"),
        ("6.12.38+deb13-amd64", "6.12.41+deb13-amd64"),
        ("6.13.0-rc1-gentoo", "6.13.0-gentoo"),
        ("6.12.41-gentoo", "6.12.41-gentoo-r1"),
        ("6.12.9-gentoo-dist", "6.12.41-gentoo-dist"),
        ("5.14.0-503.el9.x86_64", "5.14.0-503.11.1.el9.x86_64"),
        ("6.4.0-150600.21-default", "6.4.0-150600.23.7-default"),
        ("6.9.7-arch1-1", "6.10.0-arch1-1"),
        ("6.8.0-45-generic", "6.8.0-101-generic"),
    ],
)
def test_releases_are_ordered_as_versions(older: str, newer: str) -> None:
    assert sort_key(older) < sort_key(newer)


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("6.12.41+deb13-amd64", set()),
        ("6.12.41+deb13-rt-amd64", {"rt"}),
        ("6.12.41+deb13-cloud-amd64", {"cloud"}),
        ("6.6.30-rt30", {"rt"}),
        ("5.14.0-503.el9.x86_64+debug", {"debug"}),
        ("5.14.0-503.el9.aarch64+64k", {"64k"}),
        ("6.12.41-1-lts", {"lts"}),
        ("6.15.9-zen1-1-zen", {"zen"}),
        ("6.4.0-150600.21-kvmsmall", {"kvmsmall"}),
    ],
)
def test_flavours(release: str, expected: set[str]) -> None:
    assert flavour(release) == expected


def observed(running: str = "6.12.38+deb13-amd64", *kernels: tuple[str, float], **more: t.Any) -> Observed:
    own = () if running in dict(kernels) else ((running, BEFORE),)
    return Observed(running, BOOTED, tuple(Kernel(*one) for one in (*kernels, *own)), **more)


@pytest.mark.parametrize(
    ("found", "kinds"),
    [
        pytest.param(observed(), [], id="nothing"),
        pytest.param(observed(flags={"/run/reboot-required": ()}), ["flag"], id="asked for"),
        pytest.param(
            observed("6.12.38+deb13-amd64", ("6.12.41+deb13-amd64", LATER)), ["newer_kernel"], id="newer"
        ),
        pytest.param(
            observed("6.12.38+deb13-amd64", ("6.12.41+deb13-amd64", BEFORE)), [], id="newer, was not booted"
        ),
        pytest.param(
            observed("6.12.38+deb13-amd64", ("6.12.41+deb13-rt-amd64", LATER)), [], id="another flavour"
        ),
        pytest.param(observed("6.12.38-gentoo", ("6.6.99-gentoo", LATER)), [], id="an older one"),
        pytest.param(
            observed("6.12.38-gentoo", ("6.12.38-gentoo", LATER)), ["replaced_kernel"], id="built again"
        ),
        pytest.param(
            observed("6.9.7-arch1-1", has_modules=False, modules_changed_at=LATER),
            ["modules_gone"],
            id="gone",
        ),
        pytest.param(
            observed("6.9.7-arch1-1", has_modules=False, modules_changed_at=BEFORE), [], id="never there"
        ),
        pytest.param(observed("6.18.5", has_modules=False), [], id="no modules at all"),
        pytest.param(
            observed("6.18.5", loads_modules=False, has_modules=False, modules_changed_at=LATER),
            [],
            id="kernel without modules",
        ),
        pytest.param(
            observed(
                "6.9.7-arch1-1",
                ("6.10.0-arch1-1", LATER),
                has_modules=False,
                modules_changed_at=LATER,
                flags={"/run/reboot-required": ("linux-base",)},
            ),
            ["flag", "newer_kernel", "modules_gone"],
            id="all of them",
        ),
    ],
)
def test_reasons(found: Observed, kinds: list[str]) -> None:
    assert [reason.kind for reason in reasons(found)] == kinds


def test_reasons_say_what_was_found() -> None:
    found = observed(
        "6.12.38-gentoo", ("6.12.41-gentoo", LATER), flags={"/run/reboot-required": ("libc6", "dbus")}
    )
    assert [reason.text for reason in reasons(found)] == [
        "/run/reboot-required asks for it (libc6, dbus)",
        "kernel 6.12.41-gentoo was installed after the last boot, and 6.12.38-gentoo runs",
    ]


def write(root: Path, *paths: str, text: str = "") -> None:
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param(
            ["boot/vmlinuz-6.1.0-9-amd64", "boot/vmlinuz-6.1.0-13-amd64", "boot/initrd.img-6.1.0-9-amd64"],
            ["6.1.0-13-amd64", "6.1.0-9-amd64"],
            id="Debian",
        ),
        pytest.param(
            ["boot/kernel-6.1.0-9-amd64", "boot/kernel-6.2.0-x.old", "boot/System.map-6.2.0-x"],
            ["6.1.0-9-amd64"],
            id="Gentoo, genkernel's names",
        ),
        pytest.param(
            [
                "boot/vmlinuz-linux",
                "lib/modules/6.1.0-9-amd64/vmlinuz",
                "lib/modules/6.1.0-9-amd64/modules.dep",
                "lib/modules/6.2.0-arch1-1/vmlinuz",
                "lib/modules/6.2.0-arch1-1/modules.dep",
            ],
            ["6.1.0-9-amd64", "6.2.0-arch1-1"],
            id="Arch",
        ),
        pytest.param(
            [
                "efi/0123456789abcdef/6.1.0-9-amd64/linux",
                "efi/0123456789abcdef/6.2.0-x/linux",
                "lib/modules/6.2.0-x/modules.dep",
                "lib/modules/5.9.0-x/modules.dep",
            ],
            ["6.1.0-9-amd64", "6.2.0-x"],
            id="boot loader entries; what is left of a removed kernel",
        ),
        pytest.param(
            ["lib/modules/6.1.0-9-amd64/modules.dep", "lib/modules/6.2.0-x/modules.dep"],
            ["6.1.0-9-amd64", "6.2.0-x"],
            id="boot is not mounted",
        ),
        pytest.param([], [], id="nothing"),
    ],
)
def test_installed_kernels(tmp_path: Path, files: list[str], expected: list[str]) -> None:
    write(tmp_path, *files)
    assert [one.release for one in observe.kernels(str(tmp_path), "6.1.0-9-amd64")] == expected


def process(root: Path, age: float) -> None:
    """The first process, started so long ago."""
    ticks = int((time.clock_gettime(time.CLOCK_BOOTTIME) - age) * os.sysconf("SC_CLK_TCK"))
    fields = ["S", "0", *["0"] * 17, str(ticks), *["0"] * 10]
    write(root, "proc/1/stat", text=f"1 (init) {' '.join(fields)}")


def test_module_reads_a_host(tmp_path: Path, run_module: RunModule) -> None:
    process(tmp_path, 0)
    write(tmp_path, "proc/1/comm", text="systemd\n")
    write(tmp_path, "proc/sys/kernel/random/boot_id", text="0f3c\n")
    found = run_module("reboot_info", {"root": str(tmp_path), "etcd": True})
    assert (found["required"], found["reasons"], found["boot_id"]) == (False, [], "0f3c")
    assert (found["command"], found["etcd"]) == ("", None)
    assert abs(found["booted_at"] - time.time()) < 60
    write(tmp_path, "run/reboot-required")
    write(tmp_path, "run/reboot-required.pkgs", text="libc6\nlinux-image-amd64\nlibc6\n")
    found = run_module("reboot_info", {"root": str(tmp_path)}, check=True)
    assert found["required"]
    assert [one["text"] for one in found["reasons"]] == [
        "/run/reboot-required asks for it (libc6, linux-image-amd64)"
    ]


def test_module_finds_what_was_installed_since(tmp_path: Path, run_module: RunModule) -> None:
    running = os.uname().release
    write(tmp_path, f"boot/vmlinuz-{running}", "boot/vmlinuz-999.1.0-new")
    process(tmp_path, 3600)
    found = run_module("reboot_info", {"root": str(tmp_path)})
    assert [one["kind"] for one in found["reasons"]] == ["newer_kernel"]
    assert "999.1.0-new" in found["kernels"]["installed"]
    process(tmp_path, 0)
    assert not run_module("reboot_info", {"root": str(tmp_path)})["required"]
    # Nothing is newer than a boot of unknown time.
    (tmp_path / "proc/1/stat").unlink()
    found = run_module("reboot_info", {"root": str(tmp_path)})
    assert (found["required"], found["booted_at"]) == (False, None)


def test_openrc_has_its_own_command(tmp_path: Path) -> None:
    write(tmp_path, "proc/1/comm", text="openrc-init\n")
    assert observe.reboot_command(str(tmp_path)) == ""
    write(tmp_path, "sbin/openrc-shutdown")
    (tmp_path / "sbin/openrc-shutdown").chmod(0o755)
    assert observe.reboot_command(str(tmp_path)) == "/sbin/openrc-shutdown --reboot now"


def members(count: int, *, learner: bool = False) -> list[Member]:
    found = [Member(f"id{n}", f"cp{n}") for n in range(1, count + 1)]
    return [*found, Member("id9", "cp9", learner=True)] if learner else found


@pytest.mark.parametrize(
    ("count", "alive", "refused_for"),
    [
        pytest.param(1, {"id1"}, "", id="the only one"),
        pytest.param(2, {"id1", "id2"}, "", id="two, both answer"),
        pytest.param(2, {"id1"}, "cp2", id="two, the other does not"),
        pytest.param(3, {"id1", "id2", "id3"}, "", id="three"),
        pytest.param(3, {"id1", "id2"}, "cp3", id="three, one is down"),
        pytest.param(3, {"id2", "id3"}, "", id="three, the one that reboots is down"),
        pytest.param(5, {"id1", "id2", "id3", "id4"}, "", id="five, one is down"),
        pytest.param(5, {"id1", "id2", "id3"}, "cp4, cp5", id="five, two are down"),
    ],
)
def test_quorum_is_counted(count: int, alive: set[str], refused_for: str) -> None:
    text = refuse_absence(members(count, learner=True), alive, "cp1")
    assert bool(text) == bool(refused_for)
    assert f"Restore {refused_for} first." in text or not refused_for


def node(name: str, *, ready: str = "True", boot: str = "old", cordoned: str | None = None) -> Object:
    """:param cordoned: by which operation, empty for an operator."""
    return {
        "metadata": {"name": name, "annotations": {CORDONED_BY: cordoned} if cordoned else {}},
        "spec": {} if cordoned is None else {"unschedulable": True},
        "status": {
            "nodeInfo": {"bootID": boot},
            "conditions": [{"type": "Ready", "status": ready, "reason": "KubeletNotReady"}],
        },
    }


HOSTS = {"cp1": "cp1", "w1": "w1"}
WHY = {"w1": ["a reason"]}


@pytest.mark.parametrize(
    ("nodes", "force", "expected"),
    [
        pytest.param([node("cp1"), node("w1")], False, ("reboot", True, False), id="drained"),
        pytest.param([node("w1")], False, ("reboot", False, False), id="no other node"),
        pytest.param(
            [node("cp1", cordoned=""), node("w1")], False, ("reboot", False, False), id="others are cordoned"
        ),
        pytest.param(
            [node("cp1"), node("w1", cordoned="")], False, ("reboot", True, True), id="operator's cordon"
        ),
        pytest.param(
            [node("cp1"), node("w1", cordoned="maintenance")],
            False,
            ("reboot", True, True),
            id="drain_node's",
        ),
        pytest.param(
            [node("cp1"), node("w1", cordoned="reboot_nodes")],
            False,
            ("reboot", True, False),
            id="interrupted before the reboot",
        ),
    ],
)
def test_plan_of_a_host_that_reboots(
    nodes: list[Object], force: bool, expected: tuple[str, bool, bool]
) -> None:
    plan = plan_reboots({"w1": "w1"}, WHY, nodes, force)
    (host,) = plan.hosts
    assert (host.action, host.drain, host.keeps_cordon) == expected
    assert "w1: reboots (a reason)" in host.line()
    assert not plan.findings


def test_plan_skips_completes_and_forces() -> None:
    nodes = [node("cp1"), node("w1", cordoned="reboot_nodes", ready="False")]
    plan = plan_reboots(HOSTS, {}, nodes, False)
    assert [(host.host, host.action) for host in plan.hosts] == [("cp1", "nothing"), ("w1", "complete")]
    assert [host.host for host in plan.left] == ["w1"]
    assert plan.hosts[0].line() == "cp1: needs no reboot"
    assert "returned to service" in plan.hosts[1].line()
    assert not plan.findings, "completing is what makes it Ready"
    forced = plan_reboots(HOSTS, {}, [node("cp1"), node("w1")], True)
    assert [host.action for host in forced.hosts] == ["reboot", "reboot"]
    assert "reboot_nodes_force" in forced.hosts[0].line()


def test_plan_lists_all_that_is_against_it() -> None:
    plan = plan_reboots({**HOSTS, "w2": "worker-2"}, WHY, [node("cp1"), node("w1", ready="Unknown")], False)
    assert len(plan.findings) == 2
    assert "w1: Ready is Unknown (KubeletNotReady)" in plan.findings[0]
    assert "w2: the cluster has no node 'worker-2' (nodes: cp1, w1)" in plan.findings[1]
    # One that is broken and needs no reboot is none of its business.
    assert not plan_reboots(HOSTS, {}, [node("cp1"), node("w1", ready="False")], False).findings


def pod(
    name: str, container: str, *, ready: bool = True, phase: str = "Running", **metadata: t.Any
) -> Object:
    return {
        "metadata": {"name": name, "namespace": "kube-system", **metadata},
        "spec": {"nodeName": "w1"},
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [{"containerID": container, "state": {"running": {}}}],
        },
    }


@pytest.mark.parametrize(
    ("now", "pods", "waits_for"),
    [
        pytest.param(node("w1"), [pod("ds", "c1")], ["node w1"], id="the status is that from before"),
        pytest.param(node("w1", boot="new", ready="False"), [], ["node w1"], id="not Ready"),
        pytest.param(node("w1", boot="new"), [pod("ds", "c1")], ["Pod kube-system/ds"], id="old containers"),
        pytest.param(
            node("w1", boot="new"), [pod("ds", "c2", ready=False)], ["Pod kube-system/ds"], id="pod not Ready"
        ),
        pytest.param(node("w1", boot="new"), [pod("ds", "c2")], [], id="back"),
        pytest.param(
            node("w1", boot="new"), [pod("ds2", "c3", ready=False)], ["Pod kube-system/ds2"], id="new"
        ),
        pytest.param(node("w1", boot="new"), [pod("bad", "b1", ready=False)], [], id="was broken before"),
        pytest.param(node("w1", boot="new"), [pod("job", "c1", phase="Succeeded")], [], id="finished"),
        pytest.param(node("w1", boot="new"), [pod("ds", "c1", deletionTimestamp="x")], [], id="goes"),
    ],
)
def test_what_is_waited_for(now: Object, pods: list[Object], waits_for: list[str]) -> None:
    before = [pod_view(pod("ds", "c1")), pod_view(pod("bad", "b1", ready=False))]
    assert [item.object for item in missing(now, pods, "new", before)] == waits_for


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[ApiServer]:
    monkeypatch.setattr(node_boot, "POLL_SECONDS", 0.01)
    server = ApiServer()
    server.lists["/api/v1/nodes"] = [node("cp1"), node("w1")]
    server.lists["/api/v1/pods"] = [pod("ds", "c1")]
    server.answers[("GET", "/api/v1/nodes/w1")] = Answer(200, node("w1"))
    yield server
    server.close()


def test_action_plans(api: ApiServer, tmp_path: Path, run_action: RunAction) -> None:
    args = {
        "kubeconfig": api.kubeconfig(tmp_path / "kubeconfig"),
        "nodes": HOSTS,
        "reasons": {"cp1": [], "w1": [{"kind": "flag", "text": "a reason"}]},
    }
    result = run_action("reboot_plan", args)
    assert result["left"] == ["w1"]
    assert result["hosts"]["w1"]["reasons"] == ["a reason"]
    assert result["hosts"]["cp1"]["action"] == "nothing"
    assert not result["changed"]
    result = run_action("reboot_plan", {**args, "nodes": {"w7": "w7"}})
    assert result["failed"]
    assert "nothing was changed" in result["msg"]
    assert not [request for request in api.requests if request.method != "GET"]


def test_action_waits_for_a_node(api: ApiServer, tmp_path: Path, run_action: RunAction) -> None:
    args = {"kubeconfig": api.kubeconfig(tmp_path / "kubeconfig"), "node": "w1"}
    before = run_action("node_boot", args)
    assert before["pods"] == [{"pod": "kube-system/ds", "ready": True, "containers": ["c1"]}]
    wait = {**args, "boot_id": "new", "before": before["pods"], "timeout": 0}
    late = run_action("node_boot", wait)
    assert late["failed"]
    assert "its kubelet has not reported since the boot (boot id old)" in late["msg"]
    api.answers[("GET", "/api/v1/nodes/w1")] = refused(503, "starting")
    assert "API server" in run_action("node_boot", wait)["msg"]
    api.answers[("GET", "/api/v1/nodes/w1")] = Answer(200, node("w1", boot="new"))
    assert "from before the boot" in run_action("node_boot", wait)["msg"]
    api.lists["/api/v1/pods"] = [pod("ds", "c2")]
    back = run_action("node_boot", {**wait, "timeout": 5})
    assert not back.get("failed")
    assert (back["ready"], back["boot_id"], back["unmet"]) == (True, "new", [])
