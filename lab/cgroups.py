# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A control group per host, in every hierarchy of the machine.

Two kubelets that share a hierarchy's root both manage ``/kubepods`` there and remove each other's pods. So
each host gets a child of its own in every hierarchy: v1 controllers, named v1 hierarchies, and v2. The
children are made below the group the caller is in, and groups of others are left as they are.

On a machine with cgroup v2 alone the caller's group holds processes and can therefore hand no controller to
children (the kernel's "no internal processes" rule, Documentation/admin-guide/cgroup-v2.rst). There the lab
goes below the nearest ancestor without processes, at worst the root, which the rule exempts. That way has
unit tests for its planning; it has not been run on such a machine.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lab.config import LabError

#: What the kubelet wants on cgroup v2 (kubelet checks cpu, cpuset, memory and pids; io serves accounting).
V2_CONTROLLERS = ("cpu", "cpuset", "io", "memory", "pids")
#: Group of the processes that serve all hosts: resolver and mirror.
SERVICES = "services"


@dataclass(frozen=True)
class Mount:
    """Where a hierarchy is mounted.

    :param point: mount point.
    :param root: the group that is seen at the mount point.
    :param version: 1 or 2.
    :param controllers: v1 controllers, or one ``name=...``; empty for v2.
    """

    point: str
    root: str
    version: int
    controllers: frozenset[str]


@dataclass(frozen=True)
class Parent:
    """The directory of one hierarchy below which the lab makes its groups.

    :param directory: an existing group.
    :param version: 1 or 2.
    :param controllers: as in :class:`Mount`.
    :param delegate: whether controllers have to be handed down (v2 alone).
    """

    directory: Path
    version: int
    controllers: frozenset[str]
    delegate: bool = False


def parse_mounts(mountinfo: str) -> list[Mount]:
    """The cgroup mounts in the text of /proc/self/mountinfo (format: proc_pid_mountinfo(5))."""
    mounts = []
    for line in mountinfo.splitlines():
        left, separator, right = line.partition(" - ")
        fields, tail = left.split(), right.split()
        if not separator or len(fields) < 6 or len(tail) < 3 or tail[0] not in ("cgroup", "cgroup2"):
            continue
        root, point = _unescape(fields[3]), _unescape(fields[4])
        if tail[0] == "cgroup2":
            mounts.append(Mount(point, root, 2, frozenset()))
            continue
        # Super block options mix controllers with flags; a controller never contains "=" but a name does.
        options = tail[2].split(",")
        named = frozenset(o for o in options if o.startswith("name="))
        known = named or frozenset(o for o in options if o not in _V1_FLAGS and "=" not in o)
        mounts.append(Mount(point, root, 1, known))
    return mounts


_V1_FLAGS = frozenset(
    {"rw", "ro", "none", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "favordynmods"}
)


def _unescape(text: str) -> str:
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, char)
    return text


def parse_membership(text: str) -> list[tuple[frozenset[str], str]]:
    """Controllers and path of each hierarchy in the text of /proc/self/cgroup; no controllers means v2."""
    result = []
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        result.append((frozenset(c for c in controllers.split(",") if c), path))
    return result


def only_unified(membership: str) -> bool:
    """Whether the text of /proc/self/cgroup is that of a machine with cgroup v2 alone."""
    return all(not controllers for controllers, _ in parse_membership(membership))


def unified() -> bool:
    """:func:`only_unified` for this machine."""
    return only_unified(Path("/proc/self/cgroup").read_text(encoding="utf-8"))


