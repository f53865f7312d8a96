# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Deployment with a budget behind a Service, and a client that counts the requests that it does not answer."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from kubernetes import client

from tests.infra.cluster import Cluster

#: Seconds between two requests, and within which one must be answered.
INTERVAL, TIMEOUT = 0.1, 3.0


@dataclass
class Counted:
    """What a client has seen.

    :param requests: how many it has sent. :param lost: moment and reason of each that was not answered with success.
    """

    requests: int = 0
    lost: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Service:
    """Replicas on different nodes where that is possible.

    :param cluster: where they run. :param name: of everything, and of the namespace. :param image: agnhost.
    """

    cluster: Cluster
    name: str
    image: str

    REPLICAS, PORT, NODE_PORT = 2, 8080, 30080
    #: Seconds that a replica serves after it was told to end: until no node sends it new connections.
    GRACE = 8

    def create(self) -> None:
        """Create the namespace, the Deployment, its budget and the Service."""
        core = self.cluster.core
        labels = {"app": self.name}
        core.create_namespace({"metadata": {"name": self.name}})
        # Any: the client's own types know no plain dictionaries.
        apps: Any = client.AppsV1Api(core.api_client)
        policy: Any = client.PolicyV1Api(core.api_client)
        apps.create_namespaced_deployment(self.name, self._deployment(labels))
        policy.create_namespaced_pod_disruption_budget(
            self.name,
            {
                "metadata": {"name": self.name},
                "spec": {"minAvailable": 1, "selector": {"matchLabels": labels}},
            },
        )
        ports = [{"port": 80, "targetPort": self.PORT, "nodePort": self.NODE_PORT}]
        core.create_namespaced_service(
            self.name,
            {
                "metadata": {"name": self.name},
                "spec": {"type": "NodePort", "selector": labels, "ports": ports},
            },
        )

    def _deployment(self, labels: dict[str, str]) -> dict[str, Any]:
        spread = {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": labels},
        }
        container = {
            "name": "agnhost",
            "image": self.image,
            "command": ["/agnhost"],
            "args": [
                "netexec",
                f"--http-port={self.PORT}",
                "--udp-port=-1",
                f"--delay-shutdown={self.GRACE}",
            ],
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            "readinessProbe": {"httpGet": {"path": "/hostname", "port": self.PORT}, "periodSeconds": 1},
        }
        pod = {
            "terminationGracePeriodSeconds": self.GRACE + 7,
            # As the Pod Security Standard `restricted` asks for, which a cluster has by default.
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65534,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "topologySpreadConstraints": [spread],
            "containers": [container],
        }
        return {
            "metadata": {"name": self.name},
            "spec": {
                "replicas": self.REPLICAS,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        }

    def delete(self) -> None:
        """Delete everything, without waiting."""
        self.cluster.core.delete_namespace(self.name)

    def ready(self) -> int:
        """How many replicas are ready."""
        path = f"/apis/apps/v1/namespaces/{self.name}/deployments/{self.name}"
        return int(self.cluster.query(path, "status.readyReplicas") or 0)

    def steady(self, address: str, seconds: float = 5.0) -> bool:
        """Whether all requests of some seconds are answered, as :meth:`counted` asks them."""
        with self.counted(address) as seen:
            time.sleep(seconds)
        return seen.requests > 0 and not seen.lost

    @contextlib.contextmanager
    def counted(self, address: str) -> Iterator[Counted]:
        """Ask ten times a second while the block runs, over a new connection each time.

        :param address: of a node.
        """
        seen, stop = Counted(), threading.Event()
        asking = threading.Thread(target=self._ask, args=(address, seen, stop), daemon=True)
        asking.start()
        try:
            yield seen
        finally:
            stop.set()
            asking.join()

    def _ask(self, address: str, seen: Counted, stop: threading.Event) -> None:
        while not stop.is_set():
            began = time.monotonic()
            seen.requests += 1
            connection = http.client.HTTPConnection(address, self.NODE_PORT, timeout=TIMEOUT)
            try:
                connection.request("GET", "/hostname")
                status = connection.getresponse().status
                if status != http.HTTPStatus.OK:
                    seen.lost.append(f"{time.strftime('%T')} HTTP {status}")
            except (OSError, http.client.HTTPException) as exc:
                seen.lost.append(f"{time.strftime('%T')} {exc!r}")
            finally:
                connection.close()
            stop.wait(max(0.0, INTERVAL - (time.monotonic() - began)))
