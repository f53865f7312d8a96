# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Labels, annotations and taints of nodes: their rules as a table, and cluster_health against a server that applies."""

from __future__ import annotations

import copy
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.drift import (
    unknown_nodes,
    unknown_text,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.metadata import (
    RECORD,
    Declared,
    read,
    recorded,
    tainted,
)

from tests.unit.support.modules import RunAction
from tests.unit.support.servers import Answer, ApiServer, Request

Object = dict[str, t.Any]
GPU = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
OTHER = {"key": "example.org/other", "effect": "NoExecute"}
CONTROL_PLANE = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"labels": {"disk": "ssd", "example.org/rack": 5, "spot": True, "empty": None}}, ""),
        ({"annotations": {"example.org/note": "any text, also\nwith lines"}}, ""),
        ({"taints": [GPU, {**GPU, "effect": "NoExecute"}]}, ""),
        ({"labels": '{"disk": "ssd"}'}, ""),
        ({"labels": ["disk"]}, "node_labels: the value is"),
        ({"labels": {"a b": "x"}}, "node_labels: 'a b'"),
        ({"labels": {"EXAMPLE.org/x": "x"}}, "node_labels: 'EXAMPLE.org/x'"),
        ({"labels": {"x" * 64: "x"}}, "63 letters"),
        ({"labels": {"disk": "a b"}}, "'a b' is no value of a label"),
        ({"labels": {"baremetal.kubernetes/x": "x"}}, "own notes"),
        ({"annotations": {"x": "y" * 300_000}}, "256 KiB"),
        ({"taints": "gpu"}, "node_taints: the value is"),
        ({"taints": [{"key": "gpu"}]}, "its effect is missing"),
        ({"taints": [{**GPU, "effect": "Never"}]}, "its effect is Never"),
        ({"taints": [{**GPU, "values": "x"}]}, "unknown: values"),
        ({"taints": [{**GPU, "value": "a b"}]}, "'a b'"),
        ({"taints": [GPU, GPU]}, "twice"),
        ({"taints": [{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}]}, "state of the node"),
        ({"taints": [CONTROL_PLANE]}, "control_plane_taints"),
    ],
)
def test_what_is_declared_is_checked(settings: Object, words: str) -> None:
    _declared, problems = read(settings, [CONTROL_PLANE])
    assert len(problems) == bool(words), problems
    assert words in "".join(problems)


def test_values_are_texts() -> None:
    declared, _ = read(
        {"labels": {"rack": 5, "spot": True, "empty": None}, "taints": [{**GPU, "value": True}]}
    )
    assert declared.labels == {"rack": "5", "spot": "true", "empty": ""}
    assert declared.taints == {("gpu", "NoSchedule"): "true"}


def node(taints: list[Object] | None = None, record: str = "", **metadata: t.Any) -> Object:
    annotations = {RECORD: record} if record else {}
    return {
        "metadata": {"name": "w1", "uid": "1", "annotations": annotations, **metadata},
        "spec": {"taints": taints} if taints else {},
    }


RECORDED = "gpu=yes:NoSchedule"


