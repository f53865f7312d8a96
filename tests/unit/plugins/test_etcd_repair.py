# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""etcd_repair: which steps are planned in which order, and what the module does with a small etcd."""

from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.maintenance import Maintenance
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.members import EtcdError, Member
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.repair import plan_repair
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.status import Observation, Status
from ansible_collections.baremetal.kubernetes.plugins.modules import etcd_repair

QUOTA = 1000


def member(number: int, learner: bool = False, name: str | None = None) -> Member:
    own = f"cp{number}" if name is None else name
    client = (f"https://192.0.2.{number}:2379",) if own else ()
    return Member(str(number), own, (f"https://192.0.2.{number}:2380",), client, learner)


THREE = (member(1), member(2), member(3))


def seen(
    members: t.Sequence[Member] = THREE,
    healthy: str = "123",
    alarms: t.Sequence[str] = (),
    **statuses: Status,
) -> Observation:
    """:param alarms: as C("2 NOSPACE"). :param statuses: C(m1) and so on."""
    errors = tuple(
        f"memberID:{identity} alarm:{alarm}" for identity, alarm in (alarm.split() for alarm in alarms)
    )
    usual = Status(size=100, in_use=90, quota=QUOTA, index=1000, applied=1000, leader="1", revision=50)
    found = {
        one.id: dataclasses.replace(statuses.get(f"m{one.id}", usual), errors=errors)
        if one.id in healthy
        else Status(error="Connection refused")
        for one in members
    }
    return Observation(tuple(members), found, frozenset(healthy))


FREE = Status(size=100, in_use=20, quota=QUOTA, index=1000, leader="1")
COMPACTED = "compact all revisions but the current one"


@pytest.mark.parametrize(
    ("found", "defragment", "steps", "left"),
    [
        (seen(), True, [], []),
        (Observation(()), True, [], []),
        # A full database: the leader is the last one.
        (
            seen(alarms=["2 NOSPACE"]),
            False,
            [COMPACTED, "defragment cp2", "defragment cp3", "defragment cp1", "disarm NOSPACE of cp2"],
            [],
        ),
        (
            seen((member(1),), "1", ["1 NOSPACE"]),
            False,
            [COMPACTED, "defragment cp1", "disarm NOSPACE of cp1"],
            [],
        ),
        # A member that does not serve is not asked to.
        (
            seen(healthy="12", alarms=["2 NOSPACE", "1 NOSPACE"]),
            True,
            [COMPACTED, "defragment cp2", "defragment cp1", "disarm NOSPACE of cp1", "disarm NOSPACE of cp2"],
            ["cp3: its member of etcd does not serve (Connection refused)"],
        ),
        # The alarm of a member that was removed.
        (
            seen((member(1),), "1", ["9 NOSPACE"]),
            False,
            [COMPACTED, "defragment cp1", "disarm NOSPACE of 9"],
            [],
        ),
        # Free pages are given back when that is asked for, and where it is worth it.
        (seen(m2=FREE), False, [], []),
        (seen(m1=FREE, m2=FREE), True, ["defragment cp2", "defragment cp1"], []),
        (seen((member(1),), "1", m1=FREE), True, ["defragment cp1"], []),
        (
            seen(healthy="12", m2=FREE),
            True,
            [],
            ["cp2: not defragmented, as cp3 does not serve", "cp3: its member of etcd does not serve"],
        ),
        # Learners.
        (seen((*THREE, member(4, True)), "1234"), False, ["promote the learner cp4"], []),
        (
            seen((*THREE, member(4, True)), "1234", m4=Status(index=100)),
            False,
            ["remove the member cp4 (4), which does not serve"],
            [],
        ),
        (
            seen((*THREE, member(4, True, "")), "123"),
            False,
            ["remove the member 192.0.2.4 (4), which does not serve"],
            [],
        ),
        # As kubeadm without learners: it counts for quorum.
        (
            seen((member(1), member(2), member(3, name="")), "12"),
            False,
            ["remove the member 192.0.2.3 (3), which does not serve"],
            [],
        ),
        (seen(alarms=["3 CORRUPT"]), False, [], ["cp3: its data differ from those of the other members"]),
    ],
)
def test_plan(found: Observation, defragment: bool, steps: list[str], left: list[str]) -> None:
    planned = plan_repair(found, defragment)
    assert [step.line() for step in planned.steps] == steps
    assert len(planned.left) == len(left)
    for told, words in zip(planned.left, left, strict=True):
        assert words in told


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (seen(healthy="1"), r"no quorum: 1 of 3 members serve \(cp2, cp3 do not\); expected at least 2"),
        (seen((member(1), member(2)), "1", ["1 NOSPACE"]), "no quorum: 1 of 2"),
        (seen((member(1), member(2, name="")), "1"), "no quorum: 1 of 2"),
    ],
)
def test_refused_without_quorum(found: Observation, message: str) -> None:
    with pytest.raises(EtcdError, match=message) as refused:
        plan_repair(found, True)
    assert "the playbook restore" in refused.value.next_step


