# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.
"""The guard of host policies: what it does, and when. Pure but for its last part, the daemon.

Policies of nodes can lock out those who would have to correct them. So a guard runs on every host before they are
enforced. Unless the playbook confirms within some seconds over a new connection, it has Cilium's agent on its own host
only audit what the policies deny (C(PolicyAuditMode) of the host's endpoint). It asks the agent by its local socket,
for which neither the network, nor an API server, nor the container runtime is needed.

An agent forgets that mode when it restarts, and so does a host that boots. So a guard that was not confirmed stays, on
disk too, and sets the mode again until the policies are gone or another run arms it again.

It runs with the standard library alone.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
import typing as t
from dataclasses import asdict, dataclass, replace

from ansible_collections.baremetal.kubernetes.plugins.module_utils._network.agent import (
    Agent,
    AgentError,
    Host,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.events import Log
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import write_atomic

SERVICE = "kubernetes-host-policy-guard"
CONFIG = "/etc/baremetal-kubernetes/host-policy-guard.json"
STATE = "/var/lib/baremetal-kubernetes/host-policy-guard.json"
ARMED, ROLLED_BACK = "armed", "rolled_back"
#: Seconds for which policies must have been in force before they are confirmed: a connection that begins meanwhile has
#: passed them. Cilium may lose answers of open connections in the first moments.
SETTLED = 5.0
_POLL = 2.0
_END = 10.0
_BOOT_ID = "proc/sys/kernel/random/boot_id"


@dataclass(frozen=True)
class State:
    """Where a guard is.

    :param id: of the run that has armed it. :param phase: C(armed) or C(rolled_back).
    :param boot: id of the boot in which it was armed. :param deadline: seconds since that boot.
    :param enforced_at: when policies were first seen in force, in seconds since boot, C(None) before.
    """

    id: str
    phase: str
    boot: str
    deadline: float
    enforced_at: float | None = None


@dataclass(frozen=True)
class Settings:
    """The configuration.

    :param id: of the run that arms it. :param seconds: until it rolls back.
    :param socket: of Cilium's agent. :param policy: name of a policy that is there when the others are.
    """

    id: str
    seconds: float
    socket: str
    policy: str


def begin(settings: Settings, previous: State | None, boot: str, now: float) -> State:
    """The state of a guard that starts: that of before when the same run has armed it.

    :param now: seconds since boot.
    """
    if previous is not None and previous.id == settings.id:
        return previous
    return State(settings.id, ARMED, boot, now + settings.seconds)


def over(state: State, boot: str, now: float) -> bool:
    """Whether the time for a confirmation is over. A boot ends it: who is locked out may have switched the host off."""
    return state.boot != boot or now >= state.deadline


def step(state: State, host: Host | None, boot: str, now: float) -> tuple[State, bool | None]:
    """What happens next.

    :param host: C(None) when the agent does not answer.
    :returns: the new state, and whether the host's endpoint has to audit only; C(None) to leave it as it is.
    """
    if state.phase == ARMED and over(state, boot, now):
        state = replace(state, phase=ROLLED_BACK)
    if host is None:
        return state, None
    if state.phase == ROLLED_BACK:
        # Without these policies, nothing of the mode is left to others.
        return state, host.denies if host.audit != host.denies else None
    if host.audit:
        # What an earlier guard has left: a trial that denies nothing would prove nothing.
        return replace(state, enforced_at=None), False
    if not host.denies:
        return replace(state, enforced_at=None), None
    return (state if state.enforced_at is not None else replace(state, enforced_at=now)), None


def confirmable(state: State | None, boot: str, now: float) -> bool:
    """Whether a connection that has begun just now shows that policies let it pass."""
    return (
        state is not None
        and state.phase == ARMED
        and not over(state, boot, now)
        and state.enforced_at is not None
        and now - state.enforced_at >= SETTLED
    )


def boot_id(root: str = "/") -> str:
    """Id of this boot."""
    with open(os.path.join(root, _BOOT_ID), encoding="ascii") as handle:
        return handle.read().strip()


def uptime() -> float:
    """Seconds since boot, those of sleep included. No change of the clock moves it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def read_state(path: str = STATE) -> State | None:
    """The state as the guard has written it last, C(None) without a readable one."""
    try:
        with open(path, encoding="utf-8") as handle:
            found = json.load(handle)
        return State(
            str(found["id"]),
            str(found["phase"]),
            str(found["boot"]),
            float(found["deadline"]),
            None if found["enforced_at"] is None else float(found["enforced_at"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_state(state: State, path: str = STATE) -> None:
    """Write the state. :raises OSError: when that fails."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    write_atomic(path, (json.dumps(asdict(state), sort_keys=True) + "\n").encode(), 0o644)


class Guard:
    """The daemon.

    :param path: of its state.
    """

    def __init__(self, settings: Settings, log: Log, path: str = STATE) -> None:
        self._log = log
        self._path = path
        self._agent = Agent(settings.socket, settings.policy)
        self._boot = boot_id()
        self._silent = False
        #: Whether the last look has found no policies that it would have to hold off.
        self.given_back = False
        self.state = begin(settings, read_state(path), self._boot, uptime())
        write_state(self.state, path)

    def _observe(self) -> Host | None:
        try:
            host = self._agent.host()
        except AgentError as exc:
            if not self._silent:
                self._log.say("warning", "agent does not answer", message=str(exc))
            self._silent = True
            return None
        self._silent = False
        return host

    def step(self) -> None:
        """Look once, and act."""
        host = self._observe()
        self.given_back = host is not None and not host.denies
        before = self.state
        self.state, audit = step(before, host, self._boot, uptime())
        if self.state != before:
            # Not having written must not keep it from acting.
            try:
                write_state(self.state, self._path)
            except OSError as exc:
                self._log.say("error", "state not written", message=str(exc))
            if self.state.phase != before.phase:
                self._log.say("warning", "rolled back", message="not confirmed in time")
        if host is not None and audit is not None:
            try:
                self._agent.set_audit(host, audit)
                self._log.say("info", "policies are audited only" if audit else "policies are enforced")
            except AgentError as exc:
                self._log.say("error", "mode not set", message=str(exc))

    def end(self) -> None:
        """What is left to do when it is stopped: give back the mode when its policies are gone.

        They may have been removed a moment ago, which the agent takes some seconds to apply.
        """
        until = uptime() + _END
        while self.state.phase == ROLLED_BACK:
            self.step()
            if self.given_back or uptime() >= until:
                break
            time.sleep(_POLL)


def _end(_number: int, _frame: t.Any) -> None:
    raise SystemExit(0)


def read_settings(path: str) -> Settings:
    """The configuration.

    :raises OSError: :raises ValueError: :raises KeyError: when it cannot be read.
    """
    with open(path, encoding="utf-8") as handle:
        found = json.load(handle)
    return Settings(str(found["id"]), float(found["seconds"]), str(found["socket"]), str(found["policy"]))


def main() -> None:
    """Run until a signal."""
    parser = argparse.ArgumentParser(description="Rolls back policies of this host unless they are confirmed")
    parser.add_argument("--config", default=CONFIG)
    parser.add_argument("--state", default=STATE)
    arguments = parser.parse_args()
    log = Log(sys.stdout)
    signal.signal(signal.SIGTERM, _end)
    guard = Guard(read_settings(arguments.config), log, arguments.state)
    log.say("info", "started", phase=guard.state.phase)
    try:
        while True:
            guard.step()
            time.sleep(_POLL)
    finally:
        guard.end()
