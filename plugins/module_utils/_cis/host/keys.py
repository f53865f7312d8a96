# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What a file holds, by its content: a copy of a key may have any name."""

from __future__ import annotations

import errno
import re

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.reader import Process, Reader

KEY, CERTIFICATE, KUBECONFIG, OTHER = "key", "certificate", "kubeconfig", "other"
#: Names that say what a file is expected to hold.
OF_KEY = (".key",)
OF_CERTIFICATE = (".crt", ".pem", ".pub")

# PEM; a key of PKCS #1, PKCS #8 or SEC 1 in DER, or a PKCS #12 store: a sequence that begins with a number; or a store
# of Java.
_PRIVATE = re.compile(rb"PRIVATE KEY-----")
_DER_KEY = re.compile(rb"\A\x30(?:[\x00-\x7f]|\x81.|\x82..|\x83...)\x02\x01[\x00-\x03]", re.DOTALL)
_STORE = b"\xfe\xed\xfe\xed"
_IN_KUBECONFIG = re.compile(rb"client-key-data[\"']?[ \t]*:")
_OF_KUBECONFIG = re.compile(rb"client-certificate(?:-data)?[\"']?[ \t]*:")
# The same in base64, as in Secrets: "-----BEGIN " and what follows it in the usual kinds.
_ENCODED = re.compile(
    rb"LS0tLS1CRUdJTi(?:BQUklWQVRFIEtFWS|BSU0EgUFJJVkFURSBLRVkt|BFQyBQUklWQVRFIEtFWS|BFTkNSWVBURUQgUFJJVkFURSBLRVkt)"
)
_CERTIFICATE = re.compile(rb"-----BEGIN (?:TRUSTED )?CERTIFICATE-----|-----BEGIN (?:RSA )?PUBLIC KEY-----")


def kind_of(data: bytes) -> str:
    """What a file holds; with a key beside a certificate, it is a key."""
    private = _PRIVATE.search(data) or _DER_KEY.match(data) or data.startswith(_STORE)
    if private or _IN_KUBECONFIG.search(data) or _ENCODED.search(data):
        return KEY
    if _CERTIFICATE.search(data):
        return CERTIFICATE
    return KUBECONFIG if names_certificate(data) else OTHER


def names_certificate(data: bytes) -> bool:
    """Whether it is a kubeconfig with a client certificate."""
    return bool(_OF_KUBECONFIG.search(data))


def content(reader: Reader, path: str, process: Process | None = None) -> bytes:
    """Content of a file, empty when it is larger than any key and its name does not say that it is one.

    :raises OSError: when it cannot be read.
    """
    try:
        return reader.read(path, process)
    except OSError as exc:
        if exc.errno == errno.EFBIG and not path.endswith((*OF_KEY, *OF_CERTIFICATE, ".conf")):
            return b""
        raise
