# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action as a task runs it: an API server and a Grafana over HTTP, and files that artifact really writes."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.action import cluster_metrics

from tests.unit.support.grafana import Site, site
from tests.unit.support.modules import RunAction, RunModule
from tests.unit.support.servers import Answer, ApiServer, Request, Server

Json = dict[str, t.Any]
NODES = "/api/v1/nodes"


def node(name: str, address: str, control_plane: bool = False) -> Json:
    labels = {"node-role.kubernetes.io/control-plane": ""} if control_plane else {}
    return {
        "metadata": {"name": name, "labels": labels},
        "status": {"addresses": [{"type": "InternalIP", "address": address}]},
    }


@pytest.fixture
def api() -> t.Iterator[ApiServer]:
    server = ApiServer(token="sesame")
    server.lists[NODES] = [node("cp1", "192.0.2.11", True), node("w1", "192.0.2.21")]
    yield server
    server.close()


@pytest.fixture
def prometheus() -> Site:
    return site()


@pytest.fixture
def grafana(prometheus: Site) -> t.Iterator[Server]:
    def handle(request: Request) -> Answer:
        if request.headers.get("Authorization") != "Bearer glsa_1":
            return Answer(401, {"message": "Invalid API key"})
        answer = prometheus(request.method, request.target, request.object)
        return Answer(answer.status, answer.text, {k.title(): v for k, v in answer.headers.items()})

    server = Server(handle)
    yield server
    server.close()


@pytest.fixture
def run(
    api: ApiServer,
    tmp_path: Path,
    run_action: RunAction,
    run_module: RunModule,
    monkeypatch: pytest.MonkeyPatch,
) -> t.Callable[..., Json]:
    config = api.kubeconfig(tmp_path / "kubeconfig")

    def execute(action: t.Any, module_name: str, module_args: Json, task_vars: Json) -> Json:
        record = {"record": str(tmp_path / "record.json")}
        result = run_module(
            module_name.rpartition(".")[2], {**module_args, **record}, check=action._task.check_mode
        )
        return {key: value for key, value in result.items() if key != "rc"}

    monkeypatch.setattr(cluster_metrics.ActionModule, "_execute_module", execute)

    def call(check: bool = False, **options: t.Any) -> Json:
        given = {
            "kubeconfig": config,
            "cluster": "site-a",
            "control_planes": ["cp1"],
            "workers": ["w1"],
            "metrics_hosts": ["m1"],
            "addresses": {"m1": "192.0.2.41", "w1": ""},
            "wait": False,
            **options,
        }
        return run_action("cluster_metrics", given, check=check)

    return call


def test_targets_are_written_once(run: t.Callable[..., Json], tmp_path: Path) -> None:
    directory = tmp_path / "targets"
    directory.mkdir()
    (directory / "extra.json").write_text("[]")
    predicted = run(check=True, directory=str(directory))
    assert predicted["changed"] and not (directory / "node.json").exists()
    made = run(directory=str(directory))
    assert made["changed"] and made["written"] == predicted["written"]
    assert [Path(one).stem for one in made["written"]] == [
        "node",
        "kubelet",
        "cadvisor",
        "probes",
        "apiserver",
        "prometheus",
    ]
    path = directory / "node.json"
    assert path.stat().st_mode & 0o777 == 0o644
    assert [one["labels"]["node"] for one in json.loads(path.read_text())] == ["cp1", "m1", "w1"]
    again = run(directory=str(directory))
    assert again["changed"] is False and again["written"] == []
    fewer = run(directory=str(directory), removed=["w1"], jobs=["node"])
    assert {Path(one).stem for one in fewer["written"]} == {
        "node",
        "kubelet",
        "cadvisor",
        "probes",
        "apiserver",
        "prometheus",
    }
    assert "w1" not in path.read_text()
    assert (directory / "extra.json").read_text() == "[]", "the site's own jobs are left alone"


def test_missing_directory_is_told(run: t.Callable[..., Json], tmp_path: Path) -> None:
    result = run(directory=str(tmp_path / "targets"))
    # Missing parents are created, as the module of files does it everywhere.
    assert not result.get("failed"), result


