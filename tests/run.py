# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the test phases one after the other, and say at the end how many tests passed and how many failed.

    python -m tests.run                 everything, as `make test` does
    python -m tests.run gates unit      only these groups

Counts come from the JUnit reports that pytest and ansible-test write. A phase that writes none (a step of molecule) is
one test: its command succeeds or it does not. A phase whose forerunner failed is not run, and counts as failed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from xml.etree import ElementTree

REPO = Path(__file__).resolve().parent.parent
OUTPUT = REPO / "tests" / "output"
#: Seconds that an interrupted command has to end by itself.
GRACE = 10
GROUPS = ("gates", "unit", "reports", "matrix", "lab", "molecule")


@dataclass(frozen=True)
class Phase:
    """One command of the test.

    :param name: what the table calls it; unique.
    :param group: what it is asked for by on the command line.
    :param argv: the command, run in the checkout.
    :param report: whether it writes a JUnit report, named after the phase.
    :param needs: phases that must have passed, else running this one would say nothing.
    :param always: run it whatever came before, for it clears up.
    """

    name: str
    group: str
    argv: tuple[str, ...]
    report: bool = False
    needs: tuple[str, ...] = ()
    always: bool = False


@dataclass
class Result:
    """What became of a phase."""

    phase: Phase
    seconds: float = 0.0
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    note: str = ""


@dataclass
class Totals:
    """Sums over all phases."""

    results: list[Result] = field(default_factory=list)

    @property
    def passed(self) -> int:
        return sum(result.passed for result in self.results)

    @property
    def failed(self) -> int:
        return sum(result.failed for result in self.results)

    def has_passed(self, name: str) -> bool:
        return any(result.phase.name == name and not result.failed for result in self.results)


def _pytest(name: str, group: str, *args: str) -> Phase:
    return Phase(
        name, group, (sys.executable, "-m", "pytest", f"--junit-xml={report_path(name)}", *args), report=True
    )


def _molecule(
    step: str, *needs: str, scenario: str = "default", report: bool = False, always: bool = False
) -> Phase:
    """A step of a scenario. Other scenarios than `default` go on with the cluster that it leaves."""
    name = f"molecule {step}" if scenario == "default" else f"molecule {scenario} {step}"
    argv = (sys.executable, "-m", "molecule", "-c", "molecule/config.yml", step.split()[0], "-s", scenario)
    return Phase(name, "molecule", argv, report, tuple(f"molecule {need}" for need in needs), always)


def _matrix(name: str) -> tuple[Phase, ...]:
    """The phases on one of tests.matrix's environments."""

    def phase(task: str, *needs: str, report: bool = False) -> Phase:
        argv = (sys.executable, "-m", "tests.matrix", name, task)
        return Phase(
            f"matrix {name} {task}", "matrix", argv, report, tuple(f"matrix {name} {need}" for need in needs)
        )

    return (
        # By itself, as a first preparation takes its time.
        phase("prepare"),
        phase("unit", "prepare", report=True),
        phase("sanity", "prepare", report=True),
    )


def _site(name: str) -> Phase:
    """The cluster that molecule made, gone over by another version of Ansible."""
    argv = (sys.executable, "-m", "tests.matrix", name, "site")
    return Phase(f"molecule site {name}", "molecule", argv, needs=("molecule converge",))


def phases() -> tuple[Phase, ...]:
    """All phases in the order in which they run: the cheap ones first."""
    return (
        _pytest("gates", "gates", "tests/gates"),
        _pytest("unit", "unit", "--numprocesses=2", "--dist=loadfile", "tests/unit", "tests/templates"),
        _pytest("reports", "reports", "tests/reports"),
        *_matrix("oldest"),
        *_matrix("newest"),
        _pytest("lab", "lab", "tests/integration"),
        _molecule("destroy"),
        # Ahead of molecule's create, which shows nothing until it is done: a first build takes its time.
        Phase(
            "molecule lab up", "molecule", (sys.executable, "-m", "lab", "up"), needs=("molecule destroy",)
        ),
        _molecule("create", "lab up"),
        _molecule("converge", "create"),
        _molecule("idempotence", "converge"),
        *(_site(name) for name in ("oldest", "newest")),
        _molecule("verify", "converge", report=True),
        _molecule("verify", "converge", scenario="heal", report=True),
        _molecule("verify", "converge", scenario="cis", report=True),
        _molecule("verify", "converge", scenario="reconfigure", report=True),
        _molecule("verify", "converge", scenario="reset", report=True),
        # On hosts of its own: it makes a cluster against all odds.
        _molecule("destroy", scenario="faults"),
        _molecule("create", "faults destroy", scenario="faults"),
        _molecule("verify", "faults create", scenario="faults", report=True),
        _molecule("destroy at the end", always=True),
    )


def report_path(name: str) -> Path:
    """Where the phase `name` writes its JUnit report."""
    return OUTPUT / f"{name.replace(' ', '-')}.xml"


