# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which policies decide about a connection."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network import decide, openings, policies
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network.decide import End

Json = dict[str, t.Any]

SPACES = {"shop": {"kind": "web"}, "till": {}, "kube-system": {}}


def pod(namespace: str, name: str, address: str = "10.244.1.7", **labels: str) -> End:
    return End(f"{namespace}/{name}", decide.pod_labels(namespace, labels, SPACES[namespace]), address)


WEB = pod("shop", "web", app="web")
API = pod("till", "api", "10.244.2.9", app="api")
OTHER = pod("till", "other", "10.244.2.10")
NODE = End("192.0.2.11", address="192.0.2.11", entities=frozenset({"host", "remote-node", "kube-apiserver"}))
WORLD = End("198.51.100.7", address="198.51.100.7", entities=frozenset({"world"}))


def network_policy(namespace: str = "till", **spec: t.Any) -> Json:
    return {"metadata": {"name": "own", "namespace": namespace}, "spec": {"podSelector": {}, **spec}}


def baseline(*given: Json, mode: str = "enforce") -> list[Json]:
    found = openings.read(list(given))
    assert not found.problems
    return policies.plan(mode, found.openings)


def verdicts(
    source: End,
    target: End,
    port: int,
    kubernetes: t.Sequence[Json] = (),
    cilium: t.Sequence[Json] = (),
    protocol: str = "TCP",
) -> list[tuple[str, bool]]:
    """Direction and verdict on each side."""
    found = decide.decide(source, target, port, protocol, decide.rules_of(kubernetes, cilium))
    return [(one.direction, one.allowed) for one in found]


OPEN, CLOSED = [("egress", True), ("ingress", True)], [("egress", False), ("ingress", False)]
EGRESS_ONLY, INGRESS_ONLY = [("egress", True), ("ingress", False)], [("egress", False), ("ingress", True)]


