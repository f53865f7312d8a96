# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The CA of a site's metrics: two files in a directory of the controller, which signs requests of hosts.

Whoever has its key can read metrics and write series, and nothing of the cluster.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import os
import stat
import traceback
import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import write_atomic

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError:
    CRYPTOGRAPHY_ERROR: str | None = traceback.format_exc()
else:
    CRYPTOGRAPHY_ERROR = None

CERTIFICATE, KEY, LOCK = "ca.crt", "ca.key", ".lock"
#: Hosts' clocks may be behind the controller's by this much.
SKEW = timedelta(minutes=10)
#: X.509 allows no longer common name.
LONGEST_NAME = 64
_DIRECTORY_MODE, _KEY_MODE, _CERTIFICATE_MODE = 0o700, 0o600, 0o644
_USES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
_MORE_USES = ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")


@dataclass(frozen=True)
class Wanted:
    """What a certificate has to say.

    :param names: DNS names and addresses. :param days: for which a new one is valid.
    """

    common_name: str
    names: tuple[str, ...]
    days: int

    @property
    def renewed_within(self) -> timedelta:
        """A certificate that ends sooner is renewed."""
        return timedelta(days=self.days) / 3


@dataclass(frozen=True)
class Authority:
    """The CA with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        """Its certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of its public key, which a renewed certificate of the CA has as well."""
        return fingerprint(self.certificate)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the public key of a certificate."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    digest = hashes.Hash(hashes.SHA256())
    digest.update(certificate.public_key().public_bytes(serialization.Encoding.DER, form))
    return digest.finalize().hex()


def require_cryptography() -> None:
    """:raises OperatorError: the controller lacks the library."""
    if CRYPTOGRAPHY_ERROR is not None:
        raise OperatorError(
            "the Python library cryptography is missing on the controller, which signs certificates for metrics.",
            "Install what requirements.txt of the collection lists, for the Python that runs Ansible.",
        )


@contextlib.contextmanager
def locked(directory: str) -> t.Iterator[None]:
    """Keep others, as the forks of this run, from creating a CA at the same time. Creates the directory.

    :raises OSError: when that fails.
    """
    os.makedirs(directory, mode=_DIRECTORY_MODE, exist_ok=True)
    handle = os.open(os.path.join(directory, LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _KEY_MODE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def load(directory: str) -> Authority | None:
    """The CA of a directory, C(None) when there is none.

    :raises OperatorError: its files are there and unusable, or others may read the key.
    """
    paths = [os.path.join(directory, name) for name in (CERTIFICATE, KEY)]
    certificate_pem, key_pem = (_read(path) for path in paths)
    if not certificate_pem:
        # A key alone is what a run has left that ended while it created the CA.
        return None
    if not key_pem:
        raise OperatorError(
            f"{paths[1]} is missing on the controller, expected the key of the CA of metrics beside {paths[0]}.",
            "Restore it from your backup. Without one, move that directory away, and run with"
            " -e metrics_replace_ca=true, which issues all certificates again.",
        )
    key = _key(key_pem, paths[1])
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
    except ValueError as exc:
        raise OperatorError(f"{paths[0]} on the controller is no certificate: {exc}.", "Restore it.") from exc
    if certificate.public_key() != key.public_key():
        raise OperatorError(
            f"{paths[0]} and {paths[1]} on the controller are not a pair of certificate and key.",
            "Restore both from the same backup.",
        )
    return Authority(certificate, key)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            if path.endswith(KEY) and mode & 0o077:
                raise OperatorError(
                    f"{path} on the controller has mode {mode:04o}, expected 0600: others can read the key of the CA.",
                    f"When nobody has: chmod 600 {path}",
                )
            return stream.read()
    except FileNotFoundError:
        return b""


def _key(pem: bytes, path: str) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise OperatorError(
            f"{path} on the controller is no key that can be used: {exc}.",
            "Expected a PEM file without a passphrase. Restore it from your backup.",
        ) from exc
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise OperatorError(
            f"{path} on the controller has a {type(key).__name__}, expected EC.", "Restore it."
        )
    return key


def ensure(directory: str, name: str, days: int, now: datetime) -> Authority:
    """The CA, created when there is none, and with a new certificate when a third of the life of its own is left.

    The new certificate has the name and the key of the old one: either verifies what the other has signed, so that
    hosts may get it one after another.

    :param name: common name of a new CA.
    :raises OperatorError: see C(load).
    """
    try:
        with locked(directory):
            found = load(directory)
            if found is not None and not outlived(found, now):
                return found
            key_path = os.path.join(directory, KEY)
            if found is None:
                old = _read(key_path)
                key = _key(old, key_path) if old else ec.generate_private_key(ec.SECP256R1())
                subject = _name(name)
                if not old:
                    write_atomic(key_path, _key_pem(key), _KEY_MODE)
            else:
                key, subject = found.key, found.certificate.subject
            made = Authority(_self_signed(subject, key, days, now), key)
            write_atomic(os.path.join(directory, CERTIFICATE), made.pem.encode(), _CERTIFICATE_MODE)
            return made
    except OSError as exc:
        raise OperatorError(
            f"{exc.filename or directory} on the controller: {exc.strerror}.",
            "Set metrics_ca_directory to a directory of yours.",
        ) from exc


def outlived(authority: Authority, now: datetime) -> bool:
    """Whether the CA's own certificate is renewed: a third of its life is left."""
    own = authority.certificate
    life = own.not_valid_after_utc - own.not_valid_before_utc
    return own.not_valid_after_utc - now < life / 3


