# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""node_removal: which etcd members may be removed, requests to etcd, and the module."""

from __future__ import annotations

import io
import typing as t
import urllib.error
from email.message import Message
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd import client
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.client import Etcd
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.members import (
    EtcdError,
    Member,
    parse_members,
    plan_removal,
)
from ansible_collections.baremetal.kubernetes.plugins.modules import node_removal


def member(number: int, name: str | None = None, learner: bool = False) -> Member:
    return Member(
        id=str(number),
        name=f"cp{number}" if name is None else name,
        peer_urls=(f"https://192.0.2.{number}:2380",),
        client_urls=(f"https://192.0.2.{number}:2379",),
        learner=learner,
    )


THREE = (member(1), member(2), member(3))


@pytest.mark.parametrize(
    ("members", "healthy", "nodes", "expected"),
    [
        (THREE, "123", ["cp3"], ["cp3"]),
        (THREE, "123", ["w1"], []),
        (THREE, "123", [], []),
        # A failed member can be removed while the others have quorum.
        (THREE, "12", ["cp3"], ["cp3"]),
        (THREE, "123", ["cp2", "cp3"], ["cp2", "cp3"]),
        (THREE[:2], "12", ["cp2"], ["cp2"]),
        # The failed one first, as each removal needs the votes of the others.
        (THREE, "13", ["cp2", "cp3"], ["cp2", "cp3"]),
        (THREE, "12", ["cp2", "cp3"], ["cp3", "cp2"]),
        ((*THREE, member(4, learner=True)), "1234", ["cp4"], ["cp4"]),
    ],
)
def test_removed_members(
    members: tuple[Member, ...], healthy: str, nodes: list[str], expected: list[str]
) -> None:
    assert [m.name for m in plan_removal(members, set(healthy), nodes)] == expected


@pytest.mark.parametrize(
    ("members", "healthy", "nodes", "message"),
    [
        (
            THREE,
            "12",
            ["cp2"],
            r"Without cp2, etcd would have 2 member\(s\) of which 1 answer \(cp3 do not\)",
        ),
        (THREE[:2], "1", ["cp2"], "etcd has no quorum: 1 of 2 members answer"),
        (THREE[:1], "1", ["cp1"], "no member of etcd would stay"),
        (THREE, "123", ["cp1", "cp2", "cp3"], "no member of etcd would stay"),
        ((member(1), member(2, learner=True)), "12", ["cp1"], "no member of etcd would stay"),
        (THREE, "1", ["cp2", "cp3"], "etcd has no quorum: 1 of 3"),
    ],
)
def test_removal_is_refused(
    members: tuple[Member, ...], healthy: str, nodes: list[str], message: str
) -> None:
    with pytest.raises(EtcdError, match=message):
        plan_removal(members, set(healthy), nodes)


def test_member_without_a_name_is_found_by_its_address() -> None:
    members = (member(1), member(2), member(3, name=""))
    assert plan_removal(members, {"1", "2"}, ["cp3"]) == ()
    removed = plan_removal(members, {"1", "2"}, ["cp3"], ["192.0.2.3"])
    assert [m.label() for m in removed] == ["192.0.2.3"]
    # A name decides: an address may have been another node's before.
    assert plan_removal(THREE, {"1", "2", "3"}, ["cp9"], ["192.0.2.3"]) == ()


def test_members_are_read_from_the_gateway() -> None:
    answer = {
        "header": {"cluster_id": "1"},
        "members": [
            {"ID": "13482341302251310228", "name": "cp1", "peerURLs": ["https://[2001:db8::1]:2380"]},
            {"ID": "7", "peerURLs": ["https://192.0.2.2:2380"], "isLearner": True},
        ],
    }
    found = parse_members(answer)
    assert found[0].addresses() == {"2001:db8::1"}
    assert (found[1].name, found[1].learner, found[1].client_urls) == ("", True, ())
    assert parse_members({}) == ()


