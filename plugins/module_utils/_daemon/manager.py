# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Observe, start and stop daemons, by systemd or by OpenRC."""

from __future__ import annotations

import contextlib
import os
import time
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._daemon.plan import Observed
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError

#: Daemons that the collection runs on a node.
DAEMONS = (
    "containerd",
    "kubelet",
    "kubelet-csr-approver",
    "kubernetes-api-endpoint",
    "kubernetes-etcd-backup",
    "metrics-textfile",
    "node_exporter",
)
# Answers to commands: exit code, standard output, standard error.
Run = t.Callable[[t.Sequence[str]], tuple[int, str, str]]
#: Properties of a unit that `parse_show` reads.
PROPERTIES = "LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,MainPID"
#: Directory with an empty file for each daemon that was told to read its configuration again; its time says when.
STAMPS = "run/baremetal-kubernetes"
_LOG_LINES = 15
_LOG_BYTES = 65536


class Manager(t.Protocol):
    """What a service manager can be asked and told."""

    def observe(self, name: str) -> Observed:
        """The daemon as it is, without the comparison of times."""

    def act(self, name: str, action: str) -> None:
        """Do one step of a plan. :raises OperatorError: when the service manager refuses."""

    def restarts(self, name: str) -> int:
        """How often the service manager has started the daemon again that had ended by itself; 0 when unknown."""

    def tail(self, name: str, lines: int) -> str | None:
        """The last lines that the daemon wrote, C(None) when they cannot be read."""

    def log(self, name: str) -> str:
        """The same for an error message, or where to look."""


def _stat(pid: int, root: str) -> list[str]:
    """Fields 3 and following of proc(5)'s C(stat): parent at 1, start in ticks at 19.

    The name in parentheses before them may hold anything.
    """
    with open(os.path.join(root, f"proc/{pid}/stat"), encoding="utf-8", errors="replace") as stream:
        return stream.read().rpartition(")")[2].split()


def start_time(pid: int, root: str = "/") -> float | None:
    """When a process started, in seconds since the epoch; C(None) when it is gone.

    Counted back from now by the clock that the kernel stamps processes with, so that a wall clock that was set in
    between does not matter.
    """
    try:
        ticks = int(_stat(pid, root)[19])
    except (OSError, ValueError, IndexError):
        return None
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - age


def parent(pid: int, root: str = "/") -> int | None:
    """The process that a process belongs to; C(None) when it is gone."""
    try:
        return int(_stat(pid, root)[1])
    except (OSError, ValueError, IndexError):
        return None


def children(pid: int, root: str = "/") -> list[int]:
    """Processes that a process has started and that still run."""
    found = []
    proc = os.path.join(root, "proc")
    for entry in os.listdir(proc):
        if entry.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                if _stat(pid=int(entry), root=root)[1] == str(pid):
                    found.append(int(entry))
    return sorted(found)


def parse_show(values: t.Mapping[str, str]) -> Observed:
    """A unit by the properties that C(systemctl show) prints of it."""
    running = values.get("ActiveState") in ("active", "reloading")
    pid = values.get("MainPID", "0")
    return Observed(
        present=values.get("LoadState") not in ("not-found", None),
        enabled=values.get("UnitFileState") in ("enabled", "enabled-runtime", "static", "alias"),
        running=running,
        masked=values.get("LoadState") == "masked",
        stale=values.get("NeedDaemonReload") == "yes",
        started_at=start_time(int(pid)) if running and pid.isdigit() and pid != "0" else None,
    )


def reload_stamp(name: str, root: str = "/") -> str:
    """The file whose modification time is that of a daemon's last reload. It is gone after a boot, as the daemon is."""
    return os.path.join(root, STAMPS, f"{name}.reloaded")


def reloaded_at(name: str, root: str = "/") -> float | None:
    """When a daemon was last told to read its configuration again, in seconds since the epoch; C(None) for never."""
    try:
        return os.stat(reload_stamp(name, root)).st_mtime
    except OSError:
        return None


def note_reload(name: str, when: float, root: str = "/") -> None:
    """Remember a reload. :param when: before the daemon was told, so that a later change is not missed."""
    path = reload_stamp(name, root)
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with open(path, "wb"):
        pass
    os.utime(path, (when, when))


