# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster through its API, with the kubeconfig that the run left on the controller."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jmespath
import yaml
from kubernetes import client, config
from kubernetes.stream import stream

from tests.infra.waiting import wait_for

#: Seconds that one try of a connection may take inside a probe.
CONNECT_TIMEOUT = 2
#: JMESPath: status of a node's condition Ready, in a list.
READY = "status.conditions[?type=='Ready'].status"


@dataclass(frozen=True)
class Cluster:
    """A cluster.

    :param kubeconfig: file with the administrator's credentials.
    """

    kubeconfig: Path

    def _client(self) -> client.ApiClient:
        return config.new_client_from_config(str(self.kubeconfig))

    def reconnect(self) -> None:
        """Read the kubeconfig again, which a run has replaced."""
        for name in ("core", "networking"):
            self.__dict__.pop(name, None)

    # Any: the client's own types call every field optional, and know no plain dictionaries.
    @cached_property
    def core(self) -> Any:
        return client.CoreV1Api(self._client())

    @cached_property
    def networking(self) -> Any:
        return client.NetworkingV1Api(self._client())

    def query(self, path: str, expression: str) -> Any:
        """The answer of a JMESPath expression to the JSON of a path, which is what `kubectl get -o json` prints.

        :param path: of the API, for instance ``/api/v1/nodes``.
        """
        api = self._client()
        # Its connections rather than its methods, whose signatures differ between versions.
        answer = api.rest_client.pool_manager.request("GET", f"{api.configuration.host}{path}")
        body = json.loads(answer.data)
        assert answer.status == 200, f"GET {path}: {body.get('message', answer.status)}"
        return jmespath.search(expression, body)

    def nodes(self, expression: str = "@") -> dict[str, Any]:
        """The answer of a JMESPath expression to each node, by name."""
        found = self.query("/api/v1/nodes", f"items[].[metadata.name, {expression}]")
        return dict(found)

    def ready(self, name: str) -> bool:
        """Whether a node has the condition Ready."""
        return self.query(f"/api/v1/nodes/{name}", READY) == ["True"]

    def alive_since(self, name: str, moment: datetime) -> bool:
        """Whether the kubelet of a node has renewed its lease after a moment."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}"
        return datetime.fromisoformat(self.query(path, "spec.renewTime")) > moment

    def pods(self, namespace: str, selector: str = "", expression: str = "@") -> dict[str, Any]:
        """The answer of a JMESPath expression to each pod of a namespace, by name."""
        path = f"/api/v1/namespaces/{namespace}/pods?labelSelector={quote(selector)}"
        found = self.query(path, f"items[].[metadata.name, {expression}]")
        return dict(found)

    def wait_system_pods(self, seconds: float = 240) -> None:
        """Wait until all pods of kube-system are ready, as after a restore or a power cut."""
        wait_for(
            "all system pods are ready",
            lambda: all(running_and_ready(pod) for pod in self.pods("kube-system").values()),
            seconds=seconds,
        )

    def execute(self, namespace: str, pod: str, argv: Sequence[str]) -> tuple[int, str]:
        """Run a command in a pod.

        :return: exit code, and output of both streams.
        """
        # A client of its own: `stream` changes the one that it is given into a websocket client.
        channel = stream(
            client.CoreV1Api(self._client()).connect_get_namespaced_pod_exec,
            pod,
            namespace,
            command=list(argv),
            stdout=True,
            stderr=True,
            stdin=False,
            tty=False,
            _preload_content=False,
            _request_timeout=30,
        )
        channel.run_forever(timeout=30)
        # In this order: read_all throws away the channel that has the exit code.
        code = channel.returncode
        output = channel.read_all()
        channel.close()
        assert code is not None, f"{namespace}/{pod}: `{' '.join(argv)}` did not end within 30 s: {output}"
        return int(code), output

    def stored(self, key: str) -> list[bytes]:
        """Values of all keys with a prefix, as the etcd of cp1 stores them.

        :param key: for instance ``/registry/secrets/default/``.
        """
        pki = "/etc/kubernetes/pki/etcd"
        argv = ["etcdctl", f"--cacert={pki}/ca.crt", f"--cert={pki}/peer.crt", f"--key={pki}/peer.key"]
        argv += ["get", key, "--prefix", "--print-value-only", "--hex"]
        code, output = self.execute("kube-system", "etcd-cp1", argv)
        assert code == 0, output
        return [bytes.fromhex(line.replace("\\x", "")) for line in output.splitlines() if line.strip()]

    def events(self, namespace: str) -> str:
        """The events of a namespace."""
        expression = (
            "items[].join(' ', [involvedObject.kind, involvedObject.name, reason || '', message || ''])"
        )
        return "\n".join(self.query(f"/api/v1/namespaces/{namespace}/events", expression)[-30:])


def now() -> datetime:
    """This moment, comparable with the API's times."""
    return datetime.now(UTC)


def running_and_ready(pod: Any) -> bool:
    """Whether all containers of a pod, given as JSON, run and answer."""
    phase, ready = jmespath.search("[status.phase, status.containerStatuses[].ready]", pod)
    return phase == "Running" and bool(ready) and all(ready)


