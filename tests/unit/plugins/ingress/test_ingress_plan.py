# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the ingress controller cannot be reached by is refused before anything changes."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._ingress import addresses

from tests.unit.support.modules import RunAction
from tests.unit.support.servers import ApiServer

Json = dict[str, t.Any]

CONFIG = "/api/v1/namespaces/kube-system/configmaps/cilium-config"
POOLS = "/apis/cilium.io/v2/ciliumloadbalancerippools"


def node(name: str, number: int) -> Json:
    return {
        "node_name": name,
        "address": f"192.0.2.{number}",
        "interfaces": [
            {"name": "eth0", "addresses": [f"192.0.2.{number}/24", f"2001:db8::{number}/64"]},
            {"name": "san0", "addresses": [f"198.51.100.{number}/24"]},
        ],
    }


NODES = {"w1": node("w1", 21), "w2": node("w2.example.org", 22)}


@pytest.fixture
def api() -> t.Iterator[ApiServer]:
    server = ApiServer(token="sesame")
    server.lists["/api/v1/nodes"] = [
        {
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name.split(".")[0]}},
            "status": {
                "addresses": [
                    {"type": "InternalIP", "address": address},
                    {"type": "Hostname", "address": name},
                ]
            },
        }
        for name, address in (
            ("w1", "192.0.2.21"),
            ("w2.example.org", "192.0.2.22"),
            ("cp1", "192.0.2.11"),
        )
    ]
    server.lists[POOLS] = [
        {
            "metadata": {"name": "ingress", "labels": {"baremetal.kubernetes/part-of": "ingress"}},
            "spec": {"blocks": [{"start": "192.0.2.240", "stop": "192.0.2.247"}]},
        },
        {"metadata": {"name": "site"}, "spec": {"blocks": [{"cidr": "192.0.2.128/28"}, {"start": "none"}]}},
    ]
    server.objects[CONFIG] = {"data": {"enable-l2-announcements": "true"}}
    yield server
    server.close()


@pytest.fixture
def plan(api: ApiServer, tmp_path: Path, run_action: RunAction) -> t.Callable[..., Json]:
    config = api.kubeconfig(tmp_path / "kubeconfig")

    def run(*ranges: str, **options: t.Any) -> Json:
        given = {
            "kubeconfig": config,
            "exposure": "load_balancer",
            "nodes": NODES,
            "ranges": list(ranges),
            **options,
        }
        return run_action("ingress_plan", given)

    return run


def test_pool_of_the_nodes_network(plan: t.Callable[..., Json]) -> None:
    result = plan("192.0.2.240/29", "192.0.2.250", "2001:db8::f0-2001:db8::ff", address="192.0.2.250")
    assert not result.get("failed"), result
    assert result["changed"] is False
    assert result["hostnames"] == ["w1", "w2"]
    assert result["blocks"] == [
        {"start": "192.0.2.240", "stop": "192.0.2.247"},
        {"start": "192.0.2.250", "stop": "192.0.2.250"},
        {"start": "2001:db8::f0", "stop": "2001:db8::ff"},
    ]


@pytest.mark.parametrize(
    ("ranges", "options", "message"),
    [
        ([], {}, "ingress_ranges is empty, expected addresses of the nodes' network"),
        (["192.0.2.9-192.0.2.1"], {}, "ingress_ranges: 192.0.2.9-192.0.2.1: the last address is before"),
        (["192.0.2.300"], {}, "expected FIRST-LAST, one address, or a network"),
        (["192.0.2.241/29"], {}, "ingress_ranges: 192.0.2.241/29: "),
        (["192.0.2.240-192.0.2.247", "192.0.2.247"], {}, "192.0.2.240-192.0.2.247 and 192.0.2.247 overlap"),
        (["192.0.2.240"], {"interfaces": ["eth["]}, "ingress_interfaces: eth[ is no regular expression"),
        (
            ["192.0.2.240"],
            {"address": "192.0.2.1"},
            "192.0.2.1 is one address of ingress_ranges, found it in none",
        ),
        (["192.0.2.240"], {"trusted": ["proxy"]}, "trusted addresses: proxy: "),
        (
            ["192.0.2.240"],
            {"published": "lb.example.org"},
            "ingress_published_address: lb.example.org is no IP address, expected that of the site's load balancer",
        ),
        (["192.0.2.240"], {"nodes": {}}, "no host runs pods"),
        (["192.0.2.240"], {"nodes": {"w1": {}}}, "w1: its node was not read in this run"),
    ],
)
def test_declaration_that_is_wrong_by_itself(
    plan: t.Callable[..., Json], api: ApiServer, ranges: list[str], options: Json, message: str
) -> None:
    result = plan(*ranges, **options)
    assert result["failed"] and message in result["msg"] and "Nothing was changed" in result["msg"]
    assert not api.requests


