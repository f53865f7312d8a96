# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Daemons: what is planned, and what systemd and OpenRC are asked and told."""

from __future__ import annotations

import os
import subprocess
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._daemon.manager import (
    OpenRC,
    Systemd,
    children,
    manager_for,
    note_reload,
    reloaded_at,
    start_time,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._daemon.plan import (
    Desired,
    Observed,
    newer_inputs,
    plan_daemon,
    read_at,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError

RUNNING = Observed(present=True, enabled=True, running=True, started_at=100.0)


def observed(**more: t.Any) -> Observed:
    return Observed(**{**RUNNING.__dict__, **more})


@pytest.mark.parametrize(
    ("state", "enabled", "found", "actions"),
    [
        ("started", True, RUNNING, []),
        ("started", True, observed(running=False), ["start"]),
        ("started", True, observed(enabled=False), ["enable"]),
        ("started", True, observed(enabled=False, running=False), ["enable", "start"]),
        ("started", False, RUNNING, ["disable"]),
        ("started", True, observed(newer=("/etc/x",)), ["restart"]),
        ("started", True, observed(unread=("/etc/x",)), ["reload"]),
        ("started", True, observed(newer=("/etc/x",), unread=("/etc/y",)), ["restart"]),
        ("present", True, observed(unread=("/etc/y",)), []),
        ("started", True, observed(stale=True), ["daemon-reload", "restart"]),
        ("started", True, observed(stale=True, running=False), ["daemon-reload", "start"]),
        ("started", True, Observed(present=False), ["enable", "start"]),
        ("stopped", False, RUNNING, ["disable", "stop"]),
        ("stopped", False, observed(enabled=False, running=False), []),
        ("present", True, observed(running=False, newer=("/etc/x",)), []),
        ("present", True, observed(newer=("/etc/x",), stale=True), ["daemon-reload"]),
        ("present", True, observed(enabled=False, running=False), ["enable"]),
    ],
)
def test_plan(state: str, enabled: bool, found: Observed, actions: list[str]) -> None:
    plan = plan_daemon(Desired(state, enabled), found)
    assert plan.actions == actions
    assert plan.changed == bool(actions)


def test_a_restart_names_what_changed() -> None:
    plan = plan_daemon(Desired("started", True), observed(newer=("/etc/a", "/etc/b")))
    assert plan.steps == (("restart", "changed since its start: /etc/a, /etc/b"),)


@pytest.mark.parametrize(
    ("started", "reloaded", "read"),
    [(100.0, None, 100.0), (100.0, 150.0, 150.0), (200.0, 150.0, 200.0), (None, 150.0, None)],
    ids=["never reloaded", "reloaded", "restarted since", "start unknown"],
)
def test_the_time_of_reading_is_the_later_of_start_and_reload(
    started: float | None, reloaded: float | None, read: float | None
) -> None:
    assert read_at(started, reloaded) == read


def test_a_reload_is_remembered(tmp_path: Path) -> None:
    assert reloaded_at("kubelet", str(tmp_path)) is None
    note_reload("kubelet", 1000.5, str(tmp_path))
    note_reload("kubelet", 2000.25, str(tmp_path))
    assert reloaded_at("kubelet", str(tmp_path)) == 2000.25


@pytest.mark.parametrize(
    ("inputs", "started", "pending", "newer"),
    [
        ({"/a": 99.0}, 100.0, (), ()),
        ({"/a": 101.0, "/b": 99.0}, 100.0, (), ("/a",)),
        ({"/a": 101.0}, None, (), ()),
        ({"/a": 5000.0}, 100.0, (), ()),
        ({"/a": 99.0}, 100.0, ("/a",), ("/a",)),
        ({}, 100.0, ("/new",), ("/new",)),
    ],
    ids=["older", "newer", "start unknown", "from the future", "pending", "pending and missing"],
)
def test_newer_inputs(
    inputs: dict[str, float], started: float | None, pending: tuple[str, ...], newer: tuple[str, ...]
) -> None:
    assert newer_inputs(inputs, started, 1000.0, pending) == newer


def test_start_time_of_a_process_lies_between_before_and_after() -> None:
    before = time.time()
    with subprocess.Popen(["sleep", "60"]) as process:
        after = time.time()
        started = start_time(process.pid)
        assert process.pid in children(os.getpid())
        process.kill()
    assert started is not None
    tick = 1 / os.sysconf("SC_CLK_TCK")
    assert before - 2 * tick <= started <= after + 2 * tick


def test_start_time_of_nothing() -> None:
    assert start_time(2**22 + 1) is None


class Commands:
    """Answers commands by their first words, and remembers them."""

    def __init__(self, **answers: tuple[int, str, str]) -> None:
        self.answers = answers
        self.calls: list[list[str]] = []

    def __call__(self, argv: t.Sequence[str]) -> tuple[int, str, str]:
        self.calls.append(list(argv))
        return self.answers.get(argv[1].lstrip("-"), self.answers.get(argv[0], (0, "", "")))


def shown(**values: str) -> tuple[int, str, str]:
    base = {
        "LoadState": "loaded",
        "ActiveState": "active",
        "SubState": "running",
        "UnitFileState": "enabled",
        "NeedDaemonReload": "no",
        "MainPID": str(os.getpid()),
    }
    return 0, "".join(f"{key}={value}\n" for key, value in {**base, **values}.items()), ""


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {"present": True, "enabled": True, "running": True, "stale": False}),
        ({"NeedDaemonReload": "yes"}, {"stale": True}),
        ({"ActiveState": "activating", "SubState": "auto-restart", "MainPID": "0"}, {"running": False}),
        ({"ActiveState": "failed", "MainPID": "0"}, {"running": False, "started_at": None}),
        ({"UnitFileState": "disabled"}, {"enabled": False}),
        ({"LoadState": "not-found", "ActiveState": "inactive", "UnitFileState": ""}, {"present": False}),
        ({"LoadState": "masked", "ActiveState": "inactive"}, {"masked": True}),
    ],
)
def test_systemd_observes(values: dict[str, str], expected: dict[str, t.Any]) -> None:
    found = Systemd(Commands(show=shown(**values))).observe("kubelet")
    assert {key: getattr(found, key) for key in expected} == expected


