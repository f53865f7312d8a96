# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers of the tests on the loopback interface, above all an API server."""

from __future__ import annotations

import copy
import datetime
import json
import ssl
import threading
import time
import typing as t
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import METADATA_ONLY

from tests.unit.support import certificates
from tests.unit.support.certificates import Issued, encoded

Object = dict[str, t.Any]


@dataclass(frozen=True)
class Request:
    """What a server was asked. Names of headers are in title case; no query of ours names a parameter twice."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def path(self) -> str:
        return urllib.parse.urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.target).query))

    @property
    def object(self) -> t.Any:
        return json.loads(self.body) if self.body else None


@dataclass(frozen=True)
class Answer:
    """What it answers: text or bytes as they are, anything else as JSON."""

    status: int = 200
    body: t.Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


def refused(status: int, message: str) -> Answer:
    """An error as API servers answer it."""
    return Answer(status, {"kind": "Status", "apiVersion": "v1", "message": message, "code": status})


class _Http(ThreadingHTTPServer):
    def handle_error(self, *_args: t.Any) -> None:
        """A client that has gone away is none of a test's business."""

    # As many connections as clients open at once, and then some.
    request_queue_size = 64
    daemon_threads = True


class Server:
    """An HTTP server.

    :param handle: answers a request. :param context: for HTTPS.
    """

    def __init__(self, handle: Callable[[Request], Answer], context: ssl.SSLContext | None = None) -> None:
        #: All requests so far.
        self.requests: list[Request] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: t.Any) -> None:
                pass

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = Request(
                    self.command, self.path, {k.title(): v for k, v in self.headers.items()}, body
                )
                outer.requests.append(request)
                answer = handle(request)
                self.send_response(answer.status)
                for key, value in {"Content-Length": str(len(answer.data)), **answer.headers}.items():
                    self.send_header(key, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.data)

            do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - names of http.server

        self._http = _Http(("127.0.0.1", 0), Handler)
        self.port: int = self._http.server_address[1]
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.port}"
        if context:
            self._http.socket = context.wrap_socket(
                self._http.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def targets(self) -> list[str]:
        """Path and query of all requests so far."""
        return [request.target for request in self.requests]

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


class ApiServer(Server):
    """An API server with objects and lists by path.

    It takes client certificates of its authority over HTTPS; with a token it takes that over HTTP instead.

    :param authority: of the cluster. :param token: of the one user.
    """

    def __init__(self, authority: Issued | None = None, token: str = "") -> None:
        self.authority = authority or certificates.authority()
        self.token = token
        #: Objects by path; one is answered as it is, however it is asked for.
        self.objects: dict[str, t.Any] = {}
        #: The items of lists by path.
        self.lists: dict[str, list[Object]] = {}
        #: Answers that go before all others, by method and path: always, or as long as a list of them lasts.
        self.answers: dict[tuple[str, str], Answer | list[Answer]] = {}
        #: Names of deleted objects.
        self.deleted: list[str] = []
        #: Items of a page at most, whatever is asked for.
        self.page = 1000
        #: Seconds until it answers.
        self.delay = 0.0
        context = None
        if not token:
            own = certificates.issue("kube-apiserver", issuer=self.authority, names=["127.0.0.1"])
            context = certificates.server_context(own.pair, self.authority.pem)
        super().__init__(self._answer, context)

    def _answer(self, request: Request) -> Answer:
        if self.delay:
            time.sleep(self.delay)
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return Answer(401, {})
        prepared = self.answers.get((request.method, request.path))
        if isinstance(prepared, list):
            prepared = prepared.pop(0) if prepared else None
        return prepared or self.handle(request)

    def handle(self, request: Request) -> Answer:
        """Answer a request of a known user that has no prepared answer."""
        if request.method == "GET" and request.path in self.objects:
            return Answer(200, copy.deepcopy(self.objects[request.path]))
        if request.method == "GET" and request.path in self.lists:
            return self.listed(request, self.lists[request.path])
        if request.method == "DELETE" and self.objects.pop(request.path, None) is not None:
            self.deleted.append(request.path.rpartition("/")[2])
            return Answer(200, {"kind": "Status"})
        return refused(404, f"{request.method} {request.target} is unknown here")

    def listed(self, request: Request, items: list[Object]) -> Answer:
        """A page of the items that are wanted."""
        query = request.query
        # One field of the item itself, or of its spec.
        key, _, value = query.get("fieldSelector", "").removeprefix("spec.").partition("=")
        wanted = [
            one for one in items if not key or value in (one.get(key), (one.get("spec") or {}).get(key))
        ]
        if request.headers.get("Accept") == METADATA_ONLY:
            wanted = [{"metadata": one["metadata"]} for one in wanted]
        # Real ones are opaque, too, and have to be escaped.
        start = int(query.get("continue", "0").removeprefix("a/b="))
        stop = start + min(self.page, int(query["limit"]))
        following = f"a/b={stop}" if stop < len(wanted) else ""
        return Answer(200, {"items": copy.deepcopy(wanted[start:stop]), "metadata": {"continue": following}})

    def kubeconfig(
        self, path: Path, user: str = "kubernetes-admin", *, token: str = "", days: float = 365, port: int = 0
    ) -> str:
        """Write a kubeconfig of a user, and return its path.

        :param token: another one than the server's. :param days: until the certificate expires.
        :param port: another one than the server's.
        """
        server = self.url.replace(str(self.port), str(port or self.port))
        if self.token:
            text = kubeconfig_of(server, token=token or self.token)
        else:
            text = kubeconfig_of(server, self.authority.pem, client(self.authority, user, days))
        path.write_text(text)
        path.chmod(0o600)
        return str(path)


def client(authority: Issued, user: str, days: float = 365) -> Issued:
    """The certificate of a user."""
    now = datetime.datetime.now(datetime.UTC)
    begin, end = now - datetime.timedelta(days=400), now + datetime.timedelta(days=days)
    return certificates.issue(user, issuer=authority, begin=begin, end=end)


def kubeconfig_of(server: str, ca: str = "", user: Issued | None = None, token: str = "") -> str:
    """A kubeconfig in the form of kubeadm's."""
    authority = f"    certificate-authority-data: {encoded(ca)}\n" if ca else ""
    credentials = f"\n    token: {token}\n" if token else " {}\n"
    if user:
        credentials = "\n"
        credentials += f"    client-certificate-data: {encoded(user.pem)}\n"
        credentials += f"    client-key-data: {encoded(user.key_pem)}\n"
    return (
        f"apiVersion: v1\nclusters:\n- cluster:\n{authority}    server: {server}\n  name: kubernetes\n"
        "contexts:\n- context:\n    cluster: kubernetes\n    user: somebody\n  name: somebody@kubernetes\n"
        "current-context: somebody@kubernetes\nkind: Config\n"
        f"users:\n- name: somebody\n  user:{credentials}"
    )
