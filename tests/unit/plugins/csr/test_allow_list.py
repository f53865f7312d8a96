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
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._csr import allow_list

Entry = dict[str, t.Any]


def entry(host: str, *addresses: str, names: t.Sequence[str] = ()) -> Entry:
    return {"host": host, "addresses": list(addresses), "names": list(names)}


def seen(name: str, address: str) -> Entry:
    return {"node_name": name, "address": address, "more": {"of": "node_info"}}


W1 = seen("w1", "192.0.2.21")


def nodes(known: Entry, **more: t.Any) -> dict[str, Entry]:
    """As the filter calls it."""
    empty: Entry = {part: {} for part in ("names", "addresses", "connections", "extra", "previous")}
    given = {**empty, "api": None, "control_planes": (), **more}
    inventory = allow_list.Inventory(
        tuple(known),
        given["names"],
        given["addresses"],
        given["connections"],
        frozenset(given["control_planes"]),
        given["extra"],
    )
    return allow_list.serving_nodes(inventory, known, given["previous"], given["api"])


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
        "w1": entry("h1", "192.0.2.21", "192.0.2.99"),
        "w3": entry("h3", "192.0.2.23"),
    }
    assert nodes({"h1": W1, "h2": {}}, previous=previous) == {
        "w1": entry("h1", "192.0.2.21"),
        "w2": entry("h2", "192.0.2.22"),
    }, "w1 is known better now, and h3 is no longer in the inventory"


def test_a_renamed_node_leaves_nothing_behind() -> None:
    previous = {"old": entry("h1", "192.0.2.21")}
    assert nodes({"h1": W1}, names={"h1": "w1"}, previous=previous) == {"w1": entry("h1", "192.0.2.21")}


PIN = {"w1": entry("h1", "192.0.2.21", "fd00::21")}
#: Another address or name than before, in which the inventory has no word.
CHANGED: dict[str, tuple[Entry, str]] = {
    "address": (
        seen("w1", "192.0.2.29"),
        "Host h1: the node address 192.0.2.29, which the host reports; expected 192.0.2.21, fd00::21,",
    ),
    "name": (seen("w9", "192.0.2.21"), "Host h1: the node name w9, which the host reports; expected w1,"),
}


@pytest.mark.parametrize(("facts", "says"), CHANGED.values(), ids=CHANGED.keys())
def test_a_host_cannot_change_what_it_joined_with(facts: Entry, says: str) -> None:
    with pytest.raises(plan.InventoryError, match=says) as caught:
        nodes({"h1": facts}, previous=PIN)
    assert "set cluster_node_" in str(caught.value) and "reset the host" in str(caught.value)


def test_what_it_joined_with_stays() -> None:
    assert nodes({"h1": W1}, previous=PIN) == {"w1": entry("h1", "192.0.2.21")}
    assert nodes({"h1": seen("w1", "FD00:0::21")}, previous=PIN) == {"w1": entry("h1", "FD00:0::21")}


def test_the_operator_changes_it_in_the_inventory() -> None:
    moved = seen("w9", "192.0.2.29")
    wanted = {"w9": entry("h1", "192.0.2.29")}
    given = {"names": {"h1": "w9"}, "addresses": {"h1": "192.0.2.29"}}
    assert nodes({"h1": moved}, previous=PIN, **given) == wanted
    # An address to connect to and the name of the host are the inventory's words as well.
    assert nodes({"h1": seen("w1", "192.0.2.29")}, previous=PIN, connections={"h1": "192.0.2.29"}) == {
        "w1": entry("h1", "192.0.2.29")
    }
    assert nodes({"W9": moved}, previous={"w1": entry("W9", "192.0.2.29")}) == {
        "w9": entry("W9", "192.0.2.29")
    }


def test_a_removed_host_has_no_pin_left() -> None:
    without = nodes({}, previous=PIN)
    assert without == {}
    assert nodes({"h1": seen("w9", "192.0.2.29")}, previous=without) == {"w9": entry("h1", "192.0.2.29")}


@pytest.mark.parametrize("facts", [seen("w1", "192.0.2.11"), seen("cp1", "192.0.2.21")])
def test_a_joining_host_cannot_take_what_the_inventory_has_for_another(facts: Entry) -> None:
    """Also when that other host was not observed, and is not in the list."""
    with pytest.raises(plan.InventoryError, match="which the inventory has for the host cp1"):
        nodes({"h1": facts, "cp1": {}}, connections={"cp1": "192.0.2.11", "h1": "192.0.2.21"})


