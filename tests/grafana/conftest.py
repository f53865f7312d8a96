# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Grafana to test with: the contract server, or a real one (GRAFANA_URL and GRAFANA_TOKEN)."""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.grafana.server import Server, serve
from tests.grafana.state import FLAVOURS, Grafana
from tests.unit.support import modules

REAL = os.environ.get("GRAFANA_URL", "")
SPEC: dict[str, Any] = {
    "title": "Overview",
    "tags": ["kubernetes"],
    "time": {"from": "now-6h", "to": "now"},
    "refresh": "",
    "annotations": {"list": []},
    "templating": {"list": []},
    "panels": [
        {
            "id": 1,
            "type": "timeseries",
            "title": "Nodes",
            "gridPos": {"h": 8, "w": 12, "x": 0, "y": 0},
            "targets": [{"refId": "A", "expr": "up", "legendFormat": "{{node}}"}],
        }
    ],
    "schemaVersion": 39,
}


@dataclass
class Target:
    """A Grafana, and a cluster that nobody else has there.

    :param server: C(None) for a real Grafana.
    """

    url: str
    token: str
    cluster: str
    server: Server | None = None

    def run(self, name: str, /, *, check: bool = False, fails: bool = False, **args: Any) -> dict[str, Any]:
        """Run one of the modules. No result may have the token."""
        connection = {"url": self.url, "token": self.token, "timeout": 10}
        own = {} if name == "grafana_service_account" else {"cluster": self.cluster}
        result = modules.run_module(name, {**connection, **own, **args}, check=check)
        assert bool(result.get("failed")) == fails, result
        told = {key: value for key, value in result.items() if key != "invocation"}
        assert self.token not in str(told)
        return result

    def dashboards(self, *specs: tuple[str, Mapping[str, Any]], **args: Any) -> dict[str, Any]:
        """Run the module for dashboards."""
        listed = [{"uid": self.uid(name), "spec": dict(spec)} for name, spec in specs]
        return self.run("grafana_dashboard", dashboards=listed, **args)

    def uid(self, name: str = "") -> str:
        """A uid of this cluster."""
        return f"bmk-{self.cluster}" + (f"-{name}" if name else "")

    def ask(self, method: str, path: str, body: Any = None, expected: int = 200) -> Any:
        """What somebody else does in Grafana."""
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = httpx.request(
            method, self.url + path, json=body, headers=headers, timeout=30, trust_env=False
        )
        assert answer.status_code == expected, answer.text
        return answer.json()

    def edit(self, name: str, **changes: Any) -> None:
        """Save a dashboard as the browser does."""
        found = self.ask("GET", f"/api/dashboards/uid/{self.uid(name)}")
        self.ask(
            "POST",
            "/api/dashboards/db",
            {
                "dashboard": {**found["dashboard"], **changes},
                "folderUid": found["meta"].get("folderUid") or "",
                "message": "",
                "overwrite": False,
            },
        )

    def spec(self, name: str) -> dict[str, Any]:
        """A dashboard as Grafana has it."""
        return dict(self.ask("GET", f"/api/dashboards/uid/{self.uid(name)}")["dashboard"])

    def clean(self) -> None:
        """Remove what a test has left in a real Grafana."""
        headers = {"Authorization": f"Bearer {self.token}"}
        with httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False) as session:
            for hit in session.get("/api/search", params={"type": "dash-db", "limit": 5000}).json():
                if hit["uid"].startswith(f"bmk-{self.cluster}"):
                    session.delete(f"/api/dashboards/uid/{hit['uid']}")
            for source in session.get("/api/datasources").json():
                if source["uid"].startswith(f"bmk-{self.cluster}"):
                    session.delete(f"/api/datasources/uid/{source['uid']}")
            for uid in (f"bmk-{self.cluster}-inner", f"bmk-{self.cluster}"):
                session.delete(f"/api/folders/{uid}")
            found = session.get("/api/serviceaccounts/search", params={"query": f"bmk-{self.cluster}"}).json()
            for account in found["serviceAccounts"]:
                session.delete(f"/api/serviceaccounts/{account['id']}")


@pytest.fixture(params=["real"] if REAL else list(FLAVOURS))
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """Each Grafana that there is."""
    cluster = f"t{secrets.token_hex(4)}"
    if request.param == "real":
        real = Target(REAL.rstrip("/"), os.environ["GRAFANA_TOKEN"], cluster)
        yield real
        real.clean()
        return
    state = Grafana(FLAVOURS[request.param])
    with serve(state) as server:
        yield Target(server.url, state.admin, cluster, server)


@pytest.fixture
def contract() -> Iterator[tuple[Target, Server]]:
    """The contract server, like Grafana 13, for what cannot be asked of a real one."""
    state = Grafana()
    with serve(state) as server:
        yield Target(server.url, state.admin, "prod", server), server


@dataclass
class Source:
    """A program that answers as Prometheus does, to one password."""

    url: str
    password: str


@pytest.fixture
def source() -> Iterator[Source]:
    """A data source."""
    found = Source("", "first")

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            good = httpx.BasicAuth("grafana", found.password)._auth_header
            found_up = {"metric": {"__name__": "up"}, "value": [1, "1"]}
            answer = {"status": "success", "data": {"resultType": "vector", "result": [found_up]}}
            body = json.dumps(answer).encode()
            status = 200 if self.headers.get("Authorization") == good else 401
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body) if status == 200 else 0))
            self.end_headers()
            self.wfile.write(body if status == 200 else b"")

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._answer()

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield found
    server.shutdown()
    server.server_close()
