# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Read the certificates of a node from its files."""

from __future__ import annotations

import os
import typing as t
from datetime import datetime, timedelta

from ansible_collections.baremetal.kubernetes.plugins.module_utils._certificates import plan
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import kubeconfig, x509
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import read_text, under

_PKI = "/etc/kubernetes/pki"


def within(days: int, everything: bool) -> timedelta | None:
    """How soon a certificate has to end to be renewed, C(None) for all of them."""
    return None if everything else timedelta(days=days)


def collect(root: str = "/", known: t.Sequence[plan.Known] = plan.ALL) -> list[plan.Certificate]:
    """The certificates that this host has.

    :param root: directory that stands for C(/).
    """
    found = []
    for one in known:
        path = one.path
        if not os.path.lexists(under(root, path)):
            continue
        found.append(_read(root, one, path))
    return found


def _read(root: str, known: plan.Known, path: str) -> plan.Certificate:
    signable = not known.authority or os.path.exists(under(root, f"{_PKI}/{known.authority}.key"))
    try:
        path, text = _text(root, path)
        own = x509.parse_pem(text)
        modified = os.stat(under(root, path)).st_mtime
    except (x509.CertificateError, kubeconfig.KubeconfigError, OSError) as exc:
        return plan.Certificate(known, error=f"cannot be read: {exc}", signable=signable)
    issued = True
    if known.authority:
        try:
            authority = x509.parse_pem(read_text(root, f"{_PKI}/{known.authority}.crt") or "")
            issued = x509.issued_by(own, authority)
        except x509.CertificateError:
            issued = False
    return plan.Certificate(known, own.not_before, own.not_after, "", issued, signable, modified)


def issued_by(root: str, known: plan.Known, authority: x509.Certificate) -> bool:
    """Whether exactly this authority has issued a certificate; C(False) when that cannot be read.

    The certificates of a CA and of the one that replaces it have the same name, so that only key identifiers tell.
    """
    try:
        own = x509.parse_pem(_text(root, known.path)[1])
    except (x509.CertificateError, kubeconfig.KubeconfigError, OSError):
        return False
    return own.authority_key_id is not None and own.authority_key_id == authority.subject_key_id


def _text(root: str, path: str) -> tuple[str, str]:
    """Path and PEM of a certificate, which a kubeconfig holds or names."""
    text = read_text(root, _target(root, path)) or ""
    if not path.endswith(".conf"):
        return _target(root, path), text
    config = kubeconfig.parse(text)
    if config.client_cert is not None:
        return path, config.client_cert.decode("ascii", "replace")
    named = _target(root, config.client_cert_path or "")
    return named, read_text(root, named) or ""


def _target(root: str, path: str) -> str:
    """Where an absolute link of the kubelet leads to below a root."""
    link = under(root, path)
    if root != "/" and os.path.islink(link):
        return os.path.join(os.path.dirname(path), os.readlink(link))
    return path


def shown(found: t.Sequence[plan.Certificate], now: datetime) -> dict[str, t.Any]:
    """What modules return of them."""
    return {
        "certificates": [plan.as_dict(own, now) for own in found],
        "table": plan.table(found, now),
    }
