# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The report as OSCAL assessment results, version 1.1.3.

Each check is a finding, with an observation for all hosts with the same result. A failure is an open risk, an exemption
one with an approved deviation. UUIDs are stable from one report to the next.
"""

from __future__ import annotations

import json
import re
import typing as t
import uuid

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import (
    ERROR,
    EXEMPT,
    FAIL,
    MANUAL,
    NOT_APPLICABLE,
    PASS,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark.check import Check
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report.exemptions import Exemption
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report.junit import proof_line
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report.model import (
    STATUS_TITLES,
    Report,
    Row,
    Use,
    worst,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report.sarif import HOME

VERSION = "1.1.3"

_ROOT = uuid.uuid5(uuid.NAMESPACE_URL, HOME)
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})\Z")
#: State and reason of a finding by its worst verdict.
_STATES = {
    PASS: ("satisfied", "pass"),
    NOT_APPLICABLE: ("satisfied", "other"),
    FAIL: ("not-satisfied", "fail"),
    ERROR: ("not-satisfied", "other"),
    MANUAL: ("not-satisfied", "other"),
    EXEMPT: ("not-satisfied", "other"),
}
_REMARKS = {
    NOT_APPLICABLE: "Not applicable to this cluster.",
    ERROR: "Could not be evaluated everywhere; the observations have what was found.",
    MANUAL: "Needs a manual review; the observations say of what.",
    EXEMPT: "Fails, and is accepted by the site: the risk has the reason.",
}
#: Only failures have evidence here; the JSON report has all of it.
_WITH_EVIDENCE = (FAIL, ERROR, MANUAL, EXEMPT)


def control_id(check_id: str) -> str:
    """Id of a check as an OSCAL token."""
    return f"cis-{check_id}"


def _line(text: str) -> str:
    """Value of a property, which is one line and never empty."""
    return " ".join(text.split()) or "-"


class _Writer:
    """Parts of one document."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.rows = report.by_check()
        self.uses: dict[str, Use] = {use.entry.key: use for use in report.exemptions}

    def id(self, *names: str) -> str:
        """A UUID that is stable for the same names in this cluster."""
        return str(uuid.uuid5(_ROOT, json.dumps([self.report.cluster, self.report.profile.name, *names])))

    def subject(self, host: str) -> dict[str, str]:
        """Reference to a host or to the cluster."""
        if host:
            return {"subject-uuid": self.id("host", host), "type": "inventory-item"}
        return {"subject-uuid": self.id("cluster"), "type": "component"}

    def metadata(self) -> dict[str, t.Any]:
        """Metadata of the document."""
        report = self.report
        found: dict[str, t.Any] = {
            "title": f"CIS audit of {report.cluster} by {report.profile.name}",
            "last-modified": report.timestamp,
            "version": report.timestamp,
            "oscal-version": VERSION,
        }
        if report.notices:
            found["remarks"] = "\n\n".join(report.notices)
        return found

    def places(self) -> dict[str, t.Any]:
        """The cluster as a component, hosts as inventory items."""
        report = self.report
        found: dict[str, t.Any] = {
            "components": [
                {
                    "uuid": self.id("cluster"),
                    "type": "this-system",
                    "title": report.cluster,
                    "description": _line(
                        f"Kubernetes cluster, version {report.kubernetes_version or 'unknown'}"
                    ),
                    "status": {"state": "operational"},
                }
            ]
        }
        items = [
            {
                "uuid": self.id("host", place.name),
                "description": f"Host {place.name} of the cluster",
                "props": [
                    {"name": "asset-id", "value": _line(place.name)},
                    *({"name": "component", "value": name, "ns": HOME} for name in place.components),
                ],
                **({"remarks": place.problem} if place.problem else {}),
            }
            for place in report.places
            if place.name
        ]
        if items:
            found["inventory-items"] = items
        return found

    def observations(self, rows: t.Sequence[Row]) -> t.Iterator[dict[str, t.Any]]:
        """Observations of one check, grouped by result."""
        groups: dict[tuple[str, str], list[Row]] = {}
        for row in rows:
            groups.setdefault((row.status, row.message), []).append(row)
        for (status, message), same in groups.items():
            check = self.report.checks[same[0].check]
            times = sorted(row.time for row in same if _TIME.match(row.time))
            found: dict[str, t.Any] = {
                "uuid": self.id("observation", check.id, status, message),
                "title": f"{check.id} {check.title}: {STATUS_TITLES[status]}",
                "description": message or check.title,
                "methods": ["EXAMINE" if same[0].attestation else "TEST"],
                "types": ["finding"],
                "subjects": [self.subject(row.host) for row in same],
                "collected": times[-1] if times else self.report.timestamp,
            }
            evidence = [
                {"description": f"{self.report.place_title(row.host)}: {proof_line(proof)}"}
                for row in same
                if status in _WITH_EVIDENCE or row.attestation
                for proof in row.evidence
            ]
            if evidence:
                found["relevant-evidence"] = evidence
            yield found

    def _risk(self, check: Check, name: str, **parts: t.Any) -> dict[str, t.Any]:
        return {
            "uuid": self.id("risk", check.id, name),
            "title": f"{check.id} {check.title}",
            "description": check.title,
            **parts,
        }

    def risks(self, check: Check, rows: t.Sequence[Row]) -> t.Iterator[dict[str, t.Any]]:
        """Risks of failures, and accepted deviations."""
        for key in dict.fromkeys(key for row in rows for key in row.exemptions):
            entry = self.uses[key].entry
            reason = entry.reason if isinstance(entry, Exemption) else ""
            end = {"deadline": f"{entry.expires.isoformat()}T23:59:59Z"} if entry.expires else {}
            yield self._risk(
                check,
                key,
                statement=f"{reason} (accepted by {entry.owner})",
                status="deviation-approved",
                **end,
            )
        if any(row.status == FAIL for row in rows):
            yield self._risk(check, "open", statement=check.remediation, status="open")

    def finding(
        self,
        check: Check,
        observations: t.Sequence[t.Mapping[str, t.Any]],
        risks: t.Sequence[t.Mapping[str, t.Any]],
    ) -> dict[str, t.Any]:
        """The verdict on one check: the worst of all hosts."""
        status = worst(row.status for row in self.rows[check.id])
        state, reason = _STATES[status]
        target: dict[str, t.Any] = {"state": state, "reason": reason}
        if status in _REMARKS:
            target["remarks"] = _REMARKS[status]
        found: dict[str, t.Any] = {
            "uuid": self.id("finding", check.id),
            "title": f"{check.id} {check.title}",
            "description": check.method,
            "props": [
                {"name": "level", "value": str(check.level), "ns": HOME},
                {"name": "status", "value": status, "ns": HOME},
            ],
            "target": {"type": "objective-id", "target-id": control_id(check.id), "status": target},
            "related-observations": [{"observation-uuid": item["uuid"]} for item in observations],
        }
        if risks:
            found["related-risks"] = [{"risk-uuid": item["uuid"]} for item in risks]
        return found

    def result(self) -> dict[str, t.Any]:
        """Everything but the three long lists."""
        report = self.report
        checked = [identifier for identifier, rows in self.rows.items() if rows]
        profile = report.profile
        return {
            "uuid": self.id("result", report.timestamp),
            "title": f"CIS audit of {report.cluster}",
            "description": f"Checks of CIS Kubernetes Benchmark {profile.benchmark}, {report.basis} verdict.",
            "start": report.timestamp,
            "end": report.timestamp,
            "props": [
                {"name": "profile", "value": profile.name, "ns": HOME},
                {"name": "verdict", "value": report.basis, "ns": HOME},
            ],
            "local-definitions": self.places(),
            "reviewed-controls": {
                "control-selections": [
                    {"include-controls": [{"control-id": control_id(identifier)} for identifier in checked]}
                ]
            },
        }


