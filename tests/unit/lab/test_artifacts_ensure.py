# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a cache in any state to one with everything, with a catalogue that needs neither Go nor a network."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from lab import artifacts
from lab.artifacts import catalogue, golang, store
from lab.artifacts.catalogue import Catalogue
from lab.artifacts.ensure import Run
from lab.artifacts.progress import Steps, clock
from lab.artifacts.sources import UnavailableError, Upstream
from lab.artifacts.store import Item, Record
from lab.config import LabError, Paths

PROGRAM = b"\x7fELF program"
URL = "https://127.0.0.1:1/v{version}/demo-{arch}"


PLAIN = {
    "plain": {
        "modules": {"example.com/plain": "v1.0.0"},
        "programs": {"demo": "example.com/plain"},
        "disk": 0,
        "seconds": 0,
    },
    "gone": {
        "modules": {"example.com/gone": "v1.0.0"},
        "programs": {"absent": "example.com/absent"},
    },
}


def data(**changes: Any) -> dict[str, Any]:
    builds = {**PLAIN, **changes.pop("builds", {})}
    return {
        "builds": builds,
        "files": {
            "demo": {"version": "1.0.0", "url": URL, "material": "go:plain/demo"},
            "chart": {
                "version": "2.0.0",
                "arch": "noarch",
                "url": "https://127.0.0.1:1/chart-{version}.tgz",
                "members": {"chart/demo": "go:plain/demo"},
            },
        },
        "images": {
            "127.0.0.1/demo": {"version": "v1", "base": "scratch", "files": {"/demo": "go:plain/demo"}}
        },
        **changes,
    }


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    repo = tmp_path / "work" / "repo"
    repo.mkdir(parents=True)
    return Paths(
        cache=tmp_path / "cache", state=tmp_path / "state", repo=repo, inventory=tmp_path / "inventory"
    )


