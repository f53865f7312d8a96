# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""api_objects against an API server that applies, refuses, and goes away for a while."""

from __future__ import annotations

import json
import threading
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api import (
    ending,
    in_effect,
    objects,
    readiness,
)

from tests.unit.support.applying import NAMESPACES, Cluster
from tests.unit.support.modules import RunAction
from tests.unit.support.servers import Answer, Request, refused

Object = dict[str, t.Any]

POLICIES = "/apis/networking.k8s.io/v1/namespaces/team/networkpolicies"
ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles/own%3Areader"


def policy(name: str = "deny", namespace: str = "team", **spec: t.Any) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"podSelector": {}, **spec},
    }


NAMESPACE: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}
CLUSTER_ROLE: Object = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "own:reader"},
    "rules": [],
}


class Run(t.Protocol):
    def __call__(self, *declared: t.Any, check: bool = False, **options: t.Any) -> Object: ...


@pytest.fixture
def api() -> t.Iterator[Cluster]:
    running = Cluster()
    yield running
    running.close()


@pytest.fixture
def run(api: Cluster, tmp_path: Path, run_action: RunAction, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(objects, "RETRY_SECONDS", 0.01)
    path = api.kubeconfig(tmp_path / "kubeconfig")

    def run(*declared: t.Any, check: bool = False, **options: t.Any) -> Object:
        args = {"kubeconfig": path, "objects": list(declared), **options}
        return run_action("api_objects", args, check=check)

    return run


def test_applied_once(api: Cluster, run: Run) -> None:
    declared = (NAMESPACE, policy(), CLUSTER_ROLE)
    names = ["Namespace team", "NetworkPolicy team/deny", "ClusterRole own:reader"]
    predicted = run(*declared, check=True)
    assert (predicted["changed"], predicted["objects"]) == (True, names)
    assert not api.written
    result = run(*declared)
    assert (result["changed"], result["objects"]) == (True, names)
    assert api.written == ["PATCH team", "PATCH deny", "PATCH own%3Areader"]
    assert result["diff"]["before"] == {}
    assert result["diff"]["after"]["NetworkPolicy team/deny"] == {
        **policy(),
        "metadata": {
            "name": "deny",
            "namespace": "team",
            "fieldManagers": ["baremetal.kubernetes (Apply)"],
        },
    }
    for check in (True, False):
        again = run(*declared, check=check)
        assert (again["changed"], again["objects"], again["diff"]) == (False, [], {"before": {}, "after": {}})
    assert len(api.written) == 3


def test_only_what_changed_is_written(api: Cluster, run: Run) -> None:
    run(NAMESPACE, policy("a"), policy("b"))
    api.requests.clear()
    changed = policy("b", policyTypes=["Ingress"])
    assert run(NAMESPACE, policy("a"), changed, check=True)["objects"] == ["NetworkPolicy team/b"]
    result = run(NAMESPACE, policy("a"), changed)
    assert api.written == ["PATCH b"]
    assert result["diff"]["before"]["NetworkPolicy team/b"]["spec"] == {"podSelector": {}}
    assert result["diff"]["after"]["NetworkPolicy team/b"]["spec"] == changed["spec"]


def test_one_that_is_refused_changes_nothing(api: Cluster, run: Run) -> None:
    run(NAMESPACE)
    api.requests.clear()
    result = run(policy("good"), policy("bad", wrong=True))
    assert result["failed"]
    assert "refuses NetworkPolicy team/bad: spec.wrong: Forbidden. Nothing was changed." in result["msg"]
    assert not api.written


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ([{"kind": "ConfigMap"}], "Object 1 of the list lacks apiVersion and metadata.name."),
        ([NAMESPACE, {**NAMESPACE, "metadata": {"generateName": "x-"}}], "Object 2 of the list lacks metadata.name."),
        ([NAMESPACE, NAMESPACE], "Namespace team is in the list twice."),
        ([policy(namespace="")], "NetworkPolicy deny needs a namespace."),
        ([{**NAMESPACE, "metadata": {"name": "a", "namespace": "b"}}], "Namespace b/a needs no namespace."),
        ([{**policy(), "kind": "NetworkPolicies"}], "does not serve the kind NetworkPolicies of networking.k8s.io/v1"),
        ([policy(namespace="other")], 'refuses NetworkPolicy other/deny: namespaces "other" not found.'),
    ],
)  # fmt: skip
def test_refusals(declared: list[Object], words: str, api: Cluster, run: Run) -> None:
    result = run(*declared)
    assert result["failed"]
    assert words in result["msg"]
    assert "Nothing was changed." in result["msg"]
    assert not api.written


