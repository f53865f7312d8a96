# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""node_drain: its plan as a table, and the action against a small API server."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._drain import run as drain_run
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._drain import selectors
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._drain.plan import (
    CORDONED_BY,
    DISPENSABLE,
    Policy,
    plan,
    pod_name,
)

from tests.unit.support.modules import RunAction
from tests.unit.support.servers import Answer, ApiServer, Request, refused

Object = dict[str, t.Any]


def pod(name: str, owner: str = "ReplicaSet", *, ready: bool = True, **change: t.Any) -> Object:
    """A Pod on w1; C(change) has annotations, deletionTimestamp, phase, volumes, tolerations."""
    metadata: Object = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "labels": {"app": "web"}}
    if owner:
        metadata["ownerReferences"] = [{"kind": owner, "name": "x", "controller": True}]
    for key in ("annotations", "deletionTimestamp", "labels", "uid"):
        if key in change:
            metadata[key] = change[key]
    return {
        "metadata": metadata,
        "spec": {
            "nodeName": "w1",
            "volumes": change.get("volumes", []),
            "tolerations": change.get("tolerations", []),
        },
        "status": {
            "phase": change.get("phase", "Running"),
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def budget(
    name: str = "web", allowed: int = 0, healthy: int = 2, desired: int = 2, expected: int = 2, **spec: t.Any
) -> Object:
    return {
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, **spec},
        "status": {
            "disruptionsAllowed": allowed,
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "expectedPods": expected,
        },
    }


EMPTY = [{"name": "cache", "emptyDir": {}}]
CLAIM = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]


@pytest.mark.parametrize(
    ("one", "policy", "fate", "kinds"),
    [
        pytest.param(pod("a"), Policy(), "evicted", [], id="of a Deployment"),
        pytest.param(
            pod("a", "", annotations={"kubernetes.io/config.mirror": "x"}), Policy(), "stays", [], id="static"
        ),
        pytest.param(pod("a", "DaemonSet", volumes=EMPTY), Policy(), "stays", [], id="of a DaemonSet"),
        pytest.param(pod("a", "Job", phase="Succeeded", volumes=EMPTY), Policy(), "stays", [], id="finished"),
        pytest.param(pod("a", "", phase="Failed"), Policy(), "stays", [], id="failed without a controller"),
        pytest.param(pod("a", ""), Policy(), "evicted", [("controller", True)], id="without a controller"),
        pytest.param(pod("a", ""), Policy(force=True), "evicted", [("controller", False)], id="forced"),
        pytest.param(pod("a", volumes=EMPTY), Policy(), "evicted", [("emptydir", True)], id="emptyDir"),
        pytest.param(
            pod("a", volumes=EMPTY),
            Policy(delete_emptydir_data=True),
            "evicted",
            [("emptydir", False)],
            id="emptyDir allowed",
        ),
        pytest.param(
            pod("a", volumes=EMPTY, annotations={DISPENSABLE: "socket, cache"}),
            Policy(),
            "evicted",
            [],
            id="emptyDir that nobody needs",
        ),
        pytest.param(
            pod("a", volumes=[*EMPTY, {"name": "work", "emptyDir": {}}], annotations={DISPENSABLE: "cache"}),
            Policy(),
            "evicted",
            [("emptydir", True)],
            id="one emptyDir of two that nobody needs",
        ),
        pytest.param(
            pod("a", volumes=CLAIM), Policy(), "evicted", [("local_volume", False)], id="local volume"
        ),
        pytest.param(
            pod("a", volumes=[{"name": "data", "ephemeral": {}}]),
            Policy(),
            "evicted",
            [("local_volume", False)],
            id="ephemeral volume",
        ),
        pytest.param(
            pod("a", "", deletionTimestamp="x"), Policy(), "terminating", [], id="terminating already"
        ),
    ],
)
def test_plan(one: Object, policy: Policy, fate: str, kinds: list[tuple[str, bool]]) -> None:
    made = plan([one], [], {"shop/data": "pv-1", "shop/a-data": "pv-2"}, policy)
    found = {"evicted": made.evicted, "terminating": made.terminating, "stays": made.staying}
    assert {name for name, value in found.items() if value} == {fate}
    assert [(hold.kind, hold.blocks) for hold in made.holds] == kinds


