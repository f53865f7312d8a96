# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Whether etcd keeps its quorum when members fail or are removed. Pure: members in, counts out."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.members import Member


def needed(voters: int) -> int:
    """How many voting members have to answer."""
    return voters // 2 + 1


@dataclass(frozen=True)
class Standing:
    """Voting members, and how many of them answer."""

    voters: int
    alive: int

    @property
    def quorum(self) -> bool:
        """Whether etcd works. Without members there is no etcd."""
        return self.alive >= needed(self.voters)

    @property
    def spare(self) -> int:
        """How many more may fail; negative without quorum."""
        return self.alive - needed(self.voters)


def standing(
    members: t.Iterable[Member],
    healthy: t.Collection[str],
    lost: t.Collection[str] = (),
    removed: t.Collection[str] = (),
) -> Standing:
    """Count the members that vote. A learner does not, whatever its health.

    :param healthy: ids of members that answer. :param lost: ids of members that would not answer any more: while their
        control planes are restarted or upgraded, for example. :param removed: ids of members that would be removed.
    """
    voters = [member.id for member in members if not member.learner and member.id not in removed]
    return Standing(len(voters), sum(one in healthy and one not in lost for one in voters))
