# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run scenarios within a budget of time, and say at the end how many tests passed and how many failed.

python -m tests.run                 what fits into TEST_MINUTES (60), as `make test` does
python -m tests.run --all           everything
python -m tests.run gates default   only these, whatever they take; with --minutes N what fits
python -m tests.run --list          the table

Counts come from the JUnit reports that pytest and ansible-test write. A step that writes none is one test:
its command succeeds or it does not. A step is not run, and counts as failed, when one that it needs did not
pass. A scenario that is left out because of the budget counts as nothing; the table names it, with the
command that runs it.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import shutil
import signal
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from lab.config import LabError, Network
from lab.network import check_subnet_free
from tests import changes, planning
from tests.lanes import Lab, Result, Runner
from tests.planning import Choice, LeftOut
from tests.scenarios import SCENARIOS, TABLE

REPO = Path(__file__).resolve().parent.parent
OUTPUT = REPO / "tests" / "output"
#: What `make test` may take unless TEST_MINUTES says otherwise. CI ends a run after 90.
MINUTES = 60.0
GROUPS = tuple(SCENARIOS)
#: Subnets of the default lab and of the labs that scenarios create by themselves lie next to each other;
#: the second lab's is one of these distances from the first one's, in networks of a /16.
SECOND_SUBNETS = (4, *range(8, 24))
#: The name of a lab is part of interface names.
LAB_NAME = 6
#: The closing list of failures has this many lines, of this many characters: a run in CI may have left nothing else,
#: and the evidence of a deadline comes behind it.
SHOWN, WIDTH = 10, 600


def second_lab(name: str, subnet: str, free: Callable[[ipaddress.IPv4Network], bool]) -> tuple[str, str]:
    """Name and subnet of the lab beside a lab.

    :param free: whether the machine has no route into a network. Another lab may be up, or have died and
        left its bridge.
    """
    network = ipaddress.IPv4Network(subnet)
    distances = (distance * 2**16 for distance in SECOND_SUBNETS)
    others = [
        ipaddress.IPv4Network((int(network.network_address) + distance, network.prefixlen))
        for distance in distances
    ]
    # With none free, `lab up` says what is in the way.
    other = next((one for one in others if free(one)), others[0])
    return f"{name[: LAB_NAME - 1]}2", str(other)


def subnet_free(subnet: ipaddress.IPv4Network) -> bool:
    """Whether the machine has no route into a network."""
    try:
        check_subnet_free(Network("free", subnet))
    except LabError:
        return False
    return True


def labs(output: Path, count: int) -> list[Lab]:
    """A lab for each scenario that may run at the same time; the environment describes the first one."""
    from lab.config import settings

    first = settings()
    paths = first.paths
    result = [Lab(first.name, str(first.network.subnet), paths.state, paths.inventory, output)]
    if count > 1:
        name, subnet = second_lab(first.name, str(first.network.subnet), subnet_free)
        own = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith("BMK_LAB_") or "CACHE" in key
        }
        second = settings({**own, "BMK_LAB_NAME": name, "BMK_LAB_SUBNET": subnet}).paths
        result.append(Lab(name, subnet, second.state, second.inventory, output))
    return result


def environment() -> None:
    """What every step gets: the checkout's own tools, its ansible.cfg, and molecule's scenarios at the root."""
    bin_dir = Path(sys.executable).parent
    os.environ["PATH"] = f"{bin_dir}{os.pathsep}{os.environ['PATH']}"
    os.environ.setdefault("ANSIBLE_CONFIG", str(REPO / "ansible.cfg"))
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    os.environ["PYTHONUNBUFFERED"] = "1"
    os.environ["MOLECULE_GLOB"] = "molecule/*/molecule.yml"
    # Its frames wrap every line of Ansible and pytest at 80 characters.
    os.environ.setdefault("MOLECULE_COMMAND_BORDERS", "false")


def missing_caches(names: Sequence[str]) -> tuple[float, dict[str, float], dict[str, float]]:
    """Seconds to make what is not cached: what all labs serve, optional artifacts, tests.matrix's environments.

    :param names: the optional artifacts.
    """
    from lab import artifacts
    from lab.config import settings
    from tests.matrix import environment as matrix

    paths = settings().paths
    return (
        artifacts.required_seconds(paths),
        {name: artifacts.required_seconds(paths, [name]) for name in names},
        {name: matrix.required_seconds(env) for name, env in matrix.ENVIRONMENTS.items()},
    )


def available_memory() -> int:
    """MiB that processes can have without swapping."""
    text = Path("/proc/meminfo").read_text(encoding="utf-8")
    return next(
        int(line.split()[1]) // 1024 for line in text.splitlines() if line.startswith("MemAvailable:")
    )


def choices(names: Sequence[str], history: changes.Changes, cold: dict[str, float]) -> list[Choice]:
    """What is to run, by priority.

    :param names: the scenarios that were asked for; all, by their priority, when there are none.
    :param cold: seconds on top, by scenario.
    """
    chosen = (
        [Choice(SCENARIOS[name], planning.ASKED_FOR) for name in dict.fromkeys(names)]
        if names
        else planning.choose(TABLE, history.files, history.commit)
    )
    return [Choice(choice.scenario, choice.why, cold.get(choice.name, 0.0)) for choice in chosen]


