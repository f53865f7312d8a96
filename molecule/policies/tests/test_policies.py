# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Strict network policies, from the report to enforcement and back. Each test needs those before it."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from tests.infra.cluster import Cluster
from tests.infra.hosts import Host, run_lab
from tests.infra.network import POLICIES, Pair, Platform, Prober
from tests.infra.tls import certificate
from tests.infra.waiting import wait_for

Json = dict[str, Any]

pytestmark = pytest.mark.usefixtures("namespaces")

APPLIED = "baremetal.kubernetes.network : Baseline | Apply policies"
DNS = "kube-dns.kube-system.svc.cluster.local:53"
API = "kubernetes.default.svc.cluster.local:443"


def policies(cluster: Cluster) -> list[str]:
    return sorted(cluster.query(POLICIES, "items[].metadata.name"))


@pytest.fixture(scope="module")
def mirror(variables: Json) -> tuple[str, str]:
    """Addresses of two ports of the lab's mirror, which is outside the cluster."""
    match = re.fullmatch(r"https://([^/]+)/?", variables["cluster_files_url"])
    assert match
    return match[1], variables["cluster_registry"]


@pytest.fixture(scope="module")
def openings(mirror: tuple[str, str]) -> dict[str, Json]:
    host, _colon, port = mirror[0].partition(":")
    return {
        "web": {
            "from": {"namespaces": ["ingress"], "pods": {"app": "traefik"}},
            "to": {"namespaces": ["team-a"], "pods": {"app": "web"}},
            "ports": [8080],
        },
        "metrics": {
            "from": {"namespaces": ["monitoring"]},
            "to": {"namespaces": ["*"]},
            "ports": ["9090-9099"],
        },
        "inside": {"within": ["team-a"]},
        "a-to-b": {
            "from": {"namespaces": ["team-a"], "pods": {"app": "web"}},
            "to": {"namespace_labels": {"example.org/kind": "team"}, "pods": {"app": "api"}},
            "ports": ["8080/TCP"],
        },
        "worker": {
            "from": {"namespaces": ["team-b"], "pods": {"app": "worker"}},
            "to": {"entities": ["api_server"]},
            "ports": [6443],
        },
        "files": {
            "from": {"namespaces": ["team-a"], "pods": {"app": "db"}},
            "to": {"cidrs": [f"{host}/32"]},
            "ports": [int(port)],
        },
        "later": {"within": ["team-c"]},
    }


def listed(openings: dict[str, Json]) -> list[Json]:
    """As the inventory has them."""
    return [{"name": name, **value} for name, value in openings.items()]


@pytest.fixture(scope="module")
def pairs(mirror: tuple[str, str], hosts: dict[str, Host], cluster: Cluster) -> list[Pair]:
    """Forty connections, and which of them the openings allow."""
    (server,) = cluster.query("/api/v1/nodes/cp1", "status.addresses[?type=='InternalIP'].address")
    files, registry = mirror
    return [
        Pair("traefik", "web", enforced=True),
        Pair("traefik", "web", 9090),
        Pair("traefik", "db"),
        Pair("traefik", "api"),
        Pair("traefik", "worker"),
        Pair("traefik", "scraper"),
        Pair("scraper", "web", 9090, enforced=True),
        Pair("scraper", "web"),
        Pair("scraper", "api", 9090, enforced=True),
        Pair("scraper", "api"),
        Pair("scraper", "db"),
        Pair("scraper", "traefik"),
        Pair("web", "db", enforced=True),
        Pair("web", "db", protocol="UDP", enforced=True),
        Pair("db", "web", enforced=True),
        Pair("db", "web", 9090, enforced=True),
        Pair("db", "web", protocol="UDP", enforced=True),
        Pair("web", "api", enforced=True),
        Pair("web", "api", 9090),
        Pair("web", "api", protocol="UDP"),
        Pair("web", "worker"),
        Pair("web", "traefik"),
        Pair("web", "scraper"),
        Pair("db", "api"),
        Pair("db", "worker"),
        Pair("api", "web"),
        Pair("api", "db"),
        Pair("api", "worker"),
        Pair("api", "traefik"),
        Pair("worker", "api"),
        Pair("worker", "web"),
        Pair("web", DNS, enforced=True),
        Pair("worker", DNS, enforced=True),
        Pair("worker", API, enforced=True),
        Pair("web", API),
        Pair("worker", f"{server}:6443", enforced=True),
        Pair("api", f"{server}:6443"),
        Pair("db", files, enforced=True),
        Pair("db", registry),
        Pair("web", files),
    ]


