# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of API servers: what all its users rely on."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import threading
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api import client
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.admin import Api
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import (
    ApiError,
    Client,
    Connection,
    CredentialsError,
    InvalidAnswerError,
    StatusError,
    UnreachableError,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.connect import connect

from tests.unit.support.certificates import authority
from tests.unit.support.servers import Answer, ApiServer, Server, kubeconfig_of, refused
from tests.unit.support.servers import client as user_of

NODES = "/api/v1/nodes"
ONE = f"{NODES}/w1"


def nodes(count: int) -> list[dict[str, t.Any]]:
    return [{"metadata": {"name": f"w{number}"}, "spec": {"unschedulable": True}} for number in range(count)]


@pytest.fixture
def server() -> Iterator[ApiServer]:
    running = ApiServer(token="sesame")
    yield running
    running.close()


@pytest.fixture
def api(server: ApiServer, tmp_path: Path) -> Client:
    return connect(server.kubeconfig(tmp_path / "kubeconfig"))


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that the client slept; it does not really."""
    slept: list[float] = []
    monkeypatch.setattr(client.time, "sleep", slept.append)
    return slept


def test_lists_come_in_pages(server: ApiServer, api: Client) -> None:
    server.lists[NODES] = nodes(7)
    server.page = 3
    found = api.items(NODES, "labelSelector=a%3Db")
    assert [one["metadata"]["name"] for one in found] == [f"w{number}" for number in range(7)]
    assert [request.query.get("continue") for request in server.requests] == [None, "a/b=3", "a/b=6"]
    assert all(request.query["labelSelector"] == "a=b" for request in server.requests)
    assert all(request.query["limit"] == "500" for request in server.requests)


def test_metadata_alone_can_be_asked_for(server: ApiServer, api: Client) -> None:
    server.lists[NODES] = nodes(1)
    assert list(api.items(NODES, accept=client.METADATA_ONLY)) == [{"metadata": {"name": "w0"}}]


def test_verbs(server: ApiServer, api: Client) -> None:
    server.objects[ONE] = {"metadata": {"name": "w1"}}
    assert api.read(ONE) == api.get(ONE) == {"metadata": {"name": "w1"}}
    assert api.get(f"{NODES}/w2") is None
    with pytest.raises(StatusError, match="answered HTTP 404") as caught:
        api.read(f"{NODES}/w2")
    assert caught.value.status == 404
    server.answers["PUT", ONE] = Answer(200, {"kind": "Node"})
    assert api.update(ONE, {"metadata": {}}) == {"kind": "Node"}
    assert (server.requests[-1].object, server.requests[-1].headers["Content-Type"]) == (
        {"metadata": {}},
        "application/json",
    )
    assert (api.delete(ONE), api.delete(ONE), server.deleted) == (True, False, ["w1"])


@pytest.mark.parametrize("call", [Client.read, Client.get, Client.delete])
def test_what_the_server_says_is_told(
    server: ApiServer, api: Client, call: t.Callable[[Client, str], t.Any]
) -> None:
    for method in ("GET", "DELETE"):
        server.answers[method, ONE] = refused(500, "etcdserver: no leader.")
    with pytest.raises(StatusError) as caught:
        call(api, ONE)
    assert f"{server.url}{ONE} answered HTTP 500: etcdserver: no leader. Look at" in str(caught.value)


def test_forbidden_is_none_or_an_error(server: ApiServer, api: Client) -> None:
    server.answers["GET", ONE] = refused(403, "User x cannot get resource nodes")
    assert api.get(ONE) is None
    with pytest.raises(StatusError, match=r"cannot get resource nodes\. Give this user the permission"):
        api.read(ONE)


@pytest.mark.parametrize(
    ("body", "says"), [("<html>", "something else than JSON"), ("[1]", "something else than an object")]
)
def test_answers_that_are_no_objects(server: ApiServer, api: Client, body: str, says: str) -> None:
    server.answers["GET", ONE] = Answer(200, body)
    with pytest.raises(InvalidAnswerError, match=says):
        api.get(ONE)


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [("", [0.5, 1.0]), ("1", [1.0, 1.0]), ("3600", [10.0, 10.0]), ("soon", [0.5, 1.0]), ("-1", [0.5, 1.0])],
)
def test_a_busy_server_is_asked_again(
    server: ApiServer, api: Client, pauses: list[float], retry_after: str, expected: list[float]
) -> None:
    headers = {"Retry-After": retry_after} if retry_after else {}
    server.answers["GET", ONE] = [Answer(429, {}, headers), Answer(429, {}, headers)]
    server.objects[ONE] = {}
    assert api.read(ONE) == {}
    assert pauses == expected


def test_a_server_that_stays_busy(server: ApiServer, api: Client, pauses: list[float]) -> None:
    server.answers["GET", ONE] = Answer(429, {})
    with pytest.raises(StatusError, match="HTTP 429"):
        api.read(ONE)
    assert pauses == [0.5, 1.0, 2.0]


def test_a_write_is_repeated_only_when_the_server_says_when(
    server: ApiServer, api: Client, pauses: list[float]
) -> None:
    server.answers["DELETE", ONE] = Answer(429, {})
    with pytest.raises(StatusError, match="HTTP 429"):
        api.delete(ONE)
    assert pauses == []
    server.objects[ONE] = {}
    server.answers["DELETE", ONE] = [Answer(429, {}, {"Retry-After": "2"})]
    assert api.delete(ONE)
    assert pauses == [2.0]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_refused(server: ApiServer, api: Client, status: int) -> None:
    other = Server(lambda _request: Answer(200, {}))
    server.answers["GET", ONE] = Answer(status, b"", {"Location": f"{other.url}{ONE}"})
    with pytest.raises(StatusError, match="Redirects are not followed"):
        api.read(ONE)
    other.close()
    assert other.requests == [] and len(server.requests) == 1


def test_an_answer_may_be_too_large(server: ApiServer, api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_BYTES", 1024**2)
    server.objects[ONE] = {"data": "x" * 1024**2}
    with pytest.raises(InvalidAnswerError, match="more than 1 MiB"):
        api.read(ONE)


def raw(text: bytes, pause: float = 0.0) -> str:
    """A server that sends these bytes to the first who asks, with a pause before each of the last; its URL."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        head, _, body = text.partition(b"\r\n\r\n")
        with listening, listening.accept()[0] as connection:
            connection.recv(4096)
            connection.sendall(head + b"\r\n\r\n")
            for number in body:
                time.sleep(pause)
                connection.sendall(bytes([number]))

    def quiet() -> None:
        with contextlib.suppress(OSError):
            serve()

    threading.Thread(target=quiet, daemon=True).start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


def plain(url: str, seconds: float = 10, **more: t.Any) -> Client:
    return Client(Connection(url, ssl.create_default_context(), **more), seconds)


def test_the_time_limit_holds_for_an_answer_in_small_pieces() -> None:
    url = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b" " * 100, pause=0.05)
    began = time.monotonic()
    with pytest.raises(UnreachableError, match="does not answer: timed out") as caught:
        plain(url, 0.3, host="cp1").read(ONE)
    assert time.monotonic() - began < 2
    assert str(caught.value).startswith(f"cp1: the API server {url} does not answer")
    assert (caught.value.server, caught.value.reason) == (url, "timed out")


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"SSH-2.0-OpenSSH\r\n\r\n",
    ],
    ids=["short", "chunks", "no HTTP"],
)
def test_answers_that_break_off(text: bytes) -> None:
    with pytest.raises(UnreachableError):
        plain(raw(text)).read(ONE)


