# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environments of the matrix: which they are, how they are entered, and what is counted."""

from __future__ import annotations

import itertools
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests import lanes
from tests.matrix import __main__ as matrix
from tests.matrix import environment
from tests.matrix.environment import ENVIRONMENTS, REPO, Place
from tests.scenarios import SCENARIOS

REPORT = '<testsuites><testsuite tests="1" errors="0" failures="{}" skipped="0"/></testsuites>'


def test_oldest_is_the_lower_end_of_what_the_collection_accepts() -> None:
    runtime = yaml.safe_load((REPO / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    assert runtime["requires_ansible"] == f">={ENVIRONMENTS['oldest'].core}"


def test_every_change_makes_another_environment() -> None:
    oldest = ENVIRONMENTS["oldest"]
    keys = [
        oldest.key(["a", "b"]),
        oldest.key(["b"]),
        *(
            replace(oldest, **{name: "x"}).key(["a", "b"])
            for name in ("suite", "python", "core", "package", "pip")
        ),
    ]
    assert len(set(keys)) == len(keys)
    assert oldest.key(["a", "b"]) == oldest.key(["b", "a"])
    assert all(key.startswith("oldest-") for key in keys)


def test_packages_are_those_of_the_collection_and_of_its_tests() -> None:
    found = environment.packages(ENVIRONMENTS["oldest"])
    assert found[0] == f"ansible-core=={ENVIRONMENTS['oldest'].core}"
    assert any(entry.startswith("kubernetes>=") for entry in found)
    assert any(entry.startswith("pytest>=") for entry in found)
    # It would bring another ansible-core.
    assert not any(entry.startswith("ansible>") for entry in found)


def test_only_what_leads_to_the_registry_is_carried_inside() -> None:
    found = environment.variables(
        {"PIP_INDEX_URL": "u", "https_proxy": "p", "NO_PROXY": "n", "ANSIBLE_CONFIG": "x", "TOKEN": "secret"}
    )
    assert {"PIP_INDEX_URL": "u", "https_proxy": "p", "NO_PROXY": "n"}.items() <= found.items()
    assert not {"ANSIBLE_CONFIG", "TOKEN"} & set(found)


def test_command_names_directories_and_ends_with_what_is_run(tmp_path: Path) -> None:
    place = Place(ENVIRONMENTS["newest"], tmp_path / "root", tmp_path / "cache")
    command = place.command(["ansible", "--version"], "/src", {tmp_path / "copy": "/src"})
    assert command[-3:] == ["--", "ansible", "--version"]
    pairs = list(itertools.pairwise(command))
    assert (str(tmp_path / "copy"), "/src") in pairs
    assert (str(tmp_path / "cache" / "venv"), "/venv") in pairs


def test_environments_that_nobody_uses_go(tmp_path: Path) -> None:
    for name, age in (("oldest-1", 0), ("oldest-2", 1000)):
        marker = tmp_path / name / "complete"
        marker.parent.mkdir()
        marker.touch()
        os.utime(marker, (time.time() - age, time.time() - age))
    (tmp_path / "roots" / "python-1").mkdir(parents=True)
    environment._remove_unused(tmp_path, time.time() - 500)
    assert {path.name for path in tmp_path.iterdir()} == {"oldest-1", "roots"}


def test_reports_are_merged_and_counted(tmp_path: Path) -> None:
    reports = []
    for number, failures in enumerate((0, 1, 0)):
        reports.append(tmp_path / f"{number}.xml")
        reports[-1].write_text(REPORT.format(failures), encoding="utf-8")
    merged = tmp_path / "merged.xml"
    matrix.merge(reports, merged)
    assert lanes.count(merged, 1) == (2, 1, 0)


def test_a_command_without_an_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(ENVIRONMENTS["oldest"], tmp_path, tmp_path)
    monkeypatch.setattr(Place, "command", lambda self, argv, directory, binds: list(argv))
    assert place.run(["sleep", "60"], log=tmp_path / "log", limit=0.2) == 124
    assert place.run(["true"], log=tmp_path / "log", limit=60) == 0
    assert place.run(["sh", "-c", "exit 3"], log=tmp_path / "log") == 3


def test_a_hopeless_command_is_killed_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(ENVIRONMENTS["oldest"], tmp_path, tmp_path)
    monkeypatch.setattr(Place, "command", lambda self, argv, directory, binds: list(argv))
    monkeypatch.setattr(environment, "_POLL_SECONDS", 0.1)
    argv = ["sh", "-c", "echo lost; exec sleep 60"]
    began = time.monotonic()
    assert place.run(argv, log=tmp_path / "log", limit=60, hopeless=lambda text: "lost" in text) == 124
    assert time.monotonic() - began < 30


def test_a_result_that_ansible_lost_is_told_from_other_failures() -> None:
    lost = "Exception in thread Thread-3 (results_thread_main):\nKeyError: ('cp1', '02fc-17')\n"
    assert matrix.lost_result(lost)
    assert not matrix.lost_result("fatal: [cp1]: FAILED! => KeyError: 'node'")


def test_deprecations_are_found() -> None:
    lines = [
        "TASK [x]",
        "[WARNING]: harmless",
        "[DEPRECATION WARNING]: gone in 2.24",
        "ok: [DEPRECATION WARNING]",
    ]
    assert matrix.deprecations("\n".join(lines)) == lines[2:3]


def test_a_warning_that_another_collection_always_gives_does_not_count() -> None:
    values = "[DEPRECATION WARNING]: The 'status.values' return value is deprecated and will be removed."
    assert (
        matrix.deprecations(f"{values} It will be removed from collection 'kubernetes.core' version 8.0.0.")
        == []
    )
    assert matrix.deprecations(f"{values} It will be removed from collection 'baremetal.kubernetes'.")


def test_nothing_to_merge_is_no_report(tmp_path: Path) -> None:
    matrix.merge([], tmp_path / "merged.xml")
    assert lanes.count(tmp_path / "merged.xml", 0) == (0, 1, 0)


@pytest.mark.parametrize("argv", [[], ["oldest"], ["other", "unit"], ["oldest", "all"]])
def test_wrong_command_line(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert matrix.main(argv) == 2
    assert "usage" in capsys.readouterr().err


def test_reports_are_where_the_driver_looks(tmp_path: Path) -> None:
    """The names are made in two places."""
    steps = {step.name for step in SCENARIOS["matrix"].steps}
    for name in ENVIRONMENTS:
        for task in ("unit", "sanity"):
            assert f"{name} {task}" in steps
            assert lanes.report_path(tmp_path, f"matrix {name} {task}").name == f"matrix-{name}-{task}.xml"
