# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""upgrade_plan: its rules as a table, and the action against a small API server."""

from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api import connect
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._upgrade.plan import (
    Cluster,
    DeprecatedApi,
    DesiredUpgrade,
    NodeState,
    UpgradePlan,
    deprecated_apis,
    parse_version,
    plan_upgrade,
)

from tests.unit.support.modules import RunAction
from tests.unit.support.servers import Answer, ApiServer, client, kubeconfig_of

OLD, NEW = "1.36.4", "1.37.1"
REMOVED = DeprecatedApi("flowcontrol.apiserver.k8s.io", "v1beta3", "flowschemas", "1.37", "cp1")


def plane(name: str = "cp1", version: str = OLD, kubelet: str = "", **more: t.Any) -> NodeState:
    return NodeState(name, kubelet or version, api_server=version, etcd="3.6.8-0", **more)


def worker(name: str = "w1", version: str = OLD, **more: t.Any) -> NodeState:
    return NodeState(name, version, **more)


def planned(
    *nodes: NodeState,
    version: str = NEW,
    stored: str = OLD,
    hosts: t.Sequence[str] | None = None,
    deprecated: tuple[DeprecatedApi, ...] = (),
    accept: bool = False,
) -> UpgradePlan:
    """The plan for hosts that are called as their nodes."""
    chosen = [node.name for node in nodes] if hosts is None else hosts
    planes = tuple(node.name for node in nodes if node.control_plane and node.name in chosen)
    desired = DesiredUpgrade(version, {name: name for name in chosen}, planes, accept)
    return plan_upgrade(desired, Cluster(nodes, stored, deprecated))


def test_every_node_is_pending_and_drained() -> None:
    plan = planned(plane(), worker(), worker("w2"))
    assert plan.findings == ()
    assert [host.line() for host in plan.hosts] == [
        "cp1: kubelet 1.36.4 -> 1.37.1, control plane 1.36.4 -> 1.37.1, drained",
        "w1: kubelet 1.36.4 -> 1.37.1, drained",
        "w2: kubelet 1.36.4 -> 1.37.1, drained",
    ]


def test_a_second_run_has_nothing_to_do() -> None:
    plan = planned(plane(version=NEW), worker(version=NEW), stored=NEW)
    assert (plan.left, plan.findings, plan.warnings) == ((), (), ())
    assert plan.hosts[0].line() == "cp1: 1.37.1, finished"


@pytest.mark.parametrize(
    ("node", "stored", "drain"),
    [
        # API server and etcd are new, the kubelet is not.
        (plane(version=NEW, kubelet=OLD), NEW, True),
        # The kubelet is new, but the node was not returned to service.
        (plane(version=NEW, schedulable=False, cordoned_by="upgrade"), NEW, False),
        # The run ended before the cluster's configuration was stored.
        (plane(version=NEW), OLD, False),
        (plane(schedulable=False, cordoned_by="upgrade"), OLD, True),
    ],
)
def test_an_interrupted_upgrade_is_continued(node: NodeState, stored: str, drain: bool) -> None:
    plan = planned(node, worker(), stored=stored)
    first = plan.hosts[0]
    assert (plan.findings, first.drain) == ((), drain)
    interrupted = node.cordoned_by == "upgrade" or NEW in (node.kubelet, node.api_server)
    assert first.state == ("interrupted" if interrupted else "pending")
    assert ("continues an interrupted upgrade" in first.line()) is interrupted


def test_what_an_operator_has_cordoned_is_not_taken_for_interrupted() -> None:
    plan = planned(plane(), worker(schedulable=False, cordoned_by="maintenance"), worker("w2"))
    assert [host.state for host in plan.hosts] == ["pending"] * 3


def test_the_only_node_that_takes_pods_is_not_drained() -> None:
    plan = planned(plane())
    assert not plan.hosts[0].drain
    assert "not drained" in plan.hosts[0].line()
    alone = planned(plane(), worker(schedulable=False))
    assert [host.drain for host in alone.hosts] == [False, True]


