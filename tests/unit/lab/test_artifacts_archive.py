# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
import yaml

from lab.artifacts import archive
from lab.config import LabError


def _source(directory: Path, names: list[str], time: int) -> Path:
    directory.mkdir()
    for name in names:
        (directory / name).write_text(f"content of {name}", encoding="utf-8")
        os.utime(directory / name, (time, time))
    (directory / "run.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    (directory / "run.sh").chmod(0o644)
    (directory / "link").symlink_to("a")
    return directory


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    one = _source(tmp_path / "one", ["a", "b"], 1)
    two = _source(tmp_path / "two", ["b", "a"], 10**9)

    archive.write_tar_gz(tmp_path / "1.tgz", {"top": one})
    archive.write_tar_gz(tmp_path / "2.tgz", {"top": two})

    assert (tmp_path / "1.tgz").read_bytes() == (tmp_path / "2.tgz").read_bytes()


def test_other_content_gives_other_bytes(tmp_path: Path) -> None:
    archive.write_tar_gz(tmp_path / "1.tgz", {"top": _source(tmp_path / "one", ["a"], 1)})
    archive.write_tar_gz(tmp_path / "2.tgz", {"top": _source(tmp_path / "two", ["a", "b"], 1)})

    assert (tmp_path / "1.tgz").read_bytes() != (tmp_path / "2.tgz").read_bytes()


def test_members_owners_and_modes(tmp_path: Path) -> None:
    source = _source(tmp_path / "source", ["a"], 1)

    archive.write_tar_gz(tmp_path / "x.tgz", {"./bin/a": source / "a", "top": source})

    with tarfile.open(tmp_path / "x.tgz") as read:
        members = {member.name: member for member in read}
    assert set(members) == {"./bin/a", "top", "top/a", "top/run.sh", "top/link"}
    # Module archives carry no permissions, so scripts are known by their first bytes.
    assert members["top/run.sh"].mode == 0o755
    assert members["top/a"].mode == 0o644
    assert members["top/link"].linkname == "a"
    assert {(m.uid, m.gid, m.mtime) for m in members.values()} == {(0, 0, 0)}


def test_a_failure_leaves_the_old_archive(tmp_path: Path) -> None:
    target = tmp_path / "x.tgz"
    archive.write_tar_gz(target, {"top": _source(tmp_path / "source", ["a"], 1)})
    before = target.read_bytes()

    with pytest.raises(FileNotFoundError):
        archive.write_tar_gz(target, {"top": tmp_path / "absent"})

    assert target.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "x.tgz"]


def test_the_right_to_bind_low_ports_is_written_as_the_kernel_reads_it(tmp_path: Path) -> None:
    with (tmp_path / "x.tar").open("wb") as sink:
        archive.write_tar(sink, [archive.Entry("program", content=b"x", capabilities=archive.BIND_PORTS)])

    with tarfile.open(tmp_path / "x.tar") as read:
        value = read.getmember("program").pax_headers["SCHILY.xattr.security.capability"].encode()
    # struct vfs_cap_data: revision 2 with the effective bit, CAP_NET_BIND_SERVICE (10) permitted.
    assert value == bytes.fromhex("0100000200040000000000000000000000000000")


def test_documents_become_one_stream(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("---\nname: a\n\n", encoding="utf-8")
    (tmp_path / "b.yaml").write_text("name: b", encoding="utf-8")

    archive.write_documents(tmp_path / "all.yaml", [tmp_path / "b.yaml", tmp_path / "a.yaml"])

    text = (tmp_path / "all.yaml").read_text(encoding="utf-8")
    assert list(yaml.safe_load_all(text)) == [{"name": "b"}, {"name": "a"}]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.yaml", "all.yaml", "b.yaml"]


def packed(target: Path, *names: str) -> Path:
    with tarfile.open(target, "w:gz") as sink:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = len(name)
            sink.addfile(entry, io.BytesIO(name.encode()))
    return target


def test_archives_of_others_are_unpacked_below_their_directory(tmp_path: Path) -> None:
    place = tmp_path / "made" / "here"
    archive.unpack(packed(tmp_path / "good.tar.gz", "a", "b/c"), place)
    assert (place / "a").read_text() == "a" and (place / "b" / "c").read_text() == "b/c"
    archive.unpack(packed(tmp_path / "more.tar.gz", "d", "e"), place, "e")
    assert sorted(path.name for path in place.iterdir()) == ["a", "b", "e"]


@pytest.mark.parametrize(
    ("names", "members"), [(["../out"], []), (["a"], ["b"])], ids=["out of it", "not there"]
)
def test_archives_that_are_refused(names: list[str], members: list[str], tmp_path: Path) -> None:
    bad = packed(tmp_path / "bad.tar.gz", *names)
    with pytest.raises(LabError):
        archive.unpack(bad, tmp_path / "made", *members)
    assert not (tmp_path / "out").exists()
