# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""health: the checks as tables, the action against a small API server, and what etcd's members say."""

from __future__ import annotations

import datetime
import io
import typing as t
import urllib.error
from email.message import Message
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.maintenance import (
    Maintenance,
    quota_of,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.members import Member
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.status import (
    Observation,
    Status,
    as_dict,
    parse_status,
)
from ansible_collections.baremetal.kubernetes.plugins.modules import etcd_info
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster import lock
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.health import Unmet
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.lease import LEASE
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._health import etcd as etcd_checks
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._health import evaluate
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._health.model import (
    Cluster,
    Host,
    Limits,
    Lock,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._health.observe import (
    read_cluster,
    read_host,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api import connect
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._upgrade.plan import NodeState

from tests.unit.support.modules import RunAction
from tests.unit.support.servers import Answer, ApiServer

GIB = 1024**3


def members(*numbers: int, learners: t.Collection[int] = ()) -> tuple[Member, ...]:
    return tuple(
        Member(
            str(n),
            f"cp{n}",
            (f"https://192.0.2.{n}:2380",),
            (f"https://192.0.2.{n}:2379",),
            n in learners,
        )
        for n in numbers
    )


def status(**change: t.Any) -> Status:
    values: dict[str, t.Any] = {
        "version": "3.7.0",
        "size": GIB // 4,
        "in_use": GIB // 5,
        "quota": 2 * GIB,
        "index": 90000,
        "applied": 90000,
        "leader": "1",
    }
    return Status(**{**values, **change})


def seen(own: tuple[Member, ...] | None = None, dead: str = "", **statuses: Status) -> dict[str, t.Any]:
    """The result of etcd_info. :param dead: ids of members that do not answer. :param statuses: C(m1) and so on."""
    own = members(1, 2, 3) if own is None else own
    found = {
        member.id: Status(error="Connection refused")
        if member.id in dead
        else statuses.get(f"m{member.id}", status())
        for member in own
    }
    healthy = frozenset(member.id for member in own if member.id not in dead)
    return {"local": True, "error": "", **etcd_info.shown(Observation(own, found, healthy))}


def host(name: str, **change: t.Any) -> Host:
    node = {"node_name": name, "kubernetes": {"state": "member"}}
    return Host(**{"name": name, "control_plane": name.startswith("cp"), "node": node, **change})


def node(name: str, ready: str = "True", **conditions: str) -> dict[str, t.Any]:
    return {
        "metadata": {"name": name, "labels": {"node-role.kubernetes.io/control-plane": ""}},
        "spec": {},
        "status": {
            "conditions": [
                {"type": kind, "status": value, "reason": "Reason", "message": "text"}
                for kind, value in {"Ready": ready, **conditions}.items()
            ],
            "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}],
            "nodeInfo": {"kubeletVersion": "v1.36.4"},
        },
    }


def state(name: str, kubelet: str = "1.36.4", api_server: str = "") -> NodeState:
    return NodeState(name, kubelet, api_server, "", True, "", "")


def certificate(name: str, days: int, renewed_by: str = "kubeadm", **change: t.Any) -> dict[str, t.Any]:
    return {
        "name": name,
        "path": f"/pki/{name}.crt",
        "not_after": "2027-01-01T00:00:00Z",
        "days_left": max(days, 0),
        "expired": days < 0,
        "renewed_by": renewed_by,
        "error": "",
        **change,
    }


def clock(offset: float) -> dict[str, t.Any]:
    return {"node_name": "n", "preflight": {"clock": {"offset": offset, "uncertainty": 0.1}}}


CLUSTER = Cluster(
    nodes=(node("cp1"), node("w1")),
    states=(state("cp1", api_server="1.36.4"), state("w1")),
    servers={"cp1": ""},
)
HOSTS = (host("cp1", etcd=seen(members(1))), host("w1"))


@pytest.mark.parametrize(
    ("hosts", "cluster", "wanted", "expected"),
    [
        (HOSTS, CLUSTER, "1.36.4", []),
        # The API.
        (
            HOSTS,
            Cluster(error="it does not answer"),
            "",
            [("", "api", "critical", "it does not answer")],
        ),
        (
            HOSTS,
            Cluster(CLUSTER.error, CLUSTER.nodes, CLUSTER.states, {"cp1": "/readyz answers HTTP 500"}),
            "",
            [("cp1", "api_server", "critical", "HTTP 500")],
        ),
        (
            HOSTS,
            Cluster("", CLUSTER.nodes, CLUSTER.states, {"cp1": "no route"}, frozenset({"cp1"})),
            "",
            [("cp1", "api_server", "warning", "no route")],
        ),
        (
            HOSTS,
            Cluster(
                nodes=CLUSTER.nodes, unmet=(Unmet("Deployment coredns", "0 of 2", "2", "Look at its Pods"),)
            ),
            "",
            [("", "system", "critical", "Deployment coredns: 0 of 2")],
        ),
        # Hosts and nodes.
        (
            (HOSTS[0], Host("w1", error="no answer: timed out")),
            Cluster(nodes=(node("cp1"), node("w1", "Unknown"))),
            "",
            [("w1", "host", "critical", "timed out"), ("w1", "node", "critical", "Ready is Unknown")],
        ),
        (
            (*HOSTS, Host("w2", node={"node_name": "w2", "kubernetes": {"state": "fresh"}}), host("w3")),
            CLUSTER,
            "",
            [
                ("w2", "node", "warning", "no node w2 in the cluster"),
                ("w3", "node", "critical", "no node w3 in the cluster"),
            ],
        ),
        (
            HOSTS,
            Cluster(nodes=(*CLUSTER.nodes, node("x9"))),
            "",
            [("", "unknown_nodes", "warning", "x9: found in the cluster")],
        ),
        (
            HOSTS,
            Cluster(
                nodes=({**node("cp1"), "spec": {"unschedulable": True}}, node("w1", DiskPressure="True"))
            ),
            "",
            [("cp1", "node", "warning", "cordoned"), ("w1", "node", "warning", "DiskPressure")],
        ),
        # Versions.
        (
            HOSTS,
            CLUSTER,
            "1.37.1",
            [
                ("", "versions", "warning", "API servers of version"),
                ("", "versions", "warning", "kubelets of"),
            ],
        ),
        (
            HOSTS,
            Cluster(
                nodes=CLUSTER.nodes,
                states=(state("cp1", "1.36.4", "1.36.4"), state("w1", "1.37.1")),
            ),
            "",
            [
                ("", "versions", "warning", "kubelets of several versions: 1.36.4 (cp1); 1.37.1 (w1)"),
                ("w1", "version_skew", "critical", "a kubelet of version 1.37.1"),
            ],
        ),
        (
            HOSTS,
            Cluster(
                nodes=CLUSTER.nodes,
                states=(state("cp1", "1.36.4", "1.36.4"), state("w1", "1.32.9")),
            ),
            "",
            [("", "versions", "warning", "1.32.9"), ("w1", "version_skew", "critical", "1.32.9")],
        ),
        # Certificates.
        (
            (
                HOSTS[0],
                host(
                    "w1",
                    certificates=(
                        certificate("kubelet-client", -1, "kubelet"),
                        certificate("ca", 20, "nobody"),
                        certificate("x", 31),
                    ),
                ),
            ),
            CLUSTER,
            "",
            [
                ("w1", "certificate", "critical", "kubelet-client (/pki/kubelet-client.crt): it has ended"),
                ("w1", "certificate", "warning", "it ends at 2027-01-01"),
            ],
        ),
        # A CA rotation.
        (
            (
                HOSTS[0],
                host(
                    "w1",
                    node={"node_name": "w1", "kubernetes": {"state": "member", "new_cluster_id": "sha256:1"}},
                ),
            ),
            CLUSTER,
            "",
            [("w1", "certificate", "warning", "a CA rotation that has not ended")],
        ),
        # Clocks.
        (
            (
                HOSTS[0],
                *(
                    host(f"w{n}", node={**host(f"w{n}").node, **clock(o)})
                    for n, o in enumerate((0, 0, 7, 90))
                ),
            ),
            Cluster(error="x"),
            "",
            [
                ("", "api", "critical", "x"),
                ("w2", "clock", "warning", "7.0 s ahead"),
                ("w3", "clock", "critical", "90.0 s ahead"),
            ],
        ),
        # The lock.
        (
            HOSTS,
            Cluster(
                nodes=CLUSTER.nodes, lock=Lock("alice@c1/1 (upgrade, since x)", "it does not run any more")
            ),
            "",
            [("", "lock", "warning", "whose run is gone: it does not run any more")],
        ),
        (
            HOSTS,
            Cluster(nodes=CLUSTER.nodes, lock=Lock("alice@c1/1")),
            "",
            [("", "lock", "warning", "which changes the cluster now")],
        ),
    ],
)
def test_evaluate(
    hosts: t.Sequence[Host], cluster: Cluster, wanted: str, expected: list[tuple[str, str, str, str]]
) -> None:
    for one in hosts:
        if one.node and "preflight" in one.node:
            one.node["node_name"] = one.name
    found = evaluate.evaluate(hosts, cluster, Limits(), wanted)
    assert [(item.host, item.check, item.severity) for item in found] == [one[:3] for one in expected]
    for item, (_host, _check, _severity, words) in zip(found, expected, strict=True):
        assert words in item.found
        assert item.expected
        assert item.next_step
        assert not item.next_step.endswith(".")


def test_nodes_of_hosts_that_are_left_out_are_known() -> None:
    assert evaluate.evaluate(HOSTS[:1], CLUSTER, Limits(), whole=False) == []


THREE = tuple(host(f"cp{n}") for n in (1, 2, 3))
ALARM = "memberID:2 alarm:NOSPACE "


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (seen(), []),
        (seen(members(1)), []),
        (seen(members(1, 2)), [("", "etcd_quorum", "warning", "2 members, none of which may be lost")]),
        (
            seen(dead="3"),
            [
                ("", "etcd_quorum", "critical", "2 of 3 members that serve: losing one more"),
                ("cp3", "etcd_member", "critical", "Connection refused"),
            ],
        ),
        (
            seen(dead="23"),
            [
                ("", "etcd_quorum", "critical", "1 of 3 members that serve"),
                ("cp2", "etcd_member", "critical", "refused"),
                ("cp3", "etcd_member", "critical", "refused"),
            ],
        ),
        (seen(members(1, 2, 3, 4, learners=(4,))), [("cp4", "etcd_learner", "warning", "does not vote")]),
        (
            seen((*members(1, 2, 3), Member("4", "", ("https://192.0.2.4:2380",), learner=True))),
            [("192.0.2.4", "etcd_member", "warning", "member 4 that has never started")],
        ),
        # Every member reports the alarms of all.
        (
            seen(m1=status(errors=(ALARM,)), m2=status(errors=(ALARM,), size=2 * GIB, in_use=GIB // 8)),
            [("cp2", "etcd_alarm", "critical", "of 2048 MiB has reached its quota (2048 MiB)")],
        ),
        (
            seen(m3=status(errors=("memberID:3  alarm:CORRUPT",))),
            [("cp3", "etcd_alarm", "critical", "the alarm CORRUPT: its data differ")],
        ),
        (
            seen(m3=status(size=int(1.7 * GIB), in_use=int(1.6 * GIB))),
            [("cp3", "etcd_database", "warning", "a database of 1741 MiB, 84 % of its quota (2048 MiB)")],
        ),
        (
            seen(m3=status(size=int(1.99 * GIB), in_use=GIB)),
            [("cp3", "etcd_database", "critical", "defragmentation would give back 49 %")],
        ),
        (
            seen(m3=status(size=GIB, in_use=GIB // 4)),
            [("cp3", "etcd_database", "warning", "a database of 1024 MiB with 75 % free pages")],
        ),
        # Small ones are left alone, whatever is free in them.
        (seen(m3=status(size=GIB // 32, in_use=GIB // 128)), []),
        (seen(m2=status(applied=80000)), [("cp2", "etcd_member", "warning", "10000 entries behind")]),
        (
            seen(m2=status(errors=("etcdserver: no leader",))),
            [("cp2", "etcd_member", "warning", "etcdserver: no leader")],
        ),
        (seen(m2=status(version="3.6.9")), [("", "versions", "warning", "cp1 3.7.0, cp2 3.6.9, cp3 3.7.0")]),
    ],
)
def test_etcd(result: dict[str, t.Any], expected: list[tuple[str, str, str, str]]) -> None:
    hosts = (host("cp1", etcd=result), *THREE[1:])
    found = list(etcd_checks.check(hosts, Limits()))
    assert sorted((item.host, item.check, item.severity) for item in found) == sorted(
        one[:3] for one in expected
    )
    told = "\n".join(item.found for item in found)
    assert [words for _host, _check, _severity, words in expected if words not in told] == []


def test_etcd_of_a_host_that_does_not_answer() -> None:
    silent = {"local": True, "error": "Connection refused.", "members": [], "quorum": {"alive": 0}}
    hosts = (
        host("cp1", etcd=silent),
        host("cp2", etcd=seen(members(2, 3))),
        host("cp3", etcd=seen(members(2, 3))),
    )
    found = list(etcd_checks.check(hosts, Limits()))
    assert [(item.host, item.check) for item in found] == [
        ("cp1", "etcd_member"),
        ("", "etcd_quorum"),
        ("cp1", "etcd_member"),
    ]
    assert "no member of etcd of this name (members: cp2, cp3)" in found[-1].found
    assert found[0].found == "no answer: Connection refused"
    # A disk that was wiped.
    empty = {**silent, "data_directory": {"path": "/var/lib/etcd", "names": []}}
    wiped = list(etcd_checks.check((host("cp1", etcd=empty), *hosts[1:]), Limits()))
    assert wiped[0].found == "no answer: Connection refused; /var/lib/etcd has no data"
    assert "add_node" in wiped[0].next_step
    assert "Restore" in next(etcd_checks.check((host("cp1", etcd=empty),), Limits())).next_step
    # A learner lists no members.
    learner = (host("cp1", etcd=silent), host("cp2", etcd=seen(members(1, 2, 3, 4, learners=(1,)))))
    assert [item.check for item in etcd_checks.check(learner, Limits())] == ["etcd_learner"]
    # An external etcd is not looked at.
    assert list(etcd_checks.check((host("cp1", etcd={"local": False, "members": []}),), Limits())) == []


def test_tables() -> None:
    hosts = (
        host("cp1", etcd=seen(dead="3"), certificates=(certificate("apiserver", 30), certificate("ca", -1))),
    )
    lines = etcd_checks.table(hosts)
    assert [line.split()[:2] for line in lines] == [["cp1", "leader"], ["cp2", "follower"], ["cp3", "failed"]]
    assert lines[0].endswith("256 MiB (205 MiB in use), 12.5 % of 2048 MiB, NO quorum without it")
    assert lines[2].endswith(", quorum without it")
    assert evaluate.certificates_table(hosts) == [
        f"{'cp1':<20}{'apiserver':<26}2027-01-01T00:00:00Z  30 days     renewed by kubeadm",
        f"{'cp1':<20}{'ca':<26}2027-01-01T00:00:00Z  EXPIRED     renewed by kubeadm",
    ]
    many = tuple(host(f"w{n}", certificates=(certificate("x", 40),)) for n in range(50))
    assert evaluate.certificates_table(many)[-1] == "and 10 more that end later"


def test_findings_that_hosts_share_are_one_line() -> None:
    many = tuple(host(f"w{n}", certificates=(certificate("ca", 10, "nobody"),)) for n in range(3))
    found = evaluate.evaluate(many, Cluster(nodes=tuple(node(one.name) for one in many)), Limits())
    assert evaluate.lines(found, "critical") == []
    assert evaluate.lines(found, "warning") == [
        "w0, w1, w2: [certificate] found ca (/pki/ca.crt): it ends at 2027-01-01T00:00:00Z; expected an end in more"
        " than 30 days. Run the playbook rotate_ca: all certificates end with it (docs/certificates.md)."
    ]


@pytest.mark.parametrize(
    ("node_result", "certificates", "etcd", "error"),
    [
        ({"node": {"node_name": "cp1"}}, {"certificates": []}, {"members": []}, ""),
        ({"node": {"node_name": "cp1"}}, None, None, ""),
        ({"unreachable": True, "msg": "Task failed: timed out."}, None, None, "no answer: timed out"),
        ({"msg": "no python"}, None, None, "it cannot be read: no python"),
        ({"node": {}}, {"msg": "broken"}, None, "its certificates cannot be read: broken"),
        ({"node": {}}, {"certificates": []}, {"msg": "x"}, "its etcd cannot be read: x"),
    ],
)
def test_results_of_a_host(
    node_result: dict[str, t.Any],
    certificates: dict[str, t.Any] | None,
    etcd: dict[str, t.Any] | None,
    error: str,
) -> None:
    assert read_host("cp1", True, node_result, certificates, etcd).error == error


# What etcd says


def test_status_is_read_from_the_gateway() -> None:
    found = parse_status(
        {
            "version": "3.7.0",
            "dbSize": "4096",
            "dbSizeInUse": "1024",
            "dbSizeQuota": "8192",
            "leader": "0",
            "raftIndex": "12",
            "raftAppliedIndex": "11",
            "errors": ["etcdserver: no leader", ALARM],
        }
    )
    assert (found.size, found.in_use, found.quota, found.index, found.applied) == (4096, 1024, 8192, 12, 11)
    assert (found.leader, found.free_share) == ("", 0.75)
    assert parse_status({}) == Status()


def test_observation() -> None:
    own = members(1, 2, 3, 4, learners=(4,))
    found = Observation(
        own,
        {
            "1": status(leader="2"),
            "2": status(leader="2", errors=(ALARM, "x"), quota=0),
            "3": status(leader="9"),
        },
        frozenset("12"),
        quota=7,
    )
    assert found.leader == "2"
    assert found.alarms == {"2": ("NOSPACE",)}
    assert (found.standing().voters, found.standing().alive) == (3, 2)
    shown = [as_dict(member, found) for member in own]
    assert [one["survives"] for one in shown] == [False, False, True, True]
    assert shown[1]["errors"] == ["x"]
    assert (shown[0]["quota"], shown[1]["quota"]) == (2 * GIB, 7)
    assert shown[3]["error"] == "it has not started yet"


class Prepared(Maintenance):
    """An etcd with prepared answers by URL."""

    def __init__(self, answers: dict[str, t.Any]) -> None:
        self._seconds = 0
        self._endpoint = "https://127.0.0.1:2379"
        self.answers = answers
        self.asked: list[tuple[str, t.Any]] = []

    def _once(self, url: str, body: t.Any, seconds: float) -> dict[str, t.Any]:
        self.asked.append((url, body))
        answer = self.answers[url]
        if isinstance(answer, Exception):
            raise answer
        return t.cast("dict[str, t.Any]", answer)


def http_error(code: int, text: str) -> urllib.error.HTTPError:
    return urllib.error.HTTPError("https://x", code, "no", Message(), io.BytesIO(text.encode()))


def test_members_are_asked() -> None:
    base = "https://192.0.2."
    etcd = Prepared(
        {
            "https://127.0.0.1:2379/v3/cluster/member/list": {
                "members": [
                    {"ID": "1", "name": "cp1", "clientURLs": [f"{base}1:2379"]},
                    {"ID": "2", "name": "cp2", "clientURLs": [f"{base}2:2379"]},
                    {"ID": "3", "peerURLs": [f"{base}3:2380"], "isLearner": True},
                    {"ID": "4", "name": "cp4", "clientURLs": [f"{base}4:2379"], "isLearner": True},
                ]
            },
            f"{base}1:2379/v3/maintenance/status": {"dbSize": "10", "leader": "1"},
            f"{base}1:2379/health?exclude=NOSPACE": {"health": "true"},
            f"{base}2:2379/v3/maintenance/status": http_error(503, '{"message": "no leader"}'),
            f"{base}4:2379/v3/maintenance/status": {"dbSize": "10", "leader": "1", "isLearner": True},
        }
    )
    found = etcd.observe()
    assert found.healthy == {"1", "4"}
    assert found.status(found.members[1]).error == f"{base}2:2379: no leader"
    assert found.status(found.members[2]).error == "it has not started yet"


@pytest.mark.parametrize(
    ("argument", "expected"), [("1024", 1024), ("0", 2 * GIB), ("x", 2 * GIB), ("", 2 * GIB)]
)
def test_quota_of_the_manifest(tmp_path: Path, argument: str, expected: int) -> None:
    manifest = tmp_path / "etc/kubernetes/manifests/etcd.yaml"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(
        f"spec:\n  containers:\n  - command:\n    - etcd\n    - --quota-backend-bytes={argument}\n"
    )
    assert quota_of(str(tmp_path)) == expected


def test_module(tmp_path: Path) -> None:
    found = etcd_info.run({"root": str(tmp_path), "timeout": 1})
    assert (found["local"], found["members"], found["error"]) == (False, [], "")
    manifest = tmp_path / "etc/kubernetes/manifests/etcd.yaml"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("kind: Pod\n")
    (tmp_path / "var/lib/etcd").mkdir(parents=True)
    found = etcd_info.run({"root": str(tmp_path), "timeout": 1})
    assert found["local"]
    assert "certificates for etcd" in found["error"]
    assert found["data_directory"] == {"path": "/var/lib/etcd", "exists": True, "names": []}


# The action


@pytest.fixture
def api() -> t.Iterator[ApiServer]:
    running = ApiServer(token="sesame")
    system = "namespaces/kube-system"
    running.answers[("GET", "/readyz")] = Answer(200, "[+]ping ok\nreadyz check passed\n")
    running.lists = {
        "/api/v1/nodes": [node("cp1")],
        f"/api/v1/{system}/pods": [
            {
                "metadata": {"name": f"{component}-cp1", "labels": {"component": component}},
                "spec": {
                    "nodeName": "cp1",
                    "containers": [{"name": component, "image": f"registry/{component}:v1.36.4"}],
                },
                "status": {"conditions": [{"type": "Ready", "status": "True"}]},
            }
            for component in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
        ],
        f"/apis/apps/v1/{system}/deployments": [],
        f"/apis/apps/v1/{system}/daemonsets": [],
    }
    yield running
    running.close()


RESULT = {"node": host("cp1").node}


class Run(t.Protocol):
    def __call__(self, **args: t.Any) -> dict[str, t.Any]: ...


@pytest.fixture
def run(api: ApiServer, tmp_path: Path, run_action: RunAction, monkeypatch: pytest.MonkeyPatch) -> Run:
    path = api.kubeconfig(tmp_path / "kubeconfig")
    real = connect.connect

    def redirected(
        kubeconfig: str | None, context: str | None = None, seconds: float = 5, server: str | None = None
    ) -> t.Any:
        """The address of the node leads to the same server."""
        assert server in (None, "https://192.0.2.1:6443")
        return real(kubeconfig, context, seconds)

    monkeypatch.setattr(connect, "connect", redirected)
    return lambda **args: run_action(
        "health_report",
        {
            "kubeconfig": path,
            "hosts": {"cp1": RESULT},
            "control_planes": ["cp1"],
            "inventory": ["cp1"],
            **args,
        },
    )


def test_healthy_cluster(run: Run) -> None:
    result = run(etcd={"cp1": seen(members(1))}, kubernetes_version="1.36.4")
    assert (result["healthy"], result["findings"], result["changed"]) == (True, [], False)
    assert result["report"][:2] == ["healthy: nothing was found", "etcd:"]
    assert result["counts"] == {"critical": 0, "warning": 0}


def test_findings_do_not_fail_the_task(api: ApiServer, run: Run) -> None:
    api.answers[("GET", "/readyz")] = Answer(500, "[+]ping ok\n[-]etcd failed: reason withheld\n")
    api.lists["/api/v1/nodes"].append({**node("x9"), "metadata": {"name": "x9"}})
    moment = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    gone = lock.Operation("alice@elsewhere", "upgrade", lock.Process("other", 7, "1"))
    api.objects[LEASE] = lock.lease(gone, moment)
    result = run()
    assert not result.get("failed")
    assert not result["healthy"]
    found = [(item["host"], item["check"]) for item in result["findings"]]
    assert ("cp1", "api_server") in found
    assert ("", "unknown_nodes") in found
    assert ("", "lock") in found
    assert "cp1: [api_server] found /readyz answers HTTP 500, failed checks: etcd" in result["message"]
    assert result["report"][0] == "critical:"
    assert any("it has not been renewed since" in line for line in result["report"])


def test_api_server_that_the_controller_cannot_reach(api: ApiServer, tmp_path: Path) -> None:
    path = api.kubeconfig(tmp_path / "kubeconfig")
    nobody = connect.connect(path, None, 1, "http://127.0.0.1:9")
    found = read_cluster(connect.connect(path), lambda address: nobody)
    # The kubelet finds it ready.
    assert found.unreachable == {"cp1"}
    assert "does not answer" in found.servers["cp1"]


def test_api_that_does_not_answer(api: ApiServer, run: Run) -> None:
    api.answers[("GET", "/readyz")] = Answer(403, "")
    result = run(hosts={"cp1": {"unreachable": True, "msg": "timed out"}})
    assert [(item["host"], item["check"]) for item in result["findings"]] == [("", "api"), ("cp1", "host")]
