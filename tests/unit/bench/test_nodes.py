# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated nodes of the benchmark, and how its figures grow."""

from __future__ import annotations

import ipaddress

import pytest
import yaml

from tests.bench import nodes
from tests.bench.report import Phase


def test_every_simulated_host_has_a_name_and_an_address_of_its_own() -> None:
    found = nodes.simulated(997)
    assert len(found) == len(set(found.values())) == 997
    network = ipaddress.IPv4Network("198.18.0.0/15")
    for name, address in found.items():
        node = nodes.node_object(name, address)
        assert ipaddress.ip_address(address) in network
        assert ipaddress.IPv4Network(node["spec"]["podCIDR"]).subnet_of(network)
        assert "kubernetes.io/os" not in node["metadata"]["labels"]
    ranges = {nodes.node_object(name, address)["spec"]["podCIDR"] for name, address in found.items()}
    assert len(ranges) == 997
    assert len(yaml.safe_load(nodes.inventory_of(found))["worker"]["hosts"]) == 997


def phase(name: str, seconds: float) -> Phase:
    return Phase(name, "site", 1, seconds, 0, {}, 0, 0, 0, 0, {}, {}, {})


@pytest.mark.parametrize(
    ("found", "ratios"),
    [
        ((), {}),
        ((("add 3", 20.0), ("add 3", 10.0), ("add 1000", 12.0), ("remove 3", 1.0)), {3: 1.0, 1000: 1.2}),
        ((("add 200", 8.0), ("add 3", 10.0)), {3: 1.0, 200: 0.8}),
    ],
)
def test_growth(found: tuple[tuple[str, float], ...], ratios: dict[int, float]) -> None:
    assert nodes.growth([phase(*item) for item in found], "add") == pytest.approx(ratios)
