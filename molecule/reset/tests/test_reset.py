# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reset: needs confirmation; one host, the whole cluster with dead daemons and a killed controller; a new cluster."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.infra.cluster import Cluster
from tests.infra.hosts import REPO, Host
from tests.infra.playbook import QUIET, Counts, Playbook
from tests.infra.waiting import wait_for

FOREIGN = REPO / "molecule" / "reset" / "foreign.sh"
ALLOW_LIST = "baremetal.kubernetes.kubelet_csr_approver : Deploy | Place program, allow-list and service"
NODE = "baremetal.kubernetes.reset : Host | Remove what the collection created"

#: The site's own state as text, which must be the same before and after, except for Kubernetes' part of it.
STATE = r"""
for tool in iptables-legacy iptables-nft ip6tables-legacy ip6tables-nft; do
  echo "# $tool"
  command -v $tool-save >/dev/null && $tool-save | grep '^[:-]' | sed 's/ \[.*//' | grep -Ev '^:[A-Z]+ ACCEPT'
done
nft list table inet site_own
ip rule show | grep -E '^(0|500|32766|32767):'
ip route show table 2500
for link in /sys/class/net/*; do echo "${link##*/}"; done
cat /etc/sysctl.d/90-site.conf /etc/site.conf /usr/local/bin/site-tool /opt/cni/bin/site-plugin
cat /etc/cni/net.d/87-site.conflist* /var/lib/cni/results/site-1-eth0
for pid in /proc/[0-9]*; do [ "$(readlink $pid/exe)" = /opt/kubelet ] && echo "${pid#/proc/}"; done
grep -v baremetal /etc/fstab | grep -v by-label/swap
ls -d /etc/systemd/system/multi-user.target.wants/site.service /etc/runlevels/default/site 2>/dev/null
true
"""
OURS = ("CILIUM_", "KUBE-", "cilium_", "lxc_health")

#: Shell patterns that must match nothing afterwards.
GONE = (
    "/etc/kubernetes",
    "/etc/containerd",
    "/etc/baremetal-kubernetes",
    "/etc/crictl.yaml",
    "/etc/cni/net.d/*cilium*",
    "/etc/sysctl.d/*baremetal* /etc/sysctl.d/*cilium* /etc/modules-load.d/*baremetal*",
    "/etc/systemd/system/kubelet* /etc/systemd/system/containerd* /etc/systemd/system/*/kubelet* /etc/init.d/kubelet",
    "/etc/init.d/containerd /etc/runlevels/*/kubelet /etc/runlevels/*/containerd /run/openrc/started/kubelet",
    "/usr/local/bin/kube* /usr/local/bin/c[rto]* /usr/local/sbin/runc /usr/local/*/.bmk*",
    "/opt/cni/bin/bridge /opt/cni/bin/cilium-cni /opt/containerd",
    "/var/lib/kubelet/* /var/lib/containerd/io* /var/lib/etcd/member /var/lib/baremetal-kubernetes",
    "/var/log/pods /var/log/containers /var/log/kubelet.log /var/log/containerd.log",
    "/run/containerd /run/cilium /run/nri /run/netns/* /run/bmk* /run/baremetal*",
    "/sys/fs/bpf/cilium /sys/fs/bpf/tc /sys/fs/cgroup/*/kubepods* /sys/class/net/cilium* /sys/class/net/lxc_*",
)


def approver_nodes(host: Host) -> dict[str, Any]:
    """Nodes that the kubelet CSR approver on a control plane knows."""
    found = json.loads(host.check("cat /etc/baremetal-kubernetes/kubelet-csr-approver.json"))
    return dict(found["nodes"])


def state(host: Host) -> list[str]:
    """The state of a host without Kubernetes' part."""
    lines = host.check(STATE).splitlines()
    # Packet filter rules and interfaces of pods belong to the cluster.
    return [line for line in lines if not any(word in line for word in OURS) and not is_pod_link(line)]


def is_pod_link(line: str) -> bool:
    return line.startswith("lxc") and len(line) == 15


def left(host: Host) -> str:
    """What is left of Kubernetes on a host."""
    found = host.run(f"ls -d {' '.join(GONE)} 2>/dev/null")[1]
    found += host.run(
        "cat /proc/self/mountinfo | grep -E ' /(run/containerd|run/netns|run/cilium|var/lib/kubelet/)'"
    )[1]
    found += host.run("iptables-save | grep -E 'CILIUM|:KUBE'; ip6tables-save | grep -E 'CILIUM|:KUBE'")[1]
    for program in ("kubelet", "containerd", "containerd-shim-runc-v2"):
        found += "".join(f"{program} {pid}\n" for pid in host.pids(f"/usr/local/bin/{program}"))
    return found


