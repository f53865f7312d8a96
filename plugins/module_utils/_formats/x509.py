# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Read X.509 certificates (RFC 5280) and certificate requests (RFC 2986) with the standard library alone.

Like every reader of C(_formats), it fails closed (anything else raises C(CertificateError)), and its syntax never
grows.

The standard library cannot verify signatures, so nothing here proves that a certificate is genuine: where that matters,
OpenSSL verifies the chain in a TLS handshake (C(ssl)).
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import ipaddress
import re
import typing as t
from dataclasses import dataclass
from datetime import datetime, timezone

from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import der
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats.der import DerError, Element

COMMON_NAME, ORGANIZATION = "2.5.4.3", "2.5.4.10"
SUBJECT_ALT_NAME, KEY_USAGE, EXTENDED_KEY_USAGE = "2.5.29.17", "2.5.29.15", "2.5.29.37"
_BASIC_CONSTRAINTS, _SUBJECT_KEY_ID, _AUTHORITY_KEY_ID = "2.5.29.19", "2.5.29.14", "2.5.29.35"
_EXTENSION_REQUEST = "1.2.840.113549.1.9.14"
_VERSION, _EXTENSIONS, _ATTRIBUTES, _KEY_IDENTIFIER = 0xA0, 0xA3, 0xA0, 0x80
_RSA, _EC = "1.2.840.113549.1.1.1", "1.2.840.10045.2.1"
_CURVES = {
    "1.2.840.10045.3.1.7": ("P-256", 256),
    "1.3.132.0.33": ("P-224", 224),
    "1.3.132.0.34": ("P-384", 384),
    "1.3.132.0.35": ("P-521", 521),
}
_EDWARDS = {"1.3.101.112": ("Ed25519", 256), "1.3.101.113": ("Ed448", 456)}
#: Sizes of DER above which nothing is read. A kubelet's request has about 300 bytes, a certificate of 500 names 20 KiB.
MAX_REQUEST_BYTES, MAX_CERTIFICATE_BYTES = 16 * 1024, 128 * 1024
# Base64 with line breaks and the two lines around it.
_MAX_REQUEST_TEXT = MAX_REQUEST_BYTES * 3 // 2
# Names as Kubernetes has them in spec.usages (certificates.k8s.io/v1, KeyUsage).
_KEY_USAGES = (
    "digital signature",
    "content commitment",
    "key encipherment",
    "data encipherment",
    "key agreement",
    "cert sign",
    "crl sign",
    "encipher only",
    "decipher only",
)
_EXTENDED_KEY_USAGES = {
    "2.5.29.37.0": "any",
    "1.3.6.1.5.5.7.3.1": "server auth",
    "1.3.6.1.5.5.7.3.2": "client auth",
    "1.3.6.1.5.5.7.3.3": "code signing",
    "1.3.6.1.5.5.7.3.4": "email protection",
    "1.3.6.1.5.5.7.3.8": "timestamping",
    "1.3.6.1.5.5.7.3.9": "ocsp signing",
}
# GeneralName (RFC 5280, 4.2.1.6) by its tag.
_EMAIL, _DNS, _URI, _IP = 0x81, 0x82, 0x86, 0x87
_OTHER_NAMES = {
    0xA0: "otherName",
    0xA3: "x400Address",
    0xA4: "directoryName",
    0xA5: "ediPartyName",
    0x88: "registeredID",
}


class CertificateError(ValueError):
    """The bytes are not a certificate, or not a certificate request."""


@dataclass(frozen=True)
class AltNames:
    """The names of a subjectAltName extension, each as it is written there.

    :param ips: addresses in their usual form. :param others: those of any other kind, described; none is left out.
    """

    dns: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many names of all kinds."""
        return len(self.dns) + len(self.ips) + len(self.emails) + len(self.uris) + len(self.others)


@dataclass(frozen=True)
class PublicKey:
    """What a key is.

    :param kind: C(RSA), the curve (C(P-256), C(Ed25519) ...), or the identifier of an algorithm that is unknown here.
    :param size: bits, 0 when unknown.
    """

    kind: str
    size: int = 0

    def __str__(self) -> str:
        return f"{self.kind} of {self.size} bits" if self.kind == "RSA" else self.kind


@dataclass(frozen=True)
class Certificate:
    """What is needed of a certificate.

    :param spki: the DER bytes of its SubjectPublicKeyInfo.
    :param alt_names: DNS names and addresses that it is valid for, as C(canonical_name) has them, sorted.
    :param names: all names that it is valid for, by kind.
    :param subject: the DER bytes of the subject. :param issuer: those of who issued it.
    :param not_before: when its validity begins, in UTC. :param not_after: when it ends.
    :param fingerprint: SHA-256 of the whole certificate in hexadecimal, lower case without colons.
    :param is_ca: what its basicConstraints say; false without them.
    :param key_usages: names as in C(spec.usages) of Kubernetes, of both extensions.
    """

    common_name: str
    organizations: tuple[str, ...]
    spki: bytes
    alt_names: tuple[str, ...]
    names: AltNames
    subject: bytes
    issuer: bytes
    issuer_common_name: str
    not_before: datetime
    not_after: datetime
    fingerprint: str
    is_ca: bool
    key_usages: tuple[str, ...]
    subject_key_id: bytes | None
    authority_key_id: bytes | None

    @property
    def public_key_hash(self) -> str:
        """C(sha256:<hex>) of the public key as kubeadm's C(--discovery-token-ca-cert-hash) has it (RFC 7469)."""
        return "sha256:" + hashlib.sha256(self.spki).hexdigest()

    @property
    def key(self) -> PublicKey:
        """Kind and size of its public key."""
        try:
            return _public_key(der.single(self.spki))
        except DerError as exc:
            raise CertificateError(str(exc)) from exc