def test_matrix_has_forty_pairs(pairs: list[Pair]) -> None:
    assert len(set(pairs)) == 40
    assert 10 < sum(pair.enforced for pair in pairs) < 30


@pytest.mark.parametrize(
    ("opening", "expected"),
    [
        ({"name": "x", "form": {}}, 'network_openings, opening x: has the key "form"'),
        ({"name": "x", "from": {"namespaces": ["a"]}, "to": {"cidrs": ["10.0.0.1/8"]}}, "such as 10.0.0.0/8"),
        (
            {"name": "x", "from": {"namespaces": ["a"]}, "to": {"hosts": ["a.example.org"]}},
            "DNS proxy is disabled",
        ),
    ],
    ids=["unknown key", "wrong network", "host names without the DNS proxy"],
)
def test_wrong_opening_changes_nothing(
    opening: Json, expected: str, platform: Platform, cluster: Cluster
) -> None:
    refused = platform.run(network_openings=[opening]).expect(code=2)
    assert expected in refused.text
    assert "Nothing was changed" in refused.text
    assert not refused.changed
    assert not policies(cluster)


def test_check_mode_predicts_the_policies(
    platform: Platform, openings: dict[str, Json], cluster: Cluster
) -> None:
    platform.values["network_openings"] = listed(openings)
    predicted = platform.run("--check").expect()
    assert predicted.changed == {("cp1", APPLIED)}
    assert "opening-a-to-b" in predicted.text
    assert not policies(cluster)


@pytest.fixture
def caller(cluster: Cluster, prober: Prober) -> Iterator[None]:
    """A pod of team-b that connects to another one every second: its readiness probe does, once a second."""
    labels = {"app": "worker"}
    container = {
        "name": "agnhost",
        "image": prober.image,
        "command": ["/agnhost"],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    serving = {**container, "args": ["netexec", "--http-port=8080", "--udp-port=-1"]}
    security = {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}}
    common = {"terminationGracePeriodSeconds": 0, "securityContext": security}
    server = {**common, "containers": [serving]}
    cluster.core.create_namespaced_pod(
        "team-a", {"metadata": {"name": "target", "labels": {"app": "target"}}, "spec": server}
    )
    address = wait_for(
        "the target has an address",
        lambda: cluster.query("/api/v1/namespaces/team-a/pods/target", "status.podIP"),
        seconds=120,
    )
    connect = {
        "exec": {"command": ["/agnhost", "connect", f"{address}:8080", "--timeout=1s"]},
        "periodSeconds": 1,
    }
    cluster.core.create_namespaced_pod(
        "team-b",
        {
            "metadata": {"name": "caller", "labels": labels},
            "spec": {**common, "containers": [{**serving, "readinessProbe": connect}]},
        },
    )
    wait_for(
        "the caller reaches the target",
        lambda: (
            cluster.query("/api/v1/namespaces/team-b/pods/caller", "status.conditions[?type=='Ready'].status")
            == ["True"]
        ),
        seconds=120,
    )
    yield
    cluster.core.delete_namespaced_pod("caller", "team-b")
    cluster.core.delete_namespaced_pod("target", "team-a")


def test_report_names_what_would_be_denied(caller: None, platform: Platform, cluster: Cluster) -> None:
    done = platform.run(network_report_seconds=20).expect()
    assert done.changed == {("cp1", APPLIED)}
    assert "opening later: no namespace team-c yet" in done.text
    assert "egress from caller to pod team-a/target 8080/TCP" in done.text
    assert "ingress to target 8080/TCP from pod team-b/caller" in done.text
    assert "baseline" in policies(cluster)


def test_nothing_is_denied_by_the_report(prober: Prober, pairs: list[Pair], platform: Platform) -> None:
    prober.run([pair.options(True) for pair in pairs]).expect()
    platform.run().expect_quiet()


def test_enforcing_denies_what_no_opening_allows(
    platform: Platform, prober: Prober, pairs: list[Pair], cluster: Cluster
) -> None:
    done = platform.change(network_policy_mode="enforce")
    assert done.changed == {("cp1", APPLIED)}
    platform.run().expect_quiet()
    prober.run([pair.options(pair.enforced) for pair in pairs]).expect()
    assert "opening-a-to-b" in policies(cluster)


def test_mismatch_names_the_policies(prober: Prober) -> None:
    failed = prober.run([Pair("web", "worker").options(True), Pair("traefik", "web").options(False)])
    failed.expect(code=2)
    assert "2 of 2 connections are not as expected" in failed.text
    assert "egress of team-a/web is isolated by CiliumClusterwideNetworkPolicy baseline" in failed.text
    assert "ingress of team-a/web is allowed by CiliumClusterwideNetworkPolicy opening-web" in failed.text


