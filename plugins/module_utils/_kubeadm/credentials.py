# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Decide whether a kubeconfig with a client certificate is good enough, or must be made anew. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta

from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import kubeconfig, x509


@dataclass(frozen=True)
class Wanted:
    """What the credentials shall be.

    :param server: URL of the API server. :param authority: the cluster's CA.
    :param least: how long the certificate must be good for.
    """

    common_name: str
    organizations: tuple[str, ...]
    server: str
    authority: x509.Certificate
    least: timedelta


@dataclass(frozen=True)
class Found:
    """What is on the host.

    :param text: of the kubeconfig, C(None) when there is none. :param mode: permission bits.
    :param owner: numbers of user and group. :param unusable: why TLS cannot use it, empty when it can.
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


def reasons(found: Found, wanted: Wanted, now: datetime) -> list[str]:
    """Why it must be made anew, empty when it is good. Mode and owner are another matter."""
    if found.text is None:
        return ["there is none"]
    try:
        config, own = read(found.text)
        authority = x509.parse_pem((config.ca or b"").decode("ascii", "replace"))
    except (kubeconfig.KubeconfigError, x509.CertificateError) as exc:
        return [f"it is no usable kubeconfig: {exc}"]
    why = []
    if found.unusable:
        why.append(found.unusable)
    if config.server.rstrip("/") != wanted.server.rstrip("/"):
        why.append(f"its server is {config.server}, expected {wanted.server}")
    if authority.spki != wanted.authority.spki:
        why.append("it has the CA of another cluster")
    if not x509.issued_by(own, wanted.authority):
        why.append(f"the CA {own.issuer_common_name!r} issued its certificate, and not the cluster's")
    if own.common_name != wanted.common_name:
        why.append(f"its user is {own.common_name!r}, expected {wanted.common_name!r}")
    if sorted(own.organizations) != sorted(wanted.organizations):
        why.append(f"its groups are {_listed(own.organizations)}, expected {_listed(wanted.organizations)}")
    left = own.not_after - now
    if left < wanted.least:
        why.append(
            f"its certificate is good for {max(left.days, 0)} more days, expected {wanted.least.days} at least"
        )
    return why


def shown(found: Found) -> str:
    """What a diff shows of it: no key."""
    if found.text is None:
        return ""
    try:
        config, own = read(found.text)
    except (kubeconfig.KubeconfigError, x509.CertificateError):
        return "not a usable kubeconfig\n"
    return lines(
        config.server, own.common_name, own.organizations, stamp(own.not_after), found.mode, found.owner
    )


def lines(
    server: str,
    common_name: str,
    organizations: t.Sequence[str],
    until: str,
    mode: int,
    owner: tuple[int, int],
) -> str:
    """The same, of what will be there."""
    return (
        f"server: {server}\nuser: {common_name}\ngroups: {_listed(organizations)}\nvalid until: {until}\n"
        f"mode: {mode:04o}\nowner: {owner[0]}:{owner[1]}\n"
    )


def stamp(when: datetime) -> str:
    """A time as Kubernetes writes it."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def _listed(names: t.Iterable[str]) -> str:
    return f"[{', '.join(sorted(names))}]"
