# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which scenarios a run has, in which order, and what it leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from tests import planning
from tests.planning import PROVISION, RESTORE, Choice, Lane
from tests.scenarios import Scenario, Start, Step


def scenario(name: str, seconds: float = 100, start: Start = Start.NOTHING, **fields: object) -> Scenario:
    defaults: dict[str, object] = {"proves": "it works", "paths": (f"roles/{name}/*",), "steps": ()}
    return Scenario(name=name, seconds=seconds, start=start, **{**defaults, **fields})  # type: ignore[arg-type]


SAVE = (Step("save", ("true",), saves=True),)
GATES = scenario("gates", 70, always=True)
DEFAULT = scenario("default", 300, Start.FRESH, always=True, steps=SAVE)
FRESH = scenario("fresh", 200, Start.FRESH)
SHORT = scenario("short", 50, Start.CLUSTER)
LONG = scenario("long", 500, Start.CLUSTER)
QUIET = scenario("quiet", 100, Start.CLUSTER, measures_time=True)
PLAIN = scenario("plain", 240)
TABLE = (GATES, DEFAULT, FRESH, SHORT, LONG, QUIET, PLAIN)
ONE, TWO = (Lane(0.0),), (Lane(0.0), Lane(0.0))


def choices(*scenarios: Scenario, cold: float = 0.0) -> list[Choice]:
    return [Choice(one, "in turn", cold) for one in scenarios]


def placed(plan: planning.Plan) -> dict[str, tuple[int, float, float]]:
    return {slot.choice.name: (slot.lane, slot.begin, slot.end) for slot in plan.slots}


@pytest.mark.parametrize(
    ("names", "commit", "expected"),
    [
        ([], "", []),
        (["a"], "ff", ["a"]),
        (["a", "b", "c"], "", ["a", "b", "c"]),
        (["a", "b", "c"], "0", ["a", "b", "c"]),
        (["a", "b", "c"], "1", ["b", "c", "a"]),
        (["a", "b", "c"], "5", ["c", "a", "b"]),
        # Only the first twelve digits count.
        (["a", "b", "c"], "000000000001ffff", ["b", "c", "a"]),
    ],
)
def test_the_commit_decides_who_comes_first(names: list[str], commit: str, expected: list[str]) -> None:
    assert planning.in_turn(names, commit) == expected


@pytest.mark.parametrize(
    ("touched", "commit", "expected"),
    [
        ((), "0", "gates default fresh short long quiet plain"),
        ((), "2", "gates default long quiet plain fresh short"),
        (("roles/quiet/tasks/main.yml",), "0", "gates default quiet fresh short long plain"),
        # The turn holds among what was changed, too.
        (("roles/long/x", "roles/fresh/x"), "1", "gates default long fresh short quiet plain"),
        (("docs/index.md",), "0", "gates default fresh short long quiet plain"),
    ],
)
def test_priority(touched: Sequence[str], commit: str, expected: str) -> None:
    found = planning.choose(TABLE, touched, commit)
    assert [choice.name for choice in found] == expected.split()
    changed = {choice.name for choice in found if choice.why == "changed"}
    assert changed == {name.split("/")[1] for name in touched if name.startswith("roles/")}


def test_every_scenario_has_its_turn() -> None:
    first = {planning.choose(TABLE, (), f"{number:x}")[2].name for number in range(5)}
    assert first == {"fresh", "short", "long", "quiet", "plain"}


@pytest.mark.parametrize(
    ("typical", "measured", "expected"), [(300, 300, 1.0), (300, 600, 2.0), (300, 10, 0.5), (300, 9000, 4.0)]
)
def test_scale(typical: float, measured: float, expected: float) -> None:
    assert planning.scale(typical, measured) == expected