@pytest.mark.parametrize(
    ("spec", "source", "port", "expected"),
    [
        ({}, WEB, 80, EGRESS_ONLY),
        ({"ingress": [{}]}, WEB, 80, OPEN),
        ({"ingress": [{"from": [{"podSelector": {}}]}]}, WEB, 80, EGRESS_ONLY),
        ({"ingress": [{"from": [{"podSelector": {}}]}]}, OTHER, 80, OPEN),
        ({"ingress": [{"from": [{"namespaceSelector": {}}]}]}, WEB, 80, OPEN),
        ({"ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"kind": "web"}}}]}]}, WEB, 80, OPEN),
        (
            {"ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"kind": "web"}}}]}]},
            OTHER,
            80,
            EGRESS_ONLY,
        ),
        (
            {
                "ingress": [
                    {"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "x"}}}]}
                ]
            },
            WEB,
            80,
            EGRESS_ONLY,
        ),
        ({"ingress": [{"ports": [{"port": 80}]}]}, WEB, 80, OPEN),
        ({"ingress": [{"ports": [{"port": 80}]}]}, WEB, 81, EGRESS_ONLY),
        ({"ingress": [{"ports": [{"port": 80, "endPort": 90}]}]}, WEB, 85, OPEN),
        ({"ingress": [{"ports": [{"port": 80, "protocol": "UDP"}]}]}, WEB, 80, EGRESS_ONLY),
        ({"ingress": [{"ports": [{"port": "http"}]}]}, WEB, 80, EGRESS_ONLY),
        ({"policyTypes": ["Egress"]}, WEB, 80, OPEN),
        ({"podSelector": {"matchLabels": {"app": "db"}}}, WEB, 80, OPEN),
    ],
)
def test_network_policy_of_the_target(
    spec: Json, source: End, port: int, expected: list[tuple[str, bool]]
) -> None:
    assert verdicts(source, API, port, [network_policy(**spec)]) == expected


def test_without_policies_everything_is_open() -> None:
    (egress, ingress) = decide.decide(WEB, API, 80, "TCP", [])
    assert (egress.text, ingress.text) == (
        "egress of shop/web is isolated by no policy",
        "ingress of till/api is isolated by no policy",
    )


def test_baseline_denies_both_sides_and_is_named() -> None:
    (egress, ingress) = decide.decide(WEB, API, 80, "TCP", decide.rules_of([], baseline()))
    why = "isolated by CiliumClusterwideNetworkPolicy baseline, and no policy allows it"
    assert (egress.text, ingress.text) == (f"egress of shop/web is {why}", f"ingress of till/api is {why}")
    assert verdicts(WEB, API, 80, (), baseline(mode="report")) == OPEN


@pytest.mark.parametrize(
    ("opening", "port", "expected"),
    [
        ({"from": {"namespaces": ["shop"]}, "to": {"namespaces": ["till"]}}, 80, OPEN),
        ({"from": {"namespaces": ["shop"]}, "to": {"namespaces": ["till"]}, "ports": [81]}, 80, CLOSED),
        ({"from": {"namespaces": ["shop"]}, "to": {"pods": {"app": "api"}}}, 80, OPEN),
        ({"from": {"namespaces": ["shop"]}, "to": {"pods": {"app": "db"}}}, 80, CLOSED),
        ({"from": {"namespace_labels": {"kind": "web"}}, "to": {"namespaces": ["*"]}}, 80, OPEN),
        ({"from": {"namespaces": ["till"]}, "to": {"namespaces": ["shop"]}}, 80, CLOSED),
        ({"within": ["shop", "till"]}, 80, CLOSED),
        ({"from": {"namespaces": ["shop"]}, "to": {"cidrs": ["10.0.0.0/8"]}}, 80, CLOSED),
        ({"from": {"namespaces": ["shop"]}, "to": {"entities": ["outside", "internet"]}}, 80, CLOSED),
    ],
)
def test_openings_of_the_baseline(opening: Json, port: int, expected: list[tuple[str, bool]]) -> None:
    assert verdicts(WEB, API, port, (), baseline({"name": "x", **opening})) == expected


def test_network_policies_work_on_top_of_the_baseline() -> None:
    opened = network_policy(ingress=[{"from": [{"namespaceSelector": {}}]}])
    assert verdicts(WEB, API, 80, [opened], baseline()) == INGRESS_ONLY


@pytest.mark.parametrize(
    ("target", "opening", "expected"),
    [
        (NODE, {"to": {"entities": ["api_server"]}}, True),
        (NODE, {"to": {"entities": ["nodes"]}}, True),
        (NODE, {"to": {"cidrs": ["192.0.2.0/24"]}}, False),
        (NODE, {"to": {"entities": ["outside"]}}, False),
        (WORLD, {"to": {"entities": ["outside"]}}, True),
        (WORLD, {"to": {"entities": ["internet"]}}, True),
        (WORLD, {"to": {"cidrs": ["198.51.100.0/24"]}}, True),
        (WORLD, {"to": {"cidrs": ["198.51.100.0/24"], "except": ["198.51.100.0/28"]}}, False),
    ],
)
def test_targets_that_are_no_pods(target: End, opening: Json, expected: bool) -> None:
    found = baseline({"name": "x", "from": {"namespaces": ["shop"]}, **opening})
    assert verdicts(WEB, target, 443, (), found) == [("egress", expected)]


def test_denying_policy_wins() -> None:
    deny = {
        "metadata": {"name": "closed", "namespace": "till"},
        "spec": {"endpointSelector": {}, "ingressDeny": [{"fromEntities": ["all"]}]},
    }
    allow = network_policy(ingress=[{}])
    (_egress, ingress) = decide.decide(WEB, API, 80, "TCP", decide.rules_of([allow], [deny]))
    assert ingress.text == "ingress of till/api is denied by CiliumNetworkPolicy till/closed"


def test_cilium_policy_of_a_namespace_means_its_own_pods() -> None:
    own = {
        "metadata": {"name": "own", "namespace": "till"},
        "spec": {"endpointSelector": {}, "ingress": [{"fromEndpoints": [{}]}]},
    }
    assert verdicts(OTHER, API, 80, (), [own]) == OPEN
    assert verdicts(WEB, API, 80, (), [own]) == EGRESS_ONLY


def test_network_with_the_address_of_a_pod_is_told() -> None:
    by_address = network_policy(ingress=[{"from": [{"ipBlock": {"cidr": "10.244.0.0/16"}}]}])
    (_egress, ingress) = decide.decide(WEB, API, 80, "TCP", decide.rules_of([by_address], []))
    assert not ingress.allowed
    assert "NetworkPolicy till/own has a network with the address of shop/web" in ingress.text
    assert "name the pods by labels" in ingress.text
