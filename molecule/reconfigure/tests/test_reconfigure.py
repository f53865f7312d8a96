# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""New values on an existing cluster. Each test starts from the cluster that the one before it has left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from tests.infra.cluster import Cluster
from tests.infra.hosts import Host
from tests.infra.playbook import Playbook, Run
from tests.infra.waiting import wait_for

INIT = "baremetal.kubernetes.control_plane : Init | Run kubeadm init"
KUBEADM_CONFIG = "/api/v1/namespaces/kube-system/configmaps/kubeadm-config"
KERNEL = "baremetal.kubernetes.host : Load kernel modules and set kernel parameters"
RUNTIME = "baremetal.kubernetes.container_runtime : Install containerd, runc, the CNI plugins and crictl"
KUBELET = "baremetal.kubernetes.kubelet : Install kubelet, kubeadm and kubectl"
KUBELET_RUNS = "baremetal.kubernetes.kubelet : Enable the kubelet, and run it on a member of the cluster"
#: In order: everything is rewritten unencrypted before the API server loses the key.
DECRYPTED = (
    "baremetal.kubernetes.encryption_at_rest : Disable | Store plain text from now on",
    "baremetal.kubernetes.encryption_at_rest : Disable | Decrypt stored resources",
)
ENCRYPTED = (
    "baremetal.kubernetes.encryption_at_rest : Reencrypt | Encrypt from now on",
    "baremetal.kubernetes.encryption_at_rest : Reencrypt | Encrypt resources that were stored before",
)
POLICIES = "baremetal.kubernetes.network : Policies | Apply default deny and its openings"
DENIED = "/apis/networking.k8s.io/v1/networkpolicies?labelSelector=baremetal.kubernetes/part-of=network"
CILIUM = "baremetal.kubernetes.helm_release : Deploy | Install or upgrade the release"

AUDIT_POLICY = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]}
AUDIT: dict[str, Any] = {
    "control_plane_files": [
        {
            "path": "/etc/kubernetes/audit/policy.yaml",
            "content": yaml.safe_dump(AUDIT_POLICY),
            "secret": False,
        }
    ],
    "control_plane_cluster_configuration": {
        "apiServer": {
            "extraArgs": [
                {"name": "audit-policy-file", "value": "/etc/kubernetes/audit/policy.yaml"},
                {"name": "audit-log-path", "value": "/var/log/kubernetes/audit.log"},
                {"name": "max-requests-inflight", "value": "350"},
            ],
            "extraVolumes": [
                {
                    "name": "audit",
                    "hostPath": "/etc/kubernetes/audit",
                    "mountPath": "/etc/kubernetes/audit",
                    "readOnly": True,
                    "pathType": "Directory",
                },
                {
                    "name": "audit-log",
                    "hostPath": "/var/log/kubernetes",
                    "mountPath": "/var/log/kubernetes",
                    "pathType": "DirectoryOrCreate",
                },
            ],
        }
    },
}


class Site:
    """The site playbook with values that override the inventory's. They accumulate, as an operator's edits do."""

    def __init__(self, playbook: Playbook) -> None:
        self._playbook = playbook
        self._values: dict[str, Any] = {}

    def run(self, *arguments: str, more: Mapping[str, Any] | None = None) -> Run:
        """Run with the values so far, and more for this run only."""
        values = json.dumps({**self._values, **(more or {})})
        return self._playbook.run("--diff", *arguments, "-e", values)

    def change(self, more: Mapping[str, Any], expected: Mapping[str, set[str]]) -> Run:
        """Run in check mode, then for real, then in check mode again: the first two report the same, the last nothing.

        :param expected: tasks that must change, and no others, with the hosts on which they do.
        :return: the prediction.
        """
        self._values.update(more)
        predicted = self.run("--check").expect()
        real = self.run().expect()
        assert real.changed == {(host, task) for task, hosts in expected.items() for host in hosts}
        assert predicted.changed == real.changed
        self.run("--check").expect_quiet()
        return predicted


@pytest.fixture(scope="module")
def site(playbook: Playbook) -> Site:
    return Site(playbook)


def wait_all_ready(cluster: Cluster, hosts: dict[str, Host]) -> None:
    for name in hosts:
        wait_for(f"{name} is ready", lambda name=name: cluster.ready(name), seconds=120)  # type: ignore[misc]


