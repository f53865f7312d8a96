# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual IP address in front of three control planes. Each test needs those before it."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.infra import age
from tests.infra.cluster import Cluster, Probes, running_and_ready
from tests.infra.endpoint import SERVICE, server_of
from tests.infra.hosts import Host, run_lab
from tests.infra.outage import measured
from tests.infra.playbook import Playbook, Run
from tests.infra.waiting import wait_for

CONFIG = "/etc/baremetal-kubernetes/api-endpoint.conf"
BACKUP = "kubernetes-etcd-backup"
#: Prints the processes of its program, but not their supervisor; fails when there is none.
PROGRAM = (
    "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo ${p#/proc/}; done 2>/dev/null"
    f" | sed -n 's|^[^ ]*python[^ ]* -ISB /[^ ]*/{BACKUP} .* ||p' | grep ."
)
RUN_KEEPALIVED = "baremetal.kubernetes.api_endpoint : Deploy | Run keepalived"
#: Seconds that the API may be away: when the host with the address loses power, and when that host comes back.
MOVE, RETURN = 15.0, 1.0
#: The same, when a playbook restarts the API server of that host. Without a handover it was 5 to 7.
RESTART = 3.0
#: Seconds for which the API is watched around an event.
WATCH = 30.0

Site = Callable[..., Run]


def _evidence(planes: dict[str, Host]) -> str:
    return "\n".join(host.log(SERVICE) for host in planes.values())


def test_one_run_creates_the_cluster(site: Site) -> None:
    site(log="create.log").expect()


def test_second_run_changes_nothing(site: Site) -> None:
    site(log="again.log").expect_quiet()


def test_one_host_has_the_address_and_everything_uses_it(
    planes: dict[str, Host],
    hosts: dict[str, Host],
    holder: Callable[[], list[str]],
    cluster: Cluster,
    address: str,
) -> None:
    assert len(holder()) == 1, _evidence(planes)
    assert server_of(cluster)["server"] == f"https://{address}:6443"
    # The kubelet of a control plane talks to the API server beside it (kubeadm's ControlPlaneKubeletLocalMode).
    for host in (host for host in hosts.values() if not host.control_plane):
        assert (
            host.check("grep -o 'server: .*' /etc/kubernetes/kubelet.conf").strip()
            == f"server: https://{address}:6443"
        )


def test_power_loss_of_the_holder_moves_the_address(
    planes: dict[str, Host],
    holder: Callable[[], list[str]],
    running: Probes,
    address: str,
    ca: str,
    record_property: Callable[[str, object], None],
) -> None:
    (lost,) = holder()
    others = [node for node in running.nodes if node != lost]
    before = {node: running.query(node, "status.containerStatuses[0].restartCount") for node in others}

    with measured(address, ca) as seen:
        time.sleep(3)
        run_lab("stop", lost)
        time.sleep(WATCH)
    record_property("outage by power loss, seconds", round(seen.longest, 2))
    print(f"power loss of {lost}: {seen.longest:.2f} s, {seen.failed} of {seen.requests} requests failed")
    assert 0 < seen.longest <= MOVE, _evidence(planes)

    after = {node: running.query(node, "status.containerStatuses[0].restartCount") for node in others}
    assert after == before
    assert all(running_and_ready(running.get(node)) for node in others)

    with measured(address, ca) as seen:
        time.sleep(3)
        run_lab("start", lost)
        wait_for(f"{lost} is ready", lambda: running.cluster.ready(lost), seconds=180)
        time.sleep(WATCH / 2)
    record_property("outage by the return, seconds", round(seen.longest, 2))
    print(f"return of {lost}: {seen.longest:.2f} s, {seen.failed} of {seen.requests} requests failed")
    # One request that is late on a busy machine is no outage.
    assert seen.failed == 0 or seen.longest <= RETURN, _evidence(planes)
    assert holder() != [lost], "the address must not move back by itself"


def test_dead_api_server_gives_the_address_away(
    planes: dict[str, Host], holder: Callable[[], list[str]], address: str, ca: str
) -> None:
    (sick,) = holder()
    # Without its manifest it stays away.
    planes[sick].check("mv /etc/kubernetes/manifests/kube-apiserver.yaml /etc/kubernetes/kube-apiserver.away")
    try:
        wait_for("another host has the address", lambda: holder() not in ([], [sick]), seconds=60)
    finally:
        planes[sick].check(
            "mv /etc/kubernetes/kube-apiserver.away /etc/kubernetes/manifests/kube-apiserver.yaml"
        )
    with measured(address, ca) as seen:
        time.sleep(5)
    assert seen.requests > seen.failed, _evidence(planes)


