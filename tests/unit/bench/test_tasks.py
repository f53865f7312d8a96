# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run did is counted from the callback's events."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import measure, tasks

HOSTS = {"a": "192.0.2.1", "b": "192.0.2.2"}


def _event(event: str, at: float, **values: object) -> str:
    return json.dumps({"event": event, "at": at, **values})


def _result(at: float, task: str, host: str, status: str = "ok", changed: bool = False) -> str:
    return _event("result", at, task=task, host=host, status=status, changed=changed, looped=False)


EVENTS = [
    _event("play", 1.0, name="one"),
    _event("task", 1.5, task="t1", name="role : first", action="setup"),
    _result(2.0, "t1", "a"),
    _result(4.5, "t1", "b", changed=True),
    _event("play", 5.0, name="two"),
    _event("task", 5.0, task="t2", name="role : second", action="file"),
    _event("item", 5.2, task="t2", host="a", status="ok", changed=False, looped=False),
    _event("item", 5.4, task="t2", host="a", status="skipped", changed=False, looped=False),
    _result(5.5, "t2", "a"),
    _result(5.6, "t2", "b", status="skipped"),
    _event("task", 5.6, task="t3", name="role : third", action="file"),
    _result(6.0, "t3", "a", status="ignored"),
    _result(6.0, "t3", "b", status="unreachable"),
    _event("end", 7.0),
]


def test_calls_belong_to_the_task_that_is_under_way() -> None:
    run = tasks.parse(EVENTS)
    calls = [("a", 1.0), ("a", 1.6), ("b", 1.61), ("a", 4.9), ("a", 5.0), ("b", 5.595), ("b", 6.5)]
    assert tasks.calls_by_task(run, calls) == {
        # before the first task
        "": {"a": 1},
        "role : first": {"a": 2, "b": 1},
        "role : second": {"a": 1},
        "role : third": {"b": 2},
    }
    assert tasks.calls_by_task(tasks.parse([]), [("a", 1.0)]) == {"": {"a": 1}}


def test_run_is_summed_up() -> None:
    run = tasks.parse(EVENTS)
    assert run.tasks == 3
    assert run.executed == {"a": 3, "b": 2}
    assert run.executions == 5
    assert run.skipped == {"b": 1}
    assert run.items == {"a": 1}
    assert (run.changed, run.failed) == (1, 1)
    assert run.plays == {"one": 4.0, "two": 2.0}
    assert [(task.name, task.play, task.seconds) for task in run.slowest][:2] == [
        ("role : first", "one", 3.0),
        ("role : second", "two", pytest.approx(0.6)),
    ]


def test_two_plays_of_one_name_are_added() -> None:
    run = tasks.parse([_event("play", 0, name="x"), _event("play", 1, name="x"), _event("end", 5)])
    assert run.plays == {"x": 5.0}


def test_a_last_line_that_was_cut_off_is_passed_over() -> None:
    assert tasks.parse([*EVENTS[:3], EVENTS[3][:20]]).executed == {"a": 1}
    with pytest.raises(ValueError, match="not an event"):
        tasks.parse([EVENTS[0], "{", EVENTS[1]])


def test_nothing_ran() -> None:
    run = tasks.parse([])
    assert (run.tasks, run.executions, run.plays, run.slowest) == (0, 0, {}, ())


def test_callback_writes_what_is_read(tmp_path: Path) -> None:
    (tmp_path / "cp").mkdir()
    playbook = tmp_path / "play.yml"
    playbook.write_text(
        """---
- name: A play
  hosts: all
  gather_facts: false
  tasks:
    - name: Changes something
      ansible.builtin.command: {cmd: "true"}
      notify: Handler
    - name: Loops
      ansible.builtin.debug: {msg: "{{ item }}"}
      loop: [1, 2, 3]
    - name: Is skipped on one
      ansible.builtin.debug: {msg: secret}
      when: inventory_hostname == 'a'
    - name: Fails
      ansible.builtin.fail: {msg: secret}
      ignore_errors: true
  handlers:
    - name: Handler
      ansible.builtin.debug: {msg: handled}
""",
        encoding="utf-8",
    )
    subprocess.run(
        [
            *(str(Path(sys.executable).parent / "ansible-playbook"), "-i", "a,b,", "-c", "local"),
            *("-e", f"ansible_python_interpreter={sys.executable}", str(playbook)),
        ],
        env=measure.environment(tmp_path, HOSTS),
        capture_output=True,
        check=True,
        timeout=120,
    )
    text = (tmp_path / "tasks").read_text(encoding="utf-8")
    assert "secret" not in text, "results may hold secrets and must not be written"
    run = tasks.parse(text.splitlines())
    assert run.tasks == 5
    assert run.executed == {"a": 5, "b": 4}
    assert run.skipped == {"b": 1}
    assert run.items == {"a": 3, "b": 3}
    assert (run.changed, run.failed) == (2, 0)
    assert [*run.plays] == ["A play"]
    assert all(task.seconds >= 0 for task in run.slowest)
