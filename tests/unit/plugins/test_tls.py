# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS of all clients: Python 3.13 is stricter than Go, and no client may be forgotten."""

from __future__ import annotations

import ast
import ssl
import typing as t
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.download import Fetcher
from ansible_collections.baremetal.kubernetes.plugins.module_utils._csr import serving
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.client import Etcd
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import (
    Client,
    Connection,
    UnreachableError,
    tls_context,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import probe
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import tls
from cryptography.x509 import BasicConstraints

from tests.unit.support import certificates
from tests.unit.support.certificates import Issued
from tests.unit.support.servers import Answer, Server

ROOT = Path(__file__).resolve().parents[3]
#: Names of the module ssl that make a context.
MAKERS = {"create_default_context", "SSLContext", "_create_unverified_context", "_create_stdlib_context"}


def test_contexts_are_made_in_one_place() -> None:
    found = set()
    for path in sorted((ROOT / "plugins").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Attribute) and called.attr in MAKERS | {"urlopen"}:
                found.add(str(path.relative_to(ROOT)))
    assert found == {"plugins/module_utils/_os/tls.py"}


@pytest.fixture(autouse=True)
def newest_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ssl.create_default_context does since Python 3.13."""
    make = ssl.create_default_context

    def strict(*args: t.Any, **more: t.Any) -> ssl.SSLContext:
        context = make(*args, **more)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)


@pytest.fixture
def bare() -> tuple[Issued, Issued]:
    """An authority and a server's certificate without key identifiers and key usage, as of many a site's own."""
    constraints = BasicConstraints(ca=True, path_length=None)
    ca = certificates.issue("site", extensions=[constraints], bare=True)
    leaf = certificates.issue(
        "system:node:w1",
        ["system:nodes"],
        issuer=ca,
        extensions=[certificates.alt_names("127.0.0.1")],
        bare=True,
    )
    return ca, leaf


@pytest.fixture
def server(bare: tuple[Issued, Issued]) -> Iterator[Server]:
    context = certificates.server_context(bare[1].pair, verify=ssl.CERT_NONE)
    running = Server(lambda _request: Answer(200, {"members": []}), context)
    yield running
    running.close()


def test_the_fixture_is_what_newer_python_refuses(server: Server, bare: tuple[Issued, Issued]) -> None:
    api = Client(Connection(server.url, ssl.create_default_context(cadata=bare[0].pem)))
    with pytest.raises(UnreachableError, match="Missing Authority Key Identifier"):
        api.read("/x")


def test_every_client_takes_what_go_takes(
    server: Server, bare: tuple[Issued, Issued], tmp_path: Path
) -> None:
    ca, leaf = bare
    assert Client(Connection(server.url, tls_context(ca.pem.encode()))).read("/x") == {"members": []}
    assert serving.look("w1", "127.0.0.1", server.port, ca.pem).state == "issued"
    assert probe.ask(f"{server.url}/x", 5, probe._context(ca.pem)) == (True, "HTTP 200")
    pki = tmp_path / "etc/kubernetes/pki"
    (pki / "etcd").mkdir(parents=True)
    (pki / "etcd/ca.crt").write_text(ca.pem)
    (pki / "apiserver-etcd-client.crt").write_text(leaf.pem)
    (pki / "apiserver-etcd-client.key").write_text(leaf.key_pem)
    assert Etcd(str(tmp_path), endpoint=server.url).members() == ()
    opener = tls.opener(Fetcher(ca=ca.pem)._context)
    with opener.open(f"{server.url}/x", timeout=5) as answer:
        assert answer.status == 200


def test_an_authority_that_is_no_root_is_enough() -> None:
    root = certificates.authority("root")
    middle = certificates.issue("middle", issuer=root, ca=True)
    leaf = certificates.issue("server", issuer=middle, names=["127.0.0.1"])
    running = Server(
        lambda _request: Answer(200, {}), certificates.server_context(leaf.pair, verify=ssl.CERT_NONE)
    )
    try:
        assert Client(Connection(running.url, tls_context(middle.pem.encode()))).read("/x") == {}
    finally:
        running.close()


def test_names_and_authorities_are_verified(server: Server, bare: tuple[Issued, Issued]) -> None:
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        tls.opener(tls.client_context(cadata=certificates.authority().pem)).open(server.url, timeout=5)
    elsewhere = server.url.replace("127.0.0.1", "localhost")
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        tls.opener(tls.client_context(cadata=bare[0].pem)).open(elsewhere, timeout=5)


def test_openers_follow_no_redirect() -> None:
    other = Server(lambda _request: Answer(200, {}))
    running = Server(lambda _request: Answer(302, b"", {"Location": other.url}))
    try:
        with pytest.raises(urllib.error.HTTPError, match="302"):
            tls.opener(tls.client_context()).open(running.url, timeout=5)
    finally:
        running.close()
        other.close()
    assert other.requests == []