REFUSED = [
    ("a downgrade", planned(plane(version="1.37.2"), stored="1.37.2"), ["cp1", "1.37.2", "nothing is downgraded"]),
    ("a newer kubelet", planned(plane(), worker(version="1.38.0")), ["w1", "kubelet 1.38.0"]),
    ("a newer configuration", planned(plane(), stored="1.38.0"), ["kubeadm-config", "1.38.0"]),
    ("a skipped minor", planned(plane(version="1.35.7"), stored="1.35.7"), ["1.35.7", "1.36 or newer", "1.36 first"]),
    ("another major", planned(plane(), version="2.36.4"), ["no minor version is skipped"]),
    ("an old kubelet", planned(plane(), worker(version="1.33.9")), ["kubelet 1.33.9", "1.34 or newer"]),
    ("no version", planned(plane(), version="latest"), ["'latest'", "1.37.1"]),
    ("workers first", planned(plane(), worker(), hosts=["w1"]), ["cp1", "leaves the node out", "planes first"]),
    ("no node", planned(plane(), hosts=["cp1", "w9"]), ["w9", "no node w9", "--limit"]),
    ("not ready", planned(plane(), worker(reason="Ready is False")), ["w1: Ready is False", "Repair it"]),
    ("a removed API", planned(plane(), deprecated=(REMOVED,)), ["flowschemas of flowcontrol.apiserver.k8s.io/v1beta3",
        "removed in 1.37", "asked of cp1", "upgrade_accept_removed_apis"]),
]  # fmt: skip


