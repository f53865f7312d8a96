# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CPU and memory of nodes and pods, and a Deployment that is scaled by them. Each test needs those before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from kubernetes import client

from tests.infra.cluster import Cluster, image_of_lab
from tests.infra.fixtures import AGNHOST
from tests.infra.hosts import REPO, Host
from tests.infra.network import Platform
from tests.infra.playbook import Playbook
from tests.infra.waiting import wait_for

DEPLOY = "baremetal.kubernetes.metrics_server : Deploy metrics-server"
OWN = "metrics-server"
NAMESPACE = "autoscaling"
NODES = "/apis/metrics.k8s.io/v1beta1/nodes"
DEPLOYMENT = "/apis/apps/v1/namespaces/metrics-server/deployments/metrics-server"
API_SERVICE = "/apis/apiregistration.k8s.io/v1/apiservices"


@pytest.fixture(scope="module")
def platform(playbook: Playbook) -> Platform:
    """The playbook, with strict network policies: what it deploys has to work with them."""
    values = {"network_policy_mode": "enforce", "ingress_enabled": False, "certificates_enabled": False}
    return Platform(replace(playbook, name="baremetal.kubernetes.platform"), values)


def test_check_mode_predicts_and_changes_nothing(platform: Platform, cluster: Cluster) -> None:
    predicted = platform.run("--check").expect()
    assert ("cp1", DEPLOY) in predicted.changed or ("localhost", DEPLOY) in predicted.changed
    assert "v1beta1.metrics.k8s.io" not in cluster.query(API_SERVICE, "items[].metadata.name")


def test_metrics_of_all_nodes_arrive(platform: Platform, cluster: Cluster, hosts: dict[str, Host]) -> None:
    platform.run().expect()
    found = dict(cluster.query(NODES, "items[].[metadata.name, usage.cpu]"))
    assert set(found) == set(hosts) and all(found.values())


def test_replicas_are_on_different_nodes(cluster: Cluster) -> None:
    nodes = cluster.pods(OWN, "k8s-app=metrics-server", "spec.nodeName")
    assert len(nodes) == 2 and len(set(nodes.values())) == 2


def test_second_run_changes_nothing(platform: Platform) -> None:
    platform.run().expect_quiet()


def test_kubelet_of_another_ca_is_not_read(
    cluster: Cluster, hosts: dict[str, Host], platform: Platform
) -> None:
    """Its certificate is replaced by one that nobody has signed: there are no metrics of its node then."""
    worker, pki = hosts["w1"], "/var/lib/kubelet/pki"
    link = worker.check(f"readlink {pki}/kubelet-server-current.pem").strip()
    address = cluster.nodes("status.addresses[?type=='InternalIP'] | [0].address")["w1"]
    worker.check(
        f"cd {pki} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30"
        f" -subj /O=system:nodes/CN=system:node:w1 -addext subjectAltName=IP:{address},DNS:w1"
        " -keyout other.key -out other.crt 2>/dev/null && cat other.crt other.key > other.pem"
        " && rm other.crt other.key && chmod 600 other.pem && ln -sfn other.pem kubelet-server-current.pem"
    )
    try:
        worker.check("systemctl restart kubelet")
        wait_for(
            "the node has no metrics any more",
            lambda: "w1" not in cluster.query(NODES, "items[].metadata.name"),
            seconds=150,
            interval=3,
        )
        # The API server does not trust that kubelet either: logs are those of the other node.
        (name,) = (
            pod
            for pod, node in cluster.pods(OWN, "k8s-app=metrics-server", "spec.nodeName").items()
            if node != "w1"
        )
        log = cluster.core.read_namespaced_pod_log(name, OWN, tail_lines=50)
        assert "certificate" in log and "w1" in log, log
    finally:
        worker.check(f"cd {pki} && ln -sfn {link} kubelet-server-current.pem && rm -f other.pem")
        worker.check("systemctl restart kubelet")
    wait_for(
        "the node has metrics again",
        lambda: "w1" in cluster.query(NODES, "items[].metadata.name"),
        seconds=150,
        interval=3,
    )


