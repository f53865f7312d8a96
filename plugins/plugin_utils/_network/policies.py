# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Make the policies of the network baseline for Cilium 1.19 from openings. Pure.

A CiliumClusterwideNetworkPolicy denies by default what no other policy allows when its C(enableDefaultDeny) says so.
Only one object here has it, C(baseline); openings allow and never deny. So C(report) and C(enforce) differ by one
field of one object: with C(false) there, Cilium allows all that nothing else forbids by a rule of the lowest rank, and
its verdicts say which flows had no other.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network.openings import (
    API_SERVER,
    INTERNET,
    NODES,
    OUTSIDE,
    Opening,
    Others,
    Peer,
    Pods,
    Port,
)

Json = dict[str, t.Any]

OFF, REPORT, ENFORCE = "off", "report", "enforce"
MODES = (OFF, REPORT, ENFORCE)
API_VERSION, KIND = "cilium.io/v2", "CiliumClusterwideNetworkPolicy"
BASELINE, KUBERNETES = "baseline", "baseline-kubernetes"
#: Names of openings that are there unless the inventory has others of the same names.
DNS_OPENING, API_OPENING = "dns", "api-server"
API_PORT = 6443
_DNS_PORTS = (Port(53, 53, "UDP"), Port(53, 53, "TCP"))
_NAMESPACE = "k8s:io.kubernetes.pod.namespace"
_NAMESPACE_LABEL = "k8s:io.cilium.k8s.namespace.labels."
_COREDNS = Pods(("kube-system",), labels=(("k8s-app", "kube-dns"),))
# Addresses that are not of the public internet: RFC 1918, 6598, 3927, 5735 and 6890, 4193, 4291.
_NOT_PUBLIC = {
    "0.0.0.0/0": [
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.168.0.0/16", "224.0.0.0/4", "240.0.0.0/4"),
    ],
    "::/0": ["fc00::/7", "fe80::/10", "ff00::/8"],
}

#: Openings of every cluster, which an inventory can replace.
DEFAULTS = (
    Opening(DNS_OPENING, Pods(), _COREDNS, _DNS_PORTS),
    Opening(API_OPENING, Pods(("kube-system",)), Others((API_SERVER,)), (Port(API_PORT, API_PORT),)),
)


def _selector(pods: Pods) -> Json:
    """A selector of endpoints. Health endpoints and nodes have no namespace, and are never selected."""
    namespaces: Json = {"key": _NAMESPACE, "operator": "Exists"}
    if pods.named:
        namespaces = {"key": _NAMESPACE, "operator": "In", "values": sorted(pods.named)}
    labels = {
        **{_NAMESPACE_LABEL + key: value for key, value in pods.namespace_labels},
        **{f"k8s:{key}": value for key, value in pods.labels},
    }
    return {**({"matchLabels": labels} if labels else {}), "matchExpressions": [namespaces]}


def _port(port: Port) -> Json:
    found: Json = {"port": str(port.first), "protocol": port.protocol}
    return {**found, "endPort": port.last} if port.last != port.first else found


def with_ports(rules: t.Iterable[Json], ports: t.Sequence[Port]) -> list[Json]:
    """Limit rules to ports, if there are any."""
    to = {"toPorts": [{"ports": [_port(port) for port in ports]}]} if ports else {}
    return [{**rule, **to} for rule in rules]


def _entities(names: t.Sequence[str]) -> list[str]:
    """Entities of Cilium. A control plane is C(kube-apiserver) and C(remote-node) at once."""
    known = {API_SERVER: ["kube-apiserver"], NODES: ["host", "remote-node"], OUTSIDE: ["world"]}
    return [entity for name in names for entity in known.get(name, ())]


def peers(peer: Peer, way: str) -> list[Json]:
    """Rules that name a peer.

    :param way: C(from) or C(to).
    """
    if isinstance(peer, Pods):
        return [{f"{way}Endpoints": [_selector(peer)]}]
    rules: list[Json] = []
    if entities := _entities(peer.entities):
        rules.append({f"{way}Entities": entities})
    blocks = [
        {"cidr": cidr, **_except([one for one in peer.excluded if _inside(one, cidr)])} for cidr in peer.cidrs
    ]
    if INTERNET in peer.entities:
        blocks += [{"cidr": cidr, **_except(parts)} for cidr, parts in _NOT_PUBLIC.items()]
    if blocks:
        rules.append({f"{way}CIDRSet": blocks})
    if peer.hosts:
        rules.append(
            {"toFQDNs": [{"matchPattern" if "*" in one else "matchName": one} for one in peer.hosts]}
        )
    return rules


