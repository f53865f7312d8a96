# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No plan of adding or removing nodes loses quorum, whatever happened before: a random walk over clusters."""

from __future__ import annotations

import itertools
from collections.abc import Collection

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.members import Member, plan_removal
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.quorum import needed, standing
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._node import changes
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._node.roster import Host, Node
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

MOST_CONTROL_PLANES = 7


def address(host: str) -> str:
    return f"address-of-{host}"


class Lifecycle(RuleBasedStateMachine):
    """A cluster with its inventory. What fails and returns is chance; what is added and removed follows the plans."""

    def __init__(self) -> None:
        super().__init__()
        self.ids = map(str, itertools.count(1))
        #: Host -> whether it is a control plane.
        self.inventory: dict[str, bool] = {}
        self.nodes: dict[str, bool] = {}
        self.members: dict[str, Member] = {}
        self.down: set[str] = set()

    # What the plans are made from

    def healthy(self) -> set[str]:
        return {one.id for host, one in self.members.items() if host not in self.down and one.name}

    def host_list(self) -> list[Host]:
        return [Host(name, control, "", (address(name),)) for name, control in self.inventory.items()]

    def node_list(self) -> list[Node]:
        return [
            Node(name, (address(name),), name not in self.down, control)
            for name, control in self.nodes.items()
        ]

    def quorum(self) -> bool:
        return standing(self.members.values(), self.healthy()).quorum

    @staticmethod
    def some(data: st.DataObject, names: Collection[str], most: int) -> list[str]:
        found: list[str] = data.draw(st.lists(st.sampled_from(sorted(names)), max_size=most, unique=True))
        return found

    # What an operator does

    @initialize(others=st.integers(0, 4))
    def create(self, others: int) -> None:
        names = [f"cp{number}" for number in range(others + 1)]
        for name in names:
            self.inventory[name] = self.nodes[name] = True
            self._join_etcd(name)

    def _join_etcd(self, name: str, started: bool = True) -> None:
        peers = (f"https://{address(name)}:2380",)
        self.members[name] = Member(next(self.ids), name if started else "", peers, learner=not started)

    @rule(number=st.integers(0, 9), control=st.booleans())
    def write_into_inventory(self, number: int, control: bool) -> None:
        if sum(self.inventory.values()) + control <= MOST_CONTROL_PLANES:
            self.inventory.setdefault(f"h{number}", control)

    @precondition(lambda self: self.members)
    @rule(data=st.data(), most=st.integers(0, 3), interrupted=st.booleans())
    def add(self, data: st.DataObject, most: int, interrupted: bool) -> None:
        limited = self.some(data, self.inventory, most)
        before = dict(self.nodes)
        try:
            plan = changes.plan_addition(self.host_list(), self.node_list(), limited)
        except OperatorError:
            return
        assert set(plan.hosts) <= set(limited or self.inventory)
        ready = {name for name in before if name not in self.down}
        incomplete = {name for name in plan.hosts if self.inventory[name] and not before.get(name, True)}
        assert not (set(plan.hosts) & ready) - incomplete, "a node that works is left alone"
        assert plan.delegates
        assert set(plan.delegates) <= {name for name in ready if before[name]}
        control = [name for name in plan.hosts if self.inventory[name]]
        assert list(plan.hosts[: len(control)]) == control, "control planes first"
        for name in plan.hosts:
            if name in self.down:
                continue
            if self.inventory[name]:
                # The health gate: every member answers.
                if self.healthy() != {one.id for one in self.members.values()}:
                    return
                self._join_etcd(name, started=not interrupted)
                assert self.quorum()
                if interrupted:
                    return
            self.nodes[name] = self.inventory[name]

    @precondition(lambda self: self.members)
    @rule(data=st.data(), control=st.booleans(), most=st.integers(1, 3))
    def remove(self, data: st.DataObject, control: bool, most: int) -> None:
        names = self.some(data, self.members if control else {**self.inventory, **self.nodes}, most)
        had_quorum = self.quorum()
        before = dict(self.nodes)
        try:
            plan = changes.plan_removal(names, self.host_list(), self.node_list())
            gone = plan_removal(
                tuple(self.members.values()),
                self.healthy(),
                [one.node for one in plan.nodes],
                [own for one in plan.nodes for own in one.addresses],
            )
        except OperatorError:
            return
        assert {one.node for one in plan.nodes} <= set(names), "nothing else is removed"
        assert not set(plan.delegates) & set(names)
        for member in gone:
            assert had_quorum
            host = next(name for name, one in self.members.items() if one == member)
            assert host in names
            del self.members[host]
            after = standing(self.members.values(), self.healthy())
            # What etcd itself asks for (strict-reconfig-check), at each step.
            assert after.voters
            assert after.alive >= needed(after.voters)
        for one in plan.nodes:
            self.nodes.pop(one.node, None)
        assert [name for name, control in self.nodes.items() if control]
        assert set(before) - set(self.nodes) <= set(names)

    @rule(number=st.integers(0, 9))
    def delete_from_inventory(self, number: int) -> None:
        name = f"h{number}"
        if name not in self.nodes and name not in self.members:
            self.inventory.pop(name, None)
            self.down.discard(name)

    @precondition(lambda self: self.members)
    @rule(data=st.data(), control=st.booleans())
    def fail(self, data: st.DataObject, control: bool) -> None:
        self.down.update(self.some(data, self.members if control else self.inventory, 1))

    @precondition(lambda self: self.down)
    @rule(data=st.data())
    def come_back(self, data: st.DataObject) -> None:
        self.down.difference_update(self.some(data, self.down, 2))

    # What always holds

    @invariant()
    def one_member_for_each_name(self) -> None:
        names = [one.name for one in self.members.values() if one.name]
        assert len(names) == len(set(names))

    @invariant()
    def etcd_works_when_every_host_does(self) -> None:
        """Nothing but a failure takes quorum away: with all hosts up there is always one."""
        started = {one.id for one in self.members.values() if one.name}
        assert not self.members or standing(self.members.values(), started).quorum


TestLifecycle = Lifecycle.TestCase
TestLifecycle.settings = settings(max_examples=100, stateful_step_count=40)
