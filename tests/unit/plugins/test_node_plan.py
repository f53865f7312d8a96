# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts join and which nodes are removed: the plans, and the actions on a server."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.action import node_release
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api import connect
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._node.changes import (
    plan_addition,
    plan_removal,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._node.roster import (
    Host,
    Node,
    RosterError,
    images_of_every_node,
    listed,
    match,
)

from tests.unit.support.modules import RunAction
from tests.unit.support.servers import Answer, ApiServer, Request

CP1 = Host("cp1", control_plane=True)
CP2 = Host("cp2", control_plane=True)
W1, W2, W3 = Host("w1"), Host("w2"), Host("w3")
HOSTS = (CP1, CP2, W1, W2, W3)


def node(name: str, *addresses: str, ready: bool = True) -> Node:
    return Node(name, addresses, ready, name.startswith("cp"))


NODES = (node("cp1", "192.0.2.1"), node("cp2", "192.0.2.2"), node("w1"), node("w2"))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (Host("w1"), "w1"),
        (Host("W1"), "w1"),
        (Host("rack7", node_name="w1"), "w1"),
        (Host("rack7", addresses=("192.0.2.9",)), "w9"),
        (Host("rack7", addresses=("192.0.2.8", "192.0.2.9")), "w9"),
        # What the inventory says counts, and nothing else.
        (Host("rack7", node_name="w7", addresses=("192.0.2.9",)), None),
        # The machine was replaced by one with another address.
        (Host("w1", addresses=("192.0.2.9",)), "w1"),
        (Host("rack7"), None),
    ],
)
def test_host_is_matched_with_its_node(host: Host, expected: str | None) -> None:
    found = match([host], [node("w1", "192.0.2.1"), node("w9", "192.0.2.9")])
    assert (found[host.name].name if found else None) == expected


def test_two_hosts_are_not_one_node() -> None:
    with pytest.raises(RosterError, match="w1 and old of the inventory would both be the node w1"):
        match([Host("w1"), Host("old", node_name="w1")], [node("w1")])


def test_long_lists_are_shortened() -> None:
    assert listed(["b", "a"]) == "a, b"
    assert listed(map(str, range(12)), 2) == "0, 1 and 10 more"


def test_hosts_without_a_node_join() -> None:
    plan = plan_addition(HOSTS, NODES)
    assert (plan.hosts, plan.present, plan.delegates) == (("w3",), ("cp1", "cp2", "w1", "w2"), ("cp1", "cp2"))
    assert plan.addresses == {"cp1": "192.0.2.1", "cp2": "192.0.2.2"}


def test_control_planes_join_first() -> None:
    assert plan_addition(HOSTS, (node("cp1"),)).hosts == ("cp2", "w1", "w2", "w3")


def test_control_plane_without_its_label_has_not_joined_completely() -> None:
    interrupted = Node("cp2", (), ready=True, control_plane=False)
    plan = plan_addition(HOSTS, (node("cp1"), interrupted))
    assert plan.hosts[0] == "cp2"
    assert plan.delegates == ("cp1",)


def test_node_that_is_not_ready_has_to_be_named() -> None:
    nodes = (node("cp1"), node("w1", ready=False))
    hosts = (CP1, W1)
    assert (plan_addition(hosts, nodes).hosts, plan_addition(hosts, nodes).waiting) == ((), ("w1",))
    assert plan_addition(hosts, nodes, ["w1"]).hosts == ("w1",)


def test_only_named_hosts_join() -> None:
    plan = plan_addition((CP1, W2, W3), (node("cp1"), node("w2")), ["w2", "w3"], whole=False)
    assert (plan.hosts, plan.present, plan.unknown) == (("w3",), ("w2",), ())


def test_nodes_that_the_inventory_does_not_know_are_named() -> None:
    assert plan_addition(HOSTS, (*NODES, node("old"))).unknown == ("old",)


def test_addition_is_refused_with_all_reasons() -> None:
    with pytest.raises(RosterError) as caught:
        plan_addition((CP1, Host("cp9")), (node("cp1", ready=False), node("cp9")))
    assert "No control plane of the inventory (cp1) is a Ready node" in str(caught.value)
    assert "cp9 is a control plane of the cluster, and a worker in the inventory" in str(caught.value)
    assert "Nothing was changed" in str(caught.value)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["w1"], [("w1", "w1", True)]),
        # Workers first.
        (["cp1", "w1"], [("w1", "w1", True), ("cp1", "cp1", True)]),
        # A host that has not joined, or is removed already.
        (["w3"], [("w3", "w3", False)]),
        # By the name of the node.
        (["n9"], [("rack9", "n9", True)]),
        (["n9", "rack9"], [("rack9", "n9", True)]),
        # The inventory does not know it.
        (["old"], [("", "old", True)]),
    ],
)
def test_removed_nodes(names: list[str], expected: list[tuple[str, str, bool]]) -> None:
    hosts = (*HOSTS, Host("rack9", node_name="n9"))
    plan = plan_removal(names, hosts, (*NODES, node("n9"), node("old")))
    assert [(one.host, one.node, one.exists) for one in plan.nodes] == expected
    gone = {one.host for one in plan.nodes}
    assert plan.peers == tuple(name for name in ("cp1", "cp2") if name not in gone)
    assert set(plan.delegates) == set(plan.peers)


