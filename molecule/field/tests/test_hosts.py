# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts as they are found: owners of directories, logins with a proxy or without sbin, files of others, bridges.

One run for all conditions, on cp1 and w1 (systemd) and w2 (OpenRC), and two to be back: the last one changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from lab.config import Settings
from tests.infra.cluster import Cluster
from tests.infra.hosts import Host
from tests.infra.playbook import Playbook, Run
from tests.infra.waiting import wait_for

RUNTIME = "baremetal.kubernetes.container_runtime : Install containerd, runc, the CNI plugins and crictl"
SCHEDULER = "/etc/kubernetes/manifests/kube-scheduler.yaml"
CONFIG = "/etc/containerd/config.toml"
#: The proxy of a login; nobody listens there. And that of the site: nobody either, so that what is used fails.
LOGIN, SITE = "http://127.0.0.1:9", "http://127.0.0.1:7"

# The address of the host moves to a bridge with the same MAC, so that connections survive.
BRIDGE = """
    set -- $(ip -4 route show default); gateway=$3; card=$5; set -- $(ip -4 -o addr show dev $card); address=$4
    ip link add br0 type bridge && ip link set br0 up && ip link set $card master br0 &&
    ip addr del $address dev $card && ip addr add $address dev br0 &&
    ip route add default via $gateway dev br0
"""
NO_BRIDGE = """
    ip link show br0 > /dev/null 2>&1 || exit 0
    set -- $(ip -4 route show default); gateway=$3; set -- $(ip -4 -o addr show dev br0); address=$4
    set -- $address $(ip -o link show master br0); card=${3%%[@:]*}
    ip link set $card nomaster && ip link del br0 && ip addr add $address dev $card &&
    ip route add default via $gateway dev $card
"""
# A user who becomes root by su, which leaves him a PATH without sbin.
ADMIN = """
    useradd --create-home --shell /bin/sh admin && install -d -o admin -m 0700 /home/admin/.ssh &&
    install -o admin -m 0600 /root/.ssh/authorized_keys /home/admin/.ssh/authorized_keys &&
    cp -a /etc/pam.d/su /root/su.before &&
    sed -i '1i auth sufficient pam_succeed_if.so quiet ruser = admin' /etc/pam.d/su
"""
NO_ADMIN = "! id -u admin || { cp -a /root/su.before /etc/pam.d/su; userdel --remove --force admin || true; }"


def environment(host: Host, program: str) -> dict[str, str]:
    """The environment of a daemon."""
    (pid,) = host.pids(program)
    words = host.check(f"tr '\\0' '\\n' < /proc/{pid}/environ").splitlines()
    return {name: value for name, _sep, value in (word.partition("=") for word in words)}


def restore(hosts: dict[str, Host]) -> None:
    """End the conditions, as often as it is called."""
    hosts["w1"].check(NO_BRIDGE)
    hosts["w1"].check(f"rm -f {CONFIG}.orig")
    hosts["w2"].check(NO_ADMIN)
    hosts["cp1"].check("! test -e /root/environment.before || mv /root/environment.before /etc/environment")


@pytest.fixture(scope="module")
def site(lab: Settings) -> str:
    """Variables of a site with a proxy that everything but the mirror would be reached through."""
    return json.dumps({"cluster_https_proxy": SITE, "cluster_no_proxy": [str(lab.network.gateway)]})


@pytest.fixture(scope="module")
def found(
    playbook: Playbook, hosts: dict[str, Host], site: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Run]:
    """The run on hosts with all these conditions."""
    logins = tmp_path_factory.mktemp("logins") / "logins.yml"
    logins.write_text(
        json.dumps({"all": {"hosts": {"w2": {"ansible_user": "admin", "ansible_become_method": "su"}}}}),
        encoding="utf-8",
    )
    for host in hosts.values():
        host.check("chown -R 1000:1000 /opt/cni && chmod 0700 /opt/cni/bin")
    hosts["cp1"].check("touch /etc/environment; cp -a /etc/environment /root/environment.before")
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        hosts["cp1"].check(f"echo {name}={LOGIN} >> /etc/environment")
    hosts["cp1"].check(
        f"sed -i 's|^    image: .*|&\\n    env: [{{name: HTTPS_PROXY, value: \"{LOGIN}\"}}]|' {SCHEDULER}"
    )
    hosts["w1"].check(f"sed -i '1c imports = [\"/etc/containerd/conf.d/*.toml\"]' {CONFIG}")
    hosts["w1"].check(BRIDGE)
    hosts["w2"].check(ADMIN)
    yield playbook.run("--diff", "-i", str(logins), "-e", site)
    restore(hosts)