def plan_parents(membership: str, mountinfo: str, has_processes: Callable[[Path], bool]) -> list[Parent]:
    """Where the lab's groups go, one place for each hierarchy.

    :param membership: text of /proc/self/cgroup.
    :param mountinfo: text of /proc/self/mountinfo.
    :param has_processes: whether a group directly holds processes (asked for v2 only).
    :raises LabError: a hierarchy is not mounted, or the caller's group cannot be seen through its mount.
    """
    mounts = parse_mounts(mountinfo)
    entries = parse_membership(membership)
    only_v2 = only_unified(membership)
    parents = []
    problems = []
    for controllers, path in entries:
        label = ",".join(sorted(controllers)) or "cgroup v2"
        candidates = [
            m for m in mounts if m.controllers == controllers and m.version == (1 if controllers else 2)
        ]
        if not candidates:
            if controllers or only_v2:
                problems.append(f"hierarchy {label} is not mounted")
            continue
        mount = next((m for m in candidates if _below(path, m.root) is not None), None)
        if mount is None:
            problems.append(f"group {path} of {label} is outside what {candidates[0].point} shows")
            continue
        relative = _below(path, mount.root) or ""
        if only_v2:
            while relative and has_processes(Path(mount.point, relative)):
                relative = str(PurePosixPath(relative).parent).rstrip(".")
        parents.append(
            Parent(
                Path(mount.point, relative), mount.version, controllers, delegate=only_v2 and not controllers
            )
        )
    if problems:
        raise LabError(
            "control groups: " + "; ".join(problems),
            "mount every hierarchy of /proc/self/cgroup below /sys/fs/cgroup",
        )
    return parents


def _below(path: str, root: str) -> str | None:
    """`path` relative to `root`, or None when it is elsewhere (".." appears outside a cgroup namespace)."""
    if ".." in PurePosixPath(path).parts:
        return None
    try:
        relative = PurePosixPath(path).relative_to(root)
    except ValueError:
        return None
    return "" if str(relative) == "." else str(relative)


def caller_parents() -> list[Parent]:
    """:func:`plan_parents` for this very process."""
    return plan_parents(
        Path("/proc/self/cgroup").read_text(encoding="utf-8"),
        Path("/proc/self/mountinfo").read_text(encoding="utf-8"),
        lambda group: bool(processes(group)),
    )


def lab_group(lab: str) -> str:
    """Name of the group that holds all of a lab's groups, in every hierarchy."""
    return f"{lab}-lab"


def create(parents: Iterable[Parent], *names: str) -> list[Path]:
    """Make the group ``names[0]/names[1]/...`` in every hierarchy, ready to take processes.

    :return: its directory in each hierarchy.
    :raises LabError: the kernel refuses.
    """
    made = []
    for parent in parents:
        group = parent.directory
        for name in names:
            if parent.delegate:
                _delegate(group)
            group = group / name
            try:
                group.mkdir(exist_ok=True)
                _fill_cpuset(group)
            except OSError as exc:
                raise LabError(
                    f"control group {group}: {exc.strerror}",
                    "run as root, with /sys/fs/cgroup mounted read-write",
                ) from exc
        made.append(group)
    return made


def recreate(groups: Iterable[Path]) -> None:
    """Recreate groups below the parents they had (a booting host must find no programs of its last life)."""
    for group in groups:
        group.mkdir(exist_ok=True)
        _fill_cpuset(group)


def _fill_cpuset(group: Path) -> None:
    # A v1 cpuset takes no process before both files have content, and new ones are empty.
    for name in ("cpuset.cpus", "cpuset.mems"):
        own, above = group / name, group.parent / name
        # On v2 the same files exist where the controller is on, and empty means "as the parent".
        if (
            own.exists()
            and above.exists()
            and not (group / "cgroup.controllers").exists()
            and not own.read_text().strip()
        ):
            own.write_text(above.read_text())


def _delegate(group: Path) -> None:
    available = (group / "cgroup.controllers").read_text().split()
    enabled = (group / "cgroup.subtree_control").read_text().split()
    for controller in V2_CONTROLLERS:
        if controller in available and controller not in enabled:
            try:
                (group / "cgroup.subtree_control").write_text(f"+{controller}")
            except OSError as exc:
                raise LabError(
                    f"control group {group} cannot hand {controller} to children: {exc.strerror}",
                    "run the lab from a shell whose group, or one above it, holds no processes",
                ) from exc


