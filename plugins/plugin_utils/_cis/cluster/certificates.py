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

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import Evidence
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats.x509 import (
    CertificateError,
    parse_pem,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import (
    Object,
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
        host = _host(facts)
        for entry in facts.get("certificates") or ():
            yield Issued(
                f"{host}{entry.get('path') or ''}",
                str(entry.get("common_name") or ""),
                tuple(str(name) for name in entry.get("organizations") or ()),
                file=True,
            )


def unread(snapshot: Snapshot) -> t.Iterator[Evidence]:
    """Files of hosts that may hold a client certificate, and could not be read: what is in them is not known."""
    for facts in snapshot.nodes:
        for entry in facts.get("unread") or ():
            yield Evidence(
                f"{_host(facts)}{entry.get('path') or 'the facts'}",
                "client certificates",
                f"could not be read: {entry.get('reason') or ''}",
                "a kubeconfig or a certificate that can be read",
            )


def _host(facts: Object) -> str:
    """Name of the host with a colon: the kubelet's own certificate has it."""
    names = (str(entry.get("common_name") or "") for entry in facts.get("certificates") or ())
    return next((name[len(_NODE) :] + ":" for name in names if name.startswith(_NODE)), "")


def undecided(evidence: t.Sequence[Evidence]) -> str:
    """Why there is no verdict."""
    return (
        f"{len(evidence)} file(s) that may hold a client certificate could not be read, first {evidence[0].source}"
        f" ({evidence[0].observed}). Write them as kubeadm does, or remove them, and run the playbook cis again."
    )
