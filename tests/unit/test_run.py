# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test driver counts what was really run, runs two scenarios at once, and clears up."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from lab.config import LabError, Network
from tests import changes, lanes, planning, run
from tests.scenarios import CONVERGED, Scenario, Start, Step

REPORT = "<testsuites><testsuite {}/></testsuites>"


@pytest.fixture(autouse=True)
def _process_stays_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr(run, "environment", lambda: None)
    monkeypatch.setattr(run, "OUTPUT", tmp_path / "output")
    monkeypatch.setattr(run, "missing_caches", lambda names: (0.0, {}, {}))
    monkeypatch.setattr(changes, "read", lambda repo: changes.Changes())
    monkeypatch.delenv("TEST_MINUTES", raising=False)
    monkeypatch.delenv("TEST_STARTED", raising=False)
    # No lab is touched: what would take one down leaves a file.
    monkeypatch.setattr(
        lanes,
        "DOWN",
        (sys.executable, "-c", f"import os; open(f'{tmp_path}/' + os.environ['BMK_LAB_NAME'], 'w')"),
    )
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
    assert lanes.count(report, code) == expected


def test_failures_are_named_with_what_they_said(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        '<testsuites><testsuite tests="3" errors="1" failures="1" skipped="0">'
        '<testcase classname="a.b" name="good"/>'
        '<testcase classname="a.b" name="bad"><failure message="assert 1 == 2&#10;more">trace</failure></testcase>'
        '<testcase classname="a.b" name="broken"><error>trace</error></testcase>'
        "</testsuite></testsuites>",
        encoding="utf-8",
    )
    assert lanes.failures(report) == ("a.b::bad: assert 1 == 2 more", "a.b::broken: error")
    assert lanes.failures(tmp_path / "none.xml") == ()


