# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies of the nodes themselves: reported, enforced, rolled back by each host. Each test needs those before it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.infra.cluster import Cluster
from tests.infra.hosts import Host
from tests.infra.network import POLICIES, Platform
from tests.infra.playbook import Playbook
from tests.infra.waiting import wait_for

Json = dict[str, Any]

APPLIED = "baremetal.kubernetes.network : Host policies | Apply policies"
CONFIRMED = "baremetal.kubernetes.network : Confirm | Reach each host over a new connection"
GUARD = "kubernetes-host-policy-guard"
#: An address from which nobody connects (RFC 5737).
NOWHERE = "203.0.113.5"
#: A port on which a program of the test listens on a node.
PORT = 9100


def policies(cluster: Cluster) -> list[str]:
    """Those of nodes."""
    return sorted(
        name for name in cluster.query(POLICIES, "items[].metadata.name") if name.startswith("host-")
    )


def endpoint(cluster: Cluster, node: str) -> Json:
    """The endpoint that stands for a node, as its agent has it."""
    (pod,) = [
        name
        for name, own in cluster.pods("kube-system", "k8s-app=cilium", "spec.nodeName").items()
        if own == node
    ]
    code, text = cluster.execute(
        "kube-system", pod, ["cilium-dbg", "endpoint", "get", "-l", "reserved:host", "-o", "json"]
    )
    assert code == 0, text
    (found,) = json.loads(text)
    return dict(found)


def enforcement(cluster: Cluster, node: str) -> str:
    """What a node does with its policies: none, ingress, audit-ingress."""
    return str(endpoint(cluster, node)["status"]["policy"]["realized"]["policy-enabled"])


def connects(address: str, port: int) -> bool:
    """Whether the controller, which is outside the cluster, reaches a port."""
    try:
        with socket.create_connection((address, port), timeout=3):
            return True
    except OSError:
        return False


def address_of(cluster: Cluster, node: str) -> str:
    (found,) = cluster.query(f"/api/v1/nodes/{node}", "status.addresses[?type=='InternalIP'].address")
    return str(found)


@pytest.fixture(scope="module")
def addresses(cluster: Cluster, hosts: dict[str, Host]) -> dict[str, str]:
    """Of the hosts, read while the API can be reached."""
    return {name: address_of(cluster, name) for name in hosts}


@pytest.fixture(scope="module")
def enabled(playbook: Playbook, platform: Platform, cluster: Cluster) -> None:
    """Cilium with its host firewall, which site configures; without it, nothing is applied."""
    refused = platform.run(network_host_policy_mode="report").expect(code=2)
    assert "enable-host-firewall is not set" in refused.text and "Run the playbook site" in refused.text
    assert not policies(cluster)
    values = json.dumps({"network_host_policy_mode": "report"})
    playbook.run("-e", values, log="host-firewall.log").expect()
    wait_for("the cluster is healthy again", lambda: platform.run("--check").code == 0, seconds=240)
    platform.values.update({"network_policy_mode": "off", "network_host_policy_confirm_seconds": 90})


def listen(host: Host) -> None:
    """Start what answers at the port, also after a boot."""
    host.check(f"nohup python3 -m http.server {PORT} >/dev/null 2>&1 &")


@pytest.fixture(scope="module", autouse=True)
def listeners(hosts: dict[str, Host], enabled: None) -> Iterator[None]:
    """A program on each node that answers at a port which no policy opens."""
    for host in hosts.values():
        listen(host)
    yield
    for host in hosts.values():
        host.reconnect()
        host.run(f"pkill -f 'http.server {PORT}'")


def test_wrong_opening_changes_nothing(platform: Platform, cluster: Cluster) -> None:
    refused = platform.run(
        network_host_policy_mode="report", network_host_openings=[{"name": "a", "to": {}}]
    ).expect(code=2)
    assert 'network_host_openings, opening a: has the key "to"' in refused.text
    assert not policies(cluster)


