# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan and the report of policies of nodes, against an API server."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network import (
    host_policies,
    verdicts,
    watch,
)

from tests.unit.support.modules import RunAction
from tests.unit.support.servers import ApiServer

Json = dict[str, t.Any]

CONFIG = "/api/v1/namespaces/kube-system/configmaps/cilium-config"
BASELINE = "/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies/host-baseline"
NODE = {
    "metadata": {"name": "cp1"},
    "spec": {"podCIDRs": ["10.244.0.0/24"]},
    "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.11"}]},
}
CONNECTIONS = [{"host": "cp1", "ssh": "192.0.2.7 40000 192.0.2.11 2222"}]
HOSTS = [{"address": "192.0.2.11", "control_plane": True}, {"address": "192.0.2.12", "control_plane": True}]


@pytest.fixture
def api() -> t.Iterator[ApiServer]:
    server = ApiServer(token="sesame")
    server.lists["/api/v1/nodes"] = [NODE]
    server.lists["/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"] = [
        {"ports": [{"port": 6443}]}
    ]
    server.objects[CONFIG] = {
        "data": {"enable-host-firewall": "true", "enable-node-selector-labels": "true", "tunnel-port": "8473"}
    }
    yield server
    server.close()


@pytest.fixture
def plan(api: ApiServer, tmp_path: Path, run_action: RunAction) -> t.Callable[..., Json]:
    config = api.kubeconfig(tmp_path / "kubeconfig")

    def run(mode: str = "enforce", **more: t.Any) -> Json:
        options = {"connections": CONNECTIONS, "hosts": HOSTS, **more}
        return run_action("network_host_policy_plan", {"kubeconfig": config, "mode": mode, **options})

    return run


def test_plan_from_the_api_and_the_inventory(plan: t.Callable[..., Json]) -> None:
    result = plan()
    assert not result["changed"]
    assert [one["metadata"]["name"] for one in result["objects"]] == [
        "host-ssh",
        "host-nodes",
        "host-control-planes",
        "host-baseline",
    ]
    assert result["ssh"] == [{"address": "192.0.2.7", "port": 2222}]
    assert result["nodes"] == ["192.0.2.11"]
    text = str(result["objects"])
    assert "'port': '8473'" in text
    assert "192.0.2.12/32" in text, "a host that is about to join"
    assert "192.0.2.11/32" not in text, "Cilium never knows a node by its address"


def test_plan_to_remove_everything_needs_no_api(plan: t.Callable[..., Json], api: ApiServer) -> None:
    assert plan("off", connections=[], hosts=[])["objects"] == []
    assert not api.requests


def test_all_wrong_options_are_told_at_once(plan: t.Callable[..., Json], api: ApiServer) -> None:
    result = plan(
        openings=[{"name": "a"}],
        ssh_cidrs=["192.0.2.1/24"],
        api_cidrs=["everything"],
        controllers=["192.0.2.0/24"],
    )
    assert result["failed"]
    assert "Nothing was changed" in result["msg"]
    for expected in (
        "network_host_openings, opening a: it has no from",
        "network_host_policy_ssh_cidrs has '192.0.2.1/24'",
        "network_host_policy_api_cidrs has 'everything'",
        "network_host_policy_controllers has '192.0.2.0/24', expected an address",
    ):
        assert expected in result["msg"]
    assert not api.requests


def test_host_that_does_not_tell_from_where_it_is_connected(plan: t.Callable[..., Json]) -> None:
    connections = [{"host": "cp1", "ssh": ""}]
    assert "cp1 does not say from where it is connected" in plan(connections=connections)["msg"]
    assert not plan(connections=connections, controllers=["192.0.2.7"]).get("failed")


def test_cilium_has_to_be_configured_first(plan: t.Callable[..., Json], api: ApiServer) -> None:
    api.objects[CONFIG] = {"data": {}}
    message = plan(virtual_address=True)["msg"]
    assert "enable-host-firewall is not set, expected true" in message
    assert "enable-extended-ip-protocols is not set, expected true" in message
    assert "Run the playbook site" in message


def test_node_without_a_guard_is_not_enforced(plan: t.Callable[..., Json]) -> None:
    assert "the node cp1 is none of the hosts of the inventory" in plan(hosts=[])["msg"]
    assert plan("report", hosts=[])["objects"]


def test_controller_in_a_pod_is_refused(plan: t.Callable[..., Json]) -> None:
    connections = [{"host": "cp1", "ssh": "10.244.0.9 40000 192.0.2.11 22"}]
    assert "is in the pod network 10.244.0.0/24" in plan(connections=connections)["msg"]


@pytest.fixture
def report(
    api: ApiServer, tmp_path: Path, run_action: RunAction, monkeypatch: pytest.MonkeyPatch
) -> t.Callable[..., Json]:
    config = api.kubeconfig(tmp_path / "kubeconfig")
    api.objects[BASELINE] = host_policies.plan("report", host_policies.Facts())[-1]
    api.lists["/api/v1/namespaces/kube-system/pods"] = [
        {
            "metadata": {"name": "cilium-w1"},
            "spec": {"nodeName": "w1"},
            "status": {"phase": "Running", "hostIP": "192.0.2.21"},
        }
    ]
    for kind in ("ciliumendpoints", "ciliumidentities"):
        api.lists[f"/apis/cilium.io/v2/{kind}"] = []

    def watch_all(
        _run: t.Any, agents: list[watch.Agent], _seconds: int, realized: t.Any
    ) -> list[verdicts.Seen]:
        assert not realized("[]")
        found = verdicts.Verdict(
            7, 16777220, "ingress", "allow", "Proto-Only", "192.0.2.40", "192.0.2.21", 9100, "TCP"
        )
        return [verdicts.Seen(agents[0].address, (found,), open_ended={7: frozenset({"ingress"})}, host=7)]

    monkeypatch.setattr(watch, "watch_all", watch_all)
    return lambda **more: run_action("network_host_policy_report", {"kubeconfig": config, **more})


def test_report_names_nodes(report: t.Callable[..., Json]) -> None:
    result = report(seconds=1)
    assert result["flows"] == [
        {
            "nodes": ["w1"],
            "direction": "ingress",
            "peer": "192.0.2.40 outside the cluster",
            "port": 9100,
            "protocol": "TCP",
            "connections": 1,
        }
    ]
    assert result["report"][1] == "nodes, would be denied:"


@pytest.mark.parametrize("mode", ["off", "enforce"])
def test_report_needs_the_mode(mode: str, report: t.Callable[..., Json], api: ApiServer) -> None:
    del api.objects[BASELINE]
    if mode == "enforce":
        api.objects[BASELINE] = host_policies.plan(mode, host_policies.Facts())[-1]
    assert f"are in the mode {mode}, in which nothing tells apart" in report()["msg"]


def test_report_within_limits(report: t.Callable[..., Json]) -> None:
    assert "expected 1 to 3600" in report(seconds=0)["msg"]
