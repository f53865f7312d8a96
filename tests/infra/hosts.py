# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's hosts, as seen from a shell on them.

Connections are testinfra's; nothing outside this file uses it, so that it can be replaced.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import testinfra

from tests.infra.waiting import wait_for

REPO = Path(__file__).resolve().parents[2]
LOG_LINES = 40


def run_lab(*arguments: str) -> None:
    """Run a command of the lab that must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "lab", *arguments],
        cwd=REPO,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"lab {' '.join(arguments)}: {done.stdout}{done.stderr}"


@dataclass(frozen=True)
class Host:
    """One host of the inventory.

    :param name: name in the inventory, and of its node.
    :param inventory: directory of the inventory.
    :param control_plane: whether it is in the group of control planes.
    """

    name: str
    inventory: Path
    control_plane: bool

    @cached_property
    def _connection(self) -> testinfra.host.Host:
        return testinfra.get_host(f"ansible://{self.name}", ansible_inventory=str(self.inventory))

    def run(self, command: str) -> tuple[int, str]:
        """Run a shell command as root.

        :return: exit code, and output of both streams.
        """
        result = self._connection.run(command)
        return int(result.rc), f"{result.stdout}{result.stderr}"

    def check(self, command: str) -> str:
        """Output of a shell command that must succeed."""
        code, output = self.run(command)
        assert code == 0, f"{self.name}: `{command}` ended with code {code}: {output}"
        return output

    @cached_property
    def init(self) -> str:
        """The init system: systemd or openrc."""
        return "systemd" if self.run("test -d /run/systemd/system")[0] == 0 else "openrc"

    def pids(self, program: str) -> list[int]:
        """Processes of this host that execute a file, by its path.

        Read from /proc, for pidof and pgrep are not on every host.
        """
        found = self.check(
            f'for p in /proc/[0-9]*; do [ "$(readlink "$p/exe")" = {program} ] && echo "${{p#/proc/}}"; done; true'
        )
        return sorted(int(line) for line in found.split() if line.isdigit())

    def modes(self, *patterns: str) -> Iterator[tuple[str, int, str]]:
        """Path, permission bits and owner of each file that the shell patterns match."""
        for line in self.check(f"stat -L -c '%a %U:%G %n' {' '.join(patterns)}").splitlines():
            mode, owner, path = line.split(" ", 2)
            yield path, int(mode, 8), owner

    def log(self, service: str) -> str:
        """The last lines of a service's log."""
        command = (
            f"journalctl --no-pager -n {LOG_LINES} -u {service}"
            if self.init == "systemd"
            else f"tail -n {LOG_LINES} /var/log/{service}.log"
        )
        return f"--- {self.name}: {service} ({self.init}) ---\n{self.run(command)[1]}"

    def logs(self) -> str:
        """The last lines of the logs of containerd and kubelet."""
        return "\n".join(self.log(service) for service in ("kubelet", "containerd"))

    def reconnect(self) -> None:
        """Forget the connection, which is dead once the host has booted again."""
        self.__dict__.pop("_connection", None)

    def power_cycle(self) -> None:
        """Power off and on."""
        for verb in ("stop", "start"):
            run_lab(verb, self.name)
        self.reconnect()
        wait_for(f"{self.name} answers after power-on", lambda: self.run("true")[0] == 0, seconds=60)
