# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults are reported, and those of etcd are repaired. Each test needs those before it."""

from __future__ import annotations

import math
import re
import secrets
import time
from collections.abc import Callable

import pytest
from kubernetes.client import ApiException

from tests.infra.cluster import Cluster
from tests.infra.etcd import etcdctl
from tests.infra.hosts import Host
from tests.infra.playbook import Run
from tests.infra.waiting import wait_for

Start = Callable[..., Run]

MANIFEST = "/etc/kubernetes/manifests/etcd.yaml"
PARKED, AWAY = "/root/etcd.yaml", "/var/lib/etcd-away"
#: PID of what freezes the API server.
FREEZER = "/run/freezer.pid"
REPAIR = "baremetal.kubernetes.repair_etcd : Repair etcd"
#: Bytes of a value; an object of the API may have about 1.5 MiB.
LARGE = 900 * 1024
#: What the database may grow by before it is full.
ROOM = 24 * 1024**2
NAMESPACE = "default"
#: Seconds of answers after which the API server is not about to be ended.
STEADY = 25


def size(host: Host) -> int:
    """Bytes of etcd's database file."""
    return int(host.check("stat -c %s /var/lib/etcd/member/snap/db"))


def write(cluster: Cluster, name: str = "filler") -> None:
    """Replace the content of a ConfigMap, which leaves a former revision in etcd."""
    body = {"metadata": {"name": name}, "data": {"content": secrets.token_hex(LARGE // 2)}}
    try:
        cluster.core.replace_namespaced_config_map(name, NAMESPACE, body)
    except ApiException as exc:
        if exc.status != 404:
            raise
        cluster.core.create_namespaced_config_map(NAMESPACE, body)


def fill(cluster: Cluster, total: int) -> None:
    """Write so many bytes."""
    for _ in range(total // LARGE):
        write(cluster)


def wait_api(cluster: Cluster) -> None:
    """Wait until the API server answers by an etcd that has started again, and goes on to.

    Where etcd was away for long, the kubelet's liveness probe (every 10 s) has had the API server ended, which may
    come after its first answer.
    """
    since = math.inf

    def steady() -> bool:
        nonlocal since
        try:
            cluster.ready("cp1")
        except Exception:
            since = math.inf
            raise
        since = min(since, time.monotonic())
        return time.monotonic() - since > STEADY

    wait_for(f"the API server answers for {STEADY} s", steady, seconds=240)


def findings(report: Run) -> list[str]:
    """What a report has found, each as the message calls it: its kind, and the text behind it."""
    return re.findall(r"\[\w+\] found [^\"\n]+", report.text)


def wait_healthy(run: Start) -> None:
    """Wait until nothing is found.

    After a disturbance, controllers that could not renew their leases restart, and the kubelet waits longer before each
    restart, 300 s at most.
    """
    last: list[str] = []

    def healthy() -> bool:
        report = run("health")
        found = findings(report)
        last[:] = found or [f"ended with code {report.code}: {report.text[-300:]}"]
        return report.code == 0 and not found

    wait_for("nothing is found", healthy, seconds=600, evidence=lambda: "\n".join(last))


def test_healthy_cluster_has_no_finding(run: Start) -> None:
    # The lab's hosts have just booted.
    wait_healthy(run)
    found = run("health").expect_quiet()
    assert "healthy: nothing was found" in found.text, findings(found)
    assert "NO quorum without it" in found.text, "cp1 is the only member"
    assert "kubelet-client" in found.text


def test_faults_are_reported_with_their_hosts(run: Start, hosts: dict[str, Host], cluster: Cluster) -> None:
    hosts["w1"].check("systemctl stop kubelet")
    cluster.core.create_node({"metadata": {"name": "stranger"}})
    wait_for("w1 is not ready", lambda: not cluster.ready("w1"), seconds=120)
    found = run("health").expect(code=2)
    assert "w1: [node] found Ready is Unknown" in found.text
    assert "[unknown_nodes] found stranger: found in the cluster" in found.text
    assert not found.changed
    hosts["w1"].check("systemctl start kubelet")
    cluster.core.delete_node("stranger")
    # Cilium's pod there, too.
    wait_healthy(run)


def test_warnings_do_not_fail(run: Start, cluster: Cluster) -> None:
    cluster.core.patch_node("w1", {"spec": {"unschedulable": True}})
    found = run("health", "-e", "health_certificate_days=400").expect_quiet()
    assert "w1: [node] found a node that is cordoned" in found.text
    assert "[certificate] found apiserver (/etc/kubernetes/pki/apiserver.crt): it ends at" in found.text
    cluster.core.patch_node("w1", {"spec": {"unschedulable": None}})


def test_api_that_answers_after_ten_seconds(run: Start, hosts: dict[str, Host]) -> None:
    """It is frozen for ten seconds again and again: no playbook fails, and nothing is changed."""
    cp1 = hosts["cp1"]
    cp1.check(
        "nohup sh -c 'for _ in $(seq 30); do"
        " pid=$(pgrep -o kube-apiserver); kill -STOP $pid; sleep 10; kill -CONT $pid; sleep 10;"
        f" done' >/dev/null 2>&1 & echo $! > {FREEZER}"
    )
    try:
        site = run("site").expect_quiet()
        assert "The cluster is not locked" not in site.text
        found = run("health")
        assert not found.changed
        # What the freezes do to others is reported: who has to renew a lease within 10 s loses it and restarts.
        assert [line for line in findings(found) if not line.startswith("[system]")] == []
        found.expect(code=2 if findings(found) else 0)
    finally:
        cp1.check(
            f"pkill -P $(cat {FREEZER}); kill $(cat {FREEZER}); pkill -CONT kube-apiserver; rm {FREEZER}"
        )
    wait_healthy(run)


def test_healthy_etcd_is_left_alone(run: Start) -> None:
    run("repair_etcd").expect_quiet()


def test_learner_that_was_left_is_removed(run: Start, cluster: Cluster, hosts: dict[str, Host]) -> None:
    etcdctl(cluster, "cp1", "member", "add", "gone", "--learner", "--peer-urls=https://192.0.2.9:2380")
    found = run("health").expect()
    assert "192.0.2.9: [etcd_member] found member" in found.text
    predicted = run("repair_etcd", "--check", "--diff").expect()
    assert "remove the member 192.0.2.9" in predicted.text
    assert "192.0.2.9" in etcdctl(cluster, "cp1", "member", "list")
    repaired = run("repair_etcd").expect()
    assert {task for _host, task in repaired.changed} == {REPAIR}
    assert "192.0.2.9" not in etcdctl(cluster, "cp1", "member", "list")
    run("repair_etcd").expect_quiet()


def test_full_database_is_reported(run: Start, cluster: Cluster, hosts: dict[str, Host]) -> None:
    cp1 = hosts["cp1"]
    quota = size(cp1) + ROOM
    started = set(cp1.pids("/usr/local/bin/etcd"))
    cp1.check(f"sed -i 's/^    - etcd$/&\\n    - --quota-backend-bytes={quota}/' {MANIFEST}")
    wait_for("etcd has its quota", lambda: not started & set(cp1.pids("/usr/local/bin/etcd")), seconds=120)
    wait_api(cluster)
    with pytest.raises(ApiException, match="database space exceeded"):
        fill(cluster, 3 * ROOM)
    found = run("health").expect(code=2)
    assert "cp1: [etcd_alarm] found the alarm NOSPACE" in found.text
    assert "Run the playbook repair_etcd" in found.text


def test_check_mode_tells_the_plan(run: Start, cluster: Cluster) -> None:
    predicted = run("repair_etcd", "--check", "--diff").expect()
    for step in ("compact all revisions", "defragment cp1", "disarm NOSPACE of cp1"):
        assert step in predicted.text
    with pytest.raises(ApiException, match="database space exceeded"):
        write(cluster)


def test_full_database_is_repaired(run: Start, cluster: Cluster, hosts: dict[str, Host]) -> None:
    before = size(hosts["cp1"])
    repaired = run("repair_etcd").expect()
    assert {task for _host, task in repaired.changed} == {REPAIR}
    write(cluster)
    assert size(hosts["cp1"]) < before / 2
    run("repair_etcd").expect_quiet()
    wait_healthy(run)


def test_fragmented_database_is_defragmented_when_asked(
    run: Start, cluster: Cluster, hosts: dict[str, Host]
) -> None:
    fill(cluster, ROOM // 2)
    revision = cluster.query(f"/api/v1/namespaces/{NAMESPACE}/configmaps/filler", "metadata.resourceVersion")
    etcdctl(cluster, "cp1", "compact", str(revision), "--physical")
    run("repair_etcd").expect_quiet()
    before = size(hosts["cp1"])
    asked = ("-e", "repair_etcd_defragment=true")
    assert run("repair_etcd", *asked).expect().changed
    assert size(hosts["cp1"]) < before
    run("repair_etcd", *asked).expect_quiet()


def test_without_quorum_it_is_refused(run: Start, cluster: Cluster, hosts: dict[str, Host]) -> None:
    cp1 = hosts["cp1"]
    cp1.check(f"mv {MANIFEST} {PARKED}")
    wait_for("etcd is stopped", lambda: not cp1.pids("/usr/local/bin/etcd"), seconds=120)
    refused = run("repair_etcd").expect(code=2)
    assert "etcd serves on no control plane (cp1: " in refused.text
    assert "the playbook restore" in refused.text
    assert not refused.changed
    found = run("health").expect(code=2)
    assert "[api] found" in found.text
    # Without the quota of an earlier test, which `site` would take out with a restart of its own.
    cp1.check(f"sed -i /quota-backend-bytes/d {PARKED} && mv {PARKED} {MANIFEST}")
    wait_api(cluster)


def test_control_plane_does_not_start_without_the_data_of_etcd(
    run: Start, cluster: Cluster, hosts: dict[str, Host]
) -> None:
    """As after a boot without its disk: an empty cluster has no nodes, and kubelets end pods that it does not know."""
    cp1 = hosts["cp1"]
    uids = cluster.nodes("metadata.uid")
    cp1.check("systemctl stop kubelet")
    # After a boot the API server does not run, either. One that hangs delays the kubelet's next start by minutes.
    cp1.check(
        f"kill -9 {' '.join(map(str, cp1.pids('/usr/local/bin/etcd')))} && pkill -9 -x kube-apiserver"
        f" && mv /var/lib/etcd/member {AWAY}"
    )
    assert cp1.run("systemctl start kubelet")[0] != 0
    assert "etcd has lost its data" in cp1.log("kubelet")
    failed = run("site").expect(code=2)
    assert "etcd has lost its data" in " ".join(failed.text.split())
    assert not cp1.pids("/usr/local/bin/etcd")
    cp1.check(f"mv {AWAY} /var/lib/etcd/member && systemctl restart kubelet")
    wait_api(cluster)
    assert cluster.nodes("metadata.uid") == uids
    wait_healthy(run)
    run("site").expect_quiet()
