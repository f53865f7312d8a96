# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many kinds of drift at once, on both init systems: one run repairs and reports each."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.infra.cluster import Cluster
from tests.infra.hosts import Host
from tests.infra.playbook import Playbook, Run
from tests.infra.waiting import wait_for

RUNTIME = "baremetal.kubernetes.container_runtime : Install containerd, runc, the CNI plugins and crictl"
KUBELET = "baremetal.kubernetes.kubelet : Install kubelet, kubeadm and kubectl"
KUBELET_RUNS = "baremetal.kubernetes.kubelet : Enable the kubelet, and run it on a member of the cluster"
CONTAINERD_RUNS = "baremetal.kubernetes.container_runtime : Run containerd"
KERNEL = "baremetal.kubernetes.host : Load kernel modules and set kernel parameters"
MEMBER = "baremetal.kubernetes.control_plane : Init | Run kubeadm init"
MANIFEST = "/etc/kubernetes/manifests/kube-scheduler.yaml"


@dataclass(frozen=True)
class Fault:
    """A manual change on a host.

    :param host: where. :param breaks: shell command that does it.
    :param repaired: shell command that succeeds when it is repaired.
    :param task: task that must report the repair.
    """

    host: str
    breaks: str
    repaired: str
    task: str


FAULTS = {
    "stopped kubelet, systemd": Fault(
        "w1", "systemctl stop kubelet", "systemctl is-active kubelet", KUBELET_RUNS
    ),
    "disabled containerd, systemd": Fault(
        "w1", "systemctl disable -q containerd", "systemctl is-enabled containerd", CONTAINERD_RUNS
    ),
    "deleted unit of containerd": Fault(
        "w1",
        "rm /etc/systemd/system/containerd.service",
        "grep -q ^ExecStart /etc/systemd/system/containerd.service",
        RUNTIME,
    ),
    "edited unit of the kubelet": Fault(
        "cp1",
        "sed -i s/^RestartSec=.*/RestartSec=99/ /etc/systemd/system/kubelet.service",
        "systemctl show kubelet --property=RestartUSec --property=NeedDaemonReload"
        " | tr '\\n' ' ' | grep -q 'RestartUSec=2s NeedDaemonReload=no'",
        KUBELET,
    ),
    "stopped kubelet, openrc": Fault(
        "w2", "rc-service kubelet stop", "rc-service kubelet status", KUBELET_RUNS
    ),
    "disabled kubelet, openrc": Fault(
        "w2", "rc-update del kubelet default", "rc-update show default | grep -qw kubelet", KUBELET_RUNS
    ),
    "deleted init script of the kubelet": Fault(
        "w2", "rm /etc/init.d/kubelet", "test -x /etc/init.d/kubelet", KUBELET
    ),
    "removed CNI plugin": Fault("w1", "rm /opt/cni/bin/loopback", "test -x /opt/cni/bin/loopback", RUNTIME),
    "changed program": Fault(
        "w2",
        "echo tampered >> /usr/local/bin/crictl",
        "! tail -c 9 /usr/local/bin/crictl | grep -q tampered",
        RUNTIME,
    ),
    "wrong mode of the kubelet's directory": Fault(
        "w1", "chmod 0777 /var/lib/kubelet", "test $(stat -c %a /var/lib/kubelet) = 700", KUBELET
    ),
    "wrong owner of the kubelet's configuration": Fault(
        "cp1",
        "chown 1000:1000 /etc/kubernetes/kubelet.conf.d/50-host.conf",
        "test $(stat -c %u:%g /etc/kubernetes/kubelet.conf.d/50-host.conf) = 0:0",
        KUBELET,
    ),
    "edited configuration of containerd": Fault(
        "w2",
        "echo '[debug]\\nlevel = \"trace\"' >> /etc/containerd/config.toml",
        "! grep -q trace /etc/containerd/config.toml",
        RUNTIME,
    ),
    "lost sysctl": Fault(
        "w2",
        "echo 0 > /proc/sys/net/ipv4/ip_forward",
        "test $(cat /proc/sys/net/ipv4/ip_forward) = 1",
        KERNEL,
    ),
    "deleted sysctl file": Fault(
        "w1",
        "rm /etc/sysctl.d/baremetal-kubernetes.conf",
        "grep -q ip_forward /etc/sysctl.d/baremetal-kubernetes.conf",
        KERNEL,
    ),
    "wrong mode of etcd's data": Fault(
        "cp1",
        "chmod 0755 /var/lib/etcd",
        "test $(stat -c %a /var/lib/etcd) = 700",
        KUBELET,
    ),
    "edited static-pod manifest": Fault(
        "cp1",
        f"sed -i 's/--leader-elect=true/--leader-elect=false/' {MANIFEST}",
        f"grep -q leader-elect=true {MANIFEST}",
        MEMBER,
    ),
}


@pytest.fixture(scope="module")
def repair(playbook: Playbook, hosts: dict[str, Host]) -> Run:
    """The run after all faults."""
    for fault in FAULTS.values():
        hosts[fault.host].check(fault.breaks)
    ineffective = [name for name, fault in FAULTS.items() if hosts[fault.host].run(fault.repaired)[0] == 0]
    assert not ineffective, f"these faults change nothing: {ineffective}"
    return playbook.run("--diff").expect()


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_repaired_and_reported(name: str, repair: Run, hosts: dict[str, Host]) -> None:
    fault = FAULTS[name]
    hosts[fault.host].check(fault.repaired)
    assert (fault.host, fault.task) in repair.changed


@pytest.mark.usefixtures("repair")
def test_next_run_changes_nothing_and_all_nodes_are_ready(
    playbook: Playbook, cluster: Cluster, hosts: dict[str, Host]
) -> None:
    playbook.run().expect_quiet()
    for name in hosts:
        wait_for(f"{name} is ready", lambda name=name: cluster.ready(name), seconds=60)  # type: ignore[misc]
