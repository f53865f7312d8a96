# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.


"""Read the kubeconfig files that kubeadm and the kubelet write: one cluster, one user.

Like every reader of C(_formats), it fails closed (anything else raises C(KubeconfigError)), and its syntax never grows.
"""

from __future__ import annotations

import base64
import binascii
import typing as t
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import yaml


class KubeconfigError(ValueError):
    """The file is not a kubeconfig with one cluster and one user."""


@dataclass(frozen=True)
class Kubeconfig:
    """One cluster and one user.

    :param server: URL of the API server.
    :param ca: PEM of the cluster's authority, C(None) when the file names a path or nothing.
    :param client_cert: PEM, or C(None) when the file names a path: then C(client_cert_path).
    """

    server: str
    ca: bytes | None = None
    client_cert: bytes | None = None
    client_key: bytes | None = field(default=None, repr=False)
    client_cert_path: str | None = None
    client_key_path: str | None = None


def parse(text: str) -> Kubeconfig:
    """Read a kubeconfig.

    :raises KubeconfigError: when it is no YAML of this kind, has not exactly one server or more than one user, or holds
        damaged base64.
    """
    try:
        document = yaml.load(text)
    except yaml.YamlError as exc:
        # Its message quotes the line, which may hold a key.
        raise KubeconfigError(f"line {exc.number} cannot be read") from None
    clusters = _entries(document, "clusters", "cluster")
    users = _entries(document, "users", "user")
    servers = [server for cluster in clusters if (server := _text(cluster, "server"))]
    if len(servers) != 1:
        raise KubeconfigError(f"{len(servers)} servers, expected one")
    if len(clusters) != 1 or len(users) > 1:
        raise KubeconfigError(f"{len(clusters)} clusters and {len(users)} users, expected one")
    user = users[0] if users else {}
    return Kubeconfig(
        server=servers[0],
        ca=_decoded(clusters[0], "certificate-authority-data"),
        client_cert=_decoded(user, "client-certificate-data"),
        client_key=_decoded(user, "client-key-data"),
        client_cert_path=_text(user, "client-certificate"),
        client_key_path=_text(user, "client-key"),
    )


def with_ca(text: str, ca: bytes) -> str:
    """A kubeconfig with other authorities of its cluster, and all else as it is.

    :param ca: their PEM. :return: the same text when it names no authority, or only a path.
    :raises KubeconfigError: when it cannot be read, or has its authorities in another form than on one line.
    """
    present = parse(text).ca
    if present is None or present == ca:
        return text
    before, after = (base64.b64encode(pem).decode("ascii") for pem in (present, ca))
    if text.count(f" {before}\n") != 1:
        raise KubeconfigError("certificate-authority-data is not on one line")
    replaced = text.replace(f" {before}\n", f" {after}\n")
    if parse(replaced).ca != ca:
        raise KubeconfigError("certificate-authority-data cannot be replaced")
    return replaced


def _entries(document: t.Any, plural: str, singular: str) -> list[dict[str, t.Any]]:
    """The clusters or users, without their names."""
    entries = (document.get(plural) if isinstance(document, dict) else None) or []
    found = [
        entry.get(singular) or {} if isinstance(entry, dict) else None
        for entry in (entries if isinstance(entries, list) else [None])
    ]
    if not all(isinstance(entry, dict) for entry in found):
        raise KubeconfigError(f"{plural} is no list of named entries with {singular}")
    return t.cast("list[dict[str, t.Any]]", found)


def _text(entry: dict[str, t.Any], key: str) -> str | None:
    value = entry.get(key)
    if value is not None and not isinstance(value, str):
        raise KubeconfigError(f"{key} is no text")
    return value or None


def _decoded(entry: dict[str, t.Any], key: str) -> bytes | None:
    value = _text(entry, key)
    try:
        return base64.b64decode(value, validate=True) if value else None
    except (binascii.Error, ValueError) as exc:
        raise KubeconfigError(f"{key} is not base64") from exc