@dataclass(frozen=True)
class Request:
    """A certificate request.

    :param subject: all attributes of the subject, as (object identifier, value).
    :param names: what it wants to be valid for.
    :param key_usages: usages that the request itself asks for; C(None) when it asks for none.
    :param extensions: object identifiers of all extensions that it asks for.
    :param attributes: object identifiers of all its attributes but the one that holds the extensions.
    """

    subject: tuple[tuple[str, str], ...]
    key: PublicKey
    names: AltNames
    key_usages: tuple[str, ...] | None
    extensions: tuple[str, ...]
    attributes: tuple[str, ...]

    @property
    def common_names(self) -> tuple[str, ...]:
        """All common names of the subject."""
        return _values(self.subject, COMMON_NAME)

    @property
    def organizations(self) -> tuple[str, ...]:
        """All organizations of the subject."""
        return _values(self.subject, ORGANIZATION)


def canonical_name(name: str) -> str:
    """A name or an address, written as certificates compare it."""
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(name))
    return name.lower()


def issued_by(certificate: Certificate, authority: Certificate) -> bool:
    """Whether the certificate names this authority as its issuer, by name and, where both have it, by key identifier.

    That is what it says of itself; its signature is not verified.
    """
    if certificate.issuer != authority.subject:
        return False
    if certificate.authority_key_id is None or authority.subject_key_id is None:
        return True
    return certificate.authority_key_id == authority.subject_key_id


def parse_der(data: bytes) -> Certificate:
    """Read a DER certificate.

    :raises CertificateError: when it is none.
    """
    if len(data) > MAX_CERTIFICATE_BYTES:
        raise CertificateError(f"{len(data)} bytes, expected at most {MAX_CERTIFICATE_BYTES}")
    try:
        return _certificate(data)
    except DerError as exc:
        raise CertificateError(str(exc)) from exc


def parse_pem(text: str) -> Certificate:
    """Read the first certificate of a PEM text; keys around it do not matter.

    :raises CertificateError: when there is none.
    """
    for data in _pem_blocks(text, "CERTIFICATE"):
        return parse_der(data)
    raise CertificateError("no PEM certificate")


def parse_bundle(text: str) -> list[Certificate]:
    """Read all certificates of a PEM text, in their order; keys between them do not matter.

    :raises CertificateError: when there is none, or one is damaged.
    """
    found = [parse_der(data) for data in _pem_blocks(text, "CERTIFICATE")]
    if not found:
        raise CertificateError("no PEM certificate")
    return found


def der_of(text: str) -> list[bytes]:
    """The DER bytes of all certificates of a PEM text, in their order; keys between them do not matter.

    :raises CertificateError: when there is none, or one is damaged.
    """
    parse_bundle(text)
    return list(_pem_blocks(text, "CERTIFICATE"))


def parse_request_der(data: bytes) -> Request:
    """Read a DER certificate request.

    :raises CertificateError: when it is none, or has something twice that is read here.
    """
    if len(data) > MAX_REQUEST_BYTES:
        raise CertificateError(f"{len(data)} bytes, expected at most {MAX_REQUEST_BYTES}")
    try:
        return _request(data)
    except DerError as exc:
        raise CertificateError(str(exc)) from exc


def parse_request_pem(text: str) -> Request:
    """Read a PEM text that is one certificate request and nothing else but white space.

    :raises CertificateError: when it is anything else.
    """
    if len(text) > _MAX_REQUEST_TEXT:
        raise CertificateError(f"a text of {len(text)} bytes, expected at most {_MAX_REQUEST_TEXT}")
    lines = text.strip().splitlines()
    if len(lines) < 3 or lines[0] != "-----BEGIN CERTIFICATE REQUEST-----":
        raise CertificateError("no PEM certificate request")
    if lines[-1] != "-----END CERTIFICATE REQUEST-----":
        raise CertificateError("text around the certificate request")
    return parse_request_der(_base64("".join(lines[1:-1])))


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise CertificateError("damaged base64") from exc