def test_directories_that_cilium_writes_to_belong_to_root(found: Run, hosts: dict[str, Host]) -> None:
    found.expect()
    for host in hosts.values():
        assert host.check("stat -c %u:%a /opt/cni /opt/cni/bin").split() == ["0:755"] * 2
        assert (host.name, RUNTIME) in found.changed


def test_proxy_of_a_login_is_used_by_nothing(found: Run, hosts: dict[str, Host]) -> None:
    found.expect()
    # Neither for downloads and preflight...
    assert "[sources]" not in found.text
    # ... nor in manifests, the one that had it included.
    manifests = hosts["cp1"].check("cat /etc/kubernetes/manifests/*.yaml")
    assert "image:" in manifests
    assert LOGIN not in manifests
    assert "HTTPS_PROXY" not in manifests.upper()


def test_proxy_of_the_site_is_used_by_the_daemons(found: Run, hosts: dict[str, Host]) -> None:
    found.expect()
    for host in hosts.values():
        for program in ("/usr/local/bin/containerd", "/usr/local/bin/kubelet"):
            known = environment(host, program)
            assert known["HTTPS_PROXY"] == SITE, (host.name, program)
            assert {"10.244.0.0/16", "10.96.0.0/16", ".svc"} <= set(known["NO_PROXY"].split(","))
            assert not [value for value in known.values() if LOGIN in value], (host.name, program)
        modes = host.check("stat -c %a:%u /etc/containerd/proxy.env /etc/kubernetes/proxy.env").split()
        assert modes == ["600:0"] * 2


def test_preflight_takes_the_way_of_the_daemons(playbook: Playbook) -> None:
    preflight = Playbook(playbook.inventory, playbook.directory, "baremetal.kubernetes.preflight")
    seen = preflight.run("-e", json.dumps({"cluster_https_proxy": SITE})).expect()
    # On members it is a warning.
    assert "[sources]" in seen.text
    assert "through the proxy 127.0.0.1:7" in " ".join(seen.text.split())


def test_configuration_of_others_is_kept_and_named(found: Run, hosts: dict[str, Host]) -> None:
    found.expect()
    text = " ".join(found.text.split())
    assert f"[foreign_files] found {CONFIG}" in text
    assert f"{CONFIG} was not written by this collection; it is replaced, and kept as {CONFIG}.orig" in text
    assert "imports" in hosts["w1"].check(f"cat {CONFIG}.orig")
    assert "imports" not in hosts["w1"].check(f"cat {CONFIG}")


def test_user_with_su_manages_the_daemons_of_openrc(found: Run, hosts: dict[str, Host]) -> None:
    found.expect()
    assert {task.rpartition(" : ")[2] for host, task in found.changed if host == "w2"} >= {
        "Run containerd",
        "Enable the kubelet, and run it on a member of the cluster",
    }
    hosts["w2"].check("/sbin/rc-service kubelet status")


def test_cilium_runs_on_a_node_with_its_address_on_a_bridge(found: Run, cluster: Cluster) -> None:
    found.expect()
    told = cluster.query("/api/v1/namespaces/kube-system/configmaps/cilium-config", "data")
    assert (told["devices"], told["force-device-detection"]) == ("br0", "true")
    ready = "status.conditions[?type=='Ready'].status | [0]"
    agents = cluster.pods("kube-system", "k8s-app=cilium", f"[spec.nodeName, {ready}]")
    assert sorted(agents.values()) == [["cp1", "True"], ["w1", "True"], ["w2", "True"]]


def test_dns_is_on_two_nodes(found: Run, cluster: Cluster) -> None:
    found.expect()
    places = cluster.pods("kube-system", "k8s-app=kube-dns", "spec.nodeName")
    assert len(set(places.values())) == 2, places


@pytest.mark.usefixtures("found")
def test_afterwards_a_run_is_back_and_the_next_one_changes_nothing(
    playbook: Playbook, cluster: Cluster, hosts: dict[str, Host]
) -> None:
    restore(hosts)
    playbook.run().expect()
    playbook.run().expect_quiet()
    for name, host in hosts.items():
        wait_for(f"{name} is ready", lambda name=name: cluster.ready(name), seconds=60)  # type: ignore[misc]
        assert "HTTPS_PROXY" not in environment(host, "/usr/local/bin/containerd")
