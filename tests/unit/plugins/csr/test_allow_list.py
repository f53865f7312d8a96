# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The allow-list from inventories of all kinds, also in runs with --limit."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.kubernetes.plugins.filter.csr import FilterModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._csr import plan
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._csr.allow_list import serving_nodes

Entry = dict[str, t.Any]


def entry(host: str, *addresses: str, names: t.Sequence[str] = ()) -> Entry:
    return {"host": host, "addresses": list(addresses), "names": list(names)}


def seen(name: str, address: str) -> Entry:
    return {"node_name": name, "address": address, "more": {"of": "node_info"}}


W1 = seen("w1", "192.0.2.21")


def nodes(known: Entry, **more: Entry) -> dict[str, Entry]:
    empty: dict[str, Entry] = {"names": {}, "addresses": {}, "extra": {}, "previous": {}}
    return serving_nodes(known, **{**empty, **more})


def test_facts_of_hosts() -> None:
    found = nodes({"h2": seen("w2", "192.0.2.22"), "h1": W1})
    assert found == {"w1": entry("h1", "192.0.2.21"), "w2": entry("h2", "192.0.2.22")}
    assert list(found) == ["w1", "w2"]


def test_the_inventory_takes_precedence() -> None:
    found = nodes({"h1": W1}, names={"h1": "one"}, addresses={"h1": "198.51.100.1, fd00::1"})
    assert found == {"one": entry("h1", "198.51.100.1", "fd00::1")}
    assert nodes({"h1": W1}, names={"h1": ""}, addresses={"h1": None}) == {"w1": entry("h1", "192.0.2.21")}
    assert nodes({"h1": {}}, names={"h1": "w1"}, addresses={"h1": "192.0.2.21"}) == {
        "w1": entry("h1", "192.0.2.21")
    }


def test_an_unobserved_host_without_an_entry_is_left_out() -> None:
    assert nodes({"h1": W1, "h2": {}}) == {"w1": entry("h1", "192.0.2.21")}


def test_an_unobserved_host_keeps_its_entry() -> None:
    previous = {
        "w2": entry("h2", "192.0.2.22"),
        "w1": entry("h1", "192.0.2.99"),
        "w3": entry("h3", "192.0.2.23"),
    }
    assert nodes({"h1": W1, "h2": {}}, previous=previous) == {
        "w1": entry("h1", "192.0.2.21"),
        "w2": entry("h2", "192.0.2.22"),
    }, "w1 is known better now, and h3 is no longer in the inventory"


def test_a_renamed_node_leaves_nothing_behind() -> None:
    previous = {"old": entry("h1", "192.0.2.21")}
    assert nodes({"h1": W1}, previous=previous) == {"w1": entry("h1", "192.0.2.21")}


@pytest.mark.parametrize(
    "previous",
    [
        {"w2": entry("h2", "192.0.2.21")},  # its address has gone to w1
        {"w1": entry("h2", "192.0.2.22")},  # its name has gone to w1
        {"w2": entry("h2", "192.0.2.22", names=["w1"])},
    ],
)
def test_observed_hosts_take_precedence_over_the_previous_list(previous: Entry) -> None:
    assert nodes({"h1": W1, "h2": {}}, previous=previous) == {"w1": entry("h1", "192.0.2.21")}


def test_extra_nodes() -> None:
    extra = {
        "w1": {"names": ["w1.example.org"], "addresses": ["192.0.2.21", "fd00::21"]},
        "w9": {"addresses": ["192.0.2.29"]},
    }
    found = nodes({"h1": W1}, extra=extra)
    assert found["w1"] == entry("h1", "192.0.2.21", "fd00::21", names=["w1.example.org"])
    assert found["w9"] == {"addresses": ["192.0.2.29"], "names": []}
    again = nodes({"h1": {}}, extra={}, previous=found)
    assert again == {"w1": entry("h1", "192.0.2.21", "fd00::21")}, "names that are no longer given go"
    assert extra["w1"]["names"] == ["w1.example.org"], "the input stays as it was"


@pytest.mark.parametrize(
    "previous", [{"w2": None}, {"w2": {"host": "h2"}}, {"w2": {"addresses": ["192.0.2.22"]}}]
)
def test_a_damaged_list_does_no_harm(previous: Entry) -> None:
    assert nodes({"h1": W1, "h2": {}}, previous=previous)["w1"] == entry("h1", "192.0.2.21")


@pytest.mark.parametrize(
    ("known", "more", "says"),
    [
        ({"h1": W1, "h2": W1}, {}, "h1 and h2 are both the node w1"),
        ({"h1": W1, "h2": seen("w2", "192.0.2.21")}, {}, "192.0.2.21 belongs to both w1 and w2"),
        ({"h1": seen("w1", "127.0.0.1")}, {}, "by which others reach it"),
        ({"h1": seen("W1", "192.0.2.21")}, {}, "lower case"),
        ({"h1": W1}, {"extra": {"w1": {"names": ["*"]}}}, "wildcards"),
    ],
)
def test_unusable(known: Entry, more: dict[str, Entry], says: str) -> None:
    with pytest.raises(plan.InventoryError, match=says):
        nodes(known, **more)
    with pytest.raises(AnsibleFilterError, match=says):
        FilterModule().filters()["serving_nodes"](known, **more)


def test_filter() -> None:
    own = FilterModule().filters()["serving_nodes"]
    assert own({"h1": W1}) == {"w1": entry("h1", "192.0.2.21")}
    with pytest.raises(AnsibleFilterError, match="dictionaries"):
        own(["h1"])
