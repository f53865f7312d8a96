# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What the checks of a cluster have in common."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import (
    ERROR,
    FAIL,
    PASS,
    Evidence,
    Result,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import (
    Snapshot,
    UnseenError,
)

Evaluate = t.Callable[[Snapshot], Result]

#: Kubernetes' own namespaces.
SYSTEM_NAMESPACES = frozenset({"kube-system", "kube-public", "kube-node-lease"})

#: Nobody reads more findings of one check.
MOST_FINDINGS = 100

ASK_HOSTS = "Run the playbook cis without --limit, while all hosts of the cluster can be reached"


def guarded(check_id: str, evaluate: Evaluate) -> Evaluate:
    """A check whose verdict is C(error) when something that it needs could not be read."""

    def evaluated(snapshot: Snapshot) -> Result:
        try:
            return evaluate(snapshot)
        except UnseenError as exc:
            return Result(check_id, ERROR, f"{exc}.")

    return evaluated


def guarded_checks(evaluations: t.Mapping[str, Evaluate]) -> dict[str, Evaluate]:
    """The checks of a section, each guarded on its own."""
    return {check_id: guarded(check_id, evaluate) for check_id, evaluate in evaluations.items()}


def limited(evidence: t.Iterable[Evidence]) -> tuple[Evidence, ...]:
    """A readable amount of evidence: findings first, and a line for how many were omitted."""
    found = list(evidence)
    failed = [item for item in found if item.status == FAIL]
    told = [item for item in found if item.status != FAIL]
    kept = [*failed[:MOST_FINDINGS], *told[:MOST_FINDINGS]]
    for kind, items in (("findings", failed), ("observations", told)):
        if len(items) > MOST_FINDINGS:
            status = FAIL if items is failed else ""
            left = len(items) - MOST_FINDINGS
            kept.append(Evidence("this report", "omitted", f"{left} more {kind}", "", status))
    return tuple(kept)


def failures(evidence: t.Iterable[Evidence]) -> int:
    """How many of them fail."""
    return sum(item.status == FAIL for item in evidence)


def conclude(check_id: str, evidence: t.Sequence[Evidence], good: str, bad: str, literal: str = "") -> Result:
    """C(fail) when any evidence fails, C(pass) otherwise.

    :param good: the message of a pass. :param bad: that of a failure; C({}) is the number of findings.
    :param literal: the literal verdict; it is only kept where it differs.
    """
    count = failures(evidence)
    status, message = (FAIL, bad.format(count)) if count else (PASS, good)
    return Result(check_id, status, message, limited(evidence), literal if literal != status else "")
