# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress: spinners for a person at a terminal, plain lines with times for a log."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Reporter:
    """Tells which steps run and how long each took.

    :param console: where to.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._began = time.monotonic()

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Announce the block as one step. Blocks of several threads may overlap."""
        began = time.monotonic()
        if self.console.is_terminal:
            with self._spinner(name):
                yield
        else:
            yield
        now = time.monotonic()
        self.console.print(
            f"[{now - self._began:6.1f} s] {name} ({now - began:.1f} s)", markup=False, highlight=False
        )

    @contextlib.contextmanager
    def _spinner(self, name: str) -> Iterator[None]:
        columns = (SpinnerColumn(), TextColumn(name), TimeElapsedColumn())
        progress = Progress(*columns, console=self.console, transient=True)
        try:
            progress.start()
        except Exception:  # noqa: BLE001 - rich allows one live display; a second step runs without one
            yield
            return
        progress.add_task(name)
        try:
            yield
        finally:
            progress.stop()