class Systemd:
    """systemd, by systemctl."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def observe(self, name: str) -> Observed:
        code, out, err = self._run(["systemctl", "show", f"{name}.service", f"--property={PROPERTIES}"])
        if code != 0:
            raise OperatorError(
                f"systemctl show {name} failed: {err.strip() or out.strip()}.",
                "Check that this host runs systemd.",
            )
        return parse_show(dict(line.partition("=")[::2] for line in out.splitlines()))

    def act(self, name: str, action: str) -> None:
        argv = (
            ["systemctl", "daemon-reload"]
            if action == "daemon-reload"
            else ["systemctl", action, f"{name}.service"]
        )
        code, out, err = self._run(argv)
        if code != 0:
            raise OperatorError(f"{' '.join(argv)} failed: {(err or out).strip()}.", self.log(name))

    def restarts(self, name: str) -> int:
        _code, out, _err = self._run(["systemctl", "show", f"{name}.service", "--property=NRestarts"])
        value = out.strip().partition("=")[2]
        return int(value) if value.isdigit() else 0

    def tail(self, name: str, lines: int) -> str | None:
        code, out, _err = self._run(
            ["journalctl", "--unit", name, "--lines", str(lines), "--no-pager", "--output=cat"]
        )
        return out.strip() if code == 0 else None

    def log(self, name: str) -> str:
        text = self.tail(name, _LOG_LINES)
        return f"Its last lines: {text}" if text else f"See journalctl -u {name}."


class OpenRC:
    """OpenRC, by rc-service and rc-update."""

    def __init__(self, run: Run, root: str = "/") -> None:
        self._run = run
        self._root = root

    def _path(self, *parts: str) -> str:
        return os.path.join(self._root, *parts)

    def observe(self, name: str) -> Observed:
        if not os.path.exists(self._path("etc/init.d", name)):
            return Observed(present=False)
        code, _out, _err = self._run(["rc-service", name, "status"])
        return Observed(
            present=True,
            enabled=bool(self._levels(name)),
            running=code == 0,
            started_at=self._started_at(name) if code == 0 else None,
        )

    def _levels(self, name: str) -> list[str]:
        """The runlevels that a daemon is in."""
        levels = self._path("etc/runlevels")
        found = os.listdir(levels) if os.path.isdir(levels) else []
        return sorted(level for level in found if os.path.lexists(os.path.join(levels, level, name)))

    def _started_at(self, name: str) -> float | None:
        """Start of the daemon below its supervisor, which restarts it by itself; else of the process itself."""
        try:
            with open(self._path("run", f"{name}.pid"), encoding="ascii") as stream:
                pid = int(stream.read().strip())
        except (OSError, ValueError):
            return None
        for process in (*children(pid, self._root), pid):
            started = start_time(process, self._root)
            if started is not None:
                return started
        return None

    def act(self, name: str, action: str) -> None:
        # With --all, rc-update takes a daemon out of its runlevels and fails, as it is not in the others.
        levels = self._levels(name) if action == "disable" else []
        if action == "daemon-reload" or (action == "disable" and not levels):
            return
        argv = {
            "enable": ["rc-update", "add", name, "default"],
            "disable": ["rc-update", "del", name, *levels],
        }.get(action, ["rc-service", name, action])
        if action == "start":
            # OpenRC takes a daemon whose supervisor was killed for started, and would do nothing.
            self._run(["rc-service", name, "zap"])
        code, out, err = self._run(argv)
        if code != 0:
            raise OperatorError(f"{' '.join(argv)} failed: {(err or out).strip()}.", self.log(name))

    def restarts(self, name: str) -> int:
        """See C(Manager). supervise-daemon counts them."""
        try:
            with open(self._path("run/openrc/options", name, "start_count"), encoding="ascii") as stream:
                return int(stream.read().strip())
        except (OSError, ValueError):
            return 0

    def _log_path(self, name: str) -> str:
        return self._path("var/log", f"{name}.log")

    def tail(self, name: str, lines: int) -> str | None:
        path = self._log_path(name)
        try:
            with open(path, "rb") as stream:
                stream.seek(max(0, os.path.getsize(path) - _LOG_BYTES))
                return "\n".join(stream.read().decode("utf-8", "replace").splitlines()[-lines:])
        except OSError:
            return None

    def log(self, name: str) -> str:
        text = self.tail(name, _LOG_LINES)
        return f"See {self._log_path(name)}." if text is None else f"Its last lines: {text}"


def manager_for(kind: str, run: Run, root: str = "/") -> Manager:
    """The provider of a service manager.

    :param kind: as C(node_info) names it. :param root: directory that stands for C(/).
    :raises OperatorError: for one that the collection does not know.
    """
    if kind == "systemd":
        return Systemd(run)
    if kind == "openrc":
        return OpenRC(run, root)
    raise OperatorError(
        f"the service manager is {kind}, expected systemd or openrc.", "Use a host that runs one of them."
    )
