# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The report as a web page.

Without JavaScript it shows the summary, all checks, and where they fail; the script filters, searches, and renders the
evidence of a check when it is expanded, from data in the page. Nothing is fetched.
"""

from __future__ import annotations

import base64
import hashlib
import json
import typing as t
from html import escape

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import (
    ERROR,
    EXEMPT,
    FAIL,
    MANUAL,
    NOT_APPLICABLE,
    PASS,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark.catalogue import SECTIONS
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report.junit import reasons
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report.model import (
    STATUS_TITLES,
    STATUSES,
    Proof,
    Report,
    Row,
    Use,
    counts,
    summary,
    worst,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report.page import SCRIPT, STYLE

#: Marks that do not need colours.
MARKS: t.Mapping[str, str] = {
    ERROR: "!",
    FAIL: "\u2715",
    MANUAL: "?",
    EXEMPT: "\u2298",
    PASS: "\u2713",
    NOT_APPLICABLE: "\u2013",
}
#: Changes since the previous report; the data have their numbers.
CHANGES = ("", "newly failed", "fixed", "changed", "different evidence")
#: Limits without JavaScript: groups of a check, hosts of a group.
_GROUPS = 6
_HOSTS = 20
#: The digest is shortened; the JSON report has all of it.
_DIGEST = len("sha256:") + 12
_NUMBER = {status: number for number, status in enumerate(STATUSES)}

RISK_TITLES = {
    "file_mode": "changes modes or owners of files",
    "restart": "restarts a component",
    "breaking": "may break clients or workloads",
    "none": "needs your decision",
}


def _source(text: str) -> str:
    """Hash of an inline script or style for the content security policy."""
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"


def _json(value: t.Any) -> str:
    """JSON that is safe inside HTML."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _badge(status: str) -> str:
    return f'<span class="badge b-{status}">{MARKS[status]} {STATUS_TITLES[status]}</span>'


def _bar(found: t.Mapping[str, int]) -> str:
    """Shares of the statuses as a bar; the numbers are next to it."""
    total = sum(found.values())
    parts = []
    start = 0.0
    for status in (PASS, EXEMPT, NOT_APPLICABLE, MANUAL, ERROR, FAIL):
        width = 1000 * found[status] / total if total else 0
        if width:
            parts.append(f'<rect class="{status}" x="{start:.2f}" y="0" width="{width:.2f}" height="10"/>')
        start += width
    return (
        '<svg class="bar" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        f"{''.join(parts)}</svg>"
    )


