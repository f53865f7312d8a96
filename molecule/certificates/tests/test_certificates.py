# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that end soon, that an interrupted run has renewed, and that have all expired."""

from __future__ import annotations

import datetime

import pytest

from tests.infra import certificates
from tests.infra.certificates import CONTROL_PLANE, KUBELET, PKI, Authorities
from tests.infra.cluster import Cluster
from tests.infra.hosts import Host, run_lab
from tests.infra.playbook import Playbook
from tests.infra.waiting import wait_for

RENEW = "baremetal.kubernetes.renew_certificates : Control plane | Renew the certificates"
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
SCHEDULER_CONF = "/etc/kubernetes/scheduler.conf"


@pytest.fixture(scope="module")
def renewal(playbook: Playbook) -> Playbook:
    return Playbook(playbook.inventory, playbook.directory, "baremetal.kubernetes.renew_certificates")


@pytest.fixture(scope="module")
def plane(hosts: dict[str, Host]) -> Host:
    return next(host for host in hosts.values() if host.control_plane)


def processes(host: Host) -> dict[str, str]:
    """Process of each component."""
    command = (
        'for p in /proc/[0-9]*; do n=$(tr "\\0" "\\n" < "$p/cmdline" 2>/dev/null | head -n 1);'
        ' case "$n" in etcd|kube-*) echo "${n##*/} ${p#/proc/}";; esac; done; true'
    )
    found = dict(line.split() for line in host.check(command).splitlines())
    return {name: found[name] for name in COMPONENTS}


def days_left(host: Host, path: str) -> int:
    return (certificates.end_of(host, path) - certificates.now()).days


def test_nothing_is_due_in_a_new_cluster(renewal: Playbook) -> None:
    run = renewal.run().expect_quiet()
    assert "renewed by kubeadm" in run.text and "renewed by kubelet" in run.text


def test_what_ends_soon_is_renewed_and_read(renewal: Playbook, plane: Host) -> None:
    soon = certificates.now() + datetime.timedelta(days=5)
    authorities = Authorities(plane)
    renewed = (f"{PKI}/apiserver.crt", f"{PKI}/etcd/server.crt", "/etc/kubernetes/controller-manager.conf")
    for path in renewed:
        authorities.set_end(plane, path, CONTROL_PLANE[path], soon)
    before = processes(plane)
    predicted = renewal.run("--check", "--diff").expect()
    assert (plane.name, RENEW) in predicted.changed and "restart kube-controller-manager" in predicted.text
    assert processes(plane) == before and days_left(plane, renewed[0]) == 4
    assert (plane.name, RENEW) in renewal.run().expect().changed
    assert all(days_left(plane, path) > 360 for path in renewed)
    after = processes(plane)
    # The API server and etcd have read theirs without a restart; nothing else was due.
    assert {name for name in COMPONENTS if after[name] != before[name]} == {"kube-controller-manager"}
    renewal.run().expect_quiet()


def test_interrupted_run_is_completed(renewal: Playbook, plane: Host) -> None:
    """A file that is newer than its reader is what a run leaves that was killed before the restart."""
    plane.check(f"cp -p {SCHEDULER_CONF} /tmp/s && cat /tmp/s > {SCHEDULER_CONF} && rm /tmp/s")
    before = processes(plane)
    renewal.run().expect()
    after = processes(plane)
    assert {name for name in COMPONENTS if after[name] != before[name]} == {"kube-scheduler"}


def test_everything_has_expired(
    renewal: Playbook, playbook: Playbook, plane: Host, hosts: dict[str, Host], cluster: Cluster
) -> None:
    """All hosts were off for too long: no kubelet starts, and nobody answers."""
    ended = certificates.now() - datetime.timedelta(days=3)
    authorities = Authorities(plane)
    for host in hosts.values():
        for path, issuer in {**(CONTROL_PLANE if host.control_plane else {}), **KUBELET}.items():
            authorities.set_end(host, path, issuer, ended)
    for verb in ("stop", "start"):
        for name in hosts:
            run_lab(verb, name)
    for host in hosts.values():
        host.reconnect()
        wait_for(f"{host.name} answers", lambda host=host: host.run("true")[0] == 0, seconds=60)  # type: ignore[misc]
    wait_for("the kubelet ends", lambda: "bootstrap kubeconfig" in plane.log("kubelet"), seconds=60)
    run = renewal.run().expect()
    assert (plane.name, "baremetal.kubernetes.renew_certificates : Expired | Renew files") in run.changed
    for host in hosts.values():
        expected = {**(CONTROL_PLANE if host.control_plane else {}), **KUBELET}
        assert [path for path in expected if days_left(host, path) < 1] == []
        wait_for(f"{host.name} is ready", lambda host=host: cluster.ready(host.name), seconds=60)  # type: ignore[misc]
    renewal.run().expect_quiet()
    playbook.run().expect_quiet()
