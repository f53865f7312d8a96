# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ingress controller, from its first deployment to its removal. Each test needs those before it."""

from __future__ import annotations

import base64
import http
import json
import shlex
import time
from pathlib import Path
from typing import Any

import pytest

from lab.config import Settings
from tests.infra import guide, proxy
from tests.infra.cluster import Cluster
from tests.infra.hosts import Host, run_lab
from tests.infra.ingress import GROUP, NAMES, NAMESPACE, Application, Traefik
from tests.infra.network import Platform
from tests.infra.playbook import Playbook
from tests.infra.tls import handshake
from tests.infra.waiting import wait_for
from tests.infra.web import counted

DEPLOY = "baremetal.kubernetes.ingress : Deploy Traefik"
KINDS = "baremetal.kubernetes.crds : Apply CustomResourceDefinitions"
CONFIG = "/api/v1/namespaces/kube-system/configmaps/cilium-config"
ANNOTATION = "traefik.ingress.kubernetes.io"
PART_OF = "labelSelector=baremetal.kubernetes/part-of"
#: What Kubernetes notices a dead node by.
NOTICED: dict[str, Any] = next(
    found
    for found in guide.yaml_of("ingress.md")
    if isinstance(found, dict) and "control_plane_cluster_configuration" in found
)
#: Seconds after a power cut: until the address answers, and until every request succeeds.
ANSWERS, SUCCEEDS = 5, 20
#: Seconds for which clients go on after that: by then Kubernetes itself has removed the endpoints of the dead node.
WATCHED = 40


def test_pool_outside_the_network_of_the_nodes_changes_nothing(platform: Platform) -> None:
    refused = platform.run(ingress_ranges=["203.0.113.0/29"], ingress_address="").expect(code=2)
    assert "203.0.113.0/29 is in no network of the node" in refused.text
    assert "Nothing was changed" in refused.text
    assert not refused.changed


def test_site_lets_cilium_announce_addresses(
    playbook: Playbook, cluster: Cluster, variables: dict[str, Any]
) -> None:
    """It also lets Kubernetes notice a dead node in time, as docs/ingress.md says."""
    kubelets = {**variables.get("kubelet_config", {}), **NOTICED["kubelet_config"]}
    values = {**NOTICED, "kubelet_config": kubelets, "network_address_announcements": True}
    playbook.run("-e", json.dumps(values)).expect()
    data = cluster.query(CONFIG, "data")
    assert data["enable-l2-announcements"] == "true"
    assert data["l2-announcements-lease-duration"] == "3s"


def test_check_mode_predicts_and_changes_nothing(platform: Platform, cluster: Cluster) -> None:
    predicted = platform.run("--check").expect()
    assert {KINDS, DEPLOY} <= {task for _host, task in predicted.changed}
    assert "ingress" not in cluster.query("/api/v1/namespaces", "items[].metadata.name")


def test_second_run_changes_nothing(platform: Platform, traefik: Traefik) -> None:
    platform.run().expect()
    assert traefik.settled(), "the run has waited for it"
    platform.run().expect_quiet()


def test_ingress_of_the_default_class(application: Application, cluster: Cluster, address: str) -> None:
    application.ingress("shop", annotations={f"{ANNOTATION}/router.middlewares": "to-https@file"})
    path = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/ingresses/shop"
    assert cluster.query(path, "spec.ingressClassName") == "traefik"
    site = application.at("shop", https=True)
    wait_for("it is served by HTTPS", lambda: site.status() == http.HTTPStatus.OK, seconds=30)
    redirected = application.at("shop").ask("/cart")
    assert redirected.status == http.HTTPStatus.MOVED_PERMANENTLY
    assert redirected.headers["location"] == f"https://{NAMES['shop']}/cart"
    # A name that nobody has asked for.
    assert application.at("old").status() == http.HTTPStatus.NOT_FOUND
    wait_for(
        "its status has the address",
        lambda: cluster.query(path, "status.loadBalancer.ingress[].ip") == [address],
        seconds=30,
    )


def test_manifest_of_ingress_nginx(application: Application, cluster: Cluster) -> None:
    annotations = {"enable-cors": "true", "cors-allow-origin": "https://other.example.org"}
    application.ingress(
        "nginx",
        "nginx",
        {f"nginx.ingress.kubernetes.io/{name}": value for name, value in annotations.items()},
    )
    site = application.at("nginx", https=True)
    wait_for("it is served by HTTPS", lambda: site.status() == http.HTTPStatus.OK, seconds=30)
    # By ingress-nginx's defaults, for which no annotation is needed.
    assert application.at("nginx").ask().status == http.HTTPStatus.PERMANENT_REDIRECT
    answer = site.ask(headers={"Origin": "https://other.example.org"})
    assert answer.headers["access-control-allow-origin"] == "https://other.example.org"