class PreparedEtcd(Etcd):
    """An etcd with prepared answers, by path, one after the other."""

    def __init__(self, answers: dict[str, list[t.Any]], seconds: float = 0) -> None:
        self._seconds = seconds
        self._endpoint = "https://127.0.0.1:2379"
        self.answers = answers
        self.asked: list[tuple[str, t.Any]] = []

    def _once(self, url: str, body: t.Any, seconds: float) -> dict[str, t.Any]:
        self.asked.append((url, body))
        answer = next(
            answers.pop(0) for path, answers in self.answers.items() if url.endswith(path) and answers
        )
        if isinstance(answer, Exception):
            raise answer
        return t.cast("dict[str, t.Any]", answer)


def http_error(code: int, text: str) -> urllib.error.HTTPError:
    return urllib.error.HTTPError("https://x", code, "no", Message(), io.BytesIO(text.encode()))


def listed(*members: Member) -> dict[str, t.Any]:
    return {"members": [{"ID": m.id, "name": m.name, "clientURLs": list(m.client_urls)} for m in members]}


def test_removal_is_verified() -> None:
    etcd = PreparedEtcd({"remove": [{}], "list": [listed(*THREE[:2])]})
    etcd.remove(THREE[2])
    assert etcd.asked[0] == ("https://127.0.0.1:2379/v3/cluster/member/remove", {"ID": "3"})
    with pytest.raises(EtcdError, match="still has the member cp3"):
        PreparedEtcd({"remove": [{}], "list": [listed(*THREE)]}).remove(THREE[2])


def test_a_member_that_is_gone_already_is_no_error() -> None:
    etcd = PreparedEtcd({"remove": [http_error(404, "member not found")], "list": [listed(*THREE[:2])]})
    etcd.remove(THREE[2])


def test_etcd_refuses() -> None:
    refusal = http_error(
        400, '{"message": "etcdserver: re-configuration failed due to not enough started members"}'
    )
    with pytest.raises(EtcdError, match="not enough started members"):
        PreparedEtcd({"remove": [refusal], "list": [listed(*THREE)]}).remove(THREE[2])


def test_request_is_retried_while_etcd_elects_a_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_POLL_SECONDS", 0)
    etcd = PreparedEtcd(
        {"list": [http_error(503, "no leader"), OSError("refused"), listed(*THREE)]}, seconds=60
    )
    assert [m.name for m in etcd.members()] == ["cp1", "cp2", "cp3"]


def test_leader_hands_over() -> None:
    etcd = PreparedEtcd({"status": [{"leader": "3"}, {"leader": "0"}, {}]})
    assert [etcd.leader() for _ in range(3)] == ["3", "", ""]
    etcd = PreparedEtcd({"transfer-leadership": [{}]})
    etcd.move_leader(THREE[2], THREE[0])
    # Only the leader itself can.
    assert etcd.asked == [("https://192.0.2.3:2379/v3/maintenance/transfer-leadership", {"targetID": "1"})]
    for answer, reason in (
        (OSError("refused"), "refused"),
        (http_error(400, '{"message": "etcdserver: not leader"}'), "etcdserver: not leader"),
    ):
        with pytest.raises(EtcdError, match=f"cp3 leads, and does not hand over to cp1: .*{reason}"):
            PreparedEtcd({"leadership": [answer]}).move_leader(THREE[2], THREE[0])


def test_health_counts_those_that_answer() -> None:
    etcd = PreparedEtcd({":2379/health": [{"health": "true"}, OSError("refused"), {"health": "false"}]})
    assert etcd.healthy(THREE) == {"1"}


def test_missing_certificates(tmp_path: Path) -> None:
    with pytest.raises(EtcdError, match="certificates for etcd below /etc/kubernetes/pki cannot be used"):
        Etcd(str(tmp_path))


# The module


class Api:
    """An API server with some nodes."""

    nodes: t.ClassVar[set[str]] = set()

    def __init__(self, root: str) -> None:
        self.root = root

    def get(self, path: str) -> dict[str, t.Any] | None:
        return {} if path.rpartition("/")[2] in self.nodes else None

    def delete(self, path: str) -> bool:
        self.nodes.discard(path.rpartition("/")[2])
        return True


