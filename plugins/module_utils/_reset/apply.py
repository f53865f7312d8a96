# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Remove one thing after the other. An error of one does not stop the others."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import stat
import time
import typing as t
from dataclasses import replace

from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact import journal
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.record import DEFAULT_PATH
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import running_kubeadm
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import read_text, under
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.child import GivenUpError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import write_atomic
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.mounts import Mount, parse_mountinfo
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset import (
    evidence,
    network,
    ownership,
    plan,
    removal,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.disk import read_bytes
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.model import (
    LOCK,
    Item,
    Observation,
    Plan,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.observe import (
    COMMAND_SECONDS,
    Observer,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.processes import (
    processes_of,
    shims,
)

_ROUNDS = 4
_DAEMON_SECONDS = 10.0
_POLL_SECONDS = 0.2
_REMOTE_SECONDS = 10


class StepError(Exception):
    """One thing could not be removed; the message is the reason."""


class Remover:
    """Changes a host.

    :param observer: looks at the same host. :param grace: seconds that containers get to end by themselves.
    """

    def __init__(self, observer: Observer, grace: float = 10) -> None:
        self.observer = observer
        self.root = observer.root
        self._grace = grace
        self.errors: dict[tuple[str, str], str] = {}
        self.done: dict[tuple[str, str], Item] = {}

    def look(self) -> tuple[Observation, Plan]:
        """What there is, and what has to be removed of it."""
        seen = self.observer.observe()
        return seen, plan.plan_reset(seen)

    def run(self) -> Plan:
        """Remove everything.

        Some things appear, or can be removed, only when others are gone, so it looks again after each round.

        :returns: what is left to do then.
        """
        seen, todo = self.look()
        self._remember(seen)
        for _round in range(_ROUNDS):
            if not todo.items:
                break
            before = {item.key for item in todo.items}
            for item in todo.items:
                self._try(item)
            _seen, todo = self.look()
            after = {item.key for item in todo.items}
            if after == before:
                break
        for item in todo.items:
            self.done.pop(item.key, None)
        return todo

    def _remember(self, seen: Observation) -> None:
        """Record whose the data directories are, as what proves it is about to be removed."""
        path = self._path(DEFAULT_PATH)
        known = evidence.owned(seen) if ownership.claimed(seen) and os.path.exists(path) else ()
        if known:
            data = dict.fromkeys(known, "reset")
            with contextlib.suppress(OperatorError):
                journal.update(path, lambda now: replace(now, data={**data, **now.data}))

    def _try(self, item: Item) -> None:
        try:
            if item.kind == "record":
                others = [other for other in self.look()[1].items if other.kind != "record"]
                if others:
                    raise StepError(f"kept until the rest is gone: {others[0]}")
            self._perform(item)
        except (StepError, OSError) as exc:
            reason = getattr(exc, "strerror", None) or str(exc)
            where = getattr(exc, "filename", None)
            self.errors[item.key] = f"{where}: {reason}" if where and where != item.name else reason
        else:
            self.errors.pop(item.key, None)
            self.done[item.key] = item

    def _perform(self, item: Item) -> None:
        actions: dict[str, t.Callable[[Item], None]] = {
            "service": self._service,
            "processes of": self._processes,
            "mount": self._unmount,
            "tc filter": self._tc_filter,
            "XDP program": lambda it: self._call("ip", "link", "set", "dev", it.args[0], it.args[1], "off"),
            "routing rule": self._routing_rule,
            "route": lambda it: self._call(
                "ip", it.args[0], "route", "del", *it.args[2:], "table", it.args[1]
            ),
            "interface": self._interface,
            "packet filter": self._packet_filter,
            "ipset": lambda it: self._call("ipset", "destroy", it.name),
            "eBPF objects": self._bpf_objects,
            "control groups": self._control_groups,
            "original name of": lambda it: os.rename(self._path(it.args[0]), self._path(it.name)),
            "swap entries of": self._swap,
            "empty directory": lambda it: self._prune(self._path(it.name)),
            "contents of": lambda it: self._empty(self._path(it.name)),
        }
        actions.get(item.kind, lambda it: self._remove(self._path(it.name)))(item)

    def _path(self, path: str) -> str:
        return under(self.root, path)

    def _call(self, *argv: str, data: str | None = None) -> None:
        code, out, err = self.observer.command(*argv, data=data)
        if code:
            said = " ".join((err or out).split())[:300] or f"exit code {code}"
            raise StepError(f"{' '.join(argv[:2])}: {said}")

    # Services and processes

    def _service(self, item: Item) -> None:
        path, links = item.args[0], item.args[1:]
        if self.observer.live and self.observer.manager == "systemd":
            self.observer.command("systemctl", "stop", f"{item.name}.service")
        elif self.observer.live and os.path.exists(path):
            self.observer.command("rc-service", "--nodeps", item.name, "stop")
            # What does not stop is killed with the other processes; OpenRC must not take it for running.
            self.observer.command("rc-service", item.name, "zap")
        for name in (*links, path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path(name))
        if self.observer.live and self.observer.manager == "systemd":
            self._call("systemctl", "daemon-reload")
            self.observer.command("systemctl", "reset-failed", f"{item.name}.service")
        elif self.observer.live:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"/run/openrc/started/{item.name}")

    def _pids(self, name: str) -> list[int]:
        return list(processes_of(self._running()).get(name, ()))

    def _running(self) -> Observation:
        return Observation(processes=tuple(self.observer.processes()), record=self.observer.record)

    def _processes(self, item: Item) -> None:
        """Ask them to end, then kill them. They are looked up each time, as process ids are reused."""
        pids = self._pids(item.name)
        if item.name == "pods":
            # The shims are not asked: what they hold would stay behind.
            holders = {process.pid for process in shims(self._running())}
            _signal([pid for pid in pids if pid not in holders], signal.SIGTERM)
            self._wait(lambda: not set(self._pids("pods")) - holders, self._grace)
        else:
            _signal(pids, signal.SIGTERM)
            self._wait(lambda: not self._pids(item.name), _DAEMON_SECONDS)
        for _try in range(5):
            pids = self._pids(item.name)
            if not pids:
                return
            _signal(pids, signal.SIGKILL)
            self._wait(lambda: not self._pids(item.name), 2)
        raise StepError(f"processes {', '.join(map(str, pids))} do not end, even by SIGKILL")

    @staticmethod
    def _wait(true: t.Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not true() and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def _control_groups(self, item: Item) -> None:
        if item.name.endswith(".slice") and self.observer.manager == "systemd":
            self.observer.command("systemctl", "stop", os.path.basename(item.name))
        if os.path.isdir(item.name):
            for directory, _directories, _files in os.walk(item.name, topdown=False):
                os.rmdir(directory)

    # Mounts and network

    def _mounted(self) -> dict[str, Mount]:
        return {mount.point: mount for mount in parse_mountinfo(read_bytes("/proc/self/mountinfo"))}

    def _unmount(self, item: Item) -> None:
        mount = self._mounted().get(item.name)
        if mount is None:
            return
        # A server that is down is not asked for what its client has yet to write, nor for the name of the mount point.
        plain, seconds = (["-c"], _REMOTE_SECONDS) if mount.remote else ([], COMMAND_SECONDS)
        for options in (plain, [*plain, "-f"] if mount.remote else plain, [*plain, "-l"]):
            code, _out, err = self.observer.command("umount", *options, item.name, seconds=seconds)
            if item.name not in self._mounted():
                if item.name.startswith(plan.POD_NETWORK):
                    with contextlib.suppress(OSError):
                        os.unlink(item.name)
                return
            time.sleep(_POLL_SECONDS)
        raise StepError(" ".join(err.split()) or f"umount ended with code {code}")

    def _tc_filter(self, item: Item) -> None:
        device, direction, protocol, priority, handle = item.args
        self._call(
            *("tc", "filter", "del", "dev", device, direction, "protocol", protocol),
            *("pref", priority, "handle", handle, "bpf"),
        )

    def _routing_rule(self, item: Item) -> None:
        family, what = item.args[:2]
        if what == "local":
            rules = network.parse_rules(family, self.observer.command("ip", family, "rule", "show")[1])
            if not any(rule.priority == 0 for rule in rules):
                self._call("ip", family, "rule", "add", "pref", "0", "lookup", "local")
            self._call("ip", family, "rule", "del", "pref", "100", "lookup", "local")
            return
        # The protocol, which stands in brackets or after "proto", is no part of what is deleted.
        selector = " ".join(item.args[3:]).partition(" proto ")[0].split()
        self._call("ip", family, "rule", "del", "pref", item.args[2], *selector)

    def _interface(self, item: Item) -> None:
        # One end of a pair goes with the other.
        if os.path.exists(f"/sys/class/net/{item.name}"):
            code, _out, err = self.observer.command("ip", "link", "delete", item.name)
            if code and os.path.exists(f"/sys/class/net/{item.name}"):
                raise StepError(" ".join(err.split()))

    def _packet_filter(self, item: Item) -> None:
        program, table = item.args
        saved = self.observer.command(f"{program}-save", "-t", table)[1]
        for edit in network.plan_tables(saved):
            self._call(f"{program}-restore", "-w", "10", "--noflush", data=edit.render())

    # Files

    def _bpf_objects(self, item: Item) -> None:
        for path in item.args:
            self._remove(path)

    def _remove(self, path: str) -> None:
        """Remove a file or a directory, with everything in it but what is mounted there."""
        if not os.path.lexists(path):
            return
        if os.path.islink(path) or not os.path.isdir(path):
            os.unlink(path)
            return
        self._report(lambda points: removal.empty(path, points, directory_too=True))

    def _empty(self, path: str) -> None:
        """Empty a directory that stays."""
        self._report(lambda points: removal.empty(path, points))

    def _prune(self, path: str) -> None:
        """Remove a directory that holds nothing but empty directories; a file in it is an error."""
        self._report(lambda points: removal.prune(path, points))

    def _report(self, remove: t.Callable[[t.Collection[str]], list[str]]) -> None:
        try:
            errors = remove(self._mounted() if self.observer.live else ())
        except GivenUpError as exc:
            raise StepError(f"{exc}; a server of a network file system may be down") from exc
        if errors:
            raise StepError("; ".join(errors[:3]))

    def _swap(self, item: Item) -> None:
        path = self._path(item.name)
        info = os.stat(path)
        lines = (read_text(self.root, item.name) or "").splitlines(keepends=True)
        restored = [
            line[len(plan.SWAP_PREFIX) :] if line.startswith(plan.SWAP_PREFIX) else line for line in lines
        ]
        write_atomic(path, "".join(restored).encode(), stat.S_IMODE(info.st_mode))
        os.chown(path, info.st_uid, info.st_gid)

    # One at a time

    @contextlib.contextmanager
    def exclusive(self, seconds: float) -> t.Iterator[None]:
        """Let no other run of the collection change the host meanwhile.

        A kubeadm that an interrupted run left running is terminated; another reset is waited for.

        :raises OperatorError: when it does not end.
        """
        path = self._path(LOCK)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        deadline = time.monotonic() + seconds
        while True:
            if self.observer.live:
                for program in ownership.programs_of(self.observer.record, "kubeadm"):
                    _signal(running_kubeadm(program), signal.SIGTERM)
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                if _locked(lock, path):
                    yield
                    return
            finally:
                os.close(lock)
            if time.monotonic() >= deadline:
                raise OperatorError(
                    f"another run is still at work on this host after {seconds:.0f} s; expected this one alone.",
                    "Wait until it ends, and run again.",
                )
            time.sleep(1)


def _locked(lock: int, path: str) -> bool:
    """Take the lock, unless another run has it or has removed the file, so that nobody else would see this one."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(lock), os.stat(path))
    except OSError:
        return False


def _signal(pids: t.Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