def _pem_blocks(text: str, label: str) -> t.Iterator[bytes]:
    begin, end = f"-----BEGIN {label}-----", f"-----END {label}-----"
    at = 0
    # A regular expression would look from each beginning to the end of the text when no block ends.
    while (start := text.find(begin, at)) >= 0 and (stop := text.find(end, start)) >= 0:
        yield _base64(text[start + len(begin) : stop])
        at = stop + len(end)


def _certificate(data: bytes) -> Certificate:
    outer = der.single(data)
    parts = outer.children()
    if len(parts) != 3 or parts[2].tag != der.BIT_STRING:
        raise DerError("not a certificate")
    _algorithm(parts[1])
    fields = parts[0].children()
    if fields and fields[0].tag == _VERSION:
        fields = fields[1:]
    # serial, signature algorithm, issuer, validity, subject, subjectPublicKeyInfo (RFC 5280, 4.1)
    if len(fields) < 6 or any(fields[index].tag != der.SEQUENCE for index in range(1, 6)):
        raise DerError("not a certificate")
    validity = fields[3].children()
    if len(validity) != 2:
        raise DerError("validity without begin and end")
    subject, issuer = _attributes(fields[4]), _attributes(fields[2])
    extensions = _extensions(fields[6:])
    names = _alt_names(extensions)
    plain = (*(name.lower() for name in names.dns), *names.ips)
    common = _values(subject, COMMON_NAME)
    return Certificate(
        common_name=common[-1] if common else "",
        organizations=_values(subject, ORGANIZATION),
        spki=fields[5].raw,
        alt_names=tuple(sorted(set(plain))),
        names=names,
        subject=fields[4].raw,
        issuer=fields[2].raw,
        issuer_common_name=(_values(issuer, COMMON_NAME) or ("",))[-1],
        not_before=_time(validity[0]),
        not_after=_time(validity[1]),
        fingerprint=hashlib.sha256(data).hexdigest(),
        is_ca=_is_ca(extensions),
        key_usages=_usages(extensions) or (),
        subject_key_id=_subject_key_id(extensions),
        authority_key_id=_authority_key_id(extensions),
    )


def _request(data: bytes) -> Request:
    outer = der.single(data).children()
    if len(outer) != 3 or outer[2].tag != der.BIT_STRING:
        raise DerError("not a certificate request")
    _algorithm(outer[1])
    fields = outer[0].children()
    # version, subject, subjectPKInfo, attributes (RFC 2986, 4.1)
    if len(fields) != 4 or der.integer(fields[0]) != 0 or fields[3].tag != _ATTRIBUTES:
        raise DerError("not a certificate request")
    extensions: dict[str, bytes] = {}
    others: list[str] = []
    requested = False
    for attribute in fields[3].children(_ATTRIBUTES):
        parts = attribute.children()
        if len(parts) != 2:
            raise DerError("attribute without a value")
        name = der.identifier(parts[0])
        if name != _EXTENSION_REQUEST:
            others.append(name)
            continue
        values = parts[1].children(der.SET)
        if requested or len(values) != 1:
            # Readers differ in which one they take.
            raise DerError("more than one list of extensions")
        requested = True
        extensions = _extension_list(values[0])
    return Request(
        subject=_attributes(fields[1]),
        key=_public_key(fields[2]),
        names=_alt_names(extensions),
        key_usages=_usages(extensions),
        extensions=tuple(extensions),
        attributes=tuple(others),
    )


def _algorithm(element: Element) -> None:
    """An AlgorithmIdentifier; which one does not matter to who cannot verify it."""
    parts = element.children()
    if not parts:
        raise DerError("signature without an algorithm")
    der.identifier(parts[0])


def _attributes(name: Element) -> tuple[tuple[str, str], ...]:
    """All attributes of a distinguished name."""
    found = []
    for relative in name.children():
        for pair in relative.children(der.SET):
            parts = pair.children()
            if len(parts) != 2:
                raise DerError("attribute of a name without a value")
            found.append((der.identifier(parts[0]), der.text(parts[1])))
    return tuple(found)


def _values(attributes: t.Iterable[tuple[str, str]], name: str) -> tuple[str, ...]:
    return tuple(value for own, value in attributes if own == name)


def _extensions(fields: t.Iterable[Element]) -> dict[str, bytes]:
    """Extensions of a certificate, by object identifier."""
    for element in fields:
        if element.tag == _EXTENSIONS:
            return _extension_list(der.single(element.body))
    return {}


