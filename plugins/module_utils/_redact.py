# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Remove secrets from what programs print and from what messages quote."""

from __future__ import annotations

import re
import typing as t
import urllib.parse

HIDDEN = "<hidden>"

# A private key, also one that breaks off. Certificates are public.
_PEM = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----.*?(?:-----END (?:[A-Z0-9]+ )*PRIVATE KEY-----|\Z)", re.S
)
# PEM in base64, as kubeconfigs have it: it begins with five dashes and BEGIN.
_ENCODED_PEM = re.compile(r"LS0tLS1CRUdJTi[A-Za-z0-9+/=]*")
# Tokens of ServiceAccounts and of OpenID Connect.
_JWT = re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?")
# Bootstrap tokens (k8s.io/cluster-bootstrap: [a-z0-9]{6}.[a-z0-9]{16}) and certificate keys (32 bytes as hex). A hash
# of a public key, sha256:<hex>, is no secret and is kept.
_TOKEN = re.compile(r"(?<![a-z0-9])[a-z0-9]{6}\.[a-z0-9]{16}(?![a-z0-9])")
_KEY = re.compile(r"(?<!sha256:)(?<![0-9a-fA-F])[0-9a-fA-F]{64}(?![0-9a-fA-F])")
# Keys of 16 or 32 bytes in base64 end with an equals sign; a longer run of both cases and digits is random, too.
_BASE64 = re.compile(
    r"(?<![A-Za-z0-9+/])(?:[A-Za-z0-9+/]{22}==|[A-Za-z0-9+/]{43}="
    r"|(?=[A-Za-z0-9+/]*[a-z])(?=[A-Za-z0-9+/]*[A-Z])(?=[A-Za-z0-9+/]*[0-9])[A-Za-z0-9+/]{40,}={0,2})(?![A-Za-z0-9+/=])"
)
# Values that are named: passwords whatever they look like, tokens and keys unless they are a mere word.
_WORD = r"""[^\s"',;&}\]<>]"""
_NAME = r"""(?i)(?<![a-z0-9])((?:{})["']?\s{{0,3}}[:=][ \t]{{0,3}}["']?)"""
_PASSWORD = re.compile(_NAME.format("password|passwd|passphrase") + _WORD + "{3,}")
_NAMED = re.compile(
    _NAME.format("secret|token|(?:api|access|certificate|client)[_-]?key(?:-data)?|tls-?bootstrap-?token")
    + f"(?={_WORD}{{0,200}}[0-9+/=]|{_WORD}{{16}}){_WORD}{{6,}}"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)[ \t]+(?=[\w.~+/=-]*[0-9])[\w.~+/=-]{12,}")
# user:password@ of a URL, as in a proxy's, and parameters of a query, as signatures of object stores.
_USERINFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{1,20}://)[^\s/@\"'<>]{1,500}@")
_PARAMETER = re.compile(r"([?&][\w.%-]{1,80}=)[^\s&\"'<>]{8,}")


def redact(text: str, secrets: t.Iterable[str | None] = ()) -> str:
    """C(text) without keys, tokens and passwords.

    :param secrets: further values to hide wherever they stand.
    """
    for secret in secrets:
        if secret:
            text = text.replace(secret, HIDDEN)
    for pattern in (_PEM, _ENCODED_PEM, _JWT):
        text = pattern.sub(HIDDEN, text)
    text = _USERINFO.sub(rf"\1{HIDDEN}@", text)
    text = _PARAMETER.sub(rf"\1{HIDDEN}", text)
    text = _BEARER.sub(rf"\1 {HIDDEN}", text)
    text = _PASSWORD.sub(rf"\1{HIDDEN}", text)
    text = _NAMED.sub(rf"\1{HIDDEN}", text)
    for pattern in (_KEY, _TOKEN, _BASE64):
        text = pattern.sub(HIDDEN, text)
    return text


def shown_url(url: str) -> str:
    """A URL for a message: without user and password, query and fragment, which may be secrets."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return HIDDEN
    user, at, host = parts.netloc.rpartition("@")
    query = f"?{HIDDEN}" if parts.query else ""
    return f"{parts.scheme}://{HIDDEN + at if user else ''}{host}{parts.path}{query}"
