# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients count, by a server that fails on request."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator

import pytest

from tests.infra.proxy import configuration
from tests.infra.web import INTERVAL, Request, Seen, Site, counted


class Server(http.server.ThreadingHTTPServer):
    """Answers with `status`, and tells clients to close the connection when it `closes`."""

    status, closes = 200, False
    connections = 0


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        self.server.connections += 1
        super().setup()

    def do_GET(self) -> None:
        body = f"{self.headers['Host']}{self.path}".encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        if self.server.closes:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), Handler)
    made.daemon_threads = True
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def site(server: Server) -> Site:
    return Site("127.0.0.1", "shop.example.org", server.server_address[1])


def test_names_go_to_the_address(site: Site) -> None:
    answer = site.ask("/cart")
    assert (answer.status, answer.body) == (200, "shop.example.org/cart")
    assert answer.headers["content-length"] == "21"


def test_an_outage_is_counted(server: Server, site: Site) -> None:
    with counted(site) as seen:
        time.sleep(0.5)
        server.status = 503
        time.sleep(0.5)
        server.status = 200
        time.sleep(0.5)
    assert len(seen.requests) > 8
    assert {one.reason for one in seen.lost} == {"HTTP 503"}
    assert 0.2 < seen.answered_after < 2 and 0.1 < seen.steady_after < 2
    assert "HTTP 503" in seen.shown()


def test_a_server_that_is_away_is_counted(server: Server, site: Site) -> None:
    server.shutdown()
    server.server_close()
    with counted(site, kept=1) as seen:
        time.sleep(5 * INTERVAL)
    assert seen.requests and len(seen.lost) == len(seen.requests)
    assert seen.answered_after == float("inf")


@pytest.mark.parametrize("closes", [False, True])
def test_connections_are_kept_until_the_server_closes_them(server: Server, site: Site, closes: bool) -> None:
    server.closes = closes
    with counted(site, kept=1) as seen:
        time.sleep(1)
    assert not seen.lost, seen.shown()
    assert (server.connections < len(seen.requests)) is not closes


def test_figures_of_an_outage() -> None:
    seen = Seen(
        [Request(10, 10.1), Request(11, 16, "timed out"), Request(12, 15.5), Request(13, 13.1, "HTTP 502")]
    )
    assert (seen.cut, seen.answered_after, seen.steady_after) == (11, 4.5, 2)
    with pytest.raises(AssertionError, match="none of 1 requests was lost"):
        _ = Seen([Request(1, 2)]).cut


def test_proxy_checks_a_port_of_its_own_where_there_is_one() -> None:
    text = configuration("192.0.2.4:80", ["192.0.2.21", "192.0.2.22"], 30080)
    assert "server target2 192.0.2.22:30080 send-proxy-v2 check inter 500ms" in text and "/ping" not in text
    text = configuration("192.0.2.4:80", ["192.0.2.21"], 80, health=8080)
    assert "option httpchk GET /ping" in text and text.count("port 8080") == 1
