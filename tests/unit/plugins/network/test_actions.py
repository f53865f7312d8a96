# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan and the report of the network baseline, against an API server."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api import connect, execute
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network import policies, verdicts, watch

from tests.unit.support.modules import RunAction
from tests.unit.support.servers import ApiServer

Json = dict[str, t.Any]

CONFIG = "/api/v1/namespaces/kube-system/configmaps/cilium-config"
BASELINE = "/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies/baseline"


@pytest.fixture
def api() -> t.Iterator[ApiServer]:
    server = ApiServer(token="sesame")
    server.lists["/api/v1/namespaces"] = [{"metadata": {"name": name}} for name in ("kube-system", "shop")]
    server.objects[CONFIG] = {"data": {"enable-l7-proxy": "false"}}
    yield server
    server.close()


@pytest.fixture
def plan(api: ApiServer, tmp_path: Path, run_action: RunAction) -> t.Callable[..., Json]:
    config = api.kubeconfig(tmp_path / "kubeconfig")

    def run(mode: str, *openings: Json) -> Json:
        return run_action(
            "network_policy_plan", {"kubeconfig": config, "mode": mode, "openings": list(openings)}
        )

    return run


SHOP = {"name": "a", "within": ["shop", "till"]}
NAMES = {"name": "b", "from": {"namespaces": ["shop"]}, "to": {"hosts": ["registry.example.org"]}}


def test_plan_with_a_namespace_that_does_not_exist(plan: t.Callable[..., Json]) -> None:
    result = plan("enforce", SHOP)
    assert not result["changed"]
    assert [one["metadata"]["name"] for one in result["objects"]][-2:] == ["opening-a", "baseline"]
    assert result["missing"] == ["opening a: no namespace till yet; it is open from when there is one"]


def test_plan_to_remove_everything(plan: t.Callable[..., Json]) -> None:
    assert plan("off", SHOP, NAMES)["objects"] == []
    assert plan("off", SHOP)["missing"] == []


def test_names_need_the_dns_proxy(plan: t.Callable[..., Json], api: ApiServer) -> None:
    result = plan("report", NAMES)
    assert result["failed"]
    assert "opens host names (b), and Cilium's DNS proxy is disabled" in result["msg"]
    assert "Nothing was changed" in result["msg"]
    api.objects[CONFIG] = {"data": {"enable-l7-proxy": "true"}}
    assert len(plan("report", NAMES)["objects"]) == 5


def test_all_wrong_openings_are_told_without_the_api(plan: t.Callable[..., Json], api: ApiServer) -> None:
    result = plan("enforce", {"name": "a", "within": ["*"]}, {"name": "b", "form": {}})
    assert result["msg"].count("\n- network_openings, opening") == 2
    assert not api.requests


@pytest.fixture
def report(
    api: ApiServer, tmp_path: Path, run_action: RunAction, monkeypatch: pytest.MonkeyPatch
) -> t.Callable[..., Json]:
    config = api.kubeconfig(tmp_path / "kubeconfig")
    api.objects[BASELINE] = policies.plan("report", ())[-1]
    api.lists["/api/v1/namespaces/kube-system/pods"] = [
        {
            "metadata": {"name": f"cilium-{node}"},
            "spec": {"nodeName": node},
            "status": {"phase": phase, "hostIP": address},
        }
        for node, phase, address in (("w1", "Running", "192.0.2.11"), ("w2", "Pending", "192.0.2.12"))
    ]
    api.lists["/apis/cilium.io/v2/ciliumendpoints"] = [
        {
            "metadata": {"namespace": "shop", "name": "web"},
            "status": {
                "id": 7,
                "identity": {"id": 300},
                "networking": {"node": "192.0.2.11", "addressing": [{"ipv4": "10.244.1.7"}]},
            },
        }
    ]
    api.lists["/apis/cilium.io/v2/ciliumidentities"] = [
        {"metadata": {"name": "400"}, "security-labels": {"k8s:io.kubernetes.pod.namespace": "till"}},
        {"metadata": {"name": "401"}, "security-labels": {"reserved:health": ""}},
    ]

    def watch_all(
        _run: t.Any, agents: list[watch.Agent], _seconds: int, _realized: t.Any
    ) -> list[verdicts.Seen]:
        assert [agent.node for agent in agents] == ["w1"], "those that run"
        found = verdicts.Verdict(7, 400, "egress", "allow", "all", "10.244.1.7", "10.244.2.9", 80, "TCP")
        return [verdicts.Seen("192.0.2.11", (found,), open_ended={7: frozenset({"egress"})})]

    monkeypatch.setattr(watch, "watch_all", watch_all)
    return lambda **more: run_action("network_policy_report", {"kubeconfig": config, **more})


