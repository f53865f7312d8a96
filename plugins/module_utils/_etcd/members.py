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
    staying = [member for member in members if member not in removed and not member.learner]
    names = ", ".join(member.label() for member in removed)
    if not staying:
        raise EtcdError(
            f"{names}: no member of etcd would stay, and the cluster would be lost.",
            "Reset all control planes together, without --limit, if that is what you want.",
        )
    voters = [member for member in members if not member.learner]
    now = [member for member in voters if member.id in healthy]
    if len(now) < len(voters) // 2 + 1:
        raise EtcdError(
            f"etcd has no quorum: {len(now)} of {len(voters)} members answer, so no member can be removed.",
            "Restore the others first.",
        )
    quorum = len(staying) // 2 + 1
    alive = [member for member in staying if member.id in healthy]
    if len(alive) < quorum:
        failed = ", ".join(member.label() for member in staying if member not in alive)
        raise EtcdError(
            f"Without {names}, etcd would have {len(staying)} member(s) of which {len(alive)} answer ({failed} do not);"
            f" expected at least {quorum}.",
            f"Restore {failed}, or reset the failed one first.",
        )
    # Those that do not answer first: each removal needs the votes of those that do.
    return tuple(sorted(removed, key=lambda member: (member.id in healthy, member.label())))
