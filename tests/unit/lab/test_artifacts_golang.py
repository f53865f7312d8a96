# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.artifacts import golang
from lab.artifacts.catalogue import GoBuild
from lab.config import Paths


def build(**fields: Any) -> GoBuild:
    defaults: dict[str, Any] = {
        "name": "demo",
        "modules": {"example.com/demo": "v1.2.3"},
        "programs": {"demo": "example.com/demo/cmd/demo"},
        "go": (1, 26),
    }
    return GoBuild(**{**defaults, **fields})


GOMOD: dict[str, Any] = {
    "Go": "1.26.0",
    "Godebug": [{"Key": "default", "Value": "go1.26"}],
    "Require": [
        {"Path": "example.com/lib", "Version": "v2.0.0"},
        {"Path": "example.com/staged", "Version": "v0.0.0"},
        {"Path": "example.com/early", "Version": "v0.0.0-20260101000000-0123456789ab", "Indirect": True},
    ],
    "Replace": [
        {"Old": {"Path": "example.com/lib"}, "New": {"Path": "example.com/fork", "Version": "v2.0.1"}},
        {"Old": {"Path": "example.com/staged"}, "New": {"Path": "./staging/staged"}},
        {
            "Old": {"Path": "example.com/x", "Version": "v1.0.0"},
            "New": {"Path": "example.com/x", "Version": "v1.0.1"},
        },
    ],
    "Exclude": [{"Path": "example.com/bad", "Version": "v9.9.9"}],
    "Tool": [{"Path": "example.com/generator"}],
}


def test_the_wrapper_repeats_what_go_ignores_in_a_dependency() -> None:
    lines = golang.wrapper(build(staging="v0.36.4"), GOMOD).splitlines()

    assert lines[0] == "module lab.invalid/demo"
    assert "go 1.26.0" in lines
    assert "godebug default=go1.26" in lines
    assert "require example.com/demo v1.2.3" in lines
    assert "replace example.com/lib => example.com/fork v2.0.1" in lines
    assert "replace example.com/x v1.0.0 => example.com/x v1.0.1" in lines
    assert "exclude example.com/bad v9.9.9" in lines
    assert not [line for line in lines if "generator" in line]


def test_only_exact_v0_0_0_is_replaced_by_the_staging_version() -> None:
    lines = golang.wrapper(build(staging="v0.36.4"), GOMOD).splitlines()

    assert "require example.com/staged v0.36.4" in lines
    assert "replace example.com/staged => example.com/staged v0.36.4" in lines
    assert "require example.com/early v0.0.0-20260101000000-0123456789ab" in lines
    assert not [line for line in lines if "replace example.com/early" in line or "./staging" in line]


def test_programs_of_the_lab_s_own_are_in_the_wrapper(tmp_path: Path) -> None:
    source, work = tmp_path / "programs", tmp_path / "work"
    for place in (source / "tool", work / "tool", work / "bin"):
        place.mkdir(parents=True)
    for file in ("main.go", "tool/main.go"):
        (source / file).write_text("package main\n", encoding="utf-8")
    for file in ("former.go", "tool/former.go", "go.mod", "bin/tool"):
        (work / file).touch()

    golang.place_source(source, work)

    placed = {str(path.relative_to(work)) for path in work.rglob("*") if path.is_file()}
    assert placed == {"go.mod", "main.go", "tool/main.go", "bin/tool"}
    assert golang.wrapper(build(module="example.com/demo/lab"), GOMOD).startswith(
        "module example.com/demo/lab\n"
    )
    golang.place_source(None, work)
    assert not (work / "main.go").exists() and (work / "go.mod").exists()


def test_versions_are_stamped() -> None:
    flags = golang.link_flags(
        build(stamps={"main.v": "{version}", "main.all": "1.2.3 unknown {time}"}, link="-extldflags -static"),
        "2026-01-02T03:04:05Z",
    )

    assert flags == (
        "-s -w -X 'main.v=v1.2.3' -X 'main.all=1.2.3 unknown 2026-01-02T03:04:05Z' -extldflags -static"
    )


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("example.com/demo/cmd/demo", "demo"),
        ("example.com/server/v3", "server"),
        ("example.com/tools/mount", "mount"),
        ("demo", "demo"),
    ],
)
def test_names_of_executables(package: str, name: str) -> None:
    assert golang.executable_name(package) == name


def test_programs_of_the_same_name_are_built_apart() -> None:
    assert golang.name_groups(["a/x", "b/y", "c/x"]) == [["a/x", "b/y"], ["c/x"]]


