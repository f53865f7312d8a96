# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The readers of certificates and requests, over what cryptography makes and over bytes that are meant to harm."""

from __future__ import annotations

import base64
import contextlib
import datetime
import ipaddress
import time
import typing as t

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import der as _der
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import x509 as _x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from tests.unit.support import certificates

UTC = datetime.UTC
BEGIN = datetime.datetime(2026, 11, 21, 12, 30, 15, tzinfo=UTC)
END = datetime.datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
P256 = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
RSA_1024 = rsa.generate_private_key(65537, 1024)  # noqa: S505 - weak on purpose
RSA_2048 = rsa.generate_private_key(65537, 2048)
DER = serialization.Encoding.DER
PEM = serialization.Encoding.PEM


def name(common: str | None = None, *organizations: str) -> x509.Name:
    return certificates.name([] if common is None else common, organizations)


def certificate(
    subject: x509.Name,
    issuer: x509.Name,
    *extensions: x509.ExtensionType,
    begin: datetime.datetime = BEGIN,
    end: datetime.datetime = END,
) -> x509.Certificate:
    return certificates.issue(
        subject, issuer=issuer, key=P256, begin=begin, end=end, extensions=extensions, bare=True
    ).certificate


def parsed(made: x509.Certificate) -> _x509.Certificate:
    return _x509.parse_der(made.public_bytes(DER))


def authority(common: str, key: t.Any = P256) -> x509.Certificate:
    return certificate(
        name(common),
        name(common),
        x509.BasicConstraints(True, None),
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
    )


def request(
    key: t.Any = P256,
    subject: x509.Name | None = None,
    *extensions: x509.ExtensionType,
) -> bytes:
    whole = subject or name("system:node:w1", "system:nodes")
    return certificates.request(whole, key=key, extensions=extensions).public_bytes(DER)


def test_issuer_validity_and_fingerprint() -> None:
    made = certificate(name("w1", "one", "two"), name("kubernetes"))
    own = parsed(made)
    assert own.issuer == made.issuer.public_bytes()
    assert own.subject == made.subject.public_bytes()
    assert own.issuer_common_name == "kubernetes"
    assert (own.common_name, own.organizations) == ("w1", ("one", "two"))
    assert (own.not_before, own.not_after) == (BEGIN, END)
    assert own.not_after.tzinfo is UTC
    assert own.fingerprint == made.fingerprint(hashes.SHA256()).hex()


@pytest.mark.parametrize(
    "end",
    [
        datetime.datetime(2050, 1, 1, tzinfo=UTC),  # the first that is a GeneralizedTime
        datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    ],
)
def test_times_after_2049(end: datetime.datetime) -> None:
    assert parsed(certificate(name("a"), name("b"), end=end)).not_after == end


def test_times_of_the_last_century() -> None:
    begin = datetime.datetime(1950, 1, 1, tzinfo=UTC)
    assert parsed(certificate(name("a"), name("b"), begin=begin)).not_before == begin


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [
        ([], False),
        ([x509.BasicConstraints(False, None)], False),
        ([x509.BasicConstraints(True, None)], True),
        ([x509.BasicConstraints(True, 3)], True),
    ],
)
def test_is_ca(extensions: list[x509.ExtensionType], expected: bool) -> None:
    assert parsed(certificate(name("a"), name("a"), *extensions)).is_ca is expected


def test_usages_of_a_certificate() -> None:
    usage = x509.KeyUsage(True, False, True, False, False, False, False, False, False)
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ObjectIdentifier("1.2.3.4")])
    own = parsed(certificate(name("a"), name("b"), usage, purposes))
    assert own.key_usages == ("digital signature", "key encipherment", "server auth", "1.2.3.4")
    assert parsed(certificate(name("a"), name("b"))).key_usages == ()


