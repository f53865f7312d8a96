# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The report as SARIF 2.1.0: rules are checks, places are hosts, exemptions are suppressions with their reason."""

from __future__ import annotations

import hashlib
import json
import typing as t
import urllib.parse

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import (
    ERROR,
    EXEMPT,
    FAIL,
    MANUAL,
    NOT_APPLICABLE,
    PASS,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark.catalogue import SECTIONS
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark.check import Check
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report.junit import (
    details,
    proof_line,
    reasons,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report.model import Report, Row

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
HOME = "https://github.com/baremetal-kubernetes/baremetal.kubernetes"

_KINDS = {
    PASS: "pass",
    FAIL: "fail",
    EXEMPT: "fail",
    MANUAL: "review",
    NOT_APPLICABLE: "notApplicable",
    # What could not be evaluated is open.
    ERROR: "open",
}


def _rule(check: Check) -> dict[str, t.Any]:
    return {
        "id": check.id,
        "name": "".join(word.capitalize() for word in check.component.split("_"))
        + check.id.replace(".", "_"),
        "shortDescription": {"text": f"{check.title}."},
        "fullDescription": {"text": check.method},
        "help": {"text": check.remediation},
        "defaultConfiguration": {"level": "error" if check.level == 1 else "warning"},
        "properties": {
            "tags": [f"level-{check.level}", SECTIONS[check.group], check.assessment],
            "level": check.level,
            "risk": check.risk,
        },
    }


def _identity(report: Report, row: Row) -> str:
    """Stable identity of a result: the check and its host."""
    text = json.dumps([report.cluster, report.profile.name, row.check, row.host])
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _location(report: Report, row: Row) -> dict[str, t.Any]:
    title = report.place_title(row.host)
    found: dict[str, t.Any] = {
        "logicalLocations": [
            {
                "name": title,
                "fullyQualifiedName": f"{report.cluster}/{row.host}" if row.host else report.cluster,
                "kind": "host" if row.host else "cluster",
            }
        ]
    }
    ordered = sorted(row.evidence, key=lambda proof: proof.status != FAIL)
    path = next((proof.source for proof in ordered if proof.source.startswith("/") and row.host), "")
    if path and not path.startswith("/configz"):
        uri = f"file://{urllib.parse.quote(row.host, safe='')}{urllib.parse.quote(path)}"
        found["physicalLocation"] = {"artifactLocation": {"uri": uri}}
    return found


def _result(
    report: Report, row: Row, index: t.Mapping[str, int], why: t.Mapping[str, str]
) -> dict[str, t.Any]:
    check = report.checks[row.check]
    failing = row.status in (FAIL, EXEMPT)
    text = f"{report.place_title(row.host)}: {row.message or check.title}"
    if row.status == FAIL:
        text = f"{text}\n{details(row)}".rstrip()
    properties: dict[str, t.Any] = {
        "host": row.host,
        "status": row.status,
        "level": check.level,
        "effective": row.effective,
        "literal": row.literal,
        "time": row.time or report.timestamp,
    }
    if row.evidence and not failing:
        properties["evidence"] = [proof_line(proof) for proof in row.evidence]
    found: dict[str, t.Any] = {
        "ruleId": check.id,
        "ruleIndex": index[check.id],
        "kind": _KINDS[row.status],
        "level": ("error" if check.level == 1 else "warning") if failing else "none",
        "message": {"text": text},
        "locations": [_location(report, row)],
        "fingerprints": {"checkAndHost/v1": _identity(report, row)},
        "partialFingerprints": {"evidence/v1": row.fingerprint},
        "properties": properties,
    }
    if row.status == EXEMPT:
        found["suppressions"] = [
            {"kind": "external", "status": "accepted", "justification": why[key]} for key in row.exemptions
        ]
    return found


def _notifications(report: Report) -> list[dict[str, t.Any]]:
    found = [
        {"level": "error", "message": {"text": f"{report.place_title(place.name)}: {place.problem}"}}
        for place in report.places
        if place.problem
    ]
    for level, texts in (("note", report.notices), ("warning", report.warnings)):
        found += [{"level": level, "message": {"text": text}} for text in texts]
    return found


def render(report: Report) -> t.Iterator[str]:
    """The file, in pieces."""
    encode = json.JSONEncoder(ensure_ascii=False).encode
    driver: dict[str, t.Any] = {
        "name": "baremetal.kubernetes.cis",
        "informationUri": HOME,
        "rules": [_rule(check) for check in report.checks.values()],
    }
    if report.tool_version:
        driver["semanticVersion"] = report.tool_version
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"cis/{report.cluster}/{report.profile.name}/{report.timestamp}"},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": not any(place.problem for place in report.places),
                "endTimeUtc": report.timestamp,
                "toolExecutionNotifications": _notifications(report),
            }
        ],
        "properties": {
            "cluster": report.cluster,
            "profile": report.profile.name,
            "benchmark": report.profile.benchmark,
            "kubernetesVersion": report.kubernetes_version,
            "verdict": report.basis,
        },
    }
    yield f'{{"$schema": {encode(SCHEMA)}, "version": "2.1.0", "runs": [\n{encode(run)[:-1]},\n"results": ['
    index = {identifier: number for number, identifier in enumerate(report.checks)}
    why = reasons(report)
    separator = "\n"
    for rows in report.by_check().values():
        if rows:
            # All results of one check at once: creating an encoder takes longer than encoding.
            yield separator + encode([_result(report, row, index, why) for row in rows])[1:-1]
            separator = ",\n"
    yield "\n]}]}\n"