#: From which member to which one the leadership was moved; and the one that leads whatever it is asked.
moved: list[tuple[str, str]] = []
stubborn: list[str] = []


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """A cluster of three control planes; the list gets the removed etcd members."""
    removed: list[str] = []

    class Fake:
        def __init__(self, root: str, seconds: float) -> None:
            pass

        def members(self) -> tuple[Member, ...]:
            return tuple(m for m in THREE if m.name not in removed)

        def healthy(self, members: t.Iterable[Member]) -> set[str]:
            return {m.id for m in members}

        def leader(self) -> str:
            to = moved[-1][1] if moved else "cp3"
            return (stubborn or [to])[0].removeprefix("cp")

        def move_leader(self, leader: Member, target: Member) -> None:
            moved.append((leader.name, target.name))

        def remove(self, gone: Member) -> None:
            removed.append(gone.name)

    moved.clear()
    stubborn.clear()
    monkeypatch.setattr(Api, "nodes", {"cp1", "cp2", "cp3", "w1"})
    monkeypatch.setattr(node_removal, "Api", Api)
    monkeypatch.setattr(node_removal, "Etcd", Fake)
    manifest = tmp_path / "etc/kubernetes/manifests/etcd.yaml"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("kind: Pod\n")
    return removed


def params(root: Path, *nodes: str, parts: t.Sequence[str] = ("etcd", "node")) -> dict[str, t.Any]:
    return {"nodes": list(nodes), "addresses": [], "parts": list(parts), "timeout": 1, "root": str(root)}


def test_control_plane_is_removed(cluster: list[str], tmp_path: Path) -> None:
    shown = node_removal.run(params(tmp_path, "cp3"), check_mode=True)
    assert (shown["changed"], shown["members"], shown["nodes"]) == (True, ["cp3"], ["cp3"])
    assert cluster == []
    assert "cp3" in Api.nodes
    done = node_removal.run(params(tmp_path, "cp3"), check_mode=False)
    assert (done["members"], done["nodes"], cluster) == (["cp3"], ["cp3"], ["cp3"])
    assert moved == [("cp3", "cp1")], "the leader hands over"
    assert done["leaders"] == ["cp1"]
    assert "warnings" not in done
    assert done["diff"]["before"] == "etcd member cp3\nnode cp3\n"
    again = node_removal.run(params(tmp_path, "cp3"), check_mode=False)
    assert not again["changed"]


def test_leader_that_does_not_hand_over_is_removed_with_a_warning(
    cluster: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_removal, "_LEARNED_SECONDS", 0)
    stubborn.append("cp3")
    done = node_removal.run(params(tmp_path, "cp3"), check_mode=False)
    assert (done["leaders"], cluster) == ([], ["cp3"])
    assert "cp3 was asked to hand over to cp1, and leads after" in done["warnings"][0]


def test_follower_has_nothing_to_hand_over(cluster: list[str], tmp_path: Path) -> None:
    done = node_removal.run(params(tmp_path, "cp2"), check_mode=False)
    assert (done["leaders"], moved, cluster) == ([], [], ["cp2"])


def test_leader_that_leaves_with_others_hands_over_to_one_that_stays(
    cluster: list[str], tmp_path: Path
) -> None:
    done = node_removal.run(params(tmp_path, "cp1", "cp3"), check_mode=False)
    assert (done["leaders"], moved, cluster) == (["cp2"], [("cp3", "cp2")], ["cp1", "cp3"])


def test_parts(cluster: list[str], tmp_path: Path) -> None:
    done = node_removal.run(params(tmp_path, "cp3", parts=["etcd"]), check_mode=False)
    assert (done["members"], done["nodes"]) == (["cp3"], [])
    done = node_removal.run(params(tmp_path, "w1", "w9", parts=["node"]), check_mode=False)
    assert (done["members"], done["nodes"]) == ([], ["w1"])


def test_external_etcd_is_left_alone(cluster: list[str], tmp_path: Path) -> None:
    (tmp_path / "etc/kubernetes/manifests/etcd.yaml").unlink()
    done = node_removal.run(params(tmp_path, "cp3"), check_mode=False)
    assert (done["members"], done["nodes"], cluster) == ([], ["cp3"], [])


def test_own_node_is_not_removed(cluster: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = t.cast("t.Any", type("State", (), {"node_name": "cp3"}))
    monkeypatch.setattr(node_removal.node, "observe", lambda root: state)
    with pytest.raises(OperatorError, match="Run it on a control plane that stays"):
        node_removal.run(params(tmp_path, "cp3"), check_mode=True)
