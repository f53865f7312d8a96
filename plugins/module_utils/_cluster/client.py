# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Ask a cluster for what its health is judged by.

The kubernetes library reads the kubeconfig; answers stay plain JSON, so that they are the same for all its versions.
"""

from __future__ import annotations

import json
import ssl
import typing as t
import urllib.error
import urllib.request

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cluster.health import Snapshot

_REQUEST_SECONDS = 15
_PAGE = 500


class UnansweredError(Exception):
    """The API server gave no usable answer; the message is the reason."""


class Cluster:
    """A connection with the settings of the kubernetes library.

    :param configuration: C(kubernetes.client.Configuration) with a kubeconfig loaded.
    """

    def __init__(self, configuration: t.Any) -> None:
        self._base = str(configuration.host).rstrip("/")
        self._headers = {"Accept": "application/json"}
        bearer = configuration.get_api_key_with_prefix(
            "authorization"
        ) or configuration.get_api_key_with_prefix("BearerToken")
        if bearer:
            self._headers["Authorization"] = str(bearer)
        context = ssl.create_default_context(cafile=configuration.ssl_ca_cert or None)
        if configuration.cert_file:
            context.load_cert_chain(configuration.cert_file, configuration.key_file)
        handlers: list[t.Any] = [urllib.request.HTTPSHandler(context=context)]
        if configuration.proxy:
            handlers.append(
                urllib.request.ProxyHandler({"http": configuration.proxy, "https": configuration.proxy})
            )
        self._opener = urllib.request.build_opener(*handlers)

    def _get(self, path: str) -> tuple[int, str]:
        # The scheme is that of the operator's kubeconfig.
        request = urllib.request.Request(self._base + path, headers=self._headers)  # noqa: S310
        try:
            with self._opener.open(request, timeout=_REQUEST_SECONDS) as response:
                return response.status, response.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as exc:
            with exc:
                return exc.code, exc.read().decode("utf-8", "replace")
        except (urllib.error.URLError, OSError) as exc:
            reason = getattr(exc, "reason", exc)
            text = getattr(reason, "verify_message", None) or getattr(reason, "strerror", None) or reason
            raise UnansweredError(f"{self._base} does not answer: {text}") from exc

    def _list(self, path: str, query: str = "") -> tuple[dict[str, t.Any], ...]:
        items: list[dict[str, t.Any]] = []
        following = ""
        while True:
            url = f"{path}?limit={_PAGE}{query}" + (f"&continue={following}" if following else "")
            status, body = self._get(url)
            if status != 200:
                raise UnansweredError(f"{self._base}{path} answered HTTP {status}")
            try:
                page = json.loads(body)
            except ValueError as exc:
                raise UnansweredError(f"{self._base}{path} answered with something else than JSON") from exc
            items.extend(page.get("items") or ())
            following = (page.get("metadata") or {}).get("continue") or ""
            if not following:
                return tuple(items)

    def snapshot(self) -> Snapshot:
        """What the cluster says now."""
        try:
            status, text = self._get("/readyz?verbose")
            if status in (401, 403):
                return Snapshot(error=f"{self._base} refuses the credentials (HTTP {status})")
            system = "namespaces/kube-system"
            return Snapshot(
                readyz_status=status,
                readyz=text,
                nodes=self._list("/api/v1/nodes"),
                static_pods=self._list(f"/api/v1/{system}/pods", "&labelSelector=tier%3Dcontrol-plane"),
                deployments=self._list(f"/apis/apps/v1/{system}/deployments"),
                daemonsets=self._list(f"/apis/apps/v1/{system}/daemonsets"),
            )
        except UnansweredError as exc:
            return Snapshot(error=str(exc))