@pytest.fixture(scope="module")
def reset(inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> Playbook:
    return Playbook(inventory, tmp_path_factory.mktemp("reset"), name="baremetal.kubernetes.reset")


@pytest.fixture(scope="module")
def before(hosts: dict[str, Host]) -> dict[str, list[str]]:
    """Put software and configuration of a site on every host; returns the state of each."""
    script = FOREIGN.read_text(encoding="utf-8")
    for host in hosts.values():
        host.check(f"sh -s <<'END'\n{script}\nEND")
    # Cilium renames CNI configuration that is not its own sooner or later.
    return {name: [line.replace(".cilium_bak", "") for line in state(host)] for name, host in hosts.items()}


def confirm(name: str) -> tuple[str, ...]:
    return ("-e", f"reset_confirm={name}")


def wait_ready(cluster: Cluster, names: set[str]) -> None:
    wait_for(
        f"{', '.join(sorted(names))} are ready",
        lambda: set(cluster.nodes()) == names and all(cluster.ready(name) for name in names),
        seconds=180,
    )


@pytest.mark.usefixtures("before")
@pytest.mark.parametrize("given", ["", "w1", "kubernete"])
def test_wrong_confirmation_changes_nothing(
    given: str, reset: Playbook, hosts: dict[str, Host], cluster: Cluster, variables: dict[str, Any]
) -> None:
    run = reset.run(*confirm(given)).expect(code=2)
    assert f'expected "{variables["cluster_name"]}"' in run.text.replace('\\"', '"')
    assert "w2: service kubelet, containerd" in run.text
    assert run.changed == set()
    assert all(host.pids("/usr/local/bin/kubelet") for host in hosts.values())
    assert set(cluster.nodes()) == set(hosts)


@pytest.mark.usefixtures("before")
def test_check_mode_needs_no_confirmation_and_lists_everything(
    reset: Playbook, hosts: dict[str, Host], cluster: Cluster
) -> None:
    run = reset.run("--check", "--diff").expect()
    assert {(name, NODE) for name in hosts} <= run.changed
    for text in ("-directory /etc/kubernetes", "-interface cilium_host", "-program /usr/local/bin/kubelet"):
        assert text in run.text
    assert all(host.pids("/usr/local/bin/kubelet") for host in hosts.values())
    wait_ready(cluster, set(hosts))


def test_one_host_is_reset_and_joins_again(
    reset: Playbook,
    playbook: Playbook,
    hosts: dict[str, Host],
    cluster: Cluster,
    before: dict[str, list[str]],
) -> None:
    run = reset.run("--limit", "w1", *confirm("w1")).expect()
    assert set(run.recap) == {"w1"}
    assert not left(hosts["w1"])
    assert state(hosts["w1"]) == before["w1"]
    assert set(cluster.nodes()) == set(hosts) - {"w1"}
    assert "w1" not in approver_nodes(hosts["cp1"]), (
        "it would get certificates with credentials that somebody kept"
    )
    reset.run("--limit", "w1", *confirm("w1")).expect_quiet()
    run = playbook.run().expect()
    # The approver learns of the node that joins, and no other host changes.
    assert {task for host, task in run.changed if host not in ("w1", "localhost")} == {ALLOW_LIST}
    assert run.recap["cp1"] == Counts(changed=1) and run.recap["w2"] == QUIET
    assert "w1" in approver_nodes(hosts["cp1"])
    wait_ready(cluster, set(hosts))


def test_whole_cluster_with_dead_daemons_and_killed_controller(
    reset: Playbook,
    hosts: dict[str, Host],
    cluster: Cluster,
    before: dict[str, list[str]],
    variables: dict[str, Any],
) -> None:
    hosts["w2"].check("rc-service kubelet stop && rm /etc/init.d/kubelet /usr/local/bin/kubelet")
    hosts["w1"].check("systemctl kill --kill-whom=main -s KILL containerd; systemctl stop containerd")
    hosts["cp1"].check("mv /etc/kubernetes/manifests/kube-apiserver.yaml /root/")
    wait_for(
        "the API server is dead", lambda: not hosts["cp1"].pids("/usr/local/bin/kube-apiserver"), seconds=60
    )
    answer = confirm(variables["cluster_name"])
    process = reset.start(*answer, log="killed.log")
    assert reset.wait_task(process, {NODE}, log="killed.log"), reset.text("killed.log")[-3000:]
    time.sleep(2)
    reset.kill(process, connections=True)
    reset.run(*answer, log="whole.log").expect()
    hosts["cp1"].check("rm /root/kube-apiserver.yaml")
    assert {name: text for name, host in hosts.items() if (text := left(host))} == {}
    assert {name: state(host) for name, host in hosts.items()} == before
    assert not cluster.kubeconfig.exists()
    for host in hosts.values():
        assert "/dev/disk/by-label/swap none swap sw 0 0" in host.check("cat /etc/fstab").splitlines()


def test_second_reset_changes_nothing(reset: Playbook, variables: dict[str, Any]) -> None:
    run = reset.run(*confirm(variables["cluster_name"])).expect_quiet()
    assert run.text.count('"removed": "nothing"') == len(run.recap)


def test_new_cluster_on_the_same_hosts(
    playbook: Playbook, hosts: dict[str, Host], inventory: Path, variables: dict[str, Any]
) -> None:
    # The restored swap entry names a device that does not exist.
    for host in hosts.values():
        host.check("sed -i '/by-label/d' /etc/fstab")
    # As on a file system of its own, which kubeadm alone refuses.
    hosts["cp1"].check("mkdir -m 0700 -p /var/lib/etcd/lost+found")
    playbook.run().expect()
    # A new client: the fixture's has credentials of the removed cluster.
    new = Cluster(inventory / ".credentials" / f"{variables['cluster_name']}.kubeconfig")
    wait_ready(new, set(hosts))
    wait_for(
        "every pod of the system runs",
        lambda: set(new.pods("kube-system", expression="status.phase").values()) == {"Running"},
        seconds=180,
    )
    playbook.run().expect_quiet()
