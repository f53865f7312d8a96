# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Read the few fields of an X.509 certificate that identify a cluster and a node, with the standard library alone."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import ipaddress
import re
import typing as t
from dataclasses import dataclass

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
_COMMON_NAME = bytes.fromhex("550403")  # 2.5.4.3, RFC 5280 appendix A.1
_ORGANIZATION = bytes.fromhex("55040a")  # 2.5.4.10
_ALT_NAME = bytes.fromhex("551d11")  # 2.5.29.17
_SEQUENCE, _SET, _OID, _VERSION = 0x30, 0x31, 0x06, 0xA0
_EXTENSIONS, _DNS_NAME, _IP_ADDRESS = 0xA3, 0x82, 0x87


class CertificateError(ValueError):
    """The bytes are not a certificate."""


@dataclass(frozen=True)
class Certificate:
    """What is needed of a certificate.

    :param spki: the DER bytes of its SubjectPublicKeyInfo.
    :param alt_names: names and addresses that it is valid for, sorted.
    """

    common_name: str
    organizations: tuple[str, ...]
    spki: bytes
    alt_names: tuple[str, ...] = ()

    @property
    def public_key_hash(self) -> str:
        """C(sha256:<hex>) of the public key as kubeadm's C(--discovery-token-ca-cert-hash) has it (RFC 7469)."""
        return "sha256:" + hashlib.sha256(self.spki).hexdigest()


@dataclass(frozen=True)
class _Element:
    tag: int
    body: bytes
    raw: bytes


def _elements(data: bytes) -> t.Iterator[_Element]:
    """The DER elements in C(data) one after another (X.690, definite lengths)."""
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise CertificateError("truncated element")
        tag, length, body = data[at], data[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            if not 1 <= count <= 4:
                raise CertificateError("unusable length")
            length = int.from_bytes(data[body : body + count], "big")
            body += count
        if body + length > len(data):
            raise CertificateError("truncated element")
        yield _Element(tag, data[body : body + length], data[at : body + length])
        at = body + length


def _names(subject: bytes, oid: bytes) -> tuple[str, ...]:
    found = []
    for relative in _elements(subject):
        for pair in _elements(relative.body):
            parts = list(_elements(pair.body))
            if len(parts) == 2 and parts[0].tag == _OID and parts[0].body == oid:
                found.append(parts[1].body.decode("utf-8", "replace"))
    return tuple(found)


def canonical_name(name: str) -> str:
    """A name or an address, written as certificates compare it."""
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(name))
    return name.lower()


def _alt_names(fields: t.Iterable[_Element]) -> tuple[str, ...]:
    """Names of the subjectAltName extension (RFC 5280, 4.2.1.6)."""
    found: list[str] = []
    for extensions in (element for element in fields if element.tag == _EXTENSIONS):
        for extension in _elements(next(_elements(extensions.body)).body):
            parts = list(_elements(extension.body))
            if parts[0].tag != _OID or parts[0].body != _ALT_NAME:
                continue
            for name in _elements(next(_elements(parts[-1].body)).body):
                if name.tag == _DNS_NAME:
                    found.append(name.body.decode("ascii", "replace").lower())
                elif name.tag == _IP_ADDRESS and len(name.body) in (4, 16):
                    found.append(str(ipaddress.ip_address(name.body)))
    return tuple(sorted(set(found)))


def parse_der(data: bytes) -> Certificate:
    """Read a DER certificate.

    :raises CertificateError: when it is none.
    """
    try:
        certificate = next(_elements(data))
        fields = list(_elements(next(_elements(certificate.body)).body))
    except StopIteration:
        raise CertificateError("empty") from None
    if fields and fields[0].tag == _VERSION:
        fields = fields[1:]
    # serial, signature algorithm, issuer, validity, subject, subjectPublicKeyInfo (RFC 5280, 4.1)
    if len(fields) < 6 or fields[4].tag != _SEQUENCE or fields[5].tag != _SEQUENCE:
        raise CertificateError("not a certificate")
    names = _names(fields[4].body, _COMMON_NAME)
    return Certificate(
        common_name=names[-1] if names else "",
        organizations=_names(fields[4].body, _ORGANIZATION),
        spki=fields[5].raw,
        alt_names=_alt_names(fields[6:]),
    )


def parse_pem(text: str) -> Certificate:
    """Read the first certificate of a PEM text; keys around it do not matter.

    :raises CertificateError: when there is none.
    """
    match = _PEM.search(text)
    if not match:
        raise CertificateError("no PEM certificate")
    try:
        return parse_der(base64.b64decode("".join(match.group(1).split()), validate=True))
    except binascii.Error as exc:
        raise CertificateError("damaged base64") from exc