def test_answers_in_chunks() -> None:
    text = (
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n3\r\n: 1\r\n1\r\n}\r\n0\r\n\r\n'
    )
    assert plain(raw(text)).read(ONE) == {"a": 1}


@pytest.mark.parametrize("url", ["file:///etc", "ftp://127.0.0.1", "127.0.0.1:6443", ""])
def test_what_is_no_url_of_http(url: str) -> None:
    with pytest.raises(CredentialsError, match="expected https"):
        plain(url)


def test_a_token_that_cannot_be_sent_is_not_shown(tmp_path: Path, server: ApiServer) -> None:
    api = plain(server.url, headers={"Authorization": "Bearer ses\name"})
    with pytest.raises(CredentialsError, match="cannot be sent") as caught:
        api.read(ONE)
    assert "ame" not in str(caught.value).replace("have", "") and caught.value.__cause__ is None
    assert "ses" not in repr(Connection("", ssl.create_default_context(), {"Authorization": "Bearer sesame"}))


def test_the_api_is_reached_through_no_proxy_but_that_of_the_kubeconfig(
    server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the environment are for the internet. helm, kubernetes.core and this client had rules of their own."""
    running = Server(lambda _request: Answer(200, {"from": "proxy"}))
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.objects[ONE] = {"from": "server"}
    path = tmp_path / "kubeconfig"
    assert connect(server.kubeconfig(path)).read(ONE) == {"from": "server"}
    assert plain(server.url, headers={"Authorization": "Bearer sesame"}).read(ONE) == {"from": "server"}
    config = yaml.safe_load(path.read_text())
    cluster = config["clusters"][0]["cluster"]
    cluster["proxy-url"] = running.url
    path.write_text(yaml.safe_dump(config))
    assert connect(str(path)).read(ONE) == {"from": "proxy"}
    running.close()
    assert [request.target for request in running.requests] == [f"{server.url}{ONE}"]
    cluster["proxy-url"] = "http://user:pa55word@127.0.0.1:9"
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(
        UnreachableError, match=r"through the proxy http://<hidden>@127\.0\.0\.1:9: .*cluster_api_proxy"
    ) as caught:
        connect(str(path)).read(ONE)
    assert "pa55word" not in str(caught.value)


@pytest.fixture
def secure() -> Iterator[ApiServer]:
    running = ApiServer()
    running.objects[ONE] = {"kind": "Node"}
    yield running
    running.close()


def test_both_ways_to_connect_are_the_same(secure: ApiServer, tmp_path: Path) -> None:
    secure.kubeconfig(tmp_path / "admin.conf")
    host, controller = Api(str(tmp_path), kubeconfig="/admin.conf"), connect(str(tmp_path / "admin.conf"))
    assert host.read(ONE) == controller.read(ONE) == {"kind": "Node"}
    assert host.ca == secure.authority.pem


def test_a_stranger_is_not_trusted(secure: ApiServer, tmp_path: Path) -> None:
    other = authority()
    (tmp_path / "a").write_text(kubeconfig_of(secure.url, other.pem, user_of(secure.authority, "x")))
    for api in (Api(str(tmp_path), kubeconfig="/a"), connect(str(tmp_path / "a"))):
        with pytest.raises(UnreachableError, match=r"self.signed certificate|unable to get local issuer"):
            api.read(ONE)
    (tmp_path / "b").write_text(kubeconfig_of(secure.url, secure.authority.pem, user_of(other, "x")))
    for api in (Api(str(tmp_path), kubeconfig="/b"), connect(str(tmp_path / "b"))):
        with pytest.raises(UnreachableError):
            api.read(ONE)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "cannot be read, so there are no credentials for the API server. Run this on a node"),
        ("", "no usable kubeconfig: 0 servers, expected one. Create it again"),
        (kubeconfig_of("https://127.0.0.1:1"), "lacks the CA, the client certificate or its key"),
        (
            kubeconfig_of("https://127.0.0.1:1", "x", user_of(authority(), "x")),
            "has certificates that cannot be used",
        ),
    ],
)
def test_kubeconfigs_of_hosts_that_cannot_be_used(tmp_path: Path, text: str | None, says: str) -> None:
    if text is not None:
        (tmp_path / "some.conf").write_text(text)
    with pytest.raises(CredentialsError, match=says) as caught:
        Api(str(tmp_path), kubeconfig="/some.conf")
    assert isinstance(caught.value, ApiError)
    assert str(tmp_path / "some.conf") in str(caught.value)


def test_client_keys_leave_no_file(
    secure: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    (tmp_path / "run").mkdir()
    secure.kubeconfig(tmp_path / "admin.conf")
    seen: list[tuple[int, int]] = []
    load = ssl.SSLContext.load_cert_chain

    def observed(self: ssl.SSLContext, path: str) -> None:
        if str(path).startswith(str(tmp_path)):
            seen.append((os.stat(path).st_mode & 0o777, os.stat(os.path.dirname(path)).st_mode & 0o777))
        load(self, path)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", observed)
    Api(str(tmp_path), kubeconfig="/admin.conf")
    assert seen == [(0o600, 0o700)]
    assert list((tmp_path / "run").iterdir()) == []


def test_the_manifest_says_where_the_hosts_own_api_server_is(secure: ApiServer, tmp_path: Path) -> None:
    conf = tmp_path / "etc/kubernetes"
    (conf / "manifests").mkdir(parents=True)
    secure.kubeconfig(conf / "admin.conf", port=1)
    annotation = "kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint"
    (conf / "manifests/kube-apiserver.yaml").write_text(
        json.dumps({"metadata": {"annotations": {annotation: f"127.0.0.1:{secure.port}"}}})
    )
    assert Api(str(tmp_path)).read(ONE) == {"kind": "Node"}
