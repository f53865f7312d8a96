# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""HTTP proxies of a site, chosen as containerd and the kubelet choose theirs.

Both follow Go's golang.org/x/net/http/httpproxy, whose C(NO_PROXY) may have networks. C(urllib) knows names alone, and
takes its proxies from the environment of whoever logs in.
"""

from __future__ import annotations

import contextlib
import ipaddress
import typing as t
import urllib.parse
from dataclasses import dataclass

#: The option C(proxy) of modules.
OPTION: dict[str, t.Any] = {
    "type": "dict",
    "options": {
        "http": {"type": "str", "default": ""},
        "https": {"type": "str", "default": ""},
        "http_credentials": {"type": "str", "default": "", "no_log": True},
        "https_credentials": {"type": "str", "default": "", "no_log": True},
        "no_proxy": {"type": "list", "elements": "str", "default": []},
    },
}
_PORTS = {"http": 80, "https": 443}


def _split(entry: str) -> tuple[str, str]:
    """Host and port of an entry of C(no_proxy); no port stands for all."""
    if entry.startswith("["):
        host, _sep, rest = entry[1:].partition("]")
        return host, rest.lstrip(":")
    if entry.count(":") == 1:
        host, _sep, port = entry.partition(":")
        return host, port
    return entry, ""


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False) if "/" in text else None
    except ValueError:
        return None


def bypassed(host: str, port: int, no_proxy: t.Iterable[str]) -> bool:
    """Whether a host is reached directly.

    :param no_proxy: names (with all names below them), names with a leading dot (only those below), addresses and
        networks; the first three also with a port. An asterisk stands for every host.
    """
    host = host.lower().strip("[]").rstrip(".")
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    for item in no_proxy:
        entry = item.strip().lower()
        if entry == "*":
            return True
        network = _network(entry)
        if network is not None:
            if address is not None and address.version == network.version and address in network:
                return True
            continue
        name, wanted = _split(entry)
        if not name or (wanted and wanted != str(port)):
            continue
        own = _address(name)
        if own is not None:
            if own == address:
                return True
            continue
        name = name[1:] if name.startswith("*.") else name
        below = name if name.startswith(".") else f".{name}"
        if host.endswith(below) or (not name.startswith(".") and host == name):
            return True
    return False


@dataclass(frozen=True)
class Proxy:
    """Proxies by scheme, C(host:port), each with its credentials C(user:password); empty ones are not used."""

    servers: t.Mapping[str, str]
    credentials: t.Mapping[str, str]
    no_proxy: tuple[str, ...] = ()

    def server(self, url: str) -> str:
        """The proxy for a URL; empty when it is reached directly."""
        parts = urllib.parse.urlsplit(url)
        server = self.servers.get(parts.scheme, "")
        port = _PORTS.get(parts.scheme, 0)
        with contextlib.suppress(ValueError):
            port = parts.port or port
        return "" if not server or bypassed(parts.hostname or "", port, self.no_proxy) else server


def read(asked: t.Mapping[str, t.Any] | None) -> Proxy | None:
    """The option C(proxy) of a module; C(None) when it is not given."""
    if asked is None:
        return None
    servers = {scheme: str(asked[scheme]) for scheme in _PORTS}
    return Proxy(
        servers={
            scheme: urllib.parse.urlsplit(text if "://" in text else f"http://{text}").netloc
            for scheme, text in servers.items()
        },
        credentials={scheme: str(asked[f"{scheme}_credentials"]) for scheme in _PORTS},
        no_proxy=tuple(asked["no_proxy"]),
    )
