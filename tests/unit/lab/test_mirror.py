# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import ssl
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from cryptography import x509

from lab import ca, mirror
from lab.config import LabError, Paths

REPO = Path(__file__).resolve().parents[3]

# Answers like a registry as far as starting one goes; the real one is a Debian package.
FAKE_REGISTRY = """\
#!{python}
import http.server, re, ssl, sys
text = open(sys.argv[2]).read()
host, port = re.search(r"addr: (.*):(\\d+)", text).groups()
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(
    re.search(r"certificate: (.*)", text)[1], re.search(r"    key: (.*)", text)[1]
)
server = http.server.HTTPServer((host, int(port)), http.server.SimpleHTTPRequestHandler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(
        cache=tmp_path / "cache", state=tmp_path / "state", repo=REPO, inventory=tmp_path / "inventory"
    )


def install_registry(paths: Paths, text: str) -> None:
    program = paths.artifacts_cache / mirror.REGISTRY_PROGRAM
    program.parent.mkdir(parents=True)
    program.write_text(text, encoding="utf-8")
    program.chmod(0o755)


def kill(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


@dataclass
class Running:
    paths: Paths
    files: str
    registry: str
    pids: list[int]

    def client(self) -> httpx.Client:
        trust = ssl.create_default_context(cafile=str(self.paths.pki / "ca.crt"))
        return httpx.Client(verify=trust, trust_env=False)


@pytest.fixture
def running(paths: Paths) -> Iterator[Running]:
    import sys

    directory = paths.artifacts_cache / "files" / "example.com" / "v1"
    directory.mkdir(parents=True)
    (directory / "demo").write_bytes(b"0123456789")
    (directory / ".demo.part").write_bytes(b"not verified")
    install_registry(paths, FAKE_REGISTRY.format(python=sys.executable))
    ports = free_port(), free_port()
    pids = mirror.start(paths, "127.0.0.1", *ports)
    try:
        yield Running(paths, f"https://127.0.0.1:{ports[0]}", f"https://127.0.0.1:{ports[1]}", pids)
    finally:
        kill(pids)


def test_files_are_served_with_ranges_to_those_who_trust_the_lab(running: Running) -> None:
    url = f"{running.files}/example.com/v1/demo"
    with running.client() as client:
        whole = client.get(url)
        part = client.get(url, headers={"Range": "bytes=4-"})
        beyond = client.get(url, headers={"Range": "bytes=99-"})
        head = client.head(url)

        assert (whole.status_code, whole.content) == (200, b"0123456789")
        assert (part.status_code, part.content) == (206, b"456789")
        assert part.headers["Content-Range"] == "bytes 4-9/10"
        assert beyond.status_code == 416
        assert head.headers["Content-Length"] == "10"
        # Both are ready when start() returns.
        assert client.get(f"{running.registry}/").status_code == 200


def test_nobody_else_trusts_it(running: Running) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(running.files, trust_env=False)


def test_its_certificate_is_for_its_name_and_address(running: Running) -> None:
    (file,) = (running.paths.state / "mirror").glob("*.crt")
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert names.get_values_for_type(x509.DNSName) == ["mirror.bmk.test"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


@pytest.mark.parametrize(
    "path",
    ["example.com/v1/absent", "example.com/v1/.demo.part", "%2e%2e/%2e%2e/state/pki/ca.key", "example.com"],
)
def test_what_is_not_served(running: Running, path: str) -> None:
    with running.client() as client:
        assert client.get(f"{running.files}/{path}").status_code == 404


def test_each_request_is_one_line_in_the_log(running: Running) -> None:
    with running.client() as client:
        client.get(f"{running.files}/example.com/v1/demo")
        client.get(f"{running.files}/example.com/v1/absent")
    deadline = time.monotonic() + 5
    log = mirror.access_log(running.paths)
    while "absent" not in log.read_text(encoding="utf-8") and time.monotonic() < deadline:
        time.sleep(0.02)

    lines = log.read_text(encoding="utf-8").splitlines()
    assert re.search(r" 127\.0\.0\.1:\d+ 200 OK GET /example.com/v1/demo HTTP/1.1$", lines[-2])
    assert re.search(r" 127\.0\.0\.1:\d+ 404 Not Found GET /example.com/v1/absent HTTP/1.1$", lines[-1])


def test_the_servers_lead_their_own_sessions(running: Running) -> None:
    assert [os.getsid(pid) for pid in running.pids] == running.pids


def test_a_registry_that_ends_is_told_with_its_log_and_nothing_stays(paths: Paths) -> None:
    install_registry(paths, "#!/bin/sh\necho configuration error: bad things\nexit 1\n")
    ports = free_port(), free_port()

    with pytest.raises(LabError, match="bad things") as caught:
        mirror.start(paths, "127.0.0.1", *ports)

    assert str(paths.logs / "registry.log") in caught.value.hint
    with pytest.raises(ConnectionRefusedError):
        _connect_until_refused(ports[0])


def _connect_until_refused(port: int) -> None:
    # A killed process lets go of its port a moment later.
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with socket.create_connection(("127.0.0.1", port)):
            time.sleep(0.05)


def test_a_port_that_is_taken_is_told(paths: Paths) -> None:
    install_registry(paths, "#!/bin/sh\nsleep 5\n")
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(LabError, match="in use"):
        mirror.start(paths, "127.0.0.1", taken.getsockname()[1], free_port())


def test_a_missing_registry_is_told_with_the_next_step(paths: Paths) -> None:
    with pytest.raises(LabError, match=r"docker-registry is missing\n  -> run `lab up`"):
        mirror.start(paths, "127.0.0.1", free_port(), free_port())


def test_the_registry_only_reads(tmp_path: Path) -> None:
    text = mirror.registry_config(tmp_path, "127.0.0.1:5443", tmp_path / "c", tmp_path / "k")

    assert "readonly:\n      enabled: true" in text
    assert "addr: 127.0.0.1:5443" in text


def test_the_authority_is_made_once_and_its_key_is_its_owner_s(paths: Paths) -> None:
    first, second = ca.ensure_ca(paths), ca.ensure_ca(paths)

    assert first.certificate == second.certificate
    assert stat.S_IMODE((paths.pki / "ca.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((paths.pki / "ca.crt").stat().st_mode) == 0o644


def test_an_authority_whose_key_is_another_s_is_told(paths: Paths) -> None:
    ca.ensure_ca(paths)
    other = Paths(cache=paths.cache, state=paths.state / "other", repo=REPO, inventory=paths.inventory)
    ca.ensure_ca(other)
    (paths.pki / "ca.key").write_bytes((other.pki / "ca.key").read_bytes())

    with pytest.raises(LabError, match="not a pair of certificate and key"):
        ca.ensure_ca(paths)


def test_issued_certificates_verify_against_the_authority(paths: Paths, tmp_path: Path) -> None:
    authority = ca.ensure_ca(paths)
    file, key = ca.issue(authority, ["a.example", "b.example"], ["192.0.2.1"], tmp_path)

    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    certificate.verify_directly_issued_by(authority.certificate)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
