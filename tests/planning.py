# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which scenarios run, in which order, and which of them side by side. Pure: no clock, no processes, no git."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from tests.scenarios import Scenario, Start

#: Seconds from a snapshot to a cluster that is ready.
RESTORE = 30.0
#: Seconds from no lab to a cluster that was saved and is ready again: `lab up`, the site playbook, `lab
#: save`.
PROVISION = 130.0
#: A machine is taken to be this much slower or quicker at most: more than that is a defect, or a test that
#: failed early.
SCALES = (0.5, 4.0)
#: Why a scenario runs that the command line names.
ASKED_FOR = "asked for"
#: Why a long one does not run within a budget.
LONG = "takes about {} by itself, and runs when it is named, or with everything"
#: MiB that must stay free when two labs run.
SPARE_MEMORY = 1500


@dataclass(frozen=True)
class Choice:
    """A scenario that was asked for, or has its turn.

    :param why: as the closing table puts it.
    :param cold: seconds on top, because its caches are empty.
    """

    scenario: Scenario
    why: str
    cold: float = 0.0

    @property
    def name(self) -> str:
        return self.scenario.name


@dataclass(frozen=True)
class Lane:
    """One of the things that run at the same time, with a lab of its own.

    :param free: when it can take the next scenario, seconds since the beginning.
    :param cluster: whether its lab has a snapshot of a cluster.
    """

    free: float
    cluster: bool = False


@dataclass(frozen=True)
class Slot:
    """When and where a scenario runs."""

    choice: Choice
    lane: int
    begin: float
    end: float


