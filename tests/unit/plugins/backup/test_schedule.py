# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Scheduled backups: when one is due, what a failure does, and the program as a control plane runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import typing as t
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._backup import retention, schedule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._backup.create import Made
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import events
from ansible_collections.baremetal.kubernetes.plugins.modules import backup_schedule_info
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._health import evaluate
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._health.model import Cluster, Host, Limits

from tests.gates import repo
from tests.unit.plugins.backup import support
from tests.unit.support import deployed

ROLE = "etcd_backup"
START = datetime(2026, 11, 29, 3, tzinfo=UTC)
DOCUMENT: dict[str, t.Any] = {
    "cluster_name": "site-a",
    "recipients": [support.AGE_KEY],
    "directory": "/var/backups/kubernetes",
    "interval": 6,
    "keep": 2,
    "keep_days": 0,
    "metrics_directory": "",
}


def name_of(moment: datetime, cluster: str = "site-a") -> str:
    return retention.file_name(cluster, moment.strftime("%Y-%m-%dT%H:%M:%SZ"), ".age")


@pytest.mark.parametrize(
    ("ages", "hours"),
    [
        ((), 0),
        ((1,), 5),
        ((1, 30), 5),
        ((6,), 0),
        ((30,), 0),
        # One of a time when the clock was wrong must not stop the schedule until then.
        ((-9000,), 0),
        ((-9000, 2), 4),
    ],
)
def test_a_backup_is_due_an_interval_after_the_newest(ages: tuple[int, ...], hours: int) -> None:
    names = [name_of(START - timedelta(hours=age)) for age in ages]
    others = [name_of(START, "site-b"), "notes.txt", ".site-a-20261129T030000Z.tar.gz.age.x1"]
    settings = schedule.parse_settings(json.dumps(DOCUMENT))
    assert schedule.due([*names, *others], settings, START) == hours * 3600


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"interval": 0}, "expected hours, at least 1"),
        ({"interval": "6"}, "expected a int"),
        ({"recipients": []}, "recipient"),
        ({"recipients": ["AGE-SECRET-KEY-1XYZ"]}, ""),
        ({"more": 1}, "Expected an object with"),
    ],
)
def test_a_wrong_configuration_is_refused(change: dict[str, t.Any], message: str) -> None:
    with pytest.raises(OperatorError) as caught:
        schedule.parse_settings(json.dumps({**DOCUMENT, **change}))
    assert message in str(caught.value)
    assert "XYZ" not in str(caught.value), "a private key given by mistake"


class Clock:
    def __init__(self) -> None:
        self.now = START.timestamp()

    def __call__(self) -> float:
        return self.now


class Control:
    """A control plane whose backups are files with a name.

    :ivar broken: why its member of etcd cannot be backed up.
    """

    def __init__(self, tmp_path: Path) -> None:
        self.directory = tmp_path / "backups"
        self.metrics = tmp_path / "metrics"
        self.metrics.mkdir()
        self.clock = Clock()
        self.broken = ""
        text = json.dumps(
            {**DOCUMENT, "directory": str(self.directory), "metrics_directory": str(self.metrics)}
        )
        self.scheduler = schedule.Scheduler(
            schedule.parse_settings(text), "cp1", events.Log(sys.stdout), self._make, self.clock
        )

    def _make(self) -> Made:
        if self.broken:
            raise OperatorError(self.broken)
        path = self.directory / name_of(datetime.fromtimestamp(self.clock.now, UTC))
        path.write_bytes(b"x" * 9)
        manifest, _files, _data = support.sample()
        return Made(str(path), 9, "", manifest)

    def after(self, hours: float) -> list[str]:
        """Look again after that time.

        :return: names in the directory.
        """
        self.clock.now += hours * 3600
        self.scheduler.step()
        return sorted(os.listdir(self.directory))

    def metric(self, name: str) -> float:
        text = (self.metrics / schedule.METRICS).read_text(encoding="utf-8")
        (line,) = (
            line for line in text.splitlines() if line.startswith(f"baremetal_kubernetes_etcd_backup_{name} ")
        )
        return float(line.split()[1])


def test_backups_are_made_and_expire(tmp_path: Path) -> None:
    control = Control(tmp_path)
    assert len(control.after(0)) == 1
    assert len(control.after(5.9)) == 1
    assert len(control.after(0.2)) == 2
    third = control.after(6)
    assert third == [name_of(START + timedelta(hours=6.1)), name_of(START + timedelta(hours=12.1))]
    assert control.directory.stat().st_mode & 0o777 == 0o700
    assert control.metric("last_attempt_success") == 1
    assert control.metric("last_size_bytes") == 9
    assert control.metric("last_success_timestamp_seconds") == (START + timedelta(hours=12.1)).timestamp()


def test_a_failure_is_told_and_tried_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    control = Control(tmp_path)
    control.after(0)
    control.broken = "cp1: its member of etcd is not healthy: RAFT NO LEADER."
    assert len(control.after(6)) == 1, "what is there stays"
    assert control.metric("last_attempt_success") == 0
    assert control.metric("last_success_timestamp_seconds") == START.timestamp()
    event = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (event["level"], event["event"], event["message"]) == ("error", "failed", control.broken)
    control.broken = ""
    assert len(control.after(0.1)) == 1, "not before ten minutes have passed"
    assert len(control.after(0.1)) == 2
    assert control.metric("last_attempt_success") == 1


