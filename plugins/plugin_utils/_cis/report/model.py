# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The merged report, from which every format is rendered."""

from __future__ import annotations

import datetime
import hashlib
import json
import typing as t
from collections import Counter
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import (
    ERROR,
    EXEMPT,
    FAIL,
    MANUAL,
    NOT_APPLICABLE,
    PASS,
    sort_key,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark.check import Check
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark.profiles import Profile
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report.exemptions import (
    Attestation,
    Exemption,
)

#: All statuses of a report, the most important ones first.
STATUSES = (ERROR, FAIL, MANUAL, EXEMPT, PASS, NOT_APPLICABLE)

STATUS_TITLES: t.Mapping[str, str] = {
    ERROR: "error",
    FAIL: "fail",
    MANUAL: "manual",
    EXEMPT: "exempt",
    PASS: "pass",
    NOT_APPLICABLE: "not applicable",
}


class Proof(t.NamedTuple):
    """A piece of evidence, as C(_cis.model.Evidence) describes it.

    C(exempt) is the key of the exemption that covers it, empty without one.
    """

    source: str
    key: str
    observed: str
    expected: str
    status: str = ""
    subject: str = ""
    namespace: str = ""
    digest: str = ""
    exempt: str = ""


class Row(t.NamedTuple):
    """One check on one host, or on the cluster, whose host is empty.

    C(status) is what counts; it is derived from the verdicts C(effective) and C(literal). C(attestation) is the key of
    the attestation that answered a manual check. C(fingerprint) is stable as long as the verdict and its evidence are.
    """

    check: str
    host: str
    status: str
    effective: str
    literal: str
    message: str
    time: str
    evidence: tuple[Proof, ...] = ()
    attestation: str = ""
    fingerprint: str = ""

    @property
    def exemptions(self) -> tuple[str, ...]:
        """Keys of the exemptions that cover its evidence."""
        return tuple(dict.fromkeys(proof.exempt for proof in self.evidence if proof.exempt))

    def with_fingerprint(self) -> Row:
        """The row with its fingerprint."""
        seen = sorted(
            (proof.source, proof.key, proof.observed, proof.status, proof.subject, proof.namespace)
            for proof in self.evidence
            if proof.source != ATTESTED
        )
        text = json.dumps([self.effective, self.literal, seen or self.message], ensure_ascii=True)
        return self._replace(fingerprint=hashlib.sha256(text.encode("ascii")).hexdigest()[:16])


#: Source of the evidence of an attested check.
ATTESTED = "attestation"


@dataclass(frozen=True)
class Place:
    """A host, or the cluster, as the audit found it.

    :param name: in the inventory; empty for the cluster. :param components: what it was audited as.
    :param problem: why it could not be audited, empty when it could.
    """

    name: str
    components: tuple[str, ...]
    time: str = ""
    node: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Use:
    """The use of an exemption or an attestation.

    :param state: C(used), C(unused) or C(expired).
    :param count: failures or checks that it covers, or would cover had it not expired.
    """

    entry: Exemption | Attestation
    state: str
    count: int


class Change(t.NamedTuple):
    """A difference of one check on one host."""

    check: str
    host: str
    before: str
    after: str


@dataclass(frozen=True)
class Drift:
    """Differences from the previous report.

    :param since: time of that report, empty without one. :param note: why there is none.
    :param other: changes of the verdict that are neither a new failure nor a fix.
    :param evidence: same verdict with different evidence.
    """

    since: str = ""
    note: str = ""
    failed: tuple[Change, ...] = ()
    fixed: tuple[Change, ...] = ()
    other: tuple[Change, ...] = ()
    evidence: tuple[Change, ...] = ()
    new_hosts: tuple[str, ...] = ()
    gone_hosts: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        """How many of each."""
        return {
            "newly_failed": len(self.failed),
            "fixed": len(self.fixed),
            "other": len(self.other),
            "changed_evidence": len(self.evidence),
            "new_hosts": len(self.new_hosts),
            "gone_hosts": len(self.gone_hosts),
        }


@dataclass(frozen=True)
class Report:
    """A report.

    :param rows: in the order of checks, then of hosts; the cluster's have no host.
    :param places: the hosts in the order of the inventory, then the cluster.
    :param notices: what a reader has to know first. :param warnings: what should be cleaned up.
    """

    cluster: str
    kubernetes_version: str
    profile: Profile
    basis: str
    time: datetime.datetime
    tool_version: str
    checks: t.Mapping[str, Check]
    rows: tuple[Row, ...]
    places: tuple[Place, ...]
    notices: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    exemptions: tuple[Use, ...] = ()
    attestations: tuple[Use, ...] = ()
    drift: Drift = field(default_factory=Drift)

    @property
    def timestamp(self) -> str:
        """Its time, as C(2026-11-21T20:00:00Z)."""
        return self.time.strftime("%Y-%m-%dT%H:%M:%SZ")

    def by_check(self) -> dict[str, list[Row]]:
        """Rows by check, for all checks of the profile."""
        found: dict[str, list[Row]] = {identifier: [] for identifier in self.checks}
        for row in self.rows:
            found[row.check].append(row)
        return found

    def by_place(self) -> dict[str, list[Row]]:
        """Rows by host, the cluster's under the empty name."""
        found: dict[str, list[Row]] = {place.name: [] for place in self.places}
        for row in self.rows:
            found[row.host].append(row)
        return found

    def place_title(self, name: str) -> str:
        """Title of a host or of the cluster."""
        return name or f"cluster {self.cluster}"


def worst(statuses: t.Iterable[str]) -> str:
    """The worst of several statuses: the first one in STATUSES."""
    found = set(statuses)
    return next((status for status in STATUSES if status in found), NOT_APPLICABLE)


def counts(statuses: t.Iterable[str]) -> dict[str, int]:
    """How many of each status, all of them named."""
    found = Counter(statuses)
    return {status: found[status] for status in STATUSES}


def score(found: t.Mapping[str, int]) -> float | None:
    """Percentage of passes among passes, failures and errors; C(None) when there are none."""
    decided = found[PASS] + found[FAIL] + found[ERROR]
    # Never rounded up to 100.
    return int(1000 * found[PASS] / decided) / 10 if decided else None


def summary(report: Report) -> dict[str, t.Any]:
    """Counts of results (one check on one host) and of checks (the worst of all hosts)."""
    by_check = {
        identifier: worst(row.status for row in rows)
        for identifier, rows in report.by_check().items()
        if rows
    }
    results = counts(row.status for row in report.rows)

    def group(key: t.Callable[[Check], str]) -> dict[str, dict[str, int]]:
        found: dict[str, list[str]] = {}
        for row in report.rows:
            found.setdefault(key(report.checks[row.check]), []).append(row.status)
        return {name: counts(found[name]) for name in sorted(found, key=sort_key)}

    return {
        "results": results,
        "checks": counts(by_check.values()),
        "levels": group(lambda check: str(check.level)),
        "sections": group(lambda check: check.group),
        "score": score(results),
        "hosts": sum(bool(place.name) for place in report.places),
        "hosts_not_audited": [place.name for place in report.places if place.name and place.problem],
        "cluster_audited": all(not place.problem for place in report.places if not place.name),
    }