@pytest.fixture(scope="module")
def load(cluster: Cluster) -> Iterator[Any]:
    """A Deployment that uses four times the CPU that it requests, and a HorizontalPodAutoscaler for it."""
    labels = {"app": "load"}
    container = {
        "name": "load",
        "image": image_of_lab(REPO / "lab" / "catalogue.yml", AGNHOST),
        "args": ["stress", "--cpus", "1"],
        "resources": {"requests": {"cpu": "25m"}, "limits": {"cpu": "100m"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "containers": [container],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65534,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": 1,
    }
    # Any: the client's own types know no plain dictionaries.
    apps: Any = client.AppsV1Api(cluster._client())
    autoscaling: Any = client.AutoscalingV2Api(cluster._client())
    cluster.core.create_namespace({"metadata": {"name": NAMESPACE}})
    apps.create_namespaced_deployment(
        NAMESPACE,
        {
            "metadata": {"name": "load"},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        },
    )
    target = {"type": "Utilization", "averageUtilization": 100}
    autoscaling.create_namespaced_horizontal_pod_autoscaler(
        NAMESPACE,
        {
            "metadata": {"name": "load"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "load"},
                "minReplicas": 1,
                "maxReplicas": 3,
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
                "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
            },
        },
    )
    yield apps
    cluster.core.delete_namespace(NAMESPACE)


def test_load_is_scaled_up_and_down(load: Any, cluster: Cluster) -> None:
    def replicas() -> int:
        return int(load.read_namespaced_deployment("load", NAMESPACE).spec.replicas)

    wait_for(
        "the load is scaled up",
        lambda: replicas() == 3,
        seconds=180,
        interval=2,
        evidence=lambda: cluster.events(NAMESPACE),
    )
    load.patch_namespaced_deployment(
        "load",
        NAMESPACE,
        {"spec": {"template": {"spec": {"containers": [{"name": "load", "args": ["pause"]}]}}}},
    )
    wait_for(
        "the load is scaled down",
        lambda: replicas() == 1,
        seconds=240,
        interval=2,
        evidence=lambda: cluster.events(NAMESPACE),
    )


def test_changed_value_rolls_out(platform: Platform, cluster: Cluster) -> None:
    changed = platform.run(metrics_server_resolution=20).expect()
    assert {task for _host, task in changed.changed} == {DEPLOY}
    arguments = cluster.query(DEPLOYMENT, "spec.template.spec.containers[0].args")
    assert "--metric-resolution=20s" in arguments
    platform.run(metrics_server_resolution=20).expect_quiet()


def test_image_that_does_not_exist_is_named(platform: Platform) -> None:
    missing = {"metrics_server": "registry.k8s.io/metrics-server/metrics-server:v0.0.1"}
    run = platform.run(cluster_platform_images=missing, __metrics_server_wait=40).expect(code=2)
    assert "Not in effect after 40 s: Deployment metrics-server/metrics-server" in run.text
    assert "ImagePull" in run.text or "ErrImage" in run.text or "not found" in run.text
    platform.run().expect()


def test_switched_off_it_leaves_nothing(platform: Platform, cluster: Cluster) -> None:
    platform.run(metrics_server_enabled=False).expect()
    # Also while its pods have not ended yet.
    platform.run(metrics_server_enabled=False).expect_quiet()
    label = "labelSelector=baremetal.kubernetes/part-of=metrics-server"
    for path in (
        "/api/v1/namespaces",
        "/api/v1/serviceaccounts",
        "/api/v1/services",
        "/apis/apps/v1/deployments",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        "/apis/rbac.authorization.k8s.io/v1/rolebindings",
        "/apis/policy/v1/poddisruptionbudgets",
        "/apis/cilium.io/v2/ciliumnetworkpolicies",
        API_SERVICE,
    ):
        wait_for(
            f"{path} has nothing of it",
            lambda path=path: not cluster.query(f"{path}?{label}", "items"),  # type: ignore[misc]
            seconds=60,
        )
