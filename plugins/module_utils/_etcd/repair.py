# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Which steps repair etcd, in which order, and what is refused. Pure: an observation in, a plan out.

The first step of a plan is done, and then etcd is observed and planned again: so quorum is counted before each one.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.members import EtcdError, Member
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.quorum import needed, standing
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.status import (
    CORRUPT,
    NOSPACE,
    Observation,
)

COMPACT, DEFRAGMENT, DISARM, PROMOTE, REMOVE = "compact", "defragment", "disarm", "promote", "remove"
#: Share of a database that has to be free for a defragmentation that is asked for.
WORTH_SHARE = 0.5
#: etcd promotes a learner that has this share of the leader's entries (its C(readyPercentThreshold)).
_READY_SHARE = 0.9
_RESTORE = (
    "Start the others again. When they are lost for good, restore the cluster with the playbook restore: from the"
    " control plane that is left (restore_survivor) or from a backup (docs/backup.md)."
)


@dataclass(frozen=True)
class Step:
    """One change of etcd.

    :param member: id of the member that it is about. :param alarm: that it disarms.
    """

    kind: str
    member: str
    label: str
    alarm: str = ""

    def line(self) -> str:
        """For people."""
        return {
            COMPACT: "compact all revisions but the current one",
            DEFRAGMENT: f"defragment {self.label}",
            DISARM: f"disarm {self.alarm} of {self.label}",
            PROMOTE: f"promote the learner {self.label}",
            REMOVE: f"remove the member {self.label} ({self.member}), which does not serve",
        }[self.kind]


@dataclass(frozen=True)
class Repair:
    """What is done, and what is left to the operator: each sentence has the next step."""

    steps: tuple[Step, ...] = ()
    left: tuple[str, ...] = ()


def caught_up(learner: Member, seen: Observation) -> bool:
    """Whether etcd would promote it."""
    newest = max((status.index for status in seen.statuses.values()), default=0)
    return learner.id in seen.healthy and seen.status(learner).index >= _READY_SHARE * newest


def failed(seen: Observation) -> list[str]:
    """Voters that do not serve."""
    return [m.label() for m in seen.members if not m.learner and m.id not in seen.healthy]


def check_quorum(seen: Observation, removed: t.Collection[str] = ()) -> None:
    """Refuse what etcd cannot do.

    :param removed: ids of members that would be removed.
    :raises EtcdError: without quorum, now or afterwards.
    """
    now, after = seen.standing(), standing(seen.members, seen.healthy, removed=removed)
    if not now.quorum:
        raise EtcdError(
            f"etcd has no quorum: {now.alive} of {now.voters} members serve ({', '.join(failed(seen))} do not);"
            f" expected at least {needed(now.voters)}. Nothing can be repaired without it.",
            _RESTORE,
        )
    if not after.quorum:
        raise EtcdError(
            f"After this step, {after.alive} of {after.voters} members of etcd would serve; expected at least"
            f" {needed(after.voters)}.",
            "Repair the other failed members first.",
        )


def _in_order(seen: Observation) -> list[Member]:
    """Members that serve and can be defragmented: the leader last, as its pause stops all writes."""
    serving = [m for m in seen.members if m.id in seen.healthy and not m.learner]
    return sorted(serving, key=lambda member: (member.id == seen.leader, member.label()))


def _full(seen: Observation) -> list[Step]:
    """What ends the alarm of a full database."""
    raised = [identity for identity, alarms in seen.alarms.items() if NOSPACE in alarms]
    if not raised:
        return []
    labels = {member.id: member.label() for member in seen.members}
    members = _in_order(seen)
    return [
        Step(COMPACT, members[-1].id, members[-1].label()),
        *(Step(DEFRAGMENT, member.id, member.label()) for member in members),
        *(Step(DISARM, identity, labels.get(identity, identity), NOSPACE) for identity in raised),
    ]


def _learners(seen: Observation) -> list[Step]:
    """Learners that were left, and members that have never started: an interrupted join."""
    return [
        Step(PROMOTE if caught_up(member, seen) else REMOVE, member.id, member.label())
        for member in seen.members
        if member.learner or not member.name
    ]


def plan_repair(seen: Observation, defragment: bool = False) -> Repair:
    """The steps that repair etcd.

    :param defragment: whether a database of which more than half is free is defragmented, too.
    :raises EtcdError: when etcd has no quorum.
    """
    if not seen.members:
        return Repair()
    check_quorum(seen)
    steps = [*_full(seen), *_learners(seen)]
    left = []
    down = failed(seen)
    if defragment and not any(step.kind == DEFRAGMENT for step in steps):
        wanted = [m for m in _in_order(seen) if seen.status(m).free_share > WORTH_SHARE]
        if down and wanted:
            left.append(
                f"{', '.join(m.label() for m in wanted)}: not defragmented, as {', '.join(down)} does not serve and the"
                " pause of another member could cost the quorum. Repair that member first"
            )
        else:
            steps += [Step(DEFRAGMENT, m.id, m.label()) for m in wanted]
    left += [
        f"{member.label()}: its data differ from those of the other members (alarm CORRUPT). Back up the cluster,"
        " remove this control plane (remove_node) and add it again (add_node)"
        for member in seen.members
        if CORRUPT in seen.alarms.get(member.id, ())
    ]
    left += [
        f"{member.label()}: its member of etcd does not serve ({seen.status(member).error or 'no leader'}). Look at its"
        " container (crictl ps -a, crictl logs). When its data are lost or damaged, remove this control plane"
        " (remove_node) and add it again (add_node); the others have quorum"
        for member in seen.members
        if not member.learner and member.name and member.id not in seen.healthy
    ]
    return Repair(tuple(steps), tuple(left))