@pytest.mark.parametrize(
    ("one", "budgets", "kinds", "words"),
    [
        pytest.param(pod("a"), [budget(allowed=1)], [], "", id="allows one"),
        pytest.param(
            pod("a"), [budget()], [("budget", False)], "needs 2 healthy Pods and has 2 of 2", id="needs all"
        ),
        pytest.param(
            pod("a"), [budget(healthy=1)], [("budget", False)], "until more Pods are healthy", id="one is not"
        ),
        pytest.param(pod("a", labels={"app": "db"}), [budget()], [], "", id="of others"),
        pytest.param(
            pod("a"), [budget(), budget("two", 1)], [("budgets", True)], "select it (two, web)", id="two"
        ),
        pytest.param(pod("a", phase="Pending", ready=False), [budget(), budget("two")], [], "", id="pending"),
        pytest.param(pod("a", ready=False), [budget(healthy=2, expected=3)], [], "", id="not ready, enough"),
        pytest.param(
            pod("a", ready=False), [budget(healthy=1)], [("budget", False)], "", id="not ready, too few"
        ),
        pytest.param(
            pod("a", ready=False),
            [budget(healthy=1, unhealthyPodEvictionPolicy="AlwaysAllow")],
            [],
            "",
            id="not ready, always allowed",
        ),
        pytest.param(pod("a"), [{"metadata": {"namespace": "other"}}], [], "", id="another namespace"),
    ],
)
def test_budgets(one: Object, budgets: list[Object], kinds: list[tuple[str, bool]], words: str) -> None:
    made = plan([one], budgets, {}, Policy())
    assert [(hold.kind, hold.blocks) for hold in made.holds] == kinds
    assert words in "".join(hold.line() for hold in made.holds)
    assert not plan([one], budgets, {}, Policy(ignore_budgets=True)).holds


def test_a_pod_that_comes_back_to_a_cordoned_node_stays() -> None:
    everywhere = pod("a", tolerations=[{"operator": "Exists"}])
    assert plan([everywhere], [], {}, Policy()).evicted
    assert plan([everywhere], [], {}, Policy(), known={"uid-a"}).evicted
    late = plan([everywhere, pod("b")], [], {}, Policy(), known=set())
    assert [pod_name(one) for one in late.evicted] == ["shop/b"]
    assert "tolerates" in late.staying["shop/a"]


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "db"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "db"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["x"]}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["x"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, True),
        ({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "x", "operator": "Exists"}]}, False),
    ],
)
def test_selectors(selector: Object | None, matches: bool) -> None:
    assert selectors.matches(selector, {"app": "web"}) is matches


