# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give certificates of a node another end, with the key of the cluster's own authority: no clock is changed."""

from __future__ import annotations

import base64
import datetime
import re

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from tests.infra.hosts import Host

PKI = "/etc/kubernetes/pki"
#: Path of each certificate of a control plane, and what issues it below `PKI`.
CONTROL_PLANE = {
    f"{PKI}/etcd/server.crt": "etcd/ca",
    f"{PKI}/etcd/peer.crt": "etcd/ca",
    f"{PKI}/etcd/healthcheck-client.crt": "etcd/ca",
    f"{PKI}/apiserver-etcd-client.crt": "etcd/ca",
    f"{PKI}/apiserver.crt": "ca",
    f"{PKI}/apiserver-kubelet-client.crt": "ca",
    f"{PKI}/front-proxy-client.crt": "front-proxy-ca",
    "/etc/kubernetes/admin.conf": "ca",
    "/etc/kubernetes/super-admin.conf": "ca",
    "/etc/kubernetes/controller-manager.conf": "ca",
    "/etc/kubernetes/scheduler.conf": "ca",
    "/etc/baremetal-kubernetes/kubelet-csr-approver.conf": "ca",
}
KUBELET = {
    "/var/lib/kubelet/pki/kubelet-client-current.pem": "ca",
    "/var/lib/kubelet/pki/kubelet-server-current.pem": "ca",
}
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", re.S)
_DATA = re.compile(r"client-certificate-data: (\S+)")


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _pem(text: str) -> str:
    if match := _DATA.search(text):
        text = base64.b64decode(match[1]).decode()
    match = _PEM.search(text)
    assert match, "no certificate"
    return match[0]


def end_of(host: Host, path: str) -> datetime.datetime:
    """When the certificate of a file ends."""
    return x509.load_pem_x509_certificate(_pem(host.check(f"cat {path}")).encode()).not_valid_after_utc


def issuer_key(host: Host, path: str) -> str:
    """The identifier of the key that has signed the certificate of a file."""
    own = x509.load_pem_x509_certificate(_pem(host.check(f"cat {path}")).encode())
    found = own.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    return (found or b"").hex()


class Authorities:
    """The authorities of a cluster, from one of its control planes."""

    def __init__(self, control_plane: Host) -> None:
        self._pairs = {
            name: (
                x509.load_pem_x509_certificate(control_plane.check(f"cat {PKI}/{name}.crt").encode()),
                serialization.load_pem_private_key(
                    control_plane.check(f"cat {PKI}/{name}.key").encode(), None
                ),
            )
            for name in ("ca", "etcd/ca", "front-proxy-ca")
        }

    def set_end(self, host: Host, path: str, authority: str, end: datetime.datetime) -> None:
        """Sign the certificate of a file again, with another end and all else as it is."""
        text = host.check(f"cat {path}")
        old = x509.load_pem_x509_certificate(_pem(text).encode())
        issuer, key = self._pairs[authority]
        builder = (
            x509.CertificateBuilder()
            .subject_name(old.subject)
            .issuer_name(issuer.subject)
            .public_key(old.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(end - datetime.timedelta(days=365))
            .not_valid_after(end)
        )
        for extension in old.extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        new = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()  # type: ignore[arg-type]
        if _DATA.search(text):
            encoded = base64.b64encode(new.encode()).decode()
            text = _DATA.sub(f"client-certificate-data: {encoded}", text)
        else:
            text = _PEM.sub(new, text, count=1)
        # As the file, and so that a link stays one.
        host.check(f"echo {base64.b64encode(text.encode()).decode()} | base64 -d > $(readlink -f {path})")
