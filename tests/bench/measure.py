# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one command and measure it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import host, network
from lab.config import Settings
from lab.run import tail
from lab.state import HostRecord
from tests.bench import tasks, watch
from tests.bench.report import Phase

REPO = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
#: Seconds after which a phase has failed.
LIMIT = 1200


class BenchError(Exception):
    """A phase failed, so its figures mean nothing."""


@dataclass(frozen=True)
class Lab:
    """The hosts that are measured.

    :param settings: of the lab.
    :param hosts: in the order in which they are shown.
    """

    settings: Settings
    hosts: tuple[HostRecord, ...]

    @property
    def addresses(self) -> dict[str, str]:
        return {record.name: record.address for record in self.hosts}

    def traffic(self) -> dict[str, watch.Bytes]:
        """Counters of the hosts' interfaces."""
        argv = network.inside(self.settings.paths, "ip", "-json", "-statistics", "link", "show")
        text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        found = watch.interface_bytes(text, self.settings.network.interface_prefix)
        return {record.name: found[record.name] for record in self.hosts}

    def seconds(self) -> dict[str, float]:
        """CPU seconds of each host."""
        return {
            record.name: watch.group_seconds(host.all_groups(self.settings, record.name))
            for record in self.hosts
        }


def stages(text: str, started: float) -> dict[str, float]:
    """Seconds of each stage of the script.

    :param text: lines with a stage's name and the moment at which it ended.
    :param started: the moment at which the first one began.
    """
    found = {}
    for line in text.splitlines():
        name, moment = line.split()
        found[name] = float(moment) - started
        started = float(moment)
    return found


def environment(directory: Path, hosts: Mapping[str, str]) -> dict[str, str]:
    """The environment of a measured command.

    :param directory: the phase's own.
    :param hosts: address by name.
    """
    ssh = shutil.which("ssh")
    if ssh is None:
        raise BenchError("no ssh in PATH; install OpenSSH's client")
    return {
        **os.environ,
        "ANSIBLE_CALLBACKS_ENABLED": "bench_tasks",
        "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback_plugins"),
        "ANSIBLE_CONFIG": str(REPO / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        # A phase must not find connections that another one left open.
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(directory / "cp"),
        "BENCH_HOSTS": " ".join([*hosts, *hosts.values()]),
        "BENCH_PROGRAMS": str(Path(ssh).parent),
        "BENCH_SSH_LOG": str(directory / "calls"),
        "BENCH_TASKS": str(directory / "tasks"),
        "PATH": f"{HERE / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }


def _wait(process: subprocess.Popen[bytes], limit: float) -> tuple[int, float]:
    """Exit code of a process and the processor seconds of it and all that it waited for."""
    deadline = time.monotonic() + limit
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, usage.ru_utime + usage.ru_stime
        if time.monotonic() > deadline:
            os.killpg(process.pid, signal.SIGTERM)
            deadline += 10
        time.sleep(0.05)


def _close(directory: Path) -> None:
    """Close the connections that ControlPersist keeps open."""
    for socket in (directory / "cp").glob("*"):
        subprocess.run(
            ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "none"], capture_output=True, check=False
        )


def measure(
    lab: Lab,
    name: str,
    path: str,
    number: int,
    argv: Sequence[str],
    directory: Path,
    log: Path,
    *,
    changes: bool,
) -> Phase:
    """Run a command to its end.

    :param name: of the phase.
    :param path: `bare` or `site`.
    :param number: of the round.
    :param directory: an empty one; the command may write to its `stages`.
    :param log: where the command's output goes.
    :param changes: whether Ansible may change something.
    :raises BenchError: it failed, or Ansible changed something in a phase that may not.
    """
    (directory / "cp").mkdir(mode=0o700)
    for file in ("calls", "stages", "tasks"):
        (directory / file).touch()
    log.parent.mkdir(parents=True, exist_ok=True)
    ticks = os.sysconf("SC_CLK_TCK")
    load = os.getloadavg()[0]
    before, worked = lab.traffic(), lab.seconds()
    busy = watch.busy_seconds(Path("/proc/stat").read_text(encoding="utf-8"), ticks)
    with watch.Connections(lab.settings.network.bridge) as connections, log.open("wb") as output:
        started, moment = time.monotonic(), time.time()
        process = subprocess.Popen(
            argv,
            cwd=REPO,
            env=environment(directory, lab.addresses),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            with watch.Memory(process.pid) as memory:
                code, cpu = _wait(process, LIMIT)
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
        seconds = time.monotonic() - started
    busy = watch.busy_seconds(Path("/proc/stat").read_text(encoding="utf-8"), ticks) - busy
    after, work = lab.traffic(), lab.seconds()
    _close(directory)
    if code != 0:
        raise BenchError(
            f"{name} by {path} ended with code {code} after {seconds:.0f} s; {log}:\n{tail(log)}"
        )
    run = None
    if text := (directory / "tasks").read_text(encoding="utf-8"):
        run = tasks.parse(text.splitlines())
        if run.changed and not changes:
            raise BenchError(
                f"{name} by {path} changed something in {run.changed} tasks; expected 0; see {log}"
            )
    opened = connections.by_address()
    calls = watch.calls((directory / "calls").read_text(encoding="utf-8").splitlines(), lab.addresses)
    counted = Counter(host for host, _moment in calls)
    return Phase(
        name=name,
        path=path,
        round=number,
        seconds=seconds,
        cpu_seconds=cpu,
        hosts_cpu_seconds={name: work[name] - worked[name] for name in work},
        machine_cpu_seconds=busy,
        load=load,
        pss=memory.pss,
        rss=memory.rss,
        connections={name: opened.get(address, 0) for name, address in lab.addresses.items()},
        calls={name: counted[name] for name in lab.addresses},
        traffic={name: after[name] - before[name] for name in after},
        stages=stages((directory / "stages").read_text(encoding="utf-8"), moment),
        run=run,
        task_calls=tasks.calls_by_task(run, calls) if run else {},
    )
