# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requirements that are checked before the lab changes anything. One message lists all that are not met."""

from __future__ import annotations

import contextlib
import gzip
import os
import platform
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from lab import bases, cgroups
from lab.config import Kind, LabError, Settings

#: File systems and other features of the kernel, as listed in /proc/filesystems.
FILE_SYSTEMS = ("overlay", "tmpfs", "bpf")
#: Kernel options, looked up where the kernel shows its configuration.
OPTIONS = {
    "CONFIG_VETH": "virtual cables",
    "CONFIG_BRIDGE": "the bridge between hosts",
    "CONFIG_BPF_SYSCALL": "eBPF, Cilium's datapath",
    "CONFIG_NET_CLS_BPF": "eBPF on interfaces",
    "CONFIG_CGROUP_BPF": "eBPF on control groups",
    "CONFIG_VXLAN": "Cilium's tunnels",
    "CONFIG_OVERLAY_FS": "hosts' and containers' root file systems",
}
#: The lab never takes more disk than this, whatever its hosts do with theirs (issue: 20 GiB at most).
MOST_DISK = 20 * 2**30
#: What a host with a running node wrote to its own files: images unpacked, logs, etcd; measured under 1.5 GB.
BYTES_PER_HOST = 1_500_000_000
#: Memory of a control plane and of a worker with Cilium, bytes; measured under 2 GiB and 1.3 GiB.
MEMORY_PER_HOST = 1_600_000_000


def check(settings: Settings, kinds: Iterable[Kind], hosts: int, artifacts: int = 0) -> None:
    """Check user, kernel, control groups, disk and memory.

    :param kinds: init systems of the hosts to be.
    :param hosts: how many hosts there will be.
    :param artifacts: bytes that making artifacts may take.
    :raises LabError: with all requirements that are not met.
    """
    problems = [*system_problems(), *kernel_problems(_file_systems(), kernel_config())]
    try:
        cgroups.caller_parents()
    except LabError as exc:
        problems.append(exc.message)
    problems += _space_problems(settings, kinds, hosts, artifacts)
    if problems:
        raise LabError(
            "this machine cannot run the lab:\n" + "\n".join(f"  - {p}" for p in problems),
            "fix these and run the command again; lab/README.md lists the requirements",
        )


def system_problems() -> list[str]:
    """User, operating system and tools."""
    problems = []
    if os.geteuid() != 0:
        problems.append(
            f"user id {os.geteuid()}: the lab makes namespaces, mounts and control groups; run it as root"
        )
    if platform.system() != "Linux":
        problems.append(f"{platform.system()}: expected Linux")
    if platform.machine() != "x86_64":
        problems.append(f"processor {platform.machine()}: expected x86_64, for which the lab's artifacts are")
    if shutil.which("apt-get") is None:
        problems.append("apt-get not found: expected Debian 12 or later, or a distribution made of it")
    return problems


def _file_systems() -> str:
    return Path("/proc/filesystems").read_text(encoding="utf-8")


def kernel_config() -> dict[str, str] | None:
    """The kernel's build configuration, None when it shows it nowhere."""
    with contextlib.suppress(OSError), gzip.open("/proc/config.gz", "rt") as handle:
        return parse_kernel_config(handle.read())
    with contextlib.suppress(OSError):
        return parse_kernel_config(Path(f"/boot/config-{platform.release()}").read_text(encoding="utf-8"))
    return None


def parse_kernel_config(text: str) -> dict[str, str]:
    """Options that are set, with their values."""
    pairs = (line.split("=", 1) for line in text.splitlines() if line.startswith("CONFIG_"))
    return dict(pairs)


def kernel_problems(file_systems: str, config: Mapping[str, str] | None) -> list[str]:
    """Features that the kernel lacks.

    :param file_systems: text of /proc/filesystems. A module that is not loaded yet is not listed there, which
        counts as missing only when the configuration does not have it either.
    :param config: the kernel's options, None when unknown (then only file systems are checked).
    """
    known = set(file_systems.split())
    problems = []
    for name in FILE_SYSTEMS:
        option = {"overlay": "CONFIG_OVERLAY_FS", "bpf": "CONFIG_BPF_SYSCALL"}.get(name)
        built = config is not None and option is not None and option in config
        if name not in known and not built:
            problems.append(f"kernel: file system {name} is not in /proc/filesystems")
    if config is not None:
        problems += [
            f"kernel: {option} is not set ({why})" for option, why in OPTIONS.items() if option not in config
        ]
    return problems


def required_disk(settings: Settings, kinds: Iterable[Kind], hosts: int, artifacts: int) -> dict[str, int]:
    """Bytes that a run may still take, by purpose."""
    return {
        "bases": sum(bases.BYTES_PER_BASE for kind in kinds if not bases.path(settings.paths, kind).is_dir()),
        "hosts": hosts * BYTES_PER_HOST,
        "artifacts": artifacts,
    }


def _space_problems(settings: Settings, kinds: Iterable[Kind], hosts: int, artifacts: int) -> list[str]:
    needed = required_disk(settings, kinds, hosts, artifacts)
    return disk_problems(needed, _free(settings.paths.cache), _free(settings.paths.state)) + memory_problems(
        Path("/proc/meminfo").read_text(encoding="utf-8"), hosts
    )


def _free(path: Path) -> tuple[int, int]:
    """Device number and free bytes of the file system that a directory is, or will be, on."""
    while not path.exists():
        path = path.parent
    info = os.statvfs(path)
    return path.stat().st_dev, info.f_bavail * info.f_frsize


def disk_problems(needed: Mapping[str, int], cache: tuple[int, int], state: tuple[int, int]) -> list[str]:
    """Whether what is needed fits.

    :param needed: bytes by purpose: hosts go to the state directory, all else to the cache.
    :param cache: device number and free bytes of the cache's file system.
    :param state: the same for the state directory.
    """
    hosts = needed.get("hosts", 0)
    others = sum(needed.values()) - hosts
    demands = [("cache and hosts", hosts + others, cache[1])]
    if cache[0] != state[0]:
        demands = [("cache", others, cache[1]), ("hosts", hosts, state[1])]
    problems = []
    if hosts + others > MOST_DISK:
        problems.append(
            f"disk: {gib(hosts + others)} needed, more than the {gib(MOST_DISK)} the lab may take; "
            "use fewer hosts"
        )
    for name, need, free in demands:
        if need > free:
            problems.append(
                f"disk for {name}: {gib(free)} free, {gib(need)} needed; `lab free` empties the lab's cache"
            )
    return problems


def memory_problems(meminfo: str, hosts: int) -> list[str]:
    """Whether the machine's free memory (text of /proc/meminfo, kB) is enough for that many hosts."""
    values = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in meminfo.splitlines() if line}
    need = hosts * MEMORY_PER_HOST
    if values["MemAvailable"] < need:
        return [f"memory: {gib(values['MemAvailable'])} available, {gib(need)} needed for {hosts} hosts"]
    return []


def gib(size: int) -> str:
    """Bytes in a readable unit."""
    return f"{size / 2**30:.1f} GiB"