def test_issued_by_name_and_key_identifier() -> None:
    ca, twin, stranger = (parsed(authority(*args)) for args in (("ca",), ("ca", OTHER), ("other",)))
    with_key = parsed(
        certificate(
            name("leaf"), name("ca"), x509.AuthorityKeyIdentifier.from_issuer_public_key(P256.public_key())
        )
    )
    without = parsed(certificate(name("leaf"), name("ca")))
    assert _x509.issued_by(with_key, ca)
    assert not _x509.issued_by(with_key, twin), "the same name, another key"
    assert not _x509.issued_by(with_key, stranger)
    assert _x509.issued_by(without, ca)
    assert _x509.issued_by(without, twin), "only the name can tell"
    assert not _x509.issued_by(without, stranger)
    assert _x509.issued_by(ca, ca)


def test_authority_named_by_serial_only() -> None:
    by_serial = x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(name("ca"))], 7)
    own = parsed(certificate(name("leaf"), name("ca"), by_serial))
    assert own.authority_key_id is None
    assert _x509.issued_by(own, parsed(authority("ca")))


ALL_NAMES = x509.SubjectAlternativeName(
    [
        x509.DNSName("W1.example"),
        x509.DNSName("*.example"),
        x509.IPAddress(ipaddress.ip_address("192.0.2.1")),
        x509.IPAddress(ipaddress.ip_address("fd00:0:0::1")),
        x509.IPAddress(ipaddress.ip_network("192.0.2.0/24")),
        x509.RFC822Name("root@example.org"),
        x509.UniformResourceIdentifier("spiffe://cluster/ns"),
        x509.DirectoryName(name("w1")),
        x509.RegisteredID(ObjectIdentifier("1.2.3")),
        x509.OtherName(ObjectIdentifier("1.2.3"), b"\x0c\x01a"),
    ]
)
EXPECTED_NAMES = _x509.AltNames(
    dns=("W1.example", "*.example"),
    ips=("192.0.2.1", "fd00::1"),
    emails=("root@example.org",),
    uris=("spiffe://cluster/ns",),
    others=("iPAddress of 8 bytes", "directoryName", "registeredID", "otherName"),
)


def test_every_kind_of_name() -> None:
    own = parsed(certificate(name("a"), name("b"), ALL_NAMES))
    assert own.names == EXPECTED_NAMES
    assert own.names.count == 10
    assert own.alt_names == ("*.example", "192.0.2.1", "fd00::1", "w1.example")


def test_bundle() -> None:
    makes = [authority("one"), authority("two"), authority("one")]
    text = "# comment\n" + "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n".join(
        made.public_bytes(PEM).decode() for made in makes
    )
    assert [one.common_name for one in _x509.parse_bundle(text)] == ["one", "two", "one"]
    assert _x509.parse_pem(text).common_name == "one"
    with pytest.raises(_x509.CertificateError):
        _x509.parse_bundle("nothing")
    with pytest.raises(_x509.CertificateError):
        _x509.parse_bundle(text + "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")


def test_a_request() -> None:
    san = x509.SubjectAlternativeName(
        [x509.DNSName("w1"), x509.IPAddress(ipaddress.ip_address("192.0.2.21"))]
    )
    own = _x509.parse_request_der(request(P256, None, san))
    assert own.common_names == ("system:node:w1",)
    assert own.organizations == ("system:nodes",)
    assert own.names == _x509.AltNames(dns=("w1",), ips=("192.0.2.21",))
    assert own.key == _x509.PublicKey("P-256", 256)
    assert own.key_usages is None
    assert own.extensions == (_x509.SUBJECT_ALT_NAME,)
    assert own.attributes == ()


def test_a_request_without_extensions() -> None:
    own = _x509.parse_request_der(request())
    assert own.names.count == 0
    assert own.extensions == ()


