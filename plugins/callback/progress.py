# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: stdout
short_description: A line for each phase and host, and a summary
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Shows one line when a phase (a play) begins and one for each of its hosts when it has ended, with the time that it
    took. At the end stands what was changed where, what failed where, and what to do next.
  - On a terminal, the last line says what the run does at the moment, on which hosts and for how long. Elsewhere, as in
    the log of a pipeline, a line every 30 seconds says so while a task takes longer than that.
  - Failures, warnings, deprecations, differences (C(--diff)), retries and the messages of C(ansible.builtin.debug) are
    shown as by the callback C(ansible.builtin.default). With C(-v) and more, so is everything else.
options: {}
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - Set as C(stdout_callback) in the configuration, or as C(ANSIBLE_STDOUT_CALLBACK) in the environment.
"""

import time
import typing as t

from ansible import constants, context
from ansible.plugins.callback.default import CallbackModule as Default
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._progress import live
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._progress.record import (
    HostResult,
    Line,
    Phase,
    Tone,
    heading,
    outcome,
    running,
    summary,
)

#: Seconds between two drawings of the line on a terminal, and between two lines of a log.
LIVE_SECONDS = 1.0
LOG_SECONDS = 30.0
#: It is drawn at most so often for events.
_DRAW_SECONDS = 0.1
#: What Ansible's own callback shows of each task.
_DETAILS = frozenset({"display_ok_hosts", "display_skipped_hosts", "display_included_hosts"})
_COLOURS = {
    Tone.HEADING: "COLOR_HIGHLIGHT",
    Tone.OK: "COLOR_OK",
    Tone.CHANGED: "COLOR_CHANGED",
    Tone.FAILED: "COLOR_ERROR",
    Tone.UNREACHABLE: "COLOR_UNREACHABLE",
}


class CallbackModule(Default):
    """Shows phases instead of tasks; all that it does not count, Ansible's own callback shows."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "baremetal.kubernetes.progress"

    def __init__(self) -> None:
        super().__init__()
        self._began = time.monotonic()
        self._phases: list[Phase] = []
        self._open = False
        self._tasks: dict[str, tuple[str, float]] = {}
        self._running: dict[str, str] = {}
        self._prompts = False
        self._drawn = self._said = 0.0
        self._live: live.LiveLine | None = None
        self._ticker: live.Ticker | None = None
        self._showing = False
        #: Whether something stands between the heading of a phase and its outcome.
        self._detailed = False

    # --- what is shown ----------------------------------------------------------------------------------------------

    @property
    def _brief(self) -> bool:
        return bool(self._display.verbosity < 1)

    def get_option(self, k: str, hostvars: t.Any = None) -> t.Any:
        """Leave out the details of tasks that went well."""
        if k in _DETAILS and self._brief and not self._showing:
            return False
        return super().get_option(k, hostvars)

    def _show(self, lines: t.Iterable[Line]) -> None:
        for line in lines:
            name = _COLOURS.get(line.tone)
            self._display.display(line.text, color=getattr(constants, name) if name else None)

    def _now(self) -> float:
        return time.monotonic() - self._began

    @property
    def _check(self) -> bool:
        return bool(context.CLIARGS.get("check"))

    def _end_phase(self) -> None:
        if self._open:
            self._open = False
            lines = outcome(self._phases[-1], self._check)
            self._show([Line(""), *lines] if self._detailed else lines)

    def _status(self) -> str:
        """What the run does now; empty when that is nothing, or when it waits for the operator."""
        if not self._open or not self._running or self._prompts:
            return ""
        # The task that most hosts are at began last.
        key = list(self._running.values())[-1]
        name, began = self._tasks.get(key, ("", time.monotonic()))
        hosts = [host for host, task in self._running.items() if task == key]
        return running(self._phases[-1], name, hosts, time.monotonic() - began, self._now())

    def _draw(self) -> None:
        if self._live is None or time.monotonic() - self._drawn < _DRAW_SECONDS:
            return
        self._drawn = time.monotonic()
        text = self._status()
        if text:
            self._live.draw(text)
        elif not self._live.busy:
            self._live.clear()

    def _tick(self) -> None:
        if self._live is not None:
            self._draw()
        elif self._running and time.monotonic() - max(self._said, self._newest()) >= LOG_SECONDS:
            self._said = time.monotonic()
            text = self._status()
            if text:
                self._display.display(text)

    def _newest(self) -> float:
        return max((self._tasks[key][1] for key in self._running.values() if key in self._tasks), default=0.0)

    # --- what happens -----------------------------------------------------------------------------------------------

    def v2_playbook_on_start(self, playbook: t.Any) -> None:
        """Begin to watch."""
        super().v2_playbook_on_start(playbook)
        if self._brief:
            if live.is_terminal():
                self._live = live.LiveLine(self._display)
            self._ticker = live.Ticker(self._tick)
            self._ticker.start(LIVE_SECONDS)

    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        """Begin a phase, unless it is the next batch of the same one."""
        key = str(getattr(play, "_uuid", play.get_name()))
        self._running.clear()
        if self._open and self._phases[-1].key == key:
            self._play = play
            if not self._brief:
                super().v2_playbook_on_play_start(play)
            return
        self._end_phase()
        self._phases.append(Phase(play.get_name().strip() or "play", key, self._now()))
        self._open, self._detailed = True, False
        if self._brief:
            self._play = play
            self._show([heading(self._phases[-1], self._check)])
        else:
            super().v2_playbook_on_play_start(play)

    def _task_start(self, task: t.Any, prefix: str | None = None) -> None:
        super()._task_start(task, prefix)
        self._prompts = str(task.action).rpartition(".")[2] == "pause"
        self._tasks[task._uuid] = (task.get_name().strip(), time.monotonic())

    def _print_task_banner(self, task: t.Any) -> None:
        self._detailed = True
        super()._print_task_banner(task)

    def v2_runner_on_start(self, host: t.Any, task: t.Any) -> None:
        """Note which host is at which task."""
        super().v2_runner_on_start(host, task)
        # A free strategy starts no task for all hosts.
        self._tasks.setdefault(task._uuid, (task.get_name().strip(), time.monotonic()))
        self._running[host.get_name()] = task._uuid
        self._draw()

    def _noted(self, result: t.Any) -> tuple[HostResult, str]:
        """The record of a result's host, and the name of its task."""
        host = result.host.get_name()
        self._running.pop(host, None)
        record = self._phases[-1].of(host)
        record.tasks += 1
        record.seconds = self._now() - self._phases[-1].began
        self._draw()
        return record, result.task_name.strip()

    def v2_runner_on_ok(self, result: t.Any) -> None:
        """Count; show what the task itself wants to be shown."""
        record, name = self._noted(result)
        if result.is_changed():
            record.changed.append(name)
        diff = self._display_diff(result) if result.is_changed() else False
        if self._brief and not diff and not result.result.get("_ansible_verbose_always"):
            self._handle_warnings_and_exception(result)
            return
        self._showing = True
        try:
            super().v2_runner_on_ok(result)
        finally:
            self._showing = False

    def _display_diff(self, result: t.Any) -> bool:
        """Whether a difference of this result stands above."""
        return bool(context.CLIARGS.get("diff") and result.result.get("diff"))

    def v2_runner_on_skipped(self, result: t.Any) -> None:
        """Count it no more than Ansible does."""
        self._running.pop(result.host.get_name(), None)
        super().v2_runner_on_skipped(result)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        """Show the whole message."""
        record, name = self._noted(result)
        if not ignore_errors:
            record.failed = name
            record.message = str(result.result.get("msg") or result.result.get("censored") or "")
        super().v2_runner_on_failed(result, ignore_errors)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        """Show the whole message."""
        record, name = self._noted(result)
        if not result.task.ignore_unreachable:
            record.unreachable = name
            record.message = str(result.result.get("msg") or "")
        super().v2_runner_on_unreachable(result)

    def v2_runner_item_on_ok(self, result: t.Any) -> None:
        """Show items when everything is shown, or when they want to be."""
        if self._brief and not result.result.get("_ansible_verbose_always"):
            self._handle_warnings_and_exception(result)
            return
        self._showing = True
        try:
            super().v2_runner_item_on_ok(result)
        finally:
            self._showing = False

    def v2_playbook_on_include(self, included_file: t.Any) -> None:
        """Ansible-core 2.19 has no option for it."""
        if not self._brief:
            super().v2_playbook_on_include(included_file)

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        """Show the summary."""
        if self._ticker is not None:
            self._ticker.stop()
        self._running.clear()
        if self._live is not None:
            self._live.clear()
        self._end_phase()
        if not self._brief:
            super().v2_playbook_on_stats(stats)
        hosts = sorted(stats.processed)
        totals = {host: stats.summarize(host) for host in hosts}
        failed = {host for host, total in totals.items() if total["failures"] or total["unreachable"]}
        self._show(summary(self._phases, failed, hosts, self._now(), self._check))
