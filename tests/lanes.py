# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the steps of scenarios, up to two scenarios at the same time, each lane with a lab of its own.

One loop watches all processes, so an interruption ends all of them and then removes all labs.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

from lab import state
from tests import planning
from tests.bench import watch
from tests.planning import Choice, LeftOut
from tests.scenarios import CONVERGED, Scenario, Start, Step

REPO = Path(__file__).resolve().parent.parent
#: Seconds that an interrupted command has to end by itself.
GRACE = 10.0
#: Seconds between two looks at the processes, and between two lines that say what runs.
POLL, HEARTBEAT = 0.2, 60.0
#: A command's error is in the last lines that it printed: what failed and what to do next.
SAID = 2
#: Seconds that a scenario in a lab may be planned ahead of the artifacts that it waits for.
MOMENT = 5.0
#: The step that shows whether a cluster can be created at all.
CREATED = "default converge"
DOWN = (sys.executable, "-m", "lab", "down")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
SITE = ("ansible-playbook", "baremetal.kubernetes.site")


@dataclass(frozen=True)
class Lab:
    """The lab of one lane.

    :param output: directory for Ansible's log.
    """

    name: str
    subnet: str
    state: Path
    inventory: Path
    output: Path

    def environment(self, scenario: str) -> dict[str, str]:
        """Variables for the steps of a scenario in this lab."""
        return {
            "BMK_LAB_NAME": self.name,
            "BMK_LAB_SUBNET": self.subnet,
            "BMK_LAB_STATE": str(self.state),
            "BMK_LAB_INVENTORY": str(self.inventory),
            "BMK_ANSIBLE_LOG": str(self.output / f"ansible-{scenario}.log"),
        }


@dataclass(frozen=True)
class Command:
    """A step with everything that it is run with.

    :param name: unique in a run. :param lab: name of its lab; empty when it has none.
    :param needs: commands that must have passed.
    """

    name: str
    argv: tuple[str, ...]
    lab: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    report: bool = False
    needs: tuple[str, ...] = ()
    prepares: bool = False
    saves: bool = False


@dataclass
class Result:
    """What became of a step.

    :param began: seconds since the beginning of the run.
    :param failures: the tests that failed, as far as its report names them.
    """

    step: Command
    began: float = 0.0
    seconds: float = 0.0
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    note: str = ""
    failures: tuple[str, ...] = ()


@dataclass
class Lane:
    """What runs one step after the other.

    :param cluster: whether its lab has a snapshot of a cluster.
    :param pristine: whether that cluster is up as it was saved.
    :param used: whether it ever had a lab.
    :param end: when its scenario will have ended, as planned.
    :param seconds: of the steps of the running scenario that tell how quick the machine is.
    """

    lab: Lab
    cluster: bool = False
    pristine: bool = False
    used: bool = False
    choice: Choice | None = None
    queue: deque[Command] = field(default_factory=deque)
    command: Command | None = None
    process: subprocess.Popen[bytes] | None = None
    sink: IO[bytes] | None = None
    began: float = 0.0
    scenario_began: float = 0.0
    end: float = 0.0
    seconds: float = 0.0
    shown: int = 0
    told: float = 0.0


def commands(scenario: Scenario, lane: Lane, created: tuple[str, ...] = ()) -> list[Command]:
    """The steps of a scenario, preceded by those that give it what it starts from.

    :param lane: as it is before.
    :param created: commands that must have passed before a cluster is created again.
    """
    with_lab = scenario.start is not Start.NOTHING
    lab = lane.lab.name if with_lab else ""
    environment = lane.lab.environment(scenario.name) if with_lab else {}
    first = _start(scenario, lane, environment, created)
    ready = (first[-1].name,) if first else ()
    own = [_command(scenario, step, lab, environment, ready) for step in scenario.steps]
    making = [
        Command(f"make {name}", (sys.executable, "-m", "lab", "artifacts", name), prepares=True)
        for name in scenario.artifacts
    ]
    return [*making, *first, *own]


def _command(
    scenario: Scenario, step: Step, lab: str, environment: dict[str, str], ready: tuple[str, ...]
) -> Command:
    name = f"{scenario.name} {step.name}"
    needs = tuple(f"{scenario.name} {need}" for need in step.needs) or ready
    return Command(name, step.argv, lab, environment, step.report, needs, step.prepares, step.saves)