def test_report_denies_nothing_and_names_what_would_be(platform: Platform, cluster: Cluster) -> None:
    platform.values["network_host_policy_mode"] = "report"
    assert platform.run("--check").expect().changed == {("cp1", APPLIED)}
    done = platform.run().expect()
    assert done.changed == {("cp1", APPLIED)}
    assert policies(cluster) == ["host-baseline", "host-control-planes", "host-nodes", "host-ssh"]
    address = address_of(cluster, "w1")
    process = platform.playbook.start(
        "-e", json.dumps({**platform.values, "network_report_seconds": 30}), log="host-report.log"
    )
    while process.poll() is None:
        assert connects(address, PORT)
        time.sleep(1)
    text = platform.playbook.text("host-report.log")
    assert process.returncode == 0, text
    assert f"ingress to w1 {PORT}/TCP from" in text
    assert "nodes, would be denied:" in text
    for part in ("6443/TCP", "10250/TCP", "2379/TCP", "2380/TCP", "8472/UDP", "4240/TCP", " 22/TCP"):
        assert part not in text, f"what Kubernetes, Cilium and the controller need is open: {text}"


def test_wrong_controller_is_rolled_back_on_every_host(
    platform: Platform, cluster: Cluster, hosts: dict[str, Host]
) -> None:
    """Ssh and the API are closed for the controller, on hosts with systemd and with OpenRC."""
    assert {host.init for host in hosts.values()} == {"systemd", "openrc"}
    failed = platform.run(
        network_host_policy_mode="enforce", network_host_policy_controllers=[NOWHERE]
    ).expect(code=2)
    assert "Policies of nodes were not confirmed on all hosts, so they are not enforced" in failed.text
    for name, host in hosts.items():
        assert f"- {name}: " in failed.text
        host.reconnect()
        assert host.run("true")[0] == 0, f"{name} can be reached again"
        wait_for(
            f"{name} enforces nothing",
            lambda name=name: enforcement(cluster, name) == "none",  # type: ignore[misc]
            seconds=60,
        )
    # The API was closed, too, until the guard of the control plane had rolled back.
    assert '"event": "rolled back"' in hosts["cp1"].log(GUARD)
    assert not policies(cluster)
    for name, host in hosts.items():
        assert host.run("ls /etc/baremetal-kubernetes/host-policy-guard.json")[0] != 0, f"{name} has no guard"
        options = endpoint(cluster, name)["spec"]["options"]
        assert options["PolicyAuditMode"] == "Disabled", "nothing is left of the roll-back"


def test_interrupted_run_is_rolled_back_by_the_hosts_alone(
    platform: Platform, cluster: Cluster, hosts: dict[str, Host], addresses: dict[str, str]
) -> None:
    values = {
        **platform.values,
        "network_host_policy_mode": "enforce",
        "network_host_policy_controllers": [NOWHERE],
    }
    process = platform.playbook.start("-e", json.dumps(values), log="killed.log", hold_at=CONFIRMED)
    held = platform.playbook.wait_task(process, [CONFIRMED], log="killed.log")
    platform.playbook.kill(process, connections=True)
    assert held == CONFIRMED, platform.playbook.text("killed.log")
    wait_for("ssh is closed", lambda: not connects(addresses["w1"], 22), seconds=60)
    for name, host in hosts.items():
        wait_for(
            f"{name} has rolled back by itself",
            lambda name=name: connects(addresses[name], 22),  # type: ignore[misc]
            seconds=180,
        )
        host.reconnect()
        assert '"event": "rolled back"' in host.log(GUARD), host.init
        assert enforcement(cluster, name) == "audit-ingress"
    assert "host-baseline" in policies(cluster), "nobody has removed the policies"


def test_rolled_back_host_stays_open_when_agent_or_host_restart(
    cluster: Cluster, hosts: dict[str, Host]
) -> None:
    (pod,) = [
        name
        for name, own in cluster.pods("kube-system", "k8s-app=cilium", "spec.nodeName").items()
        if own == "w1"
    ]
    cluster.core.delete_namespaced_pod(pod, "kube-system")
    wait_for(
        "the agent of w1 is another one",
        lambda: pod not in cluster.pods("kube-system", "k8s-app=cilium"),
        seconds=120,
    )
    # Each of them has a guard that its service manager starts when the host boots.
    (booted,) = [name for name, host in hosts.items() if host.init == "openrc"][:1]
    hosts[booted].power_cycle()
    for name in ("w1", booted):
        wait_for(
            f"{name} audits only",
            lambda name=name: audits(cluster, name),  # type: ignore[misc]
            seconds=240,
        )
        # Cilium compiles the host's program for it.
        wait_for(
            f"{name} can be reached",
            lambda name=name: connects(address_of(cluster, name), 22),  # type: ignore[misc]
            seconds=120,
        )
    listen(hosts[booted])


def audits(cluster: Cluster, node: str) -> bool:
    try:
        return enforcement(cluster, node) == "audit-ingress"
    except (AssertionError, ValueError, KeyError):
        return False  # The agent is about to start.