@pytest.fixture(autouse=True)
def builds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No compiler: what would be built has a fixed content.

    :return: the builds that ran; `gone` and `broken` end with an error.
    """
    ran: list[str] = []

    def compile_programs(_go: object, build: Any, work: Path, _log: Path) -> dict[str, Path]:
        ran.append(build.name)
        if build.name in ("gone", "broken"):
            raise LabError(f"Go module example.com/{build.name}@v1.0.0: 404 Not Found", "")
        (work / "bin").mkdir(parents=True, exist_ok=True)
        made = {name: work / "bin" / name for name in build.programs}
        for file in made.values():
            file.write_bytes(PROGRAM)
        return made

    monkeypatch.setattr(golang, "toolchain", lambda paths, _needed: golang.Go(Path("go"), (1, 26), paths))
    monkeypatch.setattr(golang, "compile_programs", compile_programs)
    return ran


def ensure(
    paths: Paths, listed: Catalogue, only: list[str] | None = None
) -> tuple[artifacts.ArtifactSet, str]:
    console = Console(file=io.StringIO(), width=200)
    done = artifacts.ensure(paths, console, only, listed)
    assert isinstance(console.file, io.StringIO)
    return done, console.file.getvalue()


def demo(paths: Paths) -> Path:
    return paths.artifacts_cache / "files" / "127.0.0.1:1" / "v1.0.0" / "demo-amd64"


def test_a_group_is_made_when_asked_for_and_its_checksums_are_listed_from_then_on(paths: Paths) -> None:
    given = data()
    given["files"]["demo@1.1.0"] = {**given["files"]["demo"], "version": "1.1.0", "group": "next"}
    listed = catalogue.parse(given)

    before, _output = ensure(paths, listed)
    ensure(paths, listed, ["next"])
    after, _output = ensure(paths, listed)

    assert set(before.checksums["demo"]) == {"1.0.0"}
    assert set(after.checksums["demo"]) == {"1.0.0", "1.1.0"}
    assert artifacts.required_seconds(paths, ["next"], listed) == 0


def test_everything_is_made_and_a_second_run_makes_nothing(paths: Paths) -> None:
    listed = catalogue.parse(data())

    first, output = ensure(paths, listed)
    before = {file: file.stat().st_mtime_ns for file in first.files_root.rglob("*") if file.is_file()}
    second, again = ensure(paths, listed)

    assert demo(paths).read_bytes() == PROGRAM
    assert first.checksums["demo"] == {"1.0.0": {"amd64": f"sha256:{hashlib.sha256(PROGRAM).hexdigest()}"}}
    assert set(first.checksums["chart"]["2.0.0"]) == {"noarch"}
    assert "pack demo 1.0.0" in output
    assert again == ""
    assert second == first
    assert before == {file: file.stat().st_mtime_ns for file in first.files_root.rglob("*") if file.is_file()}


def test_a_damaged_file_is_made_again_and_told(paths: Paths) -> None:
    listed = catalogue.parse(data())
    ensure(paths, listed)
    demo(paths).unlink()
    demo(paths).write_bytes(b"\x7fELF damaged")

    _done, output = ensure(paths, listed)

    assert demo(paths).read_bytes() == PROGRAM
    assert "demo: the cached file was damaged and has been removed" in output


def test_a_damaged_file_is_never_served_even_if_it_cannot_be_made_again(paths: Paths) -> None:
    listed = catalogue.parse(data())
    ensure(paths, listed)
    demo(paths).unlink()
    demo(paths).write_bytes(b"\x7fELF damaged")
    other = data()
    other["files"]["demo"]["material"] = "go:gone/absent"

    with pytest.raises(LabError, match=r"demo 1\.0\.0 is not available"):
        ensure(paths, catalogue.parse(other))

    assert not demo(paths).exists()


def test_a_damaged_image_is_made_again(paths: Paths) -> None:
    listed = catalogue.parse(data())
    done, _output = ensure(paths, listed)
    largest = max(done.registry_root.rglob("data"), key=lambda file: file.stat().st_size)
    whole = largest.read_bytes()
    largest.write_bytes(whole[:-1] + b"?")

    _done, output = ensure(paths, listed)

    assert "it is made again" in output
    assert largest.read_bytes() == whole


def test_a_changed_catalogue_makes_again_what_it_changes(paths: Paths) -> None:
    ensure(paths, catalogue.parse(data()))
    other = data()
    other["files"]["chart"]["members"] = {"chart/other": "go:plain/demo"}

    _done, output = ensure(paths, catalogue.parse(other))

    assert "chart" in output
    assert "demo 1.0.0" not in output


def test_only_what_is_named_is_made(paths: Paths) -> None:
    listed = catalogue.parse(data())

    done, _output = ensure(paths, listed, only=["demo"])

    assert set(done.checksums) == {"demo"}
    with pytest.raises(LabError, match="no artifact called nonsense"):
        ensure(paths, listed, only=["nonsense"])


def test_what_is_optional_is_made_when_it_is_named(paths: Paths) -> None:
    other = data()
    other["files"]["demo"]["optional"] = True
    listed = catalogue.parse(other)

    done, _output = ensure(paths, listed)
    assert set(done.checksums) == {"chart"}
    assert not demo(paths).exists()
    assert artifacts.required_bytes(paths, listed) == 0

    done, _output = ensure(paths, listed, only=["demo"])
    assert demo(paths).read_bytes() == PROGRAM
    # Hosts are told of nothing that no role knows.
    assert set(done.checksums) == {"chart"}


def test_a_missing_artifact_names_itself_what_was_tried_and_what_to_do(paths: Paths) -> None:
    other = data()
    other["files"]["demo"]["material"] = "go:gone/absent"

    with pytest.raises(LabError) as caught:
        ensure(paths, catalogue.parse(other))

    message = caught.value.message
    assert message.startswith("demo 1.0.0 is not available. Tried:")
    for source in ("cache:", "upstream: 127.0.0.1:1: not reachable", "building gone:"):
        assert f"\n  - {source}" in message
    assert "example.com/gone@v1.0.0: 404 Not Found" in message
    assert "lab import" in caught.value.hint


GO_BUILD = {
    "broken": {
        "modules": {"example.com/broken": "v1.0.0"},
        "programs": {"broken": "example.com/broken"},
        "go": "1.26",
    }
}


def test_a_build_that_fails_names_the_artifact_and_keeps_go_s_words(paths: Paths) -> None:
    other = data(builds=GO_BUILD)
    other["files"]["demo"]["material"] = "go:broken/broken"

    with pytest.raises(LabError) as caught:
        ensure(paths, catalogue.parse(other), only=["demo"])

    assert "demo 1.0.0 is not available" in caught.value.message
    assert "building broken: Go module example.com/broken@v1.0.0: 404 Not Found" in caught.value.message
    assert "package registries" in caught.value.hint


def test_a_finished_build_is_not_repeated(paths: Paths, builds: list[str]) -> None:
    other = data()
    # The run is cut short after the build: a later step fails.
    other["files"]["chart"]["members"] = {"x": "go:gone/absent"}
    for _run in range(2):
        with pytest.raises(LabError, match="chart"):
            ensure(paths, catalogue.parse(other))
    assert builds.count("plain") == 1

    # A build's own output is checked, too.
    demo(paths).unlink()
    (paths.artifacts_cache / "builds" / "plain" / "bin" / "demo").write_bytes(b"damaged")
    ensure(paths, catalogue.parse(other), only=["demo"])
    assert builds.count("plain") == 2
    assert demo(paths).read_bytes() == PROGRAM


class Reachable(Upstream):
    """An upstream that has one file."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.content = content

    def probe(self, urls: object) -> None:
        pass

    def require(self, url: str) -> None:
        if not url.endswith("demo-amd64"):
            raise UnavailableError(f"{url}: not here")

    def download(self, url: str, target: Path, checksum: str, progress: object = None) -> None:
        assert checksum == hashlib.sha256(self.content).hexdigest()
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self.content)


