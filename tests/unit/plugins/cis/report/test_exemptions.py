# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report import exemptions, shipped

GOOD = {
    "profile": "cis-2.0",
    "id": "5.2.5",
    "reason": "It measures the network of the host.",
    "owner": "Platform team",
    "expires": "2027-06-30",
}
ANSWER = {
    "id": "3.1.1",
    "statement": "People have an identity provider.",
    "owner": "Ann",
    "expires": "2027-06-30",
}


def without(entry: dict[str, Any], *fields: str) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name not in fields}


def test_valid_exemption() -> None:
    found, problems = exemptions.read_exemptions(
        [{**GOOD, "profile": ["cis-2.0", "cis-1.12"], "namespaces": "monitoring", "hosts": ["w*"]}]
    )
    assert not problems
    assert found[0].profiles == ("cis-1.12", "cis-2.0")
    assert found[0].namespaces == ("monitoring",)
    assert found[0].expires == datetime.date(2027, 6, 30)
    assert found[0].title == "of 5.2.5 (hosts w*; namespaces monitoring) by Platform team"


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (without(GOOD, "profile"), "profile is missing"),
        ({**GOOD, "profile": "cis-9"}, "there is no profile cis-9; choose from cis-1.12, cis-2.0, cis-2.1"),
        (without(GOOD, "id"), "id is missing"),
        ({**GOOD, "id": "9.9.9"}, "(9.9.9): there is no check 9.9.9 in cis-2.0"),
        ({**GOOD, "id": 2.1}, "put the id into quotes"),
        (without(GOOD, "reason"), "(5.2.5): reason is missing"),
        ({**GOOD, "reason": "  "}, "reason is missing"),
        (without(GOOD, "owner"), "owner is missing"),
        (without(GOOD, "expires"), "expires is missing"),
        ({**GOOD, "expires": "next year"}, "expires is next year, expected a date such as 2027-01-31"),
        ({**GOOD, "expires": "2027-02-30"}, "expected a date"),
        ({**GOOD, "expires": 20270101.5}, "expected a date"),
        ({**GOOD, "hosts": {"a": 1}}, "hosts must be a list of names"),
        ({**GOOD, "subjects": [""]}, "subjects must be a list of names"),
        ({**GOOD, "namespace": "x"}, "unknown fields namespace; known fields are"),
        ("5.2.5", "it is not a dictionary"),
        (None, "it is not a dictionary"),
    ],
)
def test_invalid_exemptions_are_refused(entry: Any, says: str) -> None:
    found, problems = exemptions.read_exemptions([GOOD | {"id": "1.1.1"}, entry])
    assert [item.id for item in found] == ["1.1.1"]
    assert says in " ".join(problems)
    assert all(problem.startswith("exemptions, entry 2") for problem in problems)


@pytest.mark.parametrize(
    ("other", "twin"),
    [
        (GOOD, True),
        ({**GOOD, "reason": "Another one.", "owner": "Bob", "expires": "2028-01-01"}, True),
        ({**GOOD, "profile": ["cis-1.12", "cis-2.0"]}, True),
        ({**GOOD, "profile": "cis-1.12"}, False),
        ({**GOOD, "hosts": ["w1"]}, False),
        ({**GOOD, "id": "5.2.4"}, False),
    ],
)
def test_duplicates(other: dict[str, Any], twin: bool) -> None:
    found, problems = exemptions.read_exemptions([GOOD, other])
    assert len(found) == (1 if twin else 2)
    assert ("another entry has the same id and scope" in " ".join(problems)) is twin


@pytest.mark.parametrize(
    "value", [datetime.date(2027, 6, 30), datetime.datetime(2027, 6, 30, 12, 0), "2027-06-30"], ids=str
)
def test_dates_as_yaml_parses_them(value: Any) -> None:
    found, problems = exemptions.read_exemptions([{**GOOD, "expires": value}])
    assert not problems
    assert found[0].expires == datetime.date(2027, 6, 30)


def test_valid_on_its_last_day() -> None:
    entry = exemptions.read_exemptions([GOOD])[0][0]
    assert not entry.expired(datetime.date(2027, 6, 30))
    assert entry.expired(datetime.date(2027, 7, 1))


def test_expired_exemption_is_read() -> None:
    found, problems = exemptions.read_exemptions([{**GOOD, "expires": "2001-01-01"}])
    assert not problems
    assert found[0].expired(datetime.date(2026, 1, 1))


@pytest.mark.parametrize(
    ("scope", "host", "namespace", "subject", "covered"),
    [
        ({}, "w1", "", "", True),
        ({}, "", "kube-system", "Pod/kube-system/x", True),
        ({"hosts": ["w*"]}, "w1", "", "", True),
        ({"hosts": ["w*"]}, "cp1", "", "", False),
        ({"hosts": ["cp1", "w2"]}, "w2", "", "", True),
        # The cluster is no host, and what has no namespace is in none.
        ({"hosts": ["*"]}, "", "", "", False),
        ({"namespaces": ["*"]}, "", "", "ClusterRole/x", False),
        ({"namespaces": ["kube-*"]}, "", "kube-system", "Pod/kube-system/x", True),
        ({"namespaces": ["kube-*"]}, "", "default", "Pod/default/x", False),
        ({"subjects": ["DaemonSet/*/agent"]}, "", "mon", "DaemonSet/mon/agent", True),
        ({"subjects": ["DaemonSet/*/agent"]}, "", "mon", "DaemonSet/mon/agent-2", False),
        ({"subjects": ["daemonset/*"]}, "", "mon", "DaemonSet/mon/agent", False),
        ({"subjects": ["*"]}, "w1", "", "", False),
        ({"namespaces": ["mon"], "subjects": ["Pod/*"]}, "", "mon", "DaemonSet/mon/agent", False),
    ],
)
def test_scope(scope: dict[str, Any], host: str, namespace: str, subject: str, covered: bool) -> None:
    entry = exemptions.read_exemptions([{**GOOD, **scope}])[0][0]
    assert entry.covers(host, namespace, subject) is covered


def test_keys_name_the_scope() -> None:
    one, other, same = exemptions.read_exemptions(
        [GOOD, {**GOOD, "hosts": ["w1"]}, {**GOOD, "id": "5.2.4", "reason": "x"}]
    )[0]
    assert len({one.key, other.key, same.key}) == 3
    assert exemptions.read_exemptions([{**GOOD, "reason": "Other words."}])[0][0].key == one.key


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (without(ANSWER, "statement"), "statement is missing"),
        (without(ANSWER, "expires"), "expires is missing"),
        (without(ANSWER, "owner"), "owner is missing"),
        ({**ANSWER, "id": "7.1"}, "there is no check 7.1"),
        ({**ANSWER, "profile": "x"}, "there is no profile x"),
        ({**ANSWER, "reason": "x"}, "unknown fields reason"),
    ],
)
def test_attestations(entry: dict[str, Any], says: str) -> None:
    assert exemptions.read_attestations([ANSWER])[1] == []
    found, problems = exemptions.read_attestations([entry])
    assert not found
    assert says in " ".join(problems)


def test_shipped_exemptions_are_valid() -> None:
    _found, problems = exemptions.read_exemptions(shipped.EXEMPTIONS, "shipped", shipped=True)
    assert not problems
