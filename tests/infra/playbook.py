# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the collection's playbooks as an operator does, and parse their output."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import subprocess
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.infra import callbacks
from tests.infra.hosts import REPO

SITE = "baremetal.kubernetes.site"
_TASK = re.compile(r"^TASK \[(?P<name>.*)\] \**$")
_RESULT = re.compile(r"^(?P<state>ok|changed|failed|fatal|skipping): \[(?P<host>[^\s\]]+)")
_RECAP = re.compile(
    r"^(?P<host>\S+)\s+: ok=\d+\s+changed=(?P<changed>\d+)\s+unreachable=(?P<lost>\d+)\s+failed=(?P<failed>\d+)",
    re.M,
)
#: Seconds that the slowest run of a playbook may take.
LONGEST = 900
#: Lines and characters of one failure.
_SHOWN, _LONGEST_FAILURE = 20, 800


@dataclass(frozen=True)
class Counts:
    """One line of a recap."""

    changed: int = 0
    lost: int = 0
    failed: int = 0


QUIET = Counts()


@dataclass(frozen=True)
class Run:
    """A run that has ended.

    :param code: exit code of ansible-playbook. :param text: all that it printed.
    """

    code: int
    text: str

    @property
    def recap(self) -> dict[str, Counts]:
        """Counts by host."""
        return {
            match["host"]: Counts(int(match["changed"]), int(match["lost"]), int(match["failed"]))
            for match in _RECAP.finditer(self.text)
        }

    @property
    def changed(self) -> set[tuple[str, str]]:
        """Host and task of each change. A loop's task is named once."""
        return set(self._results("changed"))

    def _results(self, state: str) -> Iterator[tuple[str, str]]:
        task = ""
        for line in self.text.splitlines():
            if match := _TASK.match(line):
                task = match["name"]
            elif (match := _RESULT.match(line)) and match["state"] == state:
                yield match["host"], task

    @property
    def failures(self) -> list[str]:
        """What failed: task and message of each host, in order. Summaries show the beginning of a long text only."""
        found, task = [], ""
        lines = self.text.splitlines()
        for number, line in enumerate(lines):
            if match := _TASK.match(line):
                task = match["name"]
            elif (match := _RESULT.match(line)) and match["state"] in ("fatal", "failed"):
                # With ansible.cfg's YAML, the message is on the lines that follow.
                told = itertools.takewhile(str.strip, lines[number : number + _SHOWN])
                found.append(
                    " ".join([f"{task}:", *(" ".join(one.split()) for one in told)])[:_LONGEST_FAILURE]
                )
        return found

    def expect(self, *, code: int = 0) -> Run:
        """The run itself, when it ended with the expected code.

        :raises AssertionError: with what failed, and the end of what it printed.
        """
        assert self.code == code, (
            f"ended with code {self.code}, expected {code}: {'; '.join(self.failures) or 'no task failed'}"
            f"\n...{self.text[-6000:]}"
        )
        return self

    def expect_quiet(self) -> Run:
        """The run itself, when it changed nothing on any host.

        :raises AssertionError: naming what changed.
        """
        self.expect()
        wrong = {host: counts for host, counts in self.recap.items() if counts != QUIET}
        assert not wrong, f"{wrong}; changed: {sorted(self.changed)}"
        return self


@dataclass(frozen=True)
class Playbook:
    """A playbook on the lab's inventory.

    :param inventory: directory of the inventory. :param directory: for logs and for the sockets of ssh.
    """

    inventory: Path
    directory: Path
    name: str = SITE

    def start(
        self, *arguments: str, log: str = "run.log", hold_at: str | None = None
    ) -> subprocess.Popen[bytes]:
        """Start it; what it prints goes to `log` in the directory.

        :param hold_at: full name of a task. The run stops as soon as it begins, before a host hears of it, until
            somebody kills the run: a test that is told late of a task's begin would kill a later one.
        """
        # A log of its own: the one of converge is searched for the recaps of two whole runs.
        env = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_LOG")}
        # molecule asks for colours, which would stand inside the recap's lines.
        env |= {"ANSIBLE_FORCE_COLOR": "false", "ANSIBLE_NOCOLOR": "true", "PYTHONUNBUFFERED": "1"}
        env["ANSIBLE_SSH_CONTROL_PATH_DIR"] = str(self._sockets)
        if hold_at is not None:
            env |= callbacks.enabled("hold_at", hold_at)
        with (self.directory / log).open("wb") as sink:
            return subprocess.Popen(
                ["ansible-playbook", "-i", str(self.inventory), self.name, *arguments],
                cwd=REPO,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def _sockets(self) -> Path:
        # The path of a socket may have 108 characters at most: pytest's directories are too deep.
        return Path("/tmp") / f"bmk-ssh-{os.getpid()}"

    def run(self, *arguments: str, log: str = "run.log") -> Run:
        """Run it to its end."""
        process = self.start(*arguments, log=log)
        try:
            code = process.wait(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            said, running = self.text(log), _tree(process.pid)
            self.kill(process)
            last = (tasks_of(said) or ["no task"])[-1]
            raise AssertionError(
                f"still ran after {LONGEST} s, in: {last}; processes: {'; '.join(running)}\n...{said[-6000:]}"
            ) from None
        except BaseException:
            self.kill(process)
            raise
        return Run(code, self.text(log))

    def text(self, log: str = "run.log") -> str:
        """What a run has printed so far."""
        return (self.directory / log).read_text(encoding="utf-8", errors="replace")

    def wait_task(
        self, process: subprocess.Popen[bytes], wanted: Collection[str], log: str = "run.log"
    ) -> str | None:
        """Wait until the run begins one of some tasks.

        :return: its name, or none when the run has ended without.
        """
        deadline = time.monotonic() + LONGEST
        while time.monotonic() < deadline:
            ended = process.poll() is not None
            for line in self.text(log).splitlines():
                if (match := _TASK.match(line)) and match["name"] in wanted:
                    return match["name"]
            if ended:
                return None
            time.sleep(0.05)
        raise AssertionError(f"none of {sorted(wanted)} was begun within {LONGEST} s")

    def kill(self, process: subprocess.Popen[bytes], *, connections: bool = False) -> None:
        """Kill a run, as a crash of the controller does.

        :param connections: end its connections to the hosts, too, as a crash of the whole machine does. They outlive
            the controller otherwise, and so do the modules that run through them.
        """
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if connections:
            for pid in self._masters():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _masters(self) -> Iterator[int]:
        """Processes of ssh that keep this playbook's connections."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    command = (entry / "cmdline").read_bytes()
                    if command.startswith(b"ssh: ") and str(self._sockets).encode() in command:
                        yield int(entry.name)


def _tree(pid: int) -> list[str]:
    """A process and those that it has started, each with its state and what it waits for in the kernel."""
    try:
        words = (
            Path(f"/proc/{pid}/stat")
            .read_text(encoding="ascii", errors="replace")
            .rpartition(") ")[2]
            .split()
        )
        waits = Path(f"/proc/{pid}/wchan").read_text(encoding="ascii") or "nothing"
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return []
    line = f"{pid} {words[0]} in {waits}: {command[:100].strip()}"
    return [line, *(one for child in children for one in _tree(int(child)))]


def tasks_of(text: str) -> list[str]:
    """Names of the tasks that a run has begun, in order, each once; without the checks of arguments."""
    names = [match["name"] for line in text.splitlines() if (match := _TASK.match(line))]
    return list(dict.fromkeys(name for name in names if "Validating arguments" not in name))