def test_upstream_comes_before_building(paths: Paths) -> None:
    lock_file = paths.repo / "roles" / "cluster" / "vars" / "main" / "releases.yml"
    lock_file.parent.mkdir(parents=True)
    checksum = f"sha256:{hashlib.sha256(b'upstream').hexdigest()}"
    lock_file.write_text(
        yaml.safe_dump(
            {"cluster_releases": {"demo": {"url": URL, "checksums": {"1.0.0": {"amd64": checksum}}}}}
        ),
        encoding="utf-8",
    )
    listed = catalogue.parse(data())
    paths.artifacts_cache.mkdir(parents=True)

    Run(paths, listed, Console(file=io.StringIO()), Reachable(b"upstream")).all(None)

    assert demo(paths).read_bytes() == b"upstream"
    rows = {row.name: row for row in artifacts.status(paths, listed)}
    assert (rows["demo"].source, rows["chart"].source) == ("upstream", "go")


def test_status_tells_what_there_is(paths: Paths) -> None:
    listed = catalogue.parse(data())
    before = artifacts.status(paths, listed)
    ensure(paths, listed)
    after = {row.name: row for row in artifacts.status(paths, listed)}

    assert [(row.name, row.present, row.size) for row in before] == [
        ("demo", False, 0),
        ("chart", False, 0),
        ("127.0.0.1/demo", False, 0),
    ]
    assert all(row.present and row.size > 0 for row in after.values())
    assert after["demo"].size == len(PROGRAM)
    demo(paths).unlink()
    assert not artifacts.status(paths, listed)[0].present


def test_space_is_needed_only_for_what_is_missing(paths: Paths) -> None:
    broken = {"broken": {**GO_BUILD["broken"], "disk": 7_000_000_000}}
    other = data(builds=broken, trees={"t": {"suite": "s", "variant": "v", "packages": []}})
    plain = artifacts.required_bytes(paths, catalogue.parse(other))
    other["files"]["demo"]["material"] = "go:broken/broken"
    other["images"]["127.0.0.1/demo"]["base"] = "t"
    more = artifacts.required_bytes(paths, catalogue.parse(other))

    assert more - plain == 7_000_000_000 + artifacts.BYTES_PER_TREE
    listed = catalogue.parse(data())
    ensure(paths, listed)
    assert artifacts.required_bytes(paths, listed) == 0


@pytest.mark.parametrize(("what", "kept"), [("build", True), ("all", False)])
def test_free_says_how_much_it_freed(paths: Paths, what: Any, kept: bool) -> None:
    ensure(paths, catalogue.parse(data()))
    locked = paths.go_mod_cache / "locked"
    locked.mkdir(parents=True)
    (locked / "file").write_bytes(b"x" * 100_000)
    locked.chmod(0o555)

    freed = artifacts.free(paths, what)

    assert freed >= 100_000
    assert not paths.go_mod_cache.exists()
    assert demo(paths).exists() is kept
    assert artifacts.status(paths, catalogue.parse(data()))[0].present is kept


