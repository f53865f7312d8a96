# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What specs came to: Ginkgo's JUnit report, compared with the list of those that are left out."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.conformance.listed import Entry, left_out

PASSED, SKIPPED = "passed", "skipped"
#: A spec's name in the report: the kind of node, its text, its labels (reporters/junit_report.go of Ginkgo 2).
_NAME = re.compile(r"\[It\] (?P<text>.*?)(?: \[[^\[\]]*\])?", re.S)
#: Characters of a failure's message that the table shows.
_MESSAGE = 300
#: How Ginkgo begins the line of a spec that has ended, and of one that has failed.
_ENDED, _FAILED = "•", "• [FAILED"


class ReportError(Exception):
    """A report is missing or not what Ginkgo writes."""


@dataclass(frozen=True)
class Result:
    """One spec.

    :param spec: its text.
    :param status: Ginkgo's word: passed, failed, skipped, timedout, panicked, interrupted, aborted, pending.
    :param seconds: how long it took.
    :param message: why it failed, or was skipped by itself.
    """

    spec: str
    status: str
    seconds: float
    message: str = ""


def read(path: Path) -> tuple[Result, ...]:
    """The specs that a report has, without those that were not selected; set-up that failed counts as a spec.

    :raises ReportError: it cannot be read.
    """
    try:
        root = ElementTree.parse(path).getroot()  # noqa: S314 - our own Ginkgo wrote it
    except (OSError, ElementTree.ParseError) as exc:
        raise ReportError(f"{path}: {exc}; Ginkgo was ended before it wrote its report") from exc
    return tuple(result for case in root.iter("testcase") if (result := _result(case)))


def _result(case: ElementTree.Element) -> Result | None:
    name, status = case.get("name", ""), case.get("status", "")
    skipped, failed = case.find("skipped"), case.find("failure")
    failed = case.find("error") if failed is None else failed
    message = next((part.get("message") or "" for part in (failed, skipped) if part is not None), "")
    match = _NAME.fullmatch(name)
    if match is None and status in (PASSED, SKIPPED):
        return None
    # Ginkgo says why when a spec skipped itself, and only "skipped" where it was not selected.
    if status == SKIPPED and message.strip() in ("", SKIPPED):
        return None
    text = match["text"] if match else name
    return Result(text, status, float(case.get("time", 0)), message.removeprefix("skipped - ").strip())


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    :param ended: specs. :param failed: of them.
    """

    ended: int
    failed: int


def progress(lines: Iterable[str]) -> Progress:
    """Count what Ginkgo has printed so far."""
    ended = [line for line in lines if line.startswith(_ENDED)]
    return Progress(len(ended), sum(line.startswith(_FAILED) for line in ended))


@dataclass(frozen=True)
class Verdict:
    """All specs of one run.

    :param cluster: key of listed.CLUSTERS.
    :param version: of Kubernetes.
    :param seconds: from start to end.
    :param passed: those that passed.
    :param failed: those that failed and are not on the list.
    :param expected: those that failed as the list says.
    :param left_out: those that did not run, by the list.
    :param skipped: those that skipped themselves, with what they said.
    :param obsolete: what is wrong with entries of the list that no longer apply.
    """

    cluster: str
    version: str
    seconds: float
    passed: tuple[Result, ...]
    failed: tuple[Result, ...]
    expected: Mapping[str, Entry]
    left_out: Mapping[str, Entry]
    skipped: tuple[Result, ...]
    obsolete: tuple[str, ...]

    @property
    def good(self) -> bool:
        return bool(self.passed) and not self.failed and not self.obsolete


def evaluate(
    cluster: str,
    version: str,
    seconds: float,
    results: Sequence[Result],
    specs: Sequence[str],
    entries: Sequence[Entry],
    images: Iterable[str],
    whole: bool = True,
) -> Verdict:
    """Compare a run with the list.

    :param specs: texts of all specs that were selected.
    :param entries: those of the list that apply to this cluster.
    :param images: references of the images that the lab has.
    :param whole: whether all conformance specs were selected, so that an entry without a spec is a mistake.
    """
    out = left_out(entries, specs)
    ran = {result.spec: result for result in results}
    missing = [Result(spec, "did not run", 0.0) for spec in specs if spec not in ran and spec not in out]
    bad = [result for result in results if result.status not in (PASSED, SKIPPED)] + missing
    expected = {
        result.spec: entry
        for result in bad
        if (entry := next((e for e in entries if not e.image and e.covers(result.spec)), None))
    }
    there = set(images)
    obsolete = [
        f"{entry.name}: the lab has the image {entry.image}" for entry in entries if entry.image in there
    ]
    for entry in entries:
        covered = [spec for spec in specs if entry.covers(spec)]
        if not covered and whole:
            obsolete.append(f"{entry.name}: there is no such spec in {version}")
        passing = [spec for spec in covered if not entry.image and spec in ran and ran[spec].status == PASSED]
        if passing:
            obsolete.append(f"{entry.name}: passed: {'; '.join(passing)}")
    return Verdict(
        cluster,
        version,
        seconds,
        tuple(result for result in results if result.status == PASSED),
        tuple(result for result in bad if result.spec not in expected),
        expected,
        out,
        tuple(result for result in results if result.status == SKIPPED),
        tuple(obsolete),
    )


def duration(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def show(verdicts: Sequence[Verdict], console: Console) -> None:
    """Print what each run came to, then each spec that did not pass."""
    table = Table(title="conformance", title_justify="left")
    for heading in ("cluster", "Kubernetes", "passed", "failed", "listed", "skipped", "time"):
        table.add_column(heading, justify="left" if heading == "cluster" else "right")
    for verdict in verdicts:
        counts = (verdict.passed, verdict.failed, (*verdict.expected, *verdict.left_out), verdict.skipped)
        table.add_row(
            verdict.cluster, verdict.version, *(str(len(part)) for part in counts), duration(verdict.seconds)
        )
    console.print(table)
    for verdict in verdicts:
        for title, lines in _sections(verdict):
            if lines:
                console.print(f"{verdict.cluster}, {title}:", markup=False, highlight=False)
            for line in lines:
                console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


def _sections(verdict: Verdict) -> Iterable[tuple[str, list[str]]]:
    yield "failed", [f"{result.spec}: {_short(result)}" for result in verdict.failed]
    yield "failed as listed", [f"{spec}: {entry.reason}" for spec, entry in verdict.expected.items()]
    yield (
        "left out",
        [f"{spec}: no image {entry.image}: {entry.reason}" for spec, entry in verdict.left_out.items()],
    )
    yield "skipped by the spec itself", [f"{result.spec}: {_short(result)}" for result in verdict.skipped]
    yield "entries of the list that no longer apply", list(verdict.obsolete)


def _short(result: Result) -> str:
    text = " ".join(result.message.split()) or result.status
    return text if len(text) <= _MESSAGE else f"{text[:_MESSAGE]} ..."


def data(verdicts: Iterable[Verdict]) -> list[dict[str, object]]:
    """The figures and names, for a file."""
    return [
        {
            "cluster": verdict.cluster,
            "kubernetes": verdict.version,
            "seconds": round(verdict.seconds),
            "passed": len(verdict.passed),
            "failed": {result.spec: result.message for result in verdict.failed},
            "expected": {spec: entry.reason for spec, entry in verdict.expected.items()},
            "left_out": {spec: entry.image for spec, entry in verdict.left_out.items()},
            "skipped": {result.spec: result.message for result in verdict.skipped},
            "obsolete": list(verdict.obsolete),
        }
        for verdict in verdicts
    ]
