# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The client of Kubernetes API servers: verbs over a connection, with the standard library alone.

Hosts connect with the kubeconfig files of kubeadm (C(_kube_api.admin)), the controller with any kubeconfig that the
kubernetes package reads (C(_kube_api.connect) of C(plugin_utils)).
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import tempfile
import time
import typing as t
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats.kubeconfig import Kubeconfig
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import tls
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import private_directory
from ansible_collections.baremetal.kubernetes.plugins.module_utils._redact import shown_url

JSON = "application/json"
#: Bodies of C(Client.patch).
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
#: A list whose items are their metadata only: nothing else leaves the API server.
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
#: An answer that is larger is refused. A page of 500 Pods is about 10 MiB.
MAX_BYTES = 64 * 1024**2
_PAGE = 500
_CHUNK = 64 * 1024
# API Priority and Fairness answers 429 when too many requests are in flight.
_BUSY_ATTEMPTS = 4
_BUSY_SECONDS = 0.5
_BUSY_MAX_SECONDS = 10.0


class ApiError(OperatorError):
    """A request to an API server failed. All errors of this module are of this class."""


class CredentialsError(ApiError):
    """A kubeconfig, or a certificate in it, cannot be used."""


class UnreachableError(ApiError):
    """The API server does not answer.

    :param server: its URL. :param reason: why, in a few words. :param host: that asked it.
    :param proxy: URL of the proxy that was asked.
    """

    def __init__(self, server: str, reason: str, host: str = "", proxy: str = "") -> None:
        self.server = server
        self.reason = reason
        through = f" through the proxy {shown_url(proxy)}" if proxy else ""
        further = " The proxy is that of the kubeconfig (cluster_api_proxy)." if proxy else ""
        super().__init__(
            _prefixed(host, f"The API server {server} does not answer{through}: {reason}."),
            f"Check that it runs (crictl ps -a, crictl logs on a control plane) and can be reached from here.{further}",
        )


class StatusError(ApiError):
    """The API server answered with an HTTP status that is not the one of success.

    :param told: its own message. :param host: that asked it.
    """

    def __init__(self, method: str, url: str, status: int, told: str, host: str = "") -> None:
        self.status = status
        self.told = told
        next_step = {
            401: "The API server does not accept these credentials: they may have expired.",
            403: "Give this user the permission that is named.",
        }.get(status, "Look at the API server's log (crictl logs).")
        if 300 <= status < 400:
            next_step = "Redirects are not followed: give the URL of the API server itself."
        found = f"{method} {url} answered HTTP {status}: {told}".rstrip(": .")
        super().__init__(_prefixed(host, f"{found}."), next_step)


class InvalidAnswerError(ApiError):
    """The API server answered with something that is no object of the API.

    :param found: what it was. :param host: that asked it.
    """

    def __init__(self, url: str, found: str, host: str = "") -> None:
        super().__init__(
            _prefixed(host, f"{url} answered with {found}."), "Check that this is the URL of an API server."
        )


class TooLargeError(InvalidAnswerError):
    """The answer has more bytes than are read."""


def _prefixed(host: str, sentence: str) -> str:
    return f"{host}: {sentence.replace('The API', 'the API', 1)}" if host else sentence


