# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lab.artifacts import catalogue
from tests.conformance import __main__ as command
from tests.conformance import listed, report
from tests.conformance.__main__ import Conformance, ConformanceError
from tests.conformance.report import Result
from tests.infra.fixtures import NEXT

APP = typer.Typer()
APP.command()(command.main)


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No lab and no cluster: each step is noted, and every spec passes.

    :return: what was done.
    """
    done: list[str] = []

    def specs(runs: Conformance, cluster: str) -> None:
        done.append(f"specs {cluster}")
        found = [Result("a", "passed", 1.0)]
        runs.verdicts.append(report.evaluate(cluster, "1", 1.0, found, ["a"], (), ()))

    monkeypatch.setattr(command, "OUTPUT", tmp_path)
    monkeypatch.setattr(command, "run_lab", lambda *words: done.append(f"lab {' '.join(words)}"))
    monkeypatch.setattr(signal, "signal", lambda *_given: None)
    monkeypatch.setattr(Conformance, "prepare", lambda _runs, clusters: done.append(f"make {clusters}"))
    monkeypatch.setattr(Conformance, "playbook", lambda _runs, name, *_given: done.append(name))
    monkeypatch.setattr(Conformance, "specs", specs)
    return done


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", ["lab down", "lab up", "site", "specs site", "upgrade", "specs upgraded", "lab down"]),
        ("--keep", ["lab down", "lab up", "site", "specs site", "upgrade", "specs upgraded"]),
        ("--cluster site", ["lab down", "lab up", "site", "specs site", "lab down"]),
        # There is no upgraded cluster without one by site.
        ("--cluster upgraded", ["lab down", "lab up", "site", "upgrade", "specs upgraded", "lab down"]),
        ("--existing --cluster site", ["specs site"]),
        ("--existing --cluster upgraded", ["specs upgraded"]),
        ("--existing", ["specs site", "upgrade", "specs upgraded"]),
    ],
)
def test_steps_follow_the_arguments(steps: list[str], arguments: str, expected: list[str]) -> None:
    done = CliRunner().invoke(APP, arguments.split())

    assert done.exit_code == 0, done.output
    assert steps[1:] == expected
    assert steps[0].startswith("make ")


def test_a_spec_that_fails_ends_the_run_with_code_1(
    steps: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def specs(runs: Conformance, cluster: str) -> None:
        found = [Result("a", "passed", 1.0), Result("b", "failed", 1.0, "no answer")]
        runs.verdicts.append(report.evaluate(cluster, "1", 1.0, found, ["a", "b"], (), ()))

    monkeypatch.setattr(Conformance, "specs", specs)

    done = CliRunner().invoke(APP, ["--cluster", "site"])

    assert done.exit_code == 1
    assert "b: no answer" in done.output
    (figures,) = json.loads((tmp_path / "conformance.json").read_text(encoding="utf-8"))
    assert figures["failed"] == {"b": "no answer"}


def test_a_playbook_that_fails_is_told_and_the_lab_removed(
    steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def playbook(_runs: Conformance, name: str, *_given: str) -> None:
        raise ConformanceError(f"the playbook {name} ended with code 2; see {name}.log")

    monkeypatch.setattr(Conformance, "playbook", playbook)

    done = CliRunner().invoke(APP, [])

    assert done.exit_code == 1
    assert "the playbook site ended with code 2" in done.output
    assert steps[1:] == ["lab down", "lab up", "lab down"]


def test_an_unknown_cluster_is_refused(steps: list[str]) -> None:
    done = CliRunner().invoke(APP, ["--cluster", "other"])

    assert done.exit_code == 2
    assert not steps


def test_every_cluster_has_its_files() -> None:
    runs_for = {name: command.FILES[name] for name in listed.CLUSTERS}

    assert all(runs_for.values())
    files = catalogue.load().files
    for tests, kubectl in runs_for.values():
        assert files[tests].version == files[kubectl].version
        assert files[tests].group == command.GROUP
    assert files["kubectl@1.37.1"].group == NEXT
