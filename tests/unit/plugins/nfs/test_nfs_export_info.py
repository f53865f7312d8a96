# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nfs_export_info against a server that exports, refuses, speaks other versions, and hangs."""

from __future__ import annotations

import shutil
import socket
import threading
import time
import typing as t

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._nfs import nfs3, probe, rpc

from tests.unit.support.modules import RunModule
from tests.unit.support.nfs import NfsServer, Opened, opaque, u32


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Opened]:
    """Starts servers; rpcbind is asked at the port of the last one."""
    running: list[NfsServer] = []

    def start(**fields: t.Any) -> NfsServer:
        running.append(NfsServer(**fields))
        monkeypatch.setattr(nfs3, "_RPCBIND_PORT", running[-1].port)
        return running[-1]

    yield start
    for server in running:
        server.close()


def ask(server: NfsServer, path: str = "/srv/data", *options: str, seconds: float = 5) -> probe.Found:
    return probe.probe(probe.parse("127.0.0.1", path, [f"port={server.port}", *options]), seconds)


@pytest.mark.parametrize(
    ("fields", "options", "version"),
    [
        ({}, (), "4.2"),
        ({"minors": (0, 1)}, (), "4.1"),
        ({"minors": (0,)}, (), "4.0"),
        ({}, ("nfsvers=4",), "4.2"),
        ({}, ("vers=4,minorversion=0",), "4.0"),
        ({}, ("nfsvers=4.1", "hard"), "4.1"),
        ({}, ("nfsvers=3",), "3"),
        ({"three": False}, (), "4.2"),
    ],
)
def test_newest_version_that_both_allow(
    fields: dict[str, t.Any], options: tuple[str, ...], version: str, opened: Opened
) -> None:
    server = opened(**fields)
    found = ask(server, "/srv/data", *options)
    assert (found.problem, found.version, found.writable) == ("", version, True)
    assert (found.address, found.source) == ("127.0.0.1", "127.0.0.1")


def test_nothing_is_left_on_the_server(opened: Opened) -> None:
    server = opened()
    ask(server)
    assert server.calls == ["client baremetal.kubernetes"]
    assert not server.sessions and not server.clients
    ask(server, "/srv/data", "nfsvers=3")
    assert server.calls[1:] == ["mount /srv/data", "unmount /srv/data"]


@pytest.mark.parametrize("options", [("nfsvers=4.0",), ("nfsvers=4.2",)])
def test_export_that_is_not_there_is_named_with_what_is(options: tuple[str, ...], opened: Opened) -> None:
    server = opened(told={"/srv/data": ["192.0.2.0/24", "w1"], "/home": []})
    found = ask(server, "/srv/other/deep", *options)
    assert found.problem == (
        "127.0.0.1 does not export /srv/other/deep to 127.0.0.1 (there is no 'other' in /srv); expected it to."
        " It exports /srv/data to 192.0.2.0/24, w1; /home to everybody"
    )
    assert found.step.startswith("Export it to the addresses of all nodes")
    assert not found.version and not found.writable and found.exports["/home"] == []
    assert not server.sessions


def test_export_to_others_alone_by_version_3(opened: Opened) -> None:
    found = ask(opened(), "/srv/other", "nfsvers=3")
    assert "does not export /srv/other to 127.0.0.1 (NFS4ERR_ACCESS)" in found.problem
    assert "It does not tell what it exports" in found.problem


@pytest.mark.parametrize("options", [("nfsvers=3",), ("nfsvers=4.1",)])
def test_read_only_export(options: tuple[str, ...], opened: Opened) -> None:
    server = opened(directories={"/srv/data": 0x3})
    found = ask(server, "/srv/data", *options)
    assert "root of this host may not make directories in it" in found.problem
    assert "no_root_squash" in found.step and not found.writable
    assert not ask(server, "/srv/data", *options, "ro").problem


def test_directory_above_an_export_is_no_export(opened: Opened) -> None:
    assert "may not make directories" in ask(opened(), "/srv").problem


@pytest.mark.parametrize(
    ("fields", "option", "words"),
    [
        ({"minors": ()}, "nfsvers=4.2", "serves NFS version 3, expected version 4.2"),
        ({"minors": ()}, "hard", "serves NFS version 3, expected version 4.2 or 4.1 or 4.0"),
        ({"three": False}, "nfsvers=3", "serves NFS version 4, expected version 3"),
        ({"minors": (0,)}, "nfsvers=4.2", "serves NFS version 4, expected version 4.2"),
    ],
)
def test_version_that_the_server_does_not_have(
    fields: dict[str, t.Any], option: str, words: str, opened: Opened
) -> None:
    found = ask(opened(**fields), "/srv/data", option)
    assert words in found.problem and "nfsvers in mount_options" in found.step


