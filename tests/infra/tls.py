# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that nobody but a test trusts, and handshakes of clients that are older than Python's."""

from __future__ import annotations

import datetime
import re
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_CHOSEN = re.compile(r"^New, (?P<version>\S+), Cipher is (?P<suite>\S+)$", re.M)


def certificate(*names: str) -> tuple[str, str]:
    """PEM of a certificate for host names, signed by itself, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    now = datetime.datetime.now(datetime.UTC)
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(alternatives, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM).decode(), pem.decode()


def handshake(address: str, host: str, *arguments: str, port: int = 443) -> str:
    """The suite of a connection by openssl's client, empty when the server refuses it.

    :param arguments: of ``openssl s_client``, such as ``-tls1_1``. Suites that OpenSSL does not use any more by itself
        are allowed, unless a ``-cipher`` says otherwise.
    :raises AssertionError: it is not the server that refuses.
    """
    argv = ["openssl", "s_client", "-connect", f"{address}:{port}", "-servername", host]
    if "-cipher" not in arguments:
        arguments = (*arguments, "-cipher", "ALL:@SECLEVEL=0")
    done = subprocess.run(
        [*argv, *arguments], input="", capture_output=True, text=True, timeout=20, check=False
    )
    if match := _CHOSEN.search(done.stdout):
        return "" if match["suite"] == "(NONE)" else match["suite"]
    raise AssertionError(f"{' '.join(argv)}: code {done.returncode}: {done.stdout}{done.stderr}")
