# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that have to boot again do so in turn, and no others. Each test needs those before it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.infra.cluster import Cluster
from tests.infra.hosts import Host, run_lab
from tests.infra.playbook import Run
from tests.infra.service import Service
from tests.infra.waiting import wait_for

Start = Callable[..., Run]
Hosts = dict[str, Host]


@pytest.fixture(scope="module")
def boots(hosts: Hosts) -> Callable[[], dict[str, str]]:
    """The boot of each host."""

    def read() -> dict[str, str]:
        found = {}
        for name, host in hosts.items():
            host.reconnect()
            found[name] = host.check("cat /proc/sys/kernel/random/boot_id").strip()
        return found

    return read


def ask(host: Host) -> None:
    """Ask for a reboot as Debian's packages do."""
    host.reconnect()
    host.check("touch /run/reboot-required; echo linux-image-amd64 > /run/reboot-required.pkgs")


def cordoned(cluster: Cluster) -> set[str]:
    return {name for name, value in cluster.nodes("spec.unschedulable").items() if value}


def reported(cluster: Cluster) -> dict[str, str]:
    """The boot of each host, as its kubelet has reported it."""
    return cluster.nodes("status.nodeInfo.bootID")


def test_nothing_to_do(run: Start, boots: Callable[[], dict[str, str]], cluster: Cluster) -> None:
    before = boots()
    assert len(set(before.values())) == len(before)
    assert reported(cluster) == before
    text = run("reboot_nodes").expect_quiet().text
    assert "w1: needs no reboot" in text
    assert boots() == before


def test_check_mode_says_which_hosts_and_why(
    run: Start, hosts: Hosts, boots: Callable[[], dict[str, str]], cluster: Cluster, service: Service
) -> None:
    before = boots()
    ask(hosts["w2"])
    predicted = run("reboot_nodes", "--check", "--diff").expect()
    assert "w2: reboots (/run/reboot-required asks for it (linux-image-amd64)), drained" in predicted.text
    assert "cp1: needs no reboot" in predicted.text
    assert {host for host, _task in predicted.changed} == {"w2"}
    assert boots() == before
    assert not cordoned(cluster)
    assert service.ready() == service.REPLICAS


def test_only_the_host_that_needs_it_reboots(
    run: Start, boots: Callable[[], dict[str, str]], cluster: Cluster, service: Service
) -> None:
    before = boots()
    done = run("reboot_nodes").expect()
    after = boots()
    assert {name for name in after if after[name] != before[name]} == {"w2"}
    assert {host for host, _task in done.changed} == {"w2"}
    assert reported(cluster) == after
    assert not cordoned(cluster)
    wait_for("both replicas are ready", lambda: service.ready() == service.REPLICAS, seconds=60)
    run("reboot_nodes").expect_quiet()
    assert boots() == after


def test_control_plane_and_cordoned_worker(
    run: Start, hosts: Hosts, boots: Callable[[], dict[str, str]], cluster: Cluster
) -> None:
    before = boots()
    ask(hosts["cp1"])
    cluster.core.patch_node("w1", {"spec": {"unschedulable": True}})
    done = run("reboot_nodes", "--limit", "cp1,w1", "-e", "reboot_nodes_force=true").expect()
    after = boots()
    assert {name for name in after if after[name] != before[name]} == {"cp1", "w1"}
    assert "w1: reboots (reboot_nodes_force), drained, stays cordoned, as it was before" in done.text
    assert reported(cluster) == after
    assert cordoned(cluster) == {"w1"}
    run("reboot_nodes").expect_quiet()
    assert cordoned(cluster) == {"w1"}
    cluster.core.patch_node("w1", {"spec": {"unschedulable": None}})


def test_host_that_does_not_return_stops_the_run(
    run: Start, hosts: Hosts, boots: Callable[[], dict[str, str]], cluster: Cluster, service: Service
) -> None:
    before = boots()
    ask(hosts["w1"])
    ask(hosts["w2"])
    off = ("-e", "reboot_nodes_timeout=15", "-e", "reboot_nodes_command=/sbin/poweroff")
    failed = run("reboot_nodes", *off).expect(code=2)
    text = " ".join(failed.text.split())
    assert (
        "w1: its reboot was begun, and it did not answer by ssh with the id of another boot within 15 s"
        in text
    )
    assert "no other host is rebooted. When that is remedied, run the same again" in text
    assert cordoned(cluster) == {"w1"}
    assert hosts["w2"].check("cat /proc/sys/kernel/random/boot_id").strip() == before["w2"]
    wait_for("both replicas are ready elsewhere", lambda: service.ready() == service.REPLICAS, seconds=60)
    run_lab("start", "w1")
    wait_for("w1 is Ready", lambda: cluster.ready("w1"), seconds=120)


def test_next_run_completes_it_and_goes_on(
    run: Start, boots: Callable[[], dict[str, str]], cluster: Cluster
) -> None:
    before = boots()
    done = run("reboot_nodes").expect()
    assert "w1: needs no reboot any more, and is returned to service" in done.text
    after = boots()
    assert {name for name in after if after[name] != before[name]} == {"w2"}
    assert not cordoned(cluster)
    run("reboot_nodes").expect_quiet()