def test_role_of_a_removed_node_is_that_of_inventory_or_cluster() -> None:
    hosts = (CP1, Host("cp2", control_plane=True), Host("w1"))
    plan = plan_removal(["cp2", "w1"], hosts, (node("cp1"), Node("w1", ("192.0.2.3",), True, True)))
    assert [(one.node, one.control_plane) for one in plan.nodes] == [("cp2", True), ("w1", True)]


@pytest.mark.parametrize(
    ("names", "nodes", "message"),
    [
        (["w11"], NODES, "w11 is neither a host of the inventory nor a node of the cluster"),
        (["w11"], NODES, "Similar names: w1"),
        (["cp1", "cp2"], NODES, "No control plane of the inventory would stay"),
        (
            ["cp1"],
            (node("cp1"), node("cp2", ready=False)),
            r"None of the control planes that stay \(cp2\) is a Ready node",
        ),
        (["w1"], (node("w1"),), r"None of the control planes that stay \(cp1, cp2\) is a Ready node"),
    ],
)
def test_removal_is_refused(names: list[str], nodes: tuple[Node, ...], message: str) -> None:
    with pytest.raises(RosterError, match=message):
        plan_removal(names, HOSTS, nodes)


def daemon_set(*images: str, init: str = "", **spec: t.Any) -> dict[str, t.Any]:
    first = [{"name": "init", "image": init}] if init else []
    pods = {
        "priorityClassName": "system-node-critical",
        "initContainers": first,
        "containers": [{"name": "c", "image": image} for image in images],
        **spec,
    }
    return {"spec": {"template": {"spec": pods}}}


def test_images_that_every_node_needs() -> None:
    found = images_of_every_node(
        [
            daemon_set("cni:1", "envoy:1", init="cni:1", nodeSelector={"kubernetes.io/os": "linux"}),
            daemon_set("csi:1"),
            daemon_set("gpu:1", nodeSelector={"kubernetes.io/os": "linux", "gpu": "yes"}),
            daemon_set("logs:1", priorityClassName="low"),
            daemon_set("metrics:1", priorityClassName=None),
        ]
    )
    assert found == ["cni:1", "envoy:1", "csi:1"]


# The actions


def node_object(name: str, ready: str = "True", **spec: t.Any) -> dict[str, t.Any]:
    labels = {"node-role.kubernetes.io/control-plane": ""} if name.startswith("cp") else {}
    return {
        "metadata": {"name": name, "labels": labels, "resourceVersion": "7"},
        "spec": spec,
        "status": {
            "conditions": [{"type": "Ready", "status": ready}],
            "addresses": [{"type": "InternalIP", "address": f"192.0.2.{len(name)}"}],
        },
    }


@pytest.fixture
def api() -> t.Iterator[ApiServer]:
    server = ApiServer(token="t")
    yield server
    server.close()


def test_action_reads_the_inventory(api: ApiServer, tmp_path: Path, run_action: RunAction) -> None:
    api.lists["/api/v1/nodes"] = [node_object("cp1"), node_object("n1"), node_object("old")]

    class Variables(dict[str, dict[str, t.Any]]):
        def __missing__(self, host: str) -> dict[str, t.Any]:
            raise AssertionError(f"the variables of {host} are not needed")

    given = Variables(cp1={}, w1={"cluster_node_name": "n1"}, w2={"ansible_host": "192.0.2.22"})
    groups = {"control_plane": ["cp1"], "worker": ["w1", "w2"], "all": ["cp1", "w1", "w2"]}
    variables = {"groups": groups, "hostvars": given}
    config = api.kubeconfig(tmp_path / "config")
    options = {"kubeconfig": config, "operation": "add"}
    api.lists["/apis/apps/v1/daemonsets"] = [daemon_set("cni:1")]
    found = run_action("node_plan", options, variables=variables)
    assert found["images"] == ["cni:1"]
    assert (found["hosts"], found["present"], found["unknown"]) == (["w2"], ["cp1", "w1"], ["old"])
    del given["w1"]
    found = run_action("node_plan", {**options, "names": ["w2"]}, variables=variables)
    assert (found["hosts"], found["changed"]) == (["w2"], False)
    given["w1"] = {"cluster_node_name": "n1"}
    found = run_action(
        "node_plan", {**options, "operation": "remove", "names": ["n1", "old"]}, variables=variables
    )
    assert [one["host"] for one in found["nodes"]] == ["w1", ""]
    failed = run_action(
        "node_plan", {**options, "operation": "remove", "names": ["cp1"]}, variables=variables
    )
    assert failed["failed"]
    assert "No control plane of the inventory would stay" in failed["msg"]


