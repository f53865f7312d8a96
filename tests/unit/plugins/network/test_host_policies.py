# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Policies of nodes: what they open, to whom, and from which facts."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network import (
    host_facts,
    host_openings,
    host_policies,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network.host_facts import Connection
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network.host_policies import Client, Facts
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network.openings import Port

Json = dict[str, t.Any]

LABEL = "node-role.kubernetes.io/control-plane"
CONTROL_PLANES: list[Json] = [
    {"fromEntities": ["kube-apiserver"]},
    {"fromNodes": [{"matchExpressions": [{"key": LABEL, "operator": "Exists"}]}]},
]
NODES: Json = {"fromEntities": ["remote-node", "kube-apiserver"]}


def system_pods(app: str) -> Json:
    namespace = {"key": "k8s:io.kubernetes.pod.namespace", "operator": "In", "values": ["kube-system"]}
    return {"fromEndpoints": [{"matchLabels": {"k8s:k8s-app": app}, "matchExpressions": [namespace]}]}


def rules(facts: Facts, policy: str, *ports: str, mode: str = "enforce") -> list[Json]:
    """The rules of a policy for exactly these ports, without them."""
    (made,) = [one for one in host_policies.plan(mode, facts) if one["metadata"]["name"] == policy]
    (spec,) = made["specs"]
    found = []
    for rule in spec["ingress"]:
        listed = [
            "{port}{end}/{protocol}".format(**one, end=f"-{one['endPort']}" if "endPort" in one else "")
            for to in rule.get("toPorts", [])
            for one in to["ports"]
        ]
        if listed == list(ports):
            found.append({key: value for key, value in rule.items() if key != "toPorts"})
    return found


def cidrs(*values: str) -> Json:
    return {"fromCIDRSet": [{"cidr": value} for value in values]}


@pytest.mark.parametrize(
    ("facts", "port", "expected"),
    [
        (Facts(clients=(Client("192.0.2.7"),)), "22/TCP", [cidrs("192.0.2.7/32")]),
        (Facts(clients=(Client("2001:db8::7", 2222),)), "2222/TCP", [cidrs("2001:db8::7/128")]),
        (Facts(clients=(Client("192.0.2.7"), Client("192.0.2.7", 2222))), "22/TCP", [cidrs("192.0.2.7/32")]),
        (
            Facts(clients=(Client("192.0.2.7"),), ssh_cidrs=("198.51.100.0/24",)),
            "22/TCP",
            [cidrs("192.0.2.7/32", "198.51.100.0/24")],
        ),
        (Facts(ssh_cidrs=("198.51.100.0/24",)), "22/TCP", [cidrs("198.51.100.0/24")]),
        # The controller is a node: Cilium never knows a node by its address.
        (Facts(nodes=("192.0.2.11",), clients=(Client("192.0.2.11"),)), "22/TCP", [NODES]),
        (Facts(), "22/TCP", []),
    ],
    ids=["address", "IPv6 and port", "two ports", "operators", "operators only", "a node", "nobody"],
)
def test_ssh_stays_open_for_the_controller(facts: Facts, port: str, expected: list[Json]) -> None:
    assert rules(facts, host_policies.SSH, port) == expected
    assert rules(facts, host_policies.SSH, port, mode="report") == expected


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        (["10250/TCP"], [*CONTROL_PLANES, system_pods("metrics-server")]),
        (["8472/UDP"], [NODES]),
        (["51871/UDP"], []),
        (["4240/TCP"], [{"fromEntities": ["remote-node", "kube-apiserver", "health"]}]),
        (["4244/TCP"], []),
        (["53/UDP", "53/TCP"], [system_pods("kube-dns")]),
    ],
)
def test_what_every_node_accepts(ports: list[str], expected: list[Json]) -> None:
    assert rules(Facts(), host_policies.NODES, *ports) == expected


def test_what_only_some_clusters_need() -> None:
    facts = Facts(tunnel=Port(6081, 6081, "UDP"), wireguard=True, hubble=True)
    assert rules(facts, host_policies.NODES, "6081/UDP") == [NODES]
    assert rules(facts, host_policies.NODES, "51871/UDP") == [NODES]
    assert rules(facts, host_policies.NODES, "4244/TCP") == [system_pods("hubble-relay")]
    assert not rules(facts, host_policies.NODES, "8472/UDP")
    assert not rules(Facts(tunnel=None), host_policies.NODES, "8472/UDP")


def test_nodes_answer_echo_requests_of_nodes_only() -> None:
    (rule,) = rules(Facts(), host_policies.NODES)
    assert rule["fromEntities"] == ["remote-node", "kube-apiserver", "health"]
    assert rule["icmps"] == [{"fields": [{"family": "IPv4", "type": 8}, {"family": "IPv6", "type": 128}]}]


