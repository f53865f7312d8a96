# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""A line at the bottom of a terminal that changes while everything else scrolls above it."""

from __future__ import annotations

import functools
import os
import signal
import sys
import typing as t

from ansible.utils.display import Display

#: To the beginning of the line, and away with it.
_CLEAR = b"\r\x1b[K"


def is_terminal() -> bool:
    """Whether the output can have such a line."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


class LiveLine:
    """The line, and the timer that draws it again.

    There is no thread for it: Ansible forks a process for each task, which is not safe beside one that writes. The
    timer's signal is handled between two steps of the main process, and never while it writes.

    :param display: all of whose output removes the line before.
    """

    def __init__(self, display: Display) -> None:
        self._display = display
        self._pid = os.getpid()
        self._shown = False
        self._writing = 0
        original = display.display

        @functools.wraps(original)
        def written(*args: t.Any, **kwargs: t.Any) -> t.Any:
            # A worker's output comes through the main process.
            if os.getpid() != self._pid:
                return original(*args, **kwargs)
            self._writing += 1
            try:
                self.clear()
                return original(*args, **kwargs)
            finally:
                self._writing -= 1

        setattr(display, "display", written)  # noqa: B010 - the object's, not the class's

    @property
    def busy(self) -> bool:
        """Whether something is being written right now."""
        return self._writing > 0

    def draw(self, text: str) -> None:
        """Show a text instead of the one before. It is cut to the width of the terminal."""
        if self.busy:
            return
        try:
            # One without a size, as over a serial line, says 0.
            width = os.get_terminal_size(sys.stdout.fileno()).columns or 80
        except OSError:
            width = 80
        self._write(_CLEAR + text[: max(1, width - 1)].encode("utf-8", "replace"))
        self._shown = True

    def clear(self) -> None:
        """Remove the line."""
        if self._shown:
            self._shown = False
            self._write(_CLEAR)

    @staticmethod
    def _write(data: bytes) -> None:
        try:
            os.write(sys.stdout.fileno(), data)
        except OSError:
            # The terminal is gone, or does not take it now.
            return


class Ticker:
    """Calls a function at intervals, in the main process alone."""

    def __init__(self, call: t.Callable[[], None]) -> None:
        self._call = call
        self._pid = os.getpid()
        # Ansible refuses a task with a timeout in a worker that has a handler of this signal.
        os.register_at_fork(after_in_child=self._forget)

    def start(self, seconds: float) -> None:
        signal.signal(signal.SIGALRM, self._tick)
        signal.setitimer(signal.ITIMER_REAL, seconds, seconds)

    def stop(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def _tick(self, _number: int, _frame: object) -> None:
        if os.getpid() == self._pid:
            self._call()

    def _forget(self) -> None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