def test_check_mode_predicts_what_an_earlier_task_would_make_possible(run: Run) -> None:
    unknown = {**policy(), "kind": "Certificate", "apiVersion": "cert-manager.io/v1"}
    result = run(policy(namespace="other"), unknown, check=True)
    assert result["objects"] == ["NetworkPolicy other/deny", "Certificate team/deny"]


def test_fields_of_others(api: Cluster, run: Run) -> None:
    run(NAMESPACE)
    run(policy(), field_manager="somebody")
    other = policy(policyTypes=["Ingress"])
    result = run(other)
    assert result["failed"]
    assert 'conflict with "somebody": .spec. Nothing was changed.' in result["msg"]
    assert "force_conflicts" in result["msg"]
    assert run(other, force_conflicts=True)["changed"]
    assert not run(other, force_conflicts=True)["changed"]


def test_values_of_secrets_are_not_shown(run: Run) -> None:
    run(NAMESPACE)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "team"}}
    run({**secret, "data": {"a": "b2xk", "b": "c2FtZQ=="}, "spec": {"n": 1}})
    result = run({**secret, "data": {"a": "bmV3", "b": "c2FtZQ=="}, "spec": {"n": 2}})
    assert not {"b2xk", "bmV3", "c2FtZQ=="} & set(str(result).split("'"))
    assert result["diff"]["before"]["Secret team/s"]["data"] == {"a": "(hidden)", "b": "(hidden)"}
    assert result["diff"]["after"]["Secret team/s"]["data"] == {"a": "(hidden, another one)", "b": "(hidden)"}


def test_deleted_once(api: Cluster, run: Run) -> None:
    declared = (NAMESPACE, policy(), CLUSTER_ROLE)
    run(*declared)
    api.requests.clear()
    predicted = run(*declared, state="absent", check=True)
    assert predicted["changed"]
    assert not api.written
    result = run(*declared, state="absent")
    assert api.written == ["DELETE own%3Areader", "DELETE deny", "DELETE team"]
    assert "NetworkPolicy team/deny" in result["diff"]["before"]
    assert result["diff"]["after"] == {}
    assert not run(*declared, state="absent")["changed"]
    # Of a kind that is not served, there is nothing.
    assert not run({**policy(), "apiVersion": "cert-manager.io/v1"}, state="absent")["changed"]


def test_objects_of_one_kind_are_applied_side_by_side_and_kinds_in_order(api: Cluster, run: Run) -> None:
    run(NAMESPACE)
    api.requests.clear()
    # Each waits in the API server until all three are there.
    together = threading.Barrier(3, timeout=20)

    def held(request: Request) -> Answer:
        if request.method == "PATCH" and request.path.startswith(POLICIES) and "dryRun" not in request.query:
            together.wait()
        return Cluster.handle(api, request)

    api.handle = held  # type: ignore[method-assign]
    result = run(
        CLUSTER_ROLE, policy("a"), policy("b"), policy("c"), {**CLUSTER_ROLE, "metadata": {"name": "last"}}
    )
    names = ["ClusterRole own:reader", *(f"NetworkPolicy team/{name}" for name in "abc"), "ClusterRole last"]
    assert result["objects"] == names
    assert api.written[0] == "PATCH own%3Areader" and api.written[-1] == "PATCH last"


