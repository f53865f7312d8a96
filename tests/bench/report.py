# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of all phases, their targets, and how they are shown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench import tasks
from tests.bench.watch import Bytes

MIB = 2**20
#: How many of the slowest tasks are shown and written.
SLOWEST = 12
VERSION = 1


@dataclass(frozen=True)
class Phase:
    """One measured command.

    :param name: what was done: `create`, `no-op`, ...
    :param path: how: `bare` or `site`.
    :param round: number of the round, from 1.
    :param seconds: from start to end.
    :param cpu_seconds: of the controller's processes that were waited for.
    :param hosts_cpu_seconds: of each host.
    :param machine_cpu_seconds: of everything on the machine, whatever it was.
    :param load: load average of one minute at the start.
    :param pss: the most bytes that the controller's processes took at once; shared pages are divided among their users.
    :param rss: the same with shared pages counted for each.
    :param connections: TCP connections to each host's sshd.
    :param calls: starts of ssh and sftp for each host.
    :param traffic: bytes that each host received and sent.
    :param stages: seconds of each part, where the command told them.
    :param run: what Ansible did, None when it was not Ansible.
    :param task_calls: the calls of ssh and sftp by task and host.
    """

    name: str
    path: str
    round: int
    seconds: float
    cpu_seconds: float
    hosts_cpu_seconds: dict[str, float]
    machine_cpu_seconds: float
    load: float
    pss: int
    rss: int
    connections: dict[str, int]
    calls: dict[str, int]
    traffic: dict[str, Bytes]
    stages: dict[str, float] = field(default_factory=dict)
    run: tasks.Run | None = None
    task_calls: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """A figure with its limit.

    :param limit: the highest value that is good; `below` makes it the lowest that is not.
    :param found: None when it was not measured.
    """

    name: str
    unit: str
    limit: float
    found: float | None
    below: bool = False

    @property
    def met(self) -> bool | None:
        if self.found is None:
            return None
        return self.found < self.limit if self.below else self.found <= self.limit


def best(phases: Iterable[Phase], name: str, path: str) -> Phase | None:
    """The fastest of a phase's rounds: whatever else ran on the machine can only have slowed it."""
    return min(
        (phase for phase in phases if (phase.name, phase.path) == (name, path)),
        key=lambda phase: phase.seconds,
        default=None,
    )


def _most(values: Mapping[str, int]) -> int:
    return max(values.values(), default=0)


def ratio(phases: Sequence[Phase], name: str) -> float | None:
    """Seconds of site by seconds of the bare path; None when one was not measured."""
    bare, site = best(phases, name, "bare"), best(phases, name, "site")
    return site.seconds / bare.seconds if bare and site else None


def targets(phases: Sequence[Phase]) -> list[Target]:
    """The targets with what was measured."""
    again = best(phases, "no-op", "site")
    repeated = best(phases, "platform again", "site")
    memory = max((phase.pss for phase in phases if phase.path == "site"), default=None)
    return [
        Target("create, site by bare", "times", 1.15, ratio(phases, "create")),
        Target("add a worker, site by bare", "times", 1.3, ratio(phases, "add a worker")),
        Target("platform, site by bare", "times", 1.5, ratio(phases, "platform")),
        Target("platform again, site", "s", 10, repeated.seconds if repeated else None),
        Target("no-op, site", "s", 18, again.seconds if again else None),
        Target("no-op, ssh connections of a host", "", 9, _most(again.connections) if again else None),
        Target("no-op, ssh and sftp calls for a host", "", 9, _most(again.calls) if again else None),
        Target("controller's memory at its peak", "MiB", 400, memory / MIB if memory else None, below=True),
    ]


def _each(values: Iterable[float | int], digits: int = 0) -> str:
    """Values of all hosts, one word when they agree."""
    shown = [f"{value:.{digits}f}" for value in values]
    return shown[0] if len(set(shown)) == 1 else "/".join(shown)


