# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handshakes of openssl's client, with its own server."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.tls import certificate, handshake
from tests.infra.waiting import wait_for


def _listens(number: int) -> bool:
    with socket.create_connection(("127.0.0.1", number), 1):
        return True


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Of a server with TLS 1.1 and 1.2, which has one suite of each."""
    for name, text in zip(("cert", "key"), certificate("old.example.org"), strict=True):
        (tmp_path / name).write_text(text, encoding="utf-8")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        number = int(found.getsockname()[1])
    suites = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"
    argv = ["openssl", "s_server", "-accept", str(number), "-cert", str(tmp_path / "cert")]
    argv += ["-key", str(tmp_path / "key"), "-no_tls1_3", "-no_tls1", "-cipher", suites, "-quiet"]
    server = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for("the server listens", lambda: _listens(number), seconds=10, interval=0.1)
        yield number
    finally:
        server.kill()
        server.wait()


def test_what_a_server_chooses_and_refuses(port: int) -> None:
    asked = ("127.0.0.1", "old.example.org")
    assert handshake(*asked, "-tls1_2", port=port) == "ECDHE-ECDSA-AES256-GCM-SHA384"
    assert handshake(*asked, "-tls1_1", port=port) == "ECDHE-ECDSA-AES128-SHA"
    assert not handshake(*asked, "-tls1", port=port)
    assert not handshake(*asked, "-tls1_3", port=port)
    only = ("-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305")
    assert not handshake(*asked, "-tls1_2", *only, port=port)


def test_nobody_is_no_refusal() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(AssertionError, match="refused"):
            handshake("127.0.0.1", "old.example.org", port=int(closed.getsockname()[1]))
