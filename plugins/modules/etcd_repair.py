# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_repair
short_description: Repair the etcd of a cluster
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Runs on a control plane whose etcd serves. It ends the alarm of a full database (compacts the revisions, defragments
    one member after the other, the leader last, and disarms), promotes learners that have caught up, and removes
    learners and never started members that do not serve, which an interrupted join has left.
  - Quorum is counted before each step. Without quorum it refuses, as nothing can be repaired then.
  - What it cannot repair, it names with the next step, in RV(left).
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  defragment:
    description: Whether databases of which more than half is free are defragmented, too.
    type: bool
    default: false
  timeout:
    description: Seconds that one step may take, as the defragmentation of a large database, or a learner's catching up.
    type: int
    default: 120
  root:
    description: Directory below which the module reads kubeadm's files, for tests.
    type: path
    default: /
seealso:
  - module: baremetal.kubernetes.etcd_info
  - module: baremetal.kubernetes.node_removal
"""

EXAMPLES = r"""
- name: Repair etcd
  baremetal.kubernetes.etcd_repair:
    defragment: true
  delegate_to: cp1
  run_once: true
"""

RETURN = r"""
steps:
  description: What was done, or would be in check mode, in this order.
  returned: success
  type: list
  elements: str
  sample: [compact all revisions but the current one, defragment cp1, disarm NOSPACE of cp1]
left:
  description: What was found and not repaired, each with the next step.
  returned: success
  type: list
  elements: str
  sample: []
databases:
  description: Bytes of each member's database at the end.
  returned: success
  type: dict
  sample: {cp1: 5242880}
"""

import os
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd import repair
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.maintenance import (
    Maintenance,
    quota_of,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.members import EtcdError, Member
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.status import Observation
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node

POLL_SECONDS = 1.0

ARGUMENT_SPEC: dict[str, t.Any] = {
    "defragment": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 120},
    "root": {"type": "path", "default": "/"},
}


class Repairer:
    """Does one step after the other.

    :param quota: of databases whose etcd does not say. :param timeout: of one step.
    """

    def __init__(self, etcd: Maintenance, quota: int, timeout: float, defragment: bool) -> None:
        self._etcd = etcd
        self._quota = quota
        self._timeout = timeout
        self._defragment = defragment
        self.done: list[repair.Step] = []
        # Ids of members that served before the last step.
        self._before: frozenset[str] = frozenset()

    def observe(self) -> Observation:
        return self._etcd.observe(self._quota)

    def plan(self, seen: Observation) -> repair.Repair:
        """What is left to do.

        :raises EtcdError: without quorum.
        """
        planned = repair.plan_repair(seen, self._defragment)
        return repair.Repair(tuple(s for s in planned.steps if s not in self.done), planned.left)

    def run(self) -> tuple[Observation, repair.Repair]:
        """Repair, and return etcd as it is at the end.

        :raises EtcdError: when a step fails; what was done stays, and the next run continues.
        """
        while True:
            try:
                seen = self._ready()
                planned = self.plan(seen)
                if not planned.steps:
                    return seen, planned
                self._do(planned.steps[0], seen)
            except EtcdError as exc:
                already = "; ".join(done.line() for done in self.done) or "nothing"
                raise EtcdError(f"{exc.message} Done before: {already}.", exc.next_step) from exc
            self.done.append(planned.steps[0])

    def _ready(self) -> Observation:
        """etcd, once all members that served before the last step do so again."""
        deadline = time.monotonic() + self._timeout
        while True:
            seen = self.observe()
            missing = (self._before - seen.healthy) & {member.id for member in seen.members}
            if not missing or time.monotonic() >= deadline:
                self._before = seen.healthy
                return seen
            time.sleep(POLL_SECONDS)

    def _do(self, step: repair.Step, seen: Observation) -> None:
        members = {member.id: member for member in seen.members}
        leader = members.get(seen.leader) or next(m for m in seen.members if m.id in seen.healthy)
        own = members.get(step.member, leader)
        if step.kind == repair.COMPACT:
            self._etcd.compact(leader, max(status.revision for status in seen.statuses.values()))
        elif step.kind == repair.DEFRAGMENT:
            self._etcd.defragment(own)
        elif step.kind == repair.DISARM:
            self._disarm(step, seen, leader, own)
        elif step.kind == repair.PROMOTE:
            self._etcd.promote(leader, own)
        else:
            self._catch_up(own, leader)

    def _disarm(self, step: repair.Step, seen: Observation, leader: Member, own: Member) -> None:
        """End an alarm, unless the next write would raise it again."""
        full = [
            member.label()
            for member in seen.members
            if member.id in seen.healthy and seen.status(member).size >= seen.quota_of(member)
        ]
        if full:
            size, quota = seen.status(own).size, seen.quota_of(own)
            raise EtcdError(
                f"The database of {', '.join(full)} is still full after compaction and defragmentation: {size} bytes,"
                f" expected less than its quota of {quota}.",
                "Delete objects (docs/health.md says what fills etcd), or raise --quota-backend-bytes in"
                " /etc/kubernetes/manifests/etcd.yaml of every control plane and in"
                " control_plane_cluster_configuration; then run again.",
            )
        self._etcd.disarm(leader, step.member, step.alarm)

    def _catch_up(self, member: Member, leader: Member) -> None:
        """Remove a member that does not vote, unless it answers and catches up in time."""
        deadline = time.monotonic() + self._timeout
        while True:
            seen = self.observe()
            if member.learner and repair.caught_up(member, seen):
                self._etcd.promote(leader, member)
                return
            if member.id not in seen.healthy or time.monotonic() >= deadline:
                break
            time.sleep(POLL_SECONDS)
        repair.check_quorum(seen, removed={member.id})
        self._etcd.remove(member)


def run(params: t.Mapping[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """Repair what can be repaired."""
    root = params["root"]
    if not os.path.exists(node.under(root, node.ETCD_MANIFEST)):
        raise OperatorError(
            f"{os.uname().nodename} has no etcd of its own ({node.ETCD_MANIFEST}).",
            "Run this on a control plane; an external etcd is not repaired.",
        )
    etcd = Maintenance(root, params["timeout"])
    worker = Repairer(etcd, quota_of(root), params["timeout"], params["defragment"])
    if check_mode:
        seen = worker.observe()
        planned = worker.plan(seen)
        steps = planned.steps
    else:
        seen, planned = worker.run()
        steps = tuple(worker.done)
    lines = [step.line() for step in steps]
    removed = [
        f"{step.label}: its member was removed. Run the playbook site, which completes its join; when its etcd has run"
        " before, remove this control plane first (remove_node)"
        for step in steps
        if step.kind == repair.REMOVE
    ]
    return {
        "changed": bool(lines),
        "steps": lines,
        "left": [*removed, *planned.left],
        "databases": {member.label(): seen.status(member).size for member in seen.members},
        "diff": {"before": "", "after": "".join(f"{line}\n" for line in lines)},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, lambda module: run(module.params, module.check_mode))


if __name__ == "__main__":
    main()
