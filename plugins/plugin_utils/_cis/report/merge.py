# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Merge the results of all hosts and of the cluster into one report.

Nothing is omitted: a host that did not answer has an error for each of its checks.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections import Counter
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis import model
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import (
    ERROR,
    EXEMPT,
    FAIL,
    MANUAL,
    PASS,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark import catalogue
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark.check import (
    CLUSTER,
    CONTROL_PLANE,
    ETCD,
    NODE,
    Check,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark.profiles import (
    EFFECTIVE,
    Profile,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report.exemptions import (
    Attestation,
    Exemption,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report.model import (
    ATTESTED,
    Place,
    Proof,
    Report,
    Row,
    Use,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report.text import Cleaner

#: Components that a host may be expected to have.
COMPONENTS = (CONTROL_PLANE, ETCD, NODE)
#: Names that a notice lists; it counts the others.
_NAMES = 20
_NOTHING: t.Mapping[str, t.Any] = {}


@dataclass(frozen=True)
class Input:
    """Input of a report.

    :param hosts: registered result of C(cis_node) by host. :param expected: components by host.
    :param audit: registered result of C(cis_cluster).
    :param kubernetes_version: of the cluster; by default the one from C(cis_cluster).
    """

    hosts: t.Mapping[str, t.Any]
    expected: t.Mapping[str, t.Sequence[str]]
    audit: t.Any
    cluster: str
    profile: Profile
    time: datetime.datetime
    kubernetes_version: str = ""
    basis: str = EFFECTIVE
    tool_version: str = ""
    exemptions: t.Sequence[Exemption] = ()
    attestations: t.Sequence[Attestation] = ()


@dataclass
class _Collector:
    """Rows of all places, and unknown ids."""

    given: Input
    checks: t.Mapping[str, Check]
    clean: Cleaner = field(default_factory=Cleaner)
    rows: list[Row] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    unknown: dict[str, list[str]] = field(default_factory=dict)

    def add(self, name: str, registered: t.Any, expected: t.Sequence[str]) -> None:
        """Add the registered result of a host, or of the cluster, whose name is empty.

        :param expected: components that it is expected to have; empty for those in its result.
        """
        result = registered if isinstance(registered, dict) else _NOTHING
        problem = self._problem(registered, name)
        told = tuple(str(item) for item in result.get("components") or () if item in COMPONENTS)
        if not name:
            components: tuple[str, ...] = (CLUSTER,)
        else:
            components = tuple(expected) or told or (NODE,)
        shown = self.clean(name)
        place = Place(
            name=shown,
            components=components,
            time=self.clean(result.get("time")) if not problem else "",
            node=self.clean(result.get("node")) if not problem else "",
            problem=problem,
        )
        self.places.append(place)
        found = {} if problem else self._results(place, result)
        for component in components:
            for check in catalogue.of_component(component):
                if check.id not in found:
                    found[check.id] = self._silent(check, place, told)
        self.rows += found.values()

    def _problem(self, registered: t.Any, name: str) -> str:
        """Why there are no results, empty when there are."""
        what = "The host" if name else "The cluster"
        if registered is None:
            return f"{what} was not audited: there is no result."
        if not isinstance(registered, dict):
            return f"{what} was not audited: its result cannot be read."
        text = " ".join(model.safe_text(registered.get("msg")).split())
        because = self.clean(f": {text}" if text else ", and no reason was given.")
        if registered.get("unreachable"):
            return f"{what} could not be reached{because}"
        if registered.get("failed"):
            return f"The audit of {what.lower()} failed{because}"
        if registered.get("skipped"):
            return f"The audit of {what.lower()} was skipped{because}"
        if not isinstance(registered.get("results"), (list, tuple)):
            # A role that continues after a failure removes `failed`, but not the reason.
            return f"{what} was not audited: its result has no verdicts{because if text else '.'}"
        return ""

    def _silent(self, check: Check, place: Place, told: t.Sequence[str]) -> Row:
        """The row of a check without a result."""
        message = place.problem
        if not message:
            message = "The audit has no result for this check."
            if place.name and check.host_component not in told:
                parts = ", ".join(told) or "nothing"
                message = f"Expected {check.host_component} on this host, but the audit found {parts}."
        time = place.time or self.given.time.strftime("%Y-%m-%dT%H:%M:%SZ")
        return Row(check.id, place.name, ERROR, ERROR, ERROR, message, time)

    def _results(self, place: Place, result: t.Mapping[str, t.Any]) -> dict[str, Row]:
        """Rows of a place's results, by check."""
        found: dict[str, Row] = {}
        for item in result["results"]:
            row = self._row(place, item)
            if row is None:
                continue
            other = found.get(row.check)
            if other is not None:
                # Two verdicts on one check: the worse one, with all evidence.
                status = model.worst((other.status, row.status))
                chosen = other if other.status == status else row
                row = chosen._replace(evidence=(*other.evidence, *row.evidence))
            found[row.check] = row
        return found

    def _row(self, place: Place, item: t.Any) -> Row | None:
        """One result; C(None), and a warning, for a check that the profile does not have."""
        entry = item if isinstance(item, dict) else _NOTHING
        identifier = self.clean(entry.get("id"))
        if identifier not in self.checks:
            self.unknown.setdefault(identifier or "without an id", []).append(place.name)
            return None
        effective = str(entry.get("status"))
        literal = str(entry.get("literal") or effective)
        message = self.clean(entry.get("message"))
        if effective not in model.STATUSES or literal not in model.STATUSES:
            message = self.clean(f"The audit returned an unknown verdict: {effective}, {literal}.")
            effective = literal = ERROR
        return Row(
            check=identifier,
            host=place.name,
            status=self.given.profile.verdict(identifier, effective, literal, self.given.basis),
            effective=effective,
            literal=literal,
            message=message,
            time=place.time,
            evidence=tuple(
                self._proof(proof) for proof in entry.get("evidence") or () if isinstance(proof, dict)
            ),
        )

    def _proof(self, proof: t.Mapping[str, t.Any]) -> Proof:
        get, clean = proof.get, self.clean
        status = str(get("status") or "")
        return Proof(
            source=clean(get("source")),
            key=clean(get("key")),
            observed=clean(get("observed")),
            expected=clean(get("expected")),
            status=status if status in model.STATUSES else "",
            subject=clean(get("subject")),
            namespace=clean(get("namespace")),
            digest=clean(get("digest")),
        )


@dataclass
class _Decisions:
    """Exemptions and attestations, and how often each was used."""

    given: Input
    used: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Select those that are valid today."""
        today, name = self.given.time.date(), self.given.profile.name
        self.exemptions = [entry for entry in self.given.exemptions if name in entry.profiles]
        self.attestations = [
            entry for entry in self.given.attestations if not entry.profiles or name in entry.profiles
        ]
        self.by_check: dict[str, list[Exemption]] = {}
        # Valid ones come first: an expired one only counts what nothing else covers.
        for exemption in sorted(self.exemptions, key=lambda entry: entry.expired(today)):
            self.by_check.setdefault(exemption.id, []).append(exemption)
        self.answers: dict[str, list[Attestation]] = {}
        for attestation in sorted(self.attestations, key=lambda entry: entry.expired(today)):
            self.answers.setdefault(attestation.id, []).append(attestation)
        self.expired = {entry.key for entry in (*self.exemptions, *self.attestations) if entry.expired(today)}

    def decide(self, row: Row) -> Row:
        """The row with the decisions of the site applied."""
        if row.status == FAIL and row.check in self.by_check:
            return self._exempt(row)
        if row.status == MANUAL and row.check in self.answers:
            return self._attest(row)
        return row

    def _exempt(self, row: Row) -> Row:
        failing = [proof for proof in row.evidence if proof.status == FAIL]
        if not failing:
            # No failing evidence: an exemption without objects covers the verdict.
            key = self._covering(row, "", "")
            if key:
                proof = Proof("verdict", "", row.message, "", FAIL, exempt=key)
                return row._replace(status=EXEMPT, evidence=(*row.evidence, proof))
            return row
        evidence = tuple(
            proof._replace(exempt=self._covering(row, proof.namespace, proof.subject))
            if proof.status == FAIL
            else proof
            for proof in row.evidence
        )
        left = any(proof.status == FAIL and not proof.exempt for proof in evidence)
        return row._replace(status=row.status if left else EXEMPT, evidence=evidence)

    def _covering(self, row: Row, namespace: str, subject: str) -> str:
        """Key of the exemption that covers one failure, empty without one; its use is counted."""
        for entry in self.by_check[row.check]:
            if entry.covers(row.host, namespace, subject):
                self.used[entry.key] += 1
                return "" if entry.key in self.expired else entry.key
        return ""

    def _attest(self, row: Row) -> Row:
        for entry in self.answers[row.check]:
            if not entry.covers(row.host):
                continue
            self.used[entry.key] += 1
            if entry.key in self.expired:
                return row
            proof = Proof(ATTESTED, entry.owner, entry.statement, f"until {entry.expires.isoformat()}", PASS)
            return row._replace(status=PASS, evidence=(*row.evidence, proof), attestation=entry.key)
        return row

    def uses(self, entries: t.Iterable[Exemption | Attestation]) -> tuple[Use, ...]:
        """Their use."""
        found = []
        for entry in entries:
            count = self.used[entry.key]
            state = "expired" if entry.key in self.expired else "used" if count else "unused"
            found.append(Use(entry, state, count))
        return tuple(found)


def _names(names: t.Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMES])
    return shown if len(names) <= _NAMES else f"{shown} and {len(names) - _NAMES} more"


def _notices(given: Input, version: str, places: t.Sequence[Place], uses: t.Iterable[Use]) -> list[str]:
    """What is shown at the top of every format."""
    found = given.profile.notices(version)
    hosts = [place for place in places if place.name]
    lost = [place.name for place in hosts if place.problem]
    if lost:
        found.append(f"{len(lost)} of {len(hosts)} hosts could not be audited: {_names(lost)}.")
    found += [place.problem for place in places if not place.name and place.problem]
    for use in uses:
        if use.state == "expired" and use.entry.expires is not None:
            kind = "exemption" if isinstance(use.entry, Exemption) else "attestation"
            found.append(
                f"The {kind} {use.entry.title} expired on {use.entry.expires.isoformat()} and covers nothing"
                " any more;"
                f" {use.count or 'no'} results would need it."
            )
    return found


def _warnings(uses: t.Iterable[Use], unknown: t.Mapping[str, t.Sequence[str]]) -> list[str]:
    """What should be cleaned up."""
    found = []
    for use in uses:
        shipped = isinstance(use.entry, Exemption) and use.entry.shipped
        if use.state == "unused" and not shipped:
            kind = "exemption" if isinstance(use.entry, Exemption) else "attestation"
            found.append(f"The {kind} {use.entry.title} covers nothing: remove it, or correct its scope.")
    for identifier, names in sorted(unknown.items()):
        where = _names(sorted({name or "the cluster" for name in names}))
        found.append(f"A verdict on {identifier}, which the profile does not have, was ignored: {where}.")
    return found


def merge(given: Input) -> Report:
    """Merge everything but the drift."""
    checks = given.profile.checks
    collector = _Collector(given, checks)
    for name in dict.fromkeys((*given.hosts, *given.expected)):
        collector.add(str(name), given.hosts.get(name), given.expected.get(name) or ())
    collector.add("", given.audit, ())
    audit = given.audit if isinstance(given.audit, dict) else _NOTHING
    version = collector.clean(given.kubernetes_version or audit.get("kubernetes_version"))
    clean = collector.clean
    decisions = _Decisions(
        dataclasses.replace(
            given,
            exemptions=[
                dataclasses.replace(item, reason=clean(item.reason), owner=clean(item.owner))
                for item in given.exemptions
            ],
            attestations=[
                dataclasses.replace(item, statement=clean(item.statement), owner=clean(item.owner))
                for item in given.attestations
            ],
        )
    )
    place = {item.name: number for number, item in enumerate(collector.places)}
    order = {identifier: number for number, identifier in enumerate(checks)}
    rows = sorted(
        (decisions.decide(row).with_fingerprint() for row in collector.rows),
        key=lambda row: (order[row.check], place[row.host]),
    )
    exemptions = decisions.uses(decisions.exemptions)
    attestations = decisions.uses(decisions.attestations)
    uses = (*exemptions, *attestations)
    return Report(
        cluster=clean(given.cluster),
        kubernetes_version=version.lstrip("v"),
        profile=given.profile,
        basis=given.basis,
        time=given.time,
        tool_version=given.tool_version,
        checks=checks,
        rows=tuple(rows),
        places=tuple(collector.places),
        notices=tuple(_notices(given, version, collector.places, uses)),
        warnings=tuple(_warnings(uses, collector.unknown)),
        exemptions=exemptions,
        attestations=attestations,
    )