def _start(
    scenario: Scenario, lane: Lane, environment: dict[str, str], created: tuple[str, ...]
) -> list[Command]:
    """What has to come before a scenario that starts from a cluster."""
    if scenario.start is not Start.CLUSTER or (lane.cluster and lane.pristine):
        return []
    python, lab = (sys.executable, "-m"), lane.lab
    snapshot = (*python, "tests.infra.snapshots")
    if lane.cluster:
        return [Command(f"{scenario.name} restore", (*snapshot, "restore", CONVERGED), lab.name, environment)]
    site = (SITE[0], "-i", str(lab.inventory), SITE[1])
    names = [f"{lab.name} {step} for {scenario.name}" for step in ("down", "up", "site", "save")]
    argvs: list[tuple[str, ...]] = [(*python, "lab", "down"), (*python, "lab", "up"), site]
    argvs.append((*snapshot, "save", CONVERGED))
    return [
        Command(
            name,
            argv,
            lab.name,
            environment,
            needs=(names[index - 1],) if index else created,
            prepares=True,
            saves=index == len(names) - 1,
        )
        for index, (name, argv) in enumerate(zip(names, argvs, strict=True))
    ]


def report_path(output: Path, name: str) -> Path:
    """Where the step `name` writes its JUnit report."""
    return output / f"{name.replace(' ', '-')}.xml"


def log_path(output: Path, name: str) -> Path:
    """Where everything is that the step `name` prints."""
    return output / f"{name.replace(' ', '-')}.log"


