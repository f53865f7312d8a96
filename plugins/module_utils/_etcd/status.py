# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What the members of etcd say of themselves. Pure: answers in, one observation out."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.members import Member
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.quorum import Standing, standing

NOSPACE, CORRUPT = "NOSPACE", "CORRUPT"
#: etcd's own, where its arguments do not say (etcd's C(DefaultQuotaBytes)).
DEFAULT_QUOTA = 2 * 1024**3
# An active alarm among the errors of a status: a protobuf message as text, whose blanks are not stable.
_ALARM = re.compile(r"memberID:\s*(\d+)\s+alarm:\s*(\w+)")


@dataclass(frozen=True)
class Status:
    """What a member says of itself.

    :param error: why it did not answer; then all else is unknown. :param size: of its database file.
    :param in_use: what defragmentation would leave of that. :param quota: 0 where etcd does not say.
    :param index: newest entry of its log. :param applied: newest entry that it has applied.
    :param leader: id of the leader, empty without one. :param revision: of its newest key.
    :param errors: what it reports, active alarms included.
    """

    error: str = ""
    version: str = ""
    size: int = 0
    in_use: int = 0
    quota: int = 0
    index: int = 0
    applied: int = 0
    leader: str = ""
    revision: int = 0
    errors: tuple[str, ...] = ()

    @property
    def free_share(self) -> float:
        """Share of the database file that defragmentation would give back."""
        return max(0.0, 1 - self.in_use / self.size) if self.size else 0.0


def parse_status(answer: t.Mapping[str, t.Any]) -> Status:
    """The answer of C(/v3/maintenance/status), whose 64-bit numbers are strings."""

    def number(name: str) -> int:
        return int(answer.get(name) or 0)

    leader = str(answer.get("leader") or "")
    return Status(
        version=str(answer.get("version") or ""),
        size=number("dbSize"),
        in_use=number("dbSizeInUse"),
        quota=number("dbSizeQuota"),
        index=number("raftIndex"),
        applied=number("raftAppliedIndex"),
        leader="" if leader == "0" else leader,
        revision=int((answer.get("header") or {}).get("revision") or 0),
        errors=tuple(map(str, answer.get("errors") or ())),
    )


@dataclass(frozen=True)
class Observation:
    """etcd as one of its members shows it.

    :param statuses: by id of the member. :param healthy: ids of members that serve; a full database does not count
        against them. :param quota: of this host's manifest, for versions of etcd that do not report theirs.
    """

    members: tuple[Member, ...]
    statuses: t.Mapping[str, Status] = field(default_factory=dict)
    healthy: frozenset[str] = frozenset()
    quota: int = DEFAULT_QUOTA

    def status(self, member: Member) -> Status:
        """Of a member that was not asked, an error."""
        return self.statuses.get(member.id, Status(error="it has not started yet"))

    @property
    def leader(self) -> str:
        """Id of the member that leads, by most of those that answer."""
        named = [status.leader for status in self.statuses.values() if status.leader]
        return max(sorted(set(named)), key=named.count, default="")

    @property
    def alarms(self) -> dict[str, tuple[str, ...]]:
        """Active alarms by id of the member that has raised them."""
        found: dict[str, set[str]] = {}
        for status in self.statuses.values():
            for line in status.errors:
                for identity, alarm in _ALARM.findall(line):
                    found.setdefault(identity, set()).add(alarm)
        return {identity: tuple(sorted(names)) for identity, names in sorted(found.items())}

    def standing(self, lost: t.Collection[str] = ()) -> Standing:
        """Voters and those that answer, also without some."""
        return standing(self.members, self.healthy, lost)

    def quota_of(self, member: Member) -> int:
        """Bytes that the database of a member may have."""
        return self.status(member).quota or self.quota


def as_dict(member: Member, seen: Observation) -> dict[str, t.Any]:
    """A member as return value."""
    status = seen.status(member)
    return {
        "id": member.id,
        "name": member.name,
        "label": member.label(),
        "peer_urls": list(member.peer_urls),
        "client_urls": list(member.client_urls),
        "learner": member.learner,
        "leader": member.id == seen.leader,
        "healthy": member.id in seen.healthy,
        "error": status.error,
        "version": status.version,
        "db_size": status.size,
        "db_size_in_use": status.in_use,
        "quota": seen.quota_of(member),
        "raft_index": status.index,
        "raft_applied_index": status.applied,
        "alarms": list(seen.alarms.get(member.id, ())),
        # Active alarms of all members are among them, too.
        "errors": [line for line in status.errors if not _ALARM.search(line)],
        "survives": seen.standing(lost=[member.id]).quorum,
    }
