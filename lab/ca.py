# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's certificate authority, and certificates of its servers.

It stands for a site's own: roles are given its certificate as they would be given the site's.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab.config import LabError, Paths
from lab.run import write_atomic

CA_DAYS = 3650
SERVER_DAYS = 365
#: Hosts' clocks may be behind the machine's by this much.
SKEW = datetime.timedelta(minutes=10)


@dataclass(frozen=True)
class CA:
    """A CA with its key.

    :param path: PEM file of its certificate, for those who are to trust it.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    path: Path


def ensure_ca(paths: Paths) -> CA:
    """The lab's CA, created when there is none.

    :raises LabError: its files are there but damaged.
    """
    certificate_file, key_file = paths.pki / "ca.crt", paths.pki / "ca.key"
    if certificate_file.exists() and key_file.exists():
        return _load(certificate_file, key_file)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Lab of baremetal.kubernetes")])
    certificate = (
        _builder(name, name, key, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    # The key first: a certificate without its key would be found by a later run.
    write_atomic(key_file, _key_pem(key), mode=0o600)
    write_atomic(certificate_file, certificate.public_bytes(serialization.Encoding.PEM))
    return CA(certificate, key, certificate_file)


def _load(certificate_file: Path, key_file: Path) -> CA:
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
        fits = isinstance(key, ec.EllipticCurvePrivateKey) and certificate.public_key() == key.public_key()
    except ValueError:
        fits = False
    if not fits:
        raise LabError(
            f"{certificate_file} and {key_file} are not a pair of certificate and key",
            "run `lab down`, which removes them, then `lab up`",
        )
    assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 - seen above, for the type checker
    return CA(certificate, key, certificate_file)


def issue(ca: CA, names: Sequence[str], ips: Sequence[str], out_dir: Path) -> tuple[Path, Path]:
    """Issue a server's certificate and key.

    :param names: DNS names; the first becomes the subject, and the stem of the files.
    :param ips: IP addresses.
    :param out_dir: directory for the files.
    :return: paths of certificate and key.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    others: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    others += [x509.IPAddress(ipaddress.ip_address(address)) for address in ips]
    certificate = (
        _builder(subject, ca.certificate.subject, key, SERVER_DAYS)
        .add_extension(x509.SubjectAlternativeName(others), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key()), critical=False
        )
        .sign(ca.key, hashes.SHA256())
    )
    certificate_file, key_file = out_dir / f"{names[0]}.crt", out_dir / f"{names[0]}.key"
    write_atomic(key_file, _key_pem(key), mode=0o600)
    write_atomic(certificate_file, certificate.public_bytes(serialization.Encoding.PEM))
    return certificate_file, key_file


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
