# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.conformance import listed, report
from tests.conformance.report import Result

# As Ginkgo 2.28 writes it, shortened.
JUNIT = """<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="7" disabled="0" errors="1" failures="1" time="9.5">
 <testsuite name="Kubernetes e2e suite" package="/w" tests="7" skipped="2" errors="1" failures="1" time="9.5">
  <testcase name="[SynchronizedBeforeSuite]" classname="Kubernetes e2e suite" status="passed" time="0.5"></testcase>
  <testcase name="[It] [sig-a] one should work [Conformance] [sig-a, Conformance]" status="passed" time="1.5">
   <system-err>&gt; Enter [BeforeEach]</system-err>
  </testcase>
  <testcase name="[It] [sig-a] two should [LinuxOnly] [Conformance] [sig-a, Conformance]" status="failed" time="2">
   <failure message="timed out waiting" type="failed">[FAILED] timed out waiting</failure>
  </testcase>
  <testcase name="[It] [sig-a] three [Conformance] [sig-a, Conformance]" status="panicked" time="3">
   <error message="nil map" type="panicked">Test Panicked</error>
  </testcase>
  <testcase name="[It] [sig-a] four [Conformance] [sig-a, Conformance]" status="skipped" time="0.1">
   <skipped message="skipped - Requires at least 3 nodes"></skipped>
  </testcase>
  <testcase name="[It] [sig-b] not selected [Slow] [sig-b, Slow]" status="skipped" time="0">
   <skipped message="skipped"></skipped>
  </testcase>
  <testcase name="[SynchronizedAfterSuite]" classname="Kubernetes e2e suite" status="passed" time="0"></testcase>
 </testsuite>
</testsuites>
"""
ONE, TWO = "[sig-a] one should work [Conformance]", "[sig-a] two should [LinuxOnly] [Conformance]"
THREE, FOUR = "[sig-a] three [Conformance]", "[sig-a] four [Conformance]"


def test_the_report_s_specs_are_read(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(JUNIT, encoding="utf-8")

    assert report.read(tmp_path / "junit.xml") == (
        Result(ONE, "passed", 1.5),
        Result(TWO, "failed", 2.0, "timed out waiting"),
        Result(THREE, "panicked", 3.0, "nil map"),
        Result(FOUR, "skipped", 0.1, "Requires at least 3 nodes"),
    )


def test_set_up_that_failed_is_a_failure(tmp_path: Path) -> None:
    text = JUNIT.replace('suite" status="passed" time="0.5">', 'suite" status="failed" time="0.5">')
    (tmp_path / "junit.xml").write_text(text, encoding="utf-8")

    assert report.read(tmp_path / "junit.xml")[0] == Result("[SynchronizedBeforeSuite]", "failed", 0.5)


@pytest.mark.parametrize("text", [None, "<testsuites"])
def test_a_missing_report_is_told(tmp_path: Path, text: str | None) -> None:
    if text:
        (tmp_path / "junit.xml").write_text(text, encoding="utf-8")

    with pytest.raises(report.ReportError, match="before it wrote its report"):
        report.read(tmp_path / "junit.xml")


def test_progress_counts_lines() -> None:
    lines = [
        "Running in parallel\n",
        "•\n",
        "• [FAILED] [3.2 seconds]\n",
        "  text •\n",
        "• [SLOW TEST] [9 s]\n",
    ]

    assert report.progress(lines) == report.Progress(ended=3, failed=1)


def evaluate(
    results: dict[str, str], entries: list[dict[str, Any]], images: tuple[str, ...] = (), **fields: Any
) -> report.Verdict:
    """A run's verdict, by status of each spec."""
    specs = fields.pop("specs", list(results))
    ran = [Result(spec, status, 1.0) for spec, status in results.items()]
    return report.evaluate("site", "1.36.4", 1.0, ran, specs, listed.parse(entries), images, **fields)


FAILS = {"spec": TWO, "reason": "The lab has no modules."}
WITHOUT = {"spec": THREE, "image": "r/i:1", "reason": "Nobody has it."}


def test_what_is_on_the_list_is_no_failure() -> None:
    verdict = evaluate({ONE: "passed", TWO: "failed"}, [FAILS, WITHOUT], specs=[ONE, TWO, THREE])

    assert verdict.good
    assert (len(verdict.passed), verdict.failed, verdict.obsolete) == (1, (), ())
    assert list(verdict.expected) == [TWO]
    assert list(verdict.left_out) == [THREE]


@pytest.mark.parametrize("status", ["failed", "panicked", "timedout", "interrupted", "aborted", "pending"])
def test_what_is_not_on_the_list_is_one(status: str) -> None:
    verdict = evaluate({ONE: "passed", TWO: status}, [])

    assert not verdict.good
    assert [result.spec for result in verdict.failed] == [TWO]


def test_a_spec_that_did_not_run_is_a_failure() -> None:
    verdict = evaluate({ONE: "passed"}, [], specs=[ONE, TWO])

    assert [(result.spec, result.status) for result in verdict.failed] == [(TWO, "did not run")]


def test_a_spec_may_skip_itself_and_is_named() -> None:
    verdict = evaluate({ONE: "passed", FOUR: "skipped"}, [])

    assert verdict.good
    assert [result.spec for result in verdict.skipped] == [FOUR]


@pytest.mark.parametrize(
    ("entry", "images", "whole", "message"),
    [
        ({**FAILS, "spec": ONE}, (), True, f"{ONE}: passed: {ONE}"),
        ({**FAILS, "spec": "[x] gone"}, (), True, "[x] gone: there is no such spec in 1.36.4"),
        ({**FAILS, "spec": "[x] gone"}, (), False, None),
        ({**WITHOUT, "spec": TWO}, ("r/i:1",), True, f"{TWO}: the lab has the image r/i:1"),
        ({**WITHOUT, "spec": TWO}, ("r/i:2",), True, None),
        (
            {"pattern": r"\[sig-a\] (one|two) .*", "reason": "x"},
            (),
            True,
            rf"\[sig-a\] (one|two) .*: passed: {ONE}; {TWO}",
        ),
    ],
)
def test_an_entry_that_no_longer_applies_is_a_failure(
    entry: dict[str, Any], images: tuple[str, ...], whole: bool, message: str | None
) -> None:
    # What lacks an image does not run.
    ran = (ONE,) if "image" in entry else (ONE, TWO)

    verdict = evaluate(dict.fromkeys(ran, "passed"), [entry], images, specs=[ONE, TWO], whole=whole)

    assert verdict.obsolete == ((message,) if message else ())
    assert verdict.good is (message is None)


def test_no_spec_at_all_is_no_success() -> None:
    assert not evaluate({}, []).good


def test_everything_that_did_not_pass_is_shown_by_name() -> None:
    text = io.StringIO()
    verdict = evaluate(
        {ONE: "passed", TWO: "failed", FOUR: "skipped", "[x] bad": "failed"},
        [FAILS, WITHOUT, {"spec": "[x] gone", "reason": "x"}],
        specs=[ONE, TWO, THREE, FOUR, "[x] bad"],
    )

    report.show([verdict], Console(file=text, width=100))

    shown = text.getvalue()
    for line in (
        "[x] bad: failed",
        f"{TWO}: The lab has no modules.",
        f"{THREE}: no image r/i:1: Nobody has it.",
        f"{FOUR}: skipped",
        "[x] gone: there is no such spec in 1.36.4",
    ):
        assert f"\n  {line}\n" in shown
    assert ONE not in shown
    (figures,) = report.data([verdict])
    assert (figures["passed"], figures["failed"]) == (1, {"[x] bad": ""})