def test_a_request_with_everything() -> None:
    usage = x509.KeyUsage(False, True, False, False, False, True, False, False, False)
    extensions = [
        ALL_NAMES,
        usage,
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),
        x509.BasicConstraints(True, None),
    ]
    builder = x509.CertificateSigningRequestBuilder().subject_name(name("x", "a", "b"))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    builder = builder.add_attribute(x509.oid.AttributeOID.CHALLENGE_PASSWORD, b"secret")
    own = _x509.parse_request_der(builder.sign(P256, hashes.SHA256()).public_bytes(DER))
    assert own.names == EXPECTED_NAMES
    assert own.organizations == ("a", "b")
    assert own.key_usages == ("content commitment", "cert sign", "client auth")
    assert own.extensions == ("2.5.29.17", "2.5.29.15", "2.5.29.37", "2.5.29.19")
    assert own.attributes == ("1.2.840.113549.1.9.7",)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (RSA_1024, "RSA of 1024 bits"),
        (RSA_2048, "RSA of 2048 bits"),
        (P256, "P-256"),
        (ec.generate_private_key(ec.SECP384R1()), "P-384"),
        (ec.generate_private_key(ec.SECP521R1()), "P-521"),
        (ec.generate_private_key(ec.SECP256K1()), "1.3.132.0.10"),
        (ed25519.Ed25519PrivateKey.generate(), "Ed25519"),
    ],
)
def test_keys(key: t.Any, expected: str) -> None:
    assert str(_x509.parse_request_der(request(key)).key) == expected


def test_key_of_a_certificate() -> None:
    assert parsed(certificate(name("a"), name("b"))).key == _x509.PublicKey("P-256", 256)


def pem_of(der: bytes, label: str = "CERTIFICATE REQUEST") -> str:
    body = base64.encodebytes(der).decode()
    return f"-----BEGIN {label}-----\n{body}-----END {label}-----\n"


def test_a_request_as_pem() -> None:
    assert _x509.parse_request_pem("\n" + pem_of(request()) + "\n").common_names == ("system:node:w1",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----",
        pem_of(request(), "NEW CERTIFICATE REQUEST"),
        pem_of(request(), "CERTIFICATE"),
        pem_of(request()) + pem_of(request()),
        pem_of(request()) + "trailing",
        "leading\n" + pem_of(request()),
        pem_of(request()).replace("-----\n", "-----\nProc-Type: 4,ENCRYPTED\n\n", 1),
        pem_of(request()).replace("M", "\N{CYRILLIC CAPITAL LETTER EM}", 1),
        pem_of(request() + b"\x00"),
        pem_of(certificate(name("a"), name("b")).public_bytes(DER)),
    ],
    ids=[
        "empty",
        "no-body",
        "old-label",
        "label",
        "two",
        "after",
        "before",
        "headers",
        "not-ascii",
        "tail",
        "cert",
    ],
)
def test_no_request(text: str) -> None:
    with pytest.raises(_x509.CertificateError):
        _x509.parse_request_pem(text)


# Hostile bytes.


