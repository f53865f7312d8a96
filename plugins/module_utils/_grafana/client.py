# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Requests to Grafana's HTTP API with a token, on C(ansible.module_utils.urls)."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import time
import typing as t
import urllib.error
import urllib.parse

from ansible.module_utils.urls import ConnectionError as UrlConnectionError
from ansible.module_utils.urls import Request, SSLValidationError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana import errors
from ansible_collections.baremetal.kubernetes.plugins.module_utils._redact import shown_url

#: An answer that is larger is refused. A page of 100 dashboards is about 10 MiB.
MAX_BYTES = 64 * 1024**2
_AGENT = "baremetal.kubernetes"
# A site, or a proxy in front of it, may limit requests; what it limits it has not carried out.
_BUSY_ATTEMPTS = 5
_BUSY_SECONDS = 0.5


class Client:
    """Requests to one Grafana.

    :param url: of Grafana, with its path where it has one. :param token: of a service account.
    :param ca: path of certificates that its certificate is verified by; those of the system when empty.
    :param timeout: seconds that an answer may take, and that a busy Grafana is waited for.
    :param use_proxy: whether the proxies of the environment are used.
    :raises OperatorError: when one of them cannot be used.
    """

    def __init__(self, url: str, token: str, ca: str = "", timeout: int = 30, use_proxy: bool = True) -> None:
        self.url = _checked_url(url)
        self._token = _checked_token(token)
        if ca and not os.path.isfile(ca):
            raise OperatorError(
                f"ca is {ca}, which is no file; expected certificates in PEM form.", "Correct the path."
            )
        if timeout < 1:
            raise OperatorError(f"timeout is {timeout}, expected 1 second or more.", "Correct it.")
        self._seconds = timeout
        self._request = Request(
            headers={"Authorization": f"Bearer {self._token}", "Accept": "application/json"},
            timeout=timeout,
            validate_certs=True,
            http_agent=_AGENT,
            follow_redirects="none",
            ca_path=ca or None,
            use_proxy=use_proxy,
            # An entry in ~/.netrc would replace the token.
            use_netrc=False,
        )

    def get(self, path: str) -> t.Any:
        """An answer that must be there.

        :param path: with its query. :raises GrafanaError: when it is not.
        """
        return self._json("GET", path)

    def find(self, path: str) -> t.Any:
        """An answer, C(None) when there is no such object.

        :raises GrafanaError: when that cannot be told.
        """
        try:
            return self._json("GET", path)
        except errors.MissingError:
            return None

    def send(self, method: str, path: str, body: t.Any = None) -> t.Any:
        """Change something, and return what Grafana answers.

        :raises GrafanaError: when it does not do so.
        """
        return self._json(method, path, body)

    def status_of(self, path: str) -> tuple[int, t.Any]:
        """Status and JSON of an answer whose status says something, as that of a health check.

        :raises GrafanaError: without an answer of Grafana.
        """
        status, text, media = self._patient("GET", path, None)
        if errors.is_html(text, media):
            raise errors.page("GET", self.url + path, status, text)
        return status, _parsed(text)

    def _json(self, method: str, path: str, body: t.Any = None) -> t.Any:
        status, text, media = self._patient(method, path, body)
        if text and errors.is_html(text, media):
            raise errors.page(method, self.url + path, status, text)
        parsed = _parsed(text)
        if not 200 <= status < 300:
            told = _message(parsed) or text.strip()[:200]
            raise errors.refusal(method, self.url + path, status, told, self._token)
        if parsed is None and text.strip() not in ("", "null"):
            raise errors.NotGrafanaError(
                f"{method} {shown_url(self.url + path)} answered with something else than JSON.",
                "Check that this is the URL of Grafana.",
                status,
            )
        return parsed

    def _patient(self, method: str, path: str, body: t.Any) -> tuple[int, str, str]:
        """As C(exchange), asked again while Grafana is busy and time is left."""
        deadline = time.monotonic() + self._seconds
        for attempt in range(_BUSY_ATTEMPTS):
            status, text, headers = self.exchange(method, path, body)
            pause = _pause(attempt, headers.get("Retry-After") or "")
            if status != 429 or attempt == _BUSY_ATTEMPTS - 1 or time.monotonic() + pause > deadline:
                break
            time.sleep(pause)
        if 300 <= status < 400:
            raise errors.redirect(method, self.url + path, status, headers.get("Location") or "")
        return status, text, headers.get("Content-Type") or ""

    def exchange(self, method: str, path: str, body: t.Any = None) -> tuple[int, str, t.Any]:
        """Status, text and headers of one answer, whatever it is.

        :raises UnreachableError: when there is none. :raises OperatorError: when the request cannot be sent.
        """
        data = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            try:
                response = self._request.open(method, self.url + path, data=data, headers=headers)
            except urllib.error.HTTPError as exc:
                response = exc
            with response:
                read = response.read(MAX_BYTES + 1)
                status, found = response.status, response.headers
        except (
            urllib.error.URLError,
            http.client.HTTPException,
            SSLValidationError,
            UrlConnectionError,
            OSError,
        ) as exc:
            raise self._unreachable(exc) from exc
        except ValueError:
            # Its message may show the header with the token.
            raise OperatorError(
                f"The URL {shown_url(self.url)} or the token has characters that cannot be sent.",
                "Correct it.",
            ) from None
        if len(read) > MAX_BYTES:
            raise errors.GrafanaError(
                f"{method} {shown_url(self.url + path)} answered with more than {MAX_BYTES // 1024**2} MiB.",
                "Check that this is the URL of Grafana.",
            )
        return status, read.decode("utf-8", "replace"), found

    def _unreachable(self, exc: Exception) -> errors.UnreachableError:
        reason = getattr(exc, "reason", exc)
        told = getattr(reason, "verify_message", None) or getattr(reason, "strerror", None) or reason
        step = "Check that Grafana runs, and that its URL can be reached from where this runs."
        if isinstance(reason, ssl.SSLCertVerificationError):
            step = "Set the CA of Grafana's certificate (grafana_ca), and use a host name that the certificate has."
        return errors.UnreachableError(
            f"Grafana at {shown_url(self.url)} does not answer: {str(told) or type(exc).__name__}.", step
        )


