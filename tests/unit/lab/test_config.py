# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, addresses and the hosts file."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from lab.config import (
    DEFAULT_HOSTS,
    HostSpec,
    LabError,
    Network,
    allocate,
    load_hosts,
    parse_hosts,
    settings,
)

NETWORK = Network("bmk", IPv4Network("10.61.0.0/24"))
GOOD = {"name": "cp1", "kind": "systemd", "role": "control_plane"}


def test_defaults_are_those_of_the_documentation() -> None:
    lab = settings({"HOME": "/home/x"})
    assert lab.paths.state == Path("/var/lib/bmk-lab")
    assert lab.paths.cache == Path("/home/x/.cache/bmk-lab")
    assert lab.paths.inventory == lab.paths.repo / "inventories" / "lab"
    assert (lab.network.bridge, lab.network.gateway, lab.network.mirror_name) == (
        "bmk0",
        "10.61.0.1",
        "mirror.bmk.test",
    )


def test_another_name_changes_everything_but_the_cache() -> None:
    lab = settings({"HOME": "/home/x", "BMK_LAB_NAME": "bmt", "BMK_LAB_SUBNET": "10.62.0.0/24"})
    assert lab.paths.state == Path("/var/lib/bmt-lab")
    assert lab.paths.cache == Path("/home/x/.cache/bmk-lab")
    assert lab.paths.inventory == Path("/var/lib/bmt-lab/inventory")
    assert lab.network.interface("w1") == "bmt-w1"
    assert lab.network.gateway == "10.62.0.1"


def test_directories_follow_the_environment() -> None:
    lab = settings(
        {"BMK_LAB_STATE": "/srv/a/b", "XDG_CACHE_HOME": "/srv/cache", "BMK_LAB_INVENTORY": "/srv/inv"}
    )
    assert (lab.paths.state, lab.paths.cache, lab.paths.inventory) == (
        Path("/srv/a/b"),
        Path("/srv/cache/bmk-lab"),
        Path("/srv/inv"),
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BMK_LAB_NAME", "Bmk"),
        ("BMK_LAB_NAME", "toolongname"),
        ("BMK_LAB_NAME", "a-b"),
        ("BMK_LAB_SUBNET", "10.61.0.0/28"),
        ("BMK_LAB_SUBNET", "10.61.0.1/24"),
        ("BMK_LAB_SUBNET", "8.8.8.0/24"),
        ("BMK_LAB_STATE", "/var"),
        ("BMK_LAB_STATE", "relative/path"),
        ("BMK_LAB_STATE", "/var/lib/with,comma"),
        ("BMK_LAB_STATE", "/run/lab"),
        ("BMK_LAB_CACHE", "/"),
    ],
)
def test_impossible_settings_are_refused(variable: str, value: str) -> None:
    with pytest.raises(LabError, match=variable):
        settings({variable: value})


def test_default_hosts_are_valid() -> None:
    entries = [{"name": h.name, "kind": h.kind, "role": h.role} for h in DEFAULT_HOSTS]
    assert parse_hosts(entries, NETWORK) == DEFAULT_HOSTS


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"name": "CP1"}, "lower-case"),
        ({"name": "-a"}, "lower-case"),
        ({"name": "a_b"}, "lower-case"),
        ({"name": "a.b"}, "lower-case"),
        ({"name": 7}, "lower-case"),
        ({"name": "a" * 12}, "at most 11"),
        ({"name": "mirror"}, "reserved"),
        ({"kind": "runit"}, "systemd, openrc"),
        ({"role": "master"}, "control_plane, worker"),
        ({"memory": 1}, "unknown keys memory"),
    ],
)
def test_bad_entries_are_named(change: dict[str, Any], expected: str) -> None:
    with pytest.raises(LabError, match=expected):
        parse_hosts([{**GOOD, **change}], NETWORK)


def test_longest_name_fits_the_interface() -> None:
    (spec,) = parse_hosts([{**GOOD, "name": "a" * 11}], NETWORK)
    assert len(NETWORK.interface(spec.name)) == 15


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(LabError) as caught:
        parse_hosts(
            [{**GOOD, "name": "X"}, {**GOOD, "kind": "no"}, {"name": "a"}, "cp1", GOOD, GOOD], NETWORK
        )
    message = str(caught.value)
    for part in (
        "entry 1: name",
        "entry 2: kind",
        "entry 3: missing kind, role",
        "entry 4: expected",
        "twice",
    ):
        assert part in message


def test_empty_list_is_refused() -> None:
    with pytest.raises(LabError, match="no host"):
        parse_hosts([], NETWORK)


def test_hosts_file(tmp_path: Path) -> None:
    file = tmp_path / "hosts.yml"
    file.write_text("---\nhosts:\n  - {name: n1, kind: openrc, role: worker}\n")
    assert load_hosts(file, NETWORK) == (HostSpec("n1", "openrc", "worker"),)


@pytest.mark.parametrize("text", ["[]", "hosts: {}", "nodes: []", "hosts: [", ""])
def test_hosts_file_of_another_shape(tmp_path: Path, text: str) -> None:
    file = tmp_path / "hosts.yml"
    file.write_text(text)
    with pytest.raises(LabError, match="hosts file"):
        load_hosts(file, NETWORK)


def test_missing_hosts_file(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="No such file"):
        load_hosts(tmp_path / "none.yml", NETWORK)


def test_addresses_do_not_move_when_hosts_come() -> None:
    first = allocate(["cp1", "w1"], {}, NETWORK)
    assert first == {"cp1": "10.61.0.10", "w1": "10.61.0.11"}
    second = allocate(["new", "cp1", "w1"], first, NETWORK)
    assert second == {**first, "new": "10.61.0.12"}


def test_free_addresses_are_used_again() -> None:
    assert allocate(["new"], {"w1": "10.61.0.11"}, NETWORK)["new"] == "10.61.0.10"


def test_full_subnet() -> None:
    network = Network("bmk", IPv4Network("10.61.0.0/27"))
    names = [f"n{i}" for i in range(network.capacity)]
    assert allocate(names, {}, network)[names[-1]] == "10.61.0.30"
    with pytest.raises(LabError, match="no address left"):
        allocate([*names, "more"], {}, network)
    with pytest.raises(LabError, match="do not fit"):
        parse_hosts([{**GOOD, "name": n} for n in [*names, "more"]], network)