def test_next_run_confirms(platform: Platform, cluster: Cluster, hosts: dict[str, Host]) -> None:
    wait_for("the cluster is healthy again", lambda: platform.run("--check").code == 0, seconds=240)
    done = platform.run(network_host_policy_mode="enforce").expect()
    assert {name for name, task in done.changed if task == CONFIRMED} == set(hosts)
    platform.values["network_host_policy_mode"] = "enforce"
    platform.run().expect_quiet()
    platform.run("--check").expect_quiet()
    for name, host in hosts.items():
        assert enforcement(cluster, name) == "ingress"
        assert not connects(address_of(cluster, name), PORT)
        assert host.run("ls /etc/baremetal-kubernetes/host-policy-guard.json")[0] != 0
        assert connects(address_of(cluster, name), 22)


def test_cluster_works_while_nodes_are_closed(
    platform: Platform, cluster: Cluster, hosts: dict[str, Host]
) -> None:
    """Its own checks, the API for pods, and kubelets for the API server."""
    cluster.reconnect()
    for name in hosts:
        assert cluster.ready(name)
        cluster.core.list_node()
        (pod,) = [
            each
            for each, own in cluster.pods("kube-system", "k8s-app=cilium", "spec.nodeName").items()
            if own == name
        ]
        assert cluster.execute("kube-system", pod, ["true"])[0] == 0, "the API server reaches the kubelet"
    (pod,) = [
        each
        for each, own in cluster.pods("kube-system", "k8s-app=cilium", "spec.nodeName").items()
        if own == "cp1"
    ]
    # Probes of Cilium between nodes: ICMP echo and port 4240 of each.
    wait_for(
        "all nodes reach each other",
        lambda: unreachable(cluster, pod) == [],
        seconds=180,
        evidence=lambda: str(unreachable(cluster, pod)),
    )


def unreachable(cluster: Cluster, pod: str) -> list[str]:
    code, text = cluster.execute("kube-system", pod, ["cilium-health", "status", "--probe", "-o", "json"])
    assert code == 0, text
    found = []
    for node in json.loads(text).get("nodes") or []:
        probes = (node.get("host") or {}).get("primary-address") or {}
        found += [
            f"{node['name']} {kind}" for kind in ("icmp", "http") if (probes.get(kind) or {}).get("status")
        ]
    return found


def test_power_cut_of_a_control_plane_that_is_enforced(cluster: Cluster, hosts: dict[str, Host]) -> None:
    hosts["cp1"].power_cycle()
    cluster.reconnect()
    wait_for(
        "cp1 enforces again, and is Ready",
        lambda: cluster.ready("cp1") and enforcement(cluster, "cp1") == "ingress",
        seconds=300,
    )


def test_opening_of_nodes(platform: Platform, cluster: Cluster, hosts: dict[str, Host]) -> None:
    wait_for("the cluster is healthy again", lambda: platform.run("--check").code == 0, seconds=240)
    listen(hosts["cp1"])
    opening = {"name": "exporter", "from": {"entities": ["outside"]}, "ports": [PORT]}
    platform.change(network_host_openings=[opening])
    assert all(connects(address_of(cluster, name), PORT) for name in hosts)
    platform.change(network_host_openings=[])
    assert not any(connects(address_of(cluster, name), PORT) for name in hosts)


def test_limited_run_is_refused(platform: Platform) -> None:
    opening = {"name": "exporter", "from": {"entities": ["outside"]}, "ports": [PORT]}
    refused = platform.run("--limit", "cp1,w1", network_host_openings=[opening]).expect(code=2)
    assert "no guard would roll them back" in refused.text
    assert not refused.changed


def test_back_to_the_report_and_off(platform: Platform, cluster: Cluster, hosts: dict[str, Host]) -> None:
    assert platform.change(network_host_policy_mode="report").changed == {("cp1", APPLIED)}
    assert all(connects(address_of(cluster, name), PORT) for name in hosts)
    assert platform.change(network_host_policy_mode="off").changed == {("cp1", APPLIED)}
    assert not policies(cluster)


def test_site_takes_the_host_firewall_away(playbook: Playbook, cluster: Cluster) -> None:
    off = replace(playbook, name="baremetal.kubernetes.site")
    off.run(log="no-host-firewall.log").expect()
    config = cluster.query("/api/v1/namespaces/kube-system/configmaps/cilium-config", "data")
    assert config.get("enable-host-firewall", "false") != "true"
