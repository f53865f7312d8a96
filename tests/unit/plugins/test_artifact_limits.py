# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Downloads and archives of a server that is hostile or broken: time, memory and disk are bounded."""

from __future__ import annotations

import hashlib
import io
import socket
import struct
import tarfile
import tempfile
import threading
import time
import tracemalloc
import typing as t
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact import archive
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.archive import read_archive
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.download import Fetcher
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.model import (
    ArtifactError,
    FileSpec,
    parse_file,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.transport import (
    SPACE_MARGIN,
    Space,
)
from hypothesis import given, settings
from hypothesis import strategies as st

MIB = 1 << 20
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

# Downloads

Talk = Callable[[socket.socket], None]


@pytest.fixture
def serve() -> Iterator[Callable[[Talk], str]]:
    """A server that answers each connection as a function does."""
    listeners: list[socket.socket] = []

    def start(talk: Talk) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def answer(connection: socket.socket) -> None:
            with connection:
                try:
                    connection.recv(65536)
                    talk(connection)
                except OSError:
                    pass

        def accept() -> None:
            while True:
                try:
                    connection, _address = listener.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/file"

    yield start
    for listener in listeners:
        listener.close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


def spec_of(url: str, data: bytes = b"as released") -> FileSpec:
    checksum = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return parse_file({"name": "tool", "url": url, "checksum": checksum, "dest": "/x"}, 0, 0)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def pour(connection: socket.socket) -> None:
    """96 MiB without a word about their length."""
    connection.sendall(CHUNKED)
    for _number in range(96):
        connection.sendall(chunk(b"x" * MIB))
    connection.sendall(chunk(b""))


def test_a_download_without_length_stops_where_the_disk_would_be_full(
    serve: Callable[[Talk], str], tmp_path: Path
) -> None:
    sizes = []

    def free(directory: str) -> int:
        size = sum(path.stat().st_size for path in tmp_path.iterdir())
        sizes.append(size)
        return SPACE_MARGIN + 3 * MIB - size

    fetcher = Fetcher(space=Space(free=free), retries=0)
    with pytest.raises(ArtifactError, match=r"1 MiB are needed in .*, 1[56] MiB are free"):
        fetcher.fetch(spec_of(serve(pour)), str(tmp_path / "part"))
    assert max(sizes) <= 3 * MIB
    assert not any(tmp_path.iterdir())


def test_a_download_without_length_stops_at_the_largest_size(
    serve: Callable[[Talk], str], tmp_path: Path
) -> None:
    fetcher = Fetcher(retries=0, limit=2 * MIB)
    with pytest.raises(ArtifactError, match="has more than 2 MiB"):
        fetcher.fetch(spec_of(serve(pour)), str(tmp_path / "part"))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("length", [b"99999999999999", b"9" * 17])
def test_a_length_that_no_release_file_has_is_refused_at_once(
    serve: Callable[[Talk], str], tmp_path: Path, length: bytes
) -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\nx" % length)
        time.sleep(5)

    began = time.monotonic()
    with pytest.raises(ArtifactError, match="has more than 4096 MiB"):
        Fetcher(retries=0).fetch(spec_of(serve(talk)), str(tmp_path / "part"))
    assert time.monotonic() - began < 4


def test_a_download_without_length_that_fits_is_taken(serve: Callable[[Talk], str], tmp_path: Path) -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(CHUNKED + chunk(b"abc" * 7000) * 100 + chunk(b""))

    data = b"abc" * 700_000
    done = Fetcher(retries=0).fetch(spec_of(serve(talk), data), str(tmp_path / "part"))
    assert (done.size, (tmp_path / "part").read_bytes()) == (len(data), data)


BEGINNINGS = {
    "in the body": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
    "in the body without a length": b"HTTP/1.1 200 OK\r\n\r\n",
    "in the size of a chunk": CHUNKED,
    "in a header": b"HTTP/1.1 200 OK\r\nX-Endless: ",
    "in the status": b"",
}


@pytest.mark.parametrize("where", list(BEGINNINGS))
def test_a_server_that_trickles_is_given_up(serve: Callable[[Talk], str], tmp_path: Path, where: str) -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(BEGINNINGS[where])
        while True:
            connection.sendall(b"0")
            time.sleep(0.05)

    began = time.monotonic()
    fetcher = Fetcher(retries=3, timeout=30, deadline=0.6, pause=lambda failed: 0)
    with pytest.raises(ArtifactError, match=r"did not end within 0\.6 s; \d+ bytes arrived"):
        fetcher.fetch(spec_of(serve(talk)), str(tmp_path / "part"))
    assert time.monotonic() - began < 3
    assert not any(tmp_path.iterdir())


def test_attempts_share_one_deadline(serve: Callable[[Talk], str], tmp_path: Path) -> None:
    fetcher = Fetcher(retries=1000, deadline=0.5, pause=lambda failed: 0.1)
    with pytest.raises(ArtifactError, match="did not end within"):
        fetcher.fetch(spec_of(serve(lambda connection: None)), str(tmp_path / "part"))


def test_a_pipe_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="/dev/zero is not a regular file"):
        Fetcher().fetch(spec_of("file:///dev/zero"), str(tmp_path / "part"))


