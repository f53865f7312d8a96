# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Whether URLs answer and names are resolved: all are asked for at once, with a short timeout."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
import typing as t
import urllib.error
import urllib.request

from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import tls
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.proxy import Proxy
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.proxy_handler import handler

# A server that answers with one of these is reachable, and the file may exist: registries require a login, some servers
# do not implement HEAD.
_ANSWERED = (401, 403, 405, 501)
_Answer = t.TypeVar("_Answer")


def _context(ca_pem: str) -> ssl.SSLContext:
    """Trust the system's CAs and those of the site.

    :raises ValueError: when C(ca_pem) contains no certificate.
    """
    context = tls.client_context()
    if ca_pem:
        try:
            context.load_verify_locations(cadata=ca_pem)
        except (ssl.SSLError, ValueError) as exc:
            raise ValueError(f"the given CA is no PEM certificate: {exc}") from exc
    return context


def _explain(error: BaseException) -> str:
    reason = getattr(error, "reason", error)
    return f"{reason or type(reason).__name__}"[:200]


def ask(url: str, timeout: float, context: ssl.SSLContext, proxy: Proxy | None = None) -> tuple[bool, str]:
    """Whether a URL answers, with its status or the error.

    :param proxy: C(None) stands for the proxies of the environment.
    """
    if not url.startswith(("https://", "http://")):
        return False, "not a URL of http or https"
    opener = urllib.request.build_opener(handler(proxy), urllib.request.HTTPSHandler(context=context))
    headers = {"User-Agent": "baremetal.kubernetes"}
    request = urllib.request.Request(url, method="HEAD", headers=headers)  # noqa: S310 - its scheme is known
    try:
        with opener.open(request, timeout=timeout) as answer:
            return True, f"HTTP {answer.status}"
    except urllib.error.HTTPError as exc:
        exc.close()
        return exc.code in _ANSWERED, f"HTTP {exc.code}"
    except (OSError, http.client.HTTPException, ValueError) as exc:
        return False, _explain(exc)


class _Answers(t.Generic[_Answer]):
    """Questions that are asked in the background, while the other facts are read.

    Threads are daemons: a name server that does not answer blocks a thread for long, but must not block the module.

    :param ask: is called with each of the subjects. :param seconds: within which all answers must be there.
    """

    def __init__(self, ask: t.Callable[[str], _Answer], subjects: t.Iterable[str], seconds: float) -> None:
        self._subjects = list(dict.fromkeys(subjects))
        self._found: dict[str, _Answer] = {}
        self._deadline = time.monotonic() + seconds
        self._threads = [
            threading.Thread(target=self._put, args=(ask, subject), daemon=True) for subject in self._subjects
        ]
        for thread in self._threads:
            thread.start()

    def _put(self, ask: t.Callable[[str], _Answer], subject: str) -> None:
        self._found[subject] = ask(subject)

    def wait(self, late: _Answer) -> dict[str, _Answer]:
        """One answer for each subject; C(late) for one that has none in time."""
        for thread in self._threads:
            thread.join(max(0.0, self._deadline - time.monotonic()))
        return {subject: self._found.get(subject, late) for subject in self._subjects}


class Probes:
    """Requests of URLs."""

    def __init__(
        self, urls: t.Iterable[str], timeout: float, ca_pem: str = "", proxy: Proxy | None = None
    ) -> None:
        self._timeout = timeout
        self._proxy = proxy
        self._answers = _Answers(self._asker(ca_pem), urls, timeout + 0.5)

    def _asker(self, ca_pem: str) -> t.Callable[[str], tuple[bool, str]]:
        try:
            context = _context(ca_pem)
        except ValueError as exc:
            problem = str(exc)
            return lambda url: (False, problem)
        return lambda url: ask(url, self._timeout, context, self._proxy)

    def results(self) -> list[dict[str, t.Any]]:
        """One answer for each URL; one that is late counts as no answer."""
        answers = self._answers.wait((False, _late(self._timeout)))
        return [
            {"url": url, "ok": ok, "answer": answer, "proxy": self._proxy.server(url) if self._proxy else ""}
            for url, (ok, answer) in answers.items()
        ]


def _late(seconds: float) -> str:
    return f"no answer within {seconds:g} s"


def resolve(name: str) -> tuple[list[str], str]:
    """Addresses of a name, as the system's resolver has them, or the error."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        return [], f"{getattr(exc, 'strerror', None) or exc}"[:200]
    return list(dict.fromkeys(str(item[4][0]) for item in found)), ""


class Lookups:
    """Names that are resolved."""

    def __init__(self, names: t.Iterable[str], timeout: float) -> None:
        self._timeout = timeout
        self._answers = _Answers(resolve, names, timeout)

    def results(self) -> list[dict[str, t.Any]]:
        """One answer for each name; one that is late counts as no answer."""
        answers = self._answers.wait(([], _late(self._timeout)))
        return [
            {"name": name, "addresses": found, "error": error} for name, (found, error) in answers.items()
        ]
