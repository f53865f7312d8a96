# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that runs one host: mounts its root, boots it, and boots it again when it reboots.

It runs in the lab's network namespace and in a mount namespace of its own. So the host's mounts exist for
this process and its children alone: when they die, however they die, the mounts are gone, and the machine
never saw them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from lab import cgroups
from lab.config import LabError
from lab.run import run

#: systemd-nspawn's exit status when the host asked for a reboot (systemd-nspawn(1), "Exit status").
REBOOT = 133


@dataclass(frozen=True)
class Boot:
    """All that is needed to boot a host.

    :param name: host name.
    :param interface: the cable's end in the lab's namespace.
    :param bridge: where that end goes.
    :param lower: root file systems below the host's own files, topmost first.
    :param directory: the host's directory (upper, work, root, data).
    :param binds: (directory on the machine, path in the host).
    :param init: the command that is PID 1.
    :param groups: the host's control groups.
    """

    name: str
    interface: str
    bridge: str
    lower: list[str]
    directory: str
    binds: list[list[str]]
    init: list[str]
    groups: list[str]

    def dump(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def load(cls, file: Path) -> Boot:
        return cls(**json.loads(file.read_text(encoding="utf-8")))


def nspawn_command(boot: Boot) -> list[str]:
    """How the host is started.

    All capabilities and the few system calls beyond nspawn's list that container runtimes, Cilium and NFS servers make.
    The console goes to the log through a terminal of its own, as an init expects one.
    """
    binds = [f"--bind={source}:{target}" for source, target in boot.binds]
    return [
        "systemd-nspawn",
        "--quiet",
        "--register=no",
        "--keep-unit",
        f"--directory={boot.directory}/root",
        f"--machine={boot.name}",
        "--private-network",
        f"--network-veth-extra={boot.interface}:eth0",
        "--capability=all",
        "--system-call-filter=bpf keyctl add_key request_key perf_event_open open_by_handle_at",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--console=read-only",
        "--kill-signal=SIGKILL",
        "--bind=/dev/fuse",
        "--bind=/dev/kmsg",
        *binds,
        *boot.init,
    ]


def attach(boot: Boot, process: subprocess.Popen[bytes]) -> None:
    """Attach the interface to the bridge as soon as nspawn has created it."""
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        done = run(["ip", "link", "set", boot.interface, "master", boot.bridge, "up"], check=False)
        if done.returncode == 0:
            return
        time.sleep(0.05)
    print(f"{boot.name}: interface {boot.interface} did not appear", flush=True)


def supervise(boot: Boot) -> int:
    """Run the host until it is powered off.

    :return: nspawn's last exit status.
    """
    root = Path(boot.directory, "root")
    root.mkdir(exist_ok=True)
    # systemd-nspawn keeps locks and sockets in /run, and leaves them there when it is killed.
    run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"])
    layers = f"lowerdir={':'.join(boot.lower)},upperdir={boot.directory}/upper,workdir={boot.directory}/work"
    run(["mount", "-t", "overlay", "overlay", "-o", layers, str(root)])
    groups = [Path(group) for group in boot.groups]
    while True:
        # New groups for each life: what a host attached to its old ones (eBPF programs) must not outlive it.
        cgroups.remove(groups)
        cgroups.recreate(groups)
        # The kernel removes a dead host's network namespace asynchronously: connections that nobody closed
        # can hold it for minutes, and with it the name of the cable. Removing one end removes both at once.
        run(["ip", "link", "delete", boot.interface], check=False)
        print(f"{boot.name}: booting", flush=True)
        process = subprocess.Popen(
            nspawn_command(boot), stdin=subprocess.DEVNULL, preexec_fn=lambda: cgroups.join(groups)
        )
        threading.Thread(target=attach, args=(boot, process), daemon=True).start()
        status = process.wait()
        print(f"{boot.name}: ended with status {status}", flush=True)
        if status != REBOOT:
            return status


def main() -> int:
    """``python -m lab.supervisor FILE``, FILE being a :class:`Boot`."""
    boot = Boot.load(Path(sys.argv[1]))
    os.chdir("/")
    try:
        return supervise(boot)
    except LabError as exc:
        print(f"{boot.name}: {exc}", file=sys.stderr, flush=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
