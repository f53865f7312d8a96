# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role ingress applies, for sites that are reached in different ways."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.templates.documents import Objects, named
from tests.templates.test_rendering import rendered  # noqa: F401 - pytest finds it here

NODE_PORT, ANNOUNCED, HOST_PORT = "runs pods", "three control planes", "air gap with settings of its own"


@pytest.fixture
def applied(rendered: Callable[[str], Path]) -> Callable[[str], Objects]:  # noqa: F811 - the fixture
    """Gives the objects of a site, by kind, and by name for a second one of a kind."""

    def read(site: str) -> Objects:
        objects = named(rendered(site), "ingress")
        # The first one of a kind counts.
        return {**{one["kind"]: one for one in reversed(objects.values())}, **objects}

    return read


def pod(objects: Objects) -> dict[str, Any]:
    return objects["DaemonSet"]["spec"]["template"]["spec"]


def arguments(objects: Objects) -> dict[str, str]:
    """Argument -> value."""
    (container,) = pod(objects)["containers"]
    pairs = [argument.removeprefix("--").split("=", 1) for argument in container["args"]]
    assert len({name for name, _ in pairs}) == len(pairs), "an argument that is there twice"
    return dict(pairs)


@pytest.mark.parametrize("site", [NODE_PORT, ANNOUNCED, HOST_PORT])
def test_pods_are_restricted(site: str, applied: Callable[[str], Objects]) -> None:
    objects = applied(site)
    (container,) = pod(objects)["containers"]
    assert pod(objects)["securityContext"]["runAsNonRoot"] is True
    assert pod(objects)["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(container["resources"]["requests"]) == {"cpu", "memory"}
    level = objects["Namespace"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
    assert level == ("privileged" if site == HOST_PORT else "restricted")


def test_next_replica_is_ready_before_the_former_one_stops(applied: Callable[[str], Objects]) -> None:
    for site, surge, unavailable in ((NODE_PORT, 1, 0), (ANNOUNCED, 1, 0), (HOST_PORT, 0, 1)):
        strategy = applied(site)["DaemonSet"]["spec"]["updateStrategy"]["rollingUpdate"]
        assert strategy == {"maxSurge": surge, "maxUnavailable": unavailable}


@pytest.mark.parametrize(("site", "drain"), [(NODE_PORT, 30), (HOST_PORT, 45)])
def test_replica_drains_before_it_is_killed(site: str, drain: int, applied: Callable[[str], Objects]) -> None:
    objects = applied(site)
    given = arguments(objects)
    for point in ("web", "websecure"):
        transport = f"entryPoints.{point}.transport"
        assert given[f"{transport}.lifeCycle.requestAcceptGraceTimeout"] == f"{drain}s"
        assert given[f"{transport}.keepAliveMaxTime"] == f"{drain - 10}s"
        finish = int(given[f"{transport}.lifeCycle.graceTimeOut"].removesuffix("s"))
        assert pod(objects)["terminationGracePeriodSeconds"] > drain + finish


def test_announced_address(applied: Callable[[str], Objects]) -> None:
    objects = applied(ANNOUNCED)
    service = objects["Service"]
    assert service["metadata"]["annotations"] == {"lbipam.cilium.io/ips": "192.0.2.241"}
    assert service["spec"]["externalTrafficPolicy"] == "Local"
    assert service["spec"]["allocateLoadBalancerNodePorts"] is False
    assert objects["CiliumLoadBalancerIPPool"]["spec"]["blocks"] == [
        {"start": "192.0.2.240", "stop": "192.0.2.247"}
    ]
    announcement = objects["CiliumL2AnnouncementPolicy"]["spec"]
    assert announcement["interfaces"] == ["^eth0$"] and announcement["loadBalancerIPs"] is True
    # A node without a replica would drop what it answers for.
    terms = pod(objects)["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert announcement["nodeSelector"] == terms["nodeSelectorTerms"][0]
    assert announcement["serviceSelector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert (
        arguments(objects)["providers.kubernetesIngress.ingressEndpoint.publishedService"]
        == "ingress/traefik"
    )


def test_address_moves_within_five_seconds(rendered: Callable[[str], Path]) -> None:  # noqa: F811 - the fixture
    """By k8s.io/client-go/tools/leaderelection, which Cilium's agents use."""
    values = yaml.safe_load((rendered(ANNOUNCED) / "cilium.document").read_text(encoding="utf-8"))
    given = values["l2announcements"]
    assert given["leaseDuration"] == "3s", "the lease itself has whole seconds"
    duration, deadline = 3.0, float(given["leaseRenewDeadline"].removesuffix("s"))
    retry = float(given["leaseRetryPeriod"].removesuffix("ms")) / 1000
    assert 1.2 * retry < deadline < duration, "otherwise Cilium replaces them"
    # A node that waits sees the last renewal when it asks next, counts from then, and asks once more.
    assert duration + 2 * retry * 2.2 < 5
    # Each renewal, of the one address, is a read and a write.
    assert 2 / retry < values["k8sClientRateLimit"]["qps"] < values["k8sClientRateLimit"]["burst"]


def test_ports_of_hosts(applied: Callable[[str], Objects]) -> None:
    objects = applied(HOST_PORT)
    (container,) = pod(objects)["containers"]
    ports = {port["name"]: port.get("hostPort") for port in container["ports"]}
    assert ports == {"http": 8000, "https": 8443, "health": 8001, "metrics": None}
    assert objects["Service"]["spec"]["type"] == "ClusterIP"
    open_to = objects["CiliumNetworkPolicy"]["spec"]["ingress"][1]
    assert "world" in open_to["fromEntities"], "health checks of the site's load balancer"
    assert "CiliumLoadBalancerIPPool" not in objects


def test_node_ports(applied: Callable[[str], Objects]) -> None:
    service = applied(NODE_PORT)["Service"]["spec"]
    assert service["type"] == "NodePort" and service["externalTrafficPolicy"] == "Local"
    assert [port["nodePort"] for port in service["ports"]] == [30080, 30443]


def test_dead_pods_are_passed_over_in_time(applied: Callable[[str], Objects]) -> None:
    """Traefik takes turns for all requests together, so that a further try may meet a dead pod again."""
    objects = applied(NODE_PORT)
    text = objects["ConfigMap"]["data"]["dynamic.yml"]
    retry = yaml.safe_load(text)["http"]["middlewares"]["next-pod"]["retry"]
    dial = int(arguments(objects)["serversTransport.forwardingTimeouts.dialTimeout"].removesuffix("ms"))
    # Half of the pods are on the host that was lost.
    assert 0.5 ** retry["attempts"] < 0.005
    # Pauses double from the first one to the last one, and vary by half.
    pauses = 2 * 1.5 * int(retry["initialInterval"].removesuffix("ms")) * retry["attempts"]
    assert retry["attempts"] * dial + pauses < 5500, "clients do not wait for ever"
    for point in ("web", "websecure"):
        assert arguments(objects)[f"entryPoints.{point}.http.middlewares"] == "next-pod@file"


def test_only_named_proxies_are_believed(applied: Callable[[str], Objects]) -> None:
    given = arguments(applied(HOST_PORT))
    for point in ("web", "websecure"):
        assert given[f"entryPoints.{point}.proxyProtocol.trustedIPs"] == "192.0.2.4,198.51.100.0/28"
        assert given[f"entryPoints.{point}.forwardedHeaders.trustedIPs"] == "192.0.2.4"
    assert not [name for name in arguments(applied(NODE_PORT)) if "trustedIPs" in name or "insecure" in name]


def test_tls_options(applied: Callable[[str], Objects]) -> None:
    objects = applied(HOST_PORT)
    text = objects["ConfigMap"]["data"]["dynamic.yml"]
    options = yaml.safe_load(text)["tls"]["options"]
    assert options["default"]["minVersion"] == "VersionTLS12"
    assert all("_ECDHE_" in suite and "_CBC_" not in suite for suite in options["default"]["cipherSuites"])
    assert options["old-clients"]["minVersion"] == "VersionTLS11"
    assert not [
        suite for suite in options["old-clients"]["cipherSuites"] if "RC4" in suite or "3DES" in suite
    ]
    # A changed file rolls out.
    annotations = objects["DaemonSet"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["baremetal.kubernetes/config"] == hashlib.sha256(text.encode()).hexdigest()


def test_arguments_of_the_site_replace_those_of_the_role(applied: Callable[[str], Objects]) -> None:
    given = arguments(applied(HOST_PORT))
    assert given["entryPoints.websecure.transport.respondingTimeouts.readTimeout"] == "600s"
    # Traefik does not look at the case of a name.
    assert given["accesslog"] == "false" and "accessLog" not in given
    assert given["accessLog.format"] == "json"
    assert arguments(applied(NODE_PORT))["accessLog"] == "true"


def test_named_hosts_run_it_whatever_their_taints(applied: Callable[[str], Objects]) -> None:
    """Hosts for ingress alone are kept free of other pods by a taint."""
    assert pod(applied(NODE_PORT))["tolerations"] == [{"operator": "Exists"}]


def test_http_can_be_sent_to_https(applied: Callable[[str], Objects]) -> None:
    middlewares = yaml.safe_load(applied(NODE_PORT)["ConfigMap"]["data"]["dynamic.yml"])["http"][
        "middlewares"
    ]
    assert middlewares["to-https"] == {"redirectScheme": {"scheme": "https", "permanent": True}}


def test_parts_that_are_left_out(applied: Callable[[str], Objects]) -> None:
    every, few = applied(NODE_PORT), applied(HOST_PORT)
    assert {"IngressClass traefik", "IngressClass nginx", "GatewayClass traefik"} <= set(every)
    assert {"IngressClass web"} == {name for name in few if " " in name and "Class" in name}
    for objects, default in ((every, "true"), (few, "false")):
        annotations = objects["IngressClass"]["metadata"]["annotations"]
        assert annotations["ingressclass.kubernetes.io/is-default-class"] == default
    assert not [name for name in arguments(few) if "Gateway" in name or "NGINX" in name]
    groups = [group for rule in few["ClusterRole"]["rules"] for group in rule["apiGroups"]]
    assert "gateway.networking.k8s.io" not in groups


def test_rights_are_to_watch_and_to_write_status(applied: Callable[[str], Objects]) -> None:
    for rule in applied(NODE_PORT)["ClusterRole"]["rules"]:
        status = all(resource.endswith("/status") for resource in rule["resources"])
        assert rule["verbs"] == (["update"] if status else ["list", "watch"])


def test_teams_may_use_gateway_api(applied: Callable[[str], Objects]) -> None:
    """By the roles that they have: view is part of edit, and edit of admin."""
    found = applied(NODE_PORT)
    edit, view = (found[f"ClusterRole baremetal:gateway-api-{name}"] for name in ("edit", "view"))
    aggregate = "rbac.authorization.k8s.io/aggregate-to-"
    assert {"admin", "edit"} == {
        name.removeprefix(aggregate) for name in edit["metadata"]["labels"] if name.startswith(aggregate)
    }
    assert view["metadata"]["labels"][f"{aggregate}view"] == "true"
    for one in (edit, view):
        (rule,) = one["rules"]
        assert rule["apiGroups"] == ["gateway.networking.k8s.io"]
        # Classes are the administrator's, and so is what a controller writes.
        assert not [name for name in rule["resources"] if "/" in name or name.endswith("classes")]
    assert "ClusterRole baremetal:gateway-api-edit" not in applied(HOST_PORT)


def test_budget_is_for_several_replicas(applied: Callable[[str], Objects]) -> None:
    assert applied(NODE_PORT)["PodDisruptionBudget"]["spec"]["minAvailable"] == 1
    assert "PodDisruptionBudget" not in applied("plain systemd")