def join(groups: Iterable[Path], pid: int = 0) -> None:
    """Move a process (the caller for 0) into each of the groups."""
    for group in groups:
        (group / "cgroup.procs").write_text(str(pid))


@contextlib.contextmanager
def entered(groups: Sequence[Path]) -> Iterator[None]:
    """Run a block inside groups, so that all it starts is born there and found by `down` whatever happens."""
    before = [p.directory for p in caller_parents_exact()]
    join(groups)
    try:
        yield
    finally:
        join(before)


def caller_parents_exact() -> list[Parent]:
    """The caller's very groups (no search for an ancestor without processes)."""
    return plan_parents(
        Path("/proc/self/cgroup").read_text(encoding="utf-8"),
        Path("/proc/self/mountinfo").read_text(encoding="utf-8"),
        lambda group: False,
    )


def processes(group: Path) -> list[int]:
    """Pids directly in a group; those of another pid namespace (shown as 0) are left out."""
    try:
        return [int(line) for line in (group / "cgroup.procs").read_text().split() if line != "0"]
    except OSError:
        return []


def tree(group: Path) -> list[Path]:
    """A group and all below it, children before parents."""
    found = []
    for directory, _, _ in os.walk(group, topdown=False, onerror=None):
        found.append(Path(directory))
    return found


def members(groups: Iterable[Path]) -> set[int]:
    """Pids anywhere in or below the groups."""
    return {pid for group in groups for inner in tree(group) for pid in processes(inner)}


def find(lab: str, mountinfo: str | None = None) -> list[Path]:
    """Every group of a lab on this machine, wherever its caller was: found by name alone."""
    text = Path("/proc/self/mountinfo").read_text(encoding="utf-8") if mountinfo is None else mountinfo
    name = lab_group(lab)
    found = []
    for point in dict.fromkeys(mount.point for mount in parse_mounts(text)):
        for directory, children, _ in os.walk(point):
            if name in children:
                found.append(Path(directory, name))
                children.remove(name)
    return found


def kill(groups: Sequence[Path], timeout: float = 20.0) -> None:
    """Kill all processes in and below the groups, and wait until none is left.

    :param timeout: seconds.
    :raises LabError: processes survive SIGKILL for that long.
    """
    deadline = time.monotonic() + timeout
    while True:
        left = members(groups) - {os.getpid()}
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise LabError(
                f"processes {', '.join(map(str, sorted(left)))} do not end although they were killed",
                "look at /proc/PID/stack for what they wait for, then run the command again",
            )
        time.sleep(0.02)


def remove(groups: Sequence[Path], timeout: float = 20.0) -> None:
    """Kill what is in the groups and remove them with all below.

    :param timeout: seconds to wait for the kernel to let go of them.
    :raises LabError: a group stays busy for that long.
    """
    kill(groups, timeout)
    deadline = time.monotonic() + timeout
    for group in groups:
        for inner in tree(group):
            while True:
                try:
                    inner.rmdir()
                    break
                except FileNotFoundError:
                    break
                except OSError as exc:
                    # EBUSY: tasks on their way out still count; ENOTEMPTY does not occur on a cgroup file
                    # system.
                    if exc.errno != errno.EBUSY or time.monotonic() > deadline:
                        raise LabError(
                            f"control group {inner}: {exc.strerror}", "run the command again"
                        ) from exc
                    kill([inner], timeout)
                    time.sleep(0.02)


def memory_usage(groups: Iterable[Path]) -> int | None:
    """Bytes that the groups hold and cannot simply give back, None when no group has the memory controller.

    The page cache that was not used lately is left out, as the kubelet does for a node's working set.
    """
    total = None
    for group in groups:
        for name, idle in (
            ("memory.usage_in_bytes", "total_inactive_file"),
            ("memory.current", "inactive_file"),
        ):
            file = group / name
            if file.exists():
                values = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
                total = (total or 0) + max(0, int(file.read_text()) - int(values.get(idle, 0)))
    return total
