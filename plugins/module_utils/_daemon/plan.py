# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Plan the steps that bring a daemon to the state that is asked for. Pure: no process, no file."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass


@dataclass(frozen=True)
class Desired:
    """What is asked for.

    :param state: C(started), C(stopped), or C(present) to leave a daemon running or stopped as it is.
    :param enabled: whether it starts with the host.
    """

    state: str
    enabled: bool


@dataclass(frozen=True)
class Observed:
    """A daemon as it was found.

    :param present: the service manager knows it. :param masked: systemd has been told never to start it.
    :param stale: the service manager has read an older definition than the one on disk.
    :param started_at: start of its process in seconds since the epoch, C(None) when that is not known.
    :param newer: inputs that changed after the start.
    :param unread: inputs of a reload that changed after they were read.
    """

    present: bool
    enabled: bool = False
    running: bool = False
    masked: bool = False
    stale: bool = False
    started_at: float | None = None
    newer: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Steps in the order in which they are done, each with the reason for it.

    :param steps: pairs of C(daemon-reload), C(enable), C(disable), C(start), C(restart), C(reload) or C(stop), and a
        reason.
    """

    steps: tuple[tuple[str, str], ...]

    @property
    def changed(self) -> bool:
        return bool(self.steps)

    @property
    def actions(self) -> list[str]:
        return [action for action, _reason in self.steps]


def read_at(started_at: float | None, reloaded_at: float | None) -> float | None:
    """When a daemon last read the inputs of a reload: at its start, or at a reload since."""
    return started_at if started_at is None or reloaded_at is None else max(started_at, reloaded_at)


def newer_inputs(
    inputs: t.Mapping[str, float], started_at: float | None, now: float, pending: t.Collection[str] = ()
) -> tuple[str, ...]:
    """The inputs that a running daemon cannot have read.

    A time in the future comes from a clock that has been set back since; it says nothing.

    :param inputs: path -> time of the last change of its content, seconds since the epoch.
    :param now: seconds since the epoch. :param pending: paths that are about to change.
    """
    late = {path for path, mtime in inputs.items() if started_at is not None and started_at < mtime <= now}
    return tuple(sorted(late | set(pending)))


def plan_daemon(desired: Desired, observed: Observed) -> Plan:
    """Plan the steps.

    An earlier run may have changed a file and died before the restart, so that is decided by comparing times and
    not by what this run has changed.
    """
    steps: list[tuple[str, str]] = []
    if observed.stale:
        steps.append(("daemon-reload", "the definition on disk is newer than the one in force"))
    if desired.enabled and not observed.enabled:
        steps.append(("enable", "it does not start with the host"))
    if not desired.enabled and observed.enabled:
        steps.append(("disable", "it starts with the host"))
    if desired.state == "started" and not observed.running:
        steps.append(("start", "it is not running"))
    elif desired.state == "stopped" and observed.running:
        steps.append(("stop", "it is running"))
    elif desired.state == "started" and (observed.newer or observed.stale):
        reason = ", ".join(observed.newer) or "its definition"
        steps.append(("restart", f"changed since its start: {reason}"))
    elif desired.state == "started" and observed.unread:
        steps.append(("reload", f"changed since it was read: {', '.join(observed.unread)}"))
    return Plan(tuple(steps))
