# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The artifact module against a server on the loopback interface."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import pwd
import socket
import stat
import tarfile
import time
import typing as t
import zipfile
from pathlib import Path

import pytest

from tests.unit.support.modules import RunModule
from tests.unit.support.servers import Answer, Request, Server


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Files(Server):
    """Serves bytes by path; a path may be told to break off, fail or ignore ranges."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.break_after: dict[str, list[int]] = {}
        self.status: dict[str, list[int]] = {}
        self.redirect: dict[str, str] = {}
        self.ignore_range: set[str] = set()
        super().__init__(self.handle)

    def handle(self, request: Request) -> Answer:
        path = request.target
        if path in self.redirect:
            return Answer(302, headers={"Location": self.redirect[path]})
        if self.status.get(path):
            return Answer(self.status[path].pop(0))
        if path not in self.files:
            return Answer(404)
        whole, start = self.files[path], 0
        headers = {"ETag": f'"{sha256(whole)[:16]}"'}
        wanted = request.headers.get("Range")
        partial = bool(wanted) and path not in self.ignore_range
        if wanted and partial:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            headers["Content-Range"] = f"bytes {start}-{len(whole) - 1}/{len(whole)}"
        headers["Content-Length"] = str(len(whole) - start)
        stop = start + self.break_after[path].pop(0) if self.break_after.get(path) else len(whole)
        return Answer(206 if partial else 200, whole[start:stop], headers)

    def put(self, path: str, data: bytes) -> str:
        self.files[path] = data
        return self.url + path

    def count(self, path: str) -> int:
        return self.targets.count(path)


@pytest.fixture
def server() -> t.Iterator[Files]:
    running = Files()
    yield running
    running.close()


OWNER = {"owner": str(os.getuid()), "group": str(os.getgid())}


def plain(name: str, url: str, data: bytes, dest: Path, **more: t.Any) -> dict[str, t.Any]:
    return {
        "name": name,
        "url": url,
        "checksum": f"sha256:{sha256(data)}",
        "dest": str(dest),
        **OWNER,
        **more,
    }


def options(tmp_path: Path, *files: dict[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    return {"files": list(files), "record": str(tmp_path / "state/record.json"), "retries": 0, **more}


def tarball(
    entries: t.Mapping[str, bytes], mode: str = "w:gz", extra: t.Sequence[tarfile.TarInfo] = ()
) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in entries.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755
            archive.addfile(info, io.BytesIO(data))
        for info in extra:
            archive.addfile(info)
    return buffer.getvalue()


def leftovers(directory: Path) -> list[str]:
    return sorted(str(path) for path in directory.rglob("*") if ".bmk-artifact-" in path.name)


def test_fresh_then_again_then_check(server: Files, tmp_path: Path, run_module: RunModule) -> None:
    data = os.urandom(300_000)
    dest = tmp_path / "new/directory/kubelet"
    args = options(tmp_path, plain("kubelet 1.36.4", server.put("/kubelet", data), data, dest))

    predicted = run_module("artifact", args, check=True)
    assert predicted["changed"]
    assert not dest.exists()
    assert not (tmp_path / "state").exists()

    real = run_module("artifact", args)
    assert real["changed"]
    assert dest.read_bytes() == data
    assert stat.S_IMODE(dest.stat().st_mode) == 0o755
    assert stat.S_IMODE(dest.parent.stat().st_mode) == 0o755
    assert predicted["diff"] == real["diff"]
    owner = pwd.getpwuid(os.getuid()).pw_name
    assert real["diff"]["before"] == ""
    assert real["diff"]["after"].startswith(f"{dest} sha256:{sha256(data)} 0755 {owner}:")
    assert real["files"] == [
        {
            "name": "kubelet 1.36.4",
            "dest": str(dest),
            "changed": True,
            "previous_sha256": None,
            "sha256": sha256(data),
            "size": len(data),
            "source": server.url + "/kubelet",
            "member": None,
            "modified_at": pytest.approx(time.time(), abs=120),
        }
    ]
    asked = server.count("/kubelet")
    again = run_module("artifact", args)
    assert not again["changed"]
    assert again["diff"] == {"before": "", "after": ""}
    assert again["files"][0]["sha256"] == sha256(data)
    assert not run_module("artifact", args, check=True)["changed"]
    assert server.count("/kubelet") == asked == 1
    assert leftovers(tmp_path) == []


def test_wrong_checksum_installs_nothing_of_the_call(
    server: Files, tmp_path: Path, run_module: RunModule
) -> None:
    old, good, bad = b"old version", b"good", b"tampered"
    first, second = tmp_path / "first", tmp_path / "second"
    second.write_bytes(old)
    wrong = plain("runc 1.4.3", server.put("/runc", bad), b"what was published", second)
    args = options(tmp_path, plain("good", server.put("/good", good), good, first), wrong, retries=2)
    result = run_module("artifact", args)
    assert result["failed"]
    for part in ("runc 1.4.3", server.url + "/runc", sha256(bad), sha256(b"what was published")):
        assert part in result["msg"]
    assert second.read_bytes() == old
    assert not first.exists()
    assert server.count("/runc") == 1, "other bytes do not become right by asking again"
    assert leftovers(tmp_path) == []


def test_truncated_download_resumes(server: Files, tmp_path: Path, run_module: RunModule) -> None:
    data = os.urandom(400_000)
    server.break_after["/f"] = [150_000]
    dest = tmp_path / "f"
    result = run_module(
        "artifact", options(tmp_path, plain("f", server.put("/f", data), data, dest), retries=1)
    )
    assert result["changed"]
    assert dest.read_bytes() == data
    asked = [request.headers.get("Range") for request in server.requests if request.path == "/f"]
    assert asked == [None, "bytes=150000-"]
    assert server.requests[1].headers["If-Range"] == f'"{sha256(data)[:16]}"'


def test_truncated_download_without_range_support_starts_over(
    server: Files, tmp_path: Path, run_module: RunModule
) -> None:
    data = os.urandom(400_000)
    server.break_after["/f"] = [150_000]
    server.ignore_range.add("/f")
    dest = tmp_path / "f"
    result = run_module(
        "artifact", options(tmp_path, plain("f", server.put("/f", data), data, dest), retries=1)
    )
    assert result["changed"]
    assert dest.read_bytes() == data


def test_truncated_for_good_keeps_the_old_file(server: Files, tmp_path: Path, run_module: RunModule) -> None:
    data = os.urandom(50_000)
    server.break_after["/f"] = [10_000, 10_000]
    dest = tmp_path / "f"
    dest.write_bytes(b"old")
    result = run_module(
        "artifact", options(tmp_path, plain("f", server.put("/f", data), data, dest), retries=1)
    )
    assert result["failed"]
    assert "truncated: 20000 of 50000 bytes" in result["msg"]
    assert "2 attempt(s)" in result["msg"]
    assert dest.read_bytes() == b"old"
    assert leftovers(tmp_path) == []


def test_unreachable_mirror(tmp_path: Path, run_module: RunModule) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/dl.k8s.io/kubelet"
    result = run_module("artifact", options(tmp_path, plain("kubelet", url, b"x", tmp_path / "k"), retries=1))
    assert result["failed"]
    for part in ("kubelet", url, f"127.0.0.1:{port} is reachable", "refused", "2 attempt(s)"):
        assert part in result["msg"]


@pytest.mark.parametrize(("status", "attempts"), [(404, 1), (403, 1), (500, 3), (503, 3)])
def test_http_errors(
    server: Files, tmp_path: Path, run_module: RunModule, status: int, attempts: int
) -> None:
    server.status["/f"] = [status] * 5
    result = run_module(
        "artifact", options(tmp_path, plain("f", server.put("/f", b"x"), b"x", tmp_path / "f"), retries=2)
    )
    assert result["failed"]
    assert f"HTTP {status}" in result["msg"]
    assert server.url + "/f" in result["msg"]
    assert server.count("/f") == attempts
    assert not (tmp_path / "f").exists()


def test_every_failing_file_is_named(server: Files, tmp_path: Path, run_module: RunModule) -> None:
    files = [plain(n, f"{server.url}/{n}", n.encode(), tmp_path / n) for n in ("one", "two")]
    result = run_module("artifact", options(tmp_path, *files))
    assert result["failed"]
    assert "one" in result["msg"]
    assert "two" in result["msg"]
    assert [failure["status"] for failure in result["failures"]] == [404, 404]


def test_members_are_compared_by_the_record(server: Files, tmp_path: Path, run_module: RunModule) -> None:
    data = tarball({"./bin/containerd": b"daemon", "bin/ctr": b"client", "bin/other": b"other"})
    url = server.put("/c.tgz", data)
    members = [
        {"source": "bin/containerd", "dest": str(tmp_path / "bin/containerd")},
        {"source": "./bin/ctr", "dest": str(tmp_path / "bin/ctr"), "mode": "0700"},
    ]
    entry = {"name": "c", "url": url, "checksum": f"sha256:{sha256(data)}", "members": members, **OWNER}
    args = options(tmp_path, entry)
    predicted, real = run_module("artifact", args, check=True), run_module("artifact", args)
    assert predicted["changed"]
    assert real["changed"]
    assert server.count("/c.tgz") == 1, "check mode needs no download when nothing is in place"
    assert (tmp_path / "bin/containerd").read_bytes() == b"daemon"
    assert stat.S_IMODE((tmp_path / "bin/ctr").stat().st_mode) == 0o700
    assert not (tmp_path / "bin/other").exists()
    assert [item["sha256"] for item in real["files"]] == [sha256(b"daemon"), sha256(b"client")]

    assert not run_module("artifact", args)["changed"]
    assert server.count("/c.tgz") == 1
    # Damage one member: only that one is replaced.
    (tmp_path / "bin/ctr").write_bytes(b"damaged")
    assert [f["changed"] for f in run_module("artifact", args, check=True)["files"]] == [False, True]
    repaired = run_module("artifact", args)
    assert [f["changed"] for f in repaired["files"]] == [False, True]
    assert (tmp_path / "bin/ctr").read_bytes() == b"client"
    # Without the record one download tells that nothing changes.
    (tmp_path / "state/record.json").write_text("not json")
    asked = server.count("/c.tgz")
    assert not run_module("artifact", args, check=True)["changed"]
    assert not run_module("artifact", args)["changed"]
    assert not run_module("artifact", args)["changed"]
    assert server.count("/c.tgz") == asked + 2


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_unpack_whole_archive(server: Files, tmp_path: Path, run_module: RunModule, mode: str) -> None:
    data = tarball({"./loopback": b"lo", "./bridge": b"br", "./LICENSE": b"text"}, mode)
    entry = {
        "name": "cni",
        "url": server.put("/cni", data),
        "checksum": f"sha512:{hashlib.sha512(data).hexdigest()}",
        "unpack_to": str(tmp_path / "cni"),
        "exclude": ["LICENSE"],
        **OWNER,
    }
    args = options(tmp_path, entry)
    assert run_module("artifact", args, check=True)["changed"]
    assert run_module("artifact", args)["changed"]
    assert sorted(path.name for path in (tmp_path / "cni").iterdir()) == ["bridge", "loopback"]
    assert not run_module("artifact", args)["changed"]
    (tmp_path / "cni/bridge").unlink()
    predicted = run_module("artifact", args, check=True)
    assert [(f["dest"].rpartition("/")[2], f["changed"]) for f in predicted["files"]] == [
        ("bridge", True),
        ("loopback", False),
    ]
    assert run_module("artifact", args)["diff"] == predicted["diff"]


def test_unpack_with_strip_from_zip(server: Files, tmp_path: Path, run_module: RunModule) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("pkg-1/a", b"a")
        archive.writestr("pkg-1/sub/b", b"b")
    data = buffer.getvalue()
    entry = {"name": "z", "url": server.put("/z", data), "checksum": f"sha256:{sha256(data)}", **OWNER}
    args = options(tmp_path, {**entry, "unpack_to": str(tmp_path / "out"), "strip": 1})
    assert run_module("artifact", args)["changed"]
    assert (tmp_path / "out/a").read_bytes() == b"a"
    assert (tmp_path / "out/sub/b").read_bytes() == b"b"


def _link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (tarball({"../evil": b"x"}), "leaves the tree"),
        (tarball({"a/../../evil": b"x"}), "leaves the tree"),
        (tarball({"/etc/evil": b"x"}), "absolute"),
        (tarball({"ok": b"1"}, extra=[_link("l", "../../etc/passwd", tarfile.SYMTYPE)]), "outside the tree"),
        (tarball({"ok": b"1"}, extra=[_link("l", "/etc/passwd", tarfile.SYMTYPE)]), "outside the tree"),
        (tarball({"ok": b"1"}, extra=[_link("l", "../x", tarfile.LNKTYPE)]), "outside the tree"),
        (tarball({"ok": b"1"}, extra=[_link("d", "", tarfile.CHRTYPE)]), "device"),
        (tarball({"ok": b"1"}, extra=[_link("p", "", tarfile.FIFOTYPE)]), "pipe"),
        (tarball({"ok": b"1", "./ok": b"2"}), "twice"),
        (tarball({"ok": os.urandom(200_000)})[:-5000], "cannot be read"),
        (b"no archive at all", "cannot be read"),
    ],
)
def test_hostile_archives(
    server: Files, tmp_path: Path, run_module: RunModule, data: bytes, word: str
) -> None:
    entry = {"name": "bad", "url": server.put("/bad", data), "checksum": f"sha256:{sha256(data)}", **OWNER}
    dest = tmp_path / "dest/ok"
    dest.parent.mkdir()
    dest.write_bytes(b"old")
    result = run_module(
        "artifact", options(tmp_path, {**entry, "members": [{"source": "ok", "dest": str(dest)}]})
    )
    assert result["failed"]
    assert word in result["msg"]
    assert "bad" in result["msg"]
    assert dest.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["dest", "ok"]


def test_member_that_is_not_there(server: Files, tmp_path: Path, run_module: RunModule) -> None:
    data = tarball({"bin/ctr": b"x"})
    entry = {"name": "c", "url": server.put("/c", data), "checksum": f"sha256:{sha256(data)}", **OWNER}
    result = run_module(
        "artifact",
        options(tmp_path, {**entry, "members": [{"source": "ctr", "dest": str(tmp_path / "ctr")}]}),
    )
    assert result["failed"]
    assert "no regular file ctr; it has: bin/ctr" in result["msg"]


def test_mode_alone_is_set_without_download(server: Files, tmp_path: Path, run_module: RunModule) -> None:
    data, dest = b"data", tmp_path / "f"
    dest.write_bytes(data)
    dest.chmod(0o600)
    args = options(tmp_path, plain("f", server.put("/f", data), data, dest))
    predicted, real = run_module("artifact", args, check=True), run_module("artifact", args)
    assert predicted["changed"]
    assert real["changed"]
    assert predicted["diff"] == real["diff"]
    assert " 0600 " in real["diff"]["before"]
    assert " 0755 " in real["diff"]["after"]
    assert stat.S_IMODE(dest.stat().st_mode) == 0o755
    assert server.requests == []


def test_link_is_replaced_and_its_target_kept(server: Files, tmp_path: Path, run_module: RunModule) -> None:
    target, dest = tmp_path / "target", tmp_path / "f"
    target.write_bytes(b"keep")
    dest.symlink_to(target)
    assert run_module("artifact", options(tmp_path, plain("f", server.put("/f", b"new"), b"new", dest)))[
        "changed"
    ]
    assert target.read_bytes() == b"keep"
    assert dest.read_bytes() == b"new"
    assert not dest.is_symlink()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"mode": "755"}, "quoted octal"),
        ({"mode": "493"}, "quoted octal"),
        ({"checksum": "md5:00"}, "expected sha256"),
        ({"checksum": "sha256:abc"}, "64 hexadecimal"),
        ({"url": "ftp://x/y"}, "not of https, http or file"),
        ({"url": "https://user:secret@x/y"}, "credentials"),
        ({"dest": "relative"}, "absolute path"),
        ({"unpack_to": "/x"}, "exactly one of"),
        ({"owner": "no-such-user-here"}, "no user"),
    ],
)
def test_unusable_entries(tmp_path: Path, run_module: RunModule, change: dict[str, t.Any], word: str) -> None:
    entry = {**plain("f", "http://127.0.0.1:1/f", b"x", tmp_path / "f"), **change}
    result = run_module("artifact", options(tmp_path, entry))
    assert result["failed"]
    assert word in result["msg"]
    assert "secret" not in result["msg"]


def test_directory_in_the_way_and_path_given_twice(tmp_path: Path, run_module: RunModule) -> None:
    (tmp_path / "d").mkdir()
    result = run_module(
        "artifact", options(tmp_path, plain("f", "http://127.0.0.1:1/f", b"x", tmp_path / "d"))
    )
    assert result["failed"]
    assert "is a directory" in result["msg"]
    twice = [plain(name, "http://127.0.0.1:1/f", b"x", tmp_path / "f") for name in ("a", "b")]
    result = run_module("artifact", options(tmp_path, *twice))
    assert result["failed"]
    assert "asked for by a and again by b" in result["msg"]


def test_failed_replacement_puts_the_others_back(
    server: Files, tmp_path: Path, run_module: RunModule
) -> None:
    first, blocker = tmp_path / "first", tmp_path / "blocker"
    first.write_bytes(b"old")
    blocker.write_bytes(b"a file in the way of a directory")
    args = options(
        tmp_path,
        plain("first", server.put("/1", b"new"), b"new", first),
        plain("second", server.put("/2", b"two"), b"two", blocker / "second"),
    )
    result = run_module("artifact", args)
    assert result["failed"]
    assert "blocker" in result["msg"]
    assert first.read_bytes() == b"old"
    assert leftovers(tmp_path) == []


def test_file_url_and_work_dir(tmp_path: Path, run_module: RunModule) -> None:
    source = tmp_path / "source file"
    source.write_bytes(b"local")
    entry = plain("f", source.as_uri(), b"local", tmp_path / "out/f")
    args = options(tmp_path, entry, work_dir=str(tmp_path / "work"))
    assert run_module("artifact", args)["changed"]
    assert (tmp_path / "out/f").read_bytes() == b"local"
    assert list((tmp_path / "work").iterdir()) == []


def test_headers_stay_with_their_host(server: Files, tmp_path: Path, run_module: RunModule) -> None:
    other = Files()
    try:
        server.redirect["/f"] = other.put("/f", b"x").replace("127.0.0.1", "localhost")
        args = options(
            tmp_path,
            plain("f", server.url + "/f", b"x", tmp_path / "f"),
            headers={"Authorization": "Bearer hidden-value"},
        )
        result = run_module("artifact", args)
    finally:
        other.close()
    assert result["changed"]
    assert "hidden-value" not in str(result)
    assert server.requests[0].headers["Authorization"] == "Bearer hidden-value"
    assert "Authorization" not in other.requests[0].headers


def test_proxy_of_the_environment_is_used(server: Files, tmp_path: Path, run_module: RunModule) -> None:
    # A proxy gets the whole URL as path; this one answers it itself.
    server.files["http://files.example.org/f"] = b"by proxy"
    entry = plain("f", "http://files.example.org/f", b"by proxy", tmp_path / "f")
    result = run_module("artifact", options(tmp_path, entry), env={"http_proxy": server.url})
    assert result["changed"]
    assert server.count("http://files.example.org/f") == 1


def small(dest: Path, content: str, **more: t.Any) -> dict[str, t.Any]:
    return {"name": dest.name, "dest": str(dest), "content": content, "mode": "0640", **OWNER, **more}


def directory(path: Path, **more: t.Any) -> dict[str, t.Any]:
    return {"path": str(path), "mode": "0750", **OWNER, **more}


def test_content_and_directories_together_with_a_download(
    server: Files, tmp_path: Path, run_module: RunModule
) -> None:
    data = os.urandom(1000)
    etc = tmp_path / "etc"
    args = options(
        tmp_path,
        plain("program", server.put("/p", data), data, tmp_path / "bin/p"),
        small(etc / "config", "a = 1\n"),
        directories=[directory(etc), directory(tmp_path / "state dir")],
    )
    predicted = run_module("artifact", args, check=True)
    assert not etc.exists()
    real = run_module("artifact", args)
    assert predicted["diff"] == real["diff"]
    assert (etc / "config").read_text() == "a = 1\n"
    assert stat.S_IMODE((etc / "config").stat().st_mode) == 0o640
    assert stat.S_IMODE(etc.stat().st_mode) == 0o750
    assert [entry["changed"] for entry in real["directories"]] == [True, True]
    assert not run_module("artifact", args)["changed"]

    args["files"][1]["content"] = "a = 2\n"
    etc.chmod(0o777)
    changed = run_module("artifact", args)
    assert [entry["changed"] for entry in changed["files"]] == [False, True]
    summary, lines = changed["diff"]
    assert f"{etc}/ 0777" in summary["before"]
    assert (lines["before"], lines["after"]) == ("a = 1\n", "a = 2\n")
    assert stat.S_IMODE(etc.stat().st_mode) == 0o750
    assert not run_module("artifact", args)["changed"]
    assert server.count("/p") == 1


def test_a_failed_download_places_no_small_file_and_creates_no_directory(
    server: Files, tmp_path: Path, run_module: RunModule
) -> None:
    server.status["/p"] = [500] * 5
    wrong = plain("program", server.put("/p", b"x"), b"x", tmp_path / "bin/p")
    args = options(
        tmp_path, small(tmp_path / "etc/config", "x"), wrong, directories=[directory(tmp_path / "new")]
    )
    result = run_module("artifact", args)
    assert result["failed"]
    assert "500" in result["msg"]
    assert not (tmp_path / "etc").exists()
    assert not (tmp_path / "new").exists()


def recorded(tmp_path: Path) -> dict[str, t.Any]:
    document: dict[str, t.Any] = json.loads((tmp_path / "state/record.json").read_text())
    return document


def test_what_a_component_places_is_recorded(server: Files, tmp_path: Path, run_module: RunModule) -> None:
    data = tarball({"bin/ctr": b"client"})
    entry = {"name": "c", "url": server.put("/c.tgz", data), "checksum": f"sha256:{sha256(data)}", **OWNER}
    members = [{"source": "bin/ctr", "dest": str(tmp_path / "bin/ctr")}]
    etc = tmp_path / "etc"
    etc.mkdir(mode=0o750)
    args = options(
        tmp_path,
        {**entry, "members": members},
        small(etc / "sub/config", "a\n"),
        directories=[directory(etc), directory(tmp_path / "lib")],
    )
    run_module("artifact", args, check=True)
    assert not (tmp_path / "state").exists()
    assert run_module("artifact", args)["changed"]
    assert recorded(tmp_path)["files"] == {}, "without a component, only the archive"
    # What is in place already is recorded, too.
    again = run_module("artifact", {**args, "component": "runtime"})
    assert not again["changed"]
    now = recorded(tmp_path)
    assert now["files"] == {
        str(tmp_path / "bin/ctr"): {"component": "runtime", "sha256": sha256(b"client"), "release": True},
        str(etc / "sub/config"): {"component": "runtime", "sha256": sha256(b"a\n")},
    }
    assert now["directories"] == {}, "they were there before"
    assert now["temporary"] == []
    written = (tmp_path / "state/record.json").stat().st_mtime_ns
    run_module("artifact", {**args, "component": "runtime"})
    assert (tmp_path / "state/record.json").stat().st_mtime_ns == written


def test_created_directories_are_recorded(tmp_path: Path, run_module: RunModule) -> None:
    etc = tmp_path / "etc"
    args = options(
        tmp_path,
        small(etc / "sub/config", "a\n"),
        component="runtime",
        directories=[directory(tmp_path / "lib/deep")],
    )
    assert run_module("artifact", args)["changed"]
    assert list(recorded(tmp_path)["directories"]) == [
        str(path) for path in (tmp_path / "lib", etc, etc / "sub", tmp_path / "lib/deep")
    ]


def test_a_failed_call_leaves_no_trace_in_the_record(
    server: Files, tmp_path: Path, run_module: RunModule
) -> None:
    server.status["/p"] = [500] * 5
    wrong = plain("program", server.put("/p", b"x"), b"x", tmp_path / "bin/p")
    args = options(tmp_path, small(tmp_path / "etc/config", "x"), wrong, component="runtime")
    assert run_module("artifact", args)["failed"]
    assert not (tmp_path / "state").exists()
    first, blocker = tmp_path / "first", tmp_path / "blocker"
    assert run_module("artifact", options(tmp_path, small(first, "old"), component="runtime"))["changed"]
    before = recorded(tmp_path)
    blocker.write_bytes(b"in the way of a directory")
    args = options(tmp_path, small(first, "new"), small(blocker / "second", "x"), component="runtime")
    assert run_module("artifact", args)["failed"]
    assert first.read_text() == "old"
    assert recorded(tmp_path) == before


def test_a_secret_is_shown_nowhere(tmp_path: Path, run_module: RunModule) -> None:
    args = options(tmp_path, {**small(tmp_path / "key", ""), "content": None, "secret": "hunter2"})
    result = run_module("artifact", args)
    assert result["changed"]
    assert (tmp_path / "key").read_text() == "hunter2"
    assert "hunter2" not in str(result)
    both = run_module("artifact", options(tmp_path, small(tmp_path / "key", "x", secret="hunter2")))
    assert "content is given with secret" in both["msg"]


def test_marked_files_that_are_not_named_go(tmp_path: Path, run_module: RunModule) -> None:
    certs = tmp_path / "certs.d"
    for name, text in (("mine", "# ours\n"), ("old", "# ours\n"), ("foreign", "# theirs\n")):
        (certs / name).mkdir(parents=True)
        (certs / name / "hosts.toml").write_text(text)
    args = options(
        tmp_path,
        small(certs / "mine/hosts.toml", "# ours\n"),
        directories=[directory(certs, purge_marked="ours")],
    )
    predicted = run_module("artifact", args, check=True)
    assert predicted["directories"][0]["removed"] == [str(certs / "old/hosts.toml")]
    result = run_module("artifact", args)
    assert result["directories"] == predicted["directories"]
    assert sorted(path.name for path in certs.iterdir()) == ["foreign", "mine"]
    assert not run_module("artifact", args)["changed"]


def test_stage_of_a_run_that_died_goes_and_one_in_use_stays(tmp_path: Path, run_module: RunModule) -> None:
    dead, busy, young = (tmp_path / f".bmk-artifact-{name}" for name in ("dead", "busy", "young"))
    for stage in (dead, busy, young):
        stage.mkdir()
        (stage / "1").write_text("part")
    for stage in (dead, busy):
        os.utime(stage, (0, 0))
    handle = os.open(busy, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert run_module("artifact", options(tmp_path, small(tmp_path / "f", "x")))["changed"]
    finally:
        os.close(handle)
    assert leftovers(tmp_path) == [str(busy), str(young)]


def test_a_link_to_a_directory_is_a_directory(tmp_path: Path, run_module: RunModule) -> None:
    (tmp_path / "disk").mkdir(mode=0o750)
    (tmp_path / "disk").chmod(0o750)
    (tmp_path / "etcd").symlink_to(tmp_path / "disk")
    args = options(tmp_path, directories=[directory(tmp_path / "etcd")])
    assert not run_module("artifact", args)["changed"]
    (tmp_path / "disk").chmod(0o755)
    assert run_module("artifact", args)["changed"]
    assert stat.S_IMODE((tmp_path / "disk").stat().st_mode) == 0o750
    assert (tmp_path / "etcd").is_symlink()


def test_a_file_in_place_of_a_directory_is_refused(tmp_path: Path, run_module: RunModule) -> None:
    (tmp_path / "x").write_text("a file")
    result = run_module("artifact", options(tmp_path, directories=[directory(tmp_path / "x")]))
    assert result["failed"]
    assert "expected a directory or nothing" in result["msg"]


@pytest.mark.parametrize(
    ("entry", "word"),
    [
        ({"content": "x"}, "no dest"),
        ({"content": "x", "dest": "/a", "url": "https://example.org/x"}, "with url"),
        ({"dest": "/a"}, "neither content nor secret nor both of url"),
        ({"dest": "/a", "url": "https://example.org/x"}, "neither content nor secret nor both of url"),
    ],
)
def test_content_and_download_exclude_each_other(
    tmp_path: Path, run_module: RunModule, entry: dict[str, t.Any], word: str
) -> None:
    result = run_module("artifact", options(tmp_path, {"name": "f", **OWNER, **entry}))
    assert result["failed"]
    assert word in result["msg"]


def test_authorities_that_are_none_are_refused(server: Files, tmp_path: Path, run_module: RunModule) -> None:
    wrong = plain("f", server.put("/f", b"x"), b"x", tmp_path / "f")
    result = run_module("artifact", options(tmp_path, wrong, ca="not a certificate"))
    assert result["failed"]
    assert "cannot be read as PEM certificates" in result["msg"]


def test_a_proxy_of_the_login_is_not_used(server: Files, tmp_path: Path, run_module: RunModule) -> None:
    wanted = plain("program", server.put("/p", b"x"), b"x", tmp_path / "bin/p")
    foreign = {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "no_proxy": ""}
    args = options(tmp_path, wanted, retries=0)
    assert "could not be downloaded" in run_module("artifact", args, env=foreign)["msg"]
    assert run_module("artifact", {**args, "proxy": {}}, env=foreign)["changed"]


def test_a_failed_download_names_the_proxy(tmp_path: Path, run_module: RunModule) -> None:
    wanted = plain("program", "http://mirror.example/p", b"x", tmp_path / "bin/p")
    args = options(
        tmp_path, wanted, retries=0, proxy={"http": "http://127.0.0.1:9", "http_credentials": "u:hunter2"}
    )
    message = run_module("artifact", args)["msg"]
    assert "in 1 attempt(s) through the proxy 127.0.0.1:9" in message
    assert "hunter2" not in message


def test_directories_for_data_are_recorded_when_they_are_found_empty(
    tmp_path: Path, run_module: RunModule
) -> None:
    for name in ("empty", "disk/lost+found", "used", "plain"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "used/db").write_text("of others")
    names = ("new", "empty", "disk", "used")
    directories = [{"path": str(tmp_path / name), "data": True, **OWNER} for name in names]
    directories.append({"path": str(tmp_path / "plain"), **OWNER})
    args = options(tmp_path, directories=directories, component="kubelet")
    assert run_module("artifact", args, check=True)["rc"] == 0
    assert not (tmp_path / "state").exists()
    run_module("artifact", args)

    def recorded() -> dict[str, str]:
        return dict(json.loads((tmp_path / "state/record.json").read_text())["data"])

    mine = {str(tmp_path / name): "kubelet" for name in ("new", "empty", "disk")}
    assert recorded() == mine
    (tmp_path / "new/db").write_text("of the component")
    again = run_module("artifact", {**args, "component": "other"})
    assert not again["changed"]
    assert recorded() == mine


MARK = "# Managed by baremetal.kubernetes: changes made here are lost.\n"


def test_a_file_of_others_is_kept_and_named(tmp_path: Path, run_module: RunModule) -> None:
    config, script = tmp_path / "config.toml", tmp_path / "containerd"
    config.write_text('imports = ["/etc/containerd/conf.d/*.toml"]\n')
    script.write_text("#!/sbin/openrc-run\nname=theirs\n")
    config.chmod(0o640)
    script.chmod(0o755)
    text = f"#!/sbin/openrc-run\n{MARK}"
    args = options(tmp_path, small(config, MARK), small(script, text))
    predicted = run_module("artifact", args, check=True)
    assert "would be replaced" in str(predicted["warnings"])
    assert not list(tmp_path.glob("*.orig"))
    result = run_module("artifact", args)
    assert result["kept"] == predicted["kept"] == {str(path): f"{path}.orig" for path in (config, script)}
    assert [str(config) in str(text) for text in result["warnings"]] == [True, False]
    kept = tmp_path / "config.toml.orig"
    assert kept.read_text().startswith("imports")
    assert kept.stat().st_mode & 0o777 == 0o640
    # OpenRC would take an executable for a service.
    assert (tmp_path / "containerd.orig").stat().st_mode & 0o777 == 0o644
    again = run_module("artifact", args)
    assert not again["changed"] and not again["kept"] and "warnings" not in again


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        (MARK + "edited\n", MARK, None),
        ("", MARK, None),
        ("theirs\n", "without a mark\n", None),
        ("theirs\n", MARK, "file.orig"),
    ],
)
def test_what_is_kept(
    tmp_path: Path, run_module: RunModule, before: str, after: str, kept: str | None
) -> None:
    (tmp_path / "file").write_text(before)
    result = run_module("artifact", options(tmp_path, small(tmp_path / "file", after)))
    assert list(result["kept"].values()) == ([str(tmp_path / kept)] if kept else [])


def test_copies_are_not_overwritten(tmp_path: Path, run_module: RunModule) -> None:
    path = tmp_path / "file"
    for number, (text, kept) in enumerate((("a", "file.orig"), ("b", "file.orig1"), ("a", "file.orig"))):
        path.write_text(text)
        result = run_module("artifact", options(tmp_path, small(path, f"{MARK}{number}")))
        assert list(result["kept"].values()) == [str(tmp_path / kept)]
    assert {item.name: item.read_text() for item in tmp_path.glob("*.orig*")} == {
        "file.orig": "a",
        "file.orig1": "b",
    }
