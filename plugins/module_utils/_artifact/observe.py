# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Look at what is in place. It changes nothing."""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.download import digest_file
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.model import (
    ABSENT,
    Contents,
    DirectorySpec,
    FileSpec,
    Found,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.plan import (
    DirectoryTarget,
    Plan,
    unpacked_names,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import LOST_AND_FOUND

_WORKERS = 4


def look(path: str, algorithms: t.Iterable[str]) -> Found:
    """What is at a path, with digests when it is a regular file. Links are not followed."""
    try:
        info = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return ABSENT
    mode = stat.S_IMODE(info.st_mode)
    if stat.S_ISLNK(info.st_mode):
        return Found("link", {}, mode, info.st_uid, info.st_gid, info.st_size)
    if stat.S_ISDIR(info.st_mode):
        return Found("directory", {}, mode, info.st_uid, info.st_gid)
    if not stat.S_ISREG(info.st_mode):
        return Found("other", {}, mode, info.st_uid, info.st_gid)
    size, digests = digest_file(path, algorithms)
    return Found("file", digests, mode, info.st_uid, info.st_gid, size)


def _paths_of(spec: FileSpec, contents: Contents | None) -> list[str]:
    """The paths that one file concerns, as far as they are known."""
    if spec.dest is not None:
        return [spec.dest]
    if spec.members:
        return [member.dest for member in spec.members]
    return list(unpacked_names(spec, contents).values()) if contents is not None else []


def observe_files(
    specs: t.Sequence[FileSpec], known: t.Mapping[str, Contents], already: t.Mapping[str, Found]
) -> dict[str, Found]:
    """Look at every path that the call concerns; hashing runs in parallel.

    :param already: what was seen before; not read again.
    """
    wanted: dict[str, set[str]] = {}
    for spec in specs:
        for path in _paths_of(spec, known.get(str(spec.checksum))):
            if path not in already:
                wanted.setdefault(path, {"sha256"}).add(spec.checksum.algorithm)
    with ThreadPoolExecutor(_WORKERS) as pool:
        seen = dict(zip(wanted, pool.map(lambda item: look(*item), wanted.items())))
    return {**already, **seen}


def observe_directories(specs: t.Sequence[DirectorySpec]) -> tuple[DirectoryTarget, ...]:
    """Look at every directory of the call, and for marked files in those that are kept clean of them."""
    targets = []
    for spec in specs:
        found = look(spec.path, ())
        if found.kind == "link" and os.path.isdir(spec.path):
            found = look(os.path.realpath(spec.path), ())
        purge = tuple(_marked(spec)) if spec.purge_marked else ()
        targets.append(DirectoryTarget(spec, found, purge, spec.data and _vacant(spec.path)))
    return tuple(targets)


def _vacant(path: str) -> bool:
    """Whether a directory holds nothing but what a file system of its own has from the start."""
    try:
        return set(os.listdir(path)) <= {LOST_AND_FOUND}
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _marked(spec: DirectorySpec) -> t.Iterator[str]:
    marker = spec.purge_marked.encode()
    for parent, _directories, names in os.walk(spec.path):
        for name in sorted(names):
            path = os.path.join(parent, name)
            with contextlib.suppress(OSError):
                if stat.S_ISREG(os.lstat(path).st_mode):
                    with open(path, "rb") as stream:
                        if marker in stream.readline(4096):
                            yield path


def occupied(plan: Plan) -> set[str]:
    """Directories that archives of unknown content go to, and in which something is."""
    found = set()
    for spec in plan.open_ended:
        with contextlib.suppress(OSError):
            if spec.unpack_to and os.listdir(spec.unpack_to):
                found.add(spec.unpack_to)
    return found


def missing_directories(paths: t.Iterable[str]) -> tuple[str, ...]:
    """Directories that must be created for these paths to exist, the outermost first."""
    missing: dict[str, None] = {}
    for path in paths:
        chain = []
        parent = os.path.dirname(path)
        while not os.path.isdir(parent) and parent != "/":
            chain.append(parent)
            parent = os.path.dirname(parent)
        missing.update(dict.fromkeys(reversed(chain)))
    return tuple(missing)
