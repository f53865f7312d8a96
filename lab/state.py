# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's record: which hosts there are and which processes serve them.

The record makes commands quick and addresses stable. It is never the only way to find something: `down` looks
for groups, directories, mounts and interfaces by name, because a command may die before it writes the record.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lab.config import HostSpec, Kind, LabError, Paths, Role, Settings
from lab.run import write_atomic

VERSION = 1


@dataclass(frozen=True)
class Process:
    """A process that cannot be mistaken for a later one with the same number.

    :param pid: its number.
    :param start: its start in clock ticks since the machine's boot (field 22 of /proc/PID/stat).
    """

    pid: int
    start: int

    def alive(self) -> bool:
        """Whether this very process still runs (one that waits to be reaped does not)."""
        return start_time(self.pid) == self.start


@dataclass(frozen=True)
class HostRecord:
    """A host of the lab.

    :param address: its IPv4 address.
    :param base: name of the base below its root, which it keeps although recipes change.
    :param layers: snapshots between the base and its own files, the latest first.
    """

    name: str
    kind: Kind
    role: Role
    address: str
    base: str
    layers: tuple[str, ...] = ()

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> HostRecord:
        """From what JSON makes of one."""
        return cls(**{**data, "layers": tuple(data.get("layers", ()))})

    def spec(self) -> HostSpec:
        return HostSpec(self.name, self.kind, self.role)


@dataclass
class State:
    """The record as a whole.

    :param hosts: by name, in the order in which they were added.
    :param services: processes that serve all hosts, by service name.
    """

    hosts: dict[str, HostRecord] = field(default_factory=dict)
    services: dict[str, list[Process]] = field(default_factory=dict)

    def dump(self) -> str:
        return json.dumps({"version": VERSION, **asdict(self)}, indent=1)

    @classmethod
    def parse(cls, text: str) -> State:
        data = json.loads(text)
        if not isinstance(data, dict):
            raise ValueError("not a mapping")
        if data.get("version") != VERSION:
            raise ValueError(f"version {data.get('version')!r}, expected {VERSION}")
        return cls(
            hosts={name: HostRecord.parse(record) for name, record in data["hosts"].items()},
            services={name: [Process(**p) for p in items] for name, items in data["services"].items()},
        )


def path(paths: Paths) -> Path:
    """The record's file."""
    return paths.state / "state.json"


def load(paths: Paths) -> State:
    """The record, empty when there is none.

    :raises LabError: the file is not what the lab writes.
    """
    try:
        return State.parse(path(paths).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return State()
    except (ValueError, KeyError, TypeError) as exc:
        raise LabError(
            f"{path(paths)} cannot be read: {exc}", "run `lab down`, which needs no record, then `lab up`"
        ) from exc


def save(paths: Paths, state: State) -> None:
    """Replace the record."""
    write_atomic(path(paths), state.dump())


def parse_start_time(stat: str) -> int | None:
    """Start time from the text of /proc/PID/stat; None for a process that has ended but is not reaped.

    The command's name may hold blanks and brackets, so fields are counted after its last closing bracket.
    """
    fields = stat[stat.rindex(")") + 1 :].split()
    return None if fields[0] in ("Z", "X") else int(fields[19])


def start_time(pid: int) -> int | None:
    """Start time of a running process, None when there is none."""
    try:
        return parse_start_time(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError):
        return None


def identify(pid: int) -> Process | None:
    """A record for a process that runs now."""
    start = start_time(pid)
    return None if start is None else Process(pid, start)


@contextlib.contextmanager
def lock(settings: Settings, wait: float = 5.0) -> Iterator[None]:
    """Lock the lab: one command at a time may change it.

    The lock's file is in the cache, because `down` removes the state. The kernel drops the lock when its
    holder dies.

    :param wait: seconds to wait for another command to end.
    :raises LabError: another command keeps the lock.
    """
    settings.paths.cache.mkdir(parents=True, exist_ok=True)
    file = settings.paths.cache / f"{settings.name}.lock"
    with open(file, "a+", encoding="utf-8") as handle:
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as exc:
                if time.monotonic() > deadline:
                    handle.seek(0)
                    holder = handle.read().strip() or "unknown"
                    raise LabError(
                        f"another command of the lab {settings.name} is running (process {holder})",
                        "wait for it to end, then run this one again",
                    ) from exc
                time.sleep(0.1)
        handle.seek(0)
        handle.truncate()
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        yield


def kill(process: Process, timeout: float = 10.0) -> None:
    """End a recorded process; nothing happens when it, or its number, is another's by now.

    :param timeout: seconds to wait for its end.
    :raises LabError: it survives SIGKILL for that long.
    """
    deadline = time.monotonic() + timeout
    while process.alive():
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise LabError(
                f"process {process.pid} does not end although it was killed", "look at /proc/PID/stack"
            )
        time.sleep(0.02)
