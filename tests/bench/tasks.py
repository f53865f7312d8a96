# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of a playbook did, from the events that the callback `bench_tasks` wrote."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Task:
    """One task of the run.

    :param name: with the role's name, as Ansible shows it.
    :param play: the play's name.
    :param started: when it was announced, in seconds of the callback's clock.
    :param ended: when its last host was done.
    """

    name: str
    action: str
    play: str
    started: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.started


@dataclass(frozen=True)
class Run:
    """The sum of a run.

    :param tasks: tasks that were announced; one that every host skipped is among them.
    :param executed: tasks that a host ran, by host; a loop is one.
    :param items: runs of a loop's body, by host.
    :param skipped: tasks that a host skipped, by host.
    :param changed: tasks that reported a change.
    :param failed: tasks that failed, or whose host was unreachable.
    :param plays: seconds of each play.
    :param slowest: the tasks in the order of their seconds.
    """

    tasks: int
    executed: dict[str, int]
    items: dict[str, int]
    skipped: dict[str, int]
    changed: int
    failed: int
    plays: dict[str, float]
    slowest: tuple[Task, ...] = field(repr=False)

    @property
    def executions(self) -> int:
        """Tasks that ran, of all hosts together."""
        return sum(self.executed.values())


def calls_by_task(run: Run, calls: Iterable[tuple[str, float]]) -> dict[str, dict[str, int]]:
    """Calls to each host by the name of the task that was under way, in the order of the tasks.

    :param calls: host and moment, in seconds of the callback's clock rounded to hundredths.
    """
    tasks = sorted(run.slowest, key=lambda task: task.started)
    starts = [task.started for task in tasks]
    found: dict[int, Counter[str]] = {}
    for host, moment in calls:
        # What the clock's last digit hides belongs to the task that has just started.
        place = bisect_right(starts, moment + 0.01) - 1
        found.setdefault(place, Counter())[host] += 1
    named: dict[str, Counter[str]] = {}
    for place, counted in sorted(found.items()):
        named.setdefault(tasks[place].name if place >= 0 else "", Counter()).update(counted)
    return {name: dict(counted) for name, counted in named.items()}


def parse(lines: Iterable[str]) -> Run:
    """Read the callback's file.

    :param lines: its lines; a last one that was cut off is passed over.
    :raises ValueError: a line in the middle is no JSON.
    """
    events: list[Mapping[str, Any]] = []
    broken = ""
    for line in lines:
        if broken:
            raise ValueError(f"not an event of bench_tasks: {broken!r}")
        try:
            events.append(json.loads(line))
        except ValueError:
            broken = line
    return _sum(events)


def _sum(events: Iterable[Mapping[str, Any]]) -> Run:
    tasks: dict[str, Task] = {}
    plays: list[tuple[str, float]] = []
    executed: Counter[str] = Counter()
    items: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    changed = failed = 0
    last = 0.0
    for event in events:
        last = at = float(event["at"])
        match event["event"]:
            case "play":
                plays.append((event["name"], at))
            case "task":
                # With the strategy `linear` a task is announced once; an included file's once per inclusion.
                play = plays[-1][0] if plays else ""
                tasks.setdefault(event["task"], Task(event["name"], event["action"], play, at, at))
            case "item":
                items[event["host"]] += event["status"] != "skipped"
            case "result":
                (skipped if event["status"] == "skipped" else executed)[event["host"]] += 1
                changed += bool(event["changed"])
                failed += event["status"] in {"failed", "unreachable"}
                if event["task"] in tasks:
                    tasks[event["task"]].ended = at
    ends = [at for _name, at in plays[1:]] + [last]
    seconds: dict[str, float] = {}
    for (name, started), ended in zip(plays, ends, strict=False):
        seconds[name] = seconds.get(name, 0.0) + ended - started
    return Run(
        tasks=len(tasks),
        executed=dict(executed),
        items=dict(items),
        skipped=dict(skipped),
        changed=changed,
        failed=failed,
        plays=seconds,
        slowest=tuple(sorted(tasks.values(), key=lambda task: -task.seconds)),
    )
