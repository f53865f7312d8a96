# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to an address for a host name, one by one, and many of them while something happens to the servers."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

#: Seconds between two requests of a client, and within which one must be answered.
INTERVAL, TIMEOUT = 0.1, 5.0


@dataclass(frozen=True)
class Answer:
    """An answer.

    :param headers: with names in lower case.
    """

    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True)
class Site:
    """A host name at an address.

    :param ca: certificates in PEM form that HTTPS is verified by; plain HTTP without.
    """

    address: str
    host: str
    port: int = 80
    ca: str = ""

    def connect(self, timeout: float = TIMEOUT) -> http.client.HTTPConnection:
        """A connection that is open.

        :raises OSError: nobody answers, or with a certificate that is not trusted or for another name.
        """
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        plain = socket.create_connection((self.address, self.port), timeout)
        if not self.ca:
            connection.sock = plain
            return connection
        context = ssl.create_default_context(cadata=self.ca)
        # Python 3.13 asks by default for extensions that a certificate signed by itself needs not have.
        context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        try:
            connection.sock = context.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise
        return connection

    def ask(
        self,
        path: str = "/hostname",
        connection: http.client.HTTPConnection | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer to one request.

        :param connection: that is used, and stays open; one of its own otherwise.
        :raises OSError: there is none. :raises http.client.HTTPException: it is no HTTP.
        """
        used = connection or self.connect()
        try:
            # Not the port that it may have behind a proxy: names are looked up without one.
            used.request("GET", path, headers={"Host": self.host, **(headers or {})})
            found = used.getresponse()
            body = found.read().decode(errors="replace")
            return Answer(found.status, {name.lower(): value for name, value in found.getheaders()}, body)
        finally:
            if connection is None:
                used.close()

    def status(self, path: str = "/hostname") -> int:
        """The status of one answer."""
        return self.ask(path).status


@dataclass(frozen=True)
class Request:
    """One that has ended.

    :param began: on the clock of :func:`time.monotonic`. :param ended: likewise.
    :param reason: why it was lost, empty when it was answered with success.
    """

    began: float
    ended: float
    reason: str = ""


@dataclass
class Seen:
    """What clients have seen, in the order in which requests have ended."""

    requests: list[Request] = field(default_factory=list)

    @property
    def lost(self) -> list[Request]:
        """Requests without success."""
        return [one for one in self.requests if one.reason]

    @property
    def cut(self) -> float:
        """When the first request began that was lost.

        :raises AssertionError: none was.
        """
        assert self.lost, f"none of {len(self.requests)} requests was lost"
        return min(one.began for one in self.lost)

    @property
    def answered_after(self) -> float:
        """Seconds from the cut to the first success of a request that began after it."""
        cut = self.cut
        ends = [one.ended for one in self.requests if one.began > cut and not one.reason]
        return min(ends, default=float("inf")) - cut

    @property
    def steady_after(self) -> float:
        """Seconds from the cut to the begin of the last request that was lost: all later ones were answered."""
        return max(one.began for one in self.lost) - self.cut

    def shown(self) -> str:
        """The first and the last lost requests, by the seconds since the first request of all."""
        begin = min((one.began for one in self.requests), default=0.0)
        lines = [
            f"{one.began - begin:.1f} s to {one.ended - begin:.1f} s: {one.reason}"
            for one in sorted(self.lost, key=lambda one: one.began)
        ]
        cut = [*lines[:10], "...", *lines[-10:]] if len(lines) > 20 else lines
        return "\n".join([f"{len(lines)} of {len(self.requests)} requests were lost", *cut])


def _once(site: Site, connection: http.client.HTTPConnection | None = None) -> tuple[str, bool]:
    """Why a request was lost, and whether the server has closed the connection."""
    try:
        answer = site.ask(connection=connection)
    except (OSError, http.client.HTTPException) as exc:
        return repr(exc), True
    closed = answer.headers.get("connection", "").lower() == "close"
    return "" if answer.status == http.HTTPStatus.OK else f"HTTP {answer.status}", closed


def _new_connections(site: Site, seen: Seen, stop: threading.Event) -> None:
    """One request each INTERVAL whatever became of those before: one that hangs does not hide an outage."""

    def one() -> None:
        began = time.monotonic()
        reason, _closed = _once(site)
        seen.requests.append(Request(began, time.monotonic(), reason))

    with ThreadPoolExecutor(max_workers=int(TIMEOUT / INTERVAL) + 14) as pool:
        while not stop.wait(INTERVAL):
            pool.submit(one)


def _kept_connection(site: Site, seen: Seen, stop: threading.Event) -> None:
    """Requests over one connection, and over the next one when the server says that it closes it."""
    connection = None
    while not stop.wait(INTERVAL):
        began = time.monotonic()
        reason, closed = "", False
        if connection is None:
            try:
                connection = site.connect()
            except OSError as exc:
                reason = repr(exc)
        if connection is not None:
            reason, closed = _once(site, connection)
            if closed or reason:
                connection.close()
                connection = None
        seen.requests.append(Request(began, time.monotonic(), reason))
    if connection is not None:
        connection.close()


@contextlib.contextmanager
def counted(site: Site, kept: int = 0) -> Iterator[Seen]:
    """Ask ten times a second over new connections while the block runs.

    :param kept: how many further clients keep their connection.
    """
    seen, stop = Seen(), threading.Event()
    clients = [threading.Thread(target=_new_connections, args=(site, seen, stop), daemon=True)]
    clients += [
        threading.Thread(target=_kept_connection, args=(site, seen, stop), daemon=True) for _ in range(kept)
    ]
    for client in clients:
        client.start()
    try:
        yield seen
    finally:
        stop.set()
        for client in clients:
            client.join()
