# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts have which targets, and when inventory and cluster disagree."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics import jobs, targets
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics.expected import (
    Inventory,
    Member,
    Node,
    expected,
    read_node,
)

from tests.unit.support.grafana import EXPECTED, JOBS

CP1 = Node("cp1", True, ("192.0.2.11",))
W1 = Node("w1", False, ("192.0.2.21", "2001:db8::21"))


def inventory(**values: t.Any) -> Inventory:
    return Inventory(**{"control_planes": ("cp1",), "workers": ("w1",), **values})


def test_both_agree() -> None:
    found = expected(inventory(metrics=("m1", "w1"), addresses={"m1": "192.0.2.41"}), [W1, CP1])
    assert found.disagreements == ()
    assert found.members == (
        Member("cp1", "cp1", "192.0.2.11", "control_plane"),
        Member("m1", "m1", "192.0.2.41", "metrics", True),
        Member("w1", "w1", "192.0.2.21", "worker", True),
    )


@pytest.mark.parametrize(
    ("host", "node", "known"),
    [
        ("w1", "w1", {}),
        ("W1", "w1", {}),
        ("w1.example.org", "w1", {}),
        ("w1", "w1.example.org", {}),
        ("third", "kube-3", {"addresses": {"third": "192.0.2.21"}}),
        ("third", "kube-3", {"names": {"third": "kube-3"}}),
    ],
)
def test_node_of_a_host(host: str, node: str, known: dict[str, t.Any]) -> None:
    found = expected(inventory(workers=(host,), **known), [CP1, Node(node, False, W1.addresses)])
    assert found.disagreements == ()
    assert [(member.host, member.name) for member in found.members if member.role == "worker"] == [
        (host, node)
    ]


@pytest.mark.parametrize(
    ("given", "nodes", "told"),
    [
        ({}, [CP1], "w1: the inventory has it as worker, the cluster has no node w1"),
        ({"workers": ()}, [CP1, W1], "w1: the cluster has this node, no host of the inventory is it"),
        (
            {"addresses": {"w1": "192.0.2.99"}},
            [CP1, W1],
            "w1: the inventory has the address 192.0.2.99, its node w1 has 192.0.2.21, 2001:db8::21",
        ),
        (
            {},
            [CP1, Node("w1", True, ("192.0.2.21",))],
            "w1: the inventory has it as worker, its node w1 is a control plane",
        ),
        ({}, [CP1, Node("w1", False, ())], "w1: its node w1 has no InternalIP, expected one"),
        (
            {"workers": ("w1", "w2"), "names": {"w2": "w1"}},
            [CP1, W1],
            "w2 and w1: both are the node w1",
        ),
        (
            {"metrics": ("w1.example.org",), "workers": ("other",), "names": {"other": "w1.example.org"}},
            [CP1, Node("w1.example.org", False, ("192.0.2.21",))],
            "w1.example.org: a host of the group metrics has the name of a node of another host",
        ),
    ],
)
def test_disagreement_is_named(given: dict[str, t.Any], nodes: list[Node], told: str) -> None:
    assert expected(inventory(**given), nodes).disagreements == (told,)


def test_removed_host_is_not_expected() -> None:
    """Whether its node is still there or not."""
    leaving = inventory(removed=frozenset({"w1"}))
    for nodes in ([CP1, W1], [CP1]):
        found = expected(leaving, nodes)
        assert found.disagreements == ()
        assert [member.name for member in found.members] == ["cp1"]


def test_removed_host_of_metrics_keeps_its_exporter() -> None:
    found = expected(inventory(removed=frozenset({"w1"}), metrics=("w1",)), [CP1])
    assert [(member.name, member.role) for member in found.members] == [
        ("cp1", "control_plane"),
        ("w1", "metrics"),
    ]


def test_read_node() -> None:
    node = {
        "metadata": {"name": "cp1", "labels": {"node-role.kubernetes.io/control-plane": ""}},
        "status": {
            "addresses": [
                {"type": "Hostname", "address": "cp1"},
                {"type": "InternalIP", "address": "192.0.2.11"},
            ]
        },
    }
    assert read_node(node) == CP1
    assert read_node({"metadata": {"name": "new"}}) == Node("new", False, ())


def test_pairs() -> None:
    pairs = EXPECTED.pairs(jobs.selected(["node", "kubelet", "etcd", "prometheus", "coredns"], {}))
    assert list(pairs) == [
        ("node", "cp1"),
        ("node", "m1"),
        ("node", "w1"),
        ("kubelet", "cp1"),
        ("kubelet", "w1"),
        ("etcd", "cp1"),
        ("prometheus", "m1"),
        ("coredns", ""),
    ]


def test_files() -> None:
    found = targets.files("site-a", EXPECTED, jobs.selected(["node", "apiserver", "etcd"], {"node": 9200}))
    assert json.loads(found["node"]) == [
        {
            "targets": [f"192.0.2.{last}:9200"],
            "labels": {"cluster": "site-a", "node": node, "role": role},
        }
        for node, last, role in (("cp1", 11, "control_plane"), ("m1", 41, "metrics"), ("w1", 21, "worker"))
    ]
    assert found["node"].count("\n") == 5, "one line per target"
    assert [one["targets"] for one in json.loads(found["apiserver"])] == [["192.0.2.11:6443"]]
    # A job that is not in use has an empty file, and what agents scrape or what moves has none.
    assert found["kubelet"] == "[]\n"
    assert set(found) == {
        "node",
        "kubelet",
        "cadvisor",
        "probes",
        "apiserver",
        "prometheus",
    }


def test_address_of_version_6() -> None:
    six = expected(inventory(workers=()), [Node("cp1", True, ("2001:db8::11",))])
    assert json.loads(targets.files("a", six, JOBS)["node"])[0]["targets"] == ["[2001:db8::11]:9100"]


@pytest.mark.parametrize(
    ("names", "ports", "told"),
    [
        (["nodes"], {}, "There is no job nodes"),
        (["node"], {"etcd": 2381}, "The job etcd has a port"),
        (["node"], {"node": "high"}, "The port of the job node is high"),
    ],
)
def test_jobs_are_checked(names: list[str], ports: dict[str, t.Any], told: str) -> None:
    with pytest.raises(OperatorError, match=told):
        jobs.selected(names, ports)