def count(report: Path, code: int) -> tuple[int, int, int]:
    """Numbers of passed, failed and skipped tests.

    :param report: a JUnit report; it need not exist, for the command may have died first.
    :param code: the command's exit code. A failure that no test accounts for (nothing was collected, a
        crash, no report) is one failed test.
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


def failures(report: Path) -> tuple[str, ...]:
    """The tests that failed, each with what it said on one line.

    :param report: a JUnit report; it need not exist.
    """
    found = []
    if report.exists():
        for case in ElementTree.parse(report).getroot().iter("testcase"):  # noqa: S314 - our own pytest wrote it
            for kind in ("failure", "error"):
                if (bad := case.find(kind)) is not None:
                    name = f"{case.get('classname', '')}::{case.get('name', '')}"
                    said = " ".join((bad.get("message") or kind).split())
                    found.append(f"{name}: {said}")
    return tuple(found)


class Runner:
    """Runs scenarios in lanes.

    :param labs: one for each lane.
    :param output: directory for logs and reports.
    :param budget: seconds since the beginning; none when everything has to run.
    :param began: the beginning, by the monotonic clock.
    :param building: seconds that making the artifacts of all labs will take.
    """

    def __init__(
        self, labs: Sequence[Lab], output: Path, budget: float | None, began: float, building: float = 0.0
    ) -> None:
        self.lanes = [Lane(lab) for lab in labs]
        self.output = output
        self.budget = budget
        self.building = building
        self.results: list[Result] = []
        self.left_out: tuple[LeftOut, ...] = ()
        self.interrupted = ""
        self._began = began
        self._factor = 1.0
        self._pending: list[Choice] = []

    @property
    def passed(self) -> int:
        return sum(result.passed for result in self.results)

    @property
    def failed(self) -> int:
        return sum(result.failed for result in self.results)

    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def say(self, text: str) -> None:
        print(f"[{self.elapsed():6.0f} s] {text}", flush=True)

    def run(self, choices: Sequence[Choice]) -> None:
        """Run scenarios, by priority, and remove the labs."""
        self._pending = list(choices)
        try:
            while self._advance():
                time.sleep(POLL)
        except KeyboardInterrupt as exc:
            self._stop(str(exc) or "interrupted")
        except BaseException:
            self._stop("internal error")
            raise
        finally:
            self._remove_labs()

    def _advance(self) -> bool:
        """Check all lanes once.

        :return: whether anything runs.
        """
        for lane in self.lanes:
            if lane.process is not None:
                self._watch(lane)
            if lane.process is None and lane.choice is not None:
                self._next_command(lane)
        if any(lane.choice is None for lane in self.lanes):
            self._begin()
        return any(lane.choice is not None for lane in self.lanes)

    # Scenarios

    def _begin(self) -> None:
        """Give each idle lane the scenario that the plan has for it now."""
        for index, lane in enumerate(self.lanes):
            if lane.choice is not None:
                continue
            now = self.elapsed()
            found = planning.plan(
                self._pending,
                [self._planned(one) for one in self.lanes],
                now,
                self.budget,
                self._factor,
                self._labs(),
            )
            choice = found.next_in(index, now + MOMENT)
            if choice is None:
                # Nothing will run any more when no lane is busy and none has anything to begin.
                self.left_out = found.left_out
                continue
            if choice.scenario.measures_time and any(one.choice is not None for one in self.lanes):
                continue
            self._pending.remove(choice)
            # No second try to create a cluster where the first one failed.
            created = () if self._has_not_failed(CREATED) else (CREATED,)
            lane.queue.extend(commands(choice.scenario, lane, created))
            if choice.scenario.start is not Start.NOTHING:
                lane.used = True
                if choice.scenario.start is Start.FRESH:
                    lane.cluster = lane.pristine = False
            lane.choice, lane.scenario_began, lane.seconds = choice, now, 0.0
            lane.end = next(slot.end for slot in found.slots if slot.choice is choice)
            if choice.scenario.always and choice.scenario.start is not Start.NOTHING:
                lane.end += self.building
            where = f" in lab {lane.lab.name}" if choice.scenario.start is not Start.NOTHING else ""
            self.say(f"{choice.name} begins{where} ({choice.why})")
            self._next_command(lane)
            if choice.scenario.measures_time:
                return

    def _planned(self, lane: Lane) -> planning.Lane:
        """A lane as the plan sees it: when it will be free, and what its lab will have then."""
        if lane.choice is None:
            # While a scenario that measures time runs, no lane is free.
            alone = [one for one in self.lanes if one.choice and one.choice.scenario.measures_time]
            return planning.Lane(self._planned(alone[0]).free if alone else 0.0, lane.cluster)
        scenario = lane.choice.scenario
        saved = scenario.start is Start.CLUSTER or any(step.saves for step in scenario.steps)
        # Later than planned: it may end at any moment, but has not.
        end = max(lane.end, self.elapsed() + MOMENT + 1)
        return planning.Lane(end, saved if scenario.start is not Start.NOTHING else lane.cluster)

    def _labs(self) -> float:
        """When the artifacts that all labs serve will be there, which the first lab makes."""
        for lane in self.lanes:
            commands_left = [lane.command, *lane.queue] if lane.command else list(lane.queue)
            if any(one is not None and one.name == "default lab up" for one in commands_left):
                return max(lane.scenario_began + self.building, self.elapsed() + MOMENT + 1)
        return 0.0

    def _end(self, lane: Lane) -> None:
        choice = lane.choice
        assert choice is not None
        scenario = choice.scenario
        names = {f"{scenario.name} {step.name}" for step in scenario.steps}
        own = [result for result in self.results if result.step.name in names]
        if scenario.name == "default" and not any(result.failed for result in own):
            self._factor = planning.scale(scenario.seconds, lane.seconds)
            self.say(f"this machine takes {self._factor:.2f} times the typical seconds")
        lane.choice = None

    # Commands

    def _next_command(self, lane: Lane) -> None:
        """Start the next step of a lane that can run; those that cannot are failures."""
        while lane.queue:
            command = lane.queue.popleft()
            missing = [need for need in command.needs if not self._has_passed(need)]
            if not missing:
                self._start(lane, command)
                return
            self._record(
                Result(command, self.elapsed(), failed=1, note=f"not run: `{missing[0]}` did not pass")
            )
        self._end(lane)

    def _has_passed(self, name: str) -> bool:
        return any(result.step.name == name and not result.failed for result in self.results)

    def _has_not_failed(self, name: str) -> bool:
        return not any(result.step.name == name and result.failed for result in self.results)

    def _start(self, lane: Lane, command: Command) -> None:
        report_path(self.output, command.name).unlink(missing_ok=True)
        self.output.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, **command.environment}
        report = f"--junit-xml={report_path(self.output, command.name)}"
        if command.report and "molecule" in command.argv:
            # molecule starts pytest itself.
            environment["PYTEST_ADDOPTS"] = f"{environment.get('PYTEST_ADDOPTS', '')} {report}".strip()
        argv = [report if argument == "--junit-xml={report}" else argument for argument in command.argv]
        if command.lab:
            lane.pristine = False
        lane.command, lane.began, lane.shown, lane.told = command, self.elapsed(), 0, self.elapsed()
        if len(self.lanes) == 1:
            print(f"\n=== {command.name} ===", flush=True)
        lane.sink = log_path(self.output, command.name).open("wb")
        lane.process = subprocess.Popen(
            argv,
            cwd=REPO,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=lane.sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _watch(self, lane: Lane) -> None:
        """Check whether a lane's step has ended, and show its output."""
        process, command = lane.process, lane.command
        assert process is not None and command is not None
        code = process.poll()
        if len(self.lanes) == 1:
            self._show_more(lane)
        elif code is None and self.elapsed() - lane.told >= HEARTBEAT:
            lane.told = self.elapsed()
            self.say(
                f"{command.name} has run for {self.elapsed() - lane.began:.0f} s: {self._last_line(command)}"
            )
        if code is not None:
            self._finished(lane, command, code)

    def _finished(self, lane: Lane, command: Command, code: int) -> None:
        if lane.sink is not None:
            lane.sink.close()
        lane.process = lane.sink = lane.command = None
        result = Result(command, lane.began, self.elapsed() - lane.began)
        if command.report:
            report = report_path(self.output, command.name)
            result.passed, result.failed, result.skipped = count(report, code)
            result.failures = failures(report)
        else:
            result.passed, result.failed = (1, 0) if code == 0 else (0, 1)
        if code != 0:
            result.note = f"exit code {code}"
            if not result.failures:
                result.failures = (f"{result.note}: {' '.join(self._last_lines(command, SAID))}",)
        if command.saves and code == 0:
            lane.cluster = lane.pristine = True
        if not command.prepares:
            lane.seconds += result.seconds
        self._record(result)

    def _record(self, result: Result) -> None:
        self.results.append(result)
        if len(self.lanes) == 1:
            return
        name, last = result.step.name, self._last_line(result.step)
        if result.failed:
            self.say(f"{name} FAILED after {result.seconds:.1f} s {result.note}")
            with contextlib.suppress(FileNotFoundError):
                text = log_path(self.output, name).read_text(encoding="utf-8", errors="replace")
                print("".join(f"{name} | {line}\n" for line in text.splitlines()), end="", flush=True)
        else:
            self.say(f"{name} passed in {result.seconds:.1f} s{f': {last}' if last else ''}")

    def _last_line(self, command: Command) -> str:
        return " ".join(self._last_lines(command, 1))[:150]

    def _last_lines(self, command: Command, number: int) -> list[str]:
        """What a step printed last, without empty lines and colours."""
        with contextlib.suppress(OSError):
            text = log_path(self.output, command.name).read_text(encoding="utf-8", errors="replace")
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            return [COLOUR.sub("", line) for line in lines[-number:]]
        return []

    def _show_more(self, lane: Lane) -> None:
        """Show what the only lane has printed since the last look."""
        assert lane.command is not None
        data = log_path(self.output, lane.command.name).read_bytes()
        if len(data) > lane.shown:
            sys.stdout.buffer.write(data[lane.shown :])
            sys.stdout.buffer.flush()
            lane.shown = len(data)

    # The end

    def _stop(self, reason: str) -> None:
        """End everything that runs; scenarios that have not begun are listed as not run."""
        self.interrupted = reason
        self.say(f"{reason}: ending what runs")
        running = [lane.process for lane in self.lanes if lane.process is not None]
        known: set[state.Process] = set()
        for number in (signal.SIGTERM, signal.SIGKILL):
            # Tests start playbooks in sessions of their own, so the process group is not enough.
            known |= _below(process.pid for process in running)
            for process in known:
                with contextlib.suppress(ProcessLookupError):
                    if process.alive():
                        os.kill(process.pid, number)
            deadline = time.monotonic() + GRACE
            while time.monotonic() < deadline and any(process.alive() for process in known):
                # Collects those that are our own children.
                for child in running:
                    child.poll()
                time.sleep(0.05)
        for lane in self.lanes:
            for command in [lane.command, *lane.queue]:
                if command is not None:
                    note = reason if command is lane.command else f"not run: {reason}"
                    self.results.append(Result(command, self.elapsed(), failed=1, note=note))
            lane.process = lane.command = None
            lane.queue.clear()
        self.left_out = tuple(LeftOut(choice.name, reason) for choice in self._pending)

    def _remove_labs(self) -> None:
        """Remove every lab that may exist, all at the same time."""
        environments = [lane.lab.environment("none") for lane in self.lanes if lane.used]
        if self.interrupted:
            # What was killed cannot remove its own labs.
            started = [lane.choice.scenario for lane in self.lanes if lane.choice is not None]
            environments += [_named(name) for scenario in started for name in scenario.labs]
        self._down(environments)

    def _down(self, environments: Iterable[dict[str, str]]) -> None:
        processes = []
        for environment in environments:
            name = environment["BMK_LAB_NAME"]
            command = Command(f"{name} down at the end", DOWN, name)
            began, log = self.elapsed(), log_path(self.output, command.name)
            with log.open("wb") as sink:
                # A session of its own: a second interruption must not reach it.
                process = subprocess.Popen(
                    command.argv,
                    cwd=REPO,
                    env=_without_lab() | environment,
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            processes.append((command, began, process))
        for command, began, process in processes:
            code = process.wait()
            result = Result(
                command, began, self.elapsed() - began, passed=int(code == 0), failed=int(code != 0)
            )
            self._record(result)


def _below(roots: Iterable[int]) -> set[state.Process]:
    """Processes and all that they started, as long as those in between live."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(stat.parent.name)] = watch.parent(stat.read_text(encoding="utf-8", errors="replace"))
    pids = {pid for root in roots for pid in watch.descendants(root, parents)}
    return {process for pid in pids if (process := state.identify(pid)) is not None}


def _named(lab: str) -> dict[str, str]:
    return {"BMK_LAB_NAME": lab}


def _without_lab() -> dict[str, str]:
    """The environment without what describes another lab."""
    names = ("BMK_LAB_NAME", "BMK_LAB_SUBNET", "BMK_LAB_STATE", "BMK_LAB_INVENTORY")
    return {key: value for key, value in os.environ.items() if key not in names}
