# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site's proxy is chosen as containerd chooses it, and nothing of the login's environment counts."""

from __future__ import annotations

import ssl
import threading
import typing as t
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import probe
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import proxy
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.proxy import Proxy, bypassed
from hypothesis import given
from hypothesis import strategies as st


# Expected values are those of golang.org/x/net/http/httpproxy, by its documentation and its tests.
@pytest.mark.parametrize(
    ("entry", "host", "port", "direct"),
    [
        ("", "example.org", 443, False),
        ("*", "example.org", 443, True),
        ("example.org", "example.org", 443, True),
        ("example.org", "EXAMPLE.ORG.", 443, True),
        ("example.org", "a.example.org", 443, True),
        ("example.org", "badexample.org", 443, False),
        (".example.org", "a.example.org", 443, True),
        (".example.org", "example.org", 443, False),
        ("*.example.org", "a.b.example.org", 443, True),
        ("*.example.org", "example.org", 443, False),
        ("example.org:8443", "example.org", 8443, True),
        ("example.org:8443", "example.org", 443, False),
        ("192.0.2.1", "192.0.2.1", 443, True),
        ("192.0.2.1", "192.0.2.10", 443, False),
        ("192.0.2.1:80", "192.0.2.1", 443, False),
        ("192.0.2.1:443", "192.0.2.1", 443, True),
        ("192.0.2.0/24", "192.0.2.77", 443, True),
        ("192.0.2.0/24", "192.0.3.77", 443, False),
        ("192.0.2.9/24", "192.0.2.77", 443, True),
        ("192.0.2.0/24", "a192.0.2.0", 443, False),
        ("2001:db8::/32", "2001:db8::1", 443, True),
        ("2001:db8::1", "[2001:db8:0::1]", 443, True),
        ("[2001:db8::1]:443", "2001:db8::1", 443, True),
        ("[2001:db8::1]:80", "2001:db8::1", 443, False),
        ("2001:db8::/32", "192.0.2.1", 443, False),
        ("", "localhost", 443, True),
        ("", "127.0.0.53", 443, True),
        ("", "::1", 443, True),
        (".svc", "kubernetes.default.svc", 443, True),
        ("not/a/network", "not", 443, False),
        (" Example.Org ", "example.org", 443, True),
    ],
)
def test_what_is_reached_directly(entry: str, host: str, port: int, direct: bool) -> None:
    assert bypassed(host, port, ["unrelated.example", entry]) is direct


@given(st.text(max_size=30), st.lists(st.text(max_size=30), max_size=4))
def test_no_text_is_too_strange(host: str, entries: list[str]) -> None:
    assert bypassed(host, 443, entries) in (True, False)
    assert Proxy({"https": "192.0.2.1:3128"}, {}, tuple(entries)).server("https://192.0.2.9/") in (
        "",
        "192.0.2.1:3128",
    )


def asked(**more: t.Any) -> dict[str, t.Any]:
    return {"http": "", "https": "", "http_credentials": "", "https_credentials": "", "no_proxy": [], **more}


def test_option() -> None:
    assert proxy.read(None) is None
    found = proxy.read(asked(http="http://192.0.2.1:3128/", https="192.0.2.2:8080", no_proxy=["a"]))
    assert found == Proxy(
        {"http": "192.0.2.1:3128", "https": "192.0.2.2:8080"}, {"http": "", "https": ""}, ("a",)
    )


class Seen(BaseHTTPRequestHandler):
    """A proxy and a server: it notes what it is asked for."""

    requests: t.ClassVar[list[tuple[str, str, str]]] = []

    def _note(self) -> None:
        found = self.headers.get("Proxy-Authorization", "")
        self.requests.append((self.command, self.path, found))
        to = "/direct" if self.path.endswith("/away") else ""
        self.send_response(302 if to else 403 if self.command == "CONNECT" else 200)
        if to:
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}{to}")  # type: ignore[attr-defined]
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD = do_CONNECT = _note  # noqa: N815 - names of the base class

    def log_message(self, *_args: t.Any) -> None:
        """Nothing."""


@pytest.fixture
def server() -> t.Iterator[str]:
    Seen.requests.clear()
    running = ThreadingHTTPServer(("127.0.0.1", 0), Seen)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a login may set."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "mirror.example")


def ask(url: str, found: Proxy | None) -> tuple[bool, str]:
    return probe.ask(url, 5, ssl.create_default_context(), found)


@pytest.mark.usefixtures("foreign")
def test_requests_take_the_proxy_of_the_site_and_no_other(server: str) -> None:
    site = proxy.read(
        asked(
            http=f"http://{server}",
            https=server,
            http_credentials="user:p%40ss",
            no_proxy=["direct.example", "127.0.0.0/8"],
        )
    )
    assert ask("http://mirror.example/file", site) == (True, "HTTP 200")
    # user:p@ss
    assert Seen.requests == [("HEAD", "http://mirror.example/file", "Basic dXNlcjpwQHNz")]
    assert ask("https://mirror.example:5443/v2/", site)[0] is False
    assert Seen.requests[1:] == [("CONNECT", "mirror.example:5443", "")]
    # A redirect to what is reached directly: without the credentials.
    assert ask("http://mirror.example/away", site) == (True, "HTTP 200")
    # Python before 3.13 follows a redirect of HEAD with GET.
    assert Seen.requests[-1] in (("GET", "/direct", ""), ("HEAD", "/direct", ""))


@pytest.mark.usefixtures("foreign")
def test_a_site_without_proxy_uses_none(server: str) -> None:
    assert ask(f"http://{server}/x", proxy.read(asked())) == (True, "HTTP 200")


def test_without_the_option_the_environment_counts(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://{server}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert ask("http://mirror.example/file", None) == (True, "HTTP 200")


@pytest.mark.usefixtures("foreign")
def test_the_answer_names_the_proxy(server: str) -> None:
    site = proxy.read(asked(http=server))
    found = probe.Probes(["http://mirror.example/x", f"http://{server}/y"], 5, "", site).results()
    assert [(item["ok"], item["proxy"]) for item in found] == [(True, server), (True, "")]
