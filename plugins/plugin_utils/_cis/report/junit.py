# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The report as JUnit XML: one suite for each host, and one for the cluster.

A failure is a failure, an error an error; exempt, manual and not applicable results are skipped with a message.
"""

from __future__ import annotations

import typing as t
from xml.sax.saxutils import escape, quoteattr

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import (
    ERROR,
    EXEMPT,
    FAIL,
    MANUAL,
    NOT_APPLICABLE,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report.model import (
    STATUS_TITLES,
    Proof,
    Report,
    Row,
    counts,
)

_SKIPPED = (EXEMPT, MANUAL, NOT_APPLICABLE)
_ELEMENTS = {FAIL: "failure", ERROR: "error", **dict.fromkeys(_SKIPPED, "skipped")}
#: Failing evidence that a text lists.
_PROOFS = 20


def reasons(report: Report) -> dict[str, str]:
    """Text of each exemption, by its key."""
    found = {}
    for item in report.exemptions:
        reason = getattr(item.entry, "reason", "")
        until = f", until {item.entry.expires.isoformat()}" if item.entry.expires else ""
        found[item.entry.key] = f"{reason} ({item.entry.owner}{until})"
    return found


def proof_line(proof: Proof) -> str:
    """Evidence in one line."""
    where = " ".join(part for part in (proof.subject, proof.source, proof.key) if part)
    expected = f", expected {proof.expected}" if proof.expected else ""
    return f"{where}: {proof.observed or 'nothing'}{expected}{' (exempt)' if proof.exempt else ''}"


def details(row: Row, limit: int = _PROOFS) -> str:
    """Evidence, failures first."""
    ordered = sorted(row.evidence, key=lambda proof: (proof.status != FAIL, bool(proof.exempt)))
    lines = [proof_line(proof) for proof in ordered[:limit]]
    if len(ordered) > limit:
        lines.append(f"... and {len(ordered) - limit} more")
    return "\n".join(lines)


def _case(report: Report, row: Row, why: t.Mapping[str, str], suite: str) -> str:
    check = report.checks[row.check]
    name = quoteattr(f"{check.id} {check.title}")
    opening = f'    <testcase name={name} classname={quoteattr(f"{suite}.{check.group}")} time="0"'
    element = _ELEMENTS.get(row.status)
    if element is None:
        return f"{opening}/>\n"
    text = f"{STATUS_TITLES[row.status]} (level {check.level}): {row.message}"
    if row.status == EXEMPT:
        text = f"exempt: {'; '.join(why[key] for key in row.exemptions)}. {row.message}"
    body = details(row)
    if row.status == FAIL:
        body = f"{body}\nRemediation: {check.remediation}"
    kind = f" type={quoteattr(f'{report.profile.name} level {check.level}')}"
    return f"{opening}>\n      <{element}{kind} message={quoteattr(text)}>{escape(body)}</{element}>\n    </testcase>\n"


def _suite(report: Report, name: str, rows: t.Sequence[Row], why: t.Mapping[str, str]) -> t.Iterator[str]:
    found = counts(row.status for row in rows)
    title = report.place_title(name)
    skipped = sum(found[status] for status in _SKIPPED)
    yield (
        f'  <testsuite name={quoteattr(title)} tests="{len(rows)}" failures="{found[FAIL]}"'
        f' errors="{found[ERROR]}" skipped="{skipped}" time="0" hostname={quoteattr(title)}'
        f' timestamp="{report.timestamp[:-1]}">\n    <properties>\n'
    )
    facts = [
        ("profile", report.profile.name),
        ("benchmark", report.profile.benchmark),
        ("kubernetes_version", report.kubernetes_version),
        ("verdict", report.basis),
        *(("notice", notice) for notice in report.notices),
    ]
    for key, value in facts:
        yield f"      <property name={quoteattr(key)} value={quoteattr(value)}/>\n"
    yield "    </properties>\n"
    for row in rows:
        yield _case(report, row, why, title)
    yield "  </testsuite>\n"


def render(report: Report) -> t.Iterator[str]:
    """The file, in pieces."""
    found = counts(row.status for row in report.rows)
    name = quoteattr(f"CIS {report.profile.name} {report.cluster}")
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield (
        f'<testsuites name={name} tests="{len(report.rows)}" failures="{found[FAIL]}"'
        f' errors="{found[ERROR]}" time="0">\n'
    )
    why = reasons(report)
    for place, rows in report.by_place().items():
        yield from _suite(report, place, rows, why)
    yield "</testsuites>\n"
