# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Read the kubeconfig files that kubeadm and the kubelet write. Targets have no YAML parser, and these need none."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field

_FIELD = re.compile(r"^[ \t]*(?:- )?([a-z-]+):[ \t]+[\"']?([^\"'\s#]+)[\"']?[ \t]*$", re.MULTILINE)


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
    """Read a kubeconfig with one cluster and one user in block style.

    :raises KubeconfigError: when it names no server, more than one, or holds damaged base64.
    """
    fields: dict[str, list[str]] = {}
    for key, value in _FIELD.findall(text):
        fields.setdefault(key, []).append(value)
    servers = fields.get("server", [])
    if len(servers) != 1:
        raise KubeconfigError(f"{len(servers)} servers, expected one")

    def one(key: str) -> str | None:
        return fields.get(key, [None])[0]

    def decoded(key: str) -> bytes | None:
        value = one(key)
        try:
            return base64.b64decode(value, validate=True) if value else None
        except binascii.Error as exc:
            raise KubeconfigError(f"{key} is not base64") from exc

    return Kubeconfig(
        server=servers[0],
        ca=decoded("certificate-authority-data"),
        client_cert=decoded("client-certificate-data"),
        client_key=decoded("client-key-data"),
        client_cert_path=one("client-certificate"),
        client_key_path=one("client-key"),
    )