def test_gateway_and_its_route(application: Application, cluster: Cluster, address: str) -> None:
    application.gateway("gateway")
    for https in (False, True):
        site = application.at("gateway", https=https)
        wait_for(
            f"it is served, HTTPS: {https}",
            lambda site=site: site.status() == http.HTTPStatus.OK,  # type: ignore[misc]
            seconds=30,
        )
    path = f"/apis/{GROUP}/v1/namespaces/{NAMESPACE}/gateways/gateway"
    assert cluster.query(path, "status.conditions[?type=='Programmed'].status") == ["True"]
    assert cluster.query(path, "status.addresses[].value") == [address]


def test_old_clients_are_for_who_asks_for_them(application: Application, address: str) -> None:
    application.ingress(
        "old",
        annotations={
            f"{ANNOTATION}/router.entrypoints": "websecure",
            f"{ANNOTATION}/router.tls": "true",
            f"{ANNOTATION}/router.tls.options": "old-clients@file",
        },
    )
    site = application.at("old", https=True)
    wait_for("it is served", lambda: site.status() == http.HTTPStatus.OK, seconds=30)
    new, old = (address, NAMES["shop"]), (address, NAMES["old"])
    without_aead = ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0")
    chosen = handshake(*new, "-tls1_2")
    assert "-GCM-" in chosen or "-CHACHA20-" in chosen, chosen
    assert handshake(*new, "-tls1_3")
    for refused in (("-tls1_1",), ("-tls1",), without_aead):
        assert not handshake(*new, *refused), f"{refused} is accepted without being asked for"
    for accepted in (("-tls1_3",), ("-tls1_2",), ("-tls1_1",), ("-tls1",), without_aead):
        assert handshake(*old, *accepted), f"{accepted} is refused"


def test_changed_value_rolls_out_without_a_lost_request(
    platform: Platform, application: Application, traefik: Traefik, address: str
) -> None:
    former = set(traefik.nodes())
    with counted(application.at("gateway"), kept=3) as seen:
        changed = platform.run(ingress_old_tls_version="1.1").expect()
        # Until the former replicas have answered what they had.
        traefik.wait_settled()
        time.sleep(2)
    assert {task for _host, task in changed.changed} == {DEPLOY}
    assert not former & set(traefik.nodes()), "all replicas are new"
    assert len(seen.requests) > 200
    assert not seen.lost, seen.shown()
    platform.values["ingress_old_tls_version"] = "1.1"
    assert handshake(address, NAMES["old"], "-tls1_1") and not handshake(address, NAMES["old"], "-tls1")


def test_power_cut_of_the_host_with_the_address(
    application: Application, traefik: Traefik, cluster: Cluster, hosts: dict[str, Host]
) -> None:
    """A client measures, from the first request that it loses: it needs to know nothing of the cluster."""
    holder = traefik.holder()
    assert holder in traefik.nodes().values()
    pods = cluster.pods(NAMESPACE, f"app={NAMESPACE}", "spec.nodeName")
    assert holder in pods.values() and len(set(pods.values())) == 2, "one replica is lost, too"
    try:
        with counted(application.at("gateway")) as seen:
            time.sleep(2)
            assert not seen.lost, seen.shown()
            run_lab("stop", holder)
            time.sleep(WATCHED)
        print(
            f"{holder} lost power: the address answers after {seen.answered_after:.1f} s, every request succeeds"
            f" after {seen.steady_after:.1f} s"
        )
        assert traefik.holder() != holder
        assert seen.answered_after <= ANSWERS, seen.shown()
        assert seen.steady_after <= SUCCEEDS, seen.shown()
    finally:
        run_lab("start", holder)
        hosts[holder].reconnect()
        wait_for(f"{holder} is Ready", lambda: cluster.ready(holder), seconds=180)
    traefik.wait_settled()
    wait_for("both replicas are ready", application.ready, seconds=120)
    # The playbook refuses a cluster that is not healthy.
    cluster.wait_system_pods(180)


@pytest.fixture(scope="module")
def targets(hosts: dict[str, Host], cluster: Cluster) -> list[str]:
    """Addresses of the hosts that run it."""
    addresses = cluster.nodes("status.addresses[?type=='InternalIP'] | [0].address")
    return [addresses[name] for name, host in hosts.items() if not host.control_plane]


#: Sends what it reads, and prints the status of the answer. Python, as not every host has curl.
ASK = (
    "import socket, sys; connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10);"
    " connection.sendall(sys.stdin.buffer.read()); print(connection.makefile().readline().split()[1])"
)


