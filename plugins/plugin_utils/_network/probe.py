# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Probes of network policies: which pods to start, what to try from them, and what the outcome means. Pure."""

from __future__ import annotations

import ipaddress
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network import decide
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._options import forms

Json = dict[str, t.Any]

OPEN, DENIED = "open", "denied"
#: Further outcomes, which are neither.
REFUSED, UNRESOLVED, FAILED = "refused", "unresolved", "failed"
#: Label of all pods that a probe has started. What an earlier run has left is found by it.
LABEL = "baremetal.kubernetes/network-policy-probe"
#: The kubelet ends a pod after this time, whatever became of the run that has started it.
LIFETIME = 900
_PREFIX = "network-policy-probe-"
_WORDS = {"TIMEOUT": DENIED, "REFUSED": REFUSED, "DNS": UNRESOLVED}
# What a policy looks like that is answered instead of dropped (policy-deny-response of Cilium).
_PROHIBITED = re.compile(r"prohibited|not permitted|unreachable|no route to host", re.IGNORECASE)
_HOST_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:/\s]+):(?P<port>[0-9]{1,5})")


def _container(port: int) -> str:
    return f"port-{port}"


@dataclass(frozen=True)
class Pod:
    """A pod that connects, and is connected to.

    :param name: of the probe; the pod's is longer. :param ports: at which it listens, TCP and UDP.
    :param node: name of the node where it has to run, empty for any.
    """

    name: str
    namespace: str
    labels: tuple[tuple[str, str], ...] = ()
    ports: tuple[int, ...] = (8080,)
    node: str = ""

    @property
    def pod(self) -> str:
        """Name of the pod."""
        return f"{_PREFIX}{self.name}"

    @property
    def container(self) -> str:
        """Name of the container that connects."""
        return _container(self.ports[0])

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Pair:
    """A connection to try.

    :param source: name of a probe. :param target: name of a probe, or C(HOST:PORT). :param expected: C(OPEN) or
        C(DENIED).
    """

    source: str
    target: str
    port: int
    protocol: str = "TCP"
    expected: str = OPEN

    def __str__(self) -> str:
        at = self.target if ":" in self.target else f"{self.target}:{self.port}"
        return f"{self.source} to {at}/{self.protocol}"


@dataclass(frozen=True)
class Outcome:
    """What a try has shown.

    :param observed: C(OPEN), C(DENIED), or another outcome. :param told: by the program.
    """

    observed: str
    told: str = ""


def pods_of(given: t.Sequence[Json]) -> tuple[dict[str, Pod], list[str]]:
    """Probes by name, and what is wrong with others."""
    pods: dict[str, Pod] = {}
    problems = []
    for number, one in enumerate(given, 1):
        name, namespace = str(one["name"]), str(one["namespace"])
        ports = tuple(one.get("ports") or (8080,))
        if forms.label(name) or len(_PREFIX + name) > 63:
            problems.append(f"pods, entry {number}: the name is {name!r}, expected {forms.label('A')}")
        elif name in pods:
            problems.append(f"pods, entry {number}: the name {name} is there twice")
        elif forms.label(namespace):
            problems.append(f"pods, {name}: the namespace is {namespace!r}, expected {forms.label('A')}")
        elif not all(1024 <= port < 65536 for port in ports):
            problems.append(
                f"pods, {name}: ports are {list(ports)}, expected 1024 to 65535: a probe is not root"
            )
        else:
            labels = {str(key): str(value) for key, value in (one.get("labels") or {}).items()}
            pods[name] = Pod(
                name, namespace, tuple(sorted(labels.items())), ports, str(one.get("node") or "")
            )
    return pods, problems


def pairs_of(given: t.Sequence[Json], pods: t.Mapping[str, Pod]) -> tuple[list[Pair], list[str]]:
    """Pairs, and what is wrong with others."""
    pairs: list[Pair] = []
    problems = []
    for number, one in enumerate(given, 1):
        source, target = str(one["from"]), str(one["to"])
        where = f"pairs, entry {number}"
        port = int(one.get("port") or 0)
        if source not in pods:
            problems.append(f"{where}: from is {source!r}, expected one of {', '.join(pods) or 'pods'}")
            continue
        outside = _HOST_PORT.fullmatch(target)
        if target in pods:
            port = port or pods[target].ports[0]
        elif outside:
            port = int(outside["port"])
        else:
            problems.append(f"{where}: to is {target!r}, expected one of {', '.join(pods)}, or HOST:PORT")
            continue
        pairs.append(Pair(source, target, port, str(one["protocol"]), str(one["expected"])))
    return pairs, problems


