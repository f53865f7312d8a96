# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Look at the certificate that a kubelet serves as its API server would: OpenSSL verifies the chain and the address."""

from __future__ import annotations

import contextlib
import socket
import ssl
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._csr.plan import USER_PREFIX
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import x509
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import tls

KUBELET_PORT = 10250
# What the API server prefers to dial (--kubelet-preferred-address-types as kubeadm sets it), the addresses of it.
_DIALED = ("InternalIP", "ExternalIP")
_X509_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL


@dataclass(frozen=True)
class Served:
    """What a kubelet serves.

    :param state: C(issued) (by the cluster's CA, for this node), C(other) (another certificate), C(none) (it has none
        yet), C(unreachable), or C(absent) (there is no such node, or it has no address yet).
    :param text: that, in words. :param issuer: common name. :param not_after: RFC 3339, empty when not known.
    """

    state: str
    text: str
    address: str = ""
    issuer: str = ""
    not_after: str = ""


def endpoint(node: t.Mapping[str, t.Any]) -> tuple[str, int]:
    """Where the API server reaches the kubelet of this Node object; an empty address when it has none yet."""
    status = node.get("status") or {}
    port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port") or KUBELET_PORT
    for kind in _DIALED:
        for entry in status.get("addresses") or ():
            if entry.get("type") == kind and entry.get("address"):
                return str(entry["address"]), int(port)
    return "", int(port)


def look(name: str, address: str, port: int, ca: str, seconds: float = 5) -> Served:
    """Ask a kubelet for its certificate.

    :param name: of the node. :param ca: PEM of the cluster's CA.
    """
    try:
        certificate = _served(tls.client_context(cadata=ca), address, port, seconds)
    except ssl.SSLCertVerificationError as exc:
        return _other(exc, address, port, seconds)
    except ssl.SSLError as exc:
        return Served("none", f"it serves no certificate yet ({exc.reason or exc})", address)
    except OSError as exc:
        return _unreachable(exc, address, port)
    except x509.CertificateError as exc:
        return Served("other", f"its certificate cannot be read: {exc}", address)
    issuer, until = certificate.issuer_common_name, _stamp(certificate)
    if certificate.common_name != USER_PREFIX + name:
        return Served(
            "other", f"it serves the certificate of {certificate.common_name!r}", address, issuer, until
        )
    return Served("issued", f"issued by {issuer!r}, valid until {until}", address, issuer, until)


def _other(exc: ssl.SSLCertVerificationError, address: str, port: int, seconds: float) -> Served:
    """Say which certificate it was that could not be verified."""
    try:
        certificate = _served(tls.unverified_context(), address, port, seconds)
    except (OSError, x509.CertificateError):
        return Served("other", f"its certificate is not accepted: {exc.verify_message}", address)
    issuer, until = certificate.issuer_common_name, _stamp(certificate)
    if exc.verify_code == _X509_EXPIRED:
        return Served(
            "other", f"its certificate of issuer {issuer!r} expired {until}", address, issuer, until
        )
    return Served(
        "other",
        f"its certificate of issuer {issuer!r} is not accepted: {exc.verify_message}",
        address,
        issuer,
        until,
    )


def _served(context: ssl.SSLContext, address: str, port: int, seconds: float) -> x509.Certificate:
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(socket.create_connection((address, port), timeout=seconds))
        secure = stack.enter_context(context.wrap_socket(plain, server_hostname=address))
        return x509.parse_der(secure.getpeercert(binary_form=True) or b"")


def _unreachable(exc: OSError, address: str, port: int) -> Served:
    if isinstance(exc, ConnectionResetError):
        return Served("none", "it serves no certificate yet (the connection was reset)", address)
    text = (
        "no answer in time" if isinstance(exc, (TimeoutError, socket.timeout)) else exc.strerror or str(exc)
    )
    return Served("unreachable", f"{address} port {port} cannot be reached: {text}", address)


def _stamp(certificate: x509.Certificate) -> str:
    return certificate.not_after.strftime("%Y-%m-%dT%H:%M:%SZ")