def test_killed_keepalived_is_started_again(planes: dict[str, Host], holder: Callable[[], list[str]]) -> None:
    for host in {host.init: host for host in planes.values()}.values():
        before = host.pids("/usr/sbin/keepalived")
        assert before, host.log(SERVICE)
        host.check(f"kill -9 {' '.join(map(str, before))}")
        wait_for(
            f"keepalived runs on {host.name}",
            lambda host=host, before=before: set(host.pids("/usr/sbin/keepalived")) - set(before),  # type: ignore[misc]
            seconds=30,
            evidence=lambda host=host: host.log(SERVICE),  # type: ignore[misc]
        )
    wait_for(
        "one host has the address", lambda: len(holder()) == 1, seconds=30, evidence=lambda: _evidence(planes)
    )


def test_changed_configuration_is_repaired_by_a_reload(planes: dict[str, Host], site: Site) -> None:
    before = {}
    for name, host in planes.items():
        host.check(f"sed -i 's/^\tpriority .*/\tpriority 99/' {CONFIG}")
        before[name] = min(host.pids("/usr/sbin/keepalived"))
    run = site(log="repair.log").expect()
    assert {(name, RUN_KEEPALIVED) for name in planes} <= run.changed
    for name, host in planes.items():
        assert "priority 100" in host.check(f"cat {CONFIG}")
        assert min(host.pids("/usr/sbin/keepalived")) == before[name], (
            "a reload keeps the process, and the address"
        )
    site(log="repaired.log").expect_quiet()


def test_restart_for_new_certificates_gives_the_address_away_before(
    planes: dict[str, Host],
    playbook: Playbook,
    endpoint: tuple[str, ...],
    address: str,
    ca: str,
    record_property: Callable[[str, object], None],
) -> None:
    """Each API server restarts, that of the holder included."""
    renew = replace(playbook, name="baremetal.kubernetes.renew_certificates")
    with measured(address, ca) as seen:
        time.sleep(1)
        renew.run(*endpoint, "-e", "renew_certificates_all=true", log="renew.log").expect()
    record_property("outage by restarts of all API servers, seconds", round(seen.longest, 2))
    print(f"restarts: {seen.longest:.2f} s, {seen.failed} of {seen.requests} requests failed")
    assert seen.longest <= RESTART, _evidence(planes)
    for host in planes.values():
        assert host.run("ls /run/kubernetes-api-endpoint/handed-over")[0] != 0


def test_scheduled_backups_on_both_init_systems(
    planes: dict[str, Host], playbook: Playbook, endpoint: tuple[str, ...], tmp_path: Path
) -> None:
    identity = tmp_path / "backup.key"
    options = {"etcd_backup_recipients": [age.recipient(identity)], "etcd_backup_packages_managed": False}
    scheduled = ("-e", json.dumps({**options, "etcd_backup_interval": 6}))
    harden = replace(playbook, name="baremetal.kubernetes.harden")
    one_of_each = {host.init: host for host in planes.values()}.values()
    for host in planes.values():
        age.install(host)
    harden.run(*endpoint, *scheduled, log="schedule.log").expect()
    find = "find /var/backups/kubernetes -name '*.age' -not -name '.*'"
    for host in one_of_each:
        path = wait_for(
            f"the first backup of {host.name}",
            lambda host=host: host.check(find).split(),  # type: ignore[misc]
            seconds=90,
            evidence=lambda host=host: host.log(BACKUP),  # type: ignore[misc]
        )[0]
        made = base64.b64decode(host.check(f"base64 -w0 {path}"))
        assert {"manifest.json", "etcd/snapshot.db"} <= age.listed(made, identity)
    # Their supervisors start them again, after 30 s.
    for host in one_of_each:
        before = host.check(PROGRAM).split()
        host.check(f"kill -9 {' '.join(before)}")
        wait_for(
            f"the backups of {host.name} are scheduled again",
            lambda host=host, before=before: set(host.run(PROGRAM)[1].split()) - set(before),  # type: ignore[misc]
            seconds=90,
            evidence=lambda host=host: host.log(BACKUP),  # type: ignore[misc]
        )
    harden.run(*endpoint, *scheduled, log="scheduled.log").expect_quiet()
    harden.run(*endpoint, log="unscheduled.log").expect()
    for host in planes.values():
        assert host.run(PROGRAM)[0] != 0
        assert len(host.check(find).split()) == 1, "archives stay, and none was made before its time"


def test_provider_that_does_not_fit_is_refused_before_any_change(site: Site) -> None:
    run = site("-e", "api_endpoint_provider=none", log="refused.log")
    assert run.code != 0
    assert "api_endpoint_provider is none and cluster_endpoint is" in run.text, run.text[-3000:]
    assert not run.changed


def test_another_provider_removes_keepalived(planes: dict[str, Host], site: Site, address: str) -> None:
    # The address stands in for a load balancer that the site has put in place meanwhile.
    host = planes["cp3"]
    run = site("-e", "api_endpoint_provider=external", "--check", log="external.log").expect()
    assert ("cp3", "baremetal.kubernetes.api_endpoint : Remove | Stop keepalived") in run.changed
    assert host.pids("/usr/sbin/keepalived"), "check mode changes nothing"