def test_objects_of_files(api: Cluster, run: Run, tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(
        f"# A file of upstream.\n---\n---\n{json.dumps(policy('a'))}\n---\n{json.dumps(policy('b'))}\n",
        encoding="utf-8",
    )
    (tmp_path / "two.yaml").write_text(json.dumps(CLUSTER_ROLE), encoding="utf-8")
    files = [str(tmp_path / "one.yaml"), str(tmp_path / "two.yaml")]
    result = run(NAMESPACE, src=files, part_of="own")
    names = ["Namespace team", "NetworkPolicy team/a", "NetworkPolicy team/b", "ClusterRole own:reader"]
    assert result["objects"] == names
    assert api.objects[f"{POLICIES}/a"]["metadata"]["labels"] == {LABEL: "own"}
    assert run(src=files, state="absent")["changed"]
    assert list(reversed(api.deleted)) == ["a", "b", "own%3Areader"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "cannot be read: while parsing"),
        (None, "No such file"),
        ("- 1\n", "Object 2 of the list lacks"),
    ],
)
def test_files_without_objects_are_refused(
    text: str | None, words: str, api: Cluster, run: Run, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / "bad.yaml").write_text(text, encoding="utf-8")
    result = run(NAMESPACE, src=[str(tmp_path / "bad.yaml")])
    assert result["failed"] and words in result["msg"] and "Nothing was changed." in result["msg"]
    assert not api.written


PRUNE = [{"api_version": "networking.k8s.io/v1", "kind": "NetworkPolicy"}]
LABEL = "baremetal.kubernetes/part-of"


def test_what_is_not_declared_any_more_is_deleted(api: Cluster, run: Run) -> None:
    run(NAMESPACE)
    both = (policy("one"), policy("two"))
    assert run(*both, part_of="policies", prune=PRUNE)["changed"]
    assert api.objects[f"{POLICIES}/one"]["metadata"]["labels"] == {LABEL: "policies"}
    assert not run(*both, part_of="policies", prune=PRUNE)["changed"]
    # Of another set, of nobody, and a copy that somebody has made.
    run(policy("other"), part_of="others")
    run(policy("plain"))
    run(policy("copy"), field_manager="somebody", part_of="policies")
    api.requests.clear()
    predicted = run(policy("one"), part_of="policies", prune=PRUNE, check=True)
    assert predicted["objects"] == ["NetworkPolicy team/two"]
    assert list(predicted["diff"]["before"]) == ["NetworkPolicy team/two"]
    assert predicted["diff"]["after"] == {}
    assert not api.written
    assert run(policy("one"), part_of="policies", prune=PRUNE)["objects"] == ["NetworkPolicy team/two"]
    assert api.written == ["DELETE two"]
    assert not run(policy("one"), part_of="policies", prune=PRUNE)["changed"]
    assert run(part_of="policies", prune=PRUNE)["objects"] == ["NetworkPolicy team/one"]
    assert {path.rpartition("/")[2] for path in api.objects if path.startswith(POLICIES)} == {
        "other",
        "plain",
        "copy",
    }


def test_one_that_is_refused_prunes_nothing(api: Cluster, run: Run) -> None:
    run(NAMESPACE)
    run(policy("one"), policy("two"), part_of="policies")
    api.requests.clear()
    assert run(policy("one", wrong=True), part_of="policies", prune=PRUNE)["failed"]
    assert not api.written


def test_what_the_api_server_does_not_change_is_replaced(api: Cluster, run: Run) -> None:
    run(NAMESPACE, policy(), part_of="own")
    changed = policy(fixed="b")
    api.fixed.add(f"{POLICIES}/deny")
    refusal = run(changed, part_of="own")
    assert refusal["failed"] and "field is immutable. Nothing was changed." in refusal["msg"]
    api.requests.clear()
    options: dict[str, t.Any] = {"part_of": "own", "replace": ["NetworkPolicy"]}
    predicted = run(changed, check=True, **options)
    assert predicted["objects"] == ["NetworkPolicy team/deny"] and not api.written
    assert predicted["diff"]["before"]["NetworkPolicy team/deny"]["spec"] == {"podSelector": {}}
    after = predicted["diff"]["after"]["NetworkPolicy team/deny"]
    assert after["spec"] == changed["spec"] and after["metadata"]["name"] == "deny"
    result = run(changed, **options)
    assert api.written == ["DELETE deny", "PATCH deny"]
    assert result["diff"] == predicted["diff"]
    assert not run(changed, **options)["changed"]


