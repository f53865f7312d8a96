# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Policies of the network baseline, as Cilium's CustomResourceDefinition has them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster import network
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import Snapshot
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network import openings, policies

EVERY = {"matchExpressions": [{"key": "k8s:io.kubernetes.pod.namespace", "operator": "Exists"}]}


def pods(*names: str, **labels: str) -> dict[str, t.Any]:
    """The selector of pods by namespace and labels."""
    expression = {"key": "k8s:io.kubernetes.pod.namespace", "operator": "In", "values": list(names)}
    matched = {f"k8s:{key}": value for key, value in labels.items()}
    return {**({"matchLabels": matched} if matched else {}), "matchExpressions": [expression]}


def read(*given: dict[str, t.Any]) -> tuple[openings.Opening, ...]:
    found = openings.read(list(given))
    assert not found.problems
    return found.openings


def specs_of(*given: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """The rules of the last opening, without what all of them have."""
    (made,) = [
        one
        for one in policies.plan(policies.ENFORCE, read(*given))
        if one["metadata"]["name"] == f"opening-{given[-1]['name']}"
    ]
    for spec in made["specs"]:
        assert spec.pop("description") == f"Opening {given[-1]['name']}"
        assert spec.pop("enableDefaultDeny") == {"ingress": False, "egress": False}, "openings do not isolate"
    return t.cast(list[dict[str, t.Any]], made["specs"])


def test_both_sides_of_an_opening_between_namespaces() -> None:
    ports = [
        {"ports": [{"port": "8080", "protocol": "TCP"}, {"port": "9000", "endPort": 9010, "protocol": "UDP"}]}
    ]
    assert specs_of(
        {
            "name": "web",
            "from": {"namespaces": ["ingress"], "pods": {"app": "traefik"}},
            "to": {"namespaces": ["till", "shop"]},
            "ports": [8080, "9000-9010/UDP"],
        }
    ) == [
        {
            "endpointSelector": pods("ingress", app="traefik"),
            "egress": [{"toEndpoints": [pods("shop", "till")], "toPorts": ports}],
        },
        {
            "endpointSelector": pods("shop", "till"),
            "ingress": [{"fromEndpoints": [pods("ingress", app="traefik")], "toPorts": ports}],
        },
    ]


def test_namespaces_do_not_reach_each_other_by_an_opening_within() -> None:
    assert specs_of({"name": "inside", "within": ["shop", "till"]}) == [
        {
            "endpointSelector": pods(name),
            "ingress": [{"fromEndpoints": [pods(name)]}],
            "egress": [{"toEndpoints": [pods(name)]}],
        }
        for name in ("shop", "till")
    ]


def test_namespaces_by_label() -> None:
    (source, _target) = specs_of(
        {"name": "x", "from": {"namespace_labels": {"example.org/kind": "web"}}, "to": {"namespaces": ["*"]}}
    )
    assert source == {
        "endpointSelector": {
            "matchLabels": {"k8s:io.cilium.k8s.namespace.labels.example.org/kind": "web"},
            **EVERY,
        },
        "egress": [{"toEndpoints": [EVERY]}],
    }


@pytest.mark.parametrize(
    ("to", "rules"),
    [
        ({"entities": ["api_server"]}, [{"toEntities": ["kube-apiserver"]}]),
        ({"entities": ["nodes", "outside"]}, [{"toEntities": ["host", "remote-node", "world"]}]),
        (
            {"cidrs": ["10.0.0.0/8", "192.0.2.0/24"], "except": ["10.1.0.0/16"]},
            [{"toCIDRSet": [{"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}, {"cidr": "192.0.2.0/24"}]}],
        ),
    ],
)
def test_egress_to_what_is_no_pod(to: dict[str, t.Any], rules: list[dict[str, t.Any]]) -> None:
    found = specs_of({"name": "x", "from": {"namespaces": ["shop"]}, "to": to})
    assert found == [{"endpointSelector": pods("shop"), "egress": rules}]


def test_ingress_from_what_is_no_pod() -> None:
    found = specs_of(
        {
            "name": "x",
            "from": {"entities": ["outside"], "cidrs": ["192.0.2.0/24"]},
            "to": {"namespaces": ["shop"]},
        }
    )
    assert found == [
        {
            "endpointSelector": pods("shop"),
            "ingress": [{"fromEntities": ["world"]}, {"fromCIDRSet": [{"cidr": "192.0.2.0/24"}]}],
        }
    ]


def test_internet_is_public_addresses_alone() -> None:
    (spec,) = specs_of({"name": "x", "from": {"namespaces": ["shop"]}, "to": {"entities": ["internet"]}})
    blocks = {one["cidr"]: one["except"] for one in spec["egress"][0]["toCIDRSet"]}
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} < set(blocks["0.0.0.0/0"])
    assert {"fc00::/7", "fe80::/10"} < set(blocks["::/0"])


def test_names_are_seen_where_they_are_asked_for() -> None:
    (spec,) = specs_of(
        {
            "name": "x",
            "from": {"namespaces": ["shop"]},
            "to": {"hosts": ["registry.example.org", "*.example.net"]},
            "ports": [443],
        }
    )
    assert spec["egress"][0] == {
        "toFQDNs": [{"matchName": "registry.example.org"}, {"matchPattern": "*.example.net"}],
        "toPorts": [{"ports": [{"port": "443", "protocol": "TCP"}]}],
    }
    assert spec["egress"][1]["toPorts"][0]["rules"] == {"dns": [{"matchPattern": "*"}]}


def denying(mode: str) -> dict[str, dict[str, bool]]:
    """By object, whether it isolates."""
    return {
        one["metadata"]["name"]: dict(spec["enableDefaultDeny"])
        for one in policies.plan(mode, read({"name": "a", "within": ["shop"]}))
        for spec in one["specs"]
    }


def test_report_and_enforce_differ_by_one_object() -> None:
    report, enforce = denying("report"), denying("enforce")
    assert list(report) == [
        "baseline-kubernetes",
        "opening-dns",
        "opening-api-server",
        "opening-a",
        "baseline",
    ]
    assert enforce == {**report, "baseline": {"ingress": True, "egress": True}}
    assert not any(value for one in report.values() for value in one.values())
    assert policies.plan("off", ()) == []


def test_every_pod_has_rules_in_both_directions_that_name_nobody() -> None:
    baseline = policies.plan("report", ())[-1]
    assert baseline["specs"][0]["endpointSelector"] == EVERY
    assert (baseline["specs"][0]["ingress"], baseline["specs"][0]["egress"]) == ([{}], [{}])


def test_openings_of_every_cluster_can_be_replaced() -> None:
    own = read(
        {
            "name": "dns",
            "from": {"namespaces": ["shop"]},
            "to": {"namespaces": ["kube-system"]},
            "ports": ["53/UDP"],
        }
    )
    assert [one.name for one in policies.effective(own)] == ["api-server", "dns"]
    assert policies.effective(own)[1] == own[0]


def test_namespaces_that_do_not_exist_are_told() -> None:
    found = read({"name": "a", "within": ["shop", "till"]}, {"name": "b", "within": ["shop"]})
    assert policies.missing(found, {"kube-system", "shop"}) == {"a": ("till",)}


@pytest.mark.parametrize(("mode", "isolated"), [("report", False), ("enforce", True)])
def test_cis_audit_knows_whether_the_baseline_isolates(mode: str, isolated: bool) -> None:
    """Check 5.3.2 asks for policies in every namespace."""
    snapshot = Snapshot(
        objects={
            "namespaces": ({"metadata": {"name": "shop"}},),
            "ciliumclusterwidenetworkpolicies.cilium.io": tuple(policies.plan(mode, ())),
        }
    )
    found = network.policies(snapshot)["shop"]
    assert any(isolates and not opens for _subject, isolates, opens in found) is isolated
    assert not any(opens for _subject, _isolates, opens in found)
