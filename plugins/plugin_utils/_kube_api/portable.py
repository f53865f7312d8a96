# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Make a kubeconfig for the controller from the bytes that a host gave. Pure.

Whoever loads a kubeconfig does what it says: C(exec) runs a program, C(tokenFile) and C(client-key) read files, and
C(proxy-url) chooses who listens. So the bytes of a host are never loaded. They are parsed here, and the file is written
from scratch: one cluster with its URL and CA, one user with a certificate and its key, one context, and nothing else.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import typing as t
import urllib.parse
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import yaml
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats.kubeconfig import KubeconfigError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.marks import FIRST_LINE

#: kubeadm's admin.conf has about 6 KiB; one with a chain of intermediate authorities has some more.
MAX_BYTES = 256 * 1024
_TOP = frozenset({"apiVersion", "kind", "clusters", "contexts", "users", "current-context", "preferences"})
_CLUSTER = frozenset({"server", "certificate-authority-data"})
_USER = frozenset({"client-certificate-data", "client-key-data"})
_CONTEXT = frozenset({"cluster", "user"})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:/-]{0,252}")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|[0-9a-f:.]{2,45}", re.IGNORECASE)
_BLOCK = re.compile(
    r"\s*-----BEGIN ([A-Z ]{1,40})-----[ \t\r]*\n([A-Za-z0-9+/=\s]+?)-----END \1-----[ \t\r]*(?:\n|$)"
)
_CERTIFICATE = frozenset({"CERTIFICATE"})
_KEY = frozenset({"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"})
_SHOWN = 60


@dataclass(frozen=True)
class Portable:
    """One cluster, one user and one context, complete in themselves.

    :param cluster: its name, as C(user) and C(context). :param server: URL of the API server.
    :param ca: PEM, as C(cert) and C(key).
    """

    cluster: str
    user: str
    context: str
    server: str
    ca: bytes
    cert: bytes
    key: bytes = field(repr=False)