def phase_table(phases: Sequence[Phase]) -> Table:
    """One line for each phase; several values in a cell are those of the hosts, in their order."""
    hosts = list(dict.fromkeys(name for phase in phases for name in phase.traffic))
    table = Table(title=f"Phases; a/b/c: {', '.join(hosts)}", title_justify="left")
    for heading in ("phase", "path", "round"):
        table.add_column(heading)
    for heading in (
        *("seconds", "ratio", "tasks", "run on host", "TCP", "ssh calls", "received MiB", "sent MiB"),
        *("memory MiB", "CPU s", "hosts' CPU s", "machine's", "load before"),
    ):
        table.add_column(heading, justify="right")
    for phase in phases:
        bare = best(phases, phase.name, "bare")
        run = phase.run
        table.add_row(
            *(phase.name, phase.path, str(phase.round), f"{phase.seconds:.1f}"),
            f"{phase.seconds / bare.seconds:.2f}" if bare else "-",
            str(run.tasks) if run else "-",
            _each(run.executed.get(name, 0) for name in phase.traffic) if run else "-",
            _each(phase.connections.get(name, 0) for name in phase.traffic),
            _each(phase.calls.get(name, 0) for name in phase.traffic),
            _each((one.received / MIB for one in phase.traffic.values()), 1),
            _each((one.sent / MIB for one in phase.traffic.values()), 1),
            *(f"{phase.pss / MIB:.0f}", f"{phase.cpu_seconds:.1f}"),
            _each(phase.hosts_cpu_seconds.values()),
            *(f"{phase.machine_cpu_seconds:.0f}", f"{phase.load:.1f}"),
        )
    return table


def stage_table(phases: Sequence[Phase]) -> Table:
    """Seconds of the plays and of the script's stages."""
    table = Table(title="Where the seconds are", title_justify="left")
    for heading in ("phase", "path", "stage or play"):
        table.add_column(heading)
    table.add_column("seconds", justify="right")
    for phase in phases:
        parts = phase.run.plays if phase.run else phase.stages
        rows = [*parts.items()]
        if phase.run:
            rows.append(("start and end of ansible-playbook", phase.seconds - sum(parts.values())))
        for number, (name, seconds) in enumerate(rows):
            first = (f"{phase.name} {phase.round}", phase.path) if number == 0 else ("", "")
            table.add_row(*first, name, f"{seconds:.1f}", end_section=number == len(rows) - 1)
    return table


def task_table(phase: Phase) -> Table:
    """The slowest tasks of a phase."""
    table = Table(title=f"{phase.name} by {phase.path}: the slowest tasks", title_justify="left")
    table.add_column("task")
    table.add_column("action")
    table.add_column("seconds", justify="right")
    for task in phase.run.slowest[:SLOWEST] if phase.run else ():
        table.add_row(task.name, task.action, f"{task.seconds:.2f}")
    return table


def call_table(phase: Phase) -> Table:
    """The calls of ssh and sftp by task and host."""
    table = Table(title=f"{phase.name} by {phase.path}: ssh calls", title_justify="left")
    table.add_column("task")
    for host in phase.traffic:
        table.add_column(host, justify="right")
    for name, counted in phase.task_calls.items():
        table.add_row(name, *(str(counted.get(host, "")) for host in phase.traffic))
    table.add_section()
    table.add_row("all", *(str(phase.calls.get(host, 0)) for host in phase.traffic))
    return table


def target_table(found: Sequence[Target]) -> Table:
    """Which targets are met."""
    table = Table(title="Targets", title_justify="left")
    table.add_column("figure")
    for heading in ("found", "to reach", ""):
        table.add_column(heading, justify="right")
    verdicts = {True: "[green]met[/green]", False: "[red]missed[/red]", None: "not measured"}
    for target in found:
        table.add_row(
            target.name,
            "-" if target.found is None else f"{target.found:.2f} {target.unit}".strip(),
            f"{'<' if target.below else '<='} {target.limit:g} {target.unit}".strip(),
            verdicts[target.met],
        )
    return table


def show(phases: Sequence[Phase], console: Console) -> None:
    """Print all tables."""
    console.print(phase_table(phases))
    console.print(stage_table(phases))
    for name in dict.fromkeys(phase.name for phase in phases):
        if (phase := best(phases, name, "site")) and phase.run:
            console.print(task_table(phase))
    if again := best(phases, "no-op", "site"):
        console.print(call_table(again))
    console.print(target_table(targets(phases)))


def slowest(phase: Phase) -> list[dict[str, Any]]:
    """The slowest tasks of a phase, ready for JSON."""
    return [
        {"name": task.name, "action": task.action, "play": task.play, "seconds": round(task.seconds, 3)}
        for task in (phase.run.slowest[:SLOWEST] if phase.run else ())
    ]


def data(phases: Sequence[Phase], about: Mapping[str, Any]) -> dict[str, Any]:
    """Everything, ready for JSON. Times are seconds, sizes bytes.

    :param about: the machine, versions and date.
    """
    rows = []
    for phase in phases:
        row = asdict(phase)
        if phase.run:
            row["run"]["executions"] = phase.run.executions
            row["run"]["slowest"] = slowest(phase)
        rows.append(row)
    return {
        "version": VERSION,
        **about,
        "phases": rows,
        "ratios": {
            name: value
            for name in dict.fromkeys(phase.name for phase in phases)
            if (value := ratio(phases, name)) is not None
        },
        "targets": [{**asdict(target), "met": target.met} for target in targets(phases)],
    }


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write the JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
