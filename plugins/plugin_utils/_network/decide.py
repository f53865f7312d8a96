# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Which policies decide about a connection, by the objects of a cluster with Cilium. Pure.

A side is isolated in a direction when a policy selects it that denies by default there. Then it needs one policy that
allows the connection; a policy that denies wins over all. Cilium decides; this names what it decides by, for people.
"""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass, field

Json = t.Mapping[str, t.Any]
Labels = t.Mapping[str, str]

INGRESS, EGRESS = "ingress", "egress"
_NAMESPACE = "io.kubernetes.pod.namespace"
_NAMESPACE_LABEL = "io.cilium.k8s.namespace.labels."
_SOURCES = ("k8s:", "any:")


@dataclass(frozen=True)
class End:
    """One side of a connection.

    :param name: for people. :param labels: of a pod, with those of its namespace as Cilium has them; empty for others.
    :param address: of the side, empty where it is not known. :param entities: of Cilium, for what is no pod.
    """

    name: str
    labels: Labels = field(default_factory=dict)
    address: str = ""
    entities: frozenset[str] = frozenset()

    @property
    def pod(self) -> bool:
        return bool(self.labels)


@dataclass(frozen=True)
class Entry:
    """One rule of a policy.

    :param peers: the other sides that it names, C(None) for all. :param ports: likewise.
    :param blocks: its networks, which never stand for pods.
    """

    peers: tuple[t.Callable[[End], bool], ...] | None
    ports: tuple[Json, ...] | None
    blocks: tuple[Json, ...] = ()

    def matches(self, other: End, port: int, protocol: str) -> bool:
        """Whether it is about a connection."""
        return self._about(other) and self._at(port, protocol)

    def _about(self, other: End) -> bool:
        if self.peers is None:
            return True
        in_block = not other.pod and bool(other.address) and _node_free(other)
        return any(peer(other) for peer in self.peers) or (
            in_block and any(inside(other.address, block) for block in self.blocks)
        )

    def _at(self, port: int, protocol: str) -> bool:
        return self.ports is None or any(_port_matches(one, port, protocol) for one in self.ports)

    def names_pod_by_address(self, other: End) -> bool:
        """Whether a network of it has the address of a pod, which Cilium does not look at."""
        return other.pod and bool(other.address) and any(inside(other.address, one) for one in self.blocks)


@dataclass(frozen=True)
class Rule:
    """What a policy says about one direction.

    :param policy: kind and name. :param subject: whether it selects a side. :param isolates: whether it denies by
        default.
    """

    policy: str
    direction: str
    subject: t.Callable[[End], bool]
    isolates: bool
    allows: tuple[Entry, ...] = ()
    denies: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Decision:
    """About one side of a connection.

    :param allowed: by the objects. :param text: why, in words.
    """

    direction: str
    allowed: bool
    text: str


def pod_labels(namespace: str, labels: Labels, namespace_labels: Labels) -> dict[str, str]:
    """The labels of a pod as policies of Cilium see them."""
    return {
        **labels,
        _NAMESPACE: namespace,
        **{_NAMESPACE_LABEL + key: value for key, value in namespace_labels.items()},
    }


def _node_free(other: End) -> bool:
    """Whether it is no node: networks do not stand for those either."""
    return not other.entities & {"host", "remote-node", "kube-apiserver"}


def inside(address: str, block: Json) -> bool:
    """Whether an address is in a network, and not in its exceptions."""
    try:
        ip = ipaddress.ip_address(address)
        return ip in ipaddress.ip_network(str(block.get("cidr")), strict=False) and not any(
            ip in ipaddress.ip_network(str(one), strict=False) for one in block.get("except") or ()
        )
    except ValueError:
        return False


def _port_matches(entry: Json, port: int, protocol: str) -> bool:
    named = str(entry.get("protocol") or "TCP").upper()
    if named not in (protocol, "ANY"):
        return False
    first = entry.get("port")
    if first in (None, "", "0", 0):
        return True
    # A named port is one of the container, which is not known here.
    if not str(first).isdecimal():
        return False
    return int(str(first)) <= port <= int(entry.get("endPort") or first)


def _bare(key: str) -> str:
    return key.partition(":")[2] if key.startswith(_SOURCES) else key


def _has(other: End, key: str) -> str | None:
    """The value of a label; of an entity, which is a label of the source C(reserved)."""
    if key.startswith("reserved:"):
        return "" if key.partition(":")[2] in other.entities else None
    return other.labels.get(_bare(key))


def selected(selector: Json, other: End) -> bool:
    """Whether a selector selects a side. Labels may have a source in front, as Cilium writes them."""
    if not other.pod and not other.entities:
        return False
    for key, value in (selector.get("matchLabels") or {}).items():
        if _has(other, key) != value:
            return False
    for expression in selector.get("matchExpressions") or ():
        value = _has(other, str(expression.get("key")))
        values = expression.get("values") or ()
        met = {
            "In": value in values,
            "NotIn": value not in values,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }
        if not met.get(str(expression.get("operator")), False):
            return False
    return True


def _pods(selector: Json, namespace: str) -> t.Callable[[End], bool]:
    """Pods by a selector; of one namespace unless the selector names one itself."""
    keys = {
        *(selector.get("matchLabels") or {}),
        *(str(one.get("key")) for one in selector.get("matchExpressions") or ()),
    }
    free = not namespace or any(
        _bare(key) == _NAMESPACE or _bare(key).startswith(_NAMESPACE_LABEL) or key.startswith("reserved:")
        for key in keys
    )
    return lambda other: selected(selector, other) and (free or other.labels.get(_NAMESPACE) == namespace)


# --- NetworkPolicy ----------------------------------------------------------------------------------------------------


def _kubernetes_peer(peer: Json, namespace: str) -> t.Callable[[End], bool]:
    pods = peer.get("podSelector") or {}
    spaces = peer.get("namespaceSelector")

    def matches(other: End) -> bool:
        if not other.pod or not selected(pods, other):
            return False
        if spaces is None:
            return other.labels.get(_NAMESPACE) == namespace
        own = {
            key.removeprefix(_NAMESPACE_LABEL): value
            for key, value in other.labels.items()
            if key.startswith(_NAMESPACE_LABEL)
        }
        # An End without labels is no pod, and a namespace may have none.
        return selected(spaces, End(other.name, {**own, "": ""}))

    return matches


def _kubernetes_entry(rule: Json, way: str, namespace: str) -> Entry:
    peers = rule.get(way) or []
    return Entry(
        tuple(_kubernetes_peer(peer, namespace) for peer in peers if "ipBlock" not in peer)
        if peers
        else None,
        tuple(rule["ports"]) if rule.get("ports") else None,
        tuple(peer["ipBlock"] for peer in peers if "ipBlock" in peer),
    )


def _of_kubernetes(policy: Json) -> t.Iterator[Rule]:
    metadata, spec = policy.get("metadata") or {}, policy.get("spec") or {}
    namespace = str(metadata.get("namespace"))
    types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
    for direction, way in ((INGRESS, "from"), (EGRESS, "to")):
        if direction.capitalize() in types:
            yield Rule(
                f"NetworkPolicy {namespace}/{metadata.get('name')}",
                direction,
                _pods(spec.get("podSelector") or {}, namespace),
                True,
                tuple(_kubernetes_entry(one, way, namespace) for one in spec.get(direction) or ()),
            )


# --- Cilium -----------------------------------------------------------------------------------------------------------


def _entity(name: str) -> t.Callable[[End], bool]:
    if name == "all":
        return lambda other: True
    if name == "cluster":
        return lambda other: other.pod or "world" not in other.entities
    return lambda other: name in other.entities


def _cilium_entry(rule: Json, way: str, namespace: str) -> Entry:
    endpoints, entities = rule.get(f"{way}Endpoints"), rule.get(f"{way}Entities")
    blocks = [{"cidr": one} for one in rule.get(f"{way}CIDR") or ()] + list(rule.get(f"{way}CIDRSet") or ())
    ports = [port for one in rule.get("toPorts") or () for port in one.get("ports") or ()]
    others = [key for key in rule if key.startswith(way) and key != "toPorts"]
    peers = [
        *(_pods(one, namespace) for one in endpoints or ()),
        *(_entity(str(one)) for one in entities or ()),
    ]
    # A rule without peers and ports allows nothing; with ports alone, it is for everybody.
    everybody = not others and bool(ports)
    return Entry(None if everybody else tuple(peers), tuple(ports) if ports else None, tuple(blocks))


def _of_cilium(policy: Json) -> t.Iterator[Rule]:
    metadata = policy.get("metadata") or {}
    namespace = str(metadata.get("namespace") or "")
    kind = "CiliumNetworkPolicy" if namespace else "CiliumClusterwideNetworkPolicy"
    name = f"{kind} {f'{namespace}/' if namespace else ''}{metadata.get('name')}"
    for spec in [one for one in (policy.get("spec"), *(policy.get("specs") or ())) if one]:
        if "endpointSelector" not in spec:
            continue
        for direction, way in ((INGRESS, "from"), (EGRESS, "to")):
            allowing, denying = spec.get(direction) or (), spec.get(f"{direction}Deny") or ()
            wanted = (spec.get("enableDefaultDeny") or {}).get(direction)
            if allowing or denying:
                yield Rule(
                    name,
                    direction,
                    _pods(spec["endpointSelector"], namespace),
                    True if wanted is None else bool(wanted),
                    tuple(_cilium_entry(one, way, namespace) for one in allowing),
                    tuple(_cilium_entry(one, way, namespace) for one in denying),
                )


def rules_of(kubernetes: t.Iterable[Json], cilium: t.Iterable[Json]) -> list[Rule]:
    """Rules of all policies.

    :param kubernetes: NetworkPolicies. :param cilium: CiliumNetworkPolicies and clusterwide ones.
    """
    return [
        *(rule for policy in kubernetes for rule in _of_kubernetes(policy)),
        *(rule for policy in cilium for rule in _of_cilium(policy)),
    ]


def _names(rules: t.Iterable[Rule]) -> str:
    return ", ".join(dict.fromkeys(rule.policy for rule in rules))


def _decide(
    direction: str, own: End, other: End, port: int, protocol: str, rules: t.Sequence[Rule]
) -> Decision:
    about = [rule for rule in rules if rule.direction == direction and rule.subject(own)]
    denying = [rule for rule in about if any(one.matches(other, port, protocol) for one in rule.denies)]
    allowing = [rule for rule in about if any(one.matches(other, port, protocol) for one in rule.allows)]
    isolating = [rule for rule in about if rule.isolates]
    side = f"{direction} of {own.name}"
    if denying:
        return Decision(direction, False, f"{side} is denied by {_names(denying)}")
    if allowing:
        return Decision(direction, True, f"{side} is allowed by {_names(allowing)}")
    if not isolating:
        return Decision(direction, True, f"{side} is isolated by no policy")
    by_address = [rule for rule in about if any(one.names_pod_by_address(other) for one in rule.allows)]
    hint = (
        f" ({_names(by_address)} has a network with the address of {other.name}; in Cilium, networks never stand for"
        " pods: name the pods by labels)"
        if by_address
        else ""
    )
    return Decision(
        direction, False, f"{side} is isolated by {_names(isolating)}, and no policy allows it{hint}"
    )


def decide(source: End, target: End, port: int, protocol: str, rules: t.Sequence[Rule]) -> list[Decision]:
    """What policies decide about a connection, on each side that is a pod."""
    found = []
    if source.pod:
        found.append(_decide(EGRESS, source, target, port, protocol, rules))
    if target.pod:
        found.append(_decide(INGRESS, target, source, port, protocol, rules))
    return found
