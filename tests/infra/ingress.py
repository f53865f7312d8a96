# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An application that is reached through the ingress controller, and the controller's own pods."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubernetes import client

from tests.infra.cluster import Cluster, running_and_ready
from tests.infra.service import Service
from tests.infra.waiting import wait_for
from tests.infra.web import Site

Json = dict[str, Any]
GROUP = "gateway.networking.k8s.io"
NAMESPACE = "shop"
#: Host name by what serves it.
NAMES = {name: f"{name}.example.org" for name in ("shop", "nginx", "gateway", "old")}
SELECTOR = "k8s-app=traefik"


@dataclass(frozen=True)
class Application:
    """What a team deploys: replicas behind a Service, with a certificate, in a namespace that is open to Traefik.

    :param address: of the ingress controller. :param ca: that its certificate is verified by.
    """

    service: Service
    address: str
    ca: str

    def at(self, name: str, *, https: bool = False, address: str = "", port: int = 0) -> Site:
        """Where it is reached by a host name."""
        ca = self.ca if https else ""
        return Site(address or self.address, NAMES[name], port or (443 if https else 80), ca)

    def ready(self) -> bool:
        """Whether all replicas are."""
        return self.service.ready() == self.service.REPLICAS

    def create(self, key: str) -> None:
        """Create all of it.

        :param key: of the certificate.
        """
        self.service.create()
        core, networking = self.service.cluster.core, self.service.cluster.networking
        core.create_namespaced_secret(
            NAMESPACE,
            {
                "metadata": {"name": "tls"},
                "type": "kubernetes.io/tls",
                "stringData": {"tls.crt": self.ca, "tls.key": key},
            },
        )
        # As in docs/ingress.md.
        traefik = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}
        rule = {"from": [traefik], "ports": [{"port": self.service.PORT}]}
        networking.create_namespaced_network_policy(
            NAMESPACE,
            {
                "metadata": {"name": "from-ingress"},
                "spec": {
                    "podSelector": {"matchLabels": {"app": NAMESPACE}},
                    "policyTypes": ["Ingress"],
                    "ingress": [rule],
                },
            },
        )
        wait_for("all replicas are ready", self.ready, seconds=120)

    @property
    def backend(self) -> Json:
        """As an Ingress refers to it."""
        return {"service": {"name": self.service.name, "port": {"number": 80}}}

    def ingress(self, name: str, class_name: str = "", annotations: Mapping[str, str] | None = None) -> None:
        """Create an Ingress for a host name."""
        path = {"path": "/", "pathType": "Prefix", "backend": self.backend}
        self.service.cluster.networking.create_namespaced_ingress(
            NAMESPACE,
            {
                "metadata": {"name": name, "annotations": dict(annotations or {})},
                "spec": {
                    **({"ingressClassName": class_name} if class_name else {}),
                    "rules": [{"host": NAMES[name], "http": {"paths": [path]}}],
                    "tls": [{"hosts": [NAMES[name]], "secretName": "tls"}],
                },
            },
        )

    def gateway(self, name: str) -> None:
        """Create a Gateway for a host name, and a route."""
        listeners = [
            {"name": "http", "port": 80, "protocol": "HTTP"},
            {
                "name": "https",
                "port": 443,
                "protocol": "HTTPS",
                "tls": {"certificateRefs": [{"name": "tls"}]},
            },
        ]
        for one in listeners:
            one["hostname"] = NAMES[name]
        backend = {"name": self.service.name, "port": 80}
        specs = {
            "Gateway": {"gatewayClassName": "traefik", "listeners": listeners},
            "HTTPRoute": {"parentRefs": [{"name": name}], "rules": [{"backendRefs": [backend]}]},
        }
        # Any: the client's own types know no plain dictionaries.
        api: Any = client.CustomObjectsApi(self.service.cluster.core.api_client)
        for kind, spec in specs.items():
            body = {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
            api.create_namespaced_custom_object(GROUP, "v1", NAMESPACE, f"{kind.lower()}s", body)


@dataclass(frozen=True)
class Traefik:
    """Its pods."""

    cluster: Cluster

    LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/cilium-l2announce-ingress-traefik"

    def nodes(self) -> dict[str, str]:
        """Node of each pod that is not about to end, by name."""
        expression = "[spec.nodeName, metadata.deletionTimestamp]"
        found = self.cluster.pods("ingress", SELECTOR, expression)
        return {name: node for name, (node, ends) in found.items() if ends is None}

    def settled(self) -> bool:
        """Whether there is a ready pod on each of two nodes, and no former one."""
        pods = self.cluster.pods("ingress", SELECTOR)
        nodes = {pod["spec"]["nodeName"] for pod in pods.values()}
        return len(pods) == len(nodes) == 2 and all(running_and_ready(pod) for pod in pods.values())

    def wait_settled(self, seconds: float = 180) -> None:
        """Wait until a rollout, or the return of a host, has ended."""
        wait_for(
            "Traefik is ready on two nodes, and all former pods have ended",
            self.settled,
            seconds=seconds,
            evidence=lambda: self.cluster.events("ingress"),
        )

    def holder(self) -> str:
        """Name of the node that announces the address."""
        return str(self.cluster.query(self.LEASE, "spec.holderIdentity"))

    def logged(self, path: str) -> list[Json]:
        """The lines of all access logs about requests for a path."""
        found = []
        for name in self.nodes():
            text = self.cluster.core.read_namespaced_pod_log(name, "ingress", tail_lines=2000)
            lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
            found += [line for line in lines if line.get("RequestPath") == path]
        return found
