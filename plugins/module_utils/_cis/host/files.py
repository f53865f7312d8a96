# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Verdicts on modes and owners of files."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.reader import (
    FileFact,
    Process,
    Reader,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import (
    ERROR,
    FAIL,
    PASS,
    Evidence,
    FileFix,
    Result,
    worst,
)

#: A report with more lines than this on one check is not read.
MOST_EVIDENCES = 100
_MOST_PASSES = 20
_MOST_NAMES = 3


@dataclass(frozen=True)
class Target:
    """A file that a check is about.

    :param allowed: permission bits that it may have.
    :param literal: bits that the benchmark's words allow, when these are others.
    :param fixable: whether the path is the same file on the host, so that a mode or an owner can be set there.
    """

    fact: FileFact
    allowed: int = 0o600
    literal: int | None = None
    fixable: bool = True


def target(
    reader: Reader,
    path: str,
    process: Process | None = None,
    allowed: int = 0o600,
    literal: int | None = None,
) -> Target:
    """A file as a process sees it, or as the host does when the process sees none."""
    host = reader.stat(path)
    if process is None:
        return Target(host, allowed, literal)
    inside = reader.stat(path, process)
    if inside.kind == "missing" and not inside.error:
        return Target(host, allowed, literal)
    same = (host.kind, host.mode, host.uid, host.gid) == (inside.kind, inside.mode, inside.uid, inside.gid)
    return Target(inside, allowed, literal, fixable=same)


def limit(evidences: t.Iterable[Evidence]) -> tuple[Evidence, ...]:
    """No more evidence than is read: failures first, then the rest, then how many were left out."""
    kept = sorted(evidences, key=lambda item: item.status == PASS)
    failures = sum(item.status != PASS for item in kept)
    most = min(len(kept), MOST_EVIDENCES, max(failures, _MOST_PASSES))
    if most == len(kept):
        return tuple(kept)
    left = kept[most:]
    failed = sum(item.status == FAIL for item in left)
    text = f"{len(left)} more, {failed} of them fail" if failed else f"{len(left)} more, all of them pass"
    return (*kept[:most], Evidence(source=left[0].source, key="left out", observed=text))


def _problem(fact: FileFact) -> str:
    if fact.error:
        return fact.error
    return "no such file" if fact.kind == "missing" else ""


def _names(facts: t.Sequence[FileFact], describe: t.Callable[[FileFact], str]) -> str:
    text = ", ".join(f"{fact.path} is {describe(fact)}" for fact in facts[:_MOST_NAMES])
    return text + (f" and {len(facts) - _MOST_NAMES} more" if len(facts) > _MOST_NAMES else "")


def _unknown(check_id: str, targets: t.Sequence[Target], evidences: t.Iterable[Evidence]) -> Result | None:
    broken = [item.fact for item in targets if _problem(item.fact)]
    if not broken:
        return None
    return Result(
        check_id,
        ERROR,
        f"It could not be looked at: {broken[0].path}: {_problem(broken[0])}. See why root cannot read it.",
        limit(evidences),
    )


def _evidence(item: Target, key: str, observed: str, expected: str, good: bool) -> Evidence:
    fact = item.fact
    problem = _problem(fact)
    source = f"{fact.path} (a link to {fact.link})" if fact.link else fact.path
    if problem:
        return Evidence(source, key, problem, expected)
    return Evidence(source, key, observed, expected, PASS if good else FAIL)


def _mode(fact: FileFact) -> str:
    return f"{fact.mode:04o}"


def judge_modes(check_id: str, targets: t.Sequence[Target]) -> Result:
    """No file has a permission beyond those that it may have."""
    wrong = [item for item in targets if not _problem(item.fact) and item.fact.mode & ~item.allowed]
    evidences = [
        _evidence(
            item, "mode", _mode(item.fact), f"no permission beyond {item.allowed:04o}", item not in wrong
        )
        for item in targets
    ]
    unknown = _unknown(check_id, targets, evidences)
    if unknown is not None and not wrong:
        return unknown
    allowed = " or ".join(sorted({f"{item.allowed:04o}" for item in targets}))
    status = FAIL if wrong else PASS
    literal = worst(
        FAIL if item.fact.mode & ~(item.allowed if item.literal is None else item.literal) else PASS
        for item in targets
    )
    return Result(
        check_id,
        status,
        f"{_names([item.fact for item in wrong], _mode)}: more than {allowed} allows."
        if wrong
        else f"No permission beyond {allowed} on {len(targets)} file(s).",
        limit(evidences),
        "" if literal == status else literal,
        tuple(
            FileFix(item.fact.path, mode=(item.fact.mode & item.allowed) or item.allowed)
            for item in wrong
            if item.fixable
        ),
    )


def _owner(fact: FileFact) -> str:
    return f"{fact.uid}:{fact.gid}"


def judge_owners(check_id: str, targets: t.Sequence[Target]) -> Result:
    """All files are root's, user and group, by number: names differ between a host and a container."""
    wrong = [item for item in targets if not _problem(item.fact) and (item.fact.uid or item.fact.gid)]
    evidences = [
        _evidence(item, "owner", _owner(item.fact), "0:0 (root:root)", item not in wrong) for item in targets
    ]
    unknown = _unknown(check_id, targets, evidences)
    if unknown is not None and not wrong:
        return unknown
    return Result(
        check_id,
        FAIL if wrong else PASS,
        f"{_names([item.fact for item in wrong], _owner)} (user:group) and not 0:0."
        if wrong
        else f"{len(targets)} file(s) are root's.",
        limit(evidences),
        fixes=tuple(FileFix(item.fact.path, uid=0, gid=0) for item in wrong if item.fixable),
    )