API = allow_list.api_server(
    "API.example.org:6443",
    ["192.0.2.10", "Other.example.org"],
    "10.96.0.0/16, fd00:96::/108",
    "k8s.example.org",
)
#: What only the API server may have a certificate for: name or address, and why.
RESERVED = {
    "api.example.org": "cluster_endpoint",
    "other.example.org": "control_plane_cert_sans",
    "192.0.2.10": "control_plane_cert_sans",
    "10.96.0.1": "10.96.0.0/16",
    "10.96.255.255": "10.96.0.0/16",
    "fd00:96::1": "fd00:96::/108",
    "kubernetes": "no node",
    "kubernetes.default": "no node",
    "kubernetes.default.svc": "no node",
    "kubernetes.default.svc.k8s.example.org": "no node",
    "kubernetes.example.org": "no node",
    "metrics.kube-system.svc": "no node",
    "w1.k8s.example.org": "cluster_dns_domain",
    "localhost": "no node",
    "localhost.localdomain": "no node",
    "w1.localhost": "no node",
    "localhost6": "no node",
    "ip6-loopback": "no node",
    "127.0.0.1": "by which others reach it",
    "127.8.9.1": "by which others reach it",
    "::1": "by which others reach it",
    "0.0.0.0": "by which others reach it",  # noqa: S104
    "::": "by which others reach it",
    "169.254.169.254": "by which others reach it",
    "fe80::1": "by which others reach it",
    "224.0.0.1": "by which others reach it",
    "ff02::1": "by which others reach it",
    "255.255.255.255": "by which others reach it",
    "240.0.0.1": "by which others reach it",
    "::ffff:10.96.0.1": "by which others reach it",
}


@pytest.mark.parametrize(("one", "says"), RESERVED.items(), ids=RESERVED.keys())
def test_what_belongs_to_the_api_server_is_never_allowed(one: str, says: str) -> None:
    """Neither for what a host says of itself, nor for what the inventory says, nor from an older list."""
    is_address = ":" in one or one[0].isdigit()
    facts = seen("w1", one) if is_address else seen(one, "192.0.2.21")
    own = {"addresses": [one]} if is_address else {"names": [one]}
    older = {"w1": {**entry("h1", "192.0.2.21"), **own}} if is_address else {one: entry("h1", "192.0.2.21")}
    for known, more in (
        ({"h1": facts}, {}),
        ({"h1": W1}, {"extra": {"w1": own}}),
        ({"h1": {}}, {"previous": older}),
        ({"h1": W1}, {"addresses": {"h1": one}} if is_address else {"names": {"h1": one}}),
    ):
        with pytest.raises(plan.InventoryError, match=says):
            nodes(known, api=API, **more)


def test_a_control_plane_may_be_the_endpoint() -> None:
    """Of a cluster with one, clients may use its address, and it has the API server's key anyway."""
    api = allow_list.api_server("192.0.2.11:6443", ["cp1"], "10.96.0.0/16", "")
    cp1 = seen("cp1", "192.0.2.11")
    assert nodes({"h1": cp1}, api=api, control_planes=["h1"]) == {"cp1": entry("h1", "192.0.2.11")}
    with pytest.raises(plan.InventoryError, match="impersonate the API server"):
        nodes({"h1": cp1}, api=api)
    with pytest.raises(plan.InventoryError, match="cluster_service_cidr"):
        nodes({"h1": seen("cp1", "10.96.0.1")}, api=api, control_planes=["h1"])


def test_nodes_may_be_called_after_kubernetes() -> None:
    assert "kubernetes-1" in nodes({"h1": seen("kubernetes-1", "192.0.2.21")}, api=API)


@pytest.mark.parametrize(
    ("endpoint", "name"),
    [
        ("api:6443", "api"),
        ("[FD00::0:1]:6443", "fd00::1"),
        ("192.0.2.1:6443", "192.0.2.1"),
        ("", ""),
        ("api", "api"),
    ],
)
def test_endpoints(endpoint: str, name: str) -> None:
    assert allow_list.api_server(endpoint, [], "", "").names == frozenset({name} - {""})


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
