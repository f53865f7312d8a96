# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person has is verified, recorded as imported, and used instead of building."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from lab import artifacts
from lab.artifacts import builder, catalogue, importing, sources, store
from lab.artifacts.catalogue import Catalogue
from lab.artifacts.progress import Steps
from lab.config import LabError, Paths
from lab.images import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE

CONTENT = b"a release file"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
IMAGE = "127.0.0.1/tool"


def listed(**fields: Any) -> Catalogue:
    build = {"modules": {"example.com/tool": "v1.0.0"}, "programs": {"tool": "example.com/tool"}}
    url = "https://127.0.0.1:1/{version}/tool"
    return catalogue.parse(
        {
            "builds": {"tool": {**build, **fields.pop("build", {})}},
            "files": {"tool": {"version": "1.0.0", "url": url, "material": "go:tool/tool", **fields}},
            "images": {IMAGE: {"version": "v1", "base": "scratch", "files": {"/tool": "go:tool/tool"}}},
        }
    )


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(cache=tmp_path / "cache", state=tmp_path, repo=tmp_path / "repo", inventory=tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "given"
    path.write_bytes(CONTENT)
    return path


def publish(paths: Paths, checksum: str) -> None:
    lock = paths.repo / sources.LOCK_FILE
    lock.parent.mkdir(parents=True)
    entry = {"tool": {"checksums": {"1.0.0": {"amd64": f"sha256:{checksum}"}}}}
    lock.write_text(yaml.safe_dump({"cluster_releases": entry}), encoding="utf-8")


def row(paths: Paths, found: Catalogue, name: str = "tool") -> artifacts.ArtifactRow:
    return next(row for row in artifacts.status(paths, found) if row.name == name)


def test_a_file_with_the_published_checksum_is_taken(paths: Paths, file: Path) -> None:
    publish(paths, DIGEST)
    item = importing.import_artifact(paths, "tool", file, catalogue=listed())
    assert (item.source, item.sha256, item.size) == ("imported", DIGEST, len(CONTENT))
    found = row(paths, listed())
    assert (found.source, found.present, found.size) == ("imported", True, len(CONTENT))


def test_what_is_imported_is_used_and_not_built(paths: Paths, file: Path) -> None:
    importing.import_artifact(paths, "tool", file, f"sha256:{DIGEST}", listed())
    done = artifacts.ensure(paths, Console(file=io.StringIO()), ["tool"], listed())
    assert done.checksums == {"tool": {"1.0.0": {"amd64": f"sha256:{DIGEST}"}}}
    assert (done.files_root / "127.0.0.1:1" / "1.0.0" / "tool").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        # How it would be built does not concern it.
        ({"build": {"tags": ["netgo"]}}, True),
        ({"build": {"modules": {"example.com/tool": "v1.0.1"}}}, True),
        ({"version": "1.0.1"}, False),
    ],
)
def test_it_is_kept_until_the_catalogue_names_another_version(
    fields: dict[str, Any], kept: bool, paths: Paths, file: Path
) -> None:
    importing.import_artifact(paths, "tool", file, DIGEST, listed())
    assert row(paths, listed(**fields)).present is kept


@pytest.mark.parametrize(
    ("published", "trusted", "says"),
    [
        ("", "", "no checksum of tool 1.0.0 for amd64 in the lock file"),
        ("0" * 64, "", f"upstream published {'0' * 64}"),
        (DIGEST, f"sha256:{'1' * 64}", f"expected sha256:{'1' * 64}"),
    ],
    ids=["unknown", "other than published", "other than given"],
)
def test_a_file_that_cannot_be_verified_is_refused(
    published: str, trusted: str, says: str, paths: Paths, file: Path
) -> None:
    if published:
        publish(paths, published)
    with pytest.raises(LabError) as caught:
        importing.import_artifact(paths, "tool", file, trusted, listed())
    assert says in caught.value.message
    assert not row(paths, listed()).present
    if not trusted:
        assert f"--checksum sha256:{DIGEST}" in caught.value.hint


def archive(path: Path, *names: str) -> Path:
    with tarfile.open(path, "w") as sink:
        for name in names:
            sink.addfile(tarfile.TarInfo(name))
    return path