@pytest.mark.parametrize(
    ("before", "declared", "taints", "record", "conflict"),
    [
        pytest.param(node(), [], None, "", False, id="nothing"),
        pytest.param(node([OTHER]), [], None, "", False, id="of others"),
        pytest.param(node([OTHER]), [GPU], [OTHER, GPU], RECORDED, False, id="set"),
        pytest.param(node([GPU], RECORDED), [GPU], None, RECORDED, False, id="is set"),
        pytest.param(node([GPU, OTHER], RECORDED), [], [OTHER], "", False, id="removed"),
        pytest.param(
            node([GPU], RECORDED),
            [{**GPU, "value": "no"}],
            [{**GPU, "value": "no"}],
            "gpu=no:NoSchedule",
            False,
            id="another value",
        ),
        pytest.param(node([], RECORDED), [GPU], [GPU], RECORDED, False, id="somebody removed it"),
        pytest.param(node([], RECORDED), [], [], "", False, id="gone already"),
        pytest.param(node([GPU]), [GPU], None, "", False, id="others have set the same"),
        pytest.param(
            node([GPU]), [{**GPU, "value": "no"}], None, "", True, id="others have set another value"
        ),
        pytest.param(
            node([{**GPU, "value": "x"}], RECORDED),
            [GPU],
            [{**GPU, "value": "x"}],
            "",
            True,
            id="somebody changed it",
        ),
        pytest.param(
            node([{**GPU, "value": "x"}], RECORDED),
            [],
            [{**GPU, "value": "x"}],
            "",
            False,
            id="somebody changed it, and it is no longer declared",
        ),
        pytest.param(
            node([{**GPU, "effect": "NoExecute"}]),
            [GPU],
            [{**GPU, "effect": "NoExecute"}, GPU],
            RECORDED,
            False,
            id="another effect is another taint",
        ),
    ],
)
def test_taints(
    before: Object, declared: list[Object], taints: list[Object] | None, record: str, conflict: bool
) -> None:
    wanted, problems = read({"taints": declared})
    assert not problems
    kept = copy.deepcopy(before)
    after, conflicts = tainted(before, wanted)
    assert before == kept
    assert bool(conflicts) is conflict
    if taints is None:
        assert after is None
        return
    assert after is not None
    assert after["spec"]["taints"] == taints
    assert after["metadata"]["annotations"].get(RECORD, "") == record
    assert tainted(after, wanted)[0] is None


def test_record_is_read_as_it_is_written() -> None:
    taints = [GPU, OTHER, {"key": "a.b/c_d", "value": "x.y", "effect": "PreferNoSchedule"}]
    wanted, _ = read({"taints": taints})
    after, _ = tainted(node(), wanted)
    assert after is not None
    assert recorded(after) == wanted.taints


