# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences between the audit and kube-bench, which all have to be listed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import differences
from tests.differences import FAIL, PASS, SILENT, Difference

ENTRY: dict[str, Any] = {
    "id": "1.2.1",
    "places": ["site/control_plane"],
    "kube_bench": "fail",
    "status": "pass",
    "literal": "fail",
    "reason": "a reason of more than a few letters",
}


def _said(status: str, scored: bool = True, kind: str = "") -> str:
    test = {"test_number": "1.1.1", "status": status, "scored": scored, "type": kind}
    return json.dumps({"Controls": [{"tests": [{"results": [test]}]}]})


@pytest.mark.parametrize(
    ("report", "verdict"),
    [
        (_said("PASS"), PASS),
        (_said("FAIL"), FAIL),
        (_said("WARN", scored=False), FAIL),
        (_said("PASS", scored=False), PASS),
        (_said("WARN", scored=False, kind="manual"), SILENT),
    ],
)
def test_words_of_kube_bench(report: str, verdict: str) -> None:
    assert differences.kube_bench_verdicts(report) == {"1.1.1": verdict}


@pytest.mark.parametrize("report", [_said("WARN"), _said("INFO"), _said("INFO", scored=False)])
def test_other_words_are_refused(report: str) -> None:
    with pytest.raises(ValueError, match="expected PASS, FAIL or WARN"):
        differences.kube_bench_verdicts(report)


@pytest.mark.parametrize(
    ("said", "own", "differs"),
    [
        (PASS, ("pass", "pass"), False),
        (FAIL, ("fail", "fail"), False),
        (FAIL, ("pass", "fail"), True),
        (PASS, ("pass", "fail"), True),
        (PASS, ("fail", "pass"), True),
        (FAIL, ("not_applicable", "not_applicable"), True),
        (PASS, ("error", "error"), True),
        (FAIL, ("manual", "manual"), True),
        (SILENT, ("fail", "pass"), False),
    ],
)
def test_either_of_our_verdicts_may_differ(said: str, own: tuple[str, str], differs: bool) -> None:
    found = differences.compare("site/control_plane", {"1.2.1": said}, {"1.2.1": own})
    assert found == ({Difference("site/control_plane", "1.2.1", said, *own)} if differs else set())


def test_both_know_the_same_checks() -> None:
    with pytest.raises(ValueError, match=r"only one of both knows \['1\.2\.2'\]"):
        differences.compare("site/cluster", {"1.2.1": PASS, "1.2.2": PASS}, {"1.2.1": ("pass", "pass")})


def _entries(tmp_path: Path, *changes: dict[str, Any]) -> list[differences.Entry]:
    path = tmp_path / "differences.yml"
    path.write_text(yaml.safe_dump([{**ENTRY, **change} for change in changes]), encoding="utf-8")
    return differences.load(path)


def test_unlisted_and_unused_differences_are_reported(tmp_path: Path) -> None:
    entries = _entries(tmp_path, {}, {"id": "4.3.1", "places": ["stock/cluster"]})
    listed = Difference("site/control_plane", "1.2.1", "fail", "pass", "fail")
    other = Difference("site/control_plane", "1.2.2", "fail", "pass", "pass")
    assert differences.verify("site", {listed}, entries) == ""
    assert differences.verify("site", {listed, other}, entries).startswith(
        "not listed: site/control_plane 1.2.2"
    )
    assert differences.verify("site", set(), entries).startswith(
        "listed, but not found: site/control_plane 1.2.1"
    )
    # The same check with other verdicts is another difference.
    changed = Difference("site/control_plane", "1.2.1", "fail", "error", "error")
    assert len(differences.verify("site", {changed}, entries).splitlines()) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([{"reason": "because"}], "no reason"),
        ([{"places": ["site/moon"]}], "unknown"),
        ([{"places": []}], "places"),
        ([{"kube_bench": "WARN"}], "not a difference"),
        ([{"status": "fail"}], "not a difference"),
        ([{}, {}], "twice"),
        ([{"note": "more"}], "expected exactly"),
    ],
)
def test_bad_entry_is_refused(changes: list[dict[str, Any]], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        _entries(tmp_path, *changes)


def test_page_is_written_from_the_list() -> None:
    assert differences.PAGE.read_text(encoding="utf-8") == differences.page(differences.load()), (
        "run `python -m tests.differences`"
    )
