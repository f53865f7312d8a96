# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Which members etcd has, and which of them may be removed. Pure: members in, a plan out."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from urllib.parse import urlsplit

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.quorum import needed, standing


class EtcdError(OperatorError):
    """etcd does not answer, or must not be changed like this."""


@dataclass(frozen=True)
class Member:
    """A member of etcd.

    :param name: of the node; empty while the member has not started yet.
    :param learner: whether it does not vote yet.
    """

    id: str
    name: str
    peer_urls: tuple[str, ...] = ()
    client_urls: tuple[str, ...] = ()
    learner: bool = False

    def addresses(self) -> set[str]:
        """Hosts of its peer URLs."""
        return {urlsplit(url).hostname or "" for url in self.peer_urls}

    def label(self) -> str:
        return self.name or ", ".join(sorted(self.addresses())) or self.id


def parse_members(answer: t.Mapping[str, t.Any]) -> tuple[Member, ...]:
    """Members from the answer of C(/v3/cluster/member/list)."""
    return tuple(
        Member(
            id=str(entry.get("ID", "")),
            name=str(entry.get("name", "")),
            peer_urls=tuple(map(str, entry.get("peerURLs") or ())),
            client_urls=tuple(map(str, entry.get("clientURLs") or ())),
            learner=bool(entry.get("isLearner", False)),
        )
        for entry in answer.get("members") or ()
    )


def refuse_absence(members: t.Sequence[Member], healthy: t.Collection[str], node: str) -> str:
    """Why the member of a node must not be away for a while, as during a reboot; empty when it may.

    A member of one or two is missed whatever the others do, so that it may be away only while all others answer.

    :param healthy: ids of the members that answer.
    """
    own = [member.id for member in members if member.name == node]
    voters = [member for member in members if not member.learner and member.id not in own]
    failed = ", ".join(member.label() for member in voters if member.id not in healthy)
    after = standing(members, healthy, lost=own)
    if not failed or after.quorum:
        return ""
    return (
        f"Without {node}, {after.alive} of {after.voters} members of etcd would answer ({failed} do not);"
        f" expected at least {needed(after.voters)}. Restore {failed} first."
    )


def plan_removal(
    members: t.Sequence[Member],
    healthy: t.Collection[str],
    nodes: t.Collection[str],
    addresses: t.Collection[str] = (),
) -> tuple[Member, ...]:
    """The members that are removed, in the order in which this is safe.

    :param healthy: ids of the members that answer. :param nodes: names of the nodes to remove.
    :param addresses: of these nodes, which identify a member that has not started yet.
    :raises EtcdError: when those that stay would have no quorum, or when there is none now.
    """
    removed = [
        member
        for member in members
        if member.name in nodes or (not member.name and member.addresses() & set(addresses))
    ]
    if not removed:
        return ()
    names = ", ".join(member.label() for member in removed)
    gone = {member.id for member in removed}
    now, after = standing(members, healthy), standing(members, healthy, removed=gone)
    if not after.voters:
        raise EtcdError(
            f"{names}: no member of etcd would stay, and the cluster would be lost.",
            "Reset all control planes together, without --limit, if that is what you want.",
        )
    if not now.quorum:
        raise EtcdError(
            f"etcd has no quorum: {now.alive} of {now.voters} members answer, so no member can be removed.",
            "Restore the others first.",
        )
    if not after.quorum:
        failed = ", ".join(
            member.label()
            for member in members
            if not member.learner and member.id not in gone and member.id not in healthy
        )
        raise EtcdError(
            f"Without {names}, etcd would have {after.voters} member(s) of which {after.alive} answer ({failed} do"
            f" not); expected at least {needed(after.voters)}.",
            f"Restore {failed}, or remove the failed one first.",
        )
    # Those that do not answer first: each removal needs the votes of those that do.
    return tuple(sorted(removed, key=lambda member: (member.id in healthy, member.label())))
