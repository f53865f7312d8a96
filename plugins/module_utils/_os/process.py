# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Run a command with a time limit, which C(AnsibleModule.run_command) does not have."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import typing as t
from dataclasses import dataclass

# For the pipes to close once everything that held them was killed.
_GRACE_SECONDS = 5


@dataclass(frozen=True)
class Finished:
    """How a command ended.

    :param code: its exit code, None when it took too long and was killed.
    """

    code: int | None
    stdout: str
    stderr: str


class Process(subprocess.Popen):
    """A command without input, in a session of its own, so that it can be ended with all that it started.

    :param argv: the program and its arguments.
    :param env: all of its environment.
    :param log: file that gets all it prints; without one, C(finish) returns that.
    """

    def __init__(
        self, argv: t.Sequence[str], env: t.Mapping[str, str], log: t.IO[bytes] | None = None
    ) -> None:
        super().__init__(
            list(argv),
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if log is None else log,
            stderr=subprocess.PIPE if log is None else subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def finish(self, seconds: float) -> Finished:
        """Wait for the end, but no longer than that."""
        try:
            stdout, stderr = self.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.end()
        else:
            return Finished(self.returncode, stdout, stderr)
        try:
            stdout, stderr = self.communicate(timeout=_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            # Something that left the session still holds the pipes; nobody waits for it.
            stdout, stderr = "", ""
        return Finished(None, stdout, stderr)

    def end(self) -> None:
        """Kill it, with all that it started and that did not leave its session."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()


class Filter(subprocess.Popen):
    """A command that gets its input from the caller, by C(stdin), and writes to a file.

    :param argv: the program and its arguments. :param env: all of its environment.
    :param out: file that gets its output. :param log: file that gets what it says.
    """

    def __init__(
        self, argv: t.Sequence[str], env: t.Mapping[str, str], out: t.IO[bytes], log: t.IO[bytes]
    ) -> None:
        super().__init__(list(argv), env=dict(env), stdin=subprocess.PIPE, stdout=out, stderr=log)


def run(argv: t.Sequence[str], seconds: float, env: t.Mapping[str, str]) -> Finished:
    """Run a command to its end.

    :param argv: the program and its arguments.
    :param seconds: longest run; then it is killed with all that it started.
    :param env: all of its environment; messages are in English in any case.
    :raises OSError: the program cannot be run.
    """
    return Process(argv, {**env, "LC_ALL": "C"}).finish(seconds)