def manifest(pod: Pod, image: str) -> Json:
    """The pod, as the Pod Security level C(restricted) asks for it."""
    containers = [
        {
            "name": _container(port),
            "image": image,
            "command": ["/agnhost"],
            "args": ["netexec", f"--http-port={port}", f"--udp-port={port}"],
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"memory": "128Mi"}},
            "readinessProbe": {"httpGet": {"path": "/hostname", "port": port}, "periodSeconds": 1},
        }
        for port in pod.ports
    ]
    place = {"nodeSelector": {"kubernetes.io/hostname": pod.node}} if pod.node else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod.pod,
            "namespace": pod.namespace,
            "labels": {**dict(pod.labels), LABEL: "true"},
        },
        "spec": {
            **place,
            **({"tolerations": [{"operator": "Exists"}]} if pod.node else {}),
            "activeDeadlineSeconds": LIFETIME,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65534,
                "runAsGroup": 65534,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": containers,
        },
    }


def waiting_for(pod: Json) -> str:
    """Why a pod is not ready, empty when it is."""
    status = pod.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Ready" and condition.get("status") == "True":
            return ""
    reasons = [
        " ".join(filter(None, (state.get("reason"), state.get("message"))))
        for one in status.get("containerStatuses") or ()
        for state in ((one.get("state") or {}).get("waiting") or {},)
        if state
    ]
    reasons += [
        str(one.get("message") or one.get("reason"))
        for one in status.get("conditions") or ()
        if one.get("type") == "PodScheduled" and one.get("status") == "False"
    ]
    return (
        "; ".join(dict.fromkeys(reasons))[:300] or f"it is {status.get('phase') or 'not there'} and not ready"
    )


def command(pair: Pair, address: str, seconds: int) -> list[str]:
    """What the source runs.

    :param address: of the target's pod, where it is one.
    """
    host = f"[{address}]" if ":" in address else address
    target = f"{host}:{pair.port}" if address else pair.target
    return ["/agnhost", "connect", target, f"--timeout={seconds}s", f"--protocol={pair.protocol.lower()}"]


def outcome(code: int, output: str) -> Outcome:
    """What the end of agnhost's C(connect) means."""
    told = " ".join(output.split())[:200]
    if code == 0:
        return Outcome(OPEN)
    word = told.partition(":")[0].partition(" ")[0]
    if word in _WORDS:
        return Outcome(_WORDS[word], told)
    return Outcome(DENIED if _PROHIBITED.search(told) else FAILED, told)


def end_of(target: str, nodes: t.Mapping[str, frozenset[str]]) -> decide.End | None:
    """A target that is no probe, as policies see it; C(None) for a name.

    :param nodes: entities of each address of a node.
    """
    host = target.rpartition(":")[0].strip("[]")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return None
    return decide.End(host, address=host, entities=nodes.get(host, frozenset({"world"})))


_MEANING = {
    REFUSED: "connections are refused, so that a policy lets them through and nothing listens there",
    UNRESOLVED: "its name cannot be resolved, for which the source needs DNS",
}


def explain(pair: Pair, seen: Outcome, decisions: t.Sequence[decide.Decision]) -> str:
    """A pair whose outcome is another one than expected, with the policies that decide it."""
    means = _MEANING.get(seen.observed, "")
    found = f"found {seen.observed}" + (f" ({means or seen.told})" if means or seen.told else "")
    told = f"{pair}: expected {pair.expected}, {found}"
    if decisions:
        told += ". By its policies, " + "; ".join(one.text for one in decisions)
        allowed = all(one.allowed for one in decisions)
        if allowed != (seen.observed == OPEN) and seen.observed in (OPEN, DENIED):
            told += (
                f". They {'allow' if allowed else 'deny'} it, other than found: Cilium may not have them yet, or the"
                " target does not answer; look at the policies' status and at the target"
            )
    return told