def test_failures_are_the_last_thing_before_the_count(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Whoever sees only the end of a log knows what failed."""
    case = '<testcase classname="x" name="t"><failure message="why"/></testcase>'
    made = tmp_path / "made.xml"
    made.write_text(
        f'<testsuite tests="12" errors="0" failures="12">{case * 12}</testsuite>', encoding="utf-8"
    )
    code = f"import shutil, sys; shutil.copy({str(made)!r}, sys.argv[1].partition('=')[2]); sys.exit(1)"
    step = Step("a", (sys.executable, "-c", code, "--junit-xml={report}"), report=True)
    said = _step("b", "print('lab: no room\\n\\nnext: make room'); raise SystemExit(3)")
    assert _run(monkeypatch, _scenario("worse", said), _scenario("bad", step)) == 1
    closing = capsys.readouterr().out.rstrip().rpartition("Failed:\n")[2].splitlines()
    assert closing[0] == "  worse b: exit code 3: lab: no room next: make room"
    assert closing[1] == "  bad a: x::t: why"
    assert closing[-3] == "  and 3 more"
    assert closing[-1] == "0 passed, 13 failed"


def _python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def _step(name: str, code: str = "", **fields: object) -> Step:
    return Step(name, _python(code), **fields)  # type: ignore[arg-type]


def _scenario(name: str, *steps: Step, **fields: object) -> Scenario:
    defaults: dict[str, object] = {"proves": "it works", "seconds": 1, "paths": ("*",), "memory": 1}
    return Scenario(name=name, steps=steps, **{**defaults, **fields})  # type: ignore[arg-type]


FAIL = "raise SystemExit(1)"


def _run(
    monkeypatch: pytest.MonkeyPatch, *scenarios: Scenario, argv: Sequence[str] = (), count: int = 1
) -> int:
    table = {scenario.name: scenario for scenario in scenarios}
    monkeypatch.setattr(run, "TABLE", scenarios)
    monkeypatch.setattr(run, "SCENARIOS", table)
    monkeypatch.setattr(planning, "lanes", lambda choices, available, cores: count)
    return run.main(argv)


@pytest.mark.parametrize("count", [1, 2])
def test_all_passed(count: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    one = _scenario("one", _step("a"), _step("b", needs=("a",)))
    assert _run(monkeypatch, one, _scenario("two", _step("a")), count=count) == 0
    assert capsys.readouterr().out.rstrip().endswith("\n3 passed, 0 failed")


def test_two_lanes_run_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Each waits for the other one's file.
    code = (
        "import pathlib, sys, time\n"
        f"here = pathlib.Path({str(tmp_path)!r})\n"
        "(here / {0!r}).touch()\n"
        "end = time.monotonic() + 30\n"
        "while not (here / {1!r}).exists():\n"
        "    time.sleep(0.05)\n"
        "    if time.monotonic() > end: sys.exit(1)\n"
    )
    scenarios = (
        _scenario("one", _step("a", code.format("left", "right"))),
        _scenario("two", _step("a", code.format("right", "left"))),
    )
    assert _run(monkeypatch, *scenarios, count=2) == 0


def test_what_measures_time_runs_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, time\n"
        f"busy = pathlib.Path({str(tmp_path / 'busy')!r})\n"
        "if busy.exists(): sys.exit(1)\n"
        "busy.touch(); time.sleep(0.5); busy.unlink()\n"
    )
    scenarios = [_scenario(name, _step("a", code), measures_time=True) for name in ("one", "two", "three")]
    assert _run(monkeypatch, *scenarios, count=2) == 0


@pytest.mark.parametrize("count", [1, 2])
def test_steps_after_a_failure_count_as_failed(
    count: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chain = _scenario(
        "chain",
        _step("create", FAIL),
        _step("converge", needs=("create",)),
        _step("verify", needs=("converge",)),
        _step("other"),
    )
    assert _run(monkeypatch, chain, count=count) == 1
    out = capsys.readouterr().out
    assert out.rstrip().endswith("\n1 passed, 3 failed")
    assert "not run: `chain create` did not pass" in out
    assert "not run: `chain converge` did not pass" in out


def test_output_of_a_failure_is_shown_in_full_and_that_of_a_success_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    good = _scenario("good", _step("a", "print('noise'); print('the last line')"))
    bad = _scenario("bad", _step("a", "print('first'); print('second'); raise SystemExit(3)"))
    assert _run(monkeypatch, good, bad, count=2) == 1
    out = capsys.readouterr().out
    assert "bad a | first\nbad a | second\n" in out
    assert "the last line" in out
    assert "noise" not in out
    assert (tmp_path / "output" / "good-a.log").read_text(encoding="utf-8") == "noise\nthe last line\n"


def test_one_lane_shows_all_that_its_steps_print(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, _scenario("one", _step("a", "print('noise'); print('the last line')"))) == 0
    assert "noise\nthe last line\n" in capfd.readouterr().out


def test_what_does_not_fit_is_named_with_its_command_and_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    always = _scenario("short", _step("a"), always=True)
    assert _run(monkeypatch, always, _scenario("long", _step("a"), seconds=7200)) == 0
    out = capsys.readouterr().out
    assert "long: takes about 120 min, which did not fit into the budget of 60 min" in out
    assert "make test SCENARIO=long" in out
    assert out.rstrip().endswith("\n1 passed, 0 failed")


@pytest.mark.parametrize("argv", [["--all"], ["long"]])
def test_what_is_asked_for_runs_whatever_it_takes(argv: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_MINUTES", "1")
    assert _run(monkeypatch, _scenario("long", _step("a", FAIL), seconds=7200), argv=argv) == 1


def test_time_before_the_start_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEST_STARTED", str(time.time() - 3000))
    assert _run(monkeypatch, _scenario("long", _step("a"), seconds=900)) == 0
    assert "(10 min left" in capsys.readouterr().out


def test_interruption_ends_everything_and_removes_all_labs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The command starts another one, as make or molecule would: neither may live on.
    kill = (
        "import os, pathlib, signal, subprocess, sys, time;"
        " child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True);"
        f" pathlib.Path({str(tmp_path / 'child')!r}).write_text(str(child.pid));"
        " time.sleep(1); os.kill(os.getppid(), signal.SIGTERM); time.sleep(60)"
    )
    scenarios = (
        _scenario("killer", _step("a", kill), _step("b"), start=Start.FRESH, labs=("extra",)),
        _scenario("other", _step("a", "import time; time.sleep(60)"), start=Start.FRESH),
        _scenario("later", _step("a")),
    )
    assert _run(monkeypatch, *scenarios, count=2) == 130
    state = Path("/proc", (tmp_path / "child").read_text(encoding="utf-8"), "stat")
    # Nobody may be there to collect it, so being a zombie is as good as being gone.
    assert not state.exists() or state.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    first, second = (lab.name for lab in run.labs(tmp_path, 2))
    assert {first, second, "extra"} <= {file.name for file in tmp_path.iterdir()}
    out = capsys.readouterr().out
    assert "later: SIGTERM" in out
    # Three labs are gone; two commands were ended and one was not begun.
    assert out.rstrip().endswith("\n3 passed, 3 failed")


def test_labs_are_taken_down_at_the_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with_lab = _scenario("one", _step("a"), start=Start.FRESH, labs=("extra",))
    assert _run(monkeypatch, with_lab, _scenario("two", _step("a")), count=2) == 0
    first, second = (lab.name for lab in run.labs(tmp_path, 2))
    there = {file.name for file in tmp_path.iterdir()}
    assert first in there
    # Nothing used the second one, and the scenario removed its own.
    assert not there & {second, "extra"}


LAB = lanes.Lab("bmk", "10.61.0.0/24", Path("/state"), Path("/inventory"), Path("/output"))
USER = _scenario("user", _step("verify"), start=Start.CLUSTER)


@pytest.mark.parametrize(
    ("one", "lane", "expected"),
    [
        (_scenario("plain", _step("a")), lanes.Lane(LAB), ["plain a"]),
        (
            USER,
            lanes.Lane(LAB),
            ["bmk down for user", "bmk up for user", "bmk site for user", "bmk save for user", "user verify"],
        ),
        (USER, lanes.Lane(LAB, cluster=True), ["user restore", "user verify"]),
        (USER, lanes.Lane(LAB, cluster=True, pristine=True), ["user verify"]),
        (_scenario("fresh", _step("a"), start=Start.FRESH), lanes.Lane(LAB, cluster=True), ["fresh a"]),
        (
            _scenario("audit", _step("a"), start=Start.CLUSTER, artifacts=("tool",)),
            lanes.Lane(LAB, cluster=True),
            ["make tool", "audit restore", "audit a"],
        ),
    ],
)
def test_commands(one: Scenario, lane: lanes.Lane, expected: list[str]) -> None:
    found = lanes.commands(one, lane)
    assert [command.name for command in found] == expected
    with_lab = [command for command in found if command.lab]
    assert all(command.environment["BMK_LAB_NAME"] == "bmk" for command in with_lab)
    assert all(
        command.environment["BMK_ANSIBLE_LOG"] == f"/output/ansible-{one.name}.log" for command in with_lab
    )
    assert all(
        CONVERGED in command.argv for command in found if command.name.split()[1] in ("restore", "save")
    )


def test_a_cluster_that_cannot_be_created_is_tried_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    default = _scenario("default", _step("converge", FAIL), start=Start.FRESH, always=True)
    assert _run(monkeypatch, default, USER) == 1
    out = capsys.readouterr().out
    assert "not run: `default converge` did not pass" in out
    assert "=== bmk" not in out


@pytest.mark.parametrize(
    ("name", "subnet", "taken", "expected"),
    [
        ("bmk", "10.61.0.0/24", (), ("bmk2", "10.65.0.0/24")),
        ("abcdef", "10.61.0.0/16", (), ("abcde2", "10.65.0.0/16")),
        # A lab that was killed has left its bridge.
        ("bmk", "10.61.0.0/24", ("10.65.0.0/24", "10.69.0.0/24"), ("bmk2", "10.70.0.0/24")),
    ],
)
def test_second_lab(name: str, subnet: str, taken: tuple[str, ...], expected: tuple[str, str]) -> None:
    assert run.second_lab(name, subnet, lambda network: str(network) not in taken) == expected


def test_second_lab_where_no_network_is_free() -> None:
    """`lab up` then says which route is in the way."""
    assert run.second_lab("bmk", "10.61.0.0/24", lambda _: False) == ("bmk2", "10.65.0.0/24")


def test_subnet_with_a_route_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(network: Network) -> None:
        if str(network.subnet) == "10.65.0.0/24":
            raise LabError("a route", "another subnet")

    monkeypatch.setattr(run, "check_subnet_free", refuse)
    assert [run.subnet_free(IPv4Network(f"10.{n}.0.0/24")) for n in (65, 69)] == [False, True]


@pytest.mark.parametrize(
    ("given", "variable", "expected"),
    [
        ({}, "", 3600.0),
        ({}, "20", 1200.0),
        ({"minutes": 5.0}, "20", 300.0),
        ({"all": True}, "20", None),
        ({"scenarios": ["reset"]}, "20", None),
        ({"scenarios": ["reset"], "minutes": 5.0}, "", 300.0),
    ],
)
def test_budget(
    given: dict[str, object], variable: str, expected: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_MINUTES", variable)
    defaults: dict[str, object] = {"minutes": None, "all": False, "scenarios": []}
    assert run.budget(argparse.Namespace(**{**defaults, **given})) == expected


def test_wrong_budget_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_MINUTES", "soon")
    with pytest.raises(SystemExit, match="expected a number of minutes"):
        run.main([])


@pytest.mark.parametrize(
    ("argv", "says"),
    [(["gate"], "expected some of: gates, unit, default"), (["--all", "gates"], "exclude each other")],
)
def test_wrong_command_line_is_refused(
    argv: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exited:
        run.main(argv)
    assert exited.value.code == 2
    assert says in capsys.readouterr().err


def test_table_of_scenarios_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--list"]) == 0
    assert all(name in capsys.readouterr().out for name in ("gates",))