def render(report: Report) -> t.Iterator[str]:
    """The file, in pieces."""
    writer = _Writer(report)
    encode = json.JSONEncoder(ensure_ascii=False).encode
    plan = writer.id("plan")
    document = {
        "uuid": writer.id("document", report.timestamp),
        "metadata": writer.metadata(),
        "import-ap": {"href": f"#{plan}"},
        "back-matter": {
            "resources": [
                {
                    "uuid": plan,
                    "title": "Assessment plan",
                    "description": f"All checks of profile {report.profile.name}; there is no separate document.",
                }
            ]
        },
    }
    yield f'{{"assessment-results": {encode(document)[:-1]},\n"results": [{encode(writer.result())[:-1]}'
    findings = []
    risks = []
    separator = ',\n"observations": [\n'
    for identifier, rows in writer.rows.items():
        if not rows:
            continue
        check = report.checks[identifier]
        observations = list(writer.observations(rows))
        yield separator + encode(observations)[1:-1]
        separator = ",\n"
        own = list(writer.risks(check, rows))
        risks += own
        findings.append(writer.finding(check, observations, own))
    yield "]"
    for name, items in (("risks", risks), ("findings", findings)):
        if items:
            yield f',\n"{name}": [\n' + ",\n".join(encode(item) for item in items) + "]"
    yield "}]}}\n"
