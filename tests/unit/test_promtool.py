# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from rich.console import Console

from lab import artifacts
from lab.artifacts import catalogue
from lab.config import LabError, Paths
from tests import promtool


def test_both_programs_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = Paths(cache=tmp_path, state=tmp_path, repo=tmp_path, inventory=tmp_path)
    archive = paths.artifacts_cache / "files" / catalogue.load().files[promtool.NAME].path
    archive.parent.mkdir(parents=True)
    with tarfile.open(archive, "w:gz") as sink:
        for name in ("LICENSE", *promtool.PROGRAMS):
            entry = tarfile.TarInfo(f"prometheus-3.13.2.linux-amd64/{name}")
            entry.size, entry.mode = len(name), 0o755
            sink.addfile(entry, io.BytesIO(name.encode()))
    made = artifacts.ArtifactSet(paths.artifacts_cache / "files", paths.artifacts_cache / "registry", {})
    monkeypatch.setattr(artifacts, "ensure", lambda *_args, **_named: made)

    found = promtool.ensure(paths, Console())

    assert (found.prometheus.read_text(), found.promtool.read_text()) == promtool.PROGRAMS
    assert found.version == "3.13.2"
    found.promtool.write_text("kept")
    assert promtool.ensure(paths, Console()).promtool.read_text() == "kept"


def test_what_cannot_be_had_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ensure(*_args: object, **_named: object) -> artifacts.ArtifactSet:
        raise LabError("prometheus 3.13.2 is not available", "look")

    monkeypatch.setattr(artifacts, "ensure", ensure)
    assert promtool.main() == 1
    assert "is not available" in capsys.readouterr().err
