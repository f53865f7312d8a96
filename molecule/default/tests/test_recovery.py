# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed daemons and hosts that lose power recover by themselves. Disruptive, so it runs late."""

from __future__ import annotations

import pytest

from tests.infra.cluster import Probes, now, running_and_ready
from tests.infra.hosts import Host
from tests.infra.waiting import wait_for

#: Seconds in which a killed daemon, and a node after power loss, must have recovered.
DAEMON_BACK = 60
NODE_BACK = 180

#: JMESPath: what changes when the container of a pod starts again.
CONTAINER = "[metadata.uid, status.containerStatuses[0].[restartCount, containerID]]"
INITS = ("systemd", "openrc")
DAEMONS = {"containerd": "/usr/local/bin/containerd", "kubelet": "/usr/local/bin/kubelet"}


def _wait_alive(host: Host, probes: Probes, moment: object, seconds: float) -> None:
    cluster = probes.cluster
    wait_for(
        f"node {host.name} is ready again",
        lambda: cluster.alive_since(host.name, moment) and cluster.ready(host.name),  # type: ignore[arg-type]
        seconds=seconds,
        evidence=host.logs,
    )


@pytest.mark.parametrize("daemon", DAEMONS)
@pytest.mark.parametrize("init", INITS)
def test_killed_daemon_is_restarted(
    init: str, daemon: str, workers: dict[str, Host], running: Probes
) -> None:
    host, program = workers[init], DAEMONS[daemon]
    before = running.query(host.name, CONTAINER)
    old = host.pids(program)
    assert len(old) == 1, f"{host.name}: expected one process of {program}, found {old}"
    killed = now()
    host.check(f"kill -KILL {old[0]}")
    wait_for(
        f"{daemon} runs again on {host.name}",
        lambda: len(host.pids(program)) == 1 and host.pids(program) != old,
        seconds=DAEMON_BACK,
        evidence=lambda: host.log(daemon),
    )
    _wait_alive(host, running, killed, DAEMON_BACK)
    assert running.query(host.name, CONTAINER) == before
    for source in (name for name in running.nodes if name != host.name):
        running.wait_connects(source, running.address(host.name))


@pytest.mark.parametrize("init", INITS)
def test_node_recovers_from_power_loss(init: str, workers: dict[str, Host], running: Probes) -> None:
    host = workers[init]
    uid, restarts = running.query(host.name, "[metadata.uid, status.containerStatuses[0].restartCount]")
    host.power_cycle()
    booted = now()
    _wait_alive(host, running, booted, NODE_BACK)

    def back() -> bool:
        pod = running.get(host.name)
        return running_and_ready(pod) and bool(
            pod["status"]["containerStatuses"][0]["restartCount"] > restarts
        )

    wait_for(f"the pod on {host.name} runs again", back, seconds=NODE_BACK, evidence=host.logs)
    assert running.query(host.name, "metadata.uid") == uid
    for other in (name for name in running.nodes if name != host.name):
        running.wait_connects(other, running.address(host.name), seconds=60)
        running.wait_connects(host.name, running.address(other), seconds=60)
    running.wait_connects(host.name, "kubernetes.default:443", seconds=60)
