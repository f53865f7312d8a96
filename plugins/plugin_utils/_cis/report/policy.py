# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Which results fail the task, and its message."""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import ERROR, FAIL
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark.check import AUTOMATED
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report.model import (
    STATUS_TITLES,
    STATUSES,
    Report,
    Row,
    counts,
)

#: Lines about checks in the message of a failed run, and hosts in a line.
_LINES = 40
_HOSTS = 8


@dataclass(frozen=True)
class Policy:
    """What fails the task.

    :param levels: levels of checks that count. :param statuses: verdicts that count.
    :param threshold: number of such results that are accepted.
    :param automated_only: ignore checks that the benchmark calls manual.
    """

    levels: tuple[int, ...] = (1, 2)
    statuses: tuple[str, ...] = (FAIL, ERROR)
    threshold: int = 0
    automated_only: bool = False

    def counted(self, report: Report) -> list[Row]:
        """The results that count."""
        wanted = {
            identifier
            for identifier, check in report.checks.items()
            if check.level in self.levels and (check.assessment == AUTOMATED or not self.automated_only)
        }
        return [row for row in report.rows if row.status in self.statuses and row.check in wanted]

    def broken(self, rows: t.Sequence[Row]) -> bool:
        """Whether these are too many."""
        return len(rows) > self.threshold


def headline(report: Report, rows: t.Sequence[Row]) -> str:
    """A summary in one sentence."""
    found = counts(row.status for row in rows)
    parts = [f"{found[status]} {STATUS_TITLES[status]}" for status in STATUSES if found[status]]
    return (
        f"CIS audit of {report.cluster} by {report.profile.name}: {', '.join(parts) or 'nothing'}"
        f" of {len(report.rows)} results."
    )


def accepted(report: Report, where: str) -> str:
    """The message of an accepted report: numbers of all results.

    :param where: path of the report, empty when none was written.
    """
    return "\n".join([headline(report, report.rows), *_place(where)])


def _place(where: str) -> list[str]:
    return [f"Full report: {where}"] if where else []


def _some(names: t.Sequence[str]) -> str:
    more = f" and {len(names) - _HOSTS} more" if len(names) > _HOSTS else ""
    return ", ".join(names[:_HOSTS]) + more


def message(report: Report, rows: t.Sequence[Row], policy: Policy, where: str) -> str:
    """The message of a report that is not accepted: notices, then every check with its hosts.

    :param where: path of the report, empty when none was written.
    """
    lines = [f"{headline(report, rows)} At most {policy.threshold} are accepted."]
    lines += [f"Note: {notice}" for notice in report.notices]
    problems = {place.name: place.problem for place in report.places if place.problem}
    silent = Counter(row.host for row in rows if row.host in problems)
    lost: dict[str, list[str]] = {}
    for name in silent:
        lost.setdefault(problems[name], []).append(report.place_title(name))
    for text, names in lost.items():
        lines.append(f"  error on all checks - {_some(names)}: {text}")
    groups: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        if row.host not in problems:
            groups.setdefault((row.check, row.status, row.message), []).append(report.place_title(row.host))
    ordered = sorted(groups.items(), key=lambda item: STATUSES.index(item[0][1]))
    for (identifier, status, text), names in ordered[:_LINES]:
        check = report.checks[identifier]
        lines.append(
            f"  {STATUS_TITLES[status]} {identifier} (level {check.level}) {check.title}"
            f" - {_some(names)}: {text}"
        )
    if len(ordered) > _LINES:
        lines.append(f"  ... and {len(ordered) - _LINES} more.")
    return "\n".join([*lines, *_place(where)])
