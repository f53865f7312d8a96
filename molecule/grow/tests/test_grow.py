# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From one control plane to three, with an endpoint that does not depend on one. Each test needs those before it."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from tests.infra.cluster import Cluster, Probes, running_and_ready
from tests.infra.endpoint import SERVICE, server_of
from tests.infra.hosts import Host, run_lab
from tests.infra.outage import measured
from tests.infra.playbook import Playbook, Run
from tests.infra.waiting import wait_for

FIRST = "cp1"
MOVED = "baremetal.kubernetes.control_plane : Init | Run kubeadm init"
#: Seconds that the API may be away when the host with the address loses power.
MOVE = 15.0
#: The kubelet's kubeconfig of a node, and the ConfigMap by which hosts join.
KUBELET = "grep -o 'server: .*' /etc/kubernetes/kubelet.conf"
CLUSTER_INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"

Site = Callable[..., Run]


def restarts(probes: Probes) -> dict[str, int]:
    return {node: probes.query(node, "status.containerStatuses[0].restartCount") for node in probes.nodes}


@pytest.mark.usefixtures("everyone")
def test_more_control_planes_need_an_endpoint(playbook: Playbook) -> None:
    run = playbook.run(log="refused.log")
    assert run.code != 0
    assert "3 control planes and no cluster_endpoint" in run.text, run.text[-3000:]
    assert not run.changed


@pytest.mark.usefixtures("everyone")
def test_one_run_adds_them_and_moves_the_endpoint(
    site: Site,
    planes: dict[str, Host],
    running: Probes,
    ca: str,
    cluster: Cluster,
    record_property: Callable[[str, object], None],
) -> None:
    former = urlsplit(server_of(cluster)["server"]).hostname
    assert former is not None
    before = restarts(running)
    with measured(former, ca) as seen:
        began = time.monotonic()
        run = site(log="grow.log").expect()
        seconds = time.monotonic() - began
    record_property("from one to three control planes, seconds", round(seconds))
    record_property("longest time without an answer, seconds", round(seen.longest, 2))
    print(
        f"{seconds:.0f} s; the API was away for {seen.longest:.1f} s, {seen.failed} of {seen.requests} requests"
    )
    assert (FIRST, MOVED) in run.changed
    assert restarts(running) == before, "pods must not notice"
    # A new member restarts no API server: etcd elects a leader, and some requests wait for it.
    assert seen.longest <= MOVE, "\n".join(host.log("kubelet") for host in planes.values())


def test_everything_uses_the_new_endpoint(
    everyone: dict[str, Host],
    planes: dict[str, Host],
    holder: Callable[[], list[str]],
    cluster: Cluster,
    address: str,
) -> None:
    url = f"https://{address}:6443"
    assert len(holder()) == 1, "\n".join(host.log(SERVICE) for host in planes.values())
    assert server_of(cluster)["server"] == url
    assert url in cluster.query(CLUSTER_INFO, "data.kubeconfig")
    for host in everyone.values():
        if host.control_plane:
            assert url in host.check("grep -o 'server: .*' /etc/kubernetes/admin.conf")
        else:
            assert host.check(KUBELET).strip() == f"server: {url}"
    assert sorted(cluster.nodes()) == sorted(everyone)
    assert all(cluster.ready(name) for name in everyone)
    members = cluster.pods("kube-system", "component=etcd", "status.phase")
    assert members == dict.fromkeys((f"etcd-{name}" for name in planes), "Running")


def test_second_run_changes_nothing(site: Site) -> None:
    site(log="again.log").expect_quiet()


def test_cluster_survives_the_loss_of_its_first_control_plane(
    everyone: dict[str, Host],
    holder: Callable[[], list[str]],
    running: Probes,
    address: str,
    ca: str,
    record_property: Callable[[str, object], None],
) -> None:
    others = [node for node in running.nodes if node != FIRST]
    with measured(address, ca) as seen:
        time.sleep(2)
        run_lab("stop", FIRST)
        time.sleep(20)
    record_property("outage by the loss of cp1, seconds", round(seen.longest, 2))
    assert seen.longest <= MOVE
    assert holder() not in ([], [FIRST])
    assert all(running_and_ready(running.get(node)) for node in others)
    assert all(running.cluster.ready(node) for node in everyone if node != FIRST)
    run_lab("start", FIRST)
    everyone[FIRST].reconnect()
    wait_for(f"{FIRST} is ready", lambda: running.cluster.ready(FIRST), seconds=180)


def test_endpoint_is_not_lost_again(playbook: Playbook, address: str) -> None:
    """Somebody forgets it in the inventory."""
    run = playbook.run(log="forgotten.log")
    assert run.code != 0
    assert f"Set cluster_endpoint to {address}:6443" in run.text, run.text[-3000:]
    assert not run.changed
