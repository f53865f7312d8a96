# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Why certificates of cert-manager are not issued, and when they end. Pure: objects of the API in, lines out.

A Certificate says in its own conditions that it is not issued, but seldom why. The reason is in what was made for it: a
CertificateRequest, for ACME an Order of that, and a Challenge of that for each name.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from datetime import UTC, datetime

Json = t.Mapping[str, t.Any]

#: States of Challenges and Orders that need no explanation.
_FINE = ("valid", "ready")
_REASON_LENGTH = 400


@dataclass(frozen=True)
class Found:
    """What an API server has of cert-manager, each as a list of its objects."""

    certificates: t.Sequence[Json]
    requests: t.Sequence[Json] = ()
    orders: t.Sequence[Json] = ()
    challenges: t.Sequence[Json] = ()
    issuers: t.Sequence[Json] = field(default=())


@dataclass(frozen=True)
class Issued:
    """One certificate.

    :param issuer: kind and name. :param names: what it is for. :param secret: where it is.
    :param end: when the newest one ends, C(None) when there is none yet. :param renewal: when it is renewed.
    :param problem: what is wrong, in one line; empty when nothing is.
    """

    namespace: str
    name: str
    issuer: str
    names: tuple[str, ...]
    secret: str
    end: datetime | None
    renewal: datetime | None
    problem: str

    def line(self, now: datetime) -> str:
        """For a person: place, end, issuer, and what is wrong."""
        where = f"{self.namespace}/{self.name}"
        end = "no certificate yet" if self.end is None else f"{_stamp(self.end)}  {_left(self.end, now)}"
        return f"{where:<40} {end:<34} {self.issuer:<30} {self.problem or 'in order'}".rstrip()