def test_what_a_killed_run_has_left_is_removed(tmp_path: Path) -> None:
    control = Control(tmp_path)
    control.directory.mkdir()
    (control.directory / ".site-a-20261129T030000Z.tar.gz.age.x1").touch()
    (control.directory / ".site").touch()
    assert control.after(0) == [".site", name_of(START)]


def test_role_places_what_the_program_imports_and_nothing_else() -> None:
    assert sorted(deployed.sources(ROLE)) == sorted(deployed.closure("_backup/schedule.py"))


def test_role_makes_the_directories_of_what_it_places() -> None:
    variables = repo.load(deployed.ROLES / ROLE / "vars" / "main.yml")
    made = {str(item["path"]).rpartition("/")[2] for item in variables["__etcd_backup_directories"]}
    assert {name.partition("/")[0] for name in deployed.sources(ROLE) if "/" in name} <= made


def test_as_a_process(tmp_path: Path) -> None:
    """By itself, without the packages of this environment. No cluster is here, which it says, and goes on."""
    program = deployed.place(ROLE, tmp_path / "program")
    config = tmp_path / "config.json"
    config.write_text(json.dumps({**DOCUMENT, "directory": str(tmp_path / "backups")}))
    running = subprocess.Popen(
        [sys.executable, "-ISB", str(program), "--config", str(config)], stdout=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    events = [json.loads(running.stdout.readline()) for _line in range(2)]
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=10)
    assert running.returncode == 0
    assert [event["event"] for event in events] == ["started", "failed"]
    assert "retry_seconds" in events[1]


def test_a_wrong_configuration_ends_the_process(tmp_path: Path) -> None:
    program = deployed.place(ROLE, tmp_path / "program")
    config = tmp_path / "config.json"
    config.write_text("{")
    ended = subprocess.run(
        [sys.executable, "-ISB", str(program), "--config", str(config)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert ended.returncode == schedule.EXIT_CONFIG
    assert json.loads(ended.stdout)["event"] == "stopped"


# What is told of it


def scheduled(root: Path, **document: t.Any) -> dict[str, t.Any]:
    config = root / schedule.CONFIG.lstrip("/")
    config.parent.mkdir(parents=True)
    config.write_text(json.dumps({**DOCUMENT, **document}))
    return backup_schedule_info.run({"root": str(root)}, START)


def test_newest_backup_is_told(tmp_path: Path) -> None:
    directory = tmp_path / "var/backups/kubernetes"
    directory.mkdir(parents=True)
    for age in (2.5, 8):
        (directory / name_of(START - timedelta(hours=age))).write_bytes(b"x" * int(age * 2))
    found = scheduled(tmp_path)
    assert (found["archive"], found["made"]) == ("site-a-20261129T003000Z.tar.gz.age", "2026-11-29T00:30:00Z")
    assert (found["age_hours"], found["size"], found["interval"], found["error"]) == (2.5, 5, 6, "")


def test_no_backup_and_no_schedule_are_told(tmp_path: Path) -> None:
    found = backup_schedule_info.run({"root": str(tmp_path)}, START)
    assert (found["scheduled"], found["error"]) == (False, "")
    found = scheduled(tmp_path)
    assert (found["scheduled"], found["archive"], found["age_hours"]) == (True, "", None)


def test_a_configuration_that_is_wrong_is_told(tmp_path: Path) -> None:
    assert schedule.CONFIG in scheduled(tmp_path, interval=0)["error"]


def told(**change: t.Any) -> dict[str, t.Any]:
    made = {"scheduled": True, "error": "", "interval": 6, "directory": "/b", "archive": "a", "made": "M"}
    return {**made, "age_hours": 2.0, "size": 4096, **change}


@pytest.mark.parametrize(
    ("backups", "running", "message"),
    [
        (told(), True, ""),
        (told(age_hours=11.9), True, ""),
        (told(age_hours=12.1), True, "found the newest backup in /b of M; expected one every 6 hours"),
        (
            told(age_hours=None, made="", archive=""),
            True,
            "found no backup in /b; expected one every 6 hours",
        ),
        (told(), False, "found kubernetes-etcd-backup does not run; expected it runs"),
        (told(error="x: wrong"), True, "found x: wrong"),
        (told(scheduled=False), False, ""),
        ({}, False, ""),
    ],
)
def test_health_warns_of_backups_that_are_missing(
    backups: dict[str, t.Any], running: bool, message: str
) -> None:
    node = {"node_name": "cp1", "daemons": {schedule.SERVICE: {"running": running}}}
    host = Host("cp1", True, node=node, backups=backups)
    found = [
        item for item in evaluate.evaluate([host], Cluster(error="x"), Limits()) if item.check == "backup"
    ]
    assert [item.severity for item in found] == ["warning"] * bool(message)
    assert all(message in item.line() for item in found)
    shown = evaluate.backups_table([host])
    assert len(shown) == bool(backups.get("scheduled") and not backups["error"])