def test_systemd_knows_the_start() -> None:
    found = Systemd(Commands(show=shown())).observe("kubelet")
    assert found.started_at is not None
    assert 0 < found.started_at < time.time()


@pytest.mark.parametrize(("text", "expected"), [("NRestarts=3\n", 3), ("NRestarts=[not set]\n", 0), ("", 0)])
def test_systemd_counts_restarts(text: str, expected: int) -> None:
    assert Systemd(Commands(show=(0, text, ""))).restarts("kubelet") == expected


def test_systemd_acts() -> None:
    commands = Commands()
    manager = Systemd(commands)
    for action in ("daemon-reload", "enable", "restart", "reload"):
        manager.act("kubelet", action)
    assert commands.calls == [
        ["systemctl", "daemon-reload"],
        ["systemctl", "enable", "kubelet.service"],
        ["systemctl", "restart", "kubelet.service"],
        ["systemctl", "reload", "kubelet.service"],
    ]


def test_systemd_refusal_quotes_the_log() -> None:
    commands = Commands(start=(1, "", "Job failed."), journalctl=(0, "panic: no swap please\n", ""))
    with pytest.raises(OperatorError) as caught:
        Systemd(commands).act("kubelet", "start")
    for word in ("systemctl start kubelet.service", "Job failed.", "panic: no swap please"):
        assert word in str(caught.value)


@pytest.fixture
def openrc_root(tmp_path: Path) -> Path:
    for name in ("etc/init.d", "etc/runlevels/default", "etc/runlevels/boot", "run", "var/log"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "proc").symlink_to("/proc")
    (tmp_path / "etc/init.d/kubelet").write_text("#!/sbin/openrc-run\n")
    return tmp_path


def test_openrc_observes_a_daemon_below_its_supervisor(openrc_root: Path) -> None:
    (openrc_root / "etc/runlevels/default/kubelet").symlink_to("/etc/init.d/kubelet")
    (openrc_root / "run/kubelet.pid").write_text(f"{os.getpid()}\n")
    with subprocess.Popen(["sleep", "60"]) as child:
        found = OpenRC(Commands(), str(openrc_root)).observe("kubelet")
        started = start_time(child.pid)
        child.kill()
    assert (found.present, found.enabled, found.running) == (True, True, True)
    assert found.started_at == pytest.approx(started, abs=0.1), "the child's start, not the supervisor's"


def test_openrc_observes_one_that_is_stopped_or_missing(openrc_root: Path) -> None:
    manager = OpenRC(Commands(kubelet=(3, " * status: stopped", "")), str(openrc_root))
    assert manager.observe("kubelet") == Observed(present=True)
    assert manager.observe("containerd") == Observed(present=False)


@pytest.mark.parametrize(("text", "expected"), [("3\n", 3), ("", 0), ("x", 0), (None, 0)])
def test_openrc_counts_restarts(openrc_root: Path, text: str | None, expected: int) -> None:
    """As supervise-daemon writes them, and rc-status shows them in parentheses."""
    options = openrc_root / "run/openrc/options/kubelet"
    options.mkdir(parents=True)
    if text is not None:
        (options / "start_count").write_text(text)
    assert OpenRC(Commands(), str(openrc_root)).restarts("kubelet") == expected


def test_openrc_acts(openrc_root: Path) -> None:
    commands = Commands()
    manager = OpenRC(commands, str(openrc_root))
    for level in ("default", "boot"):
        (openrc_root / "etc/runlevels" / level / "kubelet").symlink_to("/etc/init.d/kubelet")
    (openrc_root / "etc/runlevels/off").mkdir()
    for action in ("daemon-reload", "enable", "start", "restart", "reload", "disable"):
        manager.act("kubelet", action)
    assert commands.calls == [
        ["rc-update", "add", "kubelet", "default"],
        ["rc-service", "kubelet", "zap"],
        ["rc-service", "kubelet", "start"],
        ["rc-service", "kubelet", "restart"],
        ["rc-service", "kubelet", "reload"],
        # Where it is: for a runlevel that does not have it, rc-update fails.
        ["rc-update", "del", "kubelet", "boot", "default"],
    ]


def test_openrc_has_nothing_to_disable(openrc_root: Path) -> None:
    commands = Commands()
    OpenRC(commands, str(openrc_root)).act("kubelet", "disable")
    assert commands.calls == []


def test_openrc_refusal_quotes_the_log(openrc_root: Path) -> None:
    (openrc_root / "var/log/kubelet.log").write_text("old\n" * 50 + "cannot bind\n")
    with pytest.raises(OperatorError, match="cannot bind"):
        OpenRC(Commands(kubelet=(1, "", "failed")), str(openrc_root)).act("kubelet", "restart")


def test_no_other_service_manager() -> None:
    with pytest.raises(OperatorError, match="runit, expected systemd or openrc"):
        manager_for("runit", Commands())
