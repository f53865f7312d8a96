# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The form of texts of issuers: what is expected instead, empty for one that is right. Pure."""

from __future__ import annotations

import re
import typing as t
import urllib.parse

from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import x509
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cert_manager.given import one_of
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._options import forms

#: Let's Encrypt, whose certificates all browsers trust.
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
_EMAIL = re.compile(r"[^@\s\"'<>]+@[^@\s\"'<>]+")
# RFC 8555, section 7.3.4: keys of external accounts are base64url.
BASE64URL = re.compile(r"[A-Za-z0-9_-]{16,}={0,2}")
BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4}){4,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_PRIVATE_KEY = re.compile(r"-----BEGIN (?P<label>(?:RSA |EC |ENCRYPTED )?PRIVATE KEY)-----")


def zone(text: str) -> str:
    """A DNS zone."""
    return "" if forms.is_subdomain(text) else f"a DNS zone, such as example.org: {forms.NAME_FORM}"


def dns_name(text: str) -> str:
    """A DNS name, also a wildcard."""
    right = forms.is_subdomain(text.removeprefix("*."))
    return "" if right else f"a DNS name, such as www.example.org or *.example.org: {forms.NAME_FORM}"


def https_url(text: str) -> str:
    """A URL of https that names no user."""
    if wrong := forms.url(text):
        return wrong
    parts = urllib.parse.urlsplit(text)
    if parts.scheme != "https" or parts.username is not None or parts.password is not None:
        return "a URL of https without a user, such as " + LETS_ENCRYPT
    return ""


def email(text: str) -> str:
    """An email address."""
    right = _EMAIL.fullmatch(text) and forms.is_subdomain(text.rpartition("@")[2].lower())
    return "" if right else "an email address, such as admin@example.org"


def dns_server(text: str) -> str:
    """Address of a DNS server, with or without a port."""
    form = "HOST[:PORT] of a DNS server, such as 192.0.2.53 or ns1.example.org:53"
    return "" if forms.host_and_port(text) else form


def certificates(text: str) -> str:
    """Certificates in PEM, and nothing secret beside them."""
    if _PRIVATE_KEY.search(text):
        return "certificates in PEM without a private key"
    try:
        x509.parse_bundle(text)
    except x509.CertificateError as exc:
        return f"certificates in PEM ({exc})"
    return ""


def authority(text: str) -> str:
    """A chain that begins with a CA."""
    if wrong := certificates(text):
        return wrong
    first = x509.parse_pem(text)
    return (
        "" if first.is_ca else f"the certificate of a CA first, found one that is none ({first.common_name})"
    )


def private_key(text: str) -> str:
    """One private key that nobody has to unlock."""
    found = _PRIVATE_KEY.findall(text)
    if len(found) != 1 or "ENCRYPTED" in text:
        return "one private key in PEM that is not encrypted"
    return ""


def matching(pattern: re.Pattern[str], form: str) -> t.Callable[[str], str]:
    """The form of a pattern, in words."""
    return lambda text: "" if pattern.fullmatch(text) else form


def choice(words: t.Sequence[str]) -> t.Callable[[str], str]:
    """One of several words."""
    return lambda text: "" if text in words else one_of(words)
