# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decisions about artifacts, without network; and the limits that need no large file to be reached."""

from __future__ import annotations

import io
import tarfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact import journal, record
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.archive import read_archive
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.download import Fetcher
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.model import (
    ArtifactError,
    Checksum,
    FileSpec,
    Found,
    Member,
    MemberFacts,
    parse_file,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.plan import (
    UNKNOWN,
    plan_files,
    unpacked_names,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.transport import (
    SPACE_MARGIN,
    Space,
)

A, B, C = ("a" * 64, "b" * 64, "c" * 64)
ARCHIVE = Checksum("sha256", C)


def plain(digest: str = A, **more: t.Any) -> FileSpec:
    values: dict[str, t.Any] = {
        "name": "f",
        "url": "https://example.org/f",
        "checksum": Checksum("sha256", digest),
        "mode": 0o755,
        "uid": 0,
        "gid": 0,
        "dest": "/x/f",
    }
    return FileSpec(**{**values, **more})


def archive(**more: t.Any) -> FileSpec:
    return plain(C, dest=None, **more)


def there(digest: str = A, mode: int = 0o755, uid: int = 0, gid: int = 0, kind: str = "file") -> Found:
    return Found(kind, {"sha256": digest}, mode, uid, gid, 10)


@pytest.mark.parametrize(
    ("found", "content", "attributes", "fetched"),
    [
        ({}, True, False, True),
        ({"/x/f": there()}, False, False, False),
        ({"/x/f": there(B)}, True, False, True),
        ({"/x/f": there(mode=0o700)}, False, True, False),
        ({"/x/f": there(uid=7)}, False, True, False),
        ({"/x/f": there(gid=7)}, False, True, False),
        ({"/x/f": there(B, mode=0o600)}, True, True, True),
        ({"/x/f": there(kind="link")}, True, False, True),
    ],
)
def test_plain_file(found: dict[str, Found], content: bool, attributes: bool, fetched: bool) -> None:
    made = plan_files([plain()], found, {})
    (target,) = made.targets
    assert (target.content, target.attributes) == (content, attributes)
    assert bool(made.fetch) == fetched
    assert made.changed == (content or attributes)
    assert made.decided


MEMBERS = (Member("bin/a", "/x/a", 0o755), Member("bin/b", "/x/b", 0o644))
CONTENTS = {str(ARCHIVE): {"bin/a": MemberFacts(A, 1), "bin/b": MemberFacts(B, 2), "doc": MemberFacts(C, 3)}}


@pytest.mark.parametrize(
    ("found", "known", "changes", "fetched", "decided"),
    [
        ({}, {}, [True, True], True, False),
        ({}, CONTENTS, [True, True], True, True),
        ({"/x/a": there(A), "/x/b": there(B, 0o644)}, CONTENTS, [False, False], False, True),
        ({"/x/a": there(A), "/x/b": there(B, 0o644)}, {}, [True, True], True, False),
        ({"/x/a": there(B), "/x/b": there(B, 0o644)}, CONTENTS, [True, False], True, True),
        ({"/x/a": there(A), "/x/b": there(B, 0o755)}, CONTENTS, [False, True], False, True),
    ],
)
def test_members(
    found: dict[str, Found], known: dict[str, t.Any], changes: list[bool], fetched: bool, decided: bool
) -> None:
    made = plan_files([archive(members=MEMBERS)], found, known)
    assert [target.changed for target in made.targets] == changes
    assert bool(made.fetch) == fetched
    assert made.decided == decided
    assert not plan_files([archive(members=MEMBERS)], found, known, [str(ARCHIVE)]).fetch


def test_whole_archive_of_unknown_content_is_open() -> None:
    spec = archive(unpack_to="/opt/x")
    made = plan_files([spec], {}, {})
    assert made.open_ended == made.fetch == (spec,)
    assert made.changed
    assert made.diff(lambda uid, gid: f"{uid}:{gid}") == {
        "before": "",
        "after": f"/opt/x/* from sha256:{C} 0755 0:0\n",
    }


def test_diff_shows_changes_alone() -> None:
    specs = [plain(dest="/x/same"), plain(dest="/x/new"), archive(members=MEMBERS[:1])]
    found = {"/x/same": there(), "/x/a": there(B, 0o700, 5, 6)}
    made = plan_files(specs, found, {})
    assert made.diff(lambda uid, gid: f"{uid}:{gid}") == {
        "before": f"/x/a sha256:{B} 0700 5:6\n",
        "after": f"/x/a sha256:{UNKNOWN} 0755 0:0\n/x/new sha256:{A} 0755 0:0\n",
    }


@pytest.mark.parametrize(
    ("strip", "exclude", "expected"),
    [
        (0, (), {"bin/a": "/o/bin/a", "bin/b": "/o/bin/b", "doc": "/o/doc"}),
        (1, (), {"bin/a": "/o/a", "bin/b": "/o/b"}),
        (0, ("doc", "bin/b"), {"bin/a": "/o/bin/a"}),
        (0, ("bin/*",), {"doc": "/o/doc"}),
    ],
)
def test_unpacked_names(strip: int, exclude: tuple[str, ...], expected: dict[str, str]) -> None:
    assert (
        unpacked_names(archive(unpack_to="/o", strip=strip, exclude=exclude), CONTENTS[str(ARCHIVE)])
        == expected
    )


@pytest.mark.parametrize(
    ("contents", "strip", "word"),
    [
        ({"a": MemberFacts(A, 1)}, 1, "nothing"),
        ({"p/a": MemberFacts(A, 1), "q/a": MemberFacts(B, 1)}, 1, "would both be placed at /o/a"),
    ],
)
def test_unpacking_is_refused(contents: dict[str, MemberFacts], strip: int, word: str) -> None:
    with pytest.raises(ArtifactError, match=word):
        unpacked_names(archive(unpack_to="/o", strip=strip), contents)


@pytest.mark.parametrize(
    ("specs", "found", "word"),
    [
        ([plain(), plain(B)], {}, "again by f"),
        ([plain(), archive(members=(Member("a", "/x/f", 0o755),))], {}, "again by f"),
        ([plain()], {"/x/f": there(kind="directory")}, "is a directory"),
        ([plain()], {"/x/f": there(kind="other")}, "is a special file"),
    ],
)
def test_conflicts(specs: list[FileSpec], found: dict[str, Found], word: str) -> None:
    with pytest.raises(ArtifactError, match=word):
        plan_files(specs, found, {})


def test_entry_is_normalised() -> None:
    raw = {
        "name": "c",
        "url": "https://example.org/c.tgz",
        "checksum": f"SHA256:{A.upper()}",
        "mode": "0750",
        "members": [{"source": "./bin//a", "dest": "/x//a/../a", "mode": None}],
    }
    spec = parse_file(raw, 1, 2)
    assert spec.checksum == Checksum("sha256", A)
    assert spec.members == (Member("bin/a", "/x/a", 0o750),)
    assert spec.is_archive


def test_space_is_promised_once(tmp_path: Path) -> None:
    space = Space(free=lambda directory: 100 + SPACE_MARGIN)
    space.reserve(str(tmp_path), 60, "one")
    space.reserve(str(tmp_path), 40, "two")
    with pytest.raises(ArtifactError, match="three: 0 MiB are needed") as caught:
        space.reserve(str(tmp_path), 1, "three")
    assert caught.value.context == {"required_bytes": 1 + SPACE_MARGIN, "free_bytes": SPACE_MARGIN}


def test_no_space_is_told_before_the_download(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * 1000)
    fetcher = Fetcher(space=Space(free=lambda directory: SPACE_MARGIN + 999))
    part = tmp_path / "part"
    with pytest.raises(ArtifactError, match=r"are needed in .*, 16 MiB are free"):
        fetcher.fetch(plain(url=source.as_uri()), str(part))
    assert not part.exists()


def test_unreadable_authority(tmp_path: Path) -> None:
    bad = tmp_path / "ca.pem"
    bad.write_text("no certificate")
    for path in (bad, tmp_path / "absent"):
        with pytest.raises(ArtifactError, match="cannot be read as PEM"):
            Fetcher(ca_path=str(path))


def test_archive_that_unpacks_to_too_much(tmp_path: Path) -> None:
    path = tmp_path / "bomb.tgz"
    with tarfile.open(path, "w:gz") as made:
        for name in ("a", "b"):
            info = tarfile.TarInfo(name)
            info.size = 600
            made.addfile(info, io.BytesIO(b"\0" * 600))
    assert set(read_archive(str(path), "x", lambda name, size: None, limit=1200)) == {"a", "b"}
    with pytest.raises(ArtifactError, match="more than 1000 bytes"):
        read_archive(str(path), "x", lambda name, size: None, limit=1000)


def archives(**files: MemberFacts) -> record.Record:
    return record.Record(archives={name: {name: facts} for name, facts in files.items()})


def test_record_keeps_what_it_knows(tmp_path: Path) -> None:
    path = str(tmp_path / "deep/record.json")
    nothing = record.Placement("", {})
    one, two = {"one": {"one": MemberFacts(A, 1)}}, {"two": {"two": MemberFacts(B, 2)}}
    assert journal.update(path, lambda now: record.complete(now, nothing, one))
    assert journal.update(path, lambda now: record.complete(now, nothing, two))
    assert not journal.update(path, lambda now: record.complete(now, nothing, two))
    assert journal.load(path) == archives(one=MemberFacts(A, 1), two=MemberFacts(B, 2))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": 9}',
        '{"format": 2, "archives": {"x": {"a": 1}}}',
        '{"format": 2, "files": []}',
    ],
)
def test_damaged_record_counts_as_empty(tmp_path: Path, text: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(text)
    assert journal.load(str(path)) == record.Record(damaged=True)
    assert journal.update(str(path), lambda now: now)
    assert journal.load(str(path)) == record.Record()


PLACEMENT = record.Placement(
    component="kubelet",
    files={"/x/new": A, "/x/old": B, "/x/same": C},
    changing=frozenset({"/x/new", "/x/old"}),
    releases=frozenset({"/x/old"}),
    created=("/x", "/x/d"),
    removed=("/x/gone",),
)
BEFORE = record.Record(
    files={
        "/x/old": record.PlacedFile("kubelet", A, release=True),
        "/x/gone": record.PlacedFile("kubelet", A),
    }
)


def test_what_is_about_to_be_placed_is_announced() -> None:
    now = record.announce(BEFORE, PLACEMENT)
    assert now.files == {
        "/x/old": record.PlacedFile("kubelet", A, B, release=True),
        "/x/gone": record.PlacedFile("kubelet", A),
        "/x/new": record.PlacedFile("kubelet", "", A),
    }
    assert now.files["/x/old"].digests == (A, B)
    assert now.files["/x/new"].digests == (A,)
    assert now.directories == {"/x": "kubelet", "/x/d": "kubelet"}
    assert record.parse(record.render(now)) == now


def test_what_was_placed_is_recorded_whether_it_changed_or_not() -> None:
    now = record.complete(record.announce(BEFORE, PLACEMENT), PLACEMENT, {})
    assert now.files == {
        "/x/old": record.PlacedFile("kubelet", B, release=True),
        "/x/new": record.PlacedFile("kubelet", A),
        "/x/same": record.PlacedFile("kubelet", C),
    }
    assert record.complete(now, record.Placement("kubelet", {"/x/new": A}), {}) == now


@pytest.mark.parametrize(
    ("digests", "files"),
    [
        ({}, BEFORE.files),
        ({"/x/old": A}, BEFORE.files),
        ({"/x/old": B}, {**BEFORE.files, "/x/old": record.PlacedFile("kubelet", B, release=True)}),
        ({"/x/new": A}, {**BEFORE.files, "/x/new": record.PlacedFile("kubelet", A)}),
        ({"/x/new": C}, BEFORE.files),
    ],
)
def test_after_a_failure_the_record_says_what_is_there(
    digests: dict[str, str], files: dict[str, record.PlacedFile]
) -> None:
    announced = record.announce(BEFORE, PLACEMENT)
    now = record.reconcile(announced, BEFORE, PLACEMENT, digests, {"/x"})
    assert now.files == files
    assert now.directories == {"/x": "kubelet"}