def test_killed_probe_is_cleaned_up_by_the_next(prober: Prober, cluster: Cluster) -> None:
    """The fixed pods of a probe would be in the way of the next one."""
    selector = "labelSelector=baremetal.kubernetes%2Fnetwork-policy-probe%3Dtrue"
    left = cluster.core.create_namespaced_pod(
        "team-a",
        {
            "metadata": {
                "name": "network-policy-probe-web",
                "labels": {"baremetal.kubernetes/network-policy-probe": "true"},
            },
            "spec": {
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": 65534,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": "old",
                        "image": prober.image,
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "capabilities": {"drop": ["ALL"]},
                        },
                    }
                ],
            },
        },
    )
    prober.run([Pair("web", "db").options(True)]).expect()
    assert left.metadata.uid not in cluster.query(f"/api/v1/pods?{selector}", "items[].metadata.uid")
    assert not cluster.query(f"/api/v1/pods?{selector}", "items[].metadata.name")


def test_namespace_that_is_created_later_is_denied(prober: Prober, cluster: Cluster) -> None:
    cluster.core.create_namespace({"metadata": {"name": "team-d"}})
    late = {"late": {"namespace": "team-d", "ports": [8080, 9090]}}
    expected = [
        Pair("late", "db").options(False),
        Pair("db", "late").options(False),
        Pair("late", API).options(False),
        Pair("late", DNS).options(True),
        Pair("scraper", "late", 9090).options(True),
    ]
    prober.run(expected, **late).expect()
    cluster.core.delete_namespace("team-d")


def test_network_policies_of_teams_work_on_top(prober: Prober, cluster: Cluster) -> None:
    def policy(direction: str, peer: str) -> Json:
        other = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": peer}}}
        rule = {"from" if direction == "Ingress" else "to": [other]}
        return {
            "metadata": {"name": "team"},
            "spec": {"podSelector": {}, "policyTypes": [direction], direction.lower(): [rule]},
        }

    pair = Pair("api", "db")
    cluster.networking.create_namespaced_network_policy("team-b", policy("Egress", "team-a"))
    prober.run([pair.options(False)]).expect()
    cluster.networking.create_namespaced_network_policy("team-a", policy("Ingress", "team-b"))
    # What the baseline opens stays open for pods that a policy of the team isolates.
    prober.run([pair.options(True), Pair("web", "db").options(True), Pair("api", DNS).options(True)]).expect()
    for namespace in ("team-a", "team-b"):
        cluster.networking.delete_namespaced_network_policy("team", namespace)


def test_opening_changes_and_disappears(
    platform: Platform, prober: Prober, openings: dict[str, Json], cluster: Cluster
) -> None:
    changed = {**openings, "web": {**openings["web"], "ports": [9090]}}
    del changed["a-to-b"]
    platform.change(network_openings=listed(changed))
    assert "opening-a-to-b" not in policies(cluster)
    expected = [
        Pair("traefik", "web").options(False),
        Pair("traefik", "web", 9090).options(True),
        Pair("web", "api").options(False),
    ]
    prober.run(expected).expect()
    platform.change(network_openings=listed(openings))
    prober.run([Pair("traefik", "web").options(True), Pair("web", "api").options(True)]).expect()


# --- what Kubernetes needs --------------------------------------------------------------------------------------------


def serve(cluster: Cluster, image: str, name: str, node: str, args: list[str], **container: Any) -> None:
    """A pod of team-a that serves TLS at port 8443 on a worker, and a Service in front of it."""
    cluster.core.create_namespaced_pod(
        "team-a",
        {
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {
                "nodeSelector": {"kubernetes.io/hostname": node},
                "terminationGracePeriodSeconds": 0,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": 65534,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "volumes": [{"name": "tls", "secret": {"secretName": "tls"}}],
                "containers": [
                    {
                        "name": name,
                        "image": image,
                        "command": ["/agnhost"],
                        "args": args,
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "capabilities": {"drop": ["ALL"]},
                        },
                        "volumeMounts": [{"name": "tls", "mountPath": "/tls"}],
                        # The kubelet probes it.
                        "readinessProbe": {
                            "httpGet": {"path": "/readyz", "port": 8443, "scheme": "HTTPS"},
                            "periodSeconds": 1,
                        },
                        **container,
                    }
                ],
            },
        },
    )
    cluster.core.create_namespaced_service(
        "team-a",
        {
            "metadata": {"name": name},
            "spec": {"selector": {"app": name}, "ports": [{"port": 443, "targetPort": 8443}]},
        },
    )
    wait_for(
        f"{name} is ready, which the kubelet finds out by its probe",
        lambda: (
            cluster.query(
                f"/api/v1/namespaces/team-a/pods/{name}", "status.conditions[?type=='Ready'].status"
            )
            == ["True"]
        ),
        seconds=120,
    )