def count(report: Path, code: int) -> tuple[int, int, int]:
    """Numbers of passed, failed and skipped tests.

    :param report: a JUnit report; it need not exist, for the command may have died first.
    :param code: the command's exit code. A failure that no test accounts for (nothing was collected, a crash, no
        report) is one failed test.
    """
    passed = failed = skipped = 0
    if report.exists():
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):  # noqa: S314 - our own pytest wrote it
            total, errors, failures, omitted = (
                int(suite.get(key, "0")) for key in ("tests", "errors", "failures", "skipped")
            )
            failed += errors + failures
            skipped += omitted
            passed += total - errors - failures - omitted
    elif code == 0:
        return 0, 1, 0
    if code != 0 and failed == 0:
        failed = 1
    return passed, failed, skipped


def _run(argv: Sequence[str], env: dict[str, str]) -> int:
    """Run a command to its end; when this process is interrupted, end the command and all that it started."""
    process = subprocess.Popen(argv, cwd=REPO, env=env, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        return process.wait()
    except KeyboardInterrupt:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
        raise


def run_phase(phase: Phase, totals: Totals) -> Result:
    """Run one phase; its output goes straight to the terminal."""
    missing = [need for need in phase.needs if not totals.has_passed(need)]
    if missing:
        return Result(phase, failed=1, note=f"not run: `{missing[0]}` did not pass")
    print(f"\n=== {phase.name} ===", flush=True)
    report = report_path(phase.name)
    report.unlink(missing_ok=True)
    started = time.monotonic()
    env = dict(os.environ)
    if phase.report and phase.group == "molecule":
        # molecule starts pytest itself
        env["PYTEST_ADDOPTS"] = f"{env.get('PYTEST_ADDOPTS', '')} --junit-xml={report}".strip()
    code = _run(phase.argv, env)
    result = Result(phase, seconds=time.monotonic() - started)
    if phase.report:
        result.passed, result.failed, result.skipped = count(report, code)
    else:
        result.passed, result.failed = (1, 0) if code == 0 else (0, 1)
    if code != 0:
        result.note = f"exit code {code}"
    return result


def table(results: Sequence[Result]) -> str:
    """The phases with what they took and what came out, one line each."""
    lines = [f"{'phase':<30} {'seconds':>8} {'passed':>7} {'failed':>7} {'skipped':>8}"]
    lines += [
        f"{r.phase.name:<30} {r.seconds:>8.1f} {r.passed:>7} {r.failed:>7} {r.skipped:>8}  {r.note}".rstrip()
        for r in results
    ]
    lines.append(f"{'sum':<30} {sum(r.seconds for r in results):>8.1f}")
    return "\n".join(lines)


def environment() -> None:
    """What every phase gets: the checkout's own tools, its ansible.cfg, and molecule's scenarios at the root."""
    bin_dir = Path(sys.executable).parent
    os.environ["PATH"] = f"{bin_dir}{os.pathsep}{os.environ['PATH']}"
    os.environ.setdefault("ANSIBLE_CONFIG", str(REPO / "ansible.cfg"))
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    os.environ["MOLECULE_GLOB"] = "molecule/*/molecule.yml"
    # Its frames wrap every line of Ansible and pytest at 80 characters.
    os.environ.setdefault("MOLECULE_COMMAND_BORDERS", "false")
    from lab.config import settings

    os.environ.setdefault("BMK_ANSIBLE_LOG", str(OUTPUT / "ansible.log"))
    os.environ.setdefault("BMK_LAB_INVENTORY", str(settings().paths.inventory))


def _interrupted(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


def main(argv: Sequence[str]) -> int:
    """Run the groups named in `argv`, or all of them.

    :return: 0 when every test passed, 1 when one failed, 2 when the command line is wrong, 130 when interrupted.
    """
    unknown = [name for name in argv if name not in GROUPS]
    if unknown:
        print(f"tests.run: no group {unknown[0]!r}; expected some of: {', '.join(GROUPS)}", file=sys.stderr)
        return 2
    environment()
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    signal.signal(signal.SIGTERM, _interrupted)
    wanted = [phase for phase in phases() if not argv or phase.group in argv]
    totals = Totals()
    interrupted = ""
    for phase in wanted:
        if interrupted and not phase.always:
            totals.results.append(Result(phase, failed=1, note=f"not run: {interrupted}"))
            continue
        try:
            totals.results.append(run_phase(phase, totals))
        except KeyboardInterrupt as exc:
            # What clears up still runs: nothing of the lab may stay behind.
            interrupted = str(exc) or "interrupted"
            totals.results.append(Result(phase, failed=1, note=interrupted))
    print(f"\n{table(totals.results)}\n\n{totals.passed} passed, {totals.failed} failed", flush=True)
    if interrupted:
        return 130
    return 1 if totals.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
