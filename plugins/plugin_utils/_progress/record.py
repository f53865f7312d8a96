# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What a run has done so far, and the lines that say so. Pure: events and times in, lines out."""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass, field

#: Hosts of a phase that changed nothing are counted beyond so many, and names in one line.
SHOWN_HOSTS = 20
SHOWN_NAMES = 8
#: Changed tasks are listed by phase alone beyond so many.
SHOWN_TASKS = 15
_MESSAGE = 200


class Tone(enum.Enum):
    """What a line is about, which decides its colour."""

    HEADING = "heading"
    OK = "ok"
    CHANGED = "changed"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    PLAIN = "plain"


@dataclass(frozen=True)
class Line:
    """A line of the output."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass
class HostResult:
    """What a phase did on one host.

    :param seconds: from the beginning of the phase to the host's last result.
    :param failed: the task that failed, as :param unreachable: the one before which the host did not answer.
    """

    tasks: int = 0
    changed: list[str] = field(default_factory=list)
    failed: str = ""
    unreachable: str = ""
    message: str = ""
    seconds: float = 0.0


@dataclass
class Phase:
    """A play.

    :param key: what its batches have in common. :param began: seconds since the beginning of the run.
    """

    name: str
    key: str
    began: float
    hosts: dict[str, HostResult] = field(default_factory=dict)

    def of(self, host: str) -> HostResult:
        return self.hosts.setdefault(host, HostResult())


def clock(seconds: float) -> str:
    """Time since the beginning of the run."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def duration(seconds: float) -> str:
    """How long something took."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def names(hosts: t.Sequence[str]) -> str:
    """Hosts in one line."""
    shown = ", ".join(hosts[:SHOWN_NAMES])
    return shown + (f" and {len(hosts) - SHOWN_NAMES} more" if len(hosts) > SHOWN_NAMES else "")


def heading(phase: Phase, check: bool) -> Line:
    """The line at the beginning of a phase."""
    return Line(f"{clock(phase.began)}  {phase.name}{' (check mode)' if check else ''}", Tone.HEADING)


def outcome(phase: Phase, check: bool) -> list[Line]:
    """The lines at the end of a phase: one for each host."""
    width = max((len(host) for host in phase.hosts), default=0)
    lines, quiet = [], []
    for host, result in sorted(phase.hosts.items()):
        took = duration(result.seconds)
        if result.unreachable:
            text, tone = f'unreachable at "{result.unreachable}"', Tone.UNREACHABLE
        elif result.failed:
            text, tone = f'FAILED at "{result.failed}"', Tone.FAILED
        elif result.changed:
            text = f"{len(result.changed)} {'would change' if check else 'changed'} of {_tasks(result.tasks)}"
            tone = Tone.CHANGED
        else:
            text, tone = f"ok, {_tasks(result.tasks)}", Tone.OK
            quiet.append(host)
            if len(quiet) > SHOWN_HOSTS:
                continue
        lines.append(Line(f"         {host:{width}}  {text}, {took}", tone))
    if len(quiet) > SHOWN_HOSTS:
        lines.append(Line(f"         {len(quiet) - SHOWN_HOSTS} more hosts: ok", Tone.OK))
    return lines


def _tasks(number: int) -> str:
    return f"{number} task{'' if number == 1 else 's'}"


def running(phase: Phase, task: str, hosts: t.Sequence[str], task_seconds: float, now: float) -> str:
    """What the run does now."""
    where = f" on {names(hosts)}" if hosts else ""
    since = f" ({task_seconds:.0f} s)" if task_seconds >= 1 else ""
    return f"{clock(now)}  {phase.name}: {task}{where}{since}"


def summary(
    phases: t.Sequence[Phase], failed: t.Collection[str], hosts: t.Sequence[str], seconds: float, check: bool
) -> list[Line]:
    """The lines at the end of a run.

    :param failed: hosts that Ansible counts as failed or unreachable, which a rescued failure does not make them.
    :param hosts: all that had a task.
    """
    lines = [Line("")]
    lines += _changes(phases, check)
    failures = _failures(phases, failed)
    lines += failures
    changed = {host for phase in phases for host, result in phase.hosts.items() if result.changed}
    unreachable = {
        host for phase in phases for host in phase.hosts if host in failed and phase.of(host).unreachable
    }
    what = "would change" if check else "changed"
    counted = f"{len(changed)} of {len(hosts)} hosts {what}, {len(failed)} failed, {duration(seconds)}"
    tone = Tone.FAILED if failed else Tone.CHANGED if changed else Tone.OK
    lines.append(Line(f"{'Failed' if failed else 'Done'}: {counted}.", tone))
    if unreachable:
        left_out = ":".join(f"!{host}" for host in sorted(unreachable))
        lines.append(
            Line(
                "Next: let the unreachable hosts answer and run the same command again, or continue without them:"
                f" --limit 'all:{left_out}'"
            )
        )
    elif failed:
        lines.append(
            Line(
                "Next: do what the messages say and run the same command again. It continues where this run ended."
            )
        )
    elif check and changed:
        lines.append(Line("Next: run the same command without --check to make these changes."))
    return lines


def _changes(phases: t.Sequence[Phase], check: bool) -> list[Line]:
    """Phase, task and hosts of all changes, without the tasks where they are too many."""
    where: dict[tuple[str, str], list[str]] = {}
    for phase in phases:
        for host, result in phase.hosts.items():
            for task in result.changed:
                found = where.setdefault((phase.name, task), [])
                if host not in found:
                    found.append(host)
    if not where:
        return []
    lines = [Line("Would change:" if check else "Changed:", Tone.CHANGED)]
    if len(where) <= SHOWN_TASKS:
        return [
            *lines,
            *(Line(f"  {phase}: {task}: {names(sorted(hosts))}") for (phase, task), hosts in where.items()),
        ]
    for name in dict.fromkeys(phase for phase, _task in where):
        inside = [hosts for (phase, _task), hosts in where.items() if phase == name]
        hosts = sorted({host for some in inside for host in some})
        lines.append(Line(f"  {name}: {_tasks(len(inside))}: {names(hosts)}"))
    return lines


def _failures(phases: t.Sequence[Phase], failed: t.Collection[str]) -> list[Line]:
    """Where and why hosts failed; the same failure of several hosts once."""
    where: dict[tuple[str, str, str], list[str]] = {}
    for phase in phases:
        for host, result in phase.hosts.items():
            task = result.unreachable or result.failed
            if host in failed and task:
                where.setdefault((phase.name, task, _short(result.message)), []).append(host)
    if not where:
        return []
    return [
        Line("Failed:", Tone.FAILED),
        *(
            Line(f"  {names(sorted(hosts))}: {phase}: {task}" + (f": {message}" if message else ""))
            for (phase, task, message), hosts in where.items()
        ),
    ]


def _short(message: str) -> str:
    """The beginning of a message, which stands as a whole where it failed."""
    first = " ".join(message.split())
    return first if len(first) <= _MESSAGE else first[: _MESSAGE - 3].rstrip() + "..."