def test_disagreement_changes_nothing(run: t.Callable[..., Json], api: ApiServer, tmp_path: Path) -> None:
    api.lists[NODES].append(node("w7", "192.0.2.27"))
    result = run(directory=str(tmp_path / "targets"))
    assert result["failed"] and result["changed"] is False
    assert "- w7: the cluster has this node, no host of the inventory is it" in result["msg"]
    assert not (tmp_path / "targets").exists()
    lenient = run(directory=str(tmp_path / "targets"), strict=False)
    assert "w7: the cluster has this node" in lenient["warnings"][0]
    assert lenient["nodes"] == ["cp1", "m1", "w1"]


def test_verified(run: t.Callable[..., Json], grafana: Server) -> None:
    result = run(url=grafana.url, token="glsa_1")
    assert not result.get("failed"), result
    assert (result["changed"], result["missing"], result["stale"]) == (False, [], [])
    assert result["ages"]["w1"]["kubelet"] == 12.0
    assert result["pairs"] == 15
    assert "glsa_1" not in json.dumps(result)


def test_missing_pair(run: t.Callable[..., Json], grafana: Server, prometheus: Site) -> None:
    prometheus.down.add(("node", "w1"))
    prometheus.errors["node", "w1"] = "dial tcp 192.0.2.21:9100: connect: connection refused"
    result = run(url=grafana.url, token="glsa_1")
    assert result["failed"]
    assert "1 finding(s):\n- node w1, job node: its scrape fails; lastError: dial tcp" in result["msg"]
    (missing,) = result["missing"]
    assert (missing["node"], missing["job"], missing["metric"], missing["age"]) == ("w1", "node", "up", 12.0)


def test_refused_token(run: t.Callable[..., Json], grafana: Server, tmp_path: Path) -> None:
    result = run(url=grafana.url, token="glsa_2", directory=str(tmp_path))
    assert result["failed"] and "HTTP 401: Invalid API key" in result["msg"]
    assert "None of 15 expected pairs of job and node could be verified, of 3 nodes." in result["msg"]
    assert result["changed"] is True, "the targets have been written"
    assert "glsa_2" not in json.dumps(result)


def test_no_answer(run: t.Callable[..., Json], grafana: Server) -> None:
    grafana.close()
    result = run(url=grafana.url, token="glsa_1")
    assert result["failed"] and "does not answer: Connection refused" in result["msg"]


def test_https_of_an_unknown_authority(run: t.Callable[..., Json]) -> None:
    server = ApiServer()
    try:
        result = run(url=server.url, token="glsa_1", wait=True, deadline=60)
    finally:
        server.close()
    assert "does not answer" in result["msg"] and "grafana_ca" in result["msg"]


def test_unknown_node(run: t.Callable[..., Json], grafana: Server) -> None:
    result = run(url=grafana.url, token="glsa_1", nodes=["w9"])
    assert result["failed"] and result["msg"].startswith("w9: metrics of this node have to be verified")


def test_dead_panel_is_a_warning(
    run: t.Callable[..., Json], grafana: Server, prometheus: Site, tmp_path: Path
) -> None:
    panels = [{"type": "stat", "title": "Tasks", "targets": [{"expr": "up + container_tasks_state"}]}]
    (tmp_path / "a.json").write_text(json.dumps({"title": "Nodes", "panels": panels}))
    prometheus.names = ["up"]
    result = run(url=grafana.url, token="glsa_1", dashboards=[str(tmp_path / "a.json")])
    assert not result.get("failed")
    assert [one["metric"] for one in result["absent"]] == ["container_tasks_state"]
    assert result["warnings"][0].startswith("dashboard Nodes, panel Tasks: Prometheus has no metric")
    asked = next(target for target in grafana.targets if "__name__" in target)
    assert "match%5B%5D=%7Bcluster%3D%22site-a%22%7D" in asked


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"url": "https://g"}, "there is no token"),
        ({"graphite_datasource": "g"}, "Only one of the data source of Graphite"),
        ({"jobs": ["nodes"]}, "There is no job nodes"),
    ],
)
def test_options_are_checked(run: t.Callable[..., Json], options: Json, told: str) -> None:
    result = run(**options)
    assert result["failed"] and told in result["msg"]
