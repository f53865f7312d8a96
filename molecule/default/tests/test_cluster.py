# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster works: nodes, pod-to-pod traffic, Services, DNS, network policies."""

from __future__ import annotations

from itertools import permutations

import pytest

from lab import lifecycle
from lab.config import Settings
from tests.infra.cluster import Cluster, Probes, policy, running_and_ready
from tests.infra.hosts import Host
from tests.infra.waiting import wait_for

NODES = ("cp1", "w1", "w2")


def test_inventory_has_the_expected_hosts(hosts: dict[str, Host]) -> None:
    assert set(hosts) == set(NODES)
    assert {name: host.init for name, host in hosts.items()} == {
        "cp1": "systemd",
        "w1": "systemd",
        "w2": "openrc",
    }


@pytest.mark.parametrize("node", NODES)
def test_node_is_ready_with_the_expected_version(
    node: str, cluster: Cluster, hosts: dict[str, Host], variables: dict[str, str]
) -> None:
    wait_for(f"node {node} is ready", lambda: cluster.ready(node), seconds=60, evidence=hosts[node].logs)
    info = cluster.nodes("status.nodeInfo")[node]
    assert info["kubeletVersion"] == f"v{variables['cluster_kubernetes_version']}"
    assert info["containerRuntimeVersion"].startswith("containerd://2.")


def test_cluster_has_no_other_node(cluster: Cluster) -> None:
    assert set(cluster.nodes()) == set(NODES)


def test_control_plane_is_tainted_and_workers_are_not(cluster: Cluster) -> None:
    taints = cluster.nodes("spec.taints[].key || `[]`")
    assert taints == {"cp1": ["node-role.kubernetes.io/control-plane"], "w1": [], "w2": []}


def test_system_pods_are_ready(cluster: Cluster) -> None:
    def waiting() -> list[str]:
        return [name for name, pod in cluster.pods("kube-system").items() if not running_and_ready(pod)]

    wait_for(
        "every pod of kube-system runs",
        lambda: not waiting(),
        seconds=120,
        evidence=lambda: f"waiting for {waiting()}\n{cluster.events('kube-system')}",
    )
    names = " ".join(cluster.pods("kube-system"))
    assert "kube-proxy" not in names, "Cilium replaces kube-proxy"
    for part in ("cilium-", "coredns-", "etcd-cp1", "kube-apiserver-cp1"):
        assert part in names


@pytest.mark.parametrize(("source", "target"), list(permutations(NODES, 2)))
def test_pods_reach_each_other(source: str, target: str, running: Probes) -> None:
    running.wait_connects(source, running.address(target))


@pytest.mark.parametrize("source", NODES)
def test_service_is_reachable_by_cluster_ip(source: str, running: Probes) -> None:
    path = f"/api/v1/namespaces/{running.namespace}/services/probes"
    address = running.cluster.query(path, "spec.clusterIP")
    running.wait_connects(source, f"{address}:80")


@pytest.mark.parametrize("source", NODES)
@pytest.mark.parametrize(
    "name",
    ["probes:80", "probes.{namespace}.svc.{domain}:80", "kubernetes.default:443"],
    ids=lambda name: name[:12],
)
def test_service_is_reachable_by_name(
    source: str, name: str, running: Probes, variables: dict[str, str]
) -> None:
    target = name.format(namespace=running.namespace, domain=variables["cluster_dns_domain"])
    running.wait_connects(source, target)


def test_unknown_service_name_does_not_resolve(running: Probes) -> None:
    assert not running.connects("w1", "no-such-service:80")


def test_network_policy_denies_and_allows(running: Probes) -> None:
    api, namespace = running.cluster.networking, running.namespace
    server, friend, stranger = "w1", "w2", "cp1"
    address = running.address(server)
    for source in (friend, stranger):
        running.wait_connects(source, address)
    try:
        api.create_namespaced_network_policy(namespace, policy("closed", {"node": server}))
        running.wait_refused(friend, address)
        running.wait_refused(stranger, address)
        # Other directions and pods stay reachable: it is the policy that denies, not a broken network.
        running.wait_connects(server, running.address(friend))
        running.wait_connects(stranger, running.address(friend))

        api.create_namespaced_network_policy(namespace, policy("friend", {"node": server}, {"node": friend}))
        running.wait_connects(friend, address)
        running.wait_refused(stranger, address)
    finally:
        for entry in api.list_namespaced_network_policy(namespace).items:
            api.delete_namespaced_network_policy(entry.metadata.name, namespace)
    running.wait_connects(stranger, address)


def test_hosts_use_less_than_six_gib(running: Probes, lab: Settings) -> None:
    assert running.nodes
    used = {row.record.name: row.memory for row in lifecycle.status(lab)}
    assert set(used) == set(NODES)
    if None in used.values():
        pytest.skip("this machine has no memory controller to measure with")
    assert sum(filter(None, used.values())) < 6 * 2**30, used