def _names(names: t.Sequence[str], limit: int = _HOSTS) -> str:
    shown = ", ".join(escape(name) for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


class _Tables:
    """Texts, evidence and rows as numbers, so that the page has repeated ones once."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.strings: dict[str, int] = {}
        self.evidence: dict[tuple[int, ...], int] = {}
        self.hosts = {place.name: number for number, place in enumerate(p for p in report.places if p.name)}
        self.reasons = {key: number for number, key in enumerate(reasons(report))}
        drift = report.drift
        self.changes = {
            (change.check, change.host): number
            for number, found in enumerate((drift.failed, drift.fixed, drift.other, drift.evidence), start=1)
            for change in found
        }

    def text(self, value: str) -> int:
        """Number of a text."""
        return self.strings.setdefault(value, len(self.strings))

    def proof(self, proof: Proof) -> int:
        """Number of a piece of evidence."""
        source = f"{proof.source} ({proof.digest[:_DIGEST]}\u2026)" if proof.digest else proof.source
        item = (
            self.text(source),
            self.text(proof.key),
            self.text(proof.observed),
            self.text(proof.expected),
            _NUMBER.get(proof.status, -1),
            self.text(proof.subject),
            self.text(proof.namespace),
            self.reasons.get(proof.exempt, -1),
        )
        return self.evidence.setdefault(item, len(self.evidence))

    def row(self, row: Row) -> list[t.Any]:
        """Host, status, message, evidence, the literal verdict if it differs, change."""
        ordered = sorted(row.evidence, key=lambda proof: (proof.status != FAIL, bool(proof.exempt)))
        return [
            self.hosts.get(row.host, -1),
            _NUMBER[row.status],
            self.text(row.message),
            [self.proof(proof) for proof in ordered],
            -1 if row.literal == row.effective else _NUMBER[row.literal],
            self.changes.get((row.check, row.host), 0),
        ]


def _head(report: Report) -> str:
    policy = (
        f"default-src 'none'; style-src {_source(STYLE)}; script-src {_source(SCRIPT)}; img-src data:;"
        " base-uri 'none'; form-action 'none'"
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="color-scheme" content="light dark">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>CIS audit of {escape(report.cluster)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
    )


def _facts(report: Report, numbers: t.Mapping[str, t.Any]) -> str:
    profile = report.profile
    verdict = "effective configuration" if report.basis == "effective" else "wording of the benchmark"
    facts = [
        ("Benchmark", f"{profile.benchmark} (profile {profile.name})"),
        ("Kubernetes", report.kubernetes_version or "unknown"),
        ("Hosts", str(numbers["hosts"])),
        ("Verdict on", verdict),
        ("Audited", f"{report.time:%Y-%m-%d %H:%M} UTC"),
    ]
    return "".join(f"<span>{name} <b>{escape(value)}</b></span>" for name, value in facts)


def _list(title: str, texts: t.Sequence[str]) -> str:
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f'<section class="box notice"><h3>{title}</h3><ul>{items}</ul></section>\n' if texts else ""


def _folded(title: str, texts: t.Sequence[str]) -> str:
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    summary_line = f"<summary>{title} ({len(texts)})</summary>"
    return f'<details class="box">{summary_line}<ul>{items}</ul></details>\n' if texts else ""


def _summary(numbers: t.Mapping[str, t.Any]) -> str:
    found = numbers["results"]
    score = numbers["score"]
    tiles = "".join(
        f'<span class="tile t-{status}" data-status="{status}"><b>{found[status]}</b>'
        f"{MARKS[status]} {STATUS_TITLES[status]}</span>"
        for status in STATUSES
    )
    levels = "; ".join(
        f"level {level}: {group[PASS]} pass, {group[FAIL]} fail, {group[ERROR]} error"
        for level, group in numbers["levels"].items()
    )
    shown = "\u2013" if score is None else f"{score:g}\u2009%"
    return (
        '<section class="box" aria-label="Summary"><div class="sum">'
        f'<div><div class="score">{shown}</div><div class="dim">of decided results pass</div></div>'
        f'<div><div class="tiles">{tiles}</div><p>{_bar(found)}</p><p class="dim">{levels}</p></div>'
        "</div></section>\n"
    )


def _drift(report: Report) -> str:
    drift = report.drift
    if drift.note or not drift.since:
        return f'<p class="dim">{escape(drift.note or "There is no previous report to compare with.")}</p>\n'
    numbers = drift.counts()
    names = {
        "newly_failed": "newly failed",
        "fixed": "fixed",
        "other": "other changes",
        "changed_evidence": "with different evidence",
        "new_hosts": "new hosts",
        "gone_hosts": "removed hosts",
    }
    line = ", ".join(f"<b>{number}</b> {names[name]}" for name, number in numbers.items() if number)
    hosts = "".join(
        f"<p>{title}: {_names(found)}</p>"
        for title, found in (("New hosts", drift.new_hosts), ("Removed hosts", drift.gone_hosts))
        if found
    )
    listed = "".join(
        f"<li>{_badge(change.after)} {escape(change.check)} {escape(report.checks[change.check].title)}"
        f' <span class="dim">{escape(report.place_title(change.host))}, was {STATUS_TITLES.get(change.before, "?")}'
        "</span></li>"
        for change in drift.failed[:_HOSTS]
    )
    more = len(drift.failed) - _HOSTS
    rest = f"<li>and {more} more</li>" if more > 0 else ""
    title = f'Since {escape(drift.since)}: <span class="plain">{line or "nothing changed"}</span>'
    if not listed and not hosts:
        return f'<p class="box">{title}</p>\n'
    return f'<details class="box"><summary>{title}</summary><ul>{listed}{rest}</ul>{hosts}</details>\n'


def _hosts(report: Report) -> str:
    rows = []
    by_place = report.by_place()
    ordered = sorted(
        report.places,
        key=lambda place: -sum(row.status in (FAIL, ERROR) for row in by_place[place.name]),
    )
    numbers = {place.name: number for number, place in enumerate(p for p in report.places if p.name)}
    for place in ordered:
        found = counts(row.status for row in by_place[place.name])
        cells = "".join(f'<td class="n">{found[status]}</td>' for status in STATUSES)
        about = place.problem or ", ".join(name.replace("_", " ") for name in place.components)
        node = f" ({place.node})" if place.node and place.node != place.name else ""
        rows.append(
            f'<tr><td data-host="{numbers.get(place.name, -1)}">{escape(report.place_title(place.name))}</td>'
            f"<td>{escape(about + node)}</td>{cells}<td>{escape(place.time)}</td></tr>"
        )
    heads = "".join(f'<th class="n">{STATUS_TITLES[status]}</th>' for status in STATUSES)
    return (
        f'<details class="box"><summary>Hosts and cluster ({len(report.places)})</summary><div class="scroll"><table>'
        f"<thead><tr><th>Host</th><th>Audited as</th>{heads}<th>Time</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div></details>\n"
    )


def _decision(use: Use) -> str:
    entry = use.entry
    scope = "; ".join(
        f"{name}: {', '.join(globs)}"
        for name in ("hosts", "namespaces", "subjects")
        for globs in [getattr(entry, name, ())]
        if globs
    )
    reason = getattr(entry, "reason", "") or getattr(entry, "statement", "")
    cells = (
        entry.id,
        reason,
        entry.owner,
        entry.expires.isoformat() if entry.expires else "reviewed with each release",
        scope or "everywhere",
        f"{use.state} ({use.count})" if use.count else use.state,
    )
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def _decisions(title: str, uses: t.Sequence[Use]) -> str:
    if not uses:
        return ""
    heads = "".join(f"<th>{name}</th>" for name in ("Check", "Reason", "Owner", "Until", "Scope", "State"))
    return (
        f'<details class="box"><summary>{title} ({len(uses)})</summary><div class="scroll"><table>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(_decision(use) for use in uses)}</tbody></table></div>"
        "</details>\n"
    )


def _options(values: t.Iterable[tuple[str, str]]) -> str:
    return "".join(f'<option value="{escape(value)}">{escape(title)}</option>' for value, title in values)


def _tools(report: Report) -> str:
    groups = dict.fromkeys(check.group for check in report.checks.values())
    hosts = [place.name for place in report.places if place.name]
    return (
        '<div class="tools needs-script" id="tools" role="search" hidden>'
        '<input type="search" id="search" placeholder="Search ( / )" aria-label="Search"'
        ' title="Checks, hosts and evidence">'
        '<select id="level" aria-label="Level"><option value="">All levels</option>'
        '<option value="1">Level 1</option><option value="2">Level 2</option></select>'
        '<select id="section" aria-label="Section"><option value="">All sections</option>'
        f"{_options((group, f'{group} {SECTIONS[group]}') for group in groups)}</select>"
        '<select id="host" aria-label="Host"><option value="">All hosts</option>'
        f"{_options([('-1', report.place_title('')), *((str(n), name) for n, name in enumerate(hosts))])}</select"
        ">"
        '<label class="tick"><input type="checkbox" id="changed">changed</label>'
        '<label class="tick" title="Results with two different verdicts">'
        '<input type="checkbox" id="differs">verdicts differ</label>'
        '<button type="button" id="fold">Expand</button><button type="button" id="clear">Clear</button>'
        '<span class="count" id="count" role="status" aria-live="polite"></span></div>\n'
    )


def _static(report: Report, rows: t.Sequence[Row]) -> str:
    """A check without JavaScript: where it does not pass, and why."""
    groups: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.status not in (PASS, NOT_APPLICABLE):
            groups.setdefault((row.status, row.message), []).append(report.place_title(row.host))
    ordered = sorted(groups.items(), key=lambda item: _NUMBER[item[0][0]])
    parts = [
        f'<p>{_badge(status)} {escape(text)} <span class="dim">{_names(names)}</span></p>'
        for (status, text), names in ordered[:_GROUPS]
    ]
    if len(ordered) > _GROUPS:
        parts.append(f'<p class="dim">and {len(ordered) - _GROUPS} more; the JSON report has them.</p>')
    return f'<div class="static">{"".join(parts)}</div>'


def _check(report: Report, identifier: str, rows: t.Sequence[Row]) -> str:
    check = report.checks[identifier]
    found = counts(row.status for row in rows)
    shown = [f"{number} {STATUS_TITLES[status]}" for status, number in found.items() if number]
    numbers = ", ".join(shown) if len(rows) > 1 else ""
    searched = f"{check.id} {check.title} {check.method} {check.remediation} {SECTIONS[check.group]}"
    return (
        f'<details class="check" id="check-{check.id}" data-id="{check.id}" data-level="{check.level}"'
        f' data-section="{check.group}" data-text="{escape(searched)}">'
        f'<summary><span>{_badge(worst(row.status for row in rows))}</span><span class="num">{check.id}</span>'
        f'<span class="title">{escape(check.title)}</span><span class="side"><span class="numbers dim">{numbers}</span>'
        f'<span class="tag">level {check.level}</span></span></summary>'
        f'<div class="body"><dl><dt>Evaluation</dt><dd>{escape(check.method)}</dd>'
        f"<dt>Remediation</dt><dd>{escape(check.remediation)}</dd>"
        f"<dt>Risk</dt><dd>{RISK_TITLES[check.risk]}</dd></dl>{_static(report, rows)}"
        '<div class="found"></div></div></details>\n'
    )


def _checks(report: Report) -> t.Iterator[str]:
    by_check = report.by_check()
    for group in dict.fromkeys(check.group for check in report.checks.values()):
        members = [
            (name, rows) for name, rows in by_check.items() if report.checks[name].group == group and rows
        ]
        if not members:
            continue
        yield (
            f'<section class="part"><h2>{group} {escape(SECTIONS[group])}'
            f' <span class="dim">{len(members)} checks</span></h2><div class="checks">\n'
        )
        for name, rows in members:
            yield _check(report, name, rows)
        yield "</div></section>\n"


def _data(report: Report) -> t.Iterator[str]:
    """Data for the script; texts come last, when all are known."""
    tables = _Tables(report)
    yield '<script type="application/json" id="data">{"rows":{'
    separator = ""
    for identifier, rows in report.by_check().items():
        yield f"{separator}{_json(identifier)}:{_json([tables.row(row) for row in rows])}"
        separator = ",\n"
    drift = report.drift
    rest = {
        "evidence": list(tables.evidence),
        "strings": list(tables.strings),
        "hosts": list(tables.hosts),
        "cluster": report.place_title(""),
        "statuses": STATUSES,
        "titles": [STATUS_TITLES[status] for status in STATUSES],
        "marks": [MARKS[status] for status in STATUSES],
        "changes": CHANGES,
        "drift": bool(drift.since),
        "reasons": list(reasons(report).values()),
    }
    yield "},\n" + _json(rest)[1:] + "</script>\n"


def render(report: Report) -> t.Iterator[str]:
    """The file, in pieces."""
    numbers = summary(report)
    yield _head(report)
    yield (
        f'<div class="wrap"><header class="top"><h1>CIS audit of {escape(report.cluster)}</h1>'
        '<button type="button" class="icon needs-script" id="theme" hidden>Light / dark</button></header>\n'
        f'<div class="facts">{_facts(report, numbers)}</div>\n'
    )
    yield _list("Read this first", report.notices)
    yield _summary(numbers)
    yield _drift(report)
    yield _hosts(report)
    yield _decisions("Exemptions", report.exemptions)
    yield _decisions("Attestations", report.attestations)
    yield _folded("Warnings", report.warnings)
    yield '<noscript><p class="dim">Search, filters and evidence need JavaScript.</p></noscript>\n'
    yield _tools(report)
    yield "<main>\n"
    yield from _checks(report)
    yield '<p class="none" id="none" hidden>Nothing matches.</p>\n</main>\n'
    yield (
        "<footer>Generated by the playbook cis of baremetal.kubernetes"
        f"{escape(' ' + report.tool_version) if report.tool_version else ''}. Ids are those of the CIS Kubernetes"
        " Benchmark, all texts are the collection\u2019s own; this is not a certification.</footer>\n</div>\n"
    )
    yield from _data(report)
    yield f"<script>{SCRIPT}</script>\n</body>\n</html>\n"