class Small(Maintenance):
    """An etcd that does what it is told."""

    def __init__(self, found: Observation, log: list[str]) -> None:
        self.found = found
        self.log = log
        #: What defragmentation leaves.
        self.rest = 30
        #: Entries that a learner gets between two looks.
        self.gains = 0

    def _change_status(self, identity: str, **change: t.Any) -> None:
        own = dataclasses.replace(self.found.statuses[identity], **change)
        self.found = dataclasses.replace(self.found, statuses={**self.found.statuses, identity: own})

    def observe(self, quota: int = 0) -> Observation:
        for one in self.found.members:
            if one.learner and self.gains:
                self._change_status(one.id, index=self.found.statuses[one.id].index + self.gains)
        return self.found

    def compact(self, member: Member, revision: int) -> None:
        self.log.append(f"compact {member.name} {revision}")

    def defragment(self, member: Member) -> None:
        self.log.append(f"defragment {member.name}")
        self._change_status(member.id, size=self.rest, in_use=self.rest)

    def disarm(self, member: Member, identity: str, alarm: str) -> None:
        self.log.append(f"disarm {identity} {alarm}")
        for one in self.found.statuses:
            self._change_status(one, errors=())

    def promote(self, leader: Member, learner: Member) -> None:
        self.log.append(f"promote {learner.name}")
        members = tuple(
            dataclasses.replace(one, learner=False) if one.id == learner.id else one
            for one in self.found.members
        )
        self.found = dataclasses.replace(self.found, members=members)

    def remove(self, member: Member) -> None:
        self.log.append(f"remove {member.id}")
        members = tuple(one for one in self.found.members if one.id != member.id)
        self.found = dataclasses.replace(self.found, members=members)


class Start(t.Protocol):
    def __call__(
        self, found: Observation, **change: t.Any
    ) -> tuple[Small, t.Callable[..., dict[str, t.Any]]]: ...


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Makes an etcd, and what runs the module on it."""
    manifest = tmp_path / "etc/kubernetes/manifests/etcd.yaml"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("kind: Pod\n")
    monkeypatch.setattr(etcd_repair, "POLL_SECONDS", 0)

    def make(found: Observation, **change: t.Any) -> tuple[Small, t.Callable[..., dict[str, t.Any]]]:
        etcd = Small(found, [])
        for name, value in change.items():
            setattr(etcd, name, value)
        monkeypatch.setattr(etcd_repair, "Maintenance", lambda root, seconds: etcd)

        def run(check: bool = False, **params: t.Any) -> dict[str, t.Any]:
            return etcd_repair.run(
                {"root": str(tmp_path), "timeout": 1, "defragment": False, **params}, check
            )

        return etcd, run

    return make


def test_full_database(start: Start) -> None:
    etcd, run = start(seen(alarms=["2 NOSPACE"]))
    predicted = run(check=True)
    assert etcd.log == []
    done = run()
    assert etcd.log == [
        "compact cp1 50",
        "defragment cp2",
        "defragment cp3",
        "defragment cp1",
        "disarm 2 NOSPACE",
    ]
    assert predicted["steps"] == done["steps"]
    assert predicted["diff"] == done["diff"]
    assert done["databases"] == {"cp1": 30, "cp2": 30, "cp3": 30}
    again = run()
    assert (again["changed"], again["steps"]) == (False, [])


def test_database_that_stays_full(start: Start) -> None:
    etcd, run = start(seen((member(1),), "1", ["1 NOSPACE"]), rest=QUOTA + 1)
    with pytest.raises(EtcdError, match="still full after compaction and defragmentation") as failed:
        run()
    assert "disarm" not in " ".join(etcd.log)
    assert "Done before: compact all revisions but the current one; defragment cp1." in failed.value.message
    assert "quota-backend-bytes" in failed.value.next_step


def test_learner_that_catches_up_is_promoted(start: Start) -> None:
    etcd, run = start(seen((*THREE, member(4, True)), "1234", m4=Status(index=100)), gains=100)
    assert run()["changed"]
    assert etcd.log == ["promote cp4"]


@pytest.mark.parametrize("healthy", ["123", "1234"])
def test_learner_that_does_not_is_removed(start: Start, healthy: str) -> None:
    etcd, run = start(seen((*THREE, member(4, True)), healthy, m4=Status(index=100)))
    done = run()
    assert etcd.log == ["remove 4"]
    assert "cp4: its member was removed. Run the playbook site" in done["left"][0]


def test_defragmentation_is_done_once(start: Start) -> None:
    _etcd, run = start(seen(m2=FREE))
    assert not run()["changed"]
    assert run(defragment=True)["steps"] == ["defragment cp2"]
    assert not run(defragment=True)["changed"]


def test_quorum_that_is_lost_meanwhile(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    etcd, run = start(seen(alarms=["1 NOSPACE"]))
    real = etcd.defragment

    def breaks(own: Member) -> None:
        real(own)
        etcd.found = dataclasses.replace(etcd.found, healthy=frozenset("1"))

    monkeypatch.setattr(etcd, "defragment", breaks)
    with pytest.raises(EtcdError, match=r"no quorum: 1 of 3.* Done before: compact all .*; defragment cp2"):
        run()
    assert etcd.log == ["compact cp1 50", "defragment cp2"]


def test_without_an_etcd(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="has no etcd of its own"):
        etcd_repair.run({"root": str(tmp_path), "timeout": 1, "defragment": False}, False)