def test_report_names_pods_and_namespaces(report: t.Callable[..., Json]) -> None:
    result = report(seconds=1)
    assert result["flows"] == [
        {
            "namespace": "shop",
            "direction": "egress",
            "pods": ["web"],
            "peer": "a pod of namespace till",
            "port": 80,
            "protocol": "TCP",
            "connections": 1,
        }
    ]
    assert result["report"][1:] == [
        "namespace shop, would be denied:",
        "  egress from web to a pod of namespace till 80/TCP: 1 connection",
    ]


@pytest.mark.parametrize("mode", ["off", "enforce"])
def test_report_needs_the_mode(mode: str, report: t.Callable[..., Json], api: ApiServer) -> None:
    del api.objects[BASELINE]
    if mode == "enforce":
        api.objects[BASELINE] = policies.plan(mode, ())[-1]
    assert f"are in the mode {mode}, in which nothing tells apart what they deny" in report()["msg"]


def test_report_without_an_agent(report: t.Callable[..., Json], api: ApiServer) -> None:
    api.lists["/api/v1/namespaces/kube-system/pods"] = []
    assert "No agent of Cilium runs" in report()["msg"]


@pytest.mark.parametrize("seconds", [0, 3601])
def test_report_within_limits(seconds: int, report: t.Callable[..., Json]) -> None:
    assert "expected 1 to 3600" in report(seconds=seconds)["msg"]


class Channel:
    """A websocket of a command, as the kubernetes package has it."""

    def __init__(self, code: int | None) -> None:
        self.returncode = code
        self.closed = False

    def run_forever(self, timeout: float) -> None:
        pass

    def is_open(self) -> bool:
        return self.returncode is None

    def read_channel(self, number: int) -> str:
        return {1: "out", 2: "err"}[number]

    def close(self) -> None:
        self.closed = True


def execute_in_pod(api: ApiServer, tmp_path: Path) -> execute.Executed:
    run = execute.Execute(api.kubeconfig(tmp_path / "kubeconfig"))
    return run("shop", "web", ["/agnhost", "connect"], 5)


def test_command_in_a_pod(api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    channel = Channel(3)
    monkeypatch.setattr(execute, "kubernetes_stream", lambda *_a, **_k: channel)
    assert execute_in_pod(api, tmp_path) == execute.Executed(3, "out", "err")
    assert channel.closed


def test_command_that_does_not_end(api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "kubernetes_stream", lambda *_a, **_k: Channel(None))
    with pytest.raises(
        execute.ExecuteError, match="`/agnhost connect` in pod shop/web did not end within 5 seconds"
    ):
        execute_in_pod(api, tmp_path)


def test_command_that_the_api_server_refuses(
    api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: t.Any, **_more: t.Any) -> t.NoReturn:
        raise OSError('Handshake status 404 -+-+- {"kind":"Status","message":"pods \\"web\\" not found"}')

    monkeypatch.setattr(execute, "kubernetes_stream", refuse)
    with pytest.raises(execute.ExecuteError, match='cannot be run in pod shop/web: pods "web" not found\\.'):
        execute_in_pod(api, tmp_path)


def test_proxies_of_the_environment_are_not_used(
    api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://192.0.2.1:3128")
    assert connect.configuration(api.kubeconfig(tmp_path / "kubeconfig")).proxy is None