# Archives


def made(tmp_path: Path, members: t.Iterable[tuple[tarfile.TarInfo, bytes]], mode: str = "w:gz") -> Path:
    path = tmp_path / "archive"
    with tarfile.open(path, mode) as out:  # type: ignore[call-overload]
        for info, data in members:
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return path


def directory(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE
    return info


def read(path: Path) -> dict[str, t.Any]:
    return read_archive(str(path), "tool", lambda name, size: None)


def test_members_of_every_kind_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert archive.MAX_MEMBERS < 150_000
    monkeypatch.setattr(archive, "MAX_MEMBERS", 3000)
    path = made(tmp_path, ((directory(f"d{number}"), b"") for number in range(archive.MAX_MEMBERS + 1)))
    tracemalloc.start()
    with pytest.raises(ArtifactError, match="more than 3000 members"):
        read(path)
    assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    tracemalloc.stop()


def test_directories_of_a_zip_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBERS", 50)
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as out:
        for number in range(51):
            out.writestr(f"d{number}/", b"")
    with pytest.raises(ArtifactError, match="more than 50 members"):
        read(path)


def test_a_list_of_members_without_end_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("a", b"x")
    data = bytearray(path.read_bytes())
    struct.pack_into("<L", data, len(data) - 10, 0xFFFFFFFF)
    path.write_bytes(data)
    with pytest.raises(ArtifactError, match="list of members has more than 32 MiB"):
        read(path)


def raw_header(name: str, kind: bytes, size: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.type = kind
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT)[:512])
    block[124 : 124 + 12] = size.ljust(12, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


HEADERS = {
    "extended header of 8 GiB": raw_header("x", tarfile.XHDTYPE, b"77777777777"),
    "long name of 8 GiB": raw_header("x", tarfile.GNUTYPE_LONGNAME, b"77777777777"),
    "extended header of a negative size": raw_header("x", tarfile.XHDTYPE, b"\xff" * 12),
    "long name of a negative size": raw_header("x", tarfile.GNUTYPE_LONGNAME, b"\xff" * 12),
    "file of a negative size": raw_header("x", tarfile.REGTYPE, b"\xff" * 12),
    "nothing but extended headers": raw_header("x", tarfile.XHDTYPE, b"00000000000") * 5000,
}


@pytest.mark.parametrize("what", list(HEADERS))
def test_headers_made_to_break_a_reader(tmp_path: Path, what: str) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(HEADERS[what] + bytes(64 * MIB))
    tracemalloc.start()
    began = time.monotonic()
    with pytest.raises(ArtifactError):
        read(path)
    assert tracemalloc.get_traced_memory()[1] < 24 * MIB
    assert time.monotonic() - began < 5
    tracemalloc.stop()


def test_settings_for_all_members_are_few(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    many = {f"k{number}": "v" for number in range(2000)}
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, pax_headers=many) as out:
        out.addfile(tarfile.TarInfo("a"))
    with pytest.raises(ArtifactError, match="settings for all members"):
        read(path)


def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    path = made(tmp_path, [(tarfile.TarInfo("a"), b"x" * 100)])

    def full(name: str, size: int) -> t.BinaryIO:
        return open("/dev/full", "wb")

    with pytest.raises(ArtifactError, match=r"'a' cannot be written: No space left on device"):
        read_archive(str(path), "tool", full)


NAMES = st.one_of(
    st.sampled_from(
        ["a", "a/b", "./a", "/etc/x", "../x", "a/../../x", "a\\b", "..", ".", "", "a//b", "a/./b"]
    ),
    st.text(min_size=0, max_size=12),
    st.text(alphabet="a/.\\", max_size=8),
)
KINDS = st.sampled_from(
    [
        *(tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE),
        *(tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE, b"Z"),
    ]
)
MEMBERS = st.lists(st.tuples(NAMES, KINDS, NAMES, st.binary(max_size=40)), max_size=6)


def unsafe(name: str) -> bool:
    """Whether joining a name to a directory leaves that directory, or is no name of Linux."""
    return name.startswith("/") or ".." in name.split("/") or "\0" in name


@pytest.mark.skipif(not hasattr(tarfile, "data_filter"), reason="the reference came with Python 3.11.4")
@given(MEMBERS, st.sampled_from(["w", "w:gz", "w:bz2", "w:xz"]), st.sampled_from([0, 1, 2]))
def test_only_files_inside_the_tree_are_handed_over(
    members: list[tuple[str, bytes, str, bytes]], mode: str, form: int
) -> None:
    """The reference is the filter of the standard library for data: what we read, it extracts to the same place."""
    handed: list[str] = []

    def sink(name: str, size: int) -> None:
        handed.append(name)

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "x")
        with tarfile.open(path, mode, format=form) as out:  # type: ignore[call-overload]
            for name, kind, target, data in members:
                info = tarfile.TarInfo(name)
                info.type, info.linkname = kind, target
                info.size = len(data) if kind in (tarfile.REGTYPE, tarfile.CONTTYPE) else 0
                try:
                    out.addfile(info, io.BytesIO(data))
                except (ValueError, UnicodeError):
                    return
        try:
            found = read_archive(str(path), "tool", sink)
        except ArtifactError:
            assert not any(unsafe(name) for name in handed)
            return
        assert len(found) == len(handed) == len(set(handed))
        assert not any(unsafe(name) for name in handed)
        with tarfile.open(path) as again:
            for info in again:
                kept = tarfile.data_filter(info, scratch)
                if info.isreg():
                    assert kept is not None
                    assert Path(kept.name) in [Path(name) for name in handed]