@pytest.mark.parametrize(
    ("names", "transport"),
    [(("oci-layout", "index.json"), "oci-archive"), (("manifest.json", "layer.tar"), "docker-archive")],
)
def test_an_image_is_published_under_its_name(
    names: tuple[str, ...], transport: str, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = archive(tmp_path / "image.tar", *names)
    parts = {hashlib.sha256(part).hexdigest(): part for part in (b"{}", b"layer")}
    config, layer = parts

    def copy(source: str, directory: Path) -> None:
        assert source == f"{transport}:{given}"
        for digest, part in parts.items():
            (directory / digest).write_bytes(part)
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "digest": f"sha256:{config}", "size": 2},
            "layers": [{"mediaType": LAYER_TYPE, "digest": f"sha256:{layer}", "size": 5}],
        }
        (directory / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")

    monkeypatch.setattr(importing, "copy_image", copy)
    digest = hashlib.sha256(given.read_bytes()).hexdigest()
    with pytest.raises(LabError, match="no checksum of an archive"):
        importing.import_artifact(paths, IMAGE, given, catalogue=listed())
    importing.import_artifact(paths, IMAGE, given, f"sha256:{digest}", listed())
    found = row(paths, listed(), IMAGE)
    assert (found.source, found.present, found.size) == ("imported", True, 7)


def test_what_is_no_archive_is_no_image(paths: Paths, file: Path) -> None:
    with pytest.raises(LabError, match="is no archive of an image"):
        importing.import_artifact(paths, IMAGE, file, DIGEST, listed())


def test_unknown_names_are_refused(paths: Paths, file: Path) -> None:
    with pytest.raises(LabError, match="no artifact called nonsense"):
        importing.import_artifact(paths, "nonsense", file, DIGEST, listed())


@pytest.mark.parametrize(
    ("text", "says"),
    [("tool", "is not NAME=FILE"), ("=x", "is not NAME=FILE"), ("tool=/absent", "no file /absent")],
)
def test_what_is_given_is_a_name_and_a_file(text: str, says: str) -> None:
    with pytest.raises(LabError, match=says):
        importing.parse(text)


def test_a_name_may_have_slashes(file: Path) -> None:
    assert importing.parse(f"registry.example/a/b={file}") == ("registry.example/a/b", file)


def test_program_goes_into_the_images_that_have_it(paths: Paths, file: Path) -> None:
    """Its build does not run for it, and what was made of another one is made again."""
    known = listed()
    record = store.Record(paths.artifacts_cache)
    record.put(IMAGE, store.Item("go", "0" * 64, 1, "recipe"))
    item = importing.import_artifact(paths, "go:tool/tool", file, f"sha256:{DIGEST}", known)
    assert (item.source, item.sha256) == (catalogue.IMPORTED, DIGEST)
    program = paths.artifacts_cache / "builds" / "tool" / "bin" / "tool"
    assert program.read_bytes() == CONTENT and program.stat().st_mode & 0o777 == 0o755
    record = store.Record(paths.artifacts_cache)
    assert record.get(IMAGE) is None
    built = builder.Builder(paths, known, record, Steps(Console(quiet=True), record)).built
    assert built(known.builds["tool"])
    # How it would be built does not concern it, but its version does.
    assert built(listed(build={"tags": ["other"]}).builds["tool"])
    assert not built(listed(build={"modules": {"example.com/tool": "v2.0.0"}}).builds["tool"])


@pytest.mark.parametrize(
    ("name", "checksum", "words"),
    [
        ("go:tool/other", f"sha256:{DIGEST}", "no program with a build of its own"),
        ("go:none/tool", f"sha256:{DIGEST}", "these are: go:tool/tool"),
        ("go:tool", f"sha256:{DIGEST}", "must be go:BUILD/PROGRAM"),
        ("go:tool/tool", "", "as nobody publishes it"),
        ("go:tool/tool", "sha256:" + "0" * 64, f"has SHA-256 {DIGEST}, expected sha256:000"),
    ],
)
def test_wrong_programs_are_refused(name: str, checksum: str, words: str, paths: Paths, file: Path) -> None:
    with pytest.raises(LabError) as caught:
        importing.import_artifact(paths, name, file, checksum, listed())
    assert words in f"{caught.value.message} {caught.value.hint}"
    assert not (paths.artifacts_cache / "builds").exists()