@dataclass(frozen=True)
class Probes:
    """One agnhost pod on each node, in a namespace of its own; each serves HTTP and can connect to the others.

    :param cluster: where they run.
    :param namespace: of the pods, and of whatever a test adds.
    :param image: agnhost by its upstream name.
    :param nodes: names of the nodes; the pod on node X is called probe-X.
    """

    cluster: Cluster
    namespace: str
    image: str
    nodes: tuple[str, ...]

    PORT = 8080

    def create(self) -> None:
        """Make the namespace, the pods and a Service over all of them."""
        core = self.cluster.core
        core.create_namespace({"metadata": {"name": self.namespace}})
        for node in self.nodes:
            core.create_namespaced_pod(self.namespace, self._pod(node))
        core.create_namespaced_service(
            self.namespace,
            {
                "metadata": {"name": "probes"},
                "spec": {"selector": {"app": "probe"}, "ports": [{"port": 80, "targetPort": self.PORT}]},
            },
        )

    def _pod(self, node: str) -> dict[str, Any]:
        return {
            "metadata": {"name": self.name(node), "labels": {"app": "probe", "node": node}},
            "spec": {
                "nodeSelector": {"kubernetes.io/hostname": node},
                "tolerations": [{"operator": "Exists"}],
                "terminationGracePeriodSeconds": 1,
                # As the Pod Security Standard `restricted` asks for, which a cluster has by default.
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": 65534,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": "agnhost",
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "capabilities": {"drop": ["ALL"]},
                        },
                        "image": self.image,
                        "command": ["/agnhost"],
                        "args": ["netexec", f"--http-port={self.PORT}", "--udp-port=-1"],
                        "readinessProbe": {
                            "httpGet": {"path": "/hostname", "port": self.PORT},
                            "periodSeconds": 1,
                        },
                    }
                ],
            },
        }

    def delete(self) -> None:
        """Delete everything, without waiting."""
        self.cluster.core.delete_namespace(self.namespace)

    @staticmethod
    def name(node: str) -> str:
        """Name of the pod on a node."""
        return f"probe-{node}"

    def get(self, node: str) -> Any:
        """The pod on a node, as JSON."""
        return self.query(node, "@")

    def query(self, node: str, expression: str) -> Any:
        """The answer of a JMESPath expression to the pod on a node."""
        return self.cluster.query(f"/api/v1/namespaces/{self.namespace}/pods/{self.name(node)}", expression)

    def wait_ready(self, seconds: float, evidence: Callable[[], str]) -> None:
        """Wait until every probe runs.

        :raises AssertionError: one does not within `seconds`; with the events and the evidence.
        """
        for node in self.nodes:
            wait_for(
                f"pod {self.name(node)} runs",
                lambda node=node: running_and_ready(self.get(node)),  # type: ignore[misc]
                seconds=seconds,
                evidence=lambda: f"{self.cluster.events(self.namespace)}\n{evidence()}",
            )

    def connects(self, source: str, target: str) -> bool:
        """Whether the pod on `source` can open a TCP connection to `target` (address:port or name:port)."""
        argv = ["/agnhost", "connect", target, f"--timeout={CONNECT_TIMEOUT}s"]
        return self.cluster.execute(self.namespace, self.name(source), argv)[0] == 0

    def address(self, node: str) -> str:
        """Address and port of the pod on a node."""
        return f"{self.query(node, 'status.podIP')}:{self.PORT}"

    def wait_connects(self, source: str, target: str, seconds: float = 30) -> None:
        """Wait until a connection is possible."""
        wait_for(
            f"probe on {source} connects to {target}", lambda: self.connects(source, target), seconds=seconds
        )

    def wait_refused(self, source: str, target: str, seconds: float = 30) -> None:
        """Wait until a connection fails, and check that two more tries fail, too."""
        wait_for(
            f"probe on {source} cannot connect to {target}",
            lambda: not self.connects(source, target),
            seconds=seconds,
        )
        for _ in range(2):
            assert not self.connects(source, target), f"probe on {source} connects to {target} again"
            time.sleep(0.5)


def policy(
    name: str, selects: Mapping[str, str], allows_from: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """A NetworkPolicy that closes pods to all ingress, but for pods with certain labels."""
    ingress = [] if allows_from is None else [{"from": [{"podSelector": {"matchLabels": dict(allows_from)}}]}]
    return {
        "metadata": {"name": name},
        "spec": {
            "podSelector": {"matchLabels": dict(selects)},
            "policyTypes": ["Ingress"],
            "ingress": ingress,
        },
    }


def image_of_lab(catalogue: Path, repository: str) -> str:
    """Reference of an image as the lab's mirror has it.

    :param catalogue: the lab's list of artifacts.
    :param repository: upstream's registry and repository.
    """
    images = yaml.safe_load(catalogue.read_text(encoding="utf-8"))["images"]
    return f"{repository}:{images[repository]['version']}"
