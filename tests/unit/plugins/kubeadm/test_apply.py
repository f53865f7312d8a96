# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reconfiguring a member: one component at a time, and back when one breaks."""

from __future__ import annotations

import contextlib
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import (
    components,
    declared,
    manifests,
    plan,
    reconfigure,
    reconfigure_plan,
)

from tests.unit.plugins.kubeadm.pods import pod


class Components:
    """A control plane whose components run as their manifests say, but for one argument."""

    def __init__(self, broken: str = "") -> None:
        self.broken = broken
        self.done: list[str] = []

    def processes(self, component: str) -> list[components.Process]:
        return []

    def wait(self, manifest: manifests.Manifest, before: t.Any, restarts: bool, seconds: float) -> None:
        self.done.append(f"{manifest.component} {' '.join(manifest.command[1:])}")
        if self.broken and self.broken in manifest.command:
            raise components.BrokenError(manifest.component, "ends soon after each start", "flag: bad")

    def restart_kubelet(self, seconds: float) -> None:
        self.done.append("kubelet")


class Host:
    """A host whose API server is ready and whose kubeadm succeeds."""

    name = "cp1"

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.phases: list[str] = []

    def wait_ready(self, seconds: float) -> None:
        pass

    @contextlib.contextmanager
    def config_file(self, content: bytes) -> t.Iterator[str]:
        yield "/config"

    def run(self, argv: t.Sequence[str], seconds: float) -> None:
        assert argv[:2] == ["init", "phase"]
        self.phases.append("/".join(argv[2 : argv.index("--config")]))


CLUSTER_TEXT = "clusterName: c\nkubernetesVersion: v1.36.4\n"
API = manifests.path_of("kube-apiserver")
SCHEDULER = manifests.path_of("kube-scheduler")


class Member:
    """A member with two components, and what it has to be."""

    def __init__(self, root: Path, scheduler: str = "--a=new", broken: str = "") -> None:
        self.root = root
        for component in ("kube-apiserver", "kube-scheduler"):
            path = root / manifests.path_of(component).lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(pod(component, "--a=old"))
            path.chmod(0o600)
        files = (
            *declared.desired_files([{"path": "/etc/audit/p", "content": "rules"}]),
            declared.manifest_file("kube-apiserver", pod("kube-apiserver", "--a=new")),
            declared.manifest_file("kube-scheduler", pod("kube-scheduler", scheduler)),
        )
        self.comparison = reconfigure_plan.Comparison(
            reconfigure_plan.DesiredConfiguration(files, CLUSTER_TEXT + "new: 1\n"),
            reconfigure_plan.ObservedConfiguration(
                "cp1", declared.observe_files(str(root), files), cluster=CLUSTER_TEXT
            ),
        )
        self.host = Host(root)
        self.components = Components(broken)
        self.reconfiguration = reconfigure.Reconfiguration(t.cast("t.Any", self.host), "control_plane", 1, 1)
        self.reconfiguration.components = t.cast("t.Any", self.components)

    def apply(self) -> None:
        plan_ = reconfigure_plan.plan_reconfiguration(self.comparison)
        self.reconfiguration.apply(plan_, self.comparison)

    def text(self, path: str) -> str:
        return (self.root / path.lstrip("/")).read_text()


def test_member_is_changed_one_component_at_a_time(tmp_path: Path) -> None:
    made = Member(tmp_path)
    made.apply()
    assert made.components.done[:2] == ["kube-apiserver --a=new", "kube-scheduler --a=new"]
    assert made.text(SCHEDULER) == pod("kube-scheduler", "--a=new")
    assert made.text("/etc/audit/p") == "rules"
    assert made.host.phases == ["upload-config/kubeadm"]
    assert not made.reconfiguration.interrupted()


def test_member_is_as_before_when_one_component_breaks(tmp_path: Path) -> None:
    made = Member(tmp_path, scheduler="--a=bad", broken="--a=bad")
    with pytest.raises(plan.KubeadmError) as caught:
        made.apply()
    message = str(caught.value)
    assert all(
        word in message
        for word in ("cp1", "kube-scheduler ends soon", "flag: bad", "works as before", SCHEDULER)
    )
    assert caught.value.context["component"] == "kube-scheduler"
    assert sorted(caught.value.context["rolled_back"]) == sorted(["/etc/audit/p", API, SCHEDULER])
    for component in ("kube-apiserver", "kube-scheduler"):
        assert made.text(manifests.path_of(component)) == pod(component, "--a=old")
    assert not (tmp_path / "etc/audit/p").exists()
    assert made.components.done[-2:] == ["kube-apiserver --a=old", "kube-scheduler --a=old"]
    assert made.host.phases == []
    assert not made.reconfiguration.interrupted()


