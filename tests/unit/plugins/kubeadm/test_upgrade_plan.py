# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What upgrading one member takes, and how it is applied: etcd by itself, and back when a component breaks."""

from __future__ import annotations

import typing as t
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import (
    components,
    declared,
    images,
    manifests,
    plan,
    reconfigure,
    reconfigure_plan,
    upgrade,
    upgrade_plan,
)

from tests.unit.plugins.kubeadm.pods import pod
from tests.unit.plugins.kubeadm.test_apply import Components, Host

OLD, NEW = "v1.36.4", "v1.37.1"
CLUSTER = "clusterName: c\nkubernetesVersion: {version}\n"
DESIRED = upgrade_plan.DesiredUpgrade("cp1", "1.37.1", worker=False, running="1.36.4")


class Member:
    """A control plane at the old version, and its upgrade. The fake kubeadm stores the version that it is told."""

    def __init__(self, root: Path, broken: str = "") -> None:
        self.root = root
        self.stored = OLD
        self.kubelet = "1.36.4"
        self.calls: list[str] = []
        self.components = Components(broken)
        for component in manifests.COMPONENTS:
            path = root / manifests.path_of(component).lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(pod(component, tag="3.6.8-0" if component == "etcd" else OLD))
            path.chmod(0o600)
        host = Host(root)
        host.run = self._run  # type: ignore[method-assign]
        self.reconfiguration = reconfigure.Reconfiguration(t.cast("t.Any", host), "control_plane", 1, 1)
        self.reconfiguration.components = t.cast("t.Any", self.components)
        self.subject = upgrade.Upgrade(
            host=t.cast("t.Any", host),
            desired=DESIRED,
            declared=t.cast("t.Any", self),
            reconfiguration=self.reconfiguration,
            images={},
            ignored=("Swap",),
            kubeadm_seconds=1,
            ready_seconds=1,
        )

    def _run(self, argv: t.Sequence[str], seconds: float) -> upgrade.Output:
        if argv[:2] == ["init", "phase"]:
            self.calls.append(argv[3])
            self.stored = NEW
        else:
            self.calls.append(" ".join(argv[:3]))
        return upgrade.Output("", "", "")

    def observe(self) -> reconfigure_plan.Comparison:
        """As of C(Declared)."""
        files = tuple(
            declared.manifest_file(name, pod(name, "--a=new", tag="3.7.0-0" if name == "etcd" else NEW))
            for name in manifests.COMPONENTS
        )
        return reconfigure_plan.Comparison(
            reconfigure_plan.DesiredConfiguration(files, CLUSTER.format(version=NEW)),
            reconfigure_plan.ObservedConfiguration(
                "cp1",
                declared.observe_files(str(self.root), files),
                cluster=CLUSTER.format(version=self.stored),
            ),
        )

    def tag(self, component: str) -> str:
        text = (self.root / manifests.path_of(component).lstrip("/")).read_text()
        return manifests.image_version(manifests.read(component, text).image)


@pytest.fixture
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade, "own_node", lambda _host, _worker: {})


def test_plan_of_the_first_control_plane(tmp_path: Path) -> None:
    made = upgrade_plan.plan_upgrade(DESIRED, Member(tmp_path).observe())
    assert made.names() == [
        "certificates renewed",
        "etcd reconfigured",
        "kube-apiserver reconfigured",
        "kube-controller-manager reconfigured",
        "kube-scheduler reconfigured",
        "kubeadm upgrade apply v1.37.1",
        "ConfigMap kubeadm-config updated",
    ]


def test_plan_of_another_control_plane(tmp_path: Path) -> None:
    member = Member(tmp_path)
    member.stored = NEW
    made = upgrade_plan.plan_upgrade(DESIRED, member.observe())
    assert made.names()[-1] == "kubeadm upgrade node"


def test_plan_of_a_worker() -> None:
    worker = upgrade_plan.DesiredUpgrade("w1", "1.37.1", worker=True, running="1.36.4")
    empty = reconfigure_plan.Comparison.empty("w1")
    assert upgrade_plan.plan_upgrade(worker, empty).names() == ["kubeadm upgrade node"]
    finished = upgrade_plan.DesiredUpgrade("w1", "1.37.1", worker=True, running="1.37.1")
    assert upgrade_plan.plan_upgrade(finished, empty).names() == []