def _except(parts: t.Sequence[str]) -> Json:
    return {"except": list(parts)} if parts else {}


def _inside(inner: str, outer: str) -> bool:
    small, large = ipaddress.ip_network(inner), ipaddress.ip_network(outer)
    return small.version == large.version and small.subnet_of(large)  # type: ignore[arg-type]


def _spec(subject: Pods, description: str, deny: bool = False, **rules: list[Json]) -> Json:
    return {
        "description": description,
        "endpointSelector": _selector(subject),
        "enableDefaultDeny": {"ingress": deny, "egress": deny},
        **rules,
    }


def policy_object(name: str, specs: t.Sequence[Json]) -> Json:
    """A policy of its own for each name."""
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "specs": list(specs)}


def _asked(source: Pods) -> list[Json]:
    """What lets Cilium see the names that pods ask for: it learns addresses of names from answers to them."""
    rules = with_ports(peers(_COREDNS, "to"), _DNS_PORTS)
    return [
        {**rule, "toPorts": [{**rule["toPorts"][0], "rules": {"dns": [{"matchPattern": "*"}]}}]}
        for rule in rules
    ]


def _of_opening(opening: Opening) -> Json:
    """The policy of one opening: what the source may send, and what the target may receive."""
    name, described = f"opening-{opening.name}", f"Opening {opening.name}"
    if opening.within:
        specs = []
        for namespace in opening.within:
            pods = Pods((namespace,))
            specs.append(
                _spec(
                    pods,
                    described,
                    ingress=with_ports(peers(pods, "from"), opening.ports),
                    egress=with_ports(peers(pods, "to"), opening.ports),
                )
            )
        return policy_object(name, specs)
    specs = []
    if isinstance(opening.source, Pods):
        egress = with_ports(peers(opening.target, "to"), opening.ports)
        specs.append(
            _spec(
                opening.source, described, egress=egress + (_asked(opening.source) if opening.hosts else [])
            )
        )
    if isinstance(opening.target, Pods):
        specs.append(
            _spec(opening.target, described, ingress=with_ports(peers(opening.source, "from"), opening.ports))
        )
    return policy_object(name, specs)


def _of_kubernetes() -> Json:
    """What Kubernetes needs itself, whatever an inventory opens.

    API servers call webhooks and aggregated APIs in pods. Through a tunnel, their packets have the address of Cilium's
    own interface on their node, by which Cilium knows C(remote-node) and not C(kube-apiserver), so that all nodes are
    open to pods. A kubelet probes its pods from their node, which Cilium allows by default (C(allow-localhost)); it is
    named so that this setting does not matter. CoreDNS reads the API, and asks the resolvers of its node.
    """
    return policy_object(
        KUBERNETES,
        [
            _spec(
                Pods(),
                "Probes of kubelets, and webhooks and aggregated APIs that API servers call",
                ingress=[{"fromEntities": ["host", "remote-node", "kube-apiserver"]}],
            ),
            _spec(
                _COREDNS,
                "CoreDNS asks the API, and the resolvers of its node",
                egress=[
                    *with_ports([{"toEntities": ["kube-apiserver"]}], [Port(API_PORT, API_PORT)]),
                    *with_ports([{"toEntities": ["world", "host", "remote-node"]}], _DNS_PORTS),
                ],
            ),
        ],
    )


def _of_baseline(mode: str) -> Json:
    # A rule that names no peer allows nothing; without one, Cilium would refuse the policy.
    spec = _spec(
        Pods(), "Every pod is denied what no policy allows", deny=mode == ENFORCE, ingress=[{}], egress=[{}]
    )
    return policy_object(BASELINE, [spec])


def effective(openings: t.Sequence[Opening]) -> tuple[Opening, ...]:
    """The openings of an inventory, and those of every cluster that it does not replace by another of the same name."""
    names = {one.name for one in openings}
    return (*(one for one in DEFAULTS if one.name not in names), *openings)


def plan(mode: str, openings: t.Sequence[Opening]) -> list[Json]:
    """The objects of the baseline: openings first, and at the end what denies the rest.

    :param mode: of C(MODES).
    """
    if mode == OFF:
        return []
    return [
        _of_kubernetes(),
        *(_of_opening(one) for one in effective(openings)),
        _of_baseline(mode),
    ]


def missing(openings: t.Sequence[Opening], namespaces: t.Collection[str]) -> dict[str, tuple[str, ...]]:
    """Namespaces that do not exist (yet), by the name of the opening that names them."""
    found = {
        one.name: tuple(name for name in one.namespaces if name not in namespaces)
        for one in effective(openings)
    }
    return {name: names for name, names in found.items() if names}
