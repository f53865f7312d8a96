# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures, targets and how they are shown."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from tests.bench import measure, report, tasks
from tests.bench.watch import Bytes

RUN = tasks.Run(
    tasks=40,
    executed={"cp1": 30, "w1": 20},
    items={},
    skipped={},
    changed=0,
    failed=0,
    plays={"Prepare": 15.0, "Join": 3.0},
    slowest=tuple(tasks.Task(f"task {n}", "file", "Prepare", 0.0, 20.0 - n) for n in range(20)),
)
BARE = report.Phase(
    name="create",
    path="bare",
    round=1,
    seconds=40.0,
    cpu_seconds=1.0,
    hosts_cpu_seconds={"cp1": 30.0, "w1": 20.0},
    machine_cpu_seconds=70.0,
    load=0.5,
    pss=20 * report.MIB,
    rss=30 * report.MIB,
    connections={"cp1": 1, "w1": 1},
    calls={"cp1": 7, "w1": 3},
    traffic={"cp1": Bytes(3 * report.MIB, 0), "w1": Bytes(report.MIB, 0)},
    stages={"prepare": 10.0, "init": 30.0},
)
SITE = dataclasses.replace(BARE, path="site", seconds=46.0, pss=400 * report.MIB, stages={}, run=RUN)
AGAIN = dataclasses.replace(
    SITE,
    name="no-op",
    seconds=18.0,
    pss=300 * report.MIB,
    calls={"cp1": 10, "w1": 8},
    task_calls={"node : observe": {"cp1": 2, "w1": 1}, "kubelet : verify": {"cp1": 8, "w1": 7}},
)


def test_targets() -> None:
    found = {target.name: (target.found, target.met) for target in report.targets([BARE, SITE, AGAIN])}
    assert found == {
        "create, site by bare": (1.15, True),
        "add a worker, site by bare": (None, None),
        "platform, site by bare": (None, None),
        "platform again, site": (None, None),
        "no-op, site": (18.0, True),
        "no-op, ssh connections of a host": (1, True),
        "no-op, ssh and sftp calls for a host": (10, False),
        # below the limit, not at it
        "controller's memory at its peak": (400, False),
    }


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    assert [target.met for target in report.targets([BARE])] == [None] * 8


def test_best_round_counts() -> None:
    slow = dataclasses.replace(BARE, round=2, seconds=99.0)
    assert report.best([slow, BARE], "create", "bare") is BARE
    assert report.ratio([slow, BARE, SITE], "create") == pytest.approx(1.15)
    assert report.ratio([BARE], "create") is None


def test_a_worker_may_cost_a_third_more_than_its_bare_path() -> None:
    bare = dataclasses.replace(BARE, name="add a worker", seconds=10.0)
    for seconds, met in ((13.0, True), (13.1, False)):
        site = dataclasses.replace(SITE, name="add a worker", seconds=seconds)
        (found,) = [one for one in report.targets([bare, site]) if one.name == "add a worker, site by bare"]
        assert found.found == pytest.approx(seconds / 10)
        assert found.met is met


def test_hosts_that_came_later_are_in_the_table() -> None:
    joined = dataclasses.replace(
        SITE,
        name="add a worker",
        traffic={**SITE.traffic, "w3": Bytes(5 * report.MIB, 0)},
        calls={"cp1": 2, "w1": 0, "w3": 9},
    )
    console = Console(file=io.StringIO(), width=200)
    console.print(report.phase_table([SITE, joined]))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    for expected in ("cp1, w1, w3", "2/0/9", "3.0/1.0/5.0", "7/3"):
        assert expected in text


def test_tables_show_every_phase() -> None:
    console = Console(file=io.StringIO(), width=200)
    report.show([SITE, AGAIN, BARE], console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    for expected in (
        "1.15",
        "30/20",
        "7/3",
        "3.0/1.0",
        "create by site",
        "no-op by site",
        "missed",
        "init",
        "kubelet : verify",
    ):
        assert expected in text
    assert "task 11" in text
    assert "task 12" not in text, "only the slowest are shown"


def test_written_figures_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "new" / "bench.json"
    report.write(file, report.data([BARE, SITE, AGAIN], {"date": "today"}))
    found = json.loads(file.read_text(encoding="utf-8"))
    assert (found["version"], found["date"], found["ratios"]) == (report.VERSION, "today", {"create": 1.15})
    assert [(row["name"], row["path"]) for row in found["phases"]] == [
        ("create", "bare"),
        ("create", "site"),
        ("no-op", "site"),
    ]
    assert found["phases"][0]["run"] is None
    assert found["phases"][1]["run"]["executions"] == 50
    assert len(found["phases"][1]["run"]["slowest"]) == report.SLOWEST
    assert [target["met"] for target in found["targets"]] == [
        *(True, None, None, None),
        *(True, True, False, False),
    ]


def test_stages_of_the_script() -> None:
    assert measure.stages("prepare 110.5\ninit 120\n", 100.0) == {"prepare": 10.5, "init": 9.5}
    assert measure.stages("", 1.0) == {}
