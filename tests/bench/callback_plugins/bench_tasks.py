# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A callback that writes down what ran when: one JSON object a line, in the file that BENCH_TASKS names.

`tests.bench.tasks` reads it. It is no part of the collection.
"""

from __future__ import annotations

import json
import os
import time
from typing import IO, Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: bench_tasks
type: notification
short_description: Writes down the tasks of a run
description: For the benchmark of this checkout.
"""


class CallbackModule(CallbackBase):
    """Writes events; keeps nothing."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "bench_tasks"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._file: IO[str] | None = None
        if path := os.environ.get("BENCH_TASKS"):
            # Line by line, so that a run that dies leaves what it did.
            self._file = open(path, "a", buffering=1, encoding="utf-8")  # noqa: SIM115 - lives as long as the run

    def _note(self, event: str, **values: Any) -> None:
        if self._file is not None:
            self._file.write(json.dumps({"event": event, "at": time.monotonic(), **values}) + "\n")

    def _task(self, task: Any) -> None:
        self._note("task", task=task._uuid, name=task.get_name(), action=task.action)

    def _result(self, result: Any, status: str, event: str = "result") -> None:
        # Nothing but these: a result may hold secrets.
        looped = "results" in result.result and bool(result.task.loop)
        self._note(
            event,
            task=result.task._uuid,
            host=result.host.get_name(),
            status=status,
            changed=bool(result.is_changed()),
            looped=looped,
        )

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._note("play", name=play.get_name())

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._task(task)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self._task(task)

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        self._note("start", task=task._uuid, host=host.get_name())

    def v2_runner_on_ok(self, result: Any) -> None:
        self._result(result, "ok")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._result(result, "ignored" if ignore_errors else "failed")

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._result(result, "skipped")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._result(result, "unreachable")

    def v2_runner_item_on_ok(self, result: Any) -> None:
        self._result(result, "ok", event="item")

    def v2_runner_item_on_failed(self, result: Any) -> None:
        self._result(result, "failed", event="item")

    def v2_runner_item_on_skipped(self, result: Any) -> None:
        self._result(result, "skipped", event="item")

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._note("end")