def test_one_that_could_not_be_made_again_is_not_deleted(api: Cluster, run: Run) -> None:
    run(NAMESPACE, policy())
    api.fixed.add(f"{POLICIES}/deny")
    api.requests.clear()
    result = run(policy(wrong=True), replace=["NetworkPolicy"])
    assert result["failed"] and "spec.wrong: Forbidden. Nothing was changed." in result["msg"]
    assert not api.written


def test_kinds_that_are_not_served_have_nothing_to_prune(run: Run) -> None:
    kinds = [{"api_version": "cilium.io/v2", "kind": "CiliumNetworkPolicy"}]
    assert run(NAMESPACE, part_of="policies", prune=kinds)["objects"] == ["Namespace team"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"prune": PRUNE}, "prune is given without part_of"),
        ({"prune": PRUNE, "part_of": "p", "state": "absent"}, "or with state absent"),
        ({"part_of": "No Label"}, "part_of is 'No Label'"),
    ],
)
def test_wrong_sets_are_refused(options: Object, words: str, api: Cluster, run: Run) -> None:
    result = run(NAMESPACE, **options)
    assert result["failed"]
    assert words in result["msg"]
    assert not api.written


@pytest.mark.parametrize("status", sorted(objects.PASSING))
def test_a_server_that_cannot_serve_now_is_asked_again(status: int, api: Cluster, run: Run) -> None:
    passing = [refused(status, "etcdserver: leader changed")]
    for key in (("GET", "/api/v1"), ("GET", f"{NAMESPACES}/team"), ("PATCH", f"{NAMESPACES}/team")):
        api.answers[key] = list(passing)
    assert run(NAMESPACE)["objects"] == ["Namespace team"]
    api.answers["DELETE", f"{NAMESPACES}/team"] = list(passing)
    assert run(NAMESPACE, state="absent")["changed"]
    assert api.deleted == ["team"]


def test_a_server_that_stays_away_ends_the_task(api: Cluster, run: Run) -> None:
    api.answers["GET", "/api/v1"] = refused(503, "shutting down")
    result = run(NAMESPACE, timeout=0)
    assert result["failed"]
    assert "HTTP 503: shutting down" in result["msg"]


def test_no_answer_is_waited_for_and_a_refusal_is_not() -> None:
    calls: list[int] = []

    def unreachable() -> str:
        calls.append(1)
        if len(calls) < 3:
            raise objects.UnreachableError("https://api.example", "timed out")
        return "there"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(objects, "RETRY_SECONDS", 0.01)
        assert objects.patiently(unreachable, 5, print) == "there"

    def forbidden() -> str:
        calls.append(1)
        raise objects.StatusError("GET", "https://api.example", 403, "no")

    calls.clear()
    with pytest.raises(OperatorError):
        objects.patiently(forbidden, 5, print)
    assert len(calls) == 1


def test_what_is_being_deleted_is_no_change(api: Cluster, run: Run) -> None:
    options: dict[str, t.Any] = {
        "part_of": "own",
        "prune": [{"api_version": "networking.k8s.io/v1", "kind": "NetworkPolicy"}],
    }
    run(NAMESPACE, policy(), **options)
    api.objects[f"{POLICIES}/deny"]["metadata"]["deletionTimestamp"] = "2026-11-30T03:00:00Z"
    assert not run(NAMESPACE, **options)["changed"]


