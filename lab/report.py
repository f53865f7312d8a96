# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress: spinners on a terminal, plain lines with times in a log."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


class Reporter:
    """Reports which steps run and how long each took.

    :param console: where to.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._running = 0
        self._progress: Progress | None = None

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Report the block as one step. Blocks of several threads may overlap."""
        began = time.monotonic()
        task = self._show(name)
        result = "failed after"
        try:
            yield
            result = "in"
        finally:
            self._hide(task)
            now = time.monotonic()
            self.console.print(
                f"[{now - self._began:6.1f} s] {name} {result} {now - began:.1f} s",
                markup=False,
                highlight=False,
            )

    def _show(self, name: str) -> TaskID | None:
        if not self.console.is_terminal:
            return None
        # A terminal has room for one live display, which all running steps share.
        with self._lock:
            if self._progress is None:
                columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
                self._progress = Progress(*columns, console=self.console, transient=True)
                self._progress.start()
            self._running += 1
            return self._progress.add_task(name, total=None)

    def _hide(self, task: TaskID | None) -> None:
        if task is None:
            return
        with self._lock:
            if self._progress is None:
                return
            self._progress.remove_task(task)
            self._running -= 1
            if self._running == 0:
                self._progress.stop()
                self._progress = None