def ask(host: Host, address: str, port: int, path: str, head: str = "") -> str:
    """The status of a request by a host of the lab.

    :param head: a line in front of it.
    """
    lines = [f"GET {path} HTTP/1.1", f"Host: {NAMES['gateway']}", "Connection: close", "", ""]
    text = "\r\n".join([head, *lines] if head else lines)
    sent = base64.b64encode(text.encode()).decode()
    return host.check(f"echo {sent} | base64 -d | python3 -c {shlex.quote(ASK)} {address} {port}").strip()


def clients(traefik: Traefik, path: str) -> set[str]:
    """Whom the access logs name for a path, once one of them has it."""
    lines = wait_for(f"{path} is logged", lambda: traefik.logged(path), seconds=15)
    return {str(line["ClientHost"]) for line in lines}


def test_real_client_behind_a_load_balancer(
    platform: Platform,
    traefik: Traefik,
    hosts: dict[str, Host],
    cluster: Cluster,
    targets: list[str],
    lab: Settings,
    tmp_path: Path,
) -> None:
    """Debian's HAProxy on the lab's machine, in front of node ports; the client is a host without pods of Traefik."""
    balancer = lab.network.gateway
    ports = {"http": 30081, "https": 30444}
    changed = platform.run(
        ingress_exposure="node_port", ingress_node_ports=ports, ingress_proxy_protocol_from=[balancer]
    ).expect()
    assert {task for _host, task in changed.changed} == {DEPLOY}
    platform.values |= {
        "ingress_exposure": "node_port",
        "ingress_node_ports": ports,
        "ingress_proxy_protocol_from": [balancer],
    }
    assert not cluster.query("/apis/cilium.io/v2/ciliumloadbalancerippools", "items")
    me = cluster.nodes("status.addresses[?type=='InternalIP'] | [0].address")["cp1"]
    text = proxy.configuration(f"{balancer}:8088", targets, ports["http"])
    with proxy.running(tmp_path, text) as log:
        wait_for(
            "a request is answered through the load balancer",
            lambda: ask(hosts["cp1"], balancer, 8088, "/hostname?real") == "200",
            seconds=30,
            evidence=lambda: log.read_text(encoding="utf-8"),
        )
        assert clients(traefik, "/hostname?real") == {me}
    # Somebody else says that he is another one.
    head = f"PROXY TCP4 203.0.113.9 {targets[0]} 4711 80"
    assert ask(hosts["cp1"], targets[0], ports["http"], "/hostname?forged", head) == "200"
    assert "203.0.113.9" not in clients(traefik, "/hostname?forged")


def test_ports_of_hosts_behind_a_load_balancer(
    platform: Platform,
    traefik: Traefik,
    hosts: dict[str, Host],
    cluster: Cluster,
    targets: list[str],
    lab: Settings,
    tmp_path: Path,
) -> None:
    platform.run(ingress_exposure="host_port").expect()
    labels = cluster.query("/api/v1/namespaces/ingress", "metadata.labels")
    assert labels["pod-security.kubernetes.io/enforce"] == "privileged"
    me = cluster.nodes("status.addresses[?type=='InternalIP'] | [0].address")["cp1"]
    text = proxy.configuration(f"{lab.network.gateway}:8088", targets, 80, health=8080)
    with proxy.running(tmp_path, text) as log:
        wait_for(
            "a request is answered through the load balancer",
            lambda: ask(hosts["cp1"], lab.network.gateway, 8088, "/hostname?port") == "200",
            seconds=30,
            evidence=lambda: log.read_text(encoding="utf-8"),
        )
        assert clients(traefik, "/hostname?port") == {me}


def test_switched_off_it_leaves_nothing_but_kinds(platform: Platform, cluster: Cluster) -> None:
    platform.run(ingress_enabled=False).expect()
    # Also while its pods have not ended yet.
    platform.run(ingress_enabled=False).expect_quiet()
    for path in (
        "/api/v1/namespaces",
        "/api/v1/serviceaccounts",
        "/api/v1/services",
        "/api/v1/configmaps",
        "/apis/apps/v1/daemonsets",
        "/apis/policy/v1/poddisruptionbudgets",
        "/apis/networking.k8s.io/v1/ingressclasses",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        "/apis/cilium.io/v2/ciliumnetworkpolicies",
        "/apis/cilium.io/v2/ciliumloadbalancerippools",
        "/apis/cilium.io/v2alpha1/ciliuml2announcementpolicies",
        f"/apis/{GROUP}/v1/gatewayclasses",
    ):
        wait_for(
            f"{path} has nothing of it",
            lambda path=path: not cluster.query(f"{path}?{PART_OF}=ingress", "items"),  # type: ignore[misc]
            seconds=120,
        )
    # What teams have made of these kinds is theirs.
    kinds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert len(cluster.query(f"{kinds}?{PART_OF}=gateway-api", "items")) == 6
    path = f"/apis/{GROUP}/v1/namespaces/{NAMESPACE}/gateways"
    assert cluster.query(path, "items[].metadata.name") == ["gateway"]
