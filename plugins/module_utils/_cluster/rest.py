# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Read from the API of a cluster.

The kubernetes library reads the kubeconfig; answers stay plain JSON, so that they are the same for all its versions.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
import traceback
import typing as t
import urllib.error
import urllib.parse
import urllib.request

try:
    from kubernetes import client as kubernetes_client
    from kubernetes import config as kubernetes_config
except ImportError:
    KUBERNETES_ERROR: str | None = traceback.format_exc()
else:
    KUBERNETES_ERROR = None

JSON = "application/json"
#: A list whose items have nothing but their metadata: what they hold never leaves the API server.
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

REQUEST_SECONDS = 15.0
_PAGE = 500
# The API server sends clients away for a moment when there are too many of them.
_BUSY_TRIES = 4
_BUSY_SECONDS = 0.5


class UnansweredError(Exception):
    """The API server gave no usable answer; the message is the reason."""


class RefusedError(UnansweredError):
    """It answered with an error.

    :param status: of HTTP.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class KubeconfigError(Exception):
    """A kubeconfig cannot be used; the message says which, why and what to do."""


class Api:
    """A connection with the settings of the kubernetes library. Several threads may use it at once.

    :param configuration: C(kubernetes.client.Configuration) with a kubeconfig loaded.
    :param seconds: how long one answer may take.
    """

    def __init__(self, configuration: t.Any, seconds: float = REQUEST_SECONDS) -> None:
        self.base = str(configuration.host).rstrip("/")
        self._seconds = seconds
        self._headers: dict[str, str] = {}
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

    def get(self, path: str, accept: str = JSON) -> tuple[int, str]:
        """Status and text of an answer, whatever the status is.

        :raises UnansweredError: when there is none.
        """
        # The scheme is that of the operator's kubeconfig.
        request = urllib.request.Request(  # noqa: S310
            self.base + path, headers={**self._headers, "Accept": accept}
        )
        try:
            with self._opener.open(request, timeout=self._seconds) as response:
                return response.status, response.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as exc:
            with exc:
                return exc.code, exc.read().decode("utf-8", "replace")
        except (urllib.error.URLError, http.client.HTTPException, OSError) as exc:
            reason = getattr(exc, "reason", exc)
            text = getattr(reason, "verify_message", None) or getattr(reason, "strerror", None) or reason
            raise UnansweredError(f"{self.base} does not answer: {text}") from exc

    def read(self, path: str, accept: str = JSON) -> dict[str, t.Any]:
        """An object.

        :raises RefusedError: when the answer is an error. :raises UnansweredError: when there is none to use.
        """
        for attempt in range(_BUSY_TRIES):
            status, body = self.get(path, accept)
            if status != 429 or attempt == _BUSY_TRIES - 1:
                break
            time.sleep(_BUSY_SECONDS * 2**attempt)
        where = self.base + path.partition("?")[0]
        if status != 200:
            raise RefusedError(f"{where} answered HTTP {status}", status)
        try:
            parsed = json.loads(body)
        except ValueError as exc:
            raise UnansweredError(f"{where} answered with something else than JSON") from exc
        if not isinstance(parsed, dict):
            raise UnansweredError(f"{where} answered with something else than an object")
        return parsed

    def items(self, path: str, query: str = "", accept: str = JSON) -> tuple[dict[str, t.Any], ...]:
        """All items of a list, page by page.

        :param query: further parameters, each with a leading C(&).
        :raises RefusedError: when the answer is an error. :raises UnansweredError: when there is none to use.
        """
        items: list[dict[str, t.Any]] = []
        following = ""
        while True:
            url = f"{path}?limit={_PAGE}{query}" + (f"&continue={following}" if following else "")
            page = self.read(url, accept)
            items.extend(page.get("items") or ())
            following = urllib.parse.quote((page.get("metadata") or {}).get("continue") or "", safe="")
            if not following:
                return tuple(items)


def connect(kubeconfig: str | None, context: str | None = None, seconds: float = REQUEST_SECONDS) -> Api:
    """The API server that a kubeconfig names.

    :param kubeconfig: its path; by default what C(kubectl) would take.
    :raises KubeconfigError: when it cannot be used.
    """
    configuration = kubernetes_client.Configuration()
    try:
        kubernetes_config.load_kube_config(
            config_file=kubeconfig, context=context, client_configuration=configuration, persist_config=False
        )
        return Api(configuration, seconds)
    except Exception as exc:  # of what is no kubeconfig, the library and its YAML reader raise anything
        raise KubeconfigError(
            f"{kubeconfig or 'the default kubeconfig'} cannot be used: {exc}. Expected a kubeconfig with address and"
            " credentials of the cluster. Fetch it from a control plane (/etc/kubernetes/admin.conf)."
        ) from exc