def listing() -> str:
    """The table of scenarios for a person."""
    lines = [f"{'scenario':<12} {'seconds':>7}  {'starts from':<12} proves that"]
    lines += [f"{s.name:<12} {s.seconds:>7.0f}  {s.start.value:<12} {s.proves}" for s in TABLE]
    return "\n".join(lines)


def table(results: Sequence[Result], elapsed: float) -> str:
    """The steps with what they took and what came out, one line each."""
    width = max([len(r.step.name) for r in results] + [5])
    lines = [
        f"{'step':<{width}} {'lab':<6} {'start':>7} {'seconds':>8} {'passed':>7} {'failed':>7} {'skipped':>8}"
    ]
    lines += [
        f"{r.step.name:<{width}} {r.step.lab:<6} {r.began:>7.0f} {r.seconds:>8.1f} {r.passed:>7} {r.failed:>7} "
        f"{r.skipped:>8}  {r.note}".rstrip()
        for r in results
    ]
    busy = sum(r.seconds for r in results)
    lines.append(f"{'all':<{width}} {'':<6} {'':>7} {elapsed:>8.1f}  ({busy:.1f} s one after the other)")
    return "\n".join(lines)


def failed(results: Sequence[Result]) -> str:
    """What failed, by name: a log that was cut at its beginning still has it."""
    lines: list[str] = []
    for result in results:
        if result.failed:
            said = result.failures or (result.note or "failed",)
            lines += [f"{result.step.name}: {one}" for one in said]
    more = [f"  and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    shown = [textwrap.shorten(line, WIDTH, placeholder=" ...") for line in lines[:SHOWN]]
    return "\n".join(["Failed:", *(f"  {line}" for line in shown), *more]) if lines else ""


def skipped(left_out: Sequence[LeftOut]) -> str:
    """What did not run, why, and the command that runs it."""
    lines = [f"  {entry.name}: {entry.reason}: make test SCENARIO={entry.name}" for entry in left_out]
    return "\n".join(["Not run (make test-all runs everything):", *lines]) if lines else ""


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.run", description="Run scenarios within a budget of time.")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(GROUPS))
    parser.add_argument("--all", action="store_true", help="everything, whatever it takes")
    parser.add_argument(
        "--minutes", type=float, help="the budget; default: TEST_MINUTES, else 60 when none is named"
    )
    parser.add_argument("--list", action="store_true", help="show the table of scenarios")
    given = parser.parse_args(argv)
    if unknown := [name for name in given.scenarios if name not in SCENARIOS]:
        parser.error(f"no scenario {unknown[0]!r}; expected some of: {', '.join(GROUPS)}")
    if given.all and given.scenarios:
        parser.error("--all and names of scenarios exclude each other")
    return given


def budget(given: argparse.Namespace) -> float | None:
    """Seconds since the beginning, or none when everything that was asked for has to run."""
    if given.minutes is not None:
        return float(given.minutes) * 60
    if given.all or given.scenarios:
        return None
    text = os.environ.get("TEST_MINUTES") or str(MINUTES)
    try:
        return float(text) * 60
    except ValueError:
        raise SystemExit(f"TEST_MINUTES is {text!r}; expected a number of minutes") from None


def elapsed_before() -> float:
    """Seconds that make has already spent, on the virtual environment for instance."""
    try:
        return max(0.0, time.time() - float(os.environ.get("TEST_STARTED") or time.time()))
    except ValueError:
        return 0.0


def _interrupted(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


def main(argv: Sequence[str]) -> int:
    """Run what the command line says.

    :return: 0 when every test passed, 1 when one failed, 2 when the command line is wrong, 130 when
        interrupted.
    """
    began = time.monotonic() - elapsed_before()
    given = _arguments(argv)
    if given.list:
        print(listing())
        return 0
    limit = budget(given)
    environment()
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    signal.signal(signal.SIGTERM, _interrupted)
    history = changes.read(REPO)
    artifacts = sorted({name for scenario in TABLE for name in scenario.artifacts})
    shared, optional, environments = missing_caches(artifacts)
    cold = {s.name: planning.cold_seconds(s, optional, environments) for s in TABLE}
    todo = choices(given.scenarios, history, cold)
    count = planning.lanes(todo, available_memory(), os.cpu_count() or 1)
    runner = Runner(labs(OUTPUT, count), OUTPUT, limit, began, shared)
    if history.note and not given.scenarios:
        runner.say(history.note)
    runner.run(todo)
    print(f"\n{table(runner.results, runner.elapsed())}\n")
    if text := skipped(runner.left_out):
        print(f"{text}\n")
    if text := failed(runner.results):
        print(f"{text}\n")
    print(f"{runner.passed} passed, {runner.failed} failed", flush=True)
    if runner.interrupted:
        return 130
    return 1 if runner.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
