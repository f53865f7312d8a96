# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Look at what the data directories are on: mounts, links, containerd's namespaces, processes that write there.

Whatever may be on a network file system is looked at in a child, which is given up when the server does not answer.
"""

from __future__ import annotations

import contextlib
import glob
import os
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import bolt
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import under
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import mounts
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.child import (
    GivenUpError,
    Tell,
    in_child,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.model import User

STEP_SECONDS = 5.0
# After so many paths without an answer nobody waits for another.
_STUCK = 4
_TRIES = 3
_UNITS = ("/etc/systemd/system/*.mount", "/etc/systemd/system/*.automount")
METADATA = "io.containerd.metadata.v1.bolt/meta.db"
# What a namespace of containerd holds (github.com/containerd/containerd, core/metadata/buckets.go).
_HOLDS = (b"images", b"containers", b"content", b"snapshots", b"sandboxes")
_WRITES = os.O_WRONLY | os.O_RDWR


def read_bytes(path: str) -> bytes:
    """Content of a file, empty when there is none."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return b""


def permanent(root: str) -> tuple[str, ...]:
    """Mount points that the operator has configured, in fstab or as units of systemd."""
    units = [read_bytes(path) for pattern in _UNITS for path in sorted(glob.glob(under(root, pattern)))]
    points = [*mounts.parse_fstab(read_bytes(under(root, "/etc/fstab"))), *mounts.parse_units(units)]
    return tuple(dict.fromkeys(points))


def stuck(paths: t.Sequence[str], seconds: float = STEP_SECONDS) -> tuple[str, ...]:
    """Those paths that do not answer."""
    found: list[str] = []
    waiting = list(dict.fromkeys(paths))

    def look(tell: Tell) -> bool:
        for path in waiting:
            tell(path)
            with contextlib.suppress(OSError):
                os.lstat(path)
                os.listdir(path)
        return True

    while waiting and len(found) < _STUCK:
        try:
            in_child(look, seconds)
            break
        except GivenUpError as exc:
            found.append(exc.at)
            waiting = waiting[waiting.index(exc.at) + 1 :] if exc.at in waiting else []
    return tuple(found)


def links(root: str, paths: t.Iterable[str], inner: t.Iterable[str]) -> dict[str, str]:
    """Links among directories, and those in them that point elsewhere: path -> what they lead to in the end.

    :param paths: the directories. :param inner: those of which one more level is looked at.
    """
    tops = list(paths)
    prefix = len(root.rstrip("/"))

    def look(tell: Tell) -> list[list[str]]:
        found = []
        for path in tops:
            tell(path)
            for one in (path, *_names(root, path), *(_second(root, path) if path in inner else ())):
                real = under(root, one)
                if os.path.islink(real):
                    tell(one)
                    target = os.path.realpath(real)
                    if os.path.exists(target) and target.startswith(root.rstrip("/") + "/"):
                        found.append([one, target[prefix:]])
        return found

    try:
        known: dict[str, str] = dict(in_child(look, STEP_SECONDS))
    except (GivenUpError, OSError):
        return {}
    inside = [*tops, *(known[path] for path in tops if path in known)]
    return {
        path: target
        for path, target in known.items()
        if path in tops or not any(target.startswith(f"{top}/") for top in inside)
    }


def _names(root: str, path: str) -> list[str]:
    with contextlib.suppress(OSError):
        return [os.path.join(path, name) for name in sorted(os.listdir(under(root, path)))]
    return []


def _second(root: str, path: str) -> t.Iterator[str]:
    for one in _names(root, path):
        if not os.path.islink(under(root, one)) and os.path.isdir(under(root, one)):
            yield from _names(root, one)


def namespaces(directory: str) -> tuple[str, ...] | None:
    """Namespaces of containerd that hold anything, by its metadata; C(None) when that cannot be read.

    containerd need not run, nor be ours.
    """
    path = os.path.join(directory, METADATA)
    if not os.path.lexists(path):
        return ()

    def look(tell: Tell) -> list[str]:
        tell(path)
        with open(path, "rb") as stream:
            version = bolt.Database(stream).root.get(b"v1")
            found = version.items() if version else ()
            return [os.fsdecode(name) for name, bucket in found if bucket is not None and _holds(bucket)]

    def guarded(tell: Tell) -> list[str] | None:
        # containerd may replace pages meanwhile.
        for _try in range(_TRIES):
            with contextlib.suppress(bolt.BoltError, ValueError, ArithmeticError, RecursionError):
                return look(tell)
        return None

    try:
        found = in_child(guarded, STEP_SECONDS)
    except (GivenUpError, OSError):
        return None
    return None if found is None else tuple(found)


def _holds(namespace: bolt.Bucket) -> bool:
    """Whether a namespace has objects: a key below one of its buckets that is no empty bucket itself."""
    return any(
        bucket is not None and name in _HOLDS and _filled(bucket, 2) for name, bucket in namespace.items()
    )


def _filled(bucket: bolt.Bucket, depth: int) -> bool:
    return any(inner is None or depth == 0 or _filled(inner, depth - 1) for _name, inner in bucket.items())


def users(directories: t.Mapping[str, str]) -> tuple[User, ...]:
    """Processes that have files open for writing below directories.

    A process in a container may call another file by the same name, so that the file itself is compared.

    :param directories: path -> what it leads to.
    """

    def look(tell: Tell) -> list[list[t.Any]]:
        found = []
        for pid in sorted((entry for entry in os.listdir("/proc") if entry.isdigit()), key=int):
            if int(pid) != os.getpid():
                with contextlib.suppress(OSError):
                    for handle in os.listdir(f"/proc/{pid}/fd"):
                        path = _written(pid, handle, directories, tell)
                        if path:
                            found.append([int(pid), path])
                            break
        return found

    try:
        found = in_child(look, STEP_SECONDS)
    except (GivenUpError, OSError):
        return ()
    return tuple(User(pid, path) for pid, path in found)


def _written(pid: str, handle: str, directories: t.Mapping[str, str], tell: Tell) -> str:
    """The directory that an open file is below, empty when it is below none or only read."""
    with contextlib.suppress(OSError, ValueError):
        target = os.readlink(f"/proc/{pid}/fd/{handle}")
        for path, real in directories.items():
            if target.startswith((f"{path}/", f"{real}/")):
                tell(target)
                info = read_bytes(f"/proc/{pid}/fdinfo/{handle}")
                flags = next(line.split()[1] for line in info.splitlines() if line.startswith(b"flags:"))
                opened = os.stat(f"/proc/{pid}/fd/{handle}")
                if int(flags, 8) & _WRITES and os.path.samestat(opened, os.lstat(target)):
                    return path
    return ""
