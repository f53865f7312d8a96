# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates and certificate requests of the tests."""

from __future__ import annotations

import base64
import contextlib
import datetime
import ipaddress
import ssl
import tempfile
import typing as t
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

BEGIN = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
END = datetime.datetime(2049, 12, 31, tzinfo=datetime.UTC)
#: The end of a certificate that has expired.
ENDED = datetime.datetime(2020, 2, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Issued:
    """A certificate, and its key as far as it is known."""

    certificate: x509.Certificate
    key: t.Any = None

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return key_pem(self.key)

    @property
    def pair(self) -> str:
        """Certificate and key in one text."""
        return self.pem + self.key_pem


def key_pem(key: t.Any) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def encoded(text: str | bytes) -> str:
    """In base64, as in a kubeconfig."""
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def name(common: str | Sequence[str] = (), organizations: Sequence[str] = (), unit: str = "") -> x509.Name:
    commons = [common] if isinstance(common, str) else common
    return x509.Name(
        [
            *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in organizations),
            *(x509.NameAttribute(NameOID.COMMON_NAME, one) for one in commons),
            *([x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit)] if unit else []),
        ]
    )


def alt_names(*names: str) -> x509.SubjectAlternativeName:
    """Each by its kind: an IP address, an email address, a URI or a DNS name."""
    found: list[x509.GeneralName] = []
    for one in names:
        with contextlib.suppress(ValueError):
            found.append(x509.IPAddress(ipaddress.ip_address(one)))
            continue
        kind = (
            x509.RFC822Name
            if "@" in one
            else x509.UniformResourceIdentifier
            if "://" in one
            else x509.DNSName
        )
        found.append(kind(one))
    return x509.SubjectAlternativeName(found)


def _digest(key: t.Any) -> hashes.SHA256 | None:
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def _usual(public: t.Any, signer: t.Any, ca: bool, names: Sequence[str]) -> list[x509.ExtensionType]:
    """What certificates of kubeadm have; Python 3.13 and later insist on most of it."""
    return [
        x509.BasicConstraints(ca, None),
        x509.KeyUsage(True, False, True, False, False, ca, False, False, False),
        x509.SubjectKeyIdentifier.from_public_key(public),
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
        *([alt_names(*names)] if names else []),
    ]


def issue(
    subject: str | x509.Name,
    organizations: Sequence[str] = (),
    *,
    issuer: Issued | x509.Name | None = None,
    key: t.Any = None,
    public_key: t.Any = None,
    names: Sequence[str] = (),
    ca: bool = False,
    begin: datetime.datetime = BEGIN,
    end: datetime.datetime = END,
    extensions: Sequence[x509.ExtensionType] = (),
    bare: bool = False,
) -> Issued:
    """A certificate.

    :param subject: or its common name. :param issuer: without one, or with a mere name, it signs itself.
    :param key: its own, a new one when it is left out. :param public_key: of somebody who keeps the key.
    :param names: of all kinds. :param extensions: beside the usual ones. :param bare: without the usual ones.
    """
    own: t.Any = None if public_key else key or new_key()
    public = public_key or own.public_key()
    signer = issuer.key if isinstance(issuer, Issued) else own
    whole = name(subject, organizations) if isinstance(subject, str) else subject
    by = issuer.certificate.subject if isinstance(issuer, Issued) else issuer or whole
    builder = (
        x509.CertificateBuilder()
        .subject_name(whole)
        .issuer_name(by)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )
    for extension in [*([] if bare else _usual(public, signer, ca, names)), *extensions]:
        critical = isinstance(extension, (x509.BasicConstraints, x509.KeyUsage))
        builder = builder.add_extension(extension, critical=critical)
    return Issued(builder.sign(signer, _digest(signer)), own)


def authority(common: str = "kubernetes") -> Issued:
    return issue(common, ca=True)


def request(
    subject: x509.Name,
    names: Sequence[str] = (),
    key: t.Any = None,
    extensions: Sequence[x509.ExtensionType] = (),
) -> x509.CertificateSigningRequest:
    """A certificate request."""
    own = key or new_key()
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for extension in [*([alt_names(*names)] if names else []), *extensions]:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(own, _digest(own))


def server_context(
    pair: str = "", client_ca: str = "", verify: ssl.VerifyMode = ssl.CERT_REQUIRED
) -> ssl.SSLContext:
    """TLS of a server.

    :param pair: its certificate and key. :param client_ca: whose client certificates it asks for.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if pair:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "server.pem")
            path.write_text(pair)
            context.load_cert_chain(path)
    if client_ca:
        context.verify_mode = verify
        context.load_verify_locations(cadata=client_ca)
    return context