def test_files_with_two_names_count_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_bytes(b"x" * 8192)
    alone = artifacts.disk_usage(tmp_path / "a")
    os.link(tmp_path / "a" / "one", tmp_path / "a" / "two")

    assert artifacts.disk_usage(tmp_path / "a") == alone
    assert artifacts.disk_usage(tmp_path / "absent") == 0


def test_a_second_process_is_told_who_is_at_it(paths: Paths) -> None:
    directory = paths.artifacts_cache
    script = (
        "import sys, pathlib; from lab.artifacts import store\n"
        "with store.lock(pathlib.Path(sys.argv[1])):\n    print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(directory)],
        cwd=Path(__file__).resolve().parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None and holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LabError, match=f"being made by process {holder.pid}") as caught:
            artifacts.free(paths, "build")
        assert "wait for it to end" in caught.value.hint
        # Who needs artifacts waits. The kernel drops the lock of a process that is gone.
        threading.Timer(0.3, holder.stdin.close).start()
        _done, output = ensure(paths, catalogue.parse(data()))
        assert f"being made by process {holder.pid}; waiting for it to end" in output
    finally:
        holder.wait()
        holder.stdout.close()


def test_a_damaged_record_counts_as_empty(tmp_path: Path) -> None:
    Record(tmp_path).put("x", Item("go", "0" * 64, 1, "r"))
    assert Record(tmp_path).get("x") == Item("go", "0" * 64, 1, "r")
    (tmp_path / "record.json").write_text('{"x": ', encoding="utf-8")

    assert Record(tmp_path).get("x") is None


@pytest.mark.parametrize("other", [{"recipe": "s"}, {"sha256": "0" * 64}, {"size": 2}])
def test_a_file_that_is_not_the_recorded_one_is_deleted(tmp_path: Path, other: dict[str, Any]) -> None:
    file = tmp_path / "file"
    fields: dict[str, Any] = {
        "source": "go",
        "sha256": hashlib.sha256(b"x").hexdigest(),
        "size": 1,
        "recipe": "r",
    }
    file.write_bytes(b"x")
    assert store.verified(file, Item(**fields), "r")

    assert not store.verified(file, Item(**{**fields, **other}), "r")
    assert not file.exists()


def test_steps_tell_how_long_they_took_last_time(tmp_path: Path) -> None:
    output = io.StringIO()
    record = Record(tmp_path)
    steps = Steps(Console(file=output, width=200), record)
    record.took("compile", 367)

    with steps.step("compile"):
        pass
    with steps.step("other", estimate=65):
        pass

    assert "compile (took 6:07 last time)" in output.getvalue()
    assert "other (first time here, about 1:05 on two cores)" in output.getvalue()
    assert record.durations["compile"] < 1
    assert clock(59.9) == "0:59"


def test_a_failed_step_leaves_no_time(tmp_path: Path) -> None:
    record = Record(tmp_path)
    steps = Steps(Console(file=io.StringIO()), record)

    with pytest.raises(LabError), steps.step("compile"):
        raise LabError("x")

    assert record.durations == {}


def test_bars_are_shown_on_a_terminal(tmp_path: Path) -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=120, force_interactive=True)
    steps = Steps(console, Record(tmp_path))

    with steps.shown(), steps.step("compile something", estimate=10):
        assert steps._progress is not None
        steps._progress.refresh()

    assert "compile something" in output.getvalue()


def test_sources_of_two_versions_of_a_module_are_told_apart(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(_go: golang.Go, path: str, version: str) -> golang.Module:
        directory = tmp_path / version
        directory.mkdir(exist_ok=True)
        (directory / "note").write_text(version, encoding="utf-8")
        return golang.Module(path, version, directory, directory / "go.mod", "")

    monkeypatch.setattr(golang.Go, "download", download)
    build = {"programs": {"demo": "example.com/demo"}}
    listed = catalogue.parse(
        {
            "builds": {
                "old": {**build, "modules": {"example.com/demo": "v1.0.0"}},
                "new": {**build, "modules": {"example.com/demo": "v2.0.0"}},
            },
            "files": {
                f"note@{name}": {
                    "version": name,
                    "url": "https://127.0.0.1:1/{version}",
                    "material": f"module:{name}/note",
                }
                for name in ("old", "new")
            },
        }
    )

    made, _output = ensure(paths, listed)

    root = made.files_root / "127.0.0.1:1"
    assert [(root / name).read_text(encoding="utf-8") for name in ("old", "new")] == ["v1.0.0", "v2.0.0"]
