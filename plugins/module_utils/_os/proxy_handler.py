# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Proxies of a site for C(urllib). Apart from what describes them, as it takes long to import."""

from __future__ import annotations

import base64
import urllib.parse
import urllib.request

from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.proxy import Proxy


class _Handler(urllib.request.ProxyHandler):
    """Also requests that follow a redirect are asked about, each by its own URL."""

    def __init__(self, proxy: Proxy) -> None:
        super().__init__({scheme: server for scheme, server in proxy.servers.items() if server})
        self._proxy = proxy

    def proxy_open(self, req: urllib.request.Request, proxy: str, type: str) -> None:
        """Send a request through its proxy, where it has one; the handlers after this one open it."""
        server = self._proxy.server(req.full_url)
        if not server:
            return
        credentials = self._proxy.credentials.get(type, "")
        if credentials:
            token = base64.b64encode(urllib.parse.unquote(credentials).encode()).decode()
            # Not for the server behind a redirect, which may be reached directly.
            req.add_unredirected_header("Proxy-authorization", f"Basic {token}")
        req.set_proxy(server, type if type == "https" else "http")


def handler(proxy: Proxy | None) -> urllib.request.ProxyHandler:
    """For an opener of C(urllib).

    :param proxy: C(None) stands for the proxies of the environment, which are right where the operator is: on the
        controller.
    """
    return urllib.request.ProxyHandler() if proxy is None else _Handler(proxy)