def test_values_of_all_components_at_once(
    site: Site, cluster: Cluster, hosts: dict[str, Host], variables: dict[str, Any]
) -> None:
    agents = set(cluster.pods("kube-system", "k8s-app=cilium", "metadata.uid").values())
    registries = ["quay.io", "registry.k8s.io"]
    predicted = site.change(
        {
            **AUDIT,
            "kubelet_config": {**variables["kubelet_config"], "maxPods": 77},
            "host_sysctls_extra": {"net.core.somaxconn": "1234"},
            "container_runtime_mirrored_registries": registries,
            "network_values": {**variables["network_values"], "bpf": {"mapDynamicSizeRatio": 0.003}},
            "network_isolated_namespaces": ["kube-system"],
            "cluster_encryption_at_rest": False,
        },
        {
            **{key: set(hosts) for key in (KUBELET, KUBELET_RUNS, KERNEL, RUNTIME)},
            **{key: {"cp1"} for key in (INIT, CILIUM, POLICIES, *DECRYPTED)},
        },
    )
    assert "--max-requests-inflight=350" in predicted.text

    commands = cluster.pods("kube-system", "component=kube-apiserver", "spec.containers[0].command")
    command = commands["kube-apiserver-cp1"]
    assert {"--max-requests-inflight=350", "--profiling=false"} <= set(command)
    assert not [argument for argument in command if "encryption" in argument]
    secrets = cluster.stored("/registry/secrets/")
    assert secrets and all(one.startswith(b"k8s\0") for one in secrets)
    assert '"level":"Metadata"' in hosts["cp1"].check("tail -n 1 /var/log/kubernetes/audit.log")
    assert set(cluster.query(DENIED, "items[].metadata.namespace")) == {"kube-system"}
    for name, host in hosts.items():
        assert cluster.nodes("status.capacity.pods")[name] == "77"
        assert host.check("cat /proc/sys/net/core/somaxconn").strip() == "1234"
        assert host.check("ls /etc/containerd/certs.d").split() == registries

    def restarted() -> bool:
        found = cluster.pods("kube-system", "k8s-app=cilium", "metadata.uid").values()
        return len(found) == len(hosts) and not agents & set(found)

    wait_for("all Cilium agents have been replaced", restarted, seconds=240)
    wait_all_ready(cluster, hosts)


def test_another_audit_policy_restarts_the_api_server(site: Site, hosts: dict[str, Host]) -> None:
    policy = {**AUDIT_POLICY, "omitStages": ["RequestReceived"]}
    file = {**AUDIT["control_plane_files"][0], "content": yaml.safe_dump(policy)}
    before = hosts["cp1"].pids("/usr/local/bin/kube-apiserver")
    site.change({"control_plane_files": [file]}, {INIT: {"cp1"}})
    assert hosts["cp1"].pids("/usr/local/bin/kube-apiserver") != before


@pytest.mark.parametrize(
    ("argument", "value"),
    [("no-such-argument", "1"), ("authorization-mode", "Node,Nonsense"), ("etcd-cafile", "/no/such/file")],
    ids=["unknown argument", "unknown value", "file that is not there"],
)
def test_rejected_value_changes_nothing(
    argument: str, value: str, site: Site, cluster: Cluster, hosts: dict[str, Host]
) -> None:
    manifests = hosts["cp1"].check("sha256sum /etc/kubernetes/manifests/*.yaml")
    stored = cluster.query(KUBEADM_CONFIG, "data")
    bad = {"apiServer": {"extraArgs": [{"name": argument, "value": value}]}}
    run = site.run(more={"control_plane_cluster_configuration": bad})
    assert run.code != 0
    assert run.recap["cp1"].failed == 1
    assert value.split(",")[-1] in run.text and "kube-apiserver" in run.text, run.text[-3000:]
    assert hosts["cp1"].check("sha256sum /etc/kubernetes/manifests/*.yaml") == manifests
    assert cluster.query(KUBEADM_CONFIG, "data") == stored
    wait_all_ready(cluster, hosts)


def test_nothing_differs_after_rejected_values(site: Site) -> None:
    site.run("--check").expect_quiet()


def test_back_to_the_values_of_the_inventory(
    playbook: Playbook, cluster: Cluster, hosts: dict[str, Host]
) -> None:
    real = playbook.run("--diff").expect()
    assert {INIT, KUBELET, KUBELET_RUNS, KERNEL, RUNTIME, CILIUM, POLICIES, *ENCRYPTED} == {
        task for _host, task in real.changed
    }
    playbook.run().expect_quiet()
    secrets = cluster.stored("/registry/secrets/")
    assert secrets and all(one.startswith(b"k8s:enc:secretbox:") for one in secrets)
    wait_all_ready(cluster, hosts)
