# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated nodes of the benchmark, and how its figures grow."""

from __future__ import annotations

import dataclasses
import io
import ipaddress

import pytest
import yaml
from rich.console import Console

from tests.bench import nodes, tasks
from tests.bench.report import MIB, Phase


def test_every_simulated_host_has_a_name_and_an_address_of_its_own() -> None:
    found = nodes.simulated(997)
    assert len(found) == len(set(found.values())) == 997
    network = ipaddress.IPv4Network("198.18.0.0/15")
    for name, address in found.items():
        node = nodes.node_object(name, address)
        assert ipaddress.ip_address(address) in network
        assert ipaddress.IPv4Network(node["spec"]["podCIDR"]).subnet_of(network)
        assert "kubernetes.io/os" not in node["metadata"]["labels"]
        # What the controller manager makes of a node whose kubelet is silent: nothing is left for it to change.
        assert {one["status"] for one in node["status"]["conditions"]} == {"Unknown"}
        assert {one["key"] for one in node["spec"]["taints"]} == {"node.kubernetes.io/unreachable"}
    ranges = {nodes.node_object(name, address)["spec"]["podCIDR"] for name, address in found.items()}
    assert len(ranges) == 997
    assert len(yaml.safe_load(nodes.inventory_of(found))["worker"]["hosts"]) == 997


def test_the_cluster_has_room_for_all_nodes() -> None:
    network = ipaddress.IPv4Network(nodes.POD_CIDR)
    # Preflight counts the hosts of the inventory, of which one is no node yet; each gets a /24.
    assert 2 ** (24 - network.prefixlen) > 1001
    assert not network.overlaps(ipaddress.IPv4Network("10.96.0.0/16"))


RUN = tasks.Run(56, {"w3": 49}, {}, {}, 9, 0, {"Join workers": 9.0}, ())


def phase(name: str, seconds: float, pss: int = 100 * MIB) -> Phase:
    return Phase(name, "site", 1, seconds, 5.0, {}, 0, 0.5, pss, 0, {}, {}, {}, run=RUN)


@pytest.mark.parametrize(
    ("found", "ratios"),
    [
        ((), {}),
        ((("add 3", 20.0), ("add 3", 10.0), ("add 1000", 12.0), ("remove 3", 1.0)), {3: 1.0, 1000: 1.2}),
        ((("add 200", 8.0), ("add 3", 10.0)), {3: 1.0, 200: 0.8}),
        # Another phase whose name begins alike.
        ((("add 3", 10.0), ("add, no limit, 3", 1.0), ("add, no limit, 1000", 1.0)), {3: 1.0}),
    ],
)
def test_growth(found: tuple[tuple[str, float], ...], ratios: dict[int, float]) -> None:
    phases = [phase(*item) for item in found]
    assert nodes.growth(phases, "add", lambda one: one.seconds) == pytest.approx(ratios)


def test_every_figure_has_a_target() -> None:
    phases = [phase("add 3", 10.0), phase("add 200", 11.0), phase("add 1000", 13.0, 110 * MIB)]
    found = {target.name: (target.found, target.met) for target in nodes.targets(phases)}
    assert found["add: seconds"][0] == pytest.approx(1.3)
    assert found["add: controller's memory"][0] == pytest.approx(1.1)
    assert [found[f"add: {name}"][1] for name in ("seconds", "controller's memory")] == [False, True]
    assert found["add: tasks run"] == (1.0, True)
    assert found["remove: seconds"] == (None, None)
    # One size tells nothing about growth.
    assert {target.met for target in nodes.targets(phases[:1])} == {None}


def test_shown_are_the_hosts_that_a_task_ran_on() -> None:
    console = Console(file=io.StringIO(), width=160)
    other = dataclasses.replace(
        phase("remove 3", 8.0), run=dataclasses.replace(RUN, executed={"w3": 7, "cp1": 2})
    )
    nodes.show([phase("add 3", 10.0), phase("add 1000", 13.0), other], console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    for expected in ("w3 49", "cp1 2 w3 7", "3 nodes 1.00, 1000 nodes 1.30", "missed", "not measured"):
        assert expected in text
