# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Decide whether a host's certificate for metrics is the one that is wanted. Pure: an observation in, reasons out."""

from __future__ import annotations

import contextlib
import ipaddress
import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics.authority import (
    Authority,
    Wanted,
    fingerprint,
)

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError:  # C(require_cryptography) reports it
    pass

_STAMP = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Observed:
    """The files of a host, as its half of the work returns them.

    :param attributes: what is wrong with modes and owners, a sentence for each file.
    """

    ca: str = ""
    certificate: str = ""
    has_key: bool = False
    key_fits: bool = False
    attributes: tuple[str, ...] = ()


def read(answer: t.Any) -> Observed:
    """What a host has answered, which may be anything: a host that was taken over answers as it likes."""
    given = answer if isinstance(answer, dict) else {}
    attributes = given.get("attributes")
    return Observed(
        ca=str(given.get("ca") or ""),
        certificate=str(given.get("certificate") or ""),
        has_key=given.get("has_key") is True,
        key_fits=given.get("key_fits") is True,
        attributes=tuple(map(str, attributes)) if isinstance(attributes, list) else (),
    )


@dataclass(frozen=True)
class Decision:
    """What has to be done.

    :param reasons: why a new certificate is issued; empty when the present one stays.
    :param others: what else differs. :param foreign: whether the host trusts a CA that is not the controller's.
    """

    reasons: tuple[str, ...]
    others: tuple[str, ...]
    foreign: bool

    @property
    def changed(self) -> bool:
        return bool(self.reasons or self.others)


def parse(pem: str) -> x509.Certificate | None:
    """The first certificate of a text, C(None) when it has none that can be read."""
    with contextlib.suppress(ValueError):
        return x509.load_pem_x509_certificate(pem.encode())
    return None


def stamp(moment: datetime) -> str:
    """A time in UTC (RFC 3339)."""
    return moment.strftime(_STAMP)


def names_of(certificate: x509.Certificate) -> frozenset[str]:
    """DNS names and addresses, in lower case."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return frozenset()
    dns = found.get_values_for_type(x509.DNSName)
    return frozenset({*(name.lower() for name in dns), *map(str, found.get_values_for_type(x509.IPAddress))})


def canonical(names: t.Iterable[str]) -> tuple[str, ...]:
    """Names without empty ones and repetitions, addresses in their usual form."""
    found = []
    for name in names:
        text = str(name).strip()
        with contextlib.suppress(ValueError):
            text = str(ipaddress.ip_address(text.strip("[]")))
        if text:
            found.append(text.lower())
    return tuple(dict.fromkeys(found))


def common_name(certificate: x509.Certificate) -> str:
    """Its common name, empty without one."""
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def _usages(certificate: x509.Certificate) -> set[t.Any]:
    try:
        return set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except (x509.ExtensionNotFound, ValueError):
        return set()


def _issued_by(certificate: x509.Certificate, authority: Authority) -> bool:
    try:
        certificate.verify_directly_issued_by(authority.certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _time(certificate: x509.Certificate, wanted: Wanted, now: datetime) -> t.Iterator[str]:
    end = certificate.not_valid_after_utc
    if end <= now:
        yield f"its certificate expired at {stamp(end)}, {_days(now - end)} ago"
    elif end - now < wanted.renewed_within:
        yield (
            f"its certificate expires at {stamp(end)}, in {_days(end - now)},"
            f" expected at least {_days(wanted.renewed_within)}"
        )
    elif end - now > timedelta(days=wanted.days + 1):
        yield f"its certificate expires at {stamp(end)}, expected at most {wanted.days} days from now"
    if certificate.not_valid_before_utc > now:
        yield f"its certificate is valid from {stamp(certificate.not_valid_before_utc)}, which is in the future"


def _days(span: timedelta) -> str:
    return f"{span.days} days" if span.days != 1 else "1 day"


def decide(
    observed: Observed, wanted: Wanted, authority: Authority | None, now: datetime, renew: bool = False
) -> Decision:
    """What a host needs.

    :param authority: of the controller, C(None) when it is still to be created.
    :param renew: whether a certificate that could stay is renewed.
    """
    own_ca, own = parse(observed.ca), parse(observed.certificate)
    foreign = own_ca is not None and (authority is None or fingerprint(own_ca) != authority.fingerprint)
    others = list(observed.attributes)
    if authority is None or observed.ca != authority.pem:
        others.append("its copy of the CA of metrics is missing or differs")
    if own is None:
        why = "it has no certificate" if not observed.certificate else "its certificate cannot be read"
        return Decision((why,), tuple(others), foreign)
    reasons = []
    if not observed.key_fits:
        reasons.append(
            "its key is not that of its certificate"
            if observed.has_key
            else "the key of its certificate is missing"
        )
    if authority is None or not _issued_by(own, authority):
        reasons.append("its certificate is not of the CA of metrics that the controller has")
    if common_name(own) != wanted.common_name:
        reasons.append(f"its certificate is for {common_name(own)}, expected {wanted.common_name}")
    if names_of(own) != frozenset(canonical(wanted.names)):
        reasons.append(
            f"its certificate has the names {_listed(names_of(own))}, expected {_listed(canonical(wanted.names))}"
        )
    if not _usages(own) >= {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}:
        reasons.append("its certificate is not for servers and clients")
    reasons += _time(own, wanted, now)
    if renew and not reasons:
        reasons.append("its renewal was asked for")
    return Decision(tuple(reasons), tuple(others), foreign)


def _listed(names: t.Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def shown(pem: str) -> list[str]:
    """A certificate as lines of a diff."""
    own = parse(pem)
    if own is None:
        return ["certificate: none" if not pem else "certificate: unreadable"]
    return [
        f"common name: {common_name(own)}",
        f"names: {_listed(names_of(own))}",
        f"expires: {stamp(own.not_valid_after_utc)}",
    ]
