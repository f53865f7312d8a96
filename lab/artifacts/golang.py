# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs from Go modules: a toolchain, and a wrapper module around the one that is built.

`go install module@version` refuses modules whose go.mod replaces others, which most large projects' do. The
wrapper starts from the module's own go.mod, so that it selects the versions which upstream selected, and
repeats its replacements, which Go ignores in a dependency (https://go.dev/ref/mod#go-mod-file-replace). It
also starts from the module's own go.sum: what upstream checked in needs no checksum database.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import packages
from lab.artifacts.catalogue import LAB, GoBuild
from lab.config import LabError, Paths
from lab.run import run, write_atomic

#: Fetched through the module mechanism when the machine's Go is older than needed, or absent.
TOOLCHAIN_MODULE = "golang.org/toolchain"
TOOLCHAIN_VERSION = "v0.0.1-go1.26.8.linux-amd64"
#: Any Go from 1.21 on can download modules that need a newer one.
DEBIAN_GO = "golang-go"
_VERSION = re.compile(r"go(\d+)\.(\d+)(?:\.(\d+))?")


@dataclass(frozen=True)
class Module:
    """A module that has been downloaded.

    :param directory: its unpacked source.
    :param gomod: its go.mod as published (the one in `directory` may be missing for very old modules).
    :param time: when its version was made, RFC 3339.
    """

    path: str
    version: str
    directory: Path
    gomod: Path
    time: str


@dataclass(frozen=True)
class Go:
    """A Go command with the lab's caches.

    :param binary: path of `go`.
    :param version: as (1, 26, 8).
    """

    binary: Path
    version: tuple[int, ...]
    paths: Paths

    def environment(self, cgo: bool = False) -> dict[str, str]:
        """Variables for each call. GOPROXY, GOSUMDB and the like stay the user's."""
        return {
            "CGO_ENABLED": "1" if cgo else "0",
            "GOCACHE": str(self.paths.go_cache),
            "GOMODCACHE": str(self.paths.go_mod_cache),
            # Not empty: Go would take the user's configuration file then. Writable, so that `free` can
            # remove it.
            "GOFLAGS": "-modcacherw",
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
            "GOPATH": str(self.paths.cache / "gopath"),
            "GOOS": "linux",
            "GOARCH": "amd64",
        }

    def download(self, path: str, version: str) -> Module:
        """Download a module into the cache, verified by Go.

        :raises LabError: it is not available; the message has Go's output.
        """
        # A directory of its own: inside some module, Go would look at that one's replacements.
        work = self.paths.cache / "gopath"
        work.mkdir(parents=True, exist_ok=True)
        done = run(
            [self.binary, "mod", "download", "-json", f"{path}@{version}"],
            env=self.environment(),
            cwd=work,
            check=False,
        )
        try:
            answer = json.loads(done.stdout)
        except ValueError:
            answer = {"Error": (done.stderr or done.stdout).strip() or f"go ended with {done.returncode}"}
        if answer.get("Error") or "Dir" not in answer:
            raise LabError(
                f"Go module {path}@{version}: {answer.get('Error', 'not delivered')}",
                "check that the module proxy in GOPROXY can be reached and has this version",
            )
        info = json.loads(Path(answer["Info"]).read_text(encoding="utf-8"))
        return Module(path, version, Path(answer["Dir"]), Path(answer["GoMod"]), info.get("Time", ""))


def parse_version(text: str) -> tuple[int, ...] | None:
    """(1, 26, 8) of ``go version go1.26.8 linux/amd64``; None when there is no version in it."""
    match = _VERSION.search(text)
    return tuple(int(part) for part in match.groups(default="0")) if match else None


def _found(binary: Path, paths: Paths) -> Go | None:
    done = run([binary, "version"], env={"GOTOOLCHAIN": "local"}, check=False)
    version = parse_version(done.stdout)
    return Go(binary, version, paths) if done.returncode == 0 and version else None


def toolchain(paths: Paths, needed: tuple[int, ...]) -> Go:
    """A Go that is new enough: the machine's, or one that the machine's (or Debian's) downloads.

    :param needed: oldest version that will do, as (1, 26).
    :raises LabError: none is available.
    """
    on_path = shutil.which("go")
    go = _found(Path(on_path), paths) if on_path else None
    if go and go.version >= needed:
        return go
    if go is None:
        packages.install([DEBIAN_GO])
        go = _found(Path(shutil.which("go") or "/usr/bin/go"), paths)
        if go is None:
            raise LabError(
                f"Go is missing, and the package {DEBIAN_GO} brought none",
                f"install Go {'.'.join(map(str, needed))} or newer and run the command again",
            )
    module = go.download(TOOLCHAIN_MODULE, TOOLCHAIN_VERSION)
    make_executable(module.directory)
    newer = _found(module.directory / "bin" / "go", paths)
    if newer is None or newer.version < needed:
        raise LabError(
            f"{TOOLCHAIN_MODULE}@{TOOLCHAIN_VERSION} is no Go {'.'.join(map(str, needed))} or newer",
            "install a newer Go and run the command again",
        )
    return newer


def make_executable(root: Path) -> None:
    """Let the programs of an unpacked toolchain run: module archives carry no permissions."""
    for directory in (root / "bin", root / "pkg" / "tool"):
        for file in directory.rglob("*"):
            if file.is_file():
                file.chmod(file.stat().st_mode | 0o111)


def wrapper(build: GoBuild, gomod: Mapping[str, Any]) -> str:
    """The text of the wrapper's go.mod.

    :param gomod: the first module's go.mod as `go mod edit -json` shows it.
    """
    requires = {item["Path"]: item["Version"] for item in gomod.get("Require") or ()}
    requires.update(build.modules)
    replaces = list(_replaces(build, gomod))
    # A replaced v0.0.0 does not exist; the requirement must be one that does.
    staged = {path for path, version in requires.items() if build.staging and version == "v0.0.0"}
    lines = [f"module {build.path}", "", f"go {gomod['Go']}", ""]
    lines += [f"godebug {item['Key']}={item['Value']}" for item in gomod.get("Godebug") or ()]
    for path, version in sorted(requires.items()):
        lines.append(f"require {path} {build.staging if path in staged else version}")
    lines += [f"replace {path} => {path} {build.staging}" for path in sorted(staged)]
    lines += [f"replace {text}" for text in replaces]
    lines += [f"exclude {item['Path']} {item['Version']}" for item in gomod.get("Exclude") or ()]
    return "\n".join(lines) + "\n"


def _replaces(build: GoBuild, gomod: Mapping[str, Any]) -> Iterable[str]:
    for item in gomod.get("Replace") or ():
        old, new = item["Old"], item["New"]
        # A directory beside the module in upstream's repository; published modules stand in for it.
        if "Version" in new and old["Path"] not in build.modules:
            yield f"{' '.join(filter(None, (old['Path'], old.get('Version'))))} => {new['Path']} {new['Version']}"


def link_flags(build: GoBuild, time: str) -> str:
    """Text of -ldflags: no symbols (as upstream's releases), versions stamped."""
    _path, version = build.main
    values = {key: text.format(version=version, time=time) for key, text in build.stamps.items()}
    stamps = [f"-X '{key}={value}'" for key, value in values.items()]
    return " ".join(["-s", "-w", *stamps, *([build.link] if build.link else [])])


def executable_name(package: str) -> str:
    """What `go build -o DIRECTORY/` calls the program of an import path: its last part that is no major version."""
    parts = package.split("/")
    if len(parts) > 1 and re.fullmatch(r"v[0-9]+", parts[-1]):
        parts.pop()
    return parts[-1]


def build_command(go: Go, build: GoBuild, time: str, output: Path, packages: Sequence[str]) -> list[str]:
    """The command line of one `go build`."""
    command = [str(go.binary), "build", "-mod=mod", "-trimpath", "-buildvcs=false"]
    # Debugging data would be made for each package only to be left out when linking (-w).
    command.append("-gcflags=all=-dwarf=false")
    if build.tags:
        command.append(f"-tags={','.join(build.tags)}")
    return [*command, f"-ldflags={link_flags(build, time)}", "-o", f"{output}/", *packages]


def is_test(program: str) -> bool:
    """Whether a program is a package's test binary, by the name that `go test -c` gives to one."""
    return program.endswith(".test")


def test_command(go: Go, build: GoBuild, time: str, output: Path, package: str) -> list[str]:
    """The command line of one `go test -c`, which takes one package at a time.

    :param output: the test binary.
    """
    head, *arguments = build_command(go, build, time, output, [package])
    arguments[:1] = ["test", "-c"]
    arguments[arguments.index("-o") + 1] = str(output)
    return [head, *arguments]


def compile_programs(go: Go, build: GoBuild, work: Path, log: Path) -> dict[str, Path]:
    """Build all programs of a build.

    Go's own cache keeps every compiled package, so an interrupted build continues where it
    stopped.

    :param work: directory for the wrapper and the programs.
    :param log: gets the output.
    :return: program name -> file.
    :raises LabError: Go failed; the message has the end of its output.
    """
    modules = [go.download(path, version) for path, version in build.modules.items()]
    work.mkdir(parents=True, exist_ok=True)
    shown = run([go.binary, "mod", "edit", "-json", modules[0].gomod], env=go.environment()).stdout
    write_atomic(work / "go.mod", wrapper(build, json.loads(shown)))
    write_atomic(work / "go.sum", merged_sums(module.directory / "go.sum" for module in modules))
    place_source(LAB / build.source if build.source else None, work)
    output = work / "bin"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir()
    for name, package in build.programs.items():
        if is_test(name):
            command = test_command(go, build, modules[0].time, output / name, package)
            run(command, env=go.environment(build.cgo), cwd=work, log=log)
    programs = {name: package for name, package in build.programs.items() if not is_test(name)}
    for group in name_groups(programs.values()):
        directory = work / "out"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        run(
            build_command(go, build, modules[0].time, directory, group),
            env=go.environment(build.cgo),
            cwd=work,
            log=log,
        )
        for name, package in programs.items():
            if package in group:
                os.replace(directory / executable_name(package), output / name)
        shutil.rmtree(directory)
    return {name: output / name for name in build.programs}


def place_source(source: Path | None, work: Path) -> None:
    """Put programs of the lab's own beside the wrapper's go.mod, and nothing that an earlier version of them had."""
    for file in work.glob("*.go"):
        file.unlink()
    if source is None:
        return
    for directory in (path for path in source.iterdir() if path.is_dir()):
        shutil.rmtree(work / directory.name, ignore_errors=True)
    shutil.copytree(source, work, dirs_exist_ok=True)


def name_groups(packages: Iterable[str]) -> list[list[str]]:
    """Import paths in as few lists as possible, none of which has two programs of the same name."""
    groups: list[dict[str, str]] = []
    for package in packages:
        name = executable_name(package)
        group = next((g for g in groups if name not in g), None)
        if group is None:
            group = {}
            groups.append(group)
        group[name] = package
    return [list(group.values()) for group in groups]


def merged_sums(files: Iterable[Path]) -> str:
    """All lines of several go.sum files, once each."""
    lines: set[str] = set()
    for file in files:
        if file.exists():
            lines.update(line for line in file.read_text(encoding="utf-8").splitlines() if line.strip())
    return "".join(f"{line}\n" for line in sorted(lines))
