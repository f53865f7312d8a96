# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from rich.console import Console

from lab import artifacts
from lab.artifacts import catalogue
from lab.config import LabError, Paths
from tests import kubebench


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(cache=tmp_path, state=tmp_path, repo=tmp_path, inventory=tmp_path)


def pack(paths: Paths, members: dict[str, bytes]) -> Path:
    archive = paths.artifacts_cache / "files" / catalogue.load().files[kubebench.NAME].path
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w:gz") as sink:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            sink.addfile(entry, io.BytesIO(content))
    return archive


def test_it_is_unpacked_once_and_again_when_it_is_rebuilt(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def ensure(_paths: Paths, _console: Console, only: list[str]) -> artifacts.ArtifactSet:
        asked.append(only)
        return artifacts.ArtifactSet(paths.artifacts_cache / "files", paths.artifacts_cache / "registry", {})

    monkeypatch.setattr(artifacts, "ensure", ensure)
    archive = pack(paths, {"kube-bench": b"one", "cfg/config.yaml": b"a: 1\n", "README.md": b"x"})
    os.utime(archive, (1, 1))
    found = kubebench.ensure(paths, Console())
    assert asked == [["kube_bench"]]
    assert found.binary.read_bytes() == b"one"
    assert os.access(found.binary, os.X_OK)
    assert (found.definitions / "config.yaml").read_text() == "a: 1\n"
    assert sorted(path.name for path in found.binary.parent.iterdir()) == ["cfg", "kube-bench"]

    found.binary.write_bytes(b"kept")
    assert kubebench.ensure(paths, Console()).binary.read_bytes() == b"kept"

    newer = pack(paths, {"kube-bench": b"two", "cfg/config.yaml": b"a: 2\n"})
    later = found.binary.parent.stat().st_mtime + 5
    os.utime(newer, (later, later))
    assert kubebench.ensure(paths, Console()).binary.read_bytes() == b"two"
    assert [path.name for path in found.binary.parent.parent.iterdir()] == ["kube-bench-0.15.6"]


def test_what_cannot_be_had_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ensure(*_args: object, **_named: object) -> artifacts.ArtifactSet:
        raise LabError("kube_bench 0.15.6 is not available", "look")

    monkeypatch.setattr(artifacts, "ensure", ensure)
    assert kubebench.main() == 1
    assert "is not available" in capsys.readouterr().err