@given(
    st.binary(max_size=2000),
    st.sampled_from([b"", b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\x00"]),
)
def test_any_bytes_are_an_archive_or_refused(data: bytes, magic: bytes) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "x")
        path.write_bytes(magic + data)
        try:
            read(path)
        except ArtifactError:
            return


def sample(form: str) -> bytes:
    buffer = io.BytesIO()
    if form == "zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out:
            out.writestr("bin/a", b"a" * 600)
            out.writestr("b", b"b")
    else:
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
            info = tarfile.TarInfo("bin/" + "a" * 120)
            info.size = 600
            tar.addfile(info, io.BytesIO(b"a" * 600))
            tar.addfile(tarfile.TarInfo("b"))
    return buffer.getvalue()


SAMPLES = {form: sample(form) for form in ("zip", "tar")}


@settings(max_examples=400)
@given(
    st.sampled_from(["zip", "tar"]),
    st.lists(st.tuples(st.integers(0, 4095), st.binary(min_size=1, max_size=12)), min_size=1, max_size=4),
    st.integers(0, 6000),
)
def test_damaged_archives_end_in_one_error(form: str, edits: list[tuple[int, bytes]], cut: int) -> None:
    data = bytearray(SAMPLES[form])
    for position, piece in edits:
        at = position % len(data)
        data[at : at + len(piece)] = piece
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "x")
        path.write_bytes(bytes(data[: cut or None]))
        try:
            found = read(path)
        except ArtifactError:
            return
        assert not any(unsafe(name) for name in found)
