# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Remove files and directories. Never follow a link below them, and never enter another file system."""

from __future__ import annotations

import os
import stat
import sys
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.child import Tell, in_child
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.observe import contents

# A large file takes a while to be unlinked.
_STEP_SECONDS = 60.0
# The longest path has some 2,000 directories.
_MAX_DEPTH = 20_000


def empty(path: str, points: t.Collection[str], directory_too: bool = False) -> list[str]:
    """Empty a directory, in a child, as a server of a network file system may be down.

    :param points: what is mounted; it is not even looked at. :param directory_too: whether the directory goes, too.
    :returns: why something is still there.
    :raises GivenUpError: when something does not answer.
    """

    def work(tell: Tell) -> list[str]:
        sys.setrecursionlimit(_MAX_DEPTH)
        tell(path)
        top = os.path.realpath(path)
        # On a file system of its own there is more than what was put there.
        left = list(_below(top, points, tell, contents(top)))
        if directory_too and not left:
            os.rmdir(path)
        return left

    return list(in_child(work, _STEP_SECONDS))


def _below(
    directory: str, points: t.Collection[str], tell: Tell, names: t.Sequence[str] | None = None
) -> t.Iterator[str]:
    device = os.lstat(directory).st_dev
    for name in sorted(os.listdir(directory)) if names is None else names:
        path = os.path.join(directory, name)
        # Before anything else: to look at a mount point asks its server.
        if path in points:
            yield f"{path} is still mounted, so nothing in it was touched"
            continue
        tell(path)
        try:
            info = os.lstat(path)
            # The device of a file tells nothing: on an overlay it is that of the layer.
            if stat.S_ISDIR(info.st_mode) and info.st_dev != device:
                yield f"{path} is still mounted, so nothing in it was touched"
            elif stat.S_ISDIR(info.st_mode):
                errors = list(_below(path, points, tell))
                yield from errors
                if not errors:
                    os.rmdir(path)
            else:
                os.unlink(path)
        except OSError as exc:
            yield f"{path}: {exc.strerror or exc}"


def prune(path: str, points: t.Collection[str]) -> list[str]:
    """Remove a directory that holds nothing but empty directories.

    :returns: why something is still there; a file in it is a reason.
    :raises GivenUpError: when something does not answer.
    """

    def work(tell: Tell) -> list[str]:
        return list(_empty_directories(path, points, tell))

    return list(in_child(work, _STEP_SECONDS))


def _empty_directories(path: str, points: t.Collection[str], tell: Tell) -> t.Iterator[str]:
    if path in points:
        yield f"{path} is still mounted"
        return
    tell(path)
    try:
        for name in sorted(os.listdir(path)):
            inner = os.path.join(path, name)
            if inner in points or stat.S_ISDIR(os.lstat(inner).st_mode):
                yield from _empty_directories(inner, points, tell)
        os.rmdir(path)
    except OSError as exc:
        yield f"{path}: {exc.strerror or exc}"
