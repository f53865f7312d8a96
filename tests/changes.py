# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files recent commits changed, as far as the clone's history tells."""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

#: How far back a commit counts as recent, seconds before the newest one: the same commit always gives the
#: same answer.
RECENT = 24 * 3600


@dataclass(frozen=True)
class Changes:
    """What git knows.

    :param commit: hash of the newest commit; empty when there is no history.
    :param files: changed by recent commits, or not committed yet.
    :param note: what could not be found out; empty when all could.
    """

    commit: str = ""
    files: frozenset[str] = frozenset()
    note: str = ""


class _GitError(Exception):
    pass


def read(repo: Path) -> Changes:
    """Ask git. That it cannot answer is no failure: then nothing counts as changed, and the note says so."""
    try:
        commit, moment = _git(repo, "show", "--no-patch", "--format=%H %ct", "HEAD").split()
        since = f"--since=@{int(moment) - RECENT}"
        log = _git(repo, "log", since, "--no-renames", "--name-only", "--format=commit %H", "HEAD")
        edited = _git(repo, "status", "--porcelain", "--no-renames", "--untracked-files=normal")
        shallow = _boundary(repo)
    except (_GitError, OSError, ValueError) as exc:
        return Changes(note=f"no history, nothing counts as changed: {exc}")
    files, cut = parse_log(log, shallow)
    files |= {line[3:].strip('"') for line in edited.splitlines()}
    note = "the clone is shallow: what commits changed that it does not have is not known" if cut else ""
    return Changes(commit, frozenset(files), note)


def _git(repo: Path, *args: str) -> str:
    done = subprocess.run(
        ["git", *args], cwd=repo, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise _GitError((done.stderr.strip() or f"git ended with code {done.returncode}").splitlines()[0])
    return done.stdout


def _boundary(repo: Path) -> set[str]:
    """The commits whose parents a shallow clone does not have."""
    file = repo / _git(repo, "rev-parse", "--git-path", "shallow").strip()
    return set(file.read_text(encoding="utf-8").split()) if file.exists() else set()


def parse_log(log: str, boundary: Collection[str]) -> tuple[set[str], bool]:
    """Files in the output of ``git log --name-only --format="commit %H"``.

    :param boundary: commits that seem to add every file, because their parents are missing; these are left
        out.
    :return: the files, and whether such a commit was left out.
    """
    files: set[str] = set()
    counted, cut = True, False
    for line in log.splitlines():
        if line.startswith("commit "):
            counted = line.removeprefix("commit ") not in boundary
            cut |= not counted
        elif line and counted:
            files.add(line.strip('"'))
    return files, cut
