# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test driver counts what was really run."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import run

REPORT = "<testsuites><testsuite {}/></testsuites>"


@pytest.fixture(autouse=True)
def _process_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(run, "environment", lambda: None)
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@pytest.mark.parametrize(
    ("numbers", "code", "expected"),
    [
        ({"tests": 5, "errors": 0, "failures": 0, "skipped": 0}, 0, (5, 0, 0)),
        ({"tests": 5, "errors": 1, "failures": 2, "skipped": 1}, 1, (1, 3, 1)),
        # All that was counted passed, and still the command failed: a crash at the end.
        ({"tests": 5, "errors": 0, "failures": 0, "skipped": 0}, 3, (5, 1, 0)),
        # pytest's "no tests collected"
        ({"tests": 0, "errors": 0, "failures": 0, "skipped": 0}, 5, (0, 1, 0)),
        (None, 0, (0, 1, 0)),
        (None, 2, (0, 1, 0)),
    ],
)
def test_count(
    numbers: dict[str, int] | None, code: int, expected: tuple[int, int, int], tmp_path: Path
) -> None:
    report = tmp_path / "report.xml"
    if numbers is not None:
        report.write_text(
            REPORT.format(" ".join(f'{key}="{value}"' for key, value in numbers.items())), encoding="utf-8"
        )
    assert run.count(report, code) == expected


def _phase(name: str, code: int, **options: object) -> run.Phase:
    return run.Phase(name, "unit", (sys.executable, "-c", f"raise SystemExit({code})"), **options)  # type: ignore[arg-type]


def _run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *phases: run.Phase) -> int:
    monkeypatch.setattr(run, "OUTPUT", tmp_path / "output")
    monkeypatch.setattr(run, "phases", lambda: phases)
    return run.main([])


def test_all_passed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, tmp_path, _phase("one", 0), _phase("two", 0, needs=("one",))) == 0
    assert capsys.readouterr().out.rstrip().endswith("\n2 passed, 0 failed")


def test_what_follows_a_failure_counts_as_failed_and_clearing_up_still_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    phases = (
        _phase("create", 1),
        _phase("converge", 0, needs=("create",)),
        _phase("verify", 0, needs=("converge",)),
        _phase("destroy", 0, always=True),
    )
    assert _run(monkeypatch, tmp_path, *phases) == 1
    out = capsys.readouterr().out
    assert out.rstrip().endswith("\n1 passed, 3 failed")
    assert "not run: `create` did not pass" in out
    assert "not run: `converge` did not pass" in out


def test_interruption_still_clears_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The command starts another one, as make or molecule would: neither may live on.
    kill = (
        "import os, signal, subprocess, sys, time;"
        " child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        f" open({str(tmp_path / 'child')!r}, 'w').write(str(child.pid));"
        " os.kill(os.getppid(), signal.SIGTERM); time.sleep(60)"
    )
    phases = (
        run.Phase("long", "unit", (sys.executable, "-c", kill)),
        _phase("next", 0),
        run.Phase(
            "destroy",
            "unit",
            (sys.executable, "-c", f"open({str(tmp_path / 'cleared')!r}, 'w')"),
            always=True,
        ),
    )
    assert _run(monkeypatch, tmp_path, *phases) == 130
    assert (tmp_path / "cleared").exists()
    state = Path("/proc", (tmp_path / "child").read_text(encoding="utf-8"), "stat")
    # Nobody may be there to collect it, so being a zombie is as good as being gone.
    assert not state.exists() or state.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    assert capsys.readouterr().out.rstrip().endswith("\n1 passed, 2 failed")


def test_unknown_group_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["gate"]) == 2
    assert "expected some of: gates, unit, reports, matrix, lab, molecule" in capsys.readouterr().err
