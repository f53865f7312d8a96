# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories and hosts that would stop an installation halfway: refused by name before a change, or followed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.cluster import Cluster
from tests.infra.hosts import Host
from tests.infra.playbook import Playbook

TAINT = "node-role.kubernetes.io/control-plane"
RESOLVED = "/run/systemd/resolve/resolv.conf"
DROP_IN = "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf"


@pytest.fixture
def named(inventory: Path, tmp_path: Path) -> Named:
    return Named(inventory, tmp_path)


class Named:
    """Playbooks of the collection by name."""

    def __init__(self, inventory: Path, directory: Path) -> None:
        self._inventory, self._directory = inventory, directory

    def __getitem__(self, name: str) -> Playbook:
        return Playbook(self._inventory, self._directory, name=f"baremetal.kubernetes.{name}")


def test_values_are_refused_before_a_host_is_contacted(named: Named) -> None:
    wrong = {
        "control_plane_audit": ("flase", "true or false"),
        "control_plane_timeout": ("ten", "a whole number"),
        "cluster_kubernetes_version": ("v1.36.4", "without v: 1.36.4"),
        "cluster_registry": ("https://reg.example.org:5443/project", "without https://"),
        "cluster_endpoint": ("K8S-API.example.org:6443", ": k8s-api.example.org:6443"),
        "cluster_dns_domain": ("fed_cluster.local", "RFC 1123"),
    }
    given = [argument for name, (value, _) in wrong.items() for argument in ("-e", f"{name}={value}")]
    run = named["preflight"].run(*given).expect(code=2)
    assert run.text.count("PLAY [") == 1
    for name, (value, expected) in wrong.items():
        line = next(line for line in run.text.replace("\\n", "\n").splitlines() if f" {name} is " in line)
        assert value in line and expected in line


@pytest.fixture
def altered(hosts: dict[str, Host]) -> Iterator[None]:
    """w1 with a drop-in of a removed package and a resolver of its own, w2 with a foreign conf.d file."""
    hosts["w1"].check(
        f"mkdir -p $(dirname {DROP_IN}) $(dirname {RESOLVED}) && cp -p /etc/resolv.conf {RESOLVED}"
        f" && printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/kubelet\\n' > {DROP_IN}"
        " && cp -p /etc/resolv.conf /root/resolv.conf && echo 'nameserver 127.0.0.53' > /etc/resolv.conf"
    )
    hosts["w2"].check(
        "printf 'command_user=nobody\\n' > /etc/conf.d/kubelet && cp -p /etc/resolv.conf /root/resolv.conf"
        " && echo 'nameserver 127.0.0.1' > /etc/resolv.conf"
    )
    yield
    hosts["w1"].check(f"cat /root/resolv.conf > /etc/resolv.conf; rm {DROP_IN} {RESOLVED} /root/resolv.conf")
    hosts["w2"].check("cat /root/resolv.conf > /etc/resolv.conf; rm /etc/conf.d/kubelet /root/resolv.conf")


@pytest.mark.usefixtures("altered")
def test_what_is_in_force_on_a_host_is_found(named: Named) -> None:
    run = named["preflight"].run("-e", "cluster_endpoint=no-such-host.invalid:6443").expect(code=2)
    text = run.text.replace("\\n", "\n")
    assert f"{DROP_IN} sets ExecStart of kubelet" in text
    assert f"ln -s /dev/null /etc/systemd/system/kubelet.service.d/{Path(DROP_IN).name}" in text
    assert "/etc/conf.d/kubelet sets command_user of kubelet" in text
    assert "[name_servers] found /etc/resolv.conf has nameserver 127.0.0.1" in text
    assert "127.0.0.53" not in text, "w1 has the file of systemd-resolved"
    assert "on the controller, no-such-host.invalid is not resolved" in text
    chosen = named["prepare_nodes"].run("--check", "--diff", "--limit", "w1").expect()
    assert f"+resolvConf: {RESOLVED}" in chosen.text


def test_options_given_as_text_are_in_force(named: Named) -> None:
    """As an INI inventory gives them: one was ignored, the other ended in an error of Ansible's."""
    run = named["prepare_nodes"].run("-e", "host_packages_managed=false", "-e", "host_swap_off=true")
    run.expect_quiet()
    run = named["control_plane"].run("--check", "--diff", "-e", "control_plane_audit=false").expect()
    assert "audit-log-path" in run.text
    assert run.recap["cp1"].changed > 0


def test_a_control_plane_in_both_groups_runs_pods(named: Named, cluster: Cluster, tmp_path: Path) -> None:
    both = tmp_path / "both.ini"
    both.write_text("[worker]\ncp1\n")
    verify = named["verify"]

    def taints() -> str:
        found = cluster.nodes("spec.taints")
        return json.dumps(next(value for name, value in found.items() if name == "cp1"))

    assert TAINT in taints()
    assert verify.run("-i", str(both), "--check", "--diff").expect().recap["cp1"].changed == 1
    assert TAINT in taints()
    verify.run("-i", str(both)).expect()
    assert TAINT not in taints()
    verify.run("-i", str(both)).expect_quiet()
    verify.run().expect()
    assert TAINT in taints()
    verify.run().expect_quiet()
