# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The report as a textfile for the node exporter of Prometheus."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import (
    ERROR,
    EXEMPT,
    FAIL,
    MANUAL,
    NOT_APPLICABLE,
    PASS,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report.model import (
    Report,
    counts,
    score,
)

#: Values of C(k8s_cis_check_status).
VALUES: t.Mapping[str, int] = {PASS: 1, FAIL: 0, EXEMPT: 2, MANUAL: 3, NOT_APPLICABLE: 4, ERROR: -1}


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _sample(name: str, labels: t.Mapping[str, str], value: float) -> str:
    inner = ",".join(f'{key}="{_escape(text)}"' for key, text in labels.items())
    return f"{name}{{{inner}}} {value:.15g}\n"


def _family(name: str, text: str) -> str:
    return f"# HELP {name} {text}\n# TYPE {name} gauge\n"


def _midnight_after(day: datetime.date) -> float:
    """The end of a day, in UTC: an exemption is valid on its last day."""
    start = datetime.datetime(day.year, day.month, day.day, tzinfo=datetime.UTC)
    return start.timestamp() + 24 * 3600


def render(report: Report) -> t.Iterator[str]:
    """The file, in pieces."""
    base = {"cluster": report.cluster, "profile": report.profile.name}
    name = "k8s_cis_check_status"
    meaning = ", ".join(f"{value} {status}" for status, value in VALUES.items())
    yield _family(
        name, f"Verdict on one check of the CIS benchmark; the cluster as a whole has no node: {meaning}."
    )
    for row in report.rows:
        labels = {
            "cluster": report.cluster,
            "node": row.host,
            "profile": report.profile.name,
            "check_id": row.check,
            "level": str(report.checks[row.check].level),
        }
        yield _sample(name, labels, VALUES[row.status])
    name = "k8s_cis_checks"
    yield _family(name, "Number of verdicts, one check on one node each, by status and level.")
    levels: dict[str, list[str]] = {}
    for row in report.rows:
        levels.setdefault(str(report.checks[row.check].level), []).append(row.status)
    for level in sorted(levels):
        for status, number in counts(levels[level]).items():
            yield _sample(name, {**base, "level": level, "status": status}, number)
    total = score(counts(row.status for row in report.rows))
    if total is not None:
        name = "k8s_cis_score_ratio"
        yield _family(name, "Share of passes among passes, failures and errors.")
        yield _sample(name, base, total / 100)
    name = "k8s_cis_host_audited"
    yield _family(name, "Whether a host could be audited; the cluster as a whole has no node.")
    for place in report.places:
        yield _sample(name, {"cluster": report.cluster, "node": place.name}, 0 if place.problem else 1)
    dated = [use for use in report.exemptions if use.entry.expires is not None]
    if dated:
        name = "k8s_cis_exemption_expiry_timestamp_seconds"
        yield _family(name, "When an exemption ends, in seconds since 1970.")
        for use in dated:
            labels = {**base, "check_id": use.entry.id, "owner": use.entry.owner, "exemption": use.entry.key}
            if use.entry.expires is not None:
                yield _sample(name, labels, _midnight_after(use.entry.expires))
    name = "k8s_cis_last_scan_timestamp_seconds"
    yield _family(name, "When the cluster was audited, in seconds since 1970.")
    yield _sample(name, base, report.time.timestamp())