@pytest.mark.parametrize(
    ("stored", "running", "word"),
    [("v1.38.0", "1.36.4", "configuration has 1.38.0"), (OLD, "1.38.0", "kubelet has 1.38.0")],
)
def test_nothing_is_downgraded(tmp_path: Path, stored: str, running: str, word: str) -> None:
    member = Member(tmp_path)
    member.stored = stored
    desired = upgrade_plan.DesiredUpgrade("cp1", "1.37.1", worker=False, running=running)
    with pytest.raises(plan.KubeadmError, match=word):
        upgrade_plan.plan_upgrade(desired, member.observe())


def test_kubeadm_leaves_etcd_and_manifests_alone() -> None:
    apply = upgrade_plan.arguments("apply", "1.37.1", ("Swap", "SystemVerification"))
    assert apply == [
        "upgrade",
        "apply",
        "v1.37.1",
        "--yes",
        "--etcd-upgrade=false",
        "--certificate-renewal=false",
        "--skip-phases=control-plane,upload-config/kubeadm,kubelet-config",
        "--ignore-preflight-errors=Swap,SystemVerification",
    ]
    assert upgrade_plan.arguments("node", "1.37.1", ()) == [
        "upgrade",
        "node",
        "--etcd-upgrade=false",
        "--certificate-renewal=false",
        "--skip-phases=control-plane,kubelet-config",
    ]


@pytest.mark.usefixtures("nothing_registered")
def test_member_is_upgraded(tmp_path: Path) -> None:
    made = Member(tmp_path)
    made.subject.apply(made.subject.plan())
    assert [made.tag(name) for name in manifests.COMPONENTS] == ["3.7.0-0", NEW, NEW, NEW]
    # What the cluster stores is written last: until then, the next run repeats the rest.
    assert made.calls == ["certs renew all", "upgrade apply v1.37.1", "kubeadm"]
    assert made.components.done[0] == "etcd --a=new"
    assert not made.subject.interrupted()
    assert made.subject.plan().names() == []


@pytest.mark.usefixtures("nothing_registered")
def test_member_is_as_before_when_a_component_breaks_but_for_etcd(tmp_path: Path) -> None:
    made = Member(tmp_path)

    def wait(manifest: manifests.Manifest, *_args: t.Any) -> None:
        made.components.done.append(f"{manifest.component} {manifests.image_version(manifest.image)}")
        if (manifest.component, manifests.image_version(manifest.image)) == ("kube-controller-manager", NEW):
            raise components.BrokenError(manifest.component, "ends soon after each start", "panic: new")

    made.components.wait = wait  # type: ignore[assignment, method-assign]
    with pytest.raises(plan.KubeadmError) as caught:
        made.subject.apply(made.subject.plan())
    message = str(caught.value)
    assert "cp1: the upgrade to 1.37.1 was undone at: kube-apiserver reconfigured" in message
    assert "panic: new" in message
    assert "run the playbook upgrade again" in message
    assert caught.value.context["component"] == "kube-controller-manager"
    # Data that a new etcd has opened is not for the old one.
    assert [made.tag(name) for name in manifests.COMPONENTS] == ["3.7.0-0", OLD, OLD, OLD]
    assert made.calls == ["certs renew all"]
    assert made.components.done[-1] == f"kube-controller-manager {OLD}"
    assert made.stored == OLD

    # The cause is gone: the next run completes it.
    made.components.wait = lambda *_args: None  # type: ignore[method-assign]
    made.subject.apply(made.subject.plan())
    assert [made.tag(name) for name in manifests.COMPONENTS] == ["3.7.0-0", NEW, NEW, NEW]
    assert made.stored == NEW


@pytest.mark.usefixtures("nothing_registered")
def test_etcd_that_breaks_gets_its_manifest_back(tmp_path: Path) -> None:
    made = Member(tmp_path, broken="--a=new")
    with pytest.raises(plan.KubeadmError, match="undone at: etcd reconfigured"):
        made.subject.apply(made.subject.plan())
    assert [made.tag(name) for name in manifests.COMPONENTS] == ["3.6.8-0", OLD, OLD, OLD]


