# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What downloads share: promised disk space, redirects without credentials, and an end that no server can delay."""

from __future__ import annotations

import contextlib
import functools
import http.client
import os
import socket
import ssl
import threading
import time
import typing as t
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.model import ArtifactError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.proxy import Proxy
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.proxy_handler import handler

# Left free beside every download, so that the host keeps working when the estimate is a little short.
SPACE_MARGIN = 16 << 20


def free_bytes(path: str) -> int:
    """Bytes that the file system of C(path) still gives to this process."""
    stat = os.statvfs(path)
    return stat.f_bavail * stat.f_frsize


@dataclass
class Space:
    """Free space that parallel downloads have promised to use, per file system.

    :param free: tells the free bytes at a path (replaced in tests).
    """

    free: t.Callable[[str], int] = free_bytes
    _left: dict[int, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reserve(self, directory: str, size: int, name: str) -> None:
        """Promise C(size) bytes in C(directory).

        :raises ArtifactError: when they are not there.
        """
        device = os.stat(directory).st_dev
        with self._lock:
            # What was free at first, less the promises: bytes that have arrived meanwhile are not counted twice.
            now = self.free(directory)
            available = min(now, self._left.get(device, now))
            if size + SPACE_MARGIN > available:
                raise ArtifactError(
                    f"{name}: {size >> 20} MiB are needed in {directory}, {max(available, 0) >> 20} MiB are free"
                    f" ({SPACE_MARGIN >> 20} MiB stay free for the host). Nothing was replaced.",
                    "Free space on that file system, or set work_dir to a larger one.",
                    required_bytes=size + SPACE_MARGIN,
                    free_bytes=max(available, 0),
                )
            self._left[device] = available - size


class SameHostHeaders(urllib.request.HTTPRedirectHandler):
    """Follow redirects, but neither carry credentials to another host nor fall back from https to http."""

    def __init__(self, private: t.Collection[str]) -> None:
        self._private = {name.lower() for name in private}

    def redirect_request(
        self, req: urllib.request.Request, fp: t.Any, code: int, msg: str, headers: t.Any, newurl: str
    ) -> urllib.request.Request | None:
        old, new = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        if old.scheme == "https" and new.scheme != "https":
            raise urllib.error.HTTPError(
                req.full_url, code, f"redirect from https to {new.scheme}", headers, fp
            )
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None and old.netloc != new.netloc:
            for name in [key for key in request.headers if key.lower() in self._private]:
                request.remove_header(name)
        return request


class Deadline:
    """The end of a download. Used as a context: at the end of its time it closes the connections that are still open.

    A limit for each read is not enough: a server that sends a byte now and then, in a header say, never reaches it.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.passed = False
        self._ends = time.monotonic() + seconds
        self._connections: list[http.client.HTTPConnection] = []
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._timer.cancel()

    def left(self) -> float:
        """Seconds until the end, never negative."""
        return max(0.0, self._ends - time.monotonic())

    def connection(
        self, kind: type[http.client.HTTPConnection], host: str, **options: t.Any
    ) -> http.client.HTTPConnection:
        """A connection that is closed at the end."""
        made = kind(host, **options)
        connect = made.connect

        def watched() -> None:
            connect()
            # The connection forgets it once there is a response, which keeps reading from it.
            self._sockets.append(made.sock)

        made.connect = watched  # type: ignore[method-assign]
        self._connections.append(made)
        return made

    def _end(self) -> None:
        self.passed = True
        # The first ones may still be at their TLS handshake.
        for plain in (*(made.sock for made in self._connections), *self._sockets):
            if plain is not None:
                # Past the TLS layer, whose own shutdown is not made for another thread.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(plain, socket.SHUT_RDWR)


class _Http(urllib.request.HTTPHandler):
    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        kind: t.Any = functools.partial(self._deadline.connection, http.client.HTTPConnection)
        return self.do_open(kind, req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, deadline: Deadline, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._deadline, self._tls = deadline, context

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        kind: t.Any = functools.partial(self._deadline.connection, http.client.HTTPSConnection)
        return self.do_open(kind, req, context=self._tls)


def opener(
    context: ssl.SSLContext, private: t.Collection[str], deadline: Deadline, proxy: Proxy | None = None
) -> urllib.request.OpenerDirector:
    """Opens URLs until the deadline.

    :param private: names of headers that only the first host gets.
    :param proxy: C(None) stands for the proxies of the environment.
    """
    return urllib.request.build_opener(
        handler(proxy), _Http(deadline), _Https(deadline, context), SameHostHeaders(private)
    )