ENDING: Object = {
    **NAMESPACE,
    "metadata": {"name": "team", "deletionTimestamp": "2026-11-30T03:00:00Z"},
    "status": {
        "phase": "Terminating",
        "conditions": [
            {
                "type": "NamespaceContentRemaining",
                "status": "True",
                "message": "pods. has 2 resource instances",
            },
            {"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "message": "All discovered"},
        ],
    },
}


def test_applied_when_its_predecessor_is_gone(
    api: Cluster, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of the platform that is switched off and on again."""
    monkeypatch.setattr(ending, "POLL_SECONDS", 0.01)
    api.answers["GET", f"{NAMESPACES}/team"] = [Answer(200, ENDING), Answer(200, ENDING), Answer(404, {})]
    result = run(NAMESPACE, policy())
    assert result["objects"] == ["Namespace team", "NetworkPolicy team/deny"]
    assert result["diff"]["before"] == {}
    assert api.written == ["PATCH team", "PATCH deny"]


def test_check_mode_predicts_what_follows_on_what_is_being_deleted(api: Cluster, run: Run) -> None:
    api.objects[f"{NAMESPACES}/team"] = ENDING
    api.objects[f"{POLICIES}/deny"] = policy()
    result = run(NAMESPACE, policy(), check=True)
    assert (result["changed"], result["diff"]["before"]) == (True, {})
    assert result["objects"] == ["Namespace team", "NetworkPolicy team/deny"]


def test_predecessor_that_does_not_end_is_named(
    api: Cluster, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(ending, "GONE_SECONDS", 0.05)
    api.objects[f"{NAMESPACES}/team"] = ENDING
    result = run(NAMESPACE, policy())
    assert result["failed"]
    for words in ("Namespace team is being deleted", "pods. has 2 resource instances", "Nothing was changed"):
        assert words in result["msg"]
    assert not api.written


DEPLOYMENT: Object = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "team"},
    "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}},
}
ROLLED_OUT = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}


@pytest.fixture
def effective_api(api: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(in_effect, "POLL_SECONDS", 0.01)
    api.kinds("/apis/apps/v1", Deployment=True)
    return api


def test_waits_until_objects_are_in_effect(effective_api: Cluster, run: Run) -> None:
    effective_api.statuses["web"] = [{}, {**ROLLED_OUT, "availableReplicas": 1}, ROLLED_OUT]
    assert run(NAMESPACE, DEPLOYMENT, wait=10)["changed"]
    assert effective_api.objects["/apis/apps/v1/namespaces/team/deployments/web"]["status"] == ROLLED_OUT
    # What did not change may still be on its way.
    effective_api.statuses["web"] = [{}, ROLLED_OUT]
    assert not run(NAMESPACE, DEPLOYMENT, wait=10)["changed"]
    assert len(effective_api.statuses["web"]) == 1


def test_a_later_task_waits_for_what_was_applied(
    effective_api: Cluster, run: Run, run_action: RunAction, tmp_path: Path
) -> None:
    applied = run(NAMESPACE, DEPLOYMENT)
    identity = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "team"},
    }
    assert applied["awaitable"] == run(NAMESPACE, DEPLOYMENT)["awaitable"] == [identity]
    assert run(NAMESPACE, DEPLOYMENT, state="absent", check=True)["awaitable"] == []
    args = {
        "kubeconfig": str(tmp_path / "kubeconfig"),
        "objects": [NAMESPACE, *applied["awaitable"]],
        "wait": 1,
    }
    effective_api.statuses["web"] = [{}, {**ROLLED_OUT, "availableReplicas": 1}, ROLLED_OUT]
    effective_api.requests.clear()
    result = run_action("api_objects_ready", args)
    assert (result["changed"], len(effective_api.statuses["web"])) == (False, 1)
    assert result["seconds"] >= 0
    assert {one.method for one in effective_api.requests} == {"GET"}
    # A namespace does not tell, so that nobody asks.
    assert not [one for one in effective_api.requests if one.path == f"{NAMESPACES}/team"]
    effective_api.statuses["web"] = [{**ROLLED_OUT, "availableReplicas": 1}]
    late = run_action("api_objects_ready", args)
    assert late["failed"] and "Deployment team/web: 1 of 2 replicas are available" in late["msg"]
    assert not run_action("api_objects_ready", args, check=True).get("failed")


def test_a_policy_that_cilium_refuses_is_not_waited_for(effective_api: Cluster, run: Run) -> None:
    effective_api.kinds("/apis/cilium.io/v2", CiliumClusterwideNetworkPolicy=False)
    declared = {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumClusterwideNetworkPolicy",
        "metadata": {"name": "opening-web"},
        "spec": {},
    }

    def valid(status: str, **more: str) -> Object:
        return {"conditions": [{"type": "Valid", "status": status, **more}]}

    effective_api.statuses["opening-web"] = [{}, valid("True")]
    assert run(declared, wait=10)["changed"]
    effective_api.statuses["opening-web"] = [{}, valid("False", message="L7 proxy is not enabled")]
    refusal = run(declared, wait=3600)
    assert refusal["failed"]
    words = (
        "CiliumClusterwideNetworkPolicy opening-web cannot take effect: not Valid (L7 proxy is not enabled)."
    )
    assert words in refusal["msg"]


def test_check_mode_does_not_wait(effective_api: Cluster, run: Run) -> None:
    assert run(NAMESPACE, DEPLOYMENT, wait=3600, check=True)["changed"]


def test_what_does_not_become_ready_is_named_with_its_pods(effective_api: Cluster, run: Run) -> None:
    effective_api.kinds("/api/v1", Namespace=False, Secret=True, Pod=True)
    effective_api.objects["/api/v1/namespaces/team/pods/web-1"] = {
        "metadata": {"name": "web-1", "namespace": "team", "labels": {"app": "web"}},
        "status": {
            "containerStatuses": [
                {
                    "name": "web",
                    "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}},
                }
            ]
        },
    }
    effective_api.statuses["web"] = [{**ROLLED_OUT, "availableReplicas": 0}]
    result = run(NAMESPACE, DEPLOYMENT, wait=1)
    assert result["failed"]
    assert "Deployment team/web: 0 of 2 replicas are available" in result["msg"]
    assert "pod web-1: web: ImagePullBackOff: no such image" in result["msg"]


def test_surging_pods_are_looked_at_themselves(effective_api: Cluster, run: Run) -> None:
    """While the former pod of a node still serves, the node counts as available."""
    effective_api.kinds("/apis/apps/v1", DaemonSet=True)
    effective_api.kinds("/api/v1", Namespace=False, Secret=True, Pod=True)
    agent: Object = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "agent", "namespace": "team"},
        "spec": {
            "selector": {"matchLabels": {"app": "agent"}},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
        },
    }
    effective_api.statuses["agent"] = [
        {"desiredNumberScheduled": 1, "updatedNumberScheduled": 1, "numberAvailable": 1}
    ]
    pods = "/api/v1/namespaces/team/pods"

    def pod(name: str, ready: str, **metadata: str) -> None:
        effective_api.objects[f"{pods}/{name}"] = {
            "metadata": {"name": name, "namespace": "team", "labels": {"app": "agent"}, **metadata},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]},
        }

    pod("agent-former", "True")
    pod("agent-next", "False")
    result = run(NAMESPACE, agent, wait=1)
    assert result["failed"]
    assert "DaemonSet team/agent: pod agent-next: Running" in result["msg"]
    # One that ends answers no probe any more, and is not waited for.
    pod("agent-former", "False", deletionTimestamp="2026-11-30T03:00:00Z")
    pod("agent-next", "True")
    assert not run(NAMESPACE, agent, wait=10)["changed"]


def test_objects_of_a_new_kind_follow_its_definition(
    effective_api: Cluster, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    effective_api.kinds("/apis/apiextensions.k8s.io/v1", CustomResourceDefinition=False)
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.org"},
    }
    thing = {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "one"}}
    established = {"conditions": [{"type": "Established", "status": "True"}]}
    effective_api.statuses["things.example.org"] = [{}, {}, established]
    control = effective_api.control

    def serve(request: Request) -> None:
        control(request)
        found = effective_api.objects.get(request.path) or {}
        if found.get("status") == established:
            effective_api.kinds("/apis/example.org/v1", Thing=False)

    monkeypatch.setattr(effective_api, "control", serve)
    assert run(definition, thing)["objects"] == ["CustomResourceDefinition things.example.org", "Thing one"]
    assert effective_api.written == ["PATCH things.example.org", "PATCH one"]


GENERATION = {"metadata": {"generation": 2}}


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (None, "does not exist"),
        ({"kind": "ConfigMap"}, ""),
        ({"kind": "Deployment", "status": ROLLED_OUT, "spec": {"replicas": 2}}, ""),
        ({"kind": "Deployment", "status": ROLLED_OUT, **GENERATION}, "its controller has not seen it yet"),
        (
            {"kind": "Deployment", "status": {**ROLLED_OUT, "replicas": 3}, "spec": {"replicas": 2}},
            "1 replicas of the former revision have not ended",
        ),
        (
            {"kind": "Deployment", "status": {**ROLLED_OUT, "updatedReplicas": 1}, "spec": {"replicas": 2}},
            "1 of 2 replicas are of the new revision",
        ),
        ({"kind": "Deployment", "status": {}, "spec": {"replicas": 0}}, ""),
        (
            {"kind": "DaemonSet", "status": {"desiredNumberScheduled": 3, "updatedNumberScheduled": 2}},
            "2 of 3 pods are of the new revision",
        ),
        (
            {
                "kind": "DaemonSet",
                "status": {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 1},
            },
            "1 of 3 pods are available",
        ),
        ({"kind": "StatefulSet", "status": {"readyReplicas": 0}}, "0 of 1 replicas are ready"),
        ({"kind": "Service", "spec": {"type": "ClusterIP"}}, ""),
        ({"kind": "Service", "spec": {"type": "LoadBalancer"}}, "has no address yet"),
        (
            {
                "kind": "Service",
                "spec": {"type": "LoadBalancer"},
                "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.240"}]}},
            },
            "",
        ),
        (
            {
                "kind": "Service",
                "spec": {"type": "LoadBalancer"},
                "status": {
                    "loadBalancer": {},
                    "conditions": [
                        {
                            "type": "cilium.io/IPAMRequestSatisfied",
                            "status": "False",
                            "reason": "out_of_ips",
                            "message": "All pools are in use",
                        }
                    ],
                },
            },
            "has no address (out_of_ips: All pools are in use)",
        ),
        ({"kind": "APIService", "status": {}}, "not Available yet"),
        (
            {
                "kind": "APIService",
                "status": {
                    "conditions": [
                        {
                            "type": "Available",
                            "status": "False",
                            "reason": "MissingEndpoints",
                            "message": "none",
                        }
                    ]
                },
            },
            "not Available (MissingEndpoints: none)",
        ),
    ],
)
def test_reason_why_an_object_is_not_in_effect(found: Object | None, reason: str) -> None:
    assert readiness.unready(found) == reason


@pytest.mark.parametrize(
    ("status", "lines"),
    [
        ({"conditions": [{"type": "Ready", "status": "True"}]}, []),
        (
            {
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}
                ]
            },
            ["pod web-1: not scheduled (0/3 nodes are available)"],
        ),
        (
            {
                "containerStatuses": [
                    {
                        "name": "web",
                        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                        "lastState": {"terminated": {"exitCode": 2}},
                    }
                ]
            },
            ["pod web-1: web: CrashLoopBackOff; it ended before with code 2"],
        ),
        (
            {"containerStatuses": [{"name": "web", "state": {"running": {}}}]},
            ["pod web-1: web runs and is not ready"],
        ),
        ({"phase": "Pending"}, ["pod web-1: Pending"]),
        ({}, ["pod web-1: no status yet"]),
    ],
)
def test_reason_why_a_pod_is_not_ready(status: Object, lines: list[str]) -> None:
    assert readiness.reasons([{"metadata": {"name": "web-1"}, "status": status}]) == lines
