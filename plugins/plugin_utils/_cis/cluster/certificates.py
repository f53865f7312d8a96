# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Client certificates: those that were issued through the API, and those in files of hosts."""

from __future__ import annotations

import base64
import binascii
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats.x509 import (
    CertificateError,
    parse_pem,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import (
    Snapshot,
    name_of,
)

_SIGNER = "kubernetes.io/kube-apiserver-client"
_NODE = "system:node:"


@dataclass(frozen=True)
class Issued:
    """A client certificate.

    :param source: where it was found. :param file: whether that is a file on a host.
    """

    source: str
    common_name: str
    organizations: tuple[str, ...]
    file: bool = False


def issued(snapshot: Snapshot) -> t.Iterator[Issued]:
    """Certificates that were issued through the API, which deletes their requests after an hour.

    :raises UnseenError: when the requests could not be read.
    """
    for request in snapshot.all("certificatesigningrequests"):
        text = (request.get("status") or {}).get("certificate")
        if (request.get("spec") or {}).get("signerName") != _SIGNER or not text:
            continue
        source = f"/apis/certificates.k8s.io/v1/certificatesigningrequests/{name_of(request)}"
        try:
            certificate = parse_pem(base64.b64decode(text).decode("ascii", "replace"))
        except (CertificateError, binascii.Error):
            yield Issued(source, f"(unreadable, requested by {request['spec'].get('username')})", ())
        else:
            yield Issued(source, certificate.common_name, certificate.organizations)


def on_hosts(snapshot: Snapshot) -> t.Iterator[Issued]:
    """Certificates that C(cis_node) found in files."""
    for facts in snapshot.nodes:
        found = facts.get("certificates") or ()
        # The kubelet's own certificate has the name of the host.
        names = (str(entry.get("common_name") or "") for entry in found)
        host = next((name[len(_NODE) :] + ":" for name in names if name.startswith(_NODE)), "")
        for entry in found:
            yield Issued(
                f"{host}{entry.get('path') or ''}",
                str(entry.get("common_name") or ""),
                tuple(str(name) for name in entry.get("organizations") or ()),
                file=True,
            )