def read_time(value: t.Any) -> datetime | None:
    """A time of the API (RFC 3339 in UTC); C(None) for anything else."""
    try:
        return datetime.strptime(str(value), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _stamp(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _left(end: datetime, now: datetime) -> str:
    minutes = int((end - now).total_seconds() // 60)
    if minutes < 0:
        return "expired"
    if minutes < 2 * 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 2 * 24 * 60 else f"{minutes // 60 // 24} days"


def one_line(text: t.Any) -> str:
    """A message without line breaks and not too long: those of ACME servers may have both."""
    told = " ".join(str(text or "").split())
    return told if len(told) <= _REASON_LENGTH else told[:_REASON_LENGTH] + "..."


def _condition(found: Json, kind: str) -> Json:
    for one in (found.get("status") or {}).get("conditions") or ():
        if one.get("type") == kind:
            return t.cast(Json, one)
    return {}


def _told(condition: Json) -> str:
    return one_line(": ".join(str(condition[key]) for key in ("reason", "message") if condition.get(key)))


def _owned(owner: Json, candidates: t.Iterable[Json]) -> list[Json]:
    """What was made for an object, the newest first."""
    uid = (owner.get("metadata") or {}).get("uid")
    found = [
        one
        for one in candidates
        if any(
            ref.get("uid") == uid for ref in (one.get("metadata") or {}).get("ownerReferences") or () if uid
        )
    ]
    return sorted(found, key=lambda one: str(one["metadata"].get("creationTimestamp") or ""), reverse=True)


def _of_challenge(challenge: Json) -> str:
    spec, status = challenge.get("spec") or {}, challenge.get("status") or {}
    state = str(status.get("state") or "")
    if state in _FINE:
        return ""
    name = f"*.{spec.get('dnsName')}" if spec.get("wildcard") else spec.get("dnsName")
    what = f"{spec.get('type')} challenge for {name} is {state or 'not begun'}"
    return one_line(f"{what}: {status['reason']}" if status.get("reason") else what)


def _of_order(order: Json, challenges: t.Iterable[Json]) -> str:
    told = [text for one in _owned(order, challenges) if (text := _of_challenge(one))]
    status = order.get("status") or {}
    state = str(status.get("state") or "")
    if told:
        return "; ".join(told)
    if state in _FINE:
        return ""
    what = f"order is {state or 'not begun'}"
    return one_line(f"{what}: {status['reason']}" if status.get("reason") else what)


def _of_request(request: Json, found: Found) -> str:
    """Why a request has no certificate; empty when it has one."""
    ready = _condition(request, "Ready")
    if ready.get("status") == "True":
        return ""
    for kind in ("Denied", "InvalidRequest"):
        condition = _condition(request, kind)
        if condition.get("status") == "True":
            return f"request is refused: {_told(condition)}"
    # The message of a request repeats that of its order, less precisely.
    told = [text for order in _owned(request, found.orders) if (text := _of_order(order, found.challenges))]
    return "; ".join(told) or _told(ready)


def _issuer_problem(certificate: Json, found: Found) -> str:
    ref = (certificate.get("spec") or {}).get("issuerRef") or {}
    if ref.get("group", "cert-manager.io") != "cert-manager.io":
        return ""
    kind, name = ref.get("kind") or "Issuer", ref.get("name")
    namespace = "" if kind == "ClusterIssuer" else (certificate.get("metadata") or {}).get("namespace")
    for one in found.issuers:
        metadata = one.get("metadata") or {}
        if (one.get("kind"), metadata.get("name"), metadata.get("namespace") or "") == (
            kind,
            name,
            namespace,
        ):
            ready = _condition(one, "Ready")
            return (
                ""
                if ready.get("status") == "True"
                else f"{kind} {name} is not Ready: {_told(ready) or 'no status yet'}"
            )
    return f"{kind} {name} does not exist"


def _problem(certificate: Json, found: Found, now: datetime) -> str:
    status = certificate.get("status") or {}
    ready, issuing = _condition(certificate, "Ready"), _condition(certificate, "Issuing")
    end, renewal = read_time(status.get("notAfter")), read_time(status.get("renewalTime"))
    late = bool(renewal and renewal < now)
    attempts = int(status.get("failedIssuanceAttempts") or 0)
    if ready.get("status") == "True" and not late and not attempts and issuing.get("status") != "True":
        return ""
    said = []
    if end and end < now:
        said.append("expired")
    elif late and renewal:
        said.append(f"not renewed since {_stamp(renewal)}")
    requests = _owned(certificate, found.requests)
    why = _issuer_problem(certificate, found) or (_of_request(requests[0], found) if requests else "")
    if not why:
        why = _told(issuing) or _told(ready) or "cert-manager has not looked at it yet"
    if attempts:
        said.append(f"{attempts} failed attempts")
    if why and (said or ready.get("status") != "True" or issuing.get("status") == "True"):
        said.append(why)
    return ", ".join(said)


def report(found: Found, now: datetime) -> list[Issued]:
    """All certificates: those with a problem first, then by their end.

    :param now: in UTC.
    """
    rows = []
    for one in found.certificates:
        metadata, spec, status = (one.get(key) or {} for key in ("metadata", "spec", "status"))
        ref = spec.get("issuerRef") or {}
        names = [*(spec.get("dnsNames") or ()), *(spec.get("ipAddresses") or ()), *(spec.get("uris") or ())]
        rows.append(
            Issued(
                namespace=str(metadata.get("namespace") or ""),
                name=str(metadata.get("name")),
                issuer=f"{ref.get('kind') or 'Issuer'} {ref.get('name')}",
                names=tuple(str(name) for name in names or [spec.get("commonName") or ""] if name),
                secret=str(spec.get("secretName") or ""),
                end=read_time(status.get("notAfter")),
                renewal=read_time(status.get("renewalTime")),
                problem=_problem(one, found, now),
            )
        )
    far = datetime.max.replace(tzinfo=UTC)
    return sorted(rows, key=lambda row: (not row.problem, row.end or far, row.namespace, row.name))
