# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import http.server
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.artifacts import sources
from lab.artifacts.sources import UnavailableError, Upstream

CONTENT = bytes(range(256)) * 4096
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT with ranges; breaks off after `limit` bytes of an answer for the first `breaks` times."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges: list[str | None] = []
        self.breaks = 0
        self.limit = 100_000
        self.ignore_ranges = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_GET(self) -> None:
        if self.path == "/absent":
            self.send_error(404)
            return
        asked = self.headers["Range"]
        self.server.ranges.append(asked)
        begin = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if asked and not self.server.ignore_ranges:
            if begin >= len(CONTENT):
                self.send_error(416)
                return
            self.send_response(206)
        else:
            begin = 0
            self.send_response(200)
        body = CONTENT[begin:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.breaks > 0:
            self.server.breaks -= 1
            body = body[: self.server.limit]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def test_a_download_that_breaks_off_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.breaks = 2
    target = tmp_path / "file"

    Upstream().download(server.url, target, DIGEST)

    assert target.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-", "bytes=200000-"]


def test_what_an_earlier_run_received_is_used(server: Server, tmp_path: Path) -> None:
    (tmp_path / ".file.part").write_bytes(CONTENT[:5000])

    Upstream().download(server.url, tmp_path / "file", DIGEST)

    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.ranges == ["bytes=5000-"]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_complete_part_is_used(server: Server, tmp_path: Path) -> None:
    (tmp_path / ".file.part").write_bytes(CONTENT)

    Upstream().download(server.url, tmp_path / "file", DIGEST)

    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_server_without_ranges_is_asked_for_the_whole(server: Server, tmp_path: Path) -> None:
    server.ignore_ranges = True
    (tmp_path / ".file.part").write_bytes(b"something else")

    Upstream().download(server.url, tmp_path / "file", DIGEST)

    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_the_old_file(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")

    with pytest.raises(UnavailableError, match=f"has SHA-256 {DIGEST}, expected {'0' * 64}"):
        Upstream().download(server.url, tmp_path / "file", "0" * 64)

    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_download_that_always_breaks_off_is_given_up_and_kept(server: Server, tmp_path: Path) -> None:
    server.breaks, server.limit = 100, 1000

    with pytest.raises(UnavailableError, match="5 attempts"):
        Upstream().download(server.url, tmp_path / "file", DIGEST)

    assert not (tmp_path / "file").exists()
    assert (tmp_path / ".file.part").read_bytes() == CONTENT[: 5 * 1000]


def test_a_file_that_upstream_does_not_have(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="HTTP status 404"):
        Upstream().download(server.url.replace("/file", "/absent"), tmp_path / "x", DIGEST)


def test_progress_is_told(server: Server, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []

    Upstream().download(server.url, tmp_path / "file", DIGEST, lambda done, total: told.append((done, total)))

    assert told[-1] == (len(CONTENT), len(CONTENT))


@pytest.fixture
def silent() -> Iterator[str]:
    """A host that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/x"


def test_a_silent_host_is_found_out_in_time_and_remembered(silent: str, tmp_path: Path) -> None:
    upstream = Upstream(probe_seconds=0.5)
    began = time.monotonic()

    upstream.probe([silent, "http://127.0.0.1:1/x"])
    first = time.monotonic() - began
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1"):
        upstream.download(silent, tmp_path / "x", DIGEST)
    second = time.monotonic() - began - first

    assert 0.4 < first < 2.0
    assert second < 0.2


def test_a_host_that_refuses_is_out_of_reach_at_once() -> None:
    upstream = Upstream(probe_seconds=5)
    began = time.monotonic()

    with pytest.raises(UnavailableError, match="not reachable"):
        upstream.require("http://127.0.0.1:1/x")

    assert time.monotonic() - began < 2.0


def test_a_host_is_asked_once(server: Server) -> None:
    upstream = Upstream()
    upstream.require(server.url)
    server.shutdown()

    upstream.require(server.url)


def test_nothing_is_taken_from_upstream_without_a_checksum(tmp_path: Path) -> None:
    lock = tmp_path / sources.LOCK_FILE
    lock.parent.mkdir(parents=True)
    lock.write_text(
        'cluster_releases:\n  runc:\n    url: x\n    checksums: {"1.4.3": {amd64: "sha256:abc"}}\n',
        encoding="utf-8",
    )
    published = sources.published_checksums(tmp_path)

    assert sources.checksum(published, "runc", "1.4.3", "amd64") == "abc"
    for component, version, arch in (
        ("x", "1.4.3", "amd64"),
        ("runc", "2", "amd64"),
        ("runc", "1.4.3", "arm64"),
    ):
        with pytest.raises(UnavailableError, match=f"no checksum of {component} {version} for {arch}"):
            sources.checksum(published, component, version, arch)
    assert sources.published_checksums(tmp_path / "absent") == {}


def test_images_of_upstream_need_skopeo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(UnavailableError, match="skopeo is not installed"):
        sources.copy_image("docker://example.com/x:1", tmp_path / "image")


def test_skopeo_s_own_words_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "skopeo").write_text("#!/bin/sh\necho manifest unknown >&2\nexit 1\n", encoding="utf-8")
    (tmp_path / "skopeo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    with pytest.raises(UnavailableError, match="manifest unknown"):
        sources.copy_image("docker://example.com/x:1", tmp_path / "image")
