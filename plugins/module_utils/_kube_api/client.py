# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""A small client of an API server for hosts, which have the standard library alone."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import tempfile
import typing as t
import urllib.error
import urllib.parse
import urllib.request

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import kubeconfig

_PAGE = 500


class UnreachableError(Exception):
    """The API server does not answer; the message is the reason."""


class ApiError(OperatorError):
    """The kubeconfig cannot be used, or the API server answered with something else than what was asked for."""


class Client:
    """Requests as the user of a kubeconfig with a client certificate.

    :param config: the kubeconfig, with certificate and key read. :param path: where it is, for messages.
    :param server: URL to ask instead of the one in the kubeconfig.
    :param remedy: how such a kubeconfig is made anew. :param timeout: seconds per request.
    :raises OperatorError: when the kubeconfig is unusable.
    """

    error: t.ClassVar[type[OperatorError]] = ApiError

    def __init__(
        self,
        config: kubeconfig.Kubeconfig,
        path: str,
        server: str | None = None,
        remedy: str = "",
        timeout: float = 10,
    ) -> None:
        self.server = (server or config.server).rstrip("/")
        self.ca = (config.ca or b"").decode("ascii", "replace")
        self._timeout = timeout
        # The cluster's own API server is never behind a proxy.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=self._context(config, path, remedy)),
        )

    def _context(self, config: kubeconfig.Kubeconfig, path: str, remedy: str) -> ssl.SSLContext:
        if not (config.ca and config.client_cert and config.client_key):
            raise self.error(f"{path} lacks the CA, the client certificate or its key.", remedy)
        try:
            context = ssl.create_default_context(cadata=config.ca.decode("ascii"))
            # OpenSSL takes a client key from a file only; it exists for the time of this call.
            with tempfile.TemporaryDirectory(prefix="bmk-api-", dir=private_dir()) as folder:
                pair = os.path.join(folder, "client.pem")
                with open(os.open(pair, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
                    handle.write(config.client_cert + b"\n" + config.client_key)
                context.load_cert_chain(pair)
        except (ssl.SSLError, ValueError, OSError) as exc:
            raise self.error(f"The certificates in {path} cannot be used: {exc}.", remedy) from exc
        return context

    def request(
        self, path: str, method: str = "GET", body: t.Mapping[str, t.Any] | None = None
    ) -> tuple[int, str]:
        """Status and body.

        :param body: an object to send. :raises UnreachableError: when there is no answer.
        """
        data = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json"}
        if data is not None:
            headers["Content-Type"] = "application/json"
        # The scheme is that of a kubeconfig.
        request = urllib.request.Request(self.server + path, data, headers, method=method)  # noqa: S310
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                return response.status, response.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as exc:
            with exc:
                return exc.code, exc.read().decode("utf-8", "replace")
        except (urllib.error.URLError, http.client.HTTPException, OSError) as exc:
            reason = getattr(exc, "reason", exc)
            text = getattr(reason, "verify_message", None) or getattr(reason, "strerror", None) or reason
            raise UnreachableError(str(text) or type(exc).__name__) from exc

    def get(self, path: str) -> dict[str, t.Any] | None:
        """An object, or C(None) when there is none or the administrator may not see it (yet).

        :raises OperatorError: for any other answer than these. :raises UnreachableError: without an answer.
        """
        status, body = self.request(path)
        if status in (403, 404):
            return None
        if status != 200:
            raise self.error(
                f"{self.server}{path} answered {status}, expected 200.",
                "Look at the API server's log (crictl logs).",
            )
        parsed = json.loads(body)
        return parsed if isinstance(parsed, dict) else None

    def ask(
        self, path: str, method: str = "GET", body: t.Mapping[str, t.Any] | None = None
    ) -> dict[str, t.Any]:
        """An object that must be there and that this user must be allowed to see or to change.

        :raises AnswerError: for every other answer, with what the server says about it.
        :raises UnreachableError: without an answer.
        """
        status, text = self.request(path, method, body)
        try:
            parsed = json.loads(text)
        except ValueError:
            parsed = None
        if status in (200, 201) and isinstance(parsed, dict):
            return parsed
        told = parsed.get("message") if isinstance(parsed, dict) else None
        raise AnswerError(f"{self.server}{path}", method, status, str(told or text.strip()[:200]))

    def items(self, path: str, query: str = "") -> t.Iterator[dict[str, t.Any]]:
        """All objects of a list, page by page.

        :param query: further parameters, encoded. :raises AnswerError: likewise.
        """
        following = ""
        while True:
            parameters = [f"limit={_PAGE}", query, f"continue={following}" if following else ""]
            page = self.ask(path + "?" + "&".join(filter(None, parameters)))
            yield from page.get("items") or ()
            following = urllib.parse.quote((page.get("metadata") or {}).get("continue") or "", safe="")
            if not following:
                return

    def delete(self, path: str) -> bool:
        """Delete an object; whether it was there.

        :raises OperatorError: when that was refused. :raises UnreachableError: without an answer.
        """
        status, _body = self.request(path, "DELETE")
        if status == 404:
            return False
        if status not in (200, 202):
            raise self.error(
                f"Deleting {self.server}{path} was answered with {status}, expected 200.",
                "Look at the API server's log (crictl logs).",
            )
        return True


class AnswerError(ApiError):
    """The API server answered with something else than the object.

    :param status: of HTTP.
    """

    def __init__(self, url: str, method: str, status: int, told: str) -> None:
        self.status = status
        next_step = {
            401: "The API server does not know these credentials: they may have expired.",
            403: "Give this user the permission that is named.",
        }.get(status, "Look at the API server's log (crictl logs).")
        super().__init__(f"{method} {url} was answered with {status}: {told}".rstrip(": ") + ".", next_step)


def private_dir() -> str | None:
    """A folder for files that hold secrets for a moment: in memory where there is one, else the default."""
    for folder in (os.environ.get("RUNTIME_DIRECTORY", ""), "/run"):
        if os.path.isdir(folder) and os.access(folder, os.W_OK):
            return folder
    return None