def tlv(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    size = (len(body).bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + len(body).to_bytes(size, "big") + body


SAN = bytes.fromhex("0603551d11")
CN = bytes.fromhex("0603550403")
EXTENSION_REQUEST = bytes.fromhex("06092a864886f70d01090e")
SPKI = P256.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)
TAIL = (tlv(0x30, bytes.fromhex("06082a8648ce3d040302")), tlv(0x03, b"\x00\x00"))


def san(*names: bytes) -> bytes:
    return tlv(0x30, SAN, tlv(0x04, tlv(0x30, *names)))


def raw_request(*attributes: bytes, subject: bytes = b"", spki: bytes = SPKI) -> bytes:
    return tlv(0x30, tlv(0x30, b"\x02\x01\x00", tlv(0x30, subject), spki, tlv(0xA0, *attributes)), *TAIL)


def extension_request(*extensions: bytes) -> bytes:
    return tlv(0x30, EXTENSION_REQUEST, tlv(0x31, tlv(0x30, *extensions)))


def test_a_request_encoded_in_the_test() -> None:
    own = _x509.parse_request_der(raw_request(extension_request(san(tlv(0x82, b"w1")))))
    assert own.names.dns == ("w1",)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (raw_request(*2 * [extension_request(san(tlv(0x82, b"w1")))]), "more than one list"),
        (
            raw_request(
                tlv(0x30, EXTENSION_REQUEST, tlv(0x31, tlv(0x30, san()), tlv(0x30, san(tlv(0x82, b"w2")))))
            ),
            "more than one list",
        ),
        (raw_request(extension_request(san(tlv(0x82, b"w1")), san(tlv(0x82, b"w2")))), "twice"),
        (raw_request(extension_request(san(tlv(0x82, b"w\xff1")))), "beyond ASCII"),
        (raw_request(extension_request(tlv(0x30, SAN))), "malformed extension"),
        (raw_request(tlv(0x30, EXTENSION_REQUEST)), "without a value"),
        (raw_request(subject=tlv(0x31, tlv(0x30, CN, tlv(0x0C, b"\xff\xfe")))), "does not have"),
        (raw_request(subject=tlv(0x31, tlv(0x30, CN))), "without a value"),
        (raw_request(spki=tlv(0x30)), "not a public key"),
        (raw_request()[:-1], "truncated"),
        (raw_request() + b"\x05\x00", "after the end"),
        (b"\x30\x80" + raw_request()[2:] + b"\x00\x00", "unusable length"),
        (b"\x30\x84\xff\xff\xff\xff", "truncated"),
        (b"\x30\x88" + b"\xff" * 8, "unusable length"),
        (b"\x30\x84\xff", "truncated"),
        (b"\x30\x81\x01\x00", "than needed"),
        (b"\x30\x82\x00\x80" + b"\x05\x00" * 64, "than needed"),
        (b"\x3f\x81\x01\x00", "tag of several bytes"),
        (b"\x30", "truncated"),
        (b"", "empty"),
        (b"\x04\x00", "expected 0x30"),
        (b"\x30\x00", "not a certificate request"),
    ],
)
def test_hostile_requests(data: bytes, says: str) -> None:
    with pytest.raises(_x509.CertificateError, match=says):
        _x509.parse_request_der(data)


def test_every_truncation_is_refused() -> None:
    extensions = x509.SubjectAlternativeName([x509.DNSName("w1")])
    for whole, read in (
        (request(P256, None, extensions), _x509.parse_request_der),
        (certificate(name("a"), name("b"), ALL_NAMES).public_bytes(DER), _x509.parse_der),
    ):
        for end in range(len(whole)):
            with pytest.raises(_x509.CertificateError):
                read(whole[:end])


def test_every_changed_byte_is_read_or_refused() -> None:
    """No other exception gets out, whatever the bytes are."""
    whole = certificate(name("a", "o"), name("b"), ALL_NAMES, x509.BasicConstraints(True, None)).public_bytes(
        DER
    )
    asked = request(P256, None, x509.SubjectAlternativeName([x509.DNSName("w1")]))
    for at in range(len(whole)):
        for flip in (0x01, 0x80, 0xFF):
            broken = whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :]
            with contextlib.suppress(_x509.CertificateError):
                _ = _x509.parse_der(broken).key
    for at in range(len(asked)):
        for flip in (0x01, 0x80, 0xFF):
            broken = asked[:at] + bytes([asked[at] ^ flip]) + asked[at + 1 :]
            with contextlib.suppress(_x509.CertificateError):
                _x509.parse_request_der(broken)


def test_deep_nesting_and_many_elements_take_no_time() -> None:
    deep = b""
    for _level in range(5000):
        deep = tlv(0x30, deep)
    many = tlv(0x30, b"\x05\x00" * 200_000)
    started = time.monotonic()
    for data in (deep, many):
        with pytest.raises(_x509.CertificateError):
            _x509.parse_request_der(data)
        with pytest.raises(_x509.CertificateError):
            _x509.parse_der(data)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("0603550403", "2.5.4.3"),
        ("06092a864886f70d01090e", "1.2.840.113549.1.9.14"),
        ("0603883703", "2.999.3"),
        ("060100", "0.0"),
        ("06014f", "1.39"),
    ],
)
def test_identifiers(data: str, expected: str) -> None:
    assert _der.identifier(_der.single(bytes.fromhex(data), _der.OID)) == expected


@pytest.mark.parametrize("data", ["0600", "060180", "060255 80".replace(" ", ""), "0603558001"])
def test_no_identifiers(data: str) -> None:
    with pytest.raises(_der.DerError):
        _der.identifier(_der.single(bytes.fromhex(data), _der.OID))
