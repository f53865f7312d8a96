# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages are downloaded once for a base, and only what is complete counts."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab import bases, host, install
from lab.config import LabError, Paths

ARCHIVE = "https://mirror.example.org/debian"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(cache=tmp_path / "cache", state=tmp_path, repo=tmp_path / "repo", inventory=tmp_path)


def test_packages_are_downloaded_once(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []

    def run(argv: list[str], **options: Any) -> None:
        calls.append(argv)
        archives = Path(options["env"]["WORK"]) / "upper/var/cache/apt/archives"
        archives.mkdir(parents=True)
        for name in ("b.deb", "a.deb", "lock"):
            (archives / name).touch()

    monkeypatch.setattr(install, "run", run)
    monkeypatch.setattr(bases, "debian_mirror", lambda: ARCHIVE)
    for _ in range(2):
        found = install.download(paths, "systemd-1", ["one", "two"])
        assert [file.name for file in found] == ["a.deb", "b.deb"]
    (call,) = calls
    assert call[:4] == ["unshare", "--mount", "--propagation", "private"]
    assert call[-4:] == [ARCHIVE, "trixie", "one", "two"]
    assert call[-6] == str(paths.bases / "systemd-1")
    # Another base may lack others.
    install.download(paths, "openrc-1", ["one", "two"])
    assert len(calls) == 2


def test_another_lab_may_download_the_same_packages(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(arguments: list[str], *, env: dict[str, str], **_kwargs: object) -> None:
        archives = Path(env["WORK"]) / "upper/var/cache/apt/archives"
        archives.mkdir(parents=True)
        (archives / "one.deb").write_bytes(b"one")
        # The other one is a moment quicker.
        theirs = install.cache(paths, "openrc-1", ["one"])
        theirs.mkdir()
        (theirs / "one.deb").write_bytes(b"one")

    monkeypatch.setattr(install, "run", run)
    monkeypatch.setattr(bases, "debian_mirror", lambda: ARCHIVE)
    assert [file.name for file in install.download(paths, "openrc-1", ["one"])] == ["one.deb"]


def test_interrupted_download_is_repeated(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_arguments: Any, **_options: Any) -> None:
        raise LabError("no such package")

    monkeypatch.setattr(install, "run", fails)
    monkeypatch.setattr(bases, "debian_mirror", lambda: ARCHIVE)
    with pytest.raises(LabError):
        install.download(paths, "systemd-1", ["none"])
    assert not install.cache(paths, "systemd-1", ["none"]).exists()
    monkeypatch.setattr(bases, "debian_mirror", lambda: None)
    with pytest.raises(LabError, match="no Debian archive"):
        install.download(paths, "systemd-1", ["none"])


def test_failure_of_dpkg_is_told(paths: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "a.deb"
    file.write_text("a", encoding="utf-8")

    class Record:
        name, base = "w1", "systemd-1"

    class Lab:
        pass

    monkeypatch.setattr(Lab, "paths", paths, raising=False)
    monkeypatch.setattr(install, "download", lambda *_arguments: [file])
    script = ["sh", "-c", "tar -t; echo broken >&2; exit 3"]
    monkeypatch.setattr(host, "ssh_command", lambda *_arguments: script)
    lab: Any = Lab()
    record: Any = Record()
    with pytest.raises(LabError, match=r"(?s)w1: dpkg ended with 3 for one:.*a\.deb.*broken"):
        install.install(lab, record, ["one"])
    monkeypatch.setattr(host, "ssh_command", lambda *_arguments: ["sh", "-c", "cat >/dev/null"])
    assert install.install(lab, record, ["one"]) == ["a.deb"]
    monkeypatch.setattr(install, "download", lambda *_arguments: [])
    monkeypatch.setattr(subprocess, "run", None)
    assert install.install(lab, record, ["one"]) == []
