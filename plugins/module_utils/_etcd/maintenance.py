# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Read what every member of etcd says of itself, and change one member at a time."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.client import Etcd, explain
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.members import EtcdError, Member
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.status import (
    DEFAULT_QUOTA,
    Observation,
    Status,
    parse_status,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import (
    ETCD_MANIFEST,
    arguments,
    read_text,
)

_STATUS_SECONDS = 5.0


def quota_of(root: str) -> int:
    """Bytes that the database may have, by the manifest of this host."""
    try:
        return int(arguments(read_text(root, ETCD_MANIFEST)).get("quota-backend-bytes") or 0) or DEFAULT_QUOTA
    except ValueError:
        return DEFAULT_QUOTA


def _told(exc: Exception) -> str:
    """What etcd or the network says about a failed request, of a JSON answer its message."""
    text = explain(exc)
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text


class Maintenance(Etcd):
    """etcd with the requests that go to one certain member."""

    def _ask(
        self, member: Member, path: str, body: t.Mapping[str, t.Any] | None, seconds: float
    ) -> tuple[dict[str, t.Any], str]:
        """The answer of a member, or why there is none."""
        if not member.client_urls:
            return {}, "it has not started yet"
        url = member.client_urls[0]
        try:
            return self._once(url + path, body, seconds), ""
        except (OSError, ValueError) as exc:
            return {}, f"{url}: {_told(exc)}"

    def status_of(self, member: Member) -> Status:
        """What a member says of itself, or why it does not."""
        answer, error = self._ask(member, "/v3/maintenance/status", {}, _STATUS_SECONDS)
        try:
            return Status(error=error) if error else parse_status(answer)
        except (TypeError, ValueError) as exc:
            return Status(error=f"its answer cannot be read: {exc}")

    def own(self) -> str:
        """Id of the member of this host.

        :raises EtcdError: when it does not answer.
        """
        return str((self.status().get("header") or {}).get("member_id") or "")

    def serves(self, member: Member) -> bool:
        """Whether a member can reach a leader. A full database is a state of its own."""
        answer, _error = self._ask(member, "/health?exclude=NOSPACE", None, _STATUS_SECONDS)
        return answer.get("health") == "true"

    def observe(self, quota: int = DEFAULT_QUOTA) -> Observation:
        """All members.

        :raises EtcdError: when the member of this host does not list them.
        """
        members = self.members()
        statuses = {member.id: self.status_of(member) for member in members}
        answering = [member for member in members if not statuses[member.id].error]
        # A learner serves nobody: that it answers is what can be known.
        healthy = frozenset(member.id for member in answering if member.learner or self.serves(member))
        return Observation(members, statuses, healthy, quota)

    def _change(
        self, member: Member, path: str, body: t.Mapping[str, t.Any], seconds: float, what: str
    ) -> None:
        """Send a change to a member, once: whether one without an answer was done, the next observation tells.

        :raises EtcdError: when the member refuses it or does not answer.
        """
        _answer, error = self._ask(member, path, body, seconds)
        if error:
            raise EtcdError(
                f"etcd cannot {what}: {error.rstrip('.')}.",
                "Look at etcd's container on this host (crictl ps -a, crictl logs), and run again.",
            )

    def compact(self, member: Member, revision: int) -> None:
        """Forget all revisions before this one, and wait until that is done."""
        body = {"revision": str(revision), "physical": True}
        _answer, error = self._ask(member, "/v3/kv/compaction", body, self._seconds)
        # The API server compacts, too.
        if error and "has been compacted" not in error:
            raise EtcdError(f"etcd cannot compact its revisions: {error.rstrip('.')}.", "Run again.")

    def defragment(self, member: Member) -> None:
        """Give free pages of a member back; it serves nobody meanwhile."""
        what = f"defragment the member {member.label()}"
        self._change(member, "/v3/maintenance/defragment", {}, self._seconds, what)

    def disarm(self, member: Member, identity: str, alarm: str) -> None:
        """End an alarm.

        :param member: that is asked. :param identity: id of the member that has raised it.
        """
        body = {"action": "DEACTIVATE", "memberID": identity, "alarm": alarm}
        self._change(member, "/v3/maintenance/alarm", body, self._seconds, f"disarm {alarm}")

    def promote(self, leader: Member, learner: Member) -> None:
        """Let a learner vote. etcd refuses while it lags behind."""
        what = f"promote the learner {learner.label()}"
        self._change(leader, "/v3/cluster/member/promote", {"ID": learner.id}, 15, what)