def test_a_test_binary_is_built_as_the_programs_are(tmp_path: Path) -> None:
    go, tests = golang.Go(Path("go"), (1, 26, 8), _paths(tmp_path)), build(tags=["x"])

    ordinary = golang.build_command(go, tests, "", Path("out"), ["example.com/demo/e2e"])
    command = golang.test_command(go, tests, "", Path("bin/e2e.test"), "example.com/demo/e2e")

    assert command[:3] == ["go", "test", "-c"]
    assert [*command[3:-2], "out/", command[-1]] == ordinary[2:]
    assert command[-3:] == ["-o", "bin/e2e.test", "example.com/demo/e2e"]


def test_programs_and_test_binaries_land_under_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Go that says where the module is, and makes what it is asked for of the command's words."""
    (tmp_path / "info").write_text('{"Time": ""}', encoding="utf-8")
    answer = f'{{"Dir": "{tmp_path}", "GoMod": "{tmp_path}/go.mod", "Info": "{tmp_path}/info"}}'
    script = f"""case "$1 $2" in
    "mod download") echo '{answer}';;
    "mod edit") echo '{{"Go": "1.26"}}';;
    "test -c") while [ "$1" != -o ]; do shift; done; echo "test $3" >"$2";;
    build*) while [ "$1" != -o ]; do shift; done; echo "program $3" >"$2/demo";;
    esac"""
    _fake_go(tmp_path / "go", "go1.26.8", script)
    go = golang.Go(tmp_path / "go", (1, 26, 8), _paths(tmp_path))
    both = build(programs={"demo.test": "example.com/demo/e2e", "tool": "example.com/demo/cmd/demo"})

    made = golang.compile_programs(go, both, tmp_path / "work", tmp_path / "log")

    assert {name: path.read_text() for name, path in made.items()} == {
        "demo.test": "test example.com/demo/e2e\n",
        "tool": "program example.com/demo/cmd/demo\n",
    }


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.26 linux/amd64", (1, 26, 0)),
        ("bash: go: command not found", None),
    ],
)
def test_versions_of_go(text: str, version: tuple[int, ...] | None) -> None:
    assert golang.parse_version(text) == version


def test_sums_are_merged(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("m v1 h1:x=\nn v1 h1:y=\n", encoding="utf-8")
    (tmp_path / "b").write_text("m v1 h1:x=\n\n", encoding="utf-8")

    merged = golang.merged_sums([tmp_path / "a", tmp_path / "b", tmp_path / "absent"])

    assert merged == "m v1 h1:x=\nn v1 h1:y=\n"


def _paths(directory: Path) -> Paths:
    return Paths(
        cache=directory / "cache",
        state=directory / "state",
        repo=directory,
        inventory=directory / "inventory",
    )


def test_the_user_s_proxy_is_respected_and_flags_are_not(tmp_path: Path) -> None:
    environment = golang.Go(Path("go"), (1, 26, 8), _paths(tmp_path)).environment()

    assert not {"GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE"} & set(environment)
    assert environment["GOTOOLCHAIN"] == "local"
    assert environment["GOFLAGS"] == "-modcacherw"
    assert environment["GOCACHE"] == str(tmp_path / "cache" / "go-build")


def _fake_go(file: Path, version: str, script: str = "") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        f'#!/bin/sh\nif [ "$1" = version ]; then echo go version {version} linux/amd64; exit; fi\n{script}\n',
        encoding="utf-8",
    )
    file.chmod(0o755)


def test_the_machine_s_go_is_used_when_new_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_go(tmp_path / "bin" / "go", "go1.26.8")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")

    found = golang.toolchain(_paths(tmp_path), (1, 26))

    assert found.binary == tmp_path / "bin" / "go"
    assert found.version == (1, 26, 8)


def test_an_old_go_fetches_a_newer_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "module"
    _fake_go(module / "bin" / "go", "go1.26.8")
    (module / "bin" / "go").chmod(0o644)  # as module archives leave it
    tool = module / "pkg" / "tool" / "linux_amd64" / "compile"
    tool.parent.mkdir(parents=True)
    tool.write_text("", encoding="utf-8")
    (tmp_path / "info").write_text('{"Version": "v0.0.1", "Time": "2026-01-01T00:00:00Z"}', encoding="utf-8")
    answer = f'{{"Dir": "{module}", "GoMod": "{tmp_path}/go.mod", "Info": "{tmp_path}/info"}}'
    _fake_go(tmp_path / "bin" / "go", "go1.19.8", f"echo '{answer}'")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")

    found = golang.toolchain(_paths(tmp_path), (1, 26))

    assert found.binary == module / "bin" / "go"
    assert tool.stat().st_mode & 0o111
