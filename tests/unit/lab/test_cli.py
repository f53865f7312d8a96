# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: errors become messages, options become what the lab is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lab import lifecycle
from lab.cli import app
from lab.config import HostSpec, LabError, settings
from lab.state import HostRecord, State, save

runner = CliRunner()


@pytest.fixture(autouse=True)
def _own_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BMK_LAB_NAME", "bmu")
    monkeypatch.setenv("BMK_LAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("BMK_LAB_CACHE", str(tmp_path / "cache"))


def test_every_command_has_help() -> None:
    text = runner.invoke(app, ["--help"]).output
    for name in ("up", "down", "status", "ssh", "add", "stop", "start", "artifacts", "free"):
        assert f" {name} " in text


def test_errors_have_message_hint_and_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise LabError("host w1: no ssh", "look at its console")

    monkeypatch.setattr(lifecycle, "down", fail)
    result = runner.invoke(app, ["down"])
    assert result.exit_code == 1
    assert "lab: host w1: no ssh\n  -> look at its console" in result.output


def test_up_passes_hosts_and_choice_of_artifacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(
        lifecycle, "up", lambda lab, specs, artifacts, report: seen.append((specs, artifacts))
    )
    file = tmp_path / "hosts.yml"
    file.write_text("hosts: [{name: a, kind: openrc, role: worker}]\n")
    assert runner.invoke(app, ["up"]).exit_code == 0
    assert runner.invoke(app, ["up", "--no-artifacts", "--hosts", str(file)]).exit_code == 0
    assert seen == [(None, True), ((HostSpec("a", "openrc", "worker"),), False)]


def test_bad_hosts_file_stops_before_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "up", lambda *_: pytest.fail("up was called"))
    file = tmp_path / "hosts.yml"
    file.write_text("hosts: [{name: A, kind: openrc, role: worker}]\n")
    result = runner.invoke(app, ["up", "--hosts", str(file)])
    assert result.exit_code == 1
    assert "lower-case" in result.output


def test_ssh_keeps_the_commands_own_options(monkeypatch: pytest.MonkeyPatch) -> None:
    save(settings().paths, State(hosts={"w1": HostRecord("w1", "openrc", "worker", "10.61.0.10", "b")}))
    seen: list[list[str]] = []
    monkeypatch.setattr("os.execvp", lambda program, argv: seen.append(argv))
    assert runner.invoke(app, ["ssh", "w1", "ls", "-l", "--all"]).exit_code == 0
    assert seen[0][-2:] == ["root@10.61.0.10", "ls -l --all"]


def test_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    for command in (["ssh", "w9"], ["stop", "w9"]):
        result = runner.invoke(app, command)
        assert result.exit_code == 1
        assert "there is no host w9" in result.output


def test_status_of_no_lab() -> None:
    result = runner.invoke(app, ["status"])
    assert result.exit_code == 0
    assert "lab bmu" in result.output
