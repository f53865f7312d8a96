# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What the baseline would deny, from the verdicts of Cilium 1.19. Pure: text of its agents in, a report out.

While the baseline reports, Cilium adds a rule that allows everything to each pod whose policies do not deny by default
(C(allow-any-ingress), C(allow-any-egress) in the endpoint's policy). Any rule of a policy is more specific. So a
verdict that matched C(all) in a direction with that rule is a connection that only this rule has allowed, and that is
what the baseline denies once it is enforced. A verdict is for a new connection; for those that were open before, the
counter of that rule in the policy map of the pod is compared.
"""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError

Json = t.Mapping[str, t.Any]

INGRESS, EGRESS = "ingress", "egress"
_VERDICT = re.compile(
    r"Policy verdict log: flow \S+ local EP ID (?P<endpoint>\d+), remote ID (?P<identity>\d+), proto (?P<number>\d+),"
    r" (?P<direction>ingress|egress), action (?P<action>\w+), auth: \S+, match (?P<match>\S+), (?P<summary>.*)"
)
_EVENT = re.compile(r">> (?P<kind>Endpoint created|IPCache entry upserted): (?P<data>\{.*\})")
_LOST = re.compile(r"CPU \d+: Lost (\d+) events")
_CONNECTION = re.compile(r"(?P<source>\S+) -> (?P<target>\S+) (?P<protocol>[a-z0-9]+)\b")
_SOCKET = re.compile(r"\[?(?P<address>[0-9a-fA-F:.]+?)\]?:(?P<port>\d+)")
_ALLOW_ANY = {INGRESS: "allow-any-ingress", EGRESS: "allow-any-egress"}
#: Labels of endpoints that are pods, and of rules.
_POD, _POLICY_NAME = "k8s:io.kubernetes.pod.namespace=", "k8s:io.cilium.k8s.policy.name="
#: Trafficdirection of Cilium's policy maps.
_DIRECTIONS = {0: INGRESS, 1: EGRESS}
#: Numbers of Cilium's reserved identities (pkg/identity/numericidentity.go).
_RESERVED = {1: "the node of the pod", 4: "Cilium's health check", 6: "another node", 7: "a control plane"}
#: The highest byte of the identity of a node with labels of its own.
_NODE_SCOPE = 2
_HOST = 1
_SHOWN = 3


@dataclass(frozen=True)
class Verdict:
    """Cilium's verdict on a new connection.

    :param endpoint: number of the pod's endpoint on its node. :param identity: number of the other side's identity.
    :param direction: of the connection, as of the pod. :param match: how specific the deciding rule was.
    :param source: :param target: addresses. :param port: of the target, 0 without one. :param protocol: lower case.
    """

    endpoint: int
    identity: int
    direction: str
    action: str
    match: str
    source: str = ""
    target: str = ""
    port: int = 0
    protocol: str = ""


@dataclass(frozen=True)
class Pod:
    """A pod with an endpoint.

    :param node: address of the node where it runs. :param endpoint: its number there.
    :param identity: number of its labels' identity. :param addresses: of the pod.
    """

    namespace: str
    name: str
    node: str
    endpoint: int
    identity: int
    addresses: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Seen:
    """What one agent has told.

    :param node: address of its node. :param verdicts: in their order.
    :param lost: number of events that it could not tell.
    :param open_ended: by endpoint, the directions in which a rule allows what no policy does.
    :param started: pods that were started meanwhile, on its node and on others.
    :param before: :param after: packets that this rule has allowed, by endpoint and direction.
    :param host: number of the endpoint that stands for the node itself, 0 when it is not known.
    """

    node: str
    verdicts: tuple[Verdict, ...] = ()
    lost: int = 0
    open_ended: t.Mapping[int, frozenset[str]] = field(default_factory=dict)
    started: tuple[Pod, ...] = ()
    before: t.Mapping[tuple[int, str], int] = field(default_factory=dict)
    after: t.Mapping[tuple[int, str], int] = field(default_factory=dict)
    host: int = 0


@dataclass(frozen=True)
class Flow:
    """Connections that the baseline would deny, of pods with the same labels to the same place.

    :param namespace: of the pods, empty for nodes themselves. :param pods: their names.
    :param peer: the other side, in words.
    :param port: of the target, 0 without one, or when it is not known.
    :param count: number of connections; 0 for ones that were open before.
    """

    namespace: str
    direction: str
    pods: tuple[str, ...]
    peer: str
    port: int
    protocol: str
    count: int

    def as_dict(self) -> dict[str, t.Any]:
        """As a task returns it."""
        return {
            "namespace": self.namespace,
            "direction": self.direction,
            "pods": list(self.pods),
            "peer": self.peer,
            "port": self.port,
            "protocol": self.protocol,
            "connections": self.count,
        }

    def line(self) -> str:
        """For people."""
        more = len(self.pods) - _SHOWN
        pods = ", ".join(self.pods[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        if not self.count:
            others = "" if self.namespace else ", or of other protocols than TCP and UDP"
            return f"{self.direction} of {pods}: packets of connections that were open before{others}"
        at = f" {self.port}/{self.protocol}" if self.port else f" {self.protocol}"
        plural = "connection" if self.count == 1 else "connections"
        if self.direction == EGRESS:
            return f"egress from {pods} to {self.peer}{at}: {self.count} {plural}"
        return f"ingress to {pods}{at} from {self.peer}: {self.count} {plural}"


def _address(text: str) -> tuple[str, int]:
    match = _SOCKET.fullmatch(text)
    return (match["address"], int(match["port"])) if match else (text, 0)


def read_verdicts(text: str, node: str) -> tuple[tuple[Verdict, ...], int]:
    """Verdicts of a monitor's output, and the number of events that were lost.

    :raises OperatorError: when verdicts are there and none can be read, as of another version of Cilium.
    """
    verdicts, lost, unread = [], 0, ""
    for line in text.splitlines():
        if match := _LOST.search(line):
            lost += int(match[1])
            continue
        found = _VERDICT.search(line)
        if found is None:
            unread = unread or (line if "olicy verdict" in line else "")
            continue
        connection = _CONNECTION.match(found["summary"])
        source, target, port, protocol = "", "", 0, ""
        if connection:
            source = _address(connection["source"])[0]
            target, port = _address(connection["target"])
            protocol = connection["protocol"]
        verdicts.append(
            Verdict(
                endpoint=int(found["endpoint"]),
                identity=int(found["identity"]),
                direction=found["direction"],
                action=found["action"],
                match=found["match"],
                source=source,
                target=target,
                port=port,
                protocol=protocol.upper(),
            )
        )
    if unread and not verdicts:
        raise OperatorError(
            f"The verdicts of Cilium on {node} cannot be read, such as {unread[:200]!r}.",
            "The collection reads those of Cilium 1.19: is another version deployed?",
        )
    return tuple(verdicts), lost


def read_started(text: str, node: str) -> tuple[Pod, ...]:
    """Pods that were started while a monitor ran, which tells of them in two events."""
    endpoints: dict[tuple[str, str], int] = {}
    entries: dict[tuple[str, str], Json] = {}
    for line in text.splitlines():
        match = _EVENT.search(line)
        data = _json(match["data"], "an event") if match else {}
        name = (str(data.get("namespace") or ""), str(data.get("pod-name") or ""))
        if match is None or not all(name):
            continue
        if match["kind"] == "Endpoint created":
            endpoints[name] = int(data["id"])
        else:
            entries[name] = data
    return tuple(
        Pod(
            *name,
            node if name in endpoints else str(entry.get("host-ip") or ""),
            endpoints.get(name, 0),
            int(entry.get("id") or 0),
            (str(entry.get("cidr")).partition("/")[0],),
        )
        for name, entry in entries.items()
    )


def _json(text: str, what: str) -> t.Any:
    try:
        return json.loads(text)
    except ValueError as exc:
        raise OperatorError(
            f"What Cilium's agent says of {what} is no JSON: {text[:200]!r}.", "Look at the log of its pod."
        ) from exc


def read_open_ended(text: str) -> dict[int, frozenset[str]]:
    """Directions in which a rule allows what no policy does, by endpoint; from C(cilium-dbg endpoint list -o json)."""
    found: dict[int, frozenset[str]] = {}
    for one in _json(text, "its endpoints") or ():
        realized = ((one.get("status") or {}).get("policy") or {}).get("realized") or {}
        l4 = realized.get("l4") or {}
        found[int(one["id"])] = frozenset(
            direction
            for direction, marker in _ALLOW_ANY.items()
            if marker in json.dumps(l4.get(direction) or ())
        )
    return found


def realized(text: str, policy: str) -> bool:
    """Whether all pods of a node have a policy that is for each of them; from C(cilium-dbg endpoint list -o json).

    :param policy: its name, of one with rules for ingress.
    """
    for one in _json(text, "its endpoints") or ():
        status = one.get("status") or {}
        labels = (status.get("identity") or {}).get("labels") or ()
        if any(str(label).startswith(_POD) for label in labels):
            ingress = (((status.get("policy") or {}).get("realized") or {}).get("l4") or {}).get(INGRESS)
            if f'{_POLICY_NAME}{policy}"' not in json.dumps(ingress or ()):
                return False
    return True


def _host(text: str) -> Json:
    """The endpoint that stands for the node itself, empty without one; from the same."""
    for one in _json(text, "its endpoints") or ():
        if ((one.get("status") or {}).get("identity") or {}).get("id") == _HOST:
            return t.cast("Json", one)
    return {}


def read_host(text: str) -> int:
    """Number of the endpoint that stands for the node itself, 0 without one; from the same."""
    return int(_host(text).get("id") or 0)


def realized_on_host(text: str, policy: str) -> bool:
    """Whether a policy of nodes is in force on a node; from the same. :param policy: its name."""
    status = _host(text).get("status") or {}
    rules = ((status.get("policy") or {}).get("realized") or {}).get("l4") or {}
    return f'{_POLICY_NAME}{policy}"' in json.dumps(rules)


def read_counters(text: str, host: int = 0) -> dict[tuple[int, str], int]:
    """Packets that the rule for everything has allowed; from C(cilium-dbg bpf policy get --all -n -o json).

    :param host: number of the endpoint of the node itself, of which rules for all of a protocol count, too.
    """
    found: dict[tuple[int, str], int] = {}
    for one in _json(text, "its policy maps") or ():
        endpoint = int(one["EndpointID"])
        limits = ["Identity", "DestPortNetwork", *([] if host and endpoint == host else ["Nexthdr"])]
        for entry in one.get("Content") or ():
            key = entry.get("Key") or {}
            packets = int(entry.get("Packets") or 0)
            # The largest number says that it is not counted.
            if not any(key.get(name) for name in limits) and packets < 1 << 63:
                place = endpoint, _DIRECTIONS[int(key.get("TrafficDirection") or 0)]
                found[place] = found.get(place, 0) + packets
    return found


def read_pods(items: t.Iterable[Json]) -> list[Pod]:
    """Pods, from CiliumEndpoints."""
    pods = []
    for item in items:
        metadata, status = item.get("metadata") or {}, item.get("status") or {}
        networking = status.get("networking") or {}
        pairs = networking.get("addressing") or ()
        pods.append(
            Pod(
                str(metadata.get("namespace")),
                str(metadata.get("name")),
                # The node's address: names are not in it.
                str(networking.get("node") or ""),
                int(status.get("id") or 0),
                int((status.get("identity") or {}).get("id") or 0),
                tuple(str(pair[key]) for pair in pairs for key in ("ipv4", "ipv6") if pair.get(key)),
            )
        )
    return pods


class _Directory:
    """Names for addresses and identities."""

    def __init__(self, pods: t.Sequence[Pod], namespaces: t.Mapping[int, str]) -> None:
        self._by_address = {address: pod for pod in pods for address in pod.addresses}
        self._namespaces = {pod.identity: pod.namespace for pod in pods} | dict(namespaces)

    def peer(self, identity: int, address: str) -> str:
        """The other side of a connection."""
        if identity in _RESERVED:
            return _RESERVED[identity]
        if identity >> 24 == _NODE_SCOPE:
            return f"node {address}" if address else "another node"
        pod = self._by_address.get(address)
        if pod is not None and pod.identity == identity:
            return f"pod {pod}"
        if identity in self._namespaces:
            return f"a pod of namespace {self._namespaces[identity]}"
        return f"{address} outside the cluster" if address else "outside the cluster"

    def group(self, identity: int, address: str) -> str:
        """What connections are counted by: pods with the same labels are one."""
        if identity in self._namespaces:
            return str(identity)
        return self.peer(identity, address)


def flows(
    seen: t.Sequence[Seen], pods: t.Sequence[Pod], namespaces: t.Mapping[int, str], match: str = "all"
) -> list[Flow]:
    """What the baseline would deny, by namespace.

    :param seen: by all agents. :param pods: with C(node) as in C(Seen).
    :param namespaces: of identities whose pods may have ended.
    :param match: how specific the rule is that allows what would be denied.
    """
    everyone = [*pods, *(pod for agent in seen for pod in agent.started)]
    directory = _Directory(everyone, namespaces)
    local = {(pod.node, pod.endpoint): pod for pod in everyone if pod.endpoint}
    grouped: dict[tuple[str, str, int, str, int, str], tuple[dict[str, None], str, list[int]]] = {}
    told: set[tuple[str, int, str]] = set()
    for agent in seen:
        for verdict in agent.verdicts:
            # Of one that has started and ended meanwhile, it is not known.
            directions = agent.open_ended.get(verdict.endpoint, frozenset(_ALLOW_ANY))
            pod = local.get((agent.node, verdict.endpoint))
            if (
                verdict.match != match
                or verdict.action != "allow"
                or verdict.direction not in directions
                or not pod
            ):
                continue
            told.add((agent.node, verdict.endpoint, verdict.direction))
            address = verdict.target if verdict.direction == EGRESS else verdict.source
            key = (
                pod.namespace,
                verdict.direction,
                pod.identity,
                directory.group(verdict.identity, address),
                verdict.port,
                verdict.protocol,
            )
            names, _peer, count = grouped.setdefault(
                key, ({}, directory.peer(verdict.identity, address), [0])
            )
            names[pod.name] = None
            count[0] += 1
    found = [
        Flow(namespace, direction, tuple(names), peer, port, protocol, count[0])
        for (namespace, direction, _identity, _group, port, protocol), (names, peer, count) in grouped.items()
    ]
    return sorted(
        [*found, *_older(seen, local, told)],
        key=lambda flow: (flow.namespace, flow.direction, flow.pods, flow.peer, flow.port),
    )


def host_flows(
    seen: t.Sequence[Seen],
    names: t.Mapping[str, str],
    pods: t.Sequence[Pod],
    namespaces: t.Mapping[int, str],
) -> list[Flow]:
    """What the policies of nodes would deny.

    :param seen: :param pods: :param namespaces: as of C(flows). :param names: of nodes by their addresses.
    """
    hosts = [
        Pod("", names.get(agent.node, agent.node), agent.node, agent.host, _HOST)
        for agent in seen
        if agent.host
    ]
    # Endpoints of pods are left out: what theirs would deny is not the question.
    known = [replace(pod, endpoint=0) for pod in pods]
    return flows([replace(agent, started=()) for agent in seen], [*known, *hosts], namespaces, "Proto-Only")


def _older(
    seen: t.Sequence[Seen], local: t.Mapping[tuple[str, int], Pod], told: t.Collection[tuple[str, int, str]]
) -> t.Iterator[Flow]:
    """Pods whose packets were counted, and whose connections had begun before."""
    for agent in seen:
        for (endpoint, direction), packets in agent.after.items():
            pod = local.get((agent.node, endpoint))
            more = packets > agent.before.get((endpoint, direction), 0)
            if (
                more
                and pod
                and direction in agent.open_ended.get(endpoint, frozenset())
                and (agent.node, endpoint, direction) not in told
            ):
                yield Flow(pod.namespace, direction, (pod.name,), "", 0, "", 0)


def lines(found: t.Sequence[Flow], seconds: float, lost: int) -> list[str]:
    """The report for people."""
    told = [f"watched for {seconds:g} seconds"]
    if lost:
        told.append(f"{lost} events were lost, as there were too many: what they were is not in the report")
    if not found:
        return [*told, "nothing that was seen would be denied"]
    for namespace in dict.fromkeys(flow.namespace for flow in found):
        told.append(f"{f'namespace {namespace}' if namespace else 'nodes'}, would be denied:")
        told += [f"  {flow.line()}" for flow in found if flow.namespace == namespace]
    return told