@pytest.mark.parametrize(
    ("memory", "available", "cores", "expected"),
    [
        ((4000, 4000), 16000, 2, 2),
        ((4000, 4000), 9000, 2, 1),
        ((4000, 4000), 9500, 2, 2),
        # Only the two largest can meet.
        ((6000, 4000, 3000), 11500, 2, 2),
        ((6000, 4000, 3000), 11499, 2, 1),
        ((4000, 4000), 16000, 1, 1),
        ((4000,), 16000, 8, 1),
        ((), 16000, 8, 1),
    ],
)
def test_lanes(memory: Sequence[int], available: int, cores: int, expected: int) -> None:
    found = [Choice(scenario(str(number), memory=size), "") for number, size in enumerate(memory)]
    assert planning.lanes(found, available, cores) == expected


@pytest.mark.parametrize(
    ("one", "lane", "factor", "expected"),
    [
        (PLAIN, Lane(0), 1.0, 240),
        (PLAIN, Lane(0), 2.0, 480),
        (FRESH, Lane(0, cluster=True), 1.0, 200),
        (SHORT, Lane(0, cluster=True), 1.0, 50 + RESTORE),
        (SHORT, Lane(0), 1.0, 50 + PROVISION),
        (SHORT, Lane(0, cluster=True), 2.0, 2 * (50 + RESTORE)),
    ],
)
def test_seconds(one: Scenario, lane: Lane, factor: float, expected: float) -> None:
    assert planning.seconds(Choice(one, ""), lane, factor) == expected
    # What fills caches depends on the network as much as on the machine.
    assert planning.seconds(Choice(one, "", cold=80), lane, factor) == expected + 80


@pytest.mark.parametrize(
    ("scenarios", "lanes", "expected"),
    [
        # One after the other: the cluster first, then its users, the longest first.
        (
            (GATES, DEFAULT, SHORT, LONG),
            ONE,
            {
                "default": (0, 0, 300),
                "gates": (0, 300, 370),
                "long": (0, 370, 900),
                "short": (0, 900, 980),
            },
        ),
        # The other lane makes a cluster of its own when that is done earlier.
        (
            (GATES, DEFAULT, SHORT, LONG),
            TWO,
            {"default": (0, 0, 300), "gates": (1, 0, 70), "long": (1, 70, 700), "short": (0, 300, 380)},
        ),
        # A scenario that removes its hosts does not do so where a cluster was saved.
        ((DEFAULT, FRESH), TWO, {"default": (0, 0, 300), "fresh": (1, 0, 200)}),
        # Whoever measures time waits for all, and all wait for it.
        (
            (DEFAULT, QUIET, PLAIN),
            TWO,
            {"default": (0, 0, 300), "plain": (1, 0, 240), "quiet": (0, 300, 430)},
        ),
        ((QUIET, SHORT), ONE, {"short": (0, 0, 180), "quiet": (0, 180, 310)}),
    ],
)
def test_schedule(
    scenarios: tuple[Scenario, ...], lanes: tuple[Lane, ...], expected: dict[str, tuple[int, float, float]]
) -> None:
    assert placed(planning.plan(choices(*scenarios), lanes, 0.0, None)) == expected


def test_nothing_runs_beside_what_measures_time() -> None:
    slots = planning.schedule(choices(*TABLE), TWO, 0.0, 1.0, 0.0)
    quiet = next(slot for slot in slots if slot.choice.name == "quiet")
    assert all(slot.end <= quiet.begin or slot.begin >= quiet.end for slot in slots if slot is not quiet)


def test_no_lane_has_two_at_once() -> None:
    slots = planning.schedule(choices(*TABLE), (Lane(40.0), Lane(7.0, cluster=True)), 20.0, 1.5, 0.0)
    for lane in (0, 1):
        own = sorted((slot for slot in slots if slot.lane == lane), key=lambda slot: slot.begin)
        assert all(first.end <= second.begin for first, second in pairwise(own))
    assert min(slot.begin for slot in slots) >= 20.0