@pytest.mark.parametrize(("plan", "words"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refused(plan: UpgradePlan, words: list[str]) -> None:
    assert len(plan.findings) == 1
    line = plan.findings[0].line()
    assert all(word in line for word in words), line


def test_everything_is_refused_in_one_message() -> None:
    plan = planned(plane(version="1.35.1"), worker(version="1.33.9"), deprecated=(REMOVED,), stored="1.35.1")
    assert len(plan.findings) == 3


def test_a_removed_api_may_be_accepted_and_a_later_one_is_told() -> None:
    later = dataclasses.replace(REMOVED, removed="1.38")
    assert planned(plane(), deprecated=(REMOVED,), accept=True).findings == ()
    plan = planned(plane(), deprecated=(later,))
    assert (plan.findings, len(plan.warnings)) == ((), 1)
    assert "removed in 1.38" in plan.warnings[0]


def test_nodes_that_the_run_leaves_out_are_told() -> None:
    plan = planned(plane(version=NEW), worker(), worker("w2"), stored=NEW, hosts=["cp1", "w1"])
    assert plan.findings == ()
    assert plan.warnings == ("not part of this run, and left at another version: w2",)


def test_an_interrupted_node_may_be_unready() -> None:
    down = plane(version=NEW, kubelet=OLD, reason="Ready is Unknown")
    assert planned(down, worker(), stored=NEW).findings == ()


def test_metric() -> None:
    def line(group: str, removed: str, version: str, resource: str, value: int, subresource: str = "") -> str:
        labels = f'group="{group}",removed_release="{removed}",resource="{resource}"'
        labels += f',subresource="{subresource}",version="{version}"'
        return f"apiserver_requested_deprecated_apis{{{labels}}} {value}\n"

    text = "# HELP apiserver_requested_deprecated_apis [STABLE] Gauge of deprecated APIs\n"
    text += line("batch", "1.25", "v1beta1", "cronjobs", 1)
    text += line("", "", "v1", "endpoints", 1)
    text += line("autoscaling", "1.26", "v2beta2", "horizontalpodautoscalers", 0, "status")
    text += 'apiserver_request_total{group="batch"} 5\n'
    assert deprecated_apis(text, "cp1") == (DeprecatedApi("batch", "v1beta1", "cronjobs", "1.25", "cp1"),)


@pytest.mark.parametrize(
    ("text", "version"), [("v1.37.1", (1, 37, 1)), ("1.37", None), ("", None), (None, None)]
)
def test_version(text: str | None, version: tuple[int, int, int] | None) -> None:
    assert parse_version(text) == version


# --- the action -----------------------------------------------------------------------------------------------------


def node(name: str, **metadata: t.Any) -> dict[str, t.Any]:
    return {
        "metadata": {"name": name, **metadata},
        "spec": {},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {"kubeletVersion": f"v{OLD}"},
        },
    }


def pod(component: str, tag: str, host: str = "cp1") -> dict[str, t.Any]:
    image = f"mirror.example.org:5000/k8s/{component}:{tag}"
    return {
        "metadata": {
            "name": f"{component}-{host}",
            "labels": {"component": component, "tier": "control-plane"},
        },
        "spec": {"nodeName": host, "containers": [{"name": component, "image": image}]},
        "status": {"hostIP": "127.0.0.1"},
    }


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[ApiServer]:
    server = ApiServer()
    monkeypatch.setattr(connect, "_PORT", server.port)
    server.lists = {
        "/api/v1/nodes": [node("cp1"), node("w1")],
        "/api/v1/namespaces/kube-system/pods": [pod("kube-apiserver", f"v{OLD}"), pod("etcd", "3.6.8-0")],
    }
    stored = f"kind: ClusterConfiguration\nkubernetesVersion: v{OLD}\n"
    path = "/api/v1/namespaces/kube-system/configmaps/kubeadm-config"
    server.objects[path] = {"data": {"ClusterConfiguration": stored}}
    server.answers[("GET", "/metrics")] = Answer(200, "up 1\n")
    yield server
    server.close()


Run = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def run(api: ApiServer, tmp_path: Path, run_action: RunAction) -> Run:
    path = tmp_path / "kubeconfig"
    path.write_text(kubeconfig_of(api.url, api.authority.pem, client(api.authority, "admin")))
    given = {
        "kubeconfig": str(path),
        "version": NEW,
        "nodes": {"a": "cp1", "b": "w1"},
        "control_planes": ["a"],
    }
    return lambda check=False, **more: run_action("upgrade_plan", {**given, **more}, check=check)


def test_action_plans(run: Run) -> None:
    result = run()
    assert (result.get("failed", False), result["changed"], result["pending"]) == (False, False, ["a", "b"])
    assert result["hosts"]["a"] == {
        "node": "cp1", "state": "pending", "current": OLD, "version": NEW, "api_server": OLD, "drain": True,
    }  # fmt: skip


def test_action_predicts_in_check_mode(run: Run) -> None:
    result = run(check=True)
    assert result["changed"]
    assert result["diff"] == {"before": "a: 1.36.4\nb: 1.36.4\n", "after": "a: 1.37.1\nb: 1.37.1\n"}
    assert not run(check=True, version=OLD)["changed"]


def test_action_refuses(run: Run, api: ApiServer) -> None:
    labels = 'group="g",removed_release="1.37",resource="things",subresource="",version="v1beta1"'
    api.answers[("GET", "/metrics")] = Answer(200, f"apiserver_requested_deprecated_apis{{{labels}}} 1\n")
    result = run()
    assert result["failed"]
    assert "1 finding(s); nothing was changed" in result["msg"]
    assert "things of g/v1beta1, removed in 1.37 (asked of cp1)" in result["msg"]
    assert not run(accept_removed_apis=True).get("failed")
    assert "nothing is downgraded" in run(version="1.35.9")["msg"]


def test_action_says_what_it_could_not_read(run: Run, api: ApiServer) -> None:
    api.answers[("GET", "/metrics")] = Answer(403, "")
    assert any("/metrics answers HTTP 403" in warning for warning in run()["warnings"])


def test_action_without_an_api_server(run: Run, api: ApiServer) -> None:
    api.close()
    result = run()
    assert result["failed"]
    assert "does not answer" in result["msg"]