class Cluster(ApiServer):
    """A cluster of one node, with field managers of labels and annotations."""

    def __init__(self) -> None:
        super().__init__(token="sesame")
        self.node = node([OTHER], labels={"own": "x"}, resourceVersion="1", managedFields=[])
        self.node["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}
        self.managed("kubectl-label", "labels", {"own"})
        self.registered = True

    def managed(self, manager: str, kind: str, keys: set[str]) -> None:
        fields: t.Any = {"f:metadata": {f"f:{kind}": {".": {}, **{f"f:{key}": {} for key in keys}}}}
        entry = {"manager": manager, "operation": "Update", "fieldsV1": fields}
        self.node["metadata"]["managedFields"].append(entry)

    def owners(self, kind: str, key: str) -> list[str]:
        return [
            entry["manager"]
            for entry in self.node["metadata"]["managedFields"]
            if f"f:{key}" in entry["fieldsV1"]["f:metadata"].get(f"f:{kind}", {})
        ]

    def apply(self, request: Request) -> Answer:
        assert request.headers["Content-Type"] == "application/apply-patch+yaml"
        assert request.query["fieldManager"] == "baremetal.kubernetes"
        assert "force" not in request.query
        wanted = request.object["metadata"]
        assert wanted["uid"] == "1"
        before = copy.deepcopy(self.node)
        causes = []
        metadata = self.node["metadata"]
        mine = [one for one in metadata["managedFields"] if one["operation"] == "Apply"]
        metadata["managedFields"] = [one for one in metadata["managedFields"] if one not in mine]
        for kind in ("labels", "annotations"):
            live = metadata.setdefault(kind, {})
            for entry in mine:
                for field in entry["fieldsV1"]["f:metadata"].get(f"f:{kind}", {}):
                    if (
                        field != "."
                        and field[2:] not in wanted.get(kind, {})
                        and not self.owners(kind, field[2:])
                    ):
                        live.pop(field[2:], None)
            for key, value in wanted.get(kind, {}).items():
                others = self.owners(kind, key)
                if others and live.get(key) != value:
                    text = f'conflict with "{others[0]}" using v1'
                    causes.append(
                        {
                            "reason": "FieldManagerConflict",
                            "message": text,
                            "field": f".metadata.{kind}.{key}",
                        }
                    )
                live[key] = value
        kinds = ("labels", "annotations")
        fields: t.Any = {
            f"f:{kind}": {f"f:{key}": {} for key in wanted[kind]} for kind in kinds if wanted.get(kind)
        }
        entry = {"manager": "baremetal.kubernetes", "operation": "Apply", "fieldsV1": {"f:metadata": fields}}
        metadata["managedFields"] += [entry] if fields else []
        after = self.node
        if causes or "dryRun" in request.query:
            self.node = before
        if causes:
            return Answer(409, {"kind": "Status", "message": "conflict", "details": {"causes": causes}})
        return Answer(200, after)

    def handle(self, request: Request) -> Answer:
        if request.path == "/readyz":
            return Answer(200, "[+]etcd ok\n")
        if request.path == "/api/v1/nodes":
            return self.listed(request, [self.node] if self.registered else [])
        if request.path == "/api/v1/nodes/w1":
            if request.method == "PATCH":
                return self.apply(request)
            if request.method == "PUT":
                assert request.object["metadata"]["resourceVersion"] == "1"
                self.node = dict(request.object)
            return Answer(200, self.node)
        return Answer(200, {"items": []})


class Run(t.Protocol):
    def __call__(self, check: bool = False, **settings: t.Any) -> Object: ...


@pytest.fixture
def api() -> t.Iterator[Cluster]:
    running = Cluster()
    yield running
    running.close()


@pytest.fixture
def run(api: Cluster, tmp_path: Path, run_action: RunAction) -> Run:
    path = api.kubeconfig(tmp_path / "kubeconfig")

    def run(check: bool = False, **settings: t.Any) -> Object:
        args = {"kubeconfig": path, "checks": ["nodes"], "node_metadata": {"w1": settings}}
        return run_action("cluster_health", args, check=check)

    return run


def changes(api: Cluster) -> list[str]:
    return [request.method for request in api.requests if request.method != "GET"]


def test_life_of_labels_and_taints(api: Cluster, run: Run) -> None:
    settings: t.Any = {"labels": {"disk": "ssd"}, "annotations": {"example.org/rack": 7}, "taints": [GPU]}
    predicted = run(check=True, **settings)
    assert predicted["changed"]
    assert "disk" not in api.node["metadata"]["labels"]
    result = run(**settings)
    assert result["diff"] == predicted["diff"]
    assert result["diff"]["after"]["w1"]["labels"] == {"disk": "ssd"}
    assert api.node["metadata"]["labels"] == {"own": "x", "disk": "ssd"}
    assert api.node["metadata"]["annotations"] == {"example.org/rack": "7", RECORD: RECORDED}
    assert api.node["spec"]["taints"] == [OTHER, GPU]
    done = len(api.requests)
    assert not run(**settings)["changed"]
    # The nodes are read once, and nothing is written.
    assert [request.path for request in api.requests[done:]].count("/api/v1/nodes") == 1
    assert {request.method for request in api.requests[done:]} == {"GET"}
    assert run(labels={"disk": "hdd"})["changed"]
    assert api.node["metadata"]["labels"] == {"own": "x", "disk": "hdd"}
    assert api.node["spec"]["taints"] == [OTHER]
    assert run(check=True)["changed"]
    assert run()["changed"]
    assert api.node["metadata"]["labels"] == {"own": "x"}
    assert api.node["metadata"]["annotations"] == {}
    assert not run()["changed"]


def test_labels_of_others_are_not_taken(api: Cluster, run: Run) -> None:
    for check in (True, False):
        result = run(check=check, labels={"own": "y"})
        assert result["failed"]
        assert not result["changed"]
        for words in ("label own is 'x'", '"kubectl-label"', "'y' by node_labels", "never taken"):
            assert words in result["msg"]
    assert api.node["metadata"]["labels"] == {"own": "x"}
    # The same value is no conflict, and removing it from the inventory leaves it to the other.
    assert run(labels={"own": "x"})["changed"]
    assert run()["changed"]
    assert api.node["metadata"]["labels"] == {"own": "x"}


def test_a_changed_label_is_a_finding(api: Cluster, run: Run) -> None:
    run(labels={"disk": "ssd"})
    api.node["metadata"]["labels"]["disk"] = "nvme"
    api.node["metadata"]["managedFields"] = []
    api.managed("kubectl-edit", "labels", {"disk"})
    assert '"kubectl-edit"' in run(labels={"disk": "ssd"})["msg"]


def test_taints_of_others_are_not_taken(api: Cluster, run: Run) -> None:
    fields: t.Any = {"f:spec": {"f:taints": {}}, "f:metadata": {}}
    entry = {"manager": "kubectl-taint", "operation": "Update", "fieldsV1": fields}
    api.node["metadata"]["managedFields"].append(entry)
    result = run(taints=[{**OTHER, "value": "x"}])
    assert result["failed"]
    for words in (
        "taint example.org/other:NoExecute",
        '"kubectl-taint"',
        "example.org/other=x:NoExecute by node_taints",
    ):
        assert words in result["msg"]
    assert changes(api) == []


def test_what_no_node_can_have_is_refused_first(api: Cluster, run: Run) -> None:
    result = run(labels={"a b": "x"}, taints=[{"key": "gpu"}])
    assert result["failed"]
    assert "w1: node_labels: 'a b'" in result["msg"]
    assert "w1: node_taints: 'gpu'" in result["msg"]
    assert api.requests == []


def test_both_kinds_of_taints_are_set_at_once(api: Cluster, tmp_path: Path, run_action: RunAction) -> None:
    api.node["spec"]["taints"] = [CONTROL_PLANE, OTHER]
    args = {
        "kubeconfig": api.kubeconfig(tmp_path / "kubeconfig"),
        "checks": [],
        "control_plane_taints": {"w1": {"taints": [CONTROL_PLANE], "runs_pods": True}},
        "node_metadata": {"w1": {"taints": [GPU]}},
    }
    assert run_action("cluster_health", args)["changed"]
    assert changes(api) == ["PUT"]
    assert api.node["spec"]["taints"] == [OTHER, GPU]
    assert not run_action("cluster_health", args)["changed"]
    args["node_metadata"] = {"w1": {"taints": [CONTROL_PLANE]}}
    assert "control_plane_taints" in run_action("cluster_health", args)["msg"]


def test_a_node_that_registers_late(
    api: Cluster, tmp_path: Path, run_action: RunAction, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.registered = False
    monkeypatch.setattr("time.sleep", lambda _seconds: setattr(api, "registered", True))
    args = {"checks": ["nodes"], "nodes": ["w1"], "wait": True, "timeout": 20}
    args |= {"node_metadata": {"w1": {"labels": {"disk": "ssd"}}}}
    result = run_action("cluster_health", {"kubeconfig": api.kubeconfig(tmp_path / "kubeconfig"), **args})
    assert result["changed"]
    assert api.node["metadata"]["labels"]["disk"] == "ssd"


def test_a_refusal_is_told(api: Cluster, run: Run) -> None:
    api.answers[("PATCH", "/api/v1/nodes/w1")] = Answer(422, {"message": "it is invalid"})
    result = run(labels={"disk": "ssd"})
    assert (
        "labels and annotations of node w1 cannot be set: the API server answers HTTP 422 (it is invalid)"
        in result["msg"]
    )


def test_unknown_nodes(api: Cluster, tmp_path: Path, run_action: RunAction) -> None:
    assert unknown_nodes([{"name": "w2"}, {"name": "w1"}, {"name": "w3"}], ["w1"]) == ["w2", "w3"]
    assert unknown_nodes([{"name": "w2"}], []) == []
    assert "and 2 more: found in the cluster" in unknown_text([f"w{number}" for number in range(12)])
    args: Object = {"kubeconfig": api.kubeconfig(tmp_path / "kubeconfig"), "checks": []}
    result = run_action("cluster_health", {**args, "known_nodes": ["cp1"]})
    assert result["unknown_nodes"] == ["w1"]
    assert not result.get("failed")
    assert "w1: found in the cluster" in result["warnings"][0]
    assert run_action("cluster_health", args)["unknown_nodes"] == []


def test_declared_nothing_is_no_change() -> None:
    assert Declared() == read({})[0]
