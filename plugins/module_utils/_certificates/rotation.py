# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""A CA rotation: what a node trusts and signs with after each step. Pure.

The steps are those of Kubernetes' documentation (Manual Rotation of CA Certificates): every node trusts the former and
the new CA before the first certificate is issued by the new one, and every certificate is before the first node
forgets the former CA. Each step is the same when it is done again.
"""

from __future__ import annotations

import json
import ssl
import typing as t
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.module_utils._certificates.plan import (
    CA,
    ETCD_CA,
    FRONT_PROXY_CA,
    CertificatesError,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import x509

CHECK, STAGE, TRUST, SIGN, FINISH, CLOSE = "check", "stage", "trust", "sign", "finish", "close"
#: Base names of certificate and key below C(/etc/kubernetes/pki), by kubeadm's own names of their phases.
AUTHORITIES = {CA: "ca", ETCD_CA: "etcd-ca", FRONT_PROXY_CA: "front-proxy-ca"}
#: The new CA's key, signed by the former CA: behind the API server's certificate, it lets clients that know the former
#: CA alone verify a certificate by the new one.
CROSS = "cross.crt"
#: The certificate of the former CA, which says what cluster this is until the rotation has ended.
FORMER = "former.crt"


@dataclass(frozen=True)
class Stage:
    """What a host keeps for a rotation that is under way.

    :param files: names below the directory of the rotation and their texts; on a worker, certificates alone.
    """

    files: t.Mapping[str, str] = field(repr=False)

    @property
    def certificate(self) -> str:
        """PEM of the new CA of the cluster."""
        return self.files[f"{CA}.crt"]

    @property
    def authorities(self) -> tuple[str, ...]:
        """Base names of the authorities that it replaces."""
        return tuple(name for name in AUTHORITIES if f"{name}.crt" in self.files)

    def new(self, authority: str) -> bytes:
        """DER of a new authority."""
        return x509.der_of(self.files[f"{authority}.crt"])[0]

    def render(self) -> str:
        """As one text, which is a secret on a control plane."""
        return json.dumps(dict(self.files), indent=1, sort_keys=True)

    def public(self) -> Stage:
        """What a worker keeps of it."""
        return Stage({name: self.files[name] for name in (f"{CA}.crt", FORMER)})


def parse(text: str, where: str) -> Stage:
    """Read what C(render) has written.

    :param where: it comes from, for the message. :raises CertificatesError: when it is something else.
    """
    try:
        document = json.loads(text)
        if not isinstance(document, dict):
            raise ValueError("not a mapping")
        return complete(Stage({str(name): str(one) for name, one in document.items()}), where)
    except ValueError:
        raise CertificatesError(
            f"{where} is no content of a CA rotation.",
            "Give what the module has returned on a control plane.",
        ) from None


def complete(stage: Stage, where: str) -> Stage:
    """The same, verified.

    :raises CertificatesError: when a file is missing or no certificate, or has a name of no such file.
    """
    known = {CROSS, FORMER, *(f"{name}.{kind}" for name in AUTHORITIES for kind in ("crt", "key"))}
    try:
        for name, text in stage.files.items():
            if name not in known:
                raise x509.CertificateError(f"{name} is unknown")
            if name.endswith(".crt"):
                x509.parse_pem(text)
        missing = {f"{CA}.crt", FORMER} - set(stage.files)
        if missing:
            raise x509.CertificateError(f"{', '.join(sorted(missing))} is missing")
    except x509.CertificateError as exc:
        raise CertificatesError(
            f"{where}: what is kept for the CA rotation cannot be used ({exc}).",
            "Delete that directory on this host, and run rotate_ca again: another control plane has the same files.",
        ) from None
    return stage


def trusted(present: t.Sequence[bytes], new: bytes, step: str) -> tuple[bytes, ...]:
    """The certificates that a host trusts after a step; kubeadm signs with the first one.

    :param present: DER of those that it trusts now, at least one. :param new: DER of the new authority.
    :raises CertificatesError: when the step before was left out.
    """
    if step == TRUST:
        return tuple(present) if new in present else (present[0], new)
    if new not in present:
        raise CertificatesError("the new CA is not trusted yet; expected the step before to be complete.")
    return (new,) if step == FINISH else (new, *(one for one in present if one != new))


def pem(certificates: t.Sequence[bytes]) -> str:
    """Certificates as one text."""
    return "".join(ssl.DER_cert_to_PEM_cert(one) for one in certificates)


def chained(own: str, cross: str) -> str:
    """The API server's certificate, with the cross-signed CA behind it.

    :param own: PEM of the present file, whose first certificate is its own.
    """
    return pem([x509.der_of(own)[0], x509.der_of(cross)[0]])


def described(text: str) -> list[str]:
    """A line for each certificate of a file, for a diff."""
    return [
        f"{own.common_name}, sha256 {own.fingerprint[:16]}, until {own.not_after:%Y-%m-%d}"
        for own in x509.parse_bundle(text)
    ]


def with_argument(manifest: str, name: str, value: str) -> str:
    """A static pod's manifest with another value of an argument that it has; all else stays.

    :raises CertificatesError: when it does not have that argument once.
    """
    lines = manifest.split("\n")
    own = [number for number, line in enumerate(lines) if line.strip().startswith(f"- --{name}=")]
    if len(own) != 1:
        raise CertificatesError(f"the manifest has --{name} {len(own)} times, expected once.")
    margin = lines[own[0]].partition("-")[0]
    lines[own[0]] = f"{margin}- --{name}={value}"
    return "\n".join(lines)