class Cluster(ApiServer):
    """A cluster with the node w1, whose evicted Pods end a moment later."""

    def __init__(self) -> None:
        super().__init__(token="sesame")
        self.node: Object = {
            "metadata": {"name": "w1", "labels": {"kubernetes.io/hostname": "w1"}, "annotations": {"a": "b"}},
            "spec": {"podCIDR": "10.244.1.0/24"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }
        self.pods = {one["metadata"]["name"]: one for one in (pod("a"), pod("b"), pod("ds", "DaemonSet"))}
        self.lists = {
            "/apis/policy/v1/poddisruptionbudgets": [],
            "/api/v1/nodes": [self.node],
        }
        #: How often an eviction is refused, and how a Pod is: with its answer.
        self.refusals: list[Answer] = []
        self.evictions: list[Object] = []
        self.ends = True

    def handle(self, request: Request) -> Answer:
        if request.path == "/api/v1/pods":
            assert request.query["fieldSelector"] == "spec.nodeName=w1"
            listed = self.listed(request, list(self.pods.values()))
            if self.ends:
                self.pods = {
                    name: one for name, one in self.pods.items() if "deletionTimestamp" not in one["metadata"]
                }
            return listed
        if request.path == "/api/v1/nodes/w1":
            if request.method == "PATCH":
                assert request.headers["Content-Type"] == "application/merge-patch+json"
                self.merge(self.node, request.object)
            return Answer(200, self.node)
        if request.path.endswith("/eviction") or request.method == "DELETE":
            name = request.path.split("/")[6]
            self.evictions.append({"pod": name, "method": request.method, **request.object})
            if self.refusals:
                return self.refusals.pop(0)
            if name not in self.pods:
                return refused(404, "not found")
            self.pods[name]["metadata"]["deletionTimestamp"] = "2026-11-29T00:00:00Z"
            return Answer(201, {"kind": "Status"})
        return super().handle(request)

    def merge(self, into: Object, patch: Object) -> None:
        for key, value in patch.items():
            if value is None:
                into.pop(key, None)
            elif isinstance(value, dict):
                self.merge(into.setdefault(key, {}), value)
            else:
                into[key] = value


class Run(t.Protocol):
    def __call__(self, check: bool = False, **args: t.Any) -> Object: ...


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Cluster]:
    monkeypatch.setattr(drain_run, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(drain_run, "RETRY_SECONDS", 0.02)
    running = Cluster()
    yield running
    running.close()


@pytest.fixture
def run(api: Cluster, tmp_path: Path, run_action: RunAction) -> Run:
    path = api.kubeconfig(tmp_path / "kubeconfig")
    return lambda check=False, **args: run_action(
        "node_drain", {"kubeconfig": path, "node": "w1", **args}, check=check
    )


def changes(api: Cluster) -> list[str]:
    return [request.method for request in api.requests if request.method != "GET"]


def test_drains_and_returns_to_service(api: Cluster, run: Run) -> None:
    predicted = run(check=True)
    assert predicted["changed"]
    assert changes(api) == []
    result = run()
    assert (result["changed"], result["evicted"]) == (True, ["shop/a", "shop/b"])
    assert result["diff"] == predicted["diff"]
    assert result["diff"]["after"] == {
        "unschedulable": True,
        "cordoned_by": "maintenance",
        "pods": ["shop/ds"],
    }
    assert result["staying"] == [{"pod": "shop/ds", "reason": "Pod of a DaemonSet"}]
    assert api.node["metadata"]["annotations"] == {"a": "b", CORDONED_BY: "maintenance"}
    assert api.evictions[0]["kind"] == "Eviction"
    assert api.evictions[0]["deleteOptions"] == {"preconditions": {"uid": "uid-a"}}
    assert not run()["changed"]
    assert not run(check=True)["changed"]
    back = run(state="uncordoned")
    assert (back["changed"], back["unschedulable"]) == (True, False)
    assert "unschedulable" not in api.node["spec"]
    assert api.node["metadata"]["annotations"] == {"a": "b"}
    assert not run(state="uncordoned")["changed"]


def test_waits_for_a_budget_and_says_so(api: Cluster, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr("ansible.utils.display.Display.display", lambda _self, text, **_: lines.append(text))
    api.lists["/apis/policy/v1/poddisruptionbudgets"] = [budget()]
    api.refusals = [refused(429, "Cannot evict pod as it would violate the pod's disruption budget.")] * 5
    result = run()
    assert result["changed"]
    assert result["evicted"] == ["shop/b", "shop/a"] or sorted(result["evicted"]) == ["shop/a", "shop/b"]
    assert {(hold["pod"], hold["kind"], hold["blocks"]) for hold in result["held_up"]} == {
        ("shop/a", "budget", False),
        ("shop/b", "budget", False),
    }
    text = "\n".join(lines)
    assert "drain w1: cordoned, 2 Pod(s) to evict" in text
    assert "waiting for shop/a (PodDisruptionBudget web needs 2 healthy Pods and has 2 of 2)" in text


def test_gives_up_in_time_and_continues(api: Cluster, run: Run) -> None:
    api.lists["/apis/policy/v1/poddisruptionbudgets"] = [budget()]
    api.answers[("POST", "/api/v1/namespaces/shop/pods/b/eviction")] = refused(429, "no")
    result = run(timeout=0)
    assert result["failed"]
    assert "shop/b (PodDisruptionBudget web needs" in result["msg"]
    assert "stays cordoned" in result["msg"]
    assert api.node["spec"]["unschedulable"] is True
    api.answers.clear()
    assert run(timeout=5)["evicted"] == ["shop/b"]
    assert run(state="uncordoned")["changed"]


def test_refuses_before_anything_changes(api: Cluster, run: Run) -> None:
    api.pods |= {"lone": pod("lone", ""), "cache": pod("cache", volumes=EMPTY)}
    for check in (True, False):
        result = run(check=check)
        assert result["failed"]
        for words in ("shop/lone", "node_drain_force", "shop/cache", "emptyDir cache", "nothing was changed"):
            assert words in result["msg"]
        assert [hold["kind"] for hold in result["held_up"]] == ["controller", "emptydir"]
    assert changes(api) == []
    assert len(run(force=True, delete_emptydir_data=True)["evicted"]) == 4


def test_pods_of_a_dead_node_are_reported(api: Cluster, run: Run) -> None:
    api.ends = False
    api.node["status"]["conditions"][0]["status"] = "Unknown"
    result = run(timeout=5)
    assert sorted(result["stuck"]) == ["shop/a", "shop/b"]
    assert result["changed"]
    again = run(timeout=5)
    assert not again["changed"]
    assert sorted(again["stuck"]) == ["shop/a", "shop/b"]


def test_a_node_that_dies_meanwhile(api: Cluster, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    api.ends = False
    polls = iter(range(100))

    def pause(_seconds: float) -> None:
        if next(polls) == 3:
            api.node["status"]["conditions"][0]["status"] = "Unknown"

    monkeypatch.setattr(drain_run.time, "sleep", pause)
    assert sorted(run(timeout=30)["stuck"]) == ["shop/a", "shop/b"]


def test_against_budgets_by_deletion(api: Cluster, run: Run) -> None:
    api.lists["/apis/policy/v1/poddisruptionbudgets"] = [budget(), budget("two")]
    assert "PodDisruptionBudgets select it" in run()["msg"]
    result = run(ignore_budgets=True, grace_period=3)
    assert result["held_up"] == []
    assert {one["method"] for one in api.evictions} == {"DELETE"}
    assert api.evictions[0]["gracePeriodSeconds"] == 3


def test_local_volumes_are_named(api: Cluster, run: Run) -> None:
    api.pods["a"]["spec"]["volumes"] = CLAIM
    api.objects["/api/v1/namespaces/shop/persistentvolumeclaims/data"] = {"spec": {"volumeName": "pv-1"}}
    expression: t.Any = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["w1"]}
    terms = [{"matchExpressions": [expression]}]
    api.objects["/api/v1/persistentvolumes/pv-1"] = {
        "spec": {"csi": {}, "nodeAffinity": {"required": {"nodeSelectorTerms": terms}}}
    }
    assert [hold["found"] for hold in run(check=True)["held_up"]] == ["its volume pv-1 is on this node"]
    expression["values"].append("w2")
    assert run(check=True)["held_up"] == []
    api.objects["/api/v1/persistentvolumes/pv-1"] = {"spec": {"local": {"path": "/x"}}}
    assert [hold["kind"] for hold in run(check=True)["held_up"]] == ["local_volume"]


def test_an_api_server_that_is_away_for_a_moment(
    api: Cluster, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr("ansible.utils.display.Display.display", lambda _self, text, **_: lines.append(text))
    first = Answer(200, {"items": list(api.pods.values())})
    api.answers[("GET", "/api/v1/pods")] = [first, refused(503, "starting"), refused(500, "etcd")]
    assert run()["evicted"] == ["shop/a", "shop/b"]
    assert any("the API server: HTTP 503" in line for line in lines)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refused(403, "no permission"), "Pod shop/a cannot be evicted: HTTP 403 no permission"),
        (refused(500, "more than one budget"), "HTTP 500 more than one budget. The node stays cordoned"),
    ],
)
def test_evictions_that_cannot_be(api: Cluster, run: Run, answer: Answer, words: str) -> None:
    api.refusals = [answer]
    result = run()
    assert result["failed"]
    assert words in result["msg"]