@pytest.mark.parametrize(
    ("ranges", "options", "message"),
    [
        (["203.0.113.0/29"], {}, "w1: 203.0.113.0/29 is in no network of the node"),
        (["203.0.113.0/29"], {}, "eth0 192.0.2.0/24, 2001:db8::/64; san0 198.51.100.0/24"),
        (["198.51.100.9"], {"interfaces": ["^eth"]}, "w2: 198.51.100.9 is in no network of the node"),
        (["192.0.2.200-192.0.3.10"], {}, "192.0.2.200-192.0.3.10 is in no network"),
        (["192.0.2.8/29"], {}, "192.0.2.8/29 has 192.0.2.11, which the node cp1 has"),
        (["198.51.100.16/29"], {}, "198.51.100.16/29 has 198.51.100.21, which interface san0 of w1 has"),
        (
            ["192.0.2.10"],
            {"taken": ["192.0.2.10", "k8s.example.org"]},
            "192.0.2.10, which the API endpoint has",
        ),
        (["192.0.2.248/29"], {}, "has 192.0.2.255, the broadcast address 192.0.2.0/24"),
        (["192.0.2.0/29"], {}, "has 192.0.2.0, the address of the network 192.0.2.0/24"),
        (["192.0.2.140"], {}, "192.0.2.140 overlaps 192.0.2.128/28 of the CiliumLoadBalancerIPPool site"),
        (
            ["192.0.2.240"],
            {"interfaces": ["^bond"]},
            "ingress_interfaces (^bond), found eth0, san0",
        ),
        (["192.0.2.240"], {"nodes": {"w3": node("w3", 23)}}, "w3: the cluster has no node w3, found cp1, w1"),
    ],
)
def test_declaration_that_does_not_fit_the_cluster(
    plan: t.Callable[..., Json], ranges: list[str], options: Json, message: str
) -> None:
    result = plan(*ranges, **options)
    assert result["failed"] and message in result["msg"] and "Nothing was changed" in result["msg"]


def test_nobody_would_announce_it(plan: t.Callable[..., Json], api: ApiServer) -> None:
    api.objects[CONFIG] = {"data": {"enable-l2-announcements": "false"}}
    result = plan("192.0.2.240")
    assert (
        result["failed"] and "network_address_announcements: true and run the playbook site" in result["msg"]
    )


def test_all_problems_are_told_at_once(plan: t.Callable[..., Json]) -> None:
    assert plan("203.0.113.9", "192.0.2.22")["msg"].count("\n- ") == 3


@pytest.mark.parametrize("exposure", ["node_port", "host_port"])
def test_ports_of_hosts_need_no_addresses(plan: t.Callable[..., Json], api: ApiServer, exposure: str) -> None:
    api.objects[CONFIG] = {"data": {}}
    result = plan("not looked at", exposure=exposure)
    assert result["blocks"] == [] and result["hostnames"] == ["w1", "w2"]
    assert POOLS not in [request.path for request in api.requests]


def test_networks_of_two_addresses_have_no_broadcast_address() -> None:
    (one,), _ = addresses.read_ranges(["192.0.2.1"], "ingress_ranges")
    alone = {"w1": {"interfaces": [{"name": "eth0", "addresses": ["192.0.2.0/31"]}]}}
    assert addresses.problems([one], [], alone, {}) == []
