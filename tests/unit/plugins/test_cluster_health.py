# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""cluster_health: its checks as a table, and the action against a small API server."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils import _waiting
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.health import (
    Expectation,
    Snapshot,
    evaluate,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.spread import crowded
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.taints import (
    ANNOTATION,
    EXCLUDED,
    planned,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api import connect

from tests.unit.support.modules import RunAction
from tests.unit.support.servers import Answer, ApiServer, Request

READYZ = "[+]ping ok\n[+]etcd ok\n[+]etcd-readiness ok\nreadyz check passed\n"


def node(
    name: str, ready: str = "True", role: str | None = None, reason: str = "KubeletReady"
) -> dict[str, t.Any]:
    return {
        "metadata": {"name": name, "labels": {f"node-role.kubernetes.io/{role}": ""} if role else {}},
        "spec": {},
        "status": {
            "conditions": [{"type": "Ready", "status": ready, "reason": reason, "message": "text"}],
            "addresses": [{"type": "InternalIP", "address": "192.0.2.11"}],
            "nodeInfo": {"kubeletVersion": "v1.36.4"},
        },
    }


def pod(component: str, host: str, ready: str = "True") -> dict[str, t.Any]:
    return {
        "metadata": {
            "name": f"{component}-{host}",
            "labels": {"component": component, "tier": "control-plane"},
        },
        "status": {"conditions": [{"type": "Ready", "status": ready, "reason": "ContainersNotReady"}]},
    }


def deployment(name: str, wanted: int | None, have: int, new: int, observed: int = 1) -> dict[str, t.Any]:
    return {
        "metadata": {"name": name, "generation": 1},
        "spec": {"replicas": wanted},
        "status": {"observedGeneration": observed, "availableReplicas": have, "updatedReplicas": new},
    }


def daemonset(name: str, wanted: int, have: int, new: int) -> dict[str, t.Any]:
    return {
        "metadata": {"name": name, "generation": 2},
        "status": {
            "observedGeneration": 2,
            "desiredNumberScheduled": wanted,
            "numberAvailable": have,
            "updatedNumberScheduled": new,
        },
    }


COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")


def snapshot(**change: t.Any) -> Snapshot:
    values: dict[str, t.Any] = {
        "readyz_status": 200,
        "readyz": READYZ,
        "nodes": (node("cp1", role="control-plane"), node("w1")),
        "static_pods": tuple(pod(component, "cp1") for component in COMPONENTS),
        "deployments": (deployment("coredns", 2, 2, 2),),
        "daemonsets": (daemonset("cilium", 2, 2, 2),),
    }
    return Snapshot(**{**values, **change})


ALL = ("readyz", "nodes", "control_plane", "etcd", "system_pods")


@pytest.mark.parametrize(
    ("seen", "wanted", "objects", "words"),
    [
        (snapshot(), Expectation(("cp1", "w1"), ALL), [], ()),
        (snapshot(), Expectation(), [], ()),
        (snapshot(), Expectation(("cp1",)), [], ()),
        (Snapshot(error="no route"), Expectation((), ALL), ["API server"], ("no route",)),
        (
            snapshot(readyz_status=500, readyz="[+]ping ok\n[-]etcd failed: reason withheld\n"),
            Expectation((), ALL),
            ["API server check etcd"],
            ("failed: reason withheld",),
        ),
        (
            snapshot(readyz_status=500, readyz="[+]etcd ok\n[-]poststarthook/x failed: not finished\n"),
            Expectation((), ("etcd",)),
            [],
            (),
        ),
        (
            snapshot(readyz_status=503, readyz="busy"),
            Expectation(),
            ["API server check readyz"],
            ("HTTP 503 busy",),
        ),
        (
            snapshot(readyz="[+]ping ok\n"),
            Expectation((), ("etcd",)),
            ["API server check etcd"],
            ("does not report",),
        ),
        (
            snapshot(
                nodes=(node("cp1", role="control-plane"), node("w1", "False", reason="KubeletNotReady"))
            ),
            Expectation(("cp1", "w1", "w2")),
            ["node w1", "node w2"],
            ("KubeletNotReady: text", "not registered (nodes: cp1, w1)", "describe node w1"),
        ),
        (
            snapshot(nodes=(node("cp1", role="control-plane"), node("w1", "Unknown"))),
            Expectation(),
            ["node w1"],
            ("Ready is Unknown",),
        ),
        (
            snapshot(nodes=(node("cp1", role="control-plane"), {"metadata": {"name": "w1"}})),
            Expectation(),
            ["node w1"],
            ("no condition Ready yet",),
        ),
        (snapshot(nodes=()), Expectation(), ["nodes", "control plane"], ("at least one",)),
        (
            snapshot(static_pods=(pod("kube-apiserver", "cp1", "False"), pod("etcd", "cp1"))),
            Expectation(),
            [
                "Pod kube-system/kube-apiserver-cp1",
                "Pod kube-system/kube-controller-manager-cp1",
                "Pod kube-system/kube-scheduler-cp1",
            ],
            ("ContainersNotReady", "does not exist", "crictl"),
        ),
        (
            snapshot(
                nodes=(node("cp1", role="control-plane"), node("cp2", role="control-plane")),
                static_pods=tuple(pod(c, h) for h in ("cp1", "cp2") for c in COMPONENTS)[:-1],
            ),
            Expectation(),
            ["Pod kube-system/etcd-cp2"],
            ("does not exist",),
        ),
        (
            snapshot(deployments=(deployment("coredns", None, 0, 1), deployment("operator", 0, 0, 0))),
            Expectation(),
            ["Deployment kube-system/coredns"],
            ("0 of 1 Pods are available",),
        ),
        (
            snapshot(deployments=(deployment("coredns", 1, 1, 1, observed=0),)),
            Expectation(),
            ["Deployment kube-system/coredns"],
            ("not observed its newest generation yet",),
        ),
        (
            snapshot(daemonsets=(daemonset("cilium", 3, 3, 1),)),
            Expectation(),
            ["DaemonSet kube-system/cilium"],
            ("3 of 3 Pods are available, 1 are of the newest version",),
        ),
        (snapshot(daemonsets=(daemonset("cilium", 3, 1, 1),)), Expectation((), ("readyz",)), [], ()),
        # A run that leaves out a dead control plane does not wait for its Pods.
        (
            snapshot(
                nodes=(
                    node("cp1", role="control-plane"),
                    node("cp2", "Unknown", "control-plane"),
                    node("w1"),
                ),
                static_pods=tuple(pod(c, "cp1") for c in COMPONENTS)
                + tuple(pod(c, "cp2", "False") for c in COMPONENTS),
                deployments=(deployment("cilium-operator", 2, 1, 2),),
                daemonsets=(daemonset("cilium", 3, 2, 3),),
            ),
            Expectation(("cp1", "w1")),
            [],
            (),
        ),
        # One that is left out and alive is another matter, and so is one more Pod that is missing.
        (
            snapshot(
                nodes=(node("cp1", role="control-plane"), node("cp2", role="control-plane")),
                static_pods=tuple(pod(c, "cp1") for c in COMPONENTS)
                + tuple(pod(c, "cp2", "False") for c in COMPONENTS[:1])
                + tuple(pod(c, "cp2") for c in COMPONENTS[1:]),
            ),
            Expectation(("cp1",)),
            ["Pod kube-system/kube-apiserver-cp2"],
            (),
        ),
        (
            snapshot(
                nodes=(node("cp1", role="control-plane"), node("w1", "Unknown"), node("w2")),
                deployments=(deployment("coredns", 1, 0, 1),),
                daemonsets=(daemonset("cilium", 3, 1, 3),),
            ),
            Expectation(("cp1", "w2")),
            ["Deployment kube-system/coredns", "DaemonSet kube-system/cilium"],
            (),
        ),
    ],
)
def test_evaluate(seen: Snapshot, wanted: Expectation, objects: list[str], words: tuple[str, ...]) -> None:
    verdict = evaluate(seen, wanted)
    assert [item.object for item in verdict.unmet] == objects
    text = "\n".join(item.line() for item in verdict.unmet)
    for word in words:
        assert word in text


class Cluster(ApiServer):
    """Serves a snapshot as an API server would."""

    def __init__(self) -> None:
        super().__init__(token="sesame")
        self.serve(snapshot())
        #: What is served from the second round on.
        self.then: Snapshot | None = None

    def serve(self, seen: Snapshot) -> None:
        system = "namespaces/kube-system"
        self.readyz = Answer(seen.readyz_status, seen.readyz)
        self.lists = {
            "/api/v1/nodes": [dict(item) for item in seen.nodes],
            f"/api/v1/{system}/pods": [dict(item) for item in seen.static_pods],
            f"/apis/apps/v1/{system}/deployments": [dict(item) for item in seen.deployments],
            f"/apis/apps/v1/{system}/daemonsets": [dict(item) for item in seen.daemonsets],
        }

    def handle(self, request: Request) -> Answer:
        if request.path == "/readyz":
            if self.then and sum(target.startswith("/readyz") for target in self.targets) > 1:
                self.serve(self.then)
            return self.readyz
        return super().handle(request)


@pytest.fixture
def api() -> t.Iterator[Cluster]:
    running = Cluster()
    yield running
    running.close()


class Run(t.Protocol):
    def __call__(self, **args: t.Any) -> dict[str, t.Any]: ...


@pytest.fixture
def run(api: Cluster, tmp_path: Path, run_action: RunAction) -> Run:
    path = api.kubeconfig(tmp_path / "kubeconfig")
    return lambda **args: run_action("cluster_health", {"kubeconfig": path, **args})


def test_healthy_cluster(api: Cluster, run: Run) -> None:
    api.page = 1
    result = run(nodes=["cp1", "w1"])
    assert (result["changed"], result["ready"], result["unmet"]) == (False, True, [])
    assert result["nodes"][0] == {
        "name": "cp1",
        "ready": True,
        "reason": "",
        "version": "1.36.4",
        "addresses": ["192.0.2.11"],
        "roles": ["control-plane"],
        "schedulable": True,
    }
    assert [item["name"] for item in result["nodes"]] == ["cp1", "w1"]
    assert any("labelSelector=tier%3Dcontrol-plane" in target for target in api.targets)


def test_waits_until_ready(api: Cluster, run: Run) -> None:
    api.serve(snapshot(nodes=(node("cp1", "False", role="control-plane"),)))
    api.then = snapshot()
    result = run(wait=True, timeout=60)
    assert result["ready"] is True
    assert result["waited"] > 1


def test_says_what_it_waits_for(
    api: Cluster, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_waiting, "SAY_SECONDS", 0.0)
    api.serve(snapshot(nodes=(node("cp1", "False", role="control-plane"),)))
    api.then = snapshot()
    run(wait=True, timeout=60)
    told = capsys.readouterr().out.splitlines()
    assert told == ["Waiting for 0 s of at most 60 s: node cp1: Ready is False (KubeletReady: text)"]


def test_waiting_is_told_at_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(_waiting.time, "monotonic", lambda: clock[0])
    told: list[str] = []
    waiting = _waiting.Waiting(300, told.append)
    for second in range(0, 40, 2):
        clock[0] = 100.0 + second
        waiting.still([f"pod {number}" for number in range(7 if second > 20 else 1)])
    waiting.still([])
    assert told == [
        "Waiting for 16 s of at most 300 s: pod 0",
        "Waiting for 32 s of at most 300 s: pod 0; pod 1; pod 2; pod 3; pod 4; and 2 more",
    ]


def test_lists_everything_at_the_end(api: Cluster, run: Run) -> None:
    nodes = (node("cp1", "False", role="control-plane"),)
    api.serve(snapshot(nodes=nodes, daemonsets=(daemonset("cilium", 2, 0, 0),)))
    result = run(nodes=["w9"], wait=True, timeout=1)
    assert result["failed"]
    assert result["ready"] is False
    assert [item["object"] for item in result["unmet"]] == ["node w9", "DaemonSet kube-system/cilium"]
    for item in result["unmet"]:
        for part in item.values():
            assert part in result["msg"]


def test_wrong_credentials_and_dead_server(api: Cluster, run: Run, tmp_path: Path) -> None:
    result = run(kubeconfig=api.kubeconfig(tmp_path / "other", token="wrong"))
    assert result["failed"]
    assert "refuses the credentials (HTTP 401)" in result["msg"]
    assert "wrong" not in result["msg"]
    result = run(kubeconfig=api.kubeconfig(tmp_path / "dead", port=1))
    assert result["failed"]
    assert "http://127.0.0.1:1 does not answer: Connection refused" in result["msg"]


def test_unusable_kubeconfig(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "absent"
    result = run(kubeconfig=str(path))
    assert result["failed"]
    assert str(path) in result["msg"]
    assert (result["ready"], result["nodes"], result["unmet"]) == (False, [], [])


def test_unknown_check(run: Run) -> None:
    result = run(checks=["weather"])
    assert result["failed"]
    assert "value of checks must be one or more of: readyz" in result["msg"]


def test_without_the_library(monkeypatch: pytest.MonkeyPatch, run_action: RunAction) -> None:
    monkeypatch.setattr(connect, "KUBERNETES_ERROR", "ImportError: not here")
    result = run_action("cluster_health", {})
    assert result["failed"]
    assert "kubernetes" in result["msg"]
    assert "Python library" in result["msg"]


def dns(
    number: int, host: str, placed: str = "10:00:00", ready: str = "True", **spec: t.Any
) -> dict[str, t.Any]:
    """A replica of CoreDNS with the tolerations that kubeadm gives it."""
    return {
        "metadata": {"name": f"coredns-{number}"},
        "spec": {
            "nodeName": host,
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "tolerations": [
                {"key": "CriticalAddonsOnly", "operator": "Exists"},
                {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"},
                {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"},
            ],
            **spec,
        },
        "status": {
            "conditions": [
                {"type": "PodScheduled", "status": "True", "lastTransitionTime": f"2026-11-28T{placed}Z"},
                {"type": "Ready", "status": ready, "lastTransitionTime": f"2026-11-28T{placed}Z"},
            ]
        },
    }


def place(name: str, since: str, ready: str = "True", **spec: t.Any) -> dict[str, t.Any]:
    """A node that is Ready since then."""
    found = node(name, ready)
    found["metadata"]["labels"]["kubernetes.io/os"] = "linux"
    found["status"]["conditions"][0]["lastTransitionTime"] = f"2026-11-28T{since}Z"
    found["spec"] = spec
    return found


def taint(key: str, effect: str = "NoSchedule", value: str = "") -> dict[str, t.Any]:
    return {"taints": [{"key": key, "effect": effect, "value": value}]}


CP1 = place("cp1", "09:59:59")
TOGETHER = (dns(1, "cp1"), dns(2, "cp1", "10:00:01"))


@pytest.mark.parametrize(
    ("pods", "others", "evicted"),
    [
        pytest.param(TOGETHER, [place("w1", "10:01:00")], "coredns-2", id="a worker has joined"),
        pytest.param(
            TOGETHER, [place("w1", "09:59:55")], "coredns-2", id="a node just Ready is not seen yet"
        ),
        pytest.param(TOGETHER, [place("w1", "09:00:00")], "", id="the scheduler had the choice"),
        pytest.param((TOGETHER[0], dns(2, "w1")), [place("w1", "10:01:00")], "", id="spread already"),
        pytest.param(TOGETHER, [], "", id="one node"),
        pytest.param(TOGETHER[:1], [place("w1", "10:01:00")], "", id="one replica"),
        pytest.param(TOGETHER, [place("w1", "10:01:00", "False")], "", id="the other node is not Ready"),
        pytest.param(TOGETHER, [place("w1", "10:01:00", unschedulable=True)], "", id="it is cordoned"),
        pytest.param(
            TOGETHER, [place("w1", "10:01:00", **taint("example.org/gpu"))], "", id="it has a taint"
        ),
        pytest.param(
            TOGETHER,
            [place("w1", "10:01:00", **taint("node.cilium.io/agent-not-ready"))],
            "",
            id="its agent is not ready",
        ),
        pytest.param(
            TOGETHER,
            [place("cp2", "10:01:00", **taint("node-role.kubernetes.io/control-plane"))],
            "coredns-2",
            id="another control plane",
        ),
        pytest.param(
            TOGETHER,
            [place("w1", "10:01:00", **taint("x", "PreferNoSchedule"))],
            "coredns-2",
            id="a soft taint",
        ),
        pytest.param(
            (TOGETHER[0], dns(2, "cp1", ready="False")),
            [place("w1", "10:01:00")],
            "",
            id="one does not answer",
        ),
        pytest.param(
            (dns(1, "cp1", nodeSelector={"disk": "ssd"}), dns(2, "cp1")),
            [place("w1", "10:01:00")],
            "",
            id="another node does not fit",
        ),
        pytest.param(
            (TOGETHER[0], {**TOGETHER[1], "status": {"conditions": [{"type": "Ready", "status": "True"}]}}),
            [place("w1", "10:01:00")],
            "",
            id="unknown since when",
        ),
        pytest.param(
            (
                TOGETHER[0],
                {**TOGETHER[1], "metadata": {"name": "x", "deletionTimestamp": "2026-11-28T10:02:00Z"}},
            ),
            [place("w1", "10:01:00")],
            "",
            id="one is going already",
        ),
    ],
)
def test_dns_on_one_node(
    pods: tuple[dict[str, t.Any], ...], others: list[dict[str, t.Any]], evicted: str
) -> None:
    assert crowded(pods, [CP1, *others]) == evicted


class Moving(Cluster):
    """A cluster with both replicas of its DNS on cp1, which notes evictions."""

    refuses = False

    def __init__(self) -> None:
        super().__init__()
        self.serve(snapshot(nodes=(node("cp1", role="control-plane"), place("w1", "10:01:00"))))
        self.evicted: list[t.Any] = []

    def handle(self, request: Request) -> Answer:
        if request.method == "POST":
            self.evicted.append((request.path, request.object["kind"]))
            return Answer(429 if self.refuses else 201, {"kind": "Status"})
        if request.query.get("labelSelector") == "k8s-app=kube-dns":
            gone = self.evicted and not self.refuses
            return Answer(200, {"items": [TOGETHER[0], dns(3, "w1", "10:02:00") if gone else TOGETHER[1]]})
        return super().handle(request)


@pytest.fixture
def moving(tmp_path: Path) -> t.Iterator[tuple[Moving, str]]:
    running = Moving()
    yield running, running.kubeconfig(tmp_path / "kubeconfig")
    running.close()


def test_dns_is_spread_once(moving: tuple[Moving, str], run_action: RunAction) -> None:
    api, path = moving
    args = {"kubeconfig": path, "wait": True, "timeout": 20}
    assert not run_action("cluster_health", args)["changed"]
    assert not run_action("cluster_health", {**args, "spread_dns": True}, check=True)["changed"]
    assert not api.evicted
    result = run_action("cluster_health", {**args, "spread_dns": True})
    assert (result["changed"], result["evicted"], result["ready"]) == (True, ["coredns-2"], True)
    assert api.evicted == [("/api/v1/namespaces/kube-system/pods/coredns-2/eviction", "Eviction")]
    assert not run_action("cluster_health", {**args, "spread_dns": True})["changed"]
    assert len(api.evicted) == 1


def test_a_refused_eviction_is_no_failure(moving: tuple[Moving, str], run_action: RunAction) -> None:
    api, path = moving
    api.refuses = True
    result = run_action("cluster_health", {"kubeconfig": path, "spread_dns": True})
    assert (result["changed"], result["evicted"], result["ready"]) == (False, [], True)


TAINT = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
OTHER = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def plane(taints: list[t.Any], annotated: bool = False, excluded: bool = True) -> dict[str, t.Any]:
    return {
        "metadata": {
            "name": "cp1",
            "resourceVersion": "7",
            "labels": {"role": "x", **({EXCLUDED: ""} if excluded else {})},
            "annotations": {"a": "b", **({ANNOTATION: "true"} if annotated else {})},
        },
        "spec": {"podCIDR": "10.244.0.0/24", **({"taints": taints} if taints else {})},
    }


@pytest.mark.parametrize(
    ("before", "runs_pods", "after"),
    [
        pytest.param(plane([TAINT, OTHER]), True, plane([OTHER], True, False), id="becomes a worker, too"),
        pytest.param(plane([]), True, plane([], True, False), id="has joined without taints"),
        pytest.param(plane([], True, False), True, None, id="runs pods already"),
        pytest.param(plane([], True, True), True, None, id="an operator has excluded it again"),
        pytest.param(plane([{**TAINT, "value": "x"}], True), True, plane([], True), id="tainted manually"),
        pytest.param(plane([OTHER], True, False), False, plane([OTHER, TAINT]), id="is no worker any more"),
        pytest.param(plane([TAINT], True, False), False, plane([TAINT]), id="has the taint already"),
        pytest.param(plane([TAINT]), False, None, id="a control plane"),
        pytest.param(plane([]), False, None, id="an operator has removed the taint"),
        pytest.param({"metadata": {"name": "cp1"}}, False, None, id="bare"),
    ],
)
def test_taints_follow_the_groups(
    before: dict[str, t.Any], runs_pods: bool, after: dict[str, t.Any] | None
) -> None:
    kept = json.loads(json.dumps(before))
    made = planned(before, [TAINT], runs_pods)
    assert before == kept
    if after is None:
        assert made is None
        return
    assert made is not None
    made = {**made, "spec": {key: value for key, value in made["spec"].items() if value}}
    assert made == {**after, "apiVersion": "v1", "kind": "Node"}
    assert planned(made, [TAINT], runs_pods) is None


class Tainted(Cluster):
    """A cluster with the Node cp1, which is changed by others so many times."""

    def __init__(self) -> None:
        super().__init__()
        self.serve(snapshot(nodes=(node("cp1", role="control-plane"),)))
        self.node, self.conflicts, self.status = plane([TAINT]), 0, 200

    def handle(self, request: Request) -> Answer:
        if request.path == "/api/v1/nodes":
            return self.listed(request, [self.node])
        if not request.path.startswith("/api/v1/nodes/"):
            return super().handle(request)
        if request.path != "/api/v1/nodes/cp1":
            return Answer(404, {"kind": "Status"})
        if request.method == "PUT" and self.conflicts:
            self.conflicts -= 1
            return Answer(409, {"kind": "Status"})
        if request.method == "PUT" and self.status == 200:
            self.node = dict(request.object)
        return Answer(200 if request.method == "GET" else self.status, self.node)


@pytest.fixture
def tainted(tmp_path: Path) -> t.Iterator[tuple[Tainted, str]]:
    running = Tainted()
    yield running, running.kubeconfig(tmp_path / "kubeconfig")
    running.close()


def test_taints_are_set_and_removed(tainted: tuple[Tainted, str], run_action: RunAction) -> None:
    api, path = tainted
    wanted = {
        "cp1": {"taints": [TAINT], "runs_pods": True},
        "cp2": {"taints": [TAINT], "runs_pods": True},
    }
    args = {"kubeconfig": path, "control_plane_taints": wanted}
    predicted = run_action("cluster_health", args, check=True)
    assert (predicted["changed"], api.node) == (True, plane([TAINT]))
    api.conflicts = 2
    result = run_action("cluster_health", args)
    assert (result["changed"], result["diff"]) == (True, predicted["diff"])
    assert result["diff"]["after"]["cp1"] == {
        "taints": [],
        "runs_pods": True,
        "excluded_from_load_balancers": False,
    }
    assert not run_action("cluster_health", args)["changed"]
    wanted["cp1"]["runs_pods"] = False
    assert run_action("cluster_health", args)["changed"]
    assert api.node["spec"]["taints"] == [TAINT]
    assert not run_action("cluster_health", args)["changed"]


@pytest.mark.parametrize(
    ("conflicts", "status", "text"), [(99, 200, "changes all the time"), (0, 403, "HTTP 403")]
)
def test_taints_that_cannot_be_set(
    tainted: tuple[Tainted, str], run_action: RunAction, conflicts: int, status: int, text: str
) -> None:
    api, path = tainted
    api.conflicts, api.status = conflicts, status
    wanted = {"cp1": {"taints": [TAINT], "runs_pods": True}}
    result = run_action("cluster_health", {"kubeconfig": path, "control_plane_taints": wanted})
    assert result["failed"]
    assert text in result["msg"]