def test_a_namespace_that_is_deleted_is_waited_for(api: Cluster, run: Run) -> None:
    api.refusals = [
        refused(403, "unable to create new content in namespace shop because it is being terminated")
    ]
    assert run()["changed"]


def test_an_unknown_node(api: Cluster, run: Run) -> None:
    result = run(node="w9")
    assert result["failed"]
    assert "w9: the cluster has no node of this name (nodes: w1)" in result["msg"]


def test_the_cordon_of_others_stays(api: Cluster, run: Run) -> None:
    api.node["spec"]["unschedulable"] = True
    result = run()
    assert (result["changed"], result["cordoned_by"]) == (True, "")
    assert CORDONED_BY not in api.node["metadata"]["annotations"]
    assert not run(state="uncordoned")["changed"]
    assert run(state="uncordoned", operation="")["changed"]
    api.node["spec"]["unschedulable"] = True
    api.node["metadata"]["annotations"][CORDONED_BY] = "upgrade"
    assert not run()["changed"]
    assert not run(state="uncordoned")["changed"]
    assert run(state="uncordoned", operation="upgrade")["changed"]


def test_cordons_alone(api: Cluster, run: Run) -> None:
    assert run(state="cordoned", check=True)["changed"]
    assert changes(api) == []
    result = run(state="cordoned", operation="upgrade")
    assert (result["unschedulable"], result["cordoned_by"]) == (True, "upgrade")
    assert not run(state="cordoned")["changed"]
    assert len(api.pods) == 3
    del api.node["spec"]["unschedulable"]
    # Somebody has uncordoned it with kubectl.
    assert run(state="uncordoned", operation="upgrade")["changed"]
    assert CORDONED_BY not in api.node["metadata"]["annotations"]