FACTS = Facts(
    nodes=("192.0.2.11",),
    joining=("192.0.2.12", "192.0.2.21"),
    joining_control_planes=("192.0.2.12",),
    clients=(Client("192.0.2.7"),),
    api_cidrs=("198.51.100.0/24",),
    vrrp=True,
)


def test_what_control_planes_accept() -> None:
    own = [*CONTROL_PLANES, cidrs("192.0.2.12/32")]
    outside = cidrs("192.0.2.7/32", "198.51.100.0/24", "192.0.2.12/32", "192.0.2.21/32")
    assert rules(FACTS, host_policies.CONTROL_PLANES, "6443/TCP") == [
        {"fromEntities": ["cluster"]},
        outside,
    ]
    assert rules(FACTS, host_policies.CONTROL_PLANES, "2379-2380/TCP") == own
    assert rules(FACTS, host_policies.CONTROL_PLANES, "0/VRRP") == own
    assert not rules(Facts(), host_policies.CONTROL_PLANES, "0/VRRP")
    (made,) = [
        one
        for one in host_policies.plan("enforce", FACTS)
        if one["metadata"]["name"] == host_policies.CONTROL_PLANES
    ]
    assert made["specs"][0]["nodeSelector"] == {"matchExpressions": [{"key": LABEL, "operator": "Exists"}]}


EVERY_PORT = {
    "toPorts": [{"ports": [{"port": "0", "protocol": "TCP"}, {"port": "0", "protocol": "UDP"}]}],
}


def test_report_and_enforce_differ_by_one_policy() -> None:
    report, enforce = (host_policies.plan(mode, FACTS) for mode in ("report", "enforce"))
    assert report[:-1] == enforce[:-1]
    assert enforce[-1]["metadata"]["name"] == "host-baseline"
    (spec,) = enforce[-1]["specs"]
    assert spec["enableDefaultDeny"] == {"ingress": True, "egress": False}, "what nodes send stays open"
    assert (spec["nodeSelector"], spec["ingress"]) == ({}, [{}])
    (spec,) = report[-1]["specs"]
    assert spec["enableDefaultDeny"] == {"ingress": False, "egress": False}
    assert spec["ingress"] == [EVERY_PORT], "Cilium tells no verdict on what its rule for everything allows"
    assert host_policies.plan("off", FACTS) == []


def test_every_policy_is_one_of_nodes() -> None:
    for one in host_policies.plan("enforce", Facts()):
        for spec in one["specs"]:
            assert "endpointSelector" not in spec
            assert spec["ingress"], "Cilium refuses a policy without a rule"
            assert "egress" not in spec


def test_openings() -> None:
    found, wrong = host_openings.read(
        [
            {"name": "exporter", "from": {"namespaces": ["monitoring"]}, "ports": [9100]},
            {
                "name": "ntp",
                "from": {"cidrs": ["192.0.2.0/24"]},
                "nodes": {"example.org/ntp": "yes"},
                "ports": ["123/UDP"],
            },
            {"name": "gossip", "from": {"entities": ["nodes"]}},
        ]
    )
    assert not wrong
    made = {one["metadata"]["name"]: one["specs"][0] for one in host_policies.plan("report", Facts(), found)}
    assert made["host-opening-ntp"]["nodeSelector"] == {"matchLabels": {"example.org/ntp": "yes"}}
    assert made["host-opening-ntp"]["ingress"] == [
        {**cidrs("192.0.2.0/24"), "toPorts": [{"ports": [{"port": "123", "protocol": "UDP"}]}]}
    ]
    assert made["host-opening-exporter"]["nodeSelector"] == {}
    gossip = {"fromEntities": ["host", "remote-node"]}
    assert made["host-opening-gossip"]["ingress"] == [{**gossip, **EVERY_PORT}], (
        "before what the report allows"
    )
    assert list(made)[-1] == "host-baseline"
    enforced = {
        one["metadata"]["name"]: one["specs"][0] for one in host_policies.plan("enforce", Facts(), found)
    }
    assert enforced["host-opening-gossip"]["ingress"] == [gossip], "other protocols, too"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"name": "a"}, "it has no from"),
        ({"name": "a", "from": {"namespaces": ["b"]}, "to": {}}, 'has the key "to"'),
        ({"name": "a", "from": {"hosts": ["example.org"]}}, "from has hosts"),
        (
            {"name": "a", "from": {"entities": ["nodes"]}, "nodes": {"kubernetes.io/os": "linux"}},
            "nodes has the label kubernetes.io/os, which Cilium does not see",
        ),
        ({"name": "a", "from": {"cidrs": ["192.0.2.1/24"]}}, "such as 192.0.2.0/24"),
        ("a", "network_host_openings, entry 1: is"),
    ],
)
def test_wrong_openings(given: t.Any, expected: str) -> None:
    found, wrong = host_openings.read([given])
    assert not found
    assert expected in wrong[0]