def quoted(name: str) -> str:
    """A name as a part of a path."""
    return urllib.parse.quote(name, safe="")


def query(**parameters: t.Any) -> str:
    """A query; a parameter with a list stands there several times."""
    return "?" + urllib.parse.urlencode(parameters, doseq=True)


def _checked_url(url: str) -> str:
    try:
        parts = urllib.parse.urlsplit(url)
        usable = (
            parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
        )
    except ValueError:
        usable = False
    if not usable:
        raise OperatorError(
            f"url is {shown_url(url)}, expected http(s)://HOST[:PORT][/PATH].", "Correct it (grafana_url)."
        )
    if parts.username or parts.password:
        raise OperatorError(
            "url has a user or a password; expected none, as a URL is shown in logs.",
            "Use the token of a service account (grafana_token).",
        )
    return url.rstrip("/")


def _checked_token(token: str) -> str:
    stripped = token.strip()
    if not stripped or not stripped.isascii() or not stripped.isprintable() or " " in stripped:
        raise OperatorError(
            "token is empty or has characters that no token has.",
            "Give the token of a service account (grafana_token).",
        )
    return stripped


def _parsed(text: str) -> t.Any:
    """The JSON value, C(None) when it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _message(parsed: t.Any) -> str:
    """What Grafana says about a failure, with the kind that it gives to some."""
    if not isinstance(parsed, dict):
        return ""
    told = str(parsed.get("message") or parsed.get("error") or "")
    # The status of a Kubernetes object is Failure; others tell what kind of conflict it was.
    kind = parsed.get("status")
    return f"{told} ({kind})" if isinstance(kind, str) and kind not in ("", "Failure", "error") else told


def _pause(attempt: int, retry_after: str) -> float:
    """Seconds until a busy server is asked again: longer each time, and not before it says."""
    asked = float(retry_after) if retry_after.isdecimal() and len(retry_after) < 6 else 0.0
    return max(asked, _BUSY_SECONDS * 2**attempt)
