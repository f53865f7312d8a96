# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control planes join a cluster and leave it, alive, dead and half-joined. Each test needs those before it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.infra.cluster import Cluster
from tests.infra.endpoint import SERVICE
from tests.infra.etcd import etcdctl
from tests.infra.hosts import Host, run_lab
from tests.infra.outage import measured
from tests.infra.playbook import Playbook, Run
from tests.infra.touched import counted
from tests.infra.waiting import wait_for

FIRST, SECOND, THIRD, WORKER = "cp1", "cp2", "cp3", "w1"
CONFIG = "/etc/baremetal-kubernetes/api-endpoint.conf"
GATE = "baremetal.kubernetes.node : Verify control plane | Wait until API servers and etcd are healthy"
JOIN = "baremetal.kubernetes.node : Join | Run kubeadm join"
KUBECONFIG = "baremetal.kubernetes.control_plane : Save the administrator's kubeconfig on the controller"
#: Seconds that the API may be away: while members join, and when its address is given away.
JOINED, MOVED = 15.0, 5.0
#: What a member of etcd logs when its leader hands over to it; an election has no such line.
HANDED_OVER = "received MsgTimeoutNow"

Add = Callable[[], Run]
Remove = Callable[[str], Run]


def members(cluster: Cluster, node: str) -> list[dict[str, Any]]:
    """The members of etcd, as that of a node knows them."""
    found = json.loads(etcdctl(cluster, node, "member", "list", "--write-out=json"))
    return list(found["members"])


def voters(cluster: Cluster, node: str) -> dict[str, int]:
    """Ids of etcd's members by name; all of them must vote."""
    found = members(cluster, node)
    assert not [member for member in found if member.get("isLearner")], found
    return {member.get("name", ""): int(member["ID"]) for member in found}


def leader(cluster: Cluster, node: str) -> str:
    """Which member leads, as that of a node knows it."""
    (answer,) = json.loads(etcdctl(cluster, node, "endpoint", "status", "--write-out=json"))
    names = {member: name for name, member in voters(cluster, node).items()}
    return names.get(int(answer["Status"]["leader"]), "")


def peers(host: Host) -> list[str]:
    """The addresses of the other control planes that keepalived knows."""
    block = re.search(r"unicast_peer \{([^}]*)\}", host.check(f"cat {CONFIG}"))
    return sorted(block[1].split()) if block else []


def approved(host: Host) -> list[str]:
    """The nodes that get certificates from this control plane's approver."""
    found = json.loads(host.check("cat /etc/baremetal-kubernetes/kubelet-csr-approver.json"))
    return sorted(found["nodes"])


def addresses(cluster: Cluster) -> dict[str, str]:
    """Addresses of the nodes by name."""
    found: dict[str, str] = cluster.nodes("status.addresses[?type=='InternalIP'].address | [0]")
    return found


def verify_planes(cluster: Cluster, planes: dict[str, Host], names: set[str], others: bool = False) -> None:
    """Exactly these control planes are there, and know of each other.

    :param others: whether the inventory has further ones that answer, which count as peers that will join.
    """
    nodes = {*names, WORKER}
    wait_for(
        f"{', '.join(sorted(nodes))} are ready",
        lambda: set(cluster.nodes()) == nodes and all(cluster.ready(name) for name in nodes),
        seconds=120,
    )
    assert set(voters(cluster, min(names))) == names
    found = addresses(cluster)
    for name in names:
        own, expected = set(peers(planes[name])), {found[other] for other in names - {name}}
        assert own >= expected if others else own == expected, name
        assert approved(planes[name]) == sorted(nodes), name


def in_turn(text: str) -> Iterator[str]:
    """In which order a run waited for a healthy control plane, and joined which host."""
    task = ""
    for line in text.splitlines():
        if match := re.match(r"TASK \[(.*)\]", line):
            task = match[1]
            if task == GATE:
                yield "gate"
        elif task == JOIN and (match := re.match(r"changed: \[(\w+)", line)):
            yield match[1]


def service(host: Host, verb: str) -> None:
    command = f"systemctl {verb} {SERVICE}" if host.init == "systemd" else f"rc-service {SERVICE} {verb}"
    host.check(command)


def message(run: Run) -> str:
    return run.text.replace('\\"', '"').replace("\n", " ")


def test_site_creates_a_cluster_with_one_control_plane(site: Callable[..., Run]) -> None:
    site().expect()


