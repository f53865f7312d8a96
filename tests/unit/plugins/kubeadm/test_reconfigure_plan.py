# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What changes on a member."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import (
    manifests,
    plan,
    reconfigure_plan,
)

from tests.unit.plugins.kubeadm.pods import pod

CLUSTER_TEXT = "clusterName: c\nkubernetesVersion: v1.36.4\nnetworking:\n  podSubnet: 10.244.0.0/16\n"
API = manifests.path_of("kube-apiserver")
SCHEDULER = manifests.path_of("kube-scheduler")
KUBELET = "/var/lib/kubelet/config.yaml"


def state(text: str | None, mode: int = 0o600) -> plan.ObservedFile:
    return plan.ObservedFile() if text is None else plan.ObservedFile(text.encode(), mode)


def desired_manifest(component: str, text: str) -> plan.DesiredFile:
    return plan.DesiredFile(manifests.path_of(component), text.encode(), "manifest", component, 0o600, 0, 0)


def planned(
    files: dict[str, plan.ObservedFile] | None = None,
    extra: tuple[plan.DesiredFile, ...] = (),
    **more: t.Any,
) -> plan.Plan:
    """What is planned when everything but C(files) and the rest is as desired."""
    cluster = more.pop("desired", CLUSTER_TEXT)
    desired = reconfigure_plan.DesiredConfiguration(
        files=(
            desired_manifest("kube-scheduler", pod("kube-scheduler", "--a=1")),
            desired_manifest("kube-apiserver", pod("kube-apiserver", "--a=1")),
            plan.DesiredFile(KUBELET, b"a: 1\n", "kubelet", "kubelet"),
            *extra,
        ),
        cluster=cluster,
        kubelet="a: 1\n",
    )
    actual = {
        SCHEDULER: state(pod("kube-scheduler", "--a=1")),
        API: state(pod("kube-apiserver", "--a=1")),
        KUBELET: state("a: 1\n", 0o644),
        **(files or {}),
    }
    observed = {"cluster": CLUSTER_TEXT, "kubelet": "a: 1\n", **more}
    return reconfigure_plan.plan_reconfiguration(
        reconfigure_plan.Comparison(
            desired, reconfigure_plan.ObservedConfiguration("cp1", actual, **observed)
        )
    )


def test_nothing_differs() -> None:
    assert planned() == plan.Plan()
    assert planned(cluster=None, kubelet=None, answers=False) == plan.Plan()


POLICY = plan.DesiredFile("/etc/audit/p", b"rules\n", mode=0o600)


@pytest.mark.parametrize(
    ("case", "names", "restarts"),
    [
        ({"files": {API: state(None)}}, ["kube-apiserver restored: its manifest was missing"], [True]),
        (
            {"files": {API: state(pod("kube-apiserver", "--a=2")), SCHEDULER: state("broken: [")}},
            ["kube-apiserver reconfigured", "kube-scheduler reconfigured"],
            [True, True],
        ),
        # An edited image is an edit like any other.
        (
            {"files": {API: state(pod("kube-apiserver", "--a=1", tag="v1.35.0"))}},
            ["kube-apiserver reconfigured"],
            [True],
        ),
        (
            {"files": {API: state("# mine\n" + pod("kube-apiserver", "--a=1"))}},
            ["kube-apiserver manifest rewritten, which makes the same pod"],
            [False],
        ),
        (
            {"files": {API: state(pod("kube-apiserver", "--a=1"), 0o644)}},
            ["kube-apiserver manifest corrected: mode 0644 instead of 0600"],
            [False],
        ),
        (
            {"pending": frozenset({API})},
            ["kube-apiserver verified after an interrupted run"],
            [False],
        ),
        ({"pending": frozenset({KUBELET})}, ["kubelet reconfigured"], [True]),
        ({"files": {KUBELET: state("a: 2\n")}}, ["kubelet reconfigured"], [True]),
        ({"extra": (POLICY,)}, ["/etc/audit/p placed"], [False]),
        (
            {"extra": (POLICY,), "files": {"/etc/audit/p": state("rules\n", 0o644)}},
            ["/etc/audit/p corrected: mode 0644 instead of 0600"],
            [False],
        ),
        ({"cluster": CLUSTER_TEXT + "gone: 1\n"}, ["ConfigMap kubeadm-config updated"], [False]),
        ({"kubelet": None}, ["ConfigMap kubelet-config updated"], [False]),
        (
            {"desired": CLUSTER_TEXT + "imageRepository: r\n"},
            ["ConfigMap kubeadm-config updated", "CoreDNS reconfigured"],
            [False, False],
        ),
        # While the API server is down, what the cluster stores is unknown.
        (
            {"answers": False, "cluster": None, "kubelet": None, "files": {API: state(None)}},
            ["kube-apiserver restored: its manifest was missing"],
            [True],
        ),
    ],
)
def test_plan(case: dict[str, t.Any], names: list[str], restarts: list[bool]) -> None:
    made = planned(**case)
    assert made.names() == names
    assert [step.restarts for step in made.steps] == restarts


def test_order_is_files_certificate_pods_kubelet_cluster() -> None:
    certificate = plan.DesiredFile("/pki/apiserver.crt", b"c", "certificate", "kube-apiserver", note="with x")
    made = planned(
        files={API: state("x: 1\n"), SCHEDULER: state("x: 1\n"), KUBELET: state("x: 1\n")},
        extra=(certificate, POLICY),
        desired=CLUSTER_TEXT + "more: 1\n",
    )
    assert made.names() == [
        "/etc/audit/p placed",
        "API server's certificate reissued: with x",
        "kube-apiserver reconfigured",
        "kube-scheduler reconfigured",
        "kubelet reconfigured",
        "ConfigMap kubeadm-config updated",
    ]
    assert made.local


def test_diff_shows_arguments_and_no_secret() -> None:
    secret = plan.DesiredFile("/etc/key", b"new-key\n", secret=True)
    made = planned(
        files={API: state(pod("kube-apiserver", "--a=2")), "/etc/key": state("old-key\n")}, extra=(secret,)
    )
    assert "-    - --a=2\n+    - --a=1\n" in made.diff()
    assert "/etc/key: has other contents (secret, not shown)" in made.diff()
    assert "-key" not in made.diff().replace("/etc/key", "")
    assert "new-key" not in repr(made)


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ({"cluster": CLUSTER_TEXT.replace("36.4", "35.2")}, ("cp1", "v1.35.2", "v1.36.4", "upgrade")),
        (
            {"cluster": CLUSTER_TEXT.replace("10.244", "10.245")},
            ("networking.podSubnet", "10.245.0.0/16", "10.244.0.0/16"),
        ),
        (
            {
                "answers": False,
                "cluster": None,
                "files": {API: state(None), SCHEDULER: state(pod("kube-scheduler", tag="v1.35.2"))},
            },
            ("v1.35.2", "v1.36.4", "upgrade"),
        ),
    ],
)
def test_what_is_no_reconfiguration_is_refused(case: dict[str, t.Any], words: tuple[str, ...]) -> None:
    with pytest.raises(plan.KubeadmError) as caught:
        planned(**case)
    assert all(word in str(caught.value) for word in words)
    assert "othing was changed" in str(caught.value)


def test_version_without_v_is_the_same() -> None:
    assert planned(cluster=CLUSTER_TEXT.replace("v1.36.4", "1.36.4")).names() == [
        "ConfigMap kubeadm-config updated"
    ]