def _extension_list(sequence: Element) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for extension in sequence.children():
        parts = extension.children()
        critical = len(parts) == 3 and parts[1].tag == der.BOOLEAN
        if not (len(parts) == 2 or critical) or parts[-1].tag != der.OCTET_STRING:
            raise DerError("malformed extension")
        name = der.identifier(parts[0])
        if name in found:
            raise DerError(f"extension {name} twice")
        found[name] = parts[-1].body
    return found


def _alt_names(extensions: t.Mapping[str, bytes]) -> AltNames:
    """Names of the subjectAltName extension (RFC 5280, 4.2.1.6)."""
    found: dict[int, list[str]] = {_DNS: [], _IP: [], _EMAIL: [], _URI: []}
    others: list[str] = []
    body = extensions.get(SUBJECT_ALT_NAME)
    for name in der.single(body).children() if body is not None else ():
        if name.tag == _IP:
            if len(name.body) in (4, 16):
                found[_IP].append(str(ipaddress.ip_address(name.body)))
            else:
                others.append(f"iPAddress of {len(name.body)} bytes")
        elif name.tag in found:
            try:
                found[name.tag].append(name.body.decode("ascii"))
            except UnicodeDecodeError:
                raise DerError("name with bytes beyond ASCII") from None
        else:
            others.append(_OTHER_NAMES.get(name.tag, f"name of tag {name.tag:#04x}"))
    return AltNames(
        tuple(found[_DNS]), tuple(found[_IP]), tuple(found[_EMAIL]), tuple(found[_URI]), tuple(others)
    )


def _usages(extensions: t.Mapping[str, bytes]) -> tuple[str, ...] | None:
    """Key usage and extended key usage, C(None) when there is neither."""
    if KEY_USAGE not in extensions and EXTENDED_KEY_USAGE not in extensions:
        return None
    found = []
    if KEY_USAGE in extensions:
        numbers = der.bits(der.single(extensions[KEY_USAGE], der.BIT_STRING))
        found += [_KEY_USAGES[bit] if bit < len(_KEY_USAGES) else f"bit {bit}" for bit in numbers]
    if EXTENDED_KEY_USAGE in extensions:
        purposes = [der.identifier(one) for one in der.single(extensions[EXTENDED_KEY_USAGE]).children()]
        found += [_EXTENDED_KEY_USAGES.get(purpose, purpose) for purpose in purposes]
    return tuple(found)


def _is_ca(extensions: t.Mapping[str, bytes]) -> bool:
    if _BASIC_CONSTRAINTS not in extensions:
        return False
    parts = der.single(extensions[_BASIC_CONSTRAINTS]).children()
    return bool(parts) and parts[0].tag == der.BOOLEAN and der.boolean(parts[0])


def _subject_key_id(extensions: t.Mapping[str, bytes]) -> bytes | None:
    if _SUBJECT_KEY_ID not in extensions:
        return None
    return der.single(extensions[_SUBJECT_KEY_ID], der.OCTET_STRING).body


def _authority_key_id(extensions: t.Mapping[str, bytes]) -> bytes | None:
    if _AUTHORITY_KEY_ID not in extensions:
        return None
    parts = der.single(extensions[_AUTHORITY_KEY_ID]).children()
    return next((part.body for part in parts if part.tag == _KEY_IDENTIFIER), None)


def _public_key(spki: Element) -> PublicKey:
    parts = spki.children()
    if len(parts) != 2 or parts[1].tag != der.BIT_STRING:
        raise DerError("not a public key")
    algorithm = parts[0].children()
    if not algorithm:
        raise DerError("public key without an algorithm")
    kind = der.identifier(algorithm[0])
    if kind == _RSA:
        numbers = der.single(parts[1].body[1:]).children()
        if len(numbers) != 2:
            raise DerError("RSA key without modulus and exponent")
        modulus = der.integer(numbers[0])
        if modulus <= 0:
            raise DerError("RSA key whose modulus is not positive")
        return PublicKey("RSA", modulus.bit_length())
    if kind == _EC and len(algorithm) == 2 and algorithm[1].tag == der.OID:
        curve = der.identifier(algorithm[1])
        return PublicKey(*_CURVES.get(curve, (curve, 0)))
    return PublicKey(*_EDWARDS.get(kind, (kind, 0)))


_UTC = re.compile(rb"\d{12}Z")
_GENERALIZED = re.compile(rb"\d{14}Z")


def _time(element: Element) -> datetime:
    """A time as RFC 5280, 4.1.2.5 allows it: with seconds, in UTC."""
    digits = element.body.decode("ascii", "replace").rstrip("Z")
    if element.tag == der.UTC_TIME and _UTC.fullmatch(element.body):
        digits = ("19" if int(digits[:2]) >= 50 else "20") + digits
    elif element.tag != der.GENERALIZED_TIME or not _GENERALIZED.fullmatch(element.body):
        raise DerError("unusable time")
    try:
        return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=timezone.utc)
    except ValueError:
        raise DerError("unusable time") from None