@pytest.mark.parametrize(
    ("scenarios", "budget", "now", "factor", "runs"),
    [
        # What always runs does, whatever the budget is.
        ((GATES, DEFAULT), 60, 0, 1.0, "default gates"),
        ((GATES, DEFAULT, PLAIN), 60, 0, 1.0, "default gates"),
        # By priority, and one that does not fit does not keep out a later one that does.
        ((DEFAULT, LONG, SHORT, PLAIN), 650, 0, 1.0, "default plain short"),
        ((DEFAULT, SHORT, PLAIN, LONG), 650, 0, 1.0, "default plain short"),
        ((DEFAULT, LONG, SHORT, PLAIN), 920, 0, 1.0, "default long short"),
        # A quick machine does more, and time that is gone is gone.
        ((LONG, SHORT), 500, 0, 0.5, "long short"),
        ((LONG, SHORT), 500, 0, 1.0, "short"),
        ((PLAIN,), 499, 260, 1.0, ""),
        ((PLAIN,), 499, 260, 0.9, "plain"),
        ((LONG, SHORT, PLAIN), None, 9000, 4.0, "long plain short"),
    ],
)
def test_budget(
    scenarios: tuple[Scenario, ...], budget: float | None, now: float, factor: float, runs: str
) -> None:
    found = planning.plan(choices(*scenarios), ONE, now, budget, factor)
    assert sorted(slot.choice.name for slot in found.slots) == runs.split()
    assert {entry.name for entry in found.left_out} == {one.name for one in scenarios} - set(runs.split())
    if budget is not None:
        optional = [slot for slot in found.slots if not slot.choice.scenario.always]
        assert all(slot.end <= budget for slot in optional)


def test_what_is_left_out_is_told_with_its_reason() -> None:
    found = planning.plan(choices(LONG), TWO, 1800.0, 2100.0)
    assert found.left_out == (
        planning.LeftOut(
            "long",
            "takes about 10 min, which did not fit into the budget of 35 min (5 min left, priority: in turn)",
        ),
    )


@pytest.mark.parametrize(
    ("lane", "now", "expected"),
    [(0, 100.0, None), (0, 299.0, None), (0, 300.0, "quiet"), (1, 100.0, "plain")],
)
def test_next(lane: int, now: float, expected: str | None) -> None:
    found = planning.plan(choices(QUIET, PLAIN), (Lane(300.0), Lane(0.0)), 50.0, None)
    choice = found.next_in(lane, now)
    if lane == 0:
        # It waits until both lanes are free.
        assert (choice.name if choice else None) == expected
    else:
        assert choice is not None
        assert choice.name == expected


def test_other_labs_wait_for_the_artifacts_that_the_first_one_makes() -> None:
    found = placed(planning.plan(choices(DEFAULT, FRESH, PLAIN), TWO, 0.0, None, labs=700.0))
    assert found["default"][1] == 0
    assert found["fresh"][1] >= 700
    assert found["plain"][1] < 700


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, 0.0),
        ({"artifacts": ("tool",)}, 80.0),
        ({"artifacts": ("there",)}, 0.0),
        ({"environments": ("oldest", "newest")}, 90.0),
        ({"artifacts": ("tool", "there"), "environments": ("newest",)}, 170.0),
    ],
)
def test_cold_caches(fields: dict[str, object], expected: float) -> None:
    one = replace(scenario("x"), **fields)  # type: ignore[arg-type]
    assert (
        planning.cold_seconds(one, {"tool": 80.0, "there": 0.0}, {"newest": 90.0, "oldest": 0.0}) == expected
    )


@pytest.mark.parametrize(("value", "text"), [(12.4, "12 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min")])
def test_minutes(value: float, text: str) -> None:
    assert planning.minutes(value) == text


def test_long_scenarios_run_when_they_are_named_and_with_everything() -> None:
    chaos = scenario("chaos", 1500, long=True)
    found = planning.plan([*choices(SHORT), *choices(chaos)], ONE, 0, 10_000)
    assert [slot.choice.name for slot in found.slots] == ["short"]
    assert [(one.name, one.reason) for one in found.left_out] == [
        ("chaos", "takes about 25 min by itself, and runs when it is named, or with everything")
    ]
    for named, budget in ((Choice(chaos, planning.ASKED_FOR), 10_000.0), (Choice(chaos, "changed"), None)):
        assert [slot.choice.name for slot in planning.plan([named], ONE, 0, budget).slots] == ["chaos"]