def test_server_that_hangs_is_given_up(opened: Opened) -> None:
    begin = time.monotonic()
    found = ask(opened(hang=True), seconds=1)
    assert time.monotonic() - begin < 10
    assert found.problem == "127.0.0.1 is connected but does not answer within 1 s, expected an NFS server"
    assert "Start the NFS server" in found.step


def test_nobody_listens() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        found = probe.probe(probe.parse("127.0.0.1", "/srv", [f"port={port}"]), 2)
    assert (
        found.problem
        == f"127.0.0.1 cannot be reached on TCP port {port} (connection refused), expected an NFS server"
    )


def test_no_such_name() -> None:
    found = probe.probe(probe.parse("nfs.invalid", "/srv", []), 5)
    assert found.problem.startswith(("the name nfs.invalid has no address", "no name server tells"))


def test_name_server_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_args: t.Any, **_options: t.Any) -> list[t.Any]:
        threading.Event().wait(4)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    begin = time.monotonic()
    found = probe.probe(probe.parse("nfs.example.org", "/srv", []), 1)
    assert time.monotonic() - begin < 10
    assert (
        found.problem
        == "no name server tells the address of nfs.example.org within 1 s, expected an NFS server"
    )


@pytest.mark.parametrize(
    ("garbage", "words"),
    [
        (b"SSH-2.0-OpenSSH_10.0\r\n", "answers something else than RPC"),
        (u32(0x80000000 | 8) + u32(0, 0), "closes the connection instead of an answer"),
        (b"\x80\x00", "closes the connection instead of an answer"),
    ],
)
def test_another_service(garbage: bytes, words: str, opened: Opened) -> None:
    assert words in ask(opened(garbage=garbage), seconds=1).problem


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (u32(1, 1, 1, 5), "it refuses AUTH_SYS (5)"),
        (u32(1, 1, 0, 2, 2), "it has another RPC version"),
        (u32(1, 0, 0) + opaque(b"") + u32(1), "it does not have this program"),
        (u32(1, 0, 0) + opaque(b"") + u32(0), "its answer ends too early"),
        (u32(0), "it answers something else than RPC"),
    ],
)
def test_refused_calls(body: bytes, words: str) -> None:
    with pytest.raises(rpc.NfsError, match=words.replace("(", r"\(").replace(")", r"\)")):
        rpc._accepted(rpc.Reader(body)).u32()


def test_refusal_says_who_refuses(opened: Opened) -> None:
    reply = u32(0x80000000 | 24) + u32(1, 1, 1, 1, 5, 0)
    server = opened(garbage=reply, follow=True)
    assert ask(server).problem == "127.0.0.1: it refuses AUTH_SYS (5), expected an NFS server"


def test_with_kerberos_only_the_server_is_asked(opened: Opened) -> None:
    server = opened()
    assert ask(server, "/not/there", "sec=krb5p").version == "4.2"
    assert not server.calls


@pytest.mark.parametrize(
    ("options", "words"),
    [(["nfsvers=5"], "NFS version 5, expected one of"), (["port=nfs"], "port=nfs, expected a port")],
)
def test_wrong_options(options: list[str], words: str, run_module: RunModule) -> None:
    exports = [{"server": "nfs.example.org", "path": "/srv", "mount_options": options}]
    result = run_module("nfs_export_info", {"exports": exports})
    assert result["failed"] and words in result["msg"] and "Correct mount_options." in result["msg"]


def test_module_returns_all(opened: Opened, run_module: RunModule) -> None:
    server = opened()
    options = [f"port={server.port}", f"mountport={server.port}"]
    exports = [
        {"server": "127.0.0.1", "path": path, "mount_options": options} for path in ("/srv/data", "/other")
    ]
    for check in (False, True):
        result = run_module("nfs_export_info", {"exports": exports, "timeout": 5}, check=check)
        good, bad = result["exports"]
        assert result["client"] == shutil.which("mount.nfs")
        assert result["changed"] is False and (good["problem"], good["version"]) == ("", "4.2")
        assert "does not export /other" in bad["problem"] and bad["version"] == ""
    assert run_module("nfs_export_info", {"exports": [], "timeout": 0})["failed"]
