# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections import Counter

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis import model
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark import catalogue
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark.catalogue import CHECKS
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark.check import (
    AUTOMATED,
    HOST_COMPONENTS,
    MANUAL,
    RISKS,
    Check,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark.profiles import (
    DEFAULT,
    PROFILES,
)

#: Numbers of checks by part of the benchmark.
PARTS = {
    "1.1": 21,
    "1.2": 30,
    "1.3": 7,
    "1.4": 2,
    "2": 7,
    "3.1": 3,
    "3.2": 2,
    "4.1": 10,
    "4.2": 14,
    "4.3": 1,
    "5.1": 13,
    "5.2": 12,
    "5.3": 2,
    "5.4": 2,
    "5.5": 1,
    "5.6": 4,
}
LEVEL_2 = {
    "1.2": ["1.2.12", "1.2.13", "1.2.14"],
    "2": ["2.7"],
    "3.2": ["3.2.2"],
    "4.2": ["4.2.8"],
    "5.2": ["5.2.7", "5.2.9"],
    "5.3": ["5.3.2"],
    "5.4": ["5.4.1", "5.4.2"],
    "5.5": ["5.5.1"],
    "5.6": ["5.6.2", "5.6.3", "5.6.4"],
}


def test_all_checks_are_there_and_in_order() -> None:
    assert Counter(check.group for check in CHECKS.values()) == PARTS
    assert sum(PARTS.values()) == len(CHECKS) == 131
    assert list(CHECKS) == sorted(CHECKS, key=model.sort_key)
    assert {check.group for check in CHECKS.values()} | set("1345") == set(catalogue.SECTIONS)


def test_levels_and_assessments_are_the_benchmarks() -> None:
    assert [check.id for check in CHECKS.values() if check.level == 2] == [
        identifier for part in LEVEL_2.values() for identifier in part
    ]
    assert {check.level for check in CHECKS.values()} == {1, 2}
    counts = Counter(check.assessment for check in CHECKS.values())
    assert counts == {AUTOMATED: 64, MANUAL: 67}
    assert {check.assessment for check in CHECKS.values() if check.section == "5"} == {MANUAL}


@pytest.mark.parametrize("check", CHECKS.values(), ids=str)
def test_every_check_is_complete(check: Check) -> None:
    assert check.component in HOST_COMPONENTS
    assert check.risk in RISKS
    assert 10 < len(check.title) <= 90 and not check.title.endswith(".")
    for text in (check.method, check.remediation):
        assert len(text) > 15 and text.endswith(".") and "  " not in text


def test_titles_are_unique() -> None:
    assert len({check.title for check in CHECKS.values()}) == 131


def test_every_check_belongs_to_a_host_component_or_to_the_cluster() -> None:
    parts = {name: {check.id for check in catalogue.of_component(name)} for name in
             ("control_plane", "etcd", "node", "cluster")}  # fmt: skip
    assert sum(map(len, parts.values())) == 131
    assert {identifier.split(".")[0] for identifier in parts["node"]} == {"4"}
    assert {identifier.rpartition(".")[0] for identifier in parts["etcd"]} == {"1.1", "2"}
    assert {identifier.rpartition(".")[0] for identifier in parts["cluster"]} == {
        "3.1", "5.1", "5.2", "5.3", "5.4", "5.5", "5.6",
    }  # fmt: skip


def test_level_of_5_2_9_differs_between_profiles() -> None:
    assert PROFILES["cis-1.12"].checks["5.2.9"].level == 1
    assert PROFILES["cis-2.0"].checks["5.2.9"].level == 2
    differing = {
        identifier
        for identifier, check in PROFILES["cis-1.12"].checks.items()
        if check != PROFILES["cis-2.0"].checks[identifier]
    }
    assert differing == {"5.2.9"}


@pytest.mark.parametrize(
    ("profile", "version", "says"),
    [
        ("cis-1.12", "1.34.2", []),
        ("cis-1.12", "v1.31.0", ["1.31.0 is outside the declared scope of benchmark 1.12.0 (1.32 to 1.34)"]),
        ("cis-2.0", "v1.34.2", []),
        ("cis-2.0", "1.35.0-rc.1", []),
        ("cis-2.0", "1.36.4", ["1.36.4 is outside the declared scope of benchmark 2.0.1 (1.34 to 1.35)"]),
        ("cis-2.0", "v1.37.0", ["1.37.0 is outside"]),
        ("cis-2.0", "1.3", ["1.3 is outside"]),
        ("cis-2.0", "", ["is not known"]),
        ("cis-2.0", "latest", ["is not known"]),
        ("cis-2.1", "1.36.4", ["provisional", "is not known here"]),
    ],
)
def test_notices(profile: str, version: str, says: list[str]) -> None:
    notices = PROFILES[profile].notices(version)
    assert len(notices) == len(says)
    assert all(words in notice for words, notice in zip(says, notices, strict=True))


@pytest.mark.parametrize(
    ("profile", "check", "basis", "expected"),
    [
        ("cis-2.0", "1.2.1", "effective", "pass"),
        ("cis-2.0", "1.2.1", "literal", "fail"),
        ("cis-2.1", "1.2.1", "literal", "pass"),
        ("cis-2.1", "1.2.6", "literal", "fail"),
    ],
)
def test_verdict_by_profile_and_basis(profile: str, check: str, basis: str, expected: str) -> None:
    assert PROFILES[profile].verdict(check, "pass", "fail", basis) == expected


def test_default_profile_exists() -> None:
    assert DEFAULT in PROFILES
