# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""State of a node's hardening, so that a run calls the modules that change it only where something differs.

Nothing here is a secret: no key, and of certificates only what a TLS client sees.
"""

from __future__ import annotations

import json
import os
import typing as t
from datetime import datetime, timezone

from ansible_collections.baremetal.kubernetes.plugins.module_utils._encryption import plan as encryption_plan
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import kubeconfig, x509
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import (
    ADMIN_CONF,
    CA_CERT,
    KUBELET_SERVING,
    read_text,
    under,
)

ENCRYPTION_CONFIG = "/etc/kubernetes/encryption/config.yaml"
APPROVER_CONF = "/etc/baremetal-kubernetes/kubelet-csr-approver.conf"
APPROVER_LIST = "/etc/baremetal-kubernetes/kubelet-csr-approver.json"
KUBECONFIGS = (ADMIN_CONF, APPROVER_CONF)
_SECONDS_PER_DAY = 86400


def _private(path: str) -> bool:
    """Whether root alone may read the file and replace it."""
    try:
        state = os.stat(path)
    except OSError:
        return False
    return (state.st_mode & 0o777, state.st_uid, state.st_gid) == (0o600, os.geteuid(), os.getegid())


def encryption(root: str) -> dict[str, t.Any]:
    """The configuration of encryption at rest; C(usable) is false for one that the collection did not write."""
    text = read_text(root, ENCRYPTION_CONFIG)
    found: dict[str, t.Any] = {
        "exists": os.path.lexists(under(root, ENCRYPTION_CONFIG)),
        "usable": False,
        "private": _private(under(root, ENCRYPTION_CONFIG)),
        "digest": None,
        "writes": None,
        "resources": [],
    }
    if text is None:
        return found
    try:
        config = encryption_plan.parse(text, ENCRYPTION_CONFIG)
    except OperatorError:
        return found
    # A file that was edited manually is written again by `encryption_config`, so it does not count as usable.
    return {
        **found,
        "usable": encryption_plan.render(config) == text,
        "digest": config.digest,
        "writes": config.writes,
        "resources": list(config.resources),
    }


def _authority(root: str) -> x509.Certificate | None:
    try:
        return x509.parse_pem(read_text(root, CA_CERT) or "")
    except x509.CertificateError:
        return None


def _certificate(text: str, authority: x509.Certificate | None, now: datetime) -> dict[str, t.Any] | None:
    try:
        found = x509.parse_pem(text)
    except x509.CertificateError:
        return None
    return {
        "common_name": found.common_name,
        "organizations": sorted(found.organizations),
        "not_after": found.not_after.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "days_left": max(int((found.not_after - now).total_seconds() // _SECONDS_PER_DAY), 0),
        "issued_by_cluster_ca": authority is not None and x509.issued_by(found, authority),
    }


def serving_certificate(root: str, now: datetime) -> dict[str, t.Any] | None:
    """The certificate that the kubelet has been issued to serve, C(None) without one."""
    text = read_text(root, KUBELET_SERVING)
    path = under(root, KUBELET_SERVING)
    if text is None and root != "/" and os.path.islink(path):
        # The kubelet links to its newest certificate by an absolute path, which below a root leads elsewhere.
        text = read_text(root, os.path.join(os.path.dirname(KUBELET_SERVING), os.readlink(path)))
    return None if text is None else _certificate(text, _authority(root), now)


def kubeconfigs(root: str, now: datetime) -> dict[str, dict[str, t.Any]]:
    """Server and client certificate of the kubeconfigs that the collection manages, by path."""
    authority, found = _authority(root), {}
    for path in KUBECONFIGS:
        text = read_text(root, path)
        if text is None:
            continue
        try:
            config = kubeconfig.parse(text)
        except kubeconfig.KubeconfigError:
            continue
        own = _certificate((config.client_cert or b"").decode("ascii", "replace"), authority, now)
        if own is None:
            continue
        try:
            same_ca = authority is not None and (
                x509.parse_pem((config.ca or b"").decode("ascii", "replace")).spki == authority.spki
            )
        except x509.CertificateError:
            same_ca = False
        found[path] = {
            **own,
            "modified_at": os.stat(under(root, path)).st_mtime,
            "server": config.server,
            "has_cluster_ca": same_ca,
            "private": _private(under(root, path)),
        }
    return found


def users(root: str) -> list[str]:
    """Names of /etc/passwd whose group of the same name is in /etc/group."""
    names = [
        {line.split(":", 1)[0] for line in (read_text(root, path) or "").splitlines() if ":" in line}
        for path in ("/etc/passwd", "/etc/group")
    ]
    return sorted(names[0] & names[1])


def serving_nodes(root: str) -> dict[str, t.Any]:
    """The allow-list of the kubelet CSR approver on this host, empty without one or with one that cannot be read."""
    try:
        nodes = json.loads(read_text(root, APPROVER_LIST) or "{}").get("nodes")
    except (ValueError, AttributeError):
        return {}
    return nodes if isinstance(nodes, dict) else {}


def security(root: str = "/") -> dict[str, t.Any]:
    """All of it.

    :param root: directory that stands for C(/).
    """
    now = datetime.now(timezone.utc)
    return {
        "encryption": encryption(root),
        "serving_certificate": serving_certificate(root, now),
        "kubeconfigs": kubeconfigs(root, now),
        "serving_nodes": serving_nodes(root),
        "users": users(root),
    }