class Dead(ApiServer):
    """An API server that frees what a tainted node holds after some questions."""

    questions = 2

    def handle(self, request: Request) -> Answer:
        if request.method == "PUT":
            self.objects[request.path] = request.object
            return Answer(200, request.object)
        if request.path == "/api/v1/pods":
            self.questions -= 1
            if self.questions < 0:
                self.lists["/api/v1/pods"] = []
        return super().handle(request)


NODE = "/api/v1/nodes/w3"
ATTACHMENTS = "/apis/storage.k8s.io/v1/volumeattachments"


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Dead]:
    monkeypatch.setattr(node_release, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(node_release, "DOWN_SECONDS", 0.1)
    server = Dead(token="t")
    server.objects[NODE] = node_object("w3", "Unknown", unschedulable=True)
    stuck = {
        "metadata": {"namespace": "default", "name": "web", "deletionTimestamp": "now"},
        "nodeName": "w3",
    }
    agent = {"metadata": {"namespace": "kube-system", "name": "cilium"}, "nodeName": "w3"}
    server.lists["/api/v1/pods"] = [stuck, agent]
    other = {"metadata": {"name": "a"}, "spec": {"nodeName": "w1", "source": {"persistentVolumeName": "pv1"}}}
    server.lists[ATTACHMENTS] = [other]
    yield server
    server.close()


def release(run_action: RunAction, server: ApiServer, path: Path, **more: t.Any) -> dict[str, t.Any]:
    options = {"kubeconfig": server.kubeconfig(path / "config"), "node": "w3", "timeout": 10}
    return run_action("node_release", {**options, **more.pop("options", {})}, **more)


def test_dead_node_is_freed(dead: Dead, tmp_path: Path, run_action: RunAction) -> None:
    found = release(run_action, dead, tmp_path)
    assert found["changed"]
    assert node_release.TAINT in dead.objects[NODE]["spec"]["taints"]
    assert dead.objects[NODE]["spec"]["unschedulable"]
    again = release(run_action, dead, tmp_path)
    assert not again["changed"]


def test_check_mode_changes_nothing(dead: Dead, tmp_path: Path, run_action: RunAction) -> None:
    found = release(run_action, dead, tmp_path, check=True)
    assert found["changed"]
    assert "out-of-service" in found["diff"]["after"]
    assert "taints" not in dead.objects[NODE]["spec"]


def test_what_is_not_freed_is_named(dead: Dead, tmp_path: Path, run_action: RunAction) -> None:
    dead.questions = 10**6
    dead.lists[ATTACHMENTS].append(
        {"metadata": {"name": "b"}, "spec": {"nodeName": "w3", "source": {"persistentVolumeName": "pv2"}}}
    )
    found = release(run_action, dead, tmp_path, options={"timeout": 0})
    assert found["failed"]
    assert "still holds Pod default/web, attachment of pv2 after 0 s" in found["msg"]


def test_node_of_a_machine_that_has_just_died_is_waited_for(
    dead: Dead, tmp_path: Path, run_action: RunAction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cluster calls it Ready for a minute."""
    monkeypatch.setattr(node_release, "DOWN_SECONDS", 30.0)
    dead.answers["GET", NODE] = [Answer(200, node_object("w3")) for _ in range(3)]
    assert release(run_action, dead, tmp_path)["changed"]
    assert node_release.TAINT in dead.objects[NODE]["spec"]["taints"]


def test_ready_node_is_not_released(dead: Dead, tmp_path: Path, run_action: RunAction) -> None:
    dead.objects[NODE] = node_object("w3")
    found = release(run_action, dead, tmp_path)
    assert "The node w3 is Ready" in found["msg"]
    # One that became Ready after the plan, and whose host is reset meanwhile.
    assert release(run_action, dead, tmp_path, options={"host_reset": True})["changed"]
    del dead.objects[NODE]
    assert not release(run_action, dead, tmp_path)["changed"]


def test_conflicting_change_is_repeated(dead: Dead, tmp_path: Path, run_action: RunAction) -> None:
    conflict = Answer(409, {"message": "changed"})
    dead.answers["PUT", NODE] = [conflict, conflict]
    assert release(run_action, dead, tmp_path)["changed"]
    dead.answers["PUT", NODE] = Answer(403, {"message": "forbidden"})
    dead.objects[NODE]["spec"]["taints"] = []
    assert "HTTP 403 forbidden" in release(run_action, dead, tmp_path)["msg"]
    dead.answers["PUT", NODE] = conflict
    with pytest.raises(OperatorError, match="changes all the time"):
        node_release.taint(connect.connect(dead.kubeconfig(tmp_path / "config")), "w3", check_mode=False)