@dataclass(frozen=True)
class LeftOut:
    """A scenario that does not run, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """What runs from now on."""

    slots: tuple[Slot, ...]
    left_out: tuple[LeftOut, ...]

    def next_in(self, lane: int, now: float) -> Choice | None:
        """What a lane that is free begins with now; nothing when it has to wait for the other one."""
        first = min(
            (slot for slot in self.slots if slot.lane == lane), key=lambda slot: slot.begin, default=None
        )
        return first.choice if first and first.begin <= now else None


def in_turn(names: Sequence[str], commit: str) -> list[str]:
    """The names, starting from a place that the commit decides.

    :param commit: hexadecimal hash; the first name comes first when it is empty.
    """
    start = int(commit[:12] or "0", 16) % len(names) if names else 0
    return [*names[start:], *names[:start]]


def choose(table: Sequence[Scenario], touched: Collection[str], commit: str) -> list[Choice]:
    """All scenarios by priority: those that always run, then those whose files were changed, then the others in turn.

    :param touched: files that recent commits changed.
    """
    by_name = {scenario.name: scenario for scenario in table}
    always = [Choice(scenario, "always") for scenario in table if scenario.always]
    others = in_turn([scenario.name for scenario in table if not scenario.always], commit)
    changed = [name for name in others if by_name[name].touched_by(touched)]
    return [
        *always,
        *(Choice(by_name[name], "changed") for name in changed),
        *(Choice(by_name[name], "in turn") for name in others if name not in changed),
    ]


def scale(typical: float, measured: float) -> float:
    """How much longer this machine takes than the one on which the table was measured."""
    return min(max(measured / typical, SCALES[0]), SCALES[1])


def lanes(choices: Sequence[Choice], available: int, cores: int) -> int:
    """How many scenarios may run at the same time.

    :param available: MiB of memory that are available.
    """
    largest = sorted((choice.scenario.memory for choice in choices), reverse=True)[:2]
    return 2 if len(largest) == 2 and cores >= 2 and sum(largest) + SPARE_MEMORY <= available else 1


def seconds(choice: Choice, lane: Lane, factor: float) -> float:
    """How long a scenario takes in a lane, with what has to come before it there."""
    cost = choice.scenario.seconds
    if choice.scenario.start is Start.CLUSTER:
        cost += RESTORE if lane.cluster else PROVISION
    return cost * factor + choice.cold


def schedule(
    choices: Sequence[Choice], free: Sequence[Lane], now: float, factor: float, labs: float
) -> tuple[Slot, ...]:
    """Place scenarios so that all are done early.

    What always runs comes first and in its order. Then come scenarios that start from fresh hosts, for they
    destroy what a lane has; then the longest ones. Those that measure time come last, and alone.

    :param now: nothing begins earlier.
    :param labs: when the artifacts of all labs are there; no scenario with a lab begins earlier, but those
        that always run, which make them.
    """
    state = [replace(lane, free=max(lane.free, now)) for lane in free]
    slots: list[Slot] = []
    for choice in sorted(choices, key=_rank):
        alone = choice.scenario.measures_time
        begin_all = max(lane.free for lane in state)

        def placed(
            index: int, choice: Choice = choice, alone: bool = alone, begin_all: float = begin_all
        ) -> Slot:
            begin = begin_all if alone else state[index].free
            if choice.scenario.start is not Start.NOTHING and not choice.scenario.always:
                begin = max(begin, labs)
            return Slot(choice, index, begin, begin + seconds(choice, state[index], factor))

        best = min((placed(index) for index in range(len(state))), key=lambda slot: _preference(slot, state))
        slots.append(best)
        for index, lane in enumerate(state):
            if alone or index == best.lane:
                state[index] = replace(lane, free=best.end)
        start = choice.scenario.start
        if start is not Start.NOTHING:
            saved = start is Start.CLUSTER or any(step.saves for step in choice.scenario.steps)
            state[best.lane] = replace(state[best.lane], cluster=saved)
    return tuple(slots)


def _rank(choice: Choice) -> tuple[bool, bool, bool, float]:
    scenario = choice.scenario
    # What always runs keeps its order, for sorting is stable; the cluster first, as everything else waits
    # for it.
    length = 0.0 if scenario.always else -scenario.seconds
    fresh = scenario.start is Start.FRESH
    return (not scenario.always, scenario.measures_time, not fresh, length)


def _preference(slot: Slot, state: Sequence[Lane]) -> tuple[bool, float, int]:
    """A scenario that destroys its hosts goes where no cluster is lost, else the earliest end counts."""
    loses = slot.choice.scenario.start is Start.FRESH and state[slot.lane].cluster
    return (loses, slot.end, slot.lane)


def plan(
    choices: Sequence[Choice],
    free: Sequence[Lane],
    now: float,
    budget: float | None,
    factor: float = 1.0,
    labs: float = 0.0,
) -> Plan:
    """Which of the scenarios run, by priority: each is left out that would end, or make another end, after the budget.

    :param choices: what has not begun, by priority.
    :param free: the lanes, with what runs now.
    :param budget: seconds since the beginning; none when everything has to run.
    """
    kept: list[Choice] = []
    left_out: list[LeftOut] = []
    for choice in choices:
        if budget is not None and choice.scenario.long and choice.why != ASKED_FOR:
            left_out.append(LeftOut(choice.name, LONG.format(minutes(choice.scenario.seconds * factor))))
            continue
        if budget is not None and not choice.scenario.always:
            end = max(slot.end for slot in schedule([*kept, choice], free, now, factor, labs))
            if end > budget:
                left_out.append(LeftOut(choice.name, _reason(choice, free, now, budget, factor)))
                continue
        kept.append(choice)
    return Plan(schedule(kept, free, now, factor, labs), tuple(left_out))


def _reason(choice: Choice, free: Sequence[Lane], now: float, budget: float, factor: float) -> str:
    needed = min(seconds(choice, lane, factor) for lane in free)
    return (
        f"takes about {minutes(needed)}, which did not fit into the budget of {minutes(budget)} "
        f"({minutes(max(budget - now, 0))} left, priority: {choice.why})"
    )


def minutes(value: float) -> str:
    """Seconds for a person to read."""
    return f"{value / 60:.0f} min" if value >= 90 else f"{value:.0f} s"


def cold_seconds(
    scenario: Scenario, artifacts: Mapping[str, float], environments: Mapping[str, float]
) -> float:
    """Seconds that a scenario takes longer because caches are empty.

    :param artifacts: seconds to make each artifact that is missing. :param environments: the same, of
        tests.matrix.
    """
    made = sum(artifacts.get(name, 0.0) for name in scenario.artifacts)
    return made + sum(environments.get(name, 0.0) for name in scenario.environments)
