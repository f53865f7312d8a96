# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The report as JSON, with all details. One result is one line, for grep and diff."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report.drift import SCHEMA
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report.exemptions import Exemption
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report.model import (
    Change,
    Place,
    Report,
    Row,
    Use,
    summary,
)


def row(report: Report, item: Row) -> dict[str, t.Any]:
    """One result; C(host) is empty for the cluster."""
    time = item.time or report.timestamp
    found: dict[str, t.Any] = {
        "check": item.check,
        "host": item.host,
        "level": report.checks[item.check].level,
        "status": item.status,
        "effective": item.effective,
        "literal": item.literal,
        "message": item.message,
        "evidence": [
            {
                **{
                    name: value
                    for name, value in proof._asdict().items()
                    if value or name in ("source", "key", "observed", "expected")
                },
                "host": item.host,
                "time": time,
            }
            for proof in item.evidence
        ],
        "time": time,
        "fingerprint": item.fingerprint,
    }
    if item.exemptions:
        found["exemptions"] = list(item.exemptions)
    if item.attestation:
        found["attestation"] = item.attestation
    return found


def use(item: Use) -> dict[str, t.Any]:
    """An exemption or an attestation, and its use."""
    entry = item.entry
    found: dict[str, t.Any] = {
        "key": entry.key,
        "id": entry.id,
        "profiles": list(entry.profiles),
        "owner": entry.owner,
        "expires": entry.expires.isoformat() if entry.expires else None,
        "hosts": list(entry.hosts),
        "state": item.state,
        "count": item.count,
    }
    if isinstance(entry, Exemption):
        found.update(
            reason=entry.reason,
            namespaces=list(entry.namespaces),
            subjects=list(entry.subjects),
            shipped=entry.shipped,
        )
    else:
        found.update(statement=entry.statement)
    return found


def _place(item: Place) -> dict[str, t.Any]:
    return {
        "name": item.name,
        "node": item.node,
        "components": list(item.components),
        "time": item.time,
        "problem": item.problem,
    }


def changes(items: t.Iterable[Change]) -> list[dict[str, str]]:
    """Differences, as in the module's result."""
    return [item._asdict() for item in items]


def drift(report: Report) -> dict[str, t.Any]:
    """Differences from the previous report."""
    found = report.drift
    return {
        "since": found.since,
        "note": found.note,
        "newly_failed": changes(found.failed),
        "fixed": changes(found.fixed),
        "other": changes(found.other),
        "changed_evidence": changes(found.evidence),
        "new_hosts": list(found.new_hosts),
        "gone_hosts": list(found.gone_hosts),
    }


def head(report: Report) -> dict[str, t.Any]:
    """Everything but the results."""
    profile = report.profile
    cluster = next(place for place in report.places if not place.name)
    return {
        "schema": SCHEMA,
        "tool": {"name": "baremetal.kubernetes.cis_report", "version": report.tool_version},
        "cluster": report.cluster,
        "kubernetes_version": report.kubernetes_version,
        "time": report.timestamp,
        "profile": {
            "name": profile.name,
            "benchmark": profile.benchmark,
            "kubernetes": list(profile.kubernetes),
            "provisional": profile.provisional,
        },
        "basis": report.basis,
        "notices": list(report.notices),
        "warnings": list(report.warnings),
        "summary": summary(report),
        "drift": drift(report),
        "exemptions": [use(item) for item in report.exemptions],
        "attestations": [use(item) for item in report.attestations],
        "hosts": [_place(place) for place in report.places if place.name],
        "cluster_audit": {"time": cluster.time, "problem": cluster.problem},
        "checks": {
            check.id: {
                "title": check.title,
                "level": check.level,
                "assessment": check.assessment,
                "component": check.component,
                "method": check.method,
                "remediation": check.remediation,
                "risk": check.risk,
            }
            for check in report.checks.values()
        },
    }


def render(report: Report) -> t.Iterator[str]:
    """The file, in pieces."""
    document = json.dumps(head(report), indent=2, ensure_ascii=False)
    yield document[: document.rindex("\n}")]
    yield ',\n  "results": ['
    encode = json.JSONEncoder(ensure_ascii=False).encode
    separator = "\n    "
    for item in report.rows:
        yield separator + encode(row(report, item))
        separator = ",\n    "
    yield "\n  ]\n}\n"
