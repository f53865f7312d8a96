# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress of steps, estimated from earlier durations, and a table of durations at the end."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from lab.artifacts.store import Record

#: Seconds between two updates of the bars.
TICK = 0.5
#: Steps shorter than this many seconds are not worth a line in a log.
QUIET_SECONDS = 1.0


def clock(seconds: float) -> str:
    """Minutes and seconds, such as 6:07."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Steps:
    """Progress of several steps at once: bars on a terminal, lines elsewhere.

    :param console: where to.
    :param record: has the durations of earlier runs and gets those of this one.
    """

    def __init__(self, console: Console, record: Record) -> None:
        self.console = console
        self.record = record
        self.times: dict[str, float] = {}
        self._progress: Progress | None = None
        self._running: dict[TaskID, float] = {}
        self._stop = threading.Event()

    @contextlib.contextmanager
    def shown(self) -> Iterator[Steps]:
        """Show steps while the block runs."""
        if not self.console.is_terminal:
            yield self
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[last]}"),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            self._progress = progress
            self._stop.clear()
            ticker = threading.Thread(target=self._tick, daemon=True)
            ticker.start()
            try:
                yield self
            finally:
                self._stop.set()
                ticker.join()
                self._progress = None

    def _tick(self) -> None:
        while not self._stop.wait(TICK):
            for task, began in list(self._running.items()):
                if self._progress:
                    self._progress.update(task, completed=time.monotonic() - began)

    @contextlib.contextmanager
    def step(self, name: str, estimate: float | None = None) -> Iterator[None]:
        """Time the block as one step.

        :param estimate: seconds that it takes, when this machine has never done it.
        """
        last = self.record.durations.get(name)
        told = f"took {clock(last)} last time" if last is not None else "first time here"
        if last is None and estimate:
            told += f", about {clock(estimate)} on two cores"
        began = time.monotonic()
        task = None
        if self._progress:
            task = self._progress.add_task(name, total=last or estimate, last=told)
            self._running[task] = began
        elif (last or estimate or 0) > QUIET_SECONDS:
            self.console.print(f"{name} ({told})", markup=False, highlight=False)
        try:
            yield
        except BaseException:
            failed = f"{name}: failed after {clock(time.monotonic() - began)}"
            self.console.print(failed, markup=False, highlight=False)
            raise
        finally:
            if task is not None and self._progress:
                self._running.pop(task, None)
                self._progress.remove_task(task)
        took = time.monotonic() - began
        self.times[name] = took
        self.record.took(name, took)
        if took > QUIET_SECONDS:
            self.console.print(f"{name}: {clock(took)}", markup=False, highlight=False)

    def table(self) -> Table:
        """Durations, longest first."""
        table = Table("step", "time", title="time taken")
        for name, took in sorted(self.times.items(), key=lambda pair: -pair[1]):
            table.add_row(name, clock(took))
        return table