@pytest.fixture(scope="module")
def tls(cluster: Cluster) -> str:
    """The certificate of the Service webhook, in base64; it is in a Secret with its key."""
    cert, key = certificate("webhook.team-a.svc")
    cluster.core.create_namespaced_secret(
        "team-a", {"metadata": {"name": "tls"}, "stringData": {"tls.crt": cert, "tls.key": key}}
    )
    return base64.b64encode(cert.encode()).decode()


def test_api_server_calls_webhooks(cluster: Cluster, prober: Prober, tls: str) -> None:
    """In a pod on another node than its own."""
    args = ["webhook", "--port=8443", "--tls-cert-file=/tls/tls.crt", "--tls-private-key-file=/tls/tls.key"]
    serve(cluster, prober.image, "webhook", "w1", args)
    # Any: the client's own types know no plain dictionaries.
    admission: Any = client.AdmissionregistrationV1Api(cluster.core.api_client)
    admission.create_validating_webhook_configuration(
        {
            "metadata": {"name": "policies"},
            "webhooks": [
                {
                    "name": "deny.example.org",
                    "clientConfig": {
                        "service": {"namespace": "team-a", "name": "webhook", "path": "/always-deny"},
                        "caBundle": tls,
                    },
                    "rules": [
                        {
                            "apiGroups": [""],
                            "apiVersions": ["v1"],
                            "operations": ["CREATE"],
                            "resources": ["configmaps"],
                        }
                    ],
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "team-b"}},
                    "sideEffects": "None",
                    "admissionReviewVersions": ["v1"],
                    "timeoutSeconds": 5,
                    "failurePolicy": "Fail",
                }
            ],
        }
    )

    def told() -> str:
        try:
            cluster.core.create_namespaced_config_map("team-b", {"metadata": {"generateName": "denied-"}})
        except ApiException as exc:
            return str(exc.body)
        return ""

    try:
        wait_for("the webhook denies it", lambda: "this webhook denies all requests" in told(), seconds=60)
    finally:
        admission.delete_validating_webhook_configuration("policies")


def test_api_server_reaches_aggregated_apis(cluster: Cluster, prober: Prober, tls: str) -> None:
    """As of metrics-server: the API server asks the pod before it calls the API available."""
    environment = [
        {"name": "SERVE_TLS_PORT_8443", "value": "{}"},
        {"name": "CERT_FILE", "value": "/tls/tls.crt"},
        {"name": "KEY_FILE", "value": "/tls/tls.key"},
    ]
    serve(cluster, prober.image, "metrics", "w2", ["porter"], env=environment)
    registration: Any = client.ApiregistrationV1Api(cluster.core.api_client)
    registration.create_api_service(
        {
            "metadata": {"name": "v1.policies.example.org"},
            "spec": {
                "group": "policies.example.org",
                "version": "v1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "insecureSkipTLSVerify": True,
                "service": {"namespace": "team-a", "name": "metrics", "port": 443},
            },
        }
    )
    path = "/apis/apiregistration.k8s.io/v1/apiservices/v1.policies.example.org"
    try:
        wait_for(
            "the aggregated API is available",
            lambda: cluster.query(path, "status.conditions[?type=='Available'].status") == ["True"],
            seconds=60,
            evidence=lambda: str(cluster.query(path, "status")),
        )
    finally:
        registration.delete_api_service("v1.policies.example.org")


def test_unhealthy_cluster_is_refused(platform: Platform, cluster: Cluster) -> None:
    run_lab("stop", "w2")
    wait_for("w2 is not Ready", lambda: not cluster.ready("w2"), seconds=120)
    refused = platform.run(network_policy_mode="off").expect(code=2)
    assert "w2" in refused.text and "Nothing was changed" in refused.text
    assert not refused.changed
    run_lab("start", "w2")
    wait_for("w2 is Ready", lambda: cluster.ready("w2"), seconds=180)


def test_back_to_the_report_and_off(
    platform: Platform, prober: Prober, pairs: list[Pair], cluster: Cluster
) -> None:
    wait_for("the cluster is healthy again", lambda: platform.run("--check").code == 0, seconds=240)
    assert platform.change(network_policy_mode="report").changed == {("cp1", APPLIED)}
    prober.run([pair.options(True) for pair in pairs[:12]]).expect()
    assert platform.change(network_policy_mode="off").changed == {("cp1", APPLIED)}
    assert not policies(cluster)
    prober.run([pair.options(True) for pair in pairs[:12]]).expect()