def _name(common: str) -> x509.Name:
    try:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    except ValueError as exc:
        raise OperatorError(
            f"{common!r} cannot be the name of a certificate: {exc}.",
            f"Expected 1 to {LONGEST_NAME} characters. Give the host a shorter name in the inventory.",
        ) from exc


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _usage(*uses: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{use: use in uses for use in (*_USES, *_MORE_USES)})


def _builder(
    subject: x509.Name, issuer: x509.Name, public: t.Any, begin: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _self_signed(
    name: x509.Name, key: ec.EllipticCurvePrivateKey, days: int, now: datetime
) -> x509.Certificate:
    return (
        _builder(name, name, key.public_key(), now - SKEW, now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
        .sign(key, hashes.SHA256())
    )


def _alt_names(names: t.Iterable[str]) -> x509.SubjectAlternativeName:
    found: list[x509.GeneralName] = []
    for name in names:
        with contextlib.suppress(ValueError):
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
            continue
        try:
            found.append(x509.DNSName(name))
        except ValueError as exc:
            raise OperatorError(
                f"{name!r} cannot be a name in a certificate: {exc}.",
                "Expected ASCII. Give the host another name in the inventory.",
            ) from exc
    return x509.SubjectAlternativeName(found)


def sign(authority: Authority, request_pem: str, wanted: Wanted, now: datetime) -> str:
    """The certificate of a host, in PEM. Of its request, only the key counts: its names are the inventory's.

    :raises OperatorError: for a request that is none, or whose signature is not of its key.
    """
    try:
        request = x509.load_pem_x509_csr(request_pem.encode())
        genuine = request.is_signature_valid and isinstance(request.public_key(), ec.EllipticCurvePublicKey)
    except (ValueError, InvalidSignature, UnsupportedAlgorithm):
        genuine = False
    if not genuine:
        raise OperatorError(
            "the host's request for a certificate cannot be read, or is not signed by its own key.",
            "Look at openssl on that host. The present certificate stays.",
        )
    end = min(now + timedelta(days=wanted.days), authority.certificate.not_valid_after_utc)
    certificate = (
        _builder(
            _name(wanted.common_name), authority.certificate.subject, request.public_key(), now - SKEW, end
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage("digital_signature"), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .add_extension(_alt_names(wanted.names), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
        .sign(authority.key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