def tls_context(
    ca: bytes | None, client_cert: bytes | None = None, client_key: bytes | None = None
) -> ssl.SSLContext:
    """TLS that verifies the server.

    :param ca: PEM of the authorities to trust; those of the system when it is C(None).
    :param client_cert: PEM of a client certificate, with C(client_key).
    :raises ValueError: when one of them is unusable; so are C(ssl.SSLError) and C(OSError).
    """
    context = tls.client_context(cadata=ca.decode("ascii") if ca is not None else None)
    if client_cert is not None:
        # OpenSSL loads a client key from a file only; it exists for the time of this call.
        with tempfile.TemporaryDirectory(prefix="bmk-api-", dir=private_directory()) as directory:
            pair = os.path.join(directory, "client.pem")
            with open(os.open(pair, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                stream.write(client_cert + b"\n" + (client_key or b""))
            context.load_cert_chain(pair)
    return context


@dataclass(frozen=True)
class Connection:
    """Where an API server is, and how to talk to it.

    :param server: its URL. :param headers: sent with each request, as a bearer token.
    :param proxy: URL of the proxy to go through. Those of the environment are for the internet, and never used.
    :param host: the host that connects, for messages.
    """

    server: str
    context: ssl.SSLContext
    headers: t.Mapping[str, str] = field(default_factory=dict, repr=False)
    proxy: str = field(default="", repr=False)
    host: str = ""


def connection_from(
    config: Kubeconfig, path: str, server: str | None = None, next_step: str = "", host: str = ""
) -> Connection:
    """The connection of a kubeconfig with a client certificate.

    :param config: with certificate and key read. :param path: of the file, for messages.
    :param server: URL to use instead of the one in the kubeconfig. :param next_step: how to replace the kubeconfig.
    :param host: the host that connects, for messages.
    :raises CredentialsError: when it is unusable.
    """
    if not (config.ca and config.client_cert and config.client_key):
        raise CredentialsError(f"{path} lacks the CA, the client certificate or its key.", next_step)
    try:
        context = tls_context(config.ca, config.client_cert, config.client_key)
    except (ssl.SSLError, ValueError, OSError) as exc:
        raise CredentialsError(f"{path} has certificates that cannot be used: {exc}.", next_step) from exc
    return Connection((server or config.server).rstrip("/"), context, host=host)


class Client:
    """Requests to an API server. Several threads may use one client.

    :param connection: to the server. :param seconds: how long one answer may take.
    :param max_bytes: of one answer, by default C(MAX_BYTES); what is larger is refused unread.
    :raises CredentialsError: for a server that is no URL of HTTP.
    """

    def __init__(self, connection: Connection, seconds: float = 10, max_bytes: int | None = None) -> None:
        if urllib.parse.urlsplit(connection.server).scheme not in ("https", "http"):
            raise CredentialsError(
                f"The URL of the API server is {connection.server!r}, expected https://...",
                "Correct it in the kubeconfig.",
            )
        self.server = connection.server
        self._host = connection.host
        self._headers = dict(connection.headers)
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._proxy = connection.proxy
        self._opener = tls.opener(connection.context, connection.proxy)

    # --- transport --------------------------------------------------------------------------------------------------

    def request(
        self,
        path: str,
        method: str = "GET",
        body: t.Mapping[str, t.Any] | None = None,
        accept: str = JSON,
        media: str = JSON,
    ) -> tuple[int, str]:
        """Status and text of the answer, whatever the status is. A busy server (429) is asked again.

        :param path: with its query. :param body: an object to send. :param accept: media type to ask for.
        :param media: media type of the body.
        :raises UnreachableError: without an answer. :raises InvalidAnswerError: when it is too large.
        """
        for attempt in range(_BUSY_ATTEMPTS):
            status, text, retry_after = self._once(path, method, body, accept, media)
            if status != 429 or attempt == _BUSY_ATTEMPTS - 1 or (method != "GET" and not retry_after):
                break
            time.sleep(_pause(attempt, retry_after))
        return status, text

    def _once(
        self,
        path: str,
        method: str,
        body: t.Mapping[str, t.Any] | None,
        accept: str = JSON,
        media: str = JSON,
    ) -> tuple[int, str, str]:
        headers = {**self._headers, "Accept": accept}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = media
        deadline = time.monotonic() + self._seconds
        try:
            # The scheme is that of the kubeconfig.
            request = urllib.request.Request(self.server + path, data, headers, method=method)  # noqa: S310
            try:
                response = self._opener.open(request, timeout=self._seconds)
            except urllib.error.HTTPError as exc:
                response = exc
            with response:
                text = self._read(path, response, deadline)
                return response.status, text, response.headers.get("Retry-After") or ""
        except (urllib.error.URLError, http.client.HTTPException, OSError) as exc:
            reason = getattr(exc, "reason", exc)
            told = getattr(reason, "verify_message", None) or getattr(reason, "strerror", None) or reason
            raise UnreachableError(
                self.server, str(told) or type(exc).__name__, self._host, self._proxy
            ) from exc
        except ValueError:
            # Its message would show the token.
            raise CredentialsError(
                f"The URL {self.server} or the token for it has characters that cannot be sent.",
                "Correct them in the kubeconfig.",
            ) from None

    def _read(self, path: str, response: t.Any, deadline: float) -> str:
        """The body. The time limit holds also for one that comes in small pieces."""
        length = response.headers.get("Content-Length") or ""
        # Python refuses to read numbers of thousands of digits.
        expected = int(length) if length.isdecimal() and len(length) < 20 else None
        if expected is not None and expected > self._limit:
            raise self._too_large(path)
        pieces: list[bytes] = []
        size = 0
        while size != expected and (piece := response.read1(_CHUNK)):
            pieces.append(piece)
            size += len(piece)
            if size > self._limit:
                raise self._too_large(path)
            if time.monotonic() > deadline:
                raise TimeoutError("timed out")
        if expected is not None and size < expected:
            raise http.client.IncompleteRead(b"", expected - size)
        return b"".join(pieces).decode("utf-8", "replace")

    @property
    def _limit(self) -> int:
        return self._max_bytes or MAX_BYTES

    def _too_large(self, path: str) -> TooLargeError:
        return TooLargeError(self._url(path), f"more than {self._limit // 1024**2} MiB", self._host)

    def _url(self, path: str) -> str:
        return self.server + path.partition("?")[0]

    def _refused(self, method: str, path: str, status: int, text: str) -> StatusError:
        """The error with the message of the Status object, or the beginning of what is none."""
        parsed = _parsed(text)
        told = parsed.get("message") if isinstance(parsed, dict) else text.strip()[:200]
        return StatusError(method, self._url(path), status, str(told or ""), self._host)

    # --- verbs ------------------------------------------------------------------------------------------------------

    def _object(
        self,
        path: str,
        method: str = "GET",
        body: t.Mapping[str, t.Any] | None = None,
        accept: str = JSON,
        media: str = JSON,
    ) -> dict[str, t.Any]:
        status, text = self.request(path, method, body, accept, media)
        if status not in (200, 201):
            raise self._refused(method, path, status, text)
        parsed = _parsed(text)
        if not isinstance(parsed, dict):
            found = "something else than JSON" if parsed is None else "something else than an object"
            raise InvalidAnswerError(self._url(path), found, self._host)
        return parsed

    def read(self, path: str, accept: str = JSON) -> dict[str, t.Any]:
        """An object that must be there.

        :raises ApiError: when it cannot be read, C(StatusError) for what the server refuses.
        """
        return self._object(path, accept=accept)

    def get(self, path: str) -> dict[str, t.Any] | None:
        """An object, or C(None) when there is none or the user may not see it (yet).

        :raises ApiError: when that cannot be told.
        """
        try:
            return self._object(path)
        except StatusError as exc:
            if exc.status in (403, 404):
                return None
            raise

    def update(self, path: str, body: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Replace an object, and return it as it is stored.

        :raises ApiError: when that fails, C(StatusError) for what the server refuses.
        """
        return self._object(path, "PUT", body)

    def patch(self, path: str, body: t.Mapping[str, t.Any], media: str = MERGE_PATCH) -> dict[str, t.Any]:
        """Change some fields of an object, and return it as it is stored.

        :param media: which kind of patch: C(MERGE_PATCH), or C(APPLY_PATCH) for server-side apply.
        :raises ApiError: when that fails, C(StatusError) for what the server refuses.
        """
        return self._object(path, "PATCH", body, media=media)

    def evict(self, path: str, body: t.Mapping[str, t.Any]) -> tuple[int, dict[str, t.Any]]:
        """Ask once for the eviction of a Pod: status and the Status object of the answer.

        429 says that a PodDisruptionBudget does not allow it now, or that the server is busy. Who asks waits for
        other Pods, too, so this is not where it waits.

        :param path: of the Pod. :param body: the Eviction.
        :raises UnreachableError: without an answer.
        """
        status, text, _retry_after = self._once(f"{path}/eviction", "POST", body)
        parsed = _parsed(text)
        return status, parsed if isinstance(parsed, dict) else {}

    def delete(self, path: str) -> bool:
        """Delete an object; whether it was there.

        :raises ApiError: when that fails, C(StatusError) for what the server refuses.
        """
        status, text = self.request(path, "DELETE")
        if status == 404:
            return False
        if status not in (200, 202):
            raise self._refused("DELETE", path, status, text)
        return True

    def items(
        self, path: str, query: str = "", accept: str = JSON, page_size: int = _PAGE
    ) -> t.Iterator[dict[str, t.Any]]:
        """The objects of a list, page by page. A page that is too large is read in smaller ones.

        :param query: further parameters, encoded. :param accept: media type to ask for.
        :param page_size: how many objects at once.
        :raises ApiError: when a page cannot be read.
        """
        following = ""
        while True:
            parameters = [f"limit={page_size}", query, f"continue={following}" if following else ""]
            try:
                page = self.read(path + "?" + "&".join(filter(None, parameters)), accept)
            except TooLargeError:
                if page_size == 1:
                    raise
                # Somebody has stored large objects; the API server lets the size of pages change between them.
                page_size = max(page_size // 4, 1)
                continue
            yield from page.get("items") or ()
            following = urllib.parse.quote((page.get("metadata") or {}).get("continue") or "", safe="")
            if not following:
                return


def _parsed(text: str) -> t.Any:
    """The JSON value, C(None) when it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _pause(attempt: int, retry_after: str) -> float:
    """Seconds until a busy server is asked again: longer each time, and not before it says."""
    asked = float(retry_after) if retry_after.isdecimal() else 0.0
    return min(max(asked, _BUSY_SECONDS * 2**attempt), _BUSY_MAX_SECONDS)
