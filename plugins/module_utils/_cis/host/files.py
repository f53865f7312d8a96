# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Check modes and owners of files."""

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

#: Nobody reads more lines on one check.
MOST_EVIDENCES = 100
_MOST_PASSES = 20
_MOST_NAMES = 3


@dataclass(frozen=True)
class Target:
    """A file that a check is about.

    :param allowed: allowed permission bits.
    :param literal: permission bits that are literally allowed, if different.
    :param fixable: whether the path is the same file on the host, so that its mode or owner can be set there.
    """

    fact: FileFact
    allowed: int = 0o600
    literal: int | None = None
    fixable: bool = True


#: Either the files of a check, or its verdict when there are none.
Found = t.Union[list[Target], Result]
Find = t.Callable[[Reader, str], Found]


def target(
    reader: Reader,
    path: str,
    process: Process | None = None,
    allowed: int = 0o600,
    literal: int | None = None,
) -> Target:
    """A file as a process sees it, or as the host does when it does not exist for the process."""
    host = reader.stat(path)
    if process is None:
        return Target(host, allowed, literal)
    inside = reader.stat(path, process)
    if inside.kind == "missing" and not inside.error:
        return Target(host, allowed, literal)
    same = (host.kind, host.mode, host.uid, host.gid) == (inside.kind, inside.mode, inside.uid, inside.gid)
    return Target(inside, allowed, literal, fixable=same)


def limit(evidences: t.Iterable[Evidence]) -> tuple[Evidence, ...]:
    """A readable amount of evidence: failures first, then the rest, then how many were omitted."""
    kept = sorted(evidences, key=lambda item: item.status == PASS)
    failures = sum(item.status != PASS for item in kept)
    most = min(len(kept), MOST_EVIDENCES, max(failures, _MOST_PASSES))
    if most == len(kept):
        return tuple(kept)
    left = kept[most:]
    failed = sum(item.status == FAIL for item in left)
    text = f"{len(left)} more, {failed} of them fail" if failed else f"{len(left)} more, all of them pass"
    return (*kept[:most], Evidence(source=left[0].source, key="omitted", observed=text))


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
        f"{broken[0].path} could not be inspected: {_problem(broken[0])}. Find out why root cannot read it.",
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


def evaluate_modes(check_id: str, targets: t.Sequence[Target]) -> Result:
    """No file has more permissions than allowed."""
    wrong = [item for item in targets if not _problem(item.fact) and item.fact.mode & ~item.allowed]
    evidences = [
        _evidence(item, "mode", _mode(item.fact), f"{item.allowed:04o} or stricter", item not in wrong)
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
        f"{_names([item.fact for item in wrong], _mode)}, expected {allowed} or stricter."
        if wrong
        else f"{len(targets)} file(s) have mode {allowed} or stricter.",
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


def evaluate_owners(check_id: str, targets: t.Sequence[Target]) -> Result:
    """All files are owned by root:root, numerically: names differ between a host and a container."""
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
        f"{_names([item.fact for item in wrong], _owner)} (user:group), expected 0:0."
        if wrong
        else f"{len(targets)} file(s) are owned by root:root.",
        limit(evidences),
        fixes=tuple(FileFix(item.fact.path, uid=0, gid=0) for item in wrong if item.fixable),
    )


def mode_check(check_id: str, find: Find) -> t.Callable[[Reader], Result]:
    """A check of the modes of the files that are found."""

    def evaluate(reader: Reader) -> Result:
        found = find(reader, check_id)
        return found if isinstance(found, Result) else evaluate_modes(check_id, found)

    return evaluate


def owner_check(check_id: str, find: Find) -> t.Callable[[Reader], Result]:
    """A check of the owners of the files that are found."""

    def evaluate(reader: Reader) -> Result:
        found = find(reader, check_id)
        return found if isinstance(found, Result) else evaluate_owners(check_id, found)

    return evaluate