@pytest.mark.parametrize(
    ("log", "broken"),
    [
        ('E1121 17:21:02.058034 1 run.go:72] "command failed" err="unknown flag: --x"\n', True),
        ('E1121 17:21:02.058034 1 controllermanager.go:357] "leaderelection lost"\n', False),
        ('E1121 17:21:02.058034 1 server.go:309] "Leaderelection lost"\n', False),
    ],
)
def test_lost_lease_is_no_broken_configuration(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, log: str, broken: bool
) -> None:
    """A component that ends because the API server was down is waited for; it is healthy after its next start."""
    manifest = manifests.read("kube-controller-manager", pod("kube-controller-manager"))
    made = components.ControlPlane(t.cast("t.Any", Host(tmp_path)))
    running = components.Process(1, ("kube-controller-manager",))
    checks = iter(range(100))
    monkeypatch.setattr(components, "_POLL_SECONDS", 0.0)
    monkeypatch.setattr(made, "processes", lambda _name: [running] if next(checks) >= 5 else [])
    monkeypatch.setattr(made, "unhealthy", lambda _manifest: None)
    monkeypatch.setattr(made, "_ended", lambda _component, _since: 2)
    monkeypatch.setattr(made, "log", lambda _component: components.log_excerpt(log))
    if not broken:
        made.wait(manifest, (), False, 60)
        return
    with pytest.raises(components.BrokenError, match="ends soon"):
        made.wait(manifest, (), False, 60)


def test_api_server_does_not_keep_the_kubelet_from_starting_etcd(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The kubelet replaces the mirror pod first, and would wait for an API server that waits for etcd."""
    manifest = manifests.read("etcd", pod("etcd"))
    host = Host(tmp_path)
    answers = iter(["does not answer", "does not answer", None])
    monkeypatch.setattr(host, "unready", lambda: next(answers), raising=False)
    made = components.ControlPlane(t.cast("t.Any", host))
    polls = iter(range(100))
    ended: list[int] = []

    def processes(name: str) -> list[components.Process]:
        if name == "kube-apiserver":
            return [components.Process(100 + len(ended), (name,))]
        poll = next(polls)
        pid = 1 if poll < 2 else 2
        return [] if 2 <= poll < 9 else [components.Process(pid, manifest.command)]

    monkeypatch.setattr(components, "_POLL_SECONDS", 0.0)
    monkeypatch.setattr(made, "processes", processes)
    monkeypatch.setattr(made, "unhealthy", lambda _manifest: None)
    monkeypatch.setattr(made, "_ended", lambda _component, _since: 0)
    monkeypatch.setattr(components.os, "kill", lambda pid, _signal: ended.append(pid))
    made.wait(manifest, [1], True, 60)
    assert ended == [100, 101], "twice at most, and only while etcd is away"
    assert next(answers, "asked until it is ready") == "asked until it is ready"


def test_kubelet_that_ends_again_and_again_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    host = Host(tmp_path)
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    monkeypatch.setattr(host, "unhealthy_kubelet", lambda: "connection refused", raising=False)
    # The counter of before need not have been reset.
    counts = iter(range(7, 100))

    def command(argv: t.Sequence[str], seconds: float = 0) -> tuple[int, str]:
        counted = "--property=NRestarts" in argv
        return 0, f"NRestarts={next(counts)}\n" if counted else "E1121 bad value\n"

    monkeypatch.setattr(components, "command", command)
    monkeypatch.setattr(components, "_POLL_SECONDS", 0.0)
    made = components.ControlPlane(t.cast("t.Any", host))
    with pytest.raises(components.BrokenError, match="ends soon") as caught:
        made.restart_kubelet(60)
    assert caught.value.log == "E1121 bad value"
    assert next(counts) == 12, "four restarts, and no more"
