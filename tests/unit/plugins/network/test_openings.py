# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Openings of the network baseline as an inventory has them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network import openings
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network.openings import (
    Opening,
    Others,
    Pods,
    Port,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._options import inventory, specification

SHOP = {"namespaces": ["shop"]}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {
                "name": "web",
                "from": {"namespaces": ["ingress"]},
                "to": {**SHOP, "pods": {"app": "web"}},
                "ports": [8080],
            },
            Opening(
                "web",
                Pods(("ingress",)),
                Pods(("shop",), labels=(("app", "web"),)),
                (Port(8080, 8080),),
            ),
        ),
        (
            {
                "name": "metrics",
                "from": {"namespaces": ["monitoring"]},
                "to": {"namespaces": ["*"]},
                "ports": ["9100-9200", "53/udp"],
            },
            Opening("metrics", Pods(("monitoring",)), Pods(("*",)), (Port(9100, 9200), Port(53, 53, "UDP"))),
        ),
        (
            {"name": "labelled", "from": {"namespace_labels": {"team.example.org/kind": "shop"}}, "to": SHOP},
            Opening("labelled", Pods(namespace_labels=(("team.example.org/kind", "shop"),)), Pods(("shop",))),
        ),
        ({"name": "inside", "within": ["shop", "till"]}, Opening("inside", within=("shop", "till"))),
        (
            {"name": "lan", "from": SHOP, "to": {"cidrs": ["10.0.0.0/8"], "except": ["10.1.0.0/16"]}},
            Opening("lan", Pods(("shop",)), Others(cidrs=("10.0.0.0/8",), excluded=("10.1.0.0/16",))),
        ),
        (
            {
                "name": "names",
                "from": SHOP,
                "to": {"hosts": ["registry.example.org", "*.example.net"]},
                "ports": [443],
            },
            Opening(
                "names",
                Pods(("shop",)),
                Others(hosts=("registry.example.org", "*.example.net")),
                (Port(443, 443),),
            ),
        ),
        (
            {
                "name": "front",
                "from": {"entities": ["outside"]},
                "to": {"namespaces": ["ingress"]},
                "ports": "443",
            },
            Opening("front", Others(("outside",)), Pods(("ingress",)), (Port(443, 443),)),
        ),
        (
            {
                "name": "operators",
                "from": {"pods": {"app": "operator"}},
                "to": {"entities": ["api_server", "nodes"]},
            },
            Opening("operators", Pods(labels=(("app", "operator"),)), Others(("api_server", "nodes"))),
        ),
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) else "",
)
def test_opening_is_read(given: dict[str, t.Any], expected: Opening) -> None:
    assert openings.read([given]) == openings.Reading((expected,), ())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("web", 'entry 1: is "web", expected a dictionary'),
        ({"from": SHOP, "to": SHOP}, "entry 1: its name is empty (null)"),
        ({"name": "Web", "from": SHOP, "to": SHOP}, 'its name is "Web"'),
        (
            {"name": "x", "form": SHOP, "to": SHOP},
            'has the key "form", expected name, from, to, within or ports',
        ),
        (
            {"name": "x", "from": {"namespace": ["a"]}, "to": SHOP},
            'from has the key "namespace", expected namespaces',
        ),
        ({"name": "x", "from": SHOP}, "it has no to, expected from and to, or within"),
        ({"name": "x", "from": SHOP, "to": SHOP, "within": ["a"]}, "it has within and from or to"),
        ({"name": "x", "from": SHOP, "to": {}}, "to is {}, expected a dictionary"),
        (
            {"name": "x", "from": {"namespaces": []}, "to": SHOP},
            "from.namespaces is [], expected a list of texts",
        ),
        (
            {"name": "x", "from": {"namespaces": ["A"]}, "to": SHOP},
            'from.namespaces has "A", expected a name',
        ),
        ({"name": "x", "from": {"namespaces": ["a", "*"]}, "to": SHOP}, "or '*' alone for all namespaces"),
        ({"name": "x", "within": ["*"]}, "Cilium cannot say 'the same namespace' for all of them"),
        (
            {"name": "x", "from": {"pods": {"app": 1}}, "to": SHOP},
            "from.pods has app: 1, expected the value of a label",
        ),
        ({"name": "x", "from": {"pods": {"a b": "c"}}, "to": SHOP}, 'from.pods has the key "a b"'),
        (
            {"name": "x", "from": SHOP, "to": {"cidrs": ["10.0.0.1/8"]}},
            "without host bits, such as 10.0.0.0/8",
        ),
        (
            {"name": "x", "from": SHOP, "to": {"cidrs": ["10.0.0.0/33"]}},
            "such as 192.0.2.0/24 or 192.0.2.7/32",
        ),
        ({"name": "x", "from": SHOP, "to": {"except": ["10.0.0.0/8"]}}, "to has except and no cidrs"),
        (
            {"name": "x", "from": SHOP, "to": {"cidrs": ["10.0.0.0/8"], "except": ["192.0.2.0/24"]}},
            "to.except has 192.0.2.0/24, expected a part of one of 10.0.0.0/8",
        ),
        (
            {"name": "x", "from": SHOP, "to": {"cidrs": ["10.0.0.0/8"], "except": ["fd00::/64"]}},
            "to.except has fd00::/64, expected a part of one of 10.0.0.0/8",
        ),
        (
            {"name": "x", "from": SHOP, "to": {"hosts": ["192.0.2.1"]}},
            'to.hosts has "192.0.2.1", expected a DNS name',
        ),
        ({"name": "x", "from": {"hosts": ["a.example.org"]}, "to": SHOP}, "from has hosts, expected cidrs"),
        (
            {"name": "x", "from": SHOP, "to": {"entities": ["world"]}},
            "expected api_server, nodes, outside or internet",
        ),
        (
            {"name": "x", "from": {"entities": ["api_server"]}, "to": SHOP},
            "reaches all pods without an opening",
        ),
        (
            {"name": "x", "from": {**SHOP, "cidrs": ["10.0.0.0/8"]}, "to": SHOP},
            "from has namespaces and cidrs",
        ),
        (
            {"name": "x", "from": {"cidrs": ["10.0.0.0/8"]}, "to": {"entities": ["nodes"]}},
            "neither end is pods",
        ),
        ({"name": "x", "within": ["a"], "ports": [0]}, "ports has 0"),
        ({"name": "x", "within": ["a"], "ports": ["80/ICMP"]}, 'ports has "80/ICMP"'),
        ({"name": "x", "within": ["a"], "ports": ["90-80"]}, 'ports has "90-80"'),
        ({"name": "x", "within": ["a"], "ports": [True]}, "ports has true"),
        ({"name": "x", "within": ["a"], "ports": []}, "ports is an empty list"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_opening_that_cannot_be_used_is_named(given: t.Any, expected: str) -> None:
    found = openings.read([given])
    assert not found.openings
    (problem,) = found.problems
    assert problem.startswith("network_openings, ")
    assert expected in problem


def test_all_problems_are_in_one_reading() -> None:
    found = openings.read([{"name": "a", "within": ["x"]}, {"name": "a", "within": ["y"]}, {"name": "b"}])
    assert [one.name for one in found.openings] == ["a"]
    assert found.problems == (
        "network_openings, opening a: its name is there twice, expected another one",
        "network_openings, opening b: it has no from, expected from and to, or within",
    )


def test_namespaces_that_an_opening_names() -> None:
    opening = Opening("x", Pods(("a",)), Pods(("*",)))
    assert opening.namespaces == ("a",)
    assert Opening("x", within=("a", "b")).namespaces == ("a", "b")


def test_every_playbook_refuses_openings_that_cannot_be_used() -> None:
    options = specification.load()
    values = {"network_openings": [{"name": "a", "within": ["*"]}, {"name": "b", "form": SHOP}]}
    with pytest.raises(OperatorError) as caught:
        inventory.check({"cp1": values, "w1": values}, options)
    assert "- cp1, w1: network_openings, opening a: within is" in caught.value.message
    assert "- cp1, w1: network_openings, opening b: has the key" in caught.value.message
    inventory.check({"cp1": {"network_openings": [{"name": "a", "within": ["x"], "ports": [80]}]}}, options)
