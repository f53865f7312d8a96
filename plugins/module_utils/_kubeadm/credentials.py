# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Decide whether a kubeconfig with a client certificate is usable, or has to be issued again. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta

from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import kubeconfig, x509


@dataclass(frozen=True)
class DesiredCredentials:
    """What the credentials have to be.

    :param server: URL of the API server. :param authority: the cluster's CA.
    :param least: how long the certificate has to be valid.
    """

    common_name: str
    organizations: tuple[str, ...]
    server: str
    authority: x509.Certificate
    least: timedelta


@dataclass(frozen=True)
class ObservedCredentials:
    """What the host has.

    :param text: of the kubeconfig, C(None) when it does not exist. :param mode: permission bits.
    :param owner: numeric user and group. :param unusable: why TLS cannot use it, empty when it can.
    """

    text: str | None
    mode: int = 0
    owner: tuple[int, int] = (0, 0)
    unusable: str = ""


def read(text: str) -> tuple[kubeconfig.Kubeconfig, x509.Certificate]:
    """A kubeconfig and its client certificate.

    :raises KubeconfigError: when it is none. :raises CertificateError: when the certificate cannot be read.
    """
    config = kubeconfig.parse(text)
    return config, x509.parse_pem((config.client_cert or b"").decode("ascii", "replace"))


def reasons(observed: ObservedCredentials, desired: DesiredCredentials, now: datetime) -> list[str]:
    """Why it has to be issued again, empty when it is usable. Mode and owner are compared elsewhere."""
    if observed.text is None:
        return ["it does not exist"]
    try:
        config, own = read(observed.text)
        authority = x509.parse_pem((config.ca or b"").decode("ascii", "replace"))
    except (kubeconfig.KubeconfigError, x509.CertificateError) as exc:
        return [f"it is no usable kubeconfig: {exc}"]
    why = []
    if observed.unusable:
        why.append(observed.unusable)
    if config.server.rstrip("/") != desired.server.rstrip("/"):
        why.append(f"its server is {config.server}, expected {desired.server}")
    if authority.spki != desired.authority.spki:
        why.append("it has the CA of another cluster")
    if not x509.issued_by(own, desired.authority):
        why.append(f"the CA {own.issuer_common_name!r} issued its certificate, not the cluster's")
    if own.common_name != desired.common_name:
        why.append(f"its user is {own.common_name!r}, expected {desired.common_name!r}")
    if sorted(own.organizations) != sorted(desired.organizations):
        why.append(f"its groups are {_listed(own.organizations)}, expected {_listed(desired.organizations)}")
    left = own.not_after - now
    if left < desired.least:
        why.append(
            f"its certificate is valid for {max(left.days, 0)} more days, expected at least {desired.least.days}"
        )
    return why


def shown(observed: ObservedCredentials) -> str:
    """What a diff shows of it, without the key."""
    if observed.text is None:
        return ""
    try:
        config, own = read(observed.text)
    except (kubeconfig.KubeconfigError, x509.CertificateError):
        return "not a usable kubeconfig\n"
    return lines(
        config.server, own.common_name, own.organizations, stamp(own.not_after), observed.mode, observed.owner
    )


def lines(
    server: str,
    common_name: str,
    organizations: t.Sequence[str],
    until: str,
    mode: int,
    owner: tuple[int, int],
) -> str:
    """The same for credentials that are about to be issued."""
    return (
        f"server: {server}\nuser: {common_name}\ngroups: {_listed(organizations)}\nvalid until: {until}\n"
        f"mode: {mode:04o}\nowner: {owner[0]}:{owner[1]}\n"
    )


def stamp(when: datetime) -> str:
    """A time as Kubernetes writes it."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def _listed(names: t.Iterable[str]) -> str:
    return f"[{', '.join(sorted(names))}]"