def read(data: bytes) -> Portable:
    """Parse the bytes of a host.

    :raises KubeconfigError: for anything but one cluster, user and context with embedded certificates and key. Its
        message has no secret and no control character.
    """
    if len(data) > MAX_BYTES:
        raise KubeconfigError(f"{len(data)} bytes, expected {MAX_BYTES} at most")
    try:
        document = yaml.load(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise KubeconfigError("it is not text in UTF-8") from None
    except yaml.YamlError as exc:
        # Its message quotes the line, which may hold a key.
        raise KubeconfigError(f"line {exc.number} cannot be read") from None
    top = _mapping(document, "the file", _TOP)
    if top.get("kind") != "Config" or top.get("apiVersion") != "v1":
        raise KubeconfigError("it is no Config of apiVersion v1")
    if top.get("preferences"):
        raise KubeconfigError("it has preferences, expected none")
    cluster_name, cluster = _only(top, "clusters", "cluster", _CLUSTER)
    user_name, user = _only(top, "users", "user", _USER)
    context_name, context = _only(top, "contexts", "context", _CONTEXT)
    if (context.get("cluster"), context.get("user")) != (cluster_name, user_name):
        raise KubeconfigError("its context does not name its cluster and its user")
    if top.get("current-context") != context_name:
        raise KubeconfigError("its current-context is not its context")
    return Portable(
        cluster=cluster_name,
        user=user_name,
        context=context_name,
        server=_server(cluster.get("server")),
        ca=_pem(cluster, "certificate-authority-data", _CERTIFICATE),
        cert=_pem(user, "client-certificate-data", _CERTIFICATE),
        key=_pem(user, "client-key-data", _KEY, only_one=True),
    )


def render(config: Portable, proxy: str = "") -> bytes:
    """The file that the controller keeps. Strings of JSON are strings of YAML.

    :param proxy: URL of the proxy that the site has for the API.
    """

    def data(pem: bytes) -> str:
        return base64.b64encode(pem).decode()

    cluster, user, context = (json.dumps(name) for name in (config.cluster, config.user, config.context))
    return (
        f"{FIRST_LINE}apiVersion: v1\n"
        "kind: Config\n"
        "clusters:\n"
        f"- name: {cluster}\n"
        "  cluster:\n"
        f"    server: {json.dumps(config.server)}\n"
        + (f"    proxy-url: {json.dumps(proxy)}\n" if proxy else "")
        + f"    certificate-authority-data: {data(config.ca)}\n"
        "users:\n"
        f"- name: {user}\n"
        "  user:\n"
        f"    client-certificate-data: {data(config.cert)}\n"
        f"    client-key-data: {data(config.key)}\n"
        "contexts:\n"
        f"- name: {context}\n"
        "  context:\n"
        f"    cluster: {cluster}\n"
        f"    user: {user}\n"
        f"current-context: {context}\n"
    ).encode()


def _shown(value: object) -> str:
    """What a host said, fit for a terminal."""
    text = ascii(str(value))
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def _mapping(value: t.Any, what: str, allowed: frozenset[str]) -> dict[str, t.Any]:
    if not isinstance(value, dict):
        raise KubeconfigError(f"{what} is no mapping")
    further = sorted(key for key in value if key not in allowed)
    if further:
        raise KubeconfigError(f"{what} has {_shown(further[0])}, expected only {', '.join(sorted(allowed))}")
    return value


def _only(
    top: t.Mapping[str, t.Any], plural: str, singular: str, allowed: frozenset[str]
) -> tuple[str, dict[str, t.Any]]:
    """Name and content of the only entry of a list."""
    entries = top.get(plural)
    if not isinstance(entries, list) or len(entries) != 1:
        count = len(entries) if isinstance(entries, list) else 0
        raise KubeconfigError(f"it has {count} {plural}, expected one")
    entry = _mapping(entries[0], f"the entry of {plural}", frozenset({"name", singular}))
    name = entry.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise KubeconfigError(f"the {singular} is called {_shown(name)}, expected letters, digits and ._@:/-")
    return name, _mapping(entry.get(singular), f"the {singular}", allowed)


def _server(value: t.Any) -> str:
    """The URL of an API server, and nothing that is more than an address."""
    wrong = KubeconfigError(f"its server is {_shown(value)}, expected https://ADDRESS:PORT")
    if not isinstance(value, str):
        raise wrong
    try:
        parts = urllib.parse.urlsplit(value)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise wrong from None
    address = f"[{host}]" if ":" in host else host
    made = f"https://{address}" + ("" if port is None else f":{port}")
    if not _HOST.fullmatch(host) or value.removesuffix("/").lower() != made:
        raise wrong
    return made


def _pem(entry: t.Mapping[str, t.Any], key: str, labels: frozenset[str], only_one: bool = False) -> bytes:
    """PEM, written from scratch. An encrypted key is refused: OpenSSL would ask the terminal for its password."""
    wrong = KubeconfigError(f"{key} is not what base64 of PEM with {' or '.join(sorted(labels))} is")
    value = entry.get(key)
    if not isinstance(value, str) or not value:
        raise KubeconfigError(f"it has no {key}")
    try:
        text = base64.b64decode(value, validate=True).decode("ascii")
        blocks = []
        at = 0
        while found := _BLOCK.match(text, at):
            label, at = found[1], found.end()
            der = base64.b64decode("".join(found[2].split()), validate=True)
            if label not in labels or not der:
                raise wrong
            encoded = base64.b64encode(der).decode()
            lines = "\n".join(encoded[start : start + 64] for start in range(0, len(encoded), 64))
            blocks.append(f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
    except (binascii.Error, ValueError):
        raise wrong from None
    if text[at:].strip() or not blocks or (only_one and len(blocks) > 1):
        raise wrong
    return "".join(blocks).encode()