def test_control_planes_join_one_at_a_time(
    add: Add,
    planes: dict[str, Host],
    cluster: Cluster,
    holder: Callable[[], list[str]],
    address: str,
    ca: str,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    with counted(tmp_path / "touched") as tasks, measured(address, ca) as seen:
        run = add().expect()
    record_property("tasks by host", dict(tasks))
    record_property("longest time without an answer while two join, seconds", round(seen.longest, 2))
    print(f"{dict(tasks)}; {seen.longest:.2f} s, {seen.failed} of {seen.requests} requests failed")
    assert set(tasks) == set(planes), "nothing runs on the worker"
    assert list(in_turn(run.text)) == ["gate", SECOND, "gate", THIRD]
    verify_planes(cluster, planes, set(planes))
    assert len(holder()) == 1
    assert seen.longest <= JOINED


def test_second_run_finds_nothing_to_do(add: Add, tmp_path: Path) -> None:
    with counted(tmp_path / "touched") as tasks:
        add().expect_quiet()
    assert not tasks, "not even a question to the hosts"


def test_the_last_control_planes_stay(remove: Remove) -> None:
    run = remove(f"{FIRST},{SECOND},{THIRD}").expect(code=2)
    assert "No control plane of the inventory would stay" in message(run)
    assert run.changed == set()


def test_a_dead_one_is_removed_and_the_others_keep_quorum(
    remove: Remove, planes: dict[str, Host], cluster: Cluster
) -> None:
    member = voters(cluster, FIRST)[THIRD]
    run_lab("stop", THIRD)
    wait_for(f"{THIRD} is not Ready", lambda: not cluster.ready(THIRD), seconds=120)

    run = remove(SECOND).expect(code=2)
    assert re.search(
        rf"Without {SECOND}, etcd would have 2 member\(s\) of which 1 answer \({THIRD} do not\)", message(run)
    )
    assert run.changed == set()
    assert not cluster.nodes("spec.unschedulable")[SECOND]

    run = remove(THIRD).expect()
    assert "Its host was not reset: turn the machine off" in run.text
    verify_planes(cluster, planes, {FIRST, SECOND})
    assert member not in voters(cluster, FIRST).values()
    remove(THIRD).expect_quiet()


def test_a_half_joined_one_is_removed(
    reset: Callable[[str], Run],
    remove: Remove,
    planes: dict[str, Host],
    cluster: Cluster,
    adding: Playbook,
    endpoint: tuple[str, ...],
) -> None:
    run_lab("start", THIRD)
    host = planes[THIRD]
    host.reconnect()
    reset(THIRD).expect()

    process = adding.start(*endpoint, log="half.log")
    # kubeadm writes it as soon as etcd has the member.
    wait_for(
        f"{THIRD} is a member of etcd",
        lambda: host.run("test -e /etc/kubernetes/manifests/etcd.yaml")[0] == 0,
        seconds=180,
        interval=0.2,
        evidence=lambda: adding.text("half.log"),
    )
    run_lab("stop", THIRD)
    adding.kill(process)
    assert len(members(cluster, FIRST)) == len(planes)
    run_lab("start", THIRD)
    host.reconnect()

    run = remove(THIRD).expect()
    assert "and its host is reset" in run.text
    verify_planes(cluster, planes, {FIRST, SECOND})
    assert host.run("ls -d /etc/kubernetes /var/lib/etcd/* /var/lib/kubelet/* 2>/dev/null")[1] == ""


def test_the_first_one_leads_and_has_the_address_and_is_removed(
    remove: Remove,
    planes: dict[str, Host],
    cluster: Cluster,
    holder: Callable[[], list[str]],
    address: str,
    ca: str,
    record_property: Callable[[str, object], None],
) -> None:
    former = addresses(cluster)[FIRST]
    if holder() != [FIRST]:
        service(planes[SECOND], "stop")
        wait_for(f"{FIRST} has the address", lambda: holder() == [FIRST], seconds=30)
        service(planes[SECOND], "start")
    if leader(cluster, FIRST) != FIRST:
        etcdctl(cluster, SECOND, "move-leader", f"{voters(cluster, FIRST)[FIRST]:x}")
    assert leader(cluster, SECOND) == FIRST
    log = "/var/log/pods/kube-system_etcd-*/etcd/*.log"
    before = planes[SECOND].check(f"cat {log}").count(HANDED_OVER)

    with measured(address, ca) as seen:
        time.sleep(2)
        remove(FIRST).expect()
    record_property(
        "longest time without an answer while the holder is removed, seconds", round(seen.longest, 2)
    )
    print(f"removal of {FIRST}: {seen.longest:.2f} s, {seen.failed} of {seen.requests} requests failed")
    assert seen.longest <= MOVED
    assert planes[SECOND].check(f"cat {log}").count(HANDED_OVER) == before + 1, "its leader did not hand over"
    assert holder() == [SECOND]
    verify_planes(cluster, planes, {SECOND}, others=True)
    assert former not in peers(planes[SECOND])
    remove(FIRST).expect_quiet()


def test_the_only_one_stays(remove: Remove) -> None:
    run = remove(SECOND).expect(code=2)
    assert re.search(
        rf"None of the control planes that stay \({FIRST}, {THIRD}\) is a Ready node", message(run)
    )
    assert run.changed == set()


def test_those_that_left_return_under_their_names(
    add: Add, site: Callable[..., Run], planes: dict[str, Host], cluster: Cluster, tmp_path: Path
) -> None:
    with counted(tmp_path / "touched") as tasks:
        run = add().expect()
    assert set(tasks) == set(planes)
    assert list(in_turn(run.text)) == ["gate", FIRST, "gate", THIRD]
    verify_planes(cluster, planes, set(planes))
    # The kubeconfig on the controller is that of the first control plane, which has a new one.
    assert site(log="again.log").expect().changed <= {(FIRST, KUBECONFIG)}


def test_one_that_was_installed_again_is_refused_until_its_member_is_removed(
    add: Add, remove: Remove, site: Callable[..., Run], planes: dict[str, Host], cluster: Cluster
) -> None:
    run_lab("wipe", THIRD)
    run_lab("start", THIRD)
    planes[THIRD].reconnect()
    refused = site(log="installed-again.log").expect(code=2)
    text = " ".join(message(refused).split())
    assert f"{THIRD} has nothing of a node, and etcd has the member {THIRD} from before" in text
    assert f"remove_node -e node_remove_confirm={THIRD}" in text
    remove(THIRD).expect()
    add().expect()
    verify_planes(cluster, planes, set(planes))