# --- facts ------------------------------------------------------------------------------------------------------------


def test_clients_are_what_hosts_see() -> None:
    found = host_facts.clients(
        [
            Connection("a", "ssh", "192.0.2.7 40000 192.0.2.11 22"),
            Connection("b", "ssh", "::ffff:192.0.2.7 40001 ::ffff:192.0.2.12 2222"),
            Connection("c", "ssh", "192.0.2.7 40002 192.0.2.13 22"),
            Connection("d", "local", ""),
        ],
        [],
    )
    assert found == (Client("192.0.2.7", 22), Client("192.0.2.7", 2222))


def test_controllers_of_the_inventory_win() -> None:
    connections = [
        Connection("a", "ssh", "192.0.2.7 40000 192.0.2.11 2222"),
        Connection("b", "local", ""),
        Connection("c", "paramiko", ""),
    ]
    assert host_facts.clients(connections, ["203.0.113.5"]) == (
        Client("203.0.113.5", 22),
        Client("203.0.113.5", 2222),
    )


def test_a_host_that_does_not_tell_is_named() -> None:
    with pytest.raises(host_facts.FactsError, match="c does not say from where it is connected"):
        host_facts.clients([Connection("c", "ssh", "")], [])


def node(name: str, *addresses: str) -> Json:
    listed = [{"type": "Hostname", "address": name}]
    listed += [{"type": "InternalIP", "address": address} for address in addresses]
    return {
        "metadata": {"name": name},
        "spec": {"podCIDRs": ["10.244.1.0/24"]},
        "status": {"addresses": listed},
    }


HOSTS = [
    {"address": "192.0.2.11", "control_plane": True},
    {"address": "192.0.2.12", "control_plane": True},
    {"address": "192.0.2.21", "control_plane": False},
    {"address": "", "control_plane": False},
]


def test_facts_from_the_api_and_the_inventory() -> None:
    config = {"routing-mode": "tunnel", "tunnel-protocol": "geneve", "enable-hubble": "true"}
    slices = [{"ports": [{"name": "https", "port": 8443}]}]
    facts = host_facts.read([node("cp1", "192.0.2.11")], slices, config, HOSTS, vrrp=True)
    assert facts.nodes == ("192.0.2.11",)
    assert facts.joining == ("192.0.2.12", "192.0.2.21")
    assert facts.joining_control_planes == ("192.0.2.12",)
    assert facts.api_ports == (8443,)
    assert facts.tunnel == Port(6081, 6081, "UDP")
    assert (facts.hubble, facts.wireguard, facts.vrrp) == (True, False, True)


@pytest.mark.parametrize(
    ("config", "port"),
    [
        ({}, 8472),
        ({"tunnel-port": "8473"}, 8473),
        ({"tunnel-port": "0", "tunnel-protocol": "vxlan"}, 8472),
        ({"routing-mode": "native"}, None),
    ],
)
def test_tunnel(config: dict[str, str], port: int | None) -> None:
    assert host_facts.tunnel(config) == (None if port is None else Port(port, port, "UDP"))


@pytest.mark.parametrize(
    ("config", "vrrp", "expected"),
    [
        ({}, False, ["enable-host-firewall is not set", "enable-node-selector-labels is not set"]),
        ({"enable-host-firewall": "true", "enable-node-selector-labels": "true"}, False, []),
        (
            {"enable-host-firewall": "true", "enable-node-selector-labels": "true"},
            True,
            ["enable-extended-ip-protocols is not set"],
        ),
        (
            {
                "enable-host-firewall": "true",
                "enable-node-selector-labels": "true",
                "enable-ipsec": "true",
            },
            False,
            ["enable-ipsec is true"],
        ),
    ],
)
def test_cilium_that_cannot_do_it(config: dict[str, str], vrrp: bool, expected: list[str]) -> None:
    found = host_facts.unusable(config, vrrp)
    assert len(found) == len(expected)
    assert all(line.startswith(start) for line, start in zip(found, expected, strict=True))


def test_controller_in_the_pod_network_is_refused() -> None:
    facts = Facts(pod_networks=("10.244.1.0/24",), clients=(Client("10.244.1.9"), Client("192.0.2.7")))
    (problem,) = host_policies.problems(facts)
    assert "connects from 10.244.1.9, which is in the pod network 10.244.1.0/24" in problem


def test_nodes_without_a_host() -> None:
    nodes = [node("cp1", "192.0.2.11"), node("w9", "192.0.2.99")]
    assert host_facts.unguarded(nodes, HOSTS) == ["w9"]