def node(version: str = "v1.37.1", ready: str = "True") -> dict[str, t.Any]:
    conditions = [{"type": "Ready", "status": ready, "reason": "KubeletNotReady", "message": "no network"}]
    return {"status": {"nodeInfo": {"kubeletVersion": version}, "conditions": conditions}}


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (node(), ""),
        (node("v1.36.4"), "reports the kubelet 1.36.4, expected 1.37.1"),
        (node(ready="False"), "not ready (KubeletNotReady: no network)"),
        ({}, "of no version"),
        ({"status": {"nodeInfo": {"kubeletVersion": "v1.37.1"}}}, "does not tell"),
    ],
)
def test_verdict_on_a_node(found: dict[str, t.Any], word: str) -> None:
    told = upgrade.not_verified(found, "1.37.1")
    assert word in told
    assert bool(word) is bool(told)


def test_kubelet_that_does_not_work_is_told_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Member(tmp_path)
    monkeypatch.setattr(upgrade, "_POLL_SECONDS", 0.3)
    monkeypatch.setattr(upgrade, "own_node", lambda _host, _worker: node())
    monkeypatch.setattr(made.subject.host, "unhealthy_kubelet", lambda: "connection refused", raising=False)
    monkeypatch.setattr(made.components, "kubelet_log", lambda: "E1121 bad flag", raising=False)
    monkeypatch.setattr(made.components, "kubelet_restarts", lambda: 7, raising=False)
    with pytest.raises(plan.KubeadmError, match=r"connection refused\. Its log: E1121 bad flag"):
        made.subject.verify()
    monkeypatch.setattr(made.subject.host, "unhealthy_kubelet", lambda: None, raising=False)
    moments = iter(range(100))
    monkeypatch.setattr(upgrade, "renewals", lambda _host: {"kube-scheduler": str(next(moments))})
    made.subject.verify()


def test_kubelet_that_panics_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Member(tmp_path)
    subject = replace(made.subject, ready_seconds=600)
    counts = iter(range(7, 100))
    monkeypatch.setattr(upgrade, "_POLL_SECONDS", 0.0)
    monkeypatch.setattr(upgrade, "own_node", lambda _host, _worker: node())
    monkeypatch.setattr(made.subject.host, "unhealthy_kubelet", lambda: "connection refused", raising=False)
    monkeypatch.setattr(made.components, "kubelet_log", lambda: "panic: gate", raising=False)
    monkeypatch.setattr(made.components, "kubelet_restarts", lambda: next(counts), raising=False)
    with pytest.raises(plan.KubeadmError, match=r"does not work after 0 s.*panic: gate"):
        subject.verify()
    assert next(counts) == 12


def test_control_plane_whose_controllers_have_no_leader_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Member(tmp_path)
    monkeypatch.setattr(upgrade, "_POLL_SECONDS", 0.02)
    monkeypatch.setattr(upgrade, "own_node", lambda _host, _worker: node())
    monkeypatch.setattr(made.subject.host, "unhealthy_kubelet", lambda: None, raising=False)
    monkeypatch.setattr(made.components, "kubelet_log", lambda: "", raising=False)
    monkeypatch.setattr(made.components, "kubelet_restarts", lambda: 0, raising=False)
    leases = {"kube-controller-manager": "10:00:00", "kube-scheduler": "10:00:00"}
    asked: list[int] = []

    def renewals(_host: t.Any) -> dict[str, str]:
        asked.append(1)
        return {**leases, "kube-scheduler": f"10:00:{len(asked)}"}

    monkeypatch.setattr(upgrade, "renewals", renewals)
    with pytest.raises(plan.KubeadmError, match="kube-controller-manager has no leader"):
        made.subject.verify()
    assert len(asked) > 10


def test_images_are_pulled_with_and_without_a_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Member(tmp_path)
    monkeypatch.setattr(images, "ensure", lambda _host, _wanted, _seconds: ["registry.k8s.io/pause:3.10.2"])
    assert made.subject.pull([]) == ["registry.k8s.io/pause:3.10.2"]
    assert made.calls == ["config images pull"]
