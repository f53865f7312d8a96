# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.
"""Make the policies of the nodes themselves for Cilium 1.19. Pure.

A CiliumClusterwideNetworkPolicy with C(nodeSelector) is for what arrives at the addresses of nodes: programs on the
host, and pods with C(hostNetwork). As with the baseline of pods, only one object denies by default
(C(host-baseline)). What nodes send stays open.

A report needs Cilium's verdicts, and for nodes it tells none of what its rule for everything allows
(bpf/lib/policy_log.h). While it reports, C(host-baseline) allows TCP and UDP from everywhere instead: the least
specific rule of which there are verdicts (C(Proto-Only)). Openings without ports name the protocols then, as rules
without a protocol come after that one.

What Cilium lets pass in any case, and no rule here is for: answers to what a node has asked, ICMP errors of open
connections, what a node sends to itself, multicast, broadcast and ARP, as their target is no address of the node, and
NodePorts and hostPorts whose pods have addresses of their own, as the packets have been translated before.

Who is who, for Cilium: nodes are C(remote-node) by the CiliumNode that their agent has made, in addition to which
those with a ready API server are C(kube-apiserver). A host that is about to join, and a controller, are addresses
outside the cluster. A control plane whose API server does not run right now is C(remote-node) only, and needs the etcd
of the others in order to come back: it is recognised by its label (C(fromNodes), which needs
C(enable-node-selector-labels)). The label is out of reach of the credentials of kubelets (NodeRestriction).
"""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network.host_openings import HostOpening
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network.openings import (
    Labels,
    Pods,
    Port,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network.policies import (
    ENFORCE,
    OFF,
    REPORT,
    peers,
    policy_object,
    with_ports,
)

Json = dict[str, t.Any]

BASELINE, SSH, NODES, CONTROL_PLANES = "host-baseline", "host-ssh", "host-nodes", "host-control-planes"
#: ICMP types of an echo request.
_ECHO = {"IPv4": 8, "IPv6": 128}
#: All ports of the protocols of which a report has verdicts.
_EVERY_PORT = {"toPorts": [{"ports": [{"port": "0", "protocol": name} for name in ("TCP", "UDP")]}]}
_CONTROL_PLANE_LABEL = "node-role.kubernetes.io/control-plane"
SSH_PORT = 22
VXLAN = Port(8472, 8472, "UDP")
_KUBELET = (Port(10250, 10250),)
# Clients and peers of etcd, as kubeadm configures it.
_ETCD = (Port(2379, 2380),)
_HEALTH = (Port(4240, 4240),)
_HUBBLE = (Port(4244, 4244),)
_WIREGUARD = (Port(51871, 51871, "UDP"),)
_DNS = (Port(53, 53, "UDP"), Port(53, 53, "TCP"))
_SYSTEM = "kube-system"
_COREDNS = Pods((_SYSTEM,), labels=(("k8s-app", "kube-dns"),))
_METRICS_SERVER = Pods((_SYSTEM,), labels=(("k8s-app", "metrics-server"),))
_HUBBLE_RELAY = Pods((_SYSTEM,), labels=(("k8s-app", "hubble-relay"),))
_OTHER_NODES = ["remote-node", "kube-apiserver"]


@dataclass(frozen=True)
class Client:
    """Where a connection of the controller comes from, as its host sees it.

    :param address: of the controller, or of the bastion through which it connects. :param port: of the host's sshd.
    """

    address: str
    port: int = SSH_PORT


@dataclass(frozen=True)
class Facts:
    """What the rules are made of, read from the API and the inventory.

    :param nodes: addresses of the nodes that the cluster has. :param pod_networks: of them.
    :param joining: addresses of hosts of the inventory that are no nodes yet.
    :param joining_control_planes: those of them that become control planes.
    :param clients: of ssh. :param ssh_cidrs: further networks for ssh. :param api_cidrs: likewise for the API.
    :param api_ports: of the API servers. :param tunnel: port of Cilium's tunnel, C(None) without one.
    :param wireguard: whether Cilium encrypts between nodes with it. :param hubble: whether its agents serve Hubble.
    :param vrrp: whether control planes hold a virtual IP address.
    """

    nodes: tuple[str, ...] = ()
    pod_networks: tuple[str, ...] = ()
    joining: tuple[str, ...] = ()
    joining_control_planes: tuple[str, ...] = ()
    clients: tuple[Client, ...] = ()
    ssh_cidrs: tuple[str, ...] = ()
    api_cidrs: tuple[str, ...] = ()
    api_ports: tuple[int, ...] = (6443,)
    tunnel: Port | None = VXLAN
    wireguard: bool = False
    hubble: bool = False
    vrrp: bool = False


def _single(address: str) -> str:
    """The network of one address."""
    return str(ipaddress.ip_network(address))


def _from_cidrs(cidrs: t.Iterable[str]) -> list[Json]:
    found = list(dict.fromkeys(cidrs))
    return [{"fromCIDRSet": [{"cidr": one} for one in found]}] if found else []


def _from_pods(pods: Pods) -> list[Json]:
    return peers(pods, "from")


def _from_nodes() -> list[Json]:
    return [{"fromEntities": list(_OTHER_NODES)}]


def _from_control_planes() -> list[Json]:
    return [
        {"fromEntities": ["kube-apiserver"]},
        {"fromNodes": [{"matchExpressions": [{"key": _CONTROL_PLANE_LABEL, "operator": "Exists"}]}]},
    ]


def _spec(description: str, nodes: Json, ingress: list[Json], deny: bool = False) -> Json:
    """A rule set for nodes.

    :param nodes: the selector. :param deny: whether it denies what nothing allows; egress stays open in any case.
    """
    return {
        "description": description,
        "nodeSelector": nodes,
        "enableDefaultDeny": {"ingress": deny, "egress": False},
        # Without a rule it would be no policy; one that names no peer allows nothing.
        "ingress": ingress or [{}],
    }


def _labelled(labels: Labels) -> Json:
    return {"matchLabels": dict(labels)} if labels else {}


def _ssh(facts: Facts) -> list[Json]:
    """Rules for ssh. An address of a node is that node for Cilium, and no network."""
    rules: list[Json] = []
    ports = sorted({client.port for client in facts.clients}) or [SSH_PORT]
    for port in ports:
        to = (Port(port, port),)
        addresses = [client.address for client in facts.clients if client.port == port]
        outside = [_single(one) for one in addresses if one not in facts.nodes]
        rules += with_ports(_from_cidrs([*outside, *facts.ssh_cidrs]), to)
        if any(one in facts.nodes for one in addresses):
            rules += with_ports(_from_nodes(), to)
    return rules


def _all_nodes(facts: Facts) -> list[Json]:
    """What every node accepts: its kubelet's clients, Cilium's own traffic, and questions of CoreDNS."""
    rules = with_ports([*_from_control_planes(), *_from_pods(_METRICS_SERVER)], _KUBELET)
    if facts.tunnel is not None:
        rules += with_ports(_from_nodes(), (facts.tunnel,))
    if facts.wireguard:
        rules += with_ports(_from_nodes(), _WIREGUARD)
    health = [{"fromEntities": [*_OTHER_NODES, "health"]}]
    rules += with_ports(health, _HEALTH)
    icmp = [{"fields": [{"family": family, "type": number} for family, number in _ECHO.items()]}]
    rules += [{**rule, "icmps": icmp} for rule in health]
    # The resolver that a node's /etc/resolv.conf names may be the node itself.
    rules += with_ports(_from_pods(_COREDNS), _DNS)
    if facts.hubble:
        rules += with_ports(_from_pods(_HUBBLE_RELAY), _HUBBLE)
    return rules


def _control_planes(facts: Facts) -> list[Json]:
    """What control planes accept besides: the API from the cluster, from clients, and from hosts that join it."""
    api = tuple(Port(port, port) for port in facts.api_ports)
    clients = [_single(client.address) for client in facts.clients if client.address not in facts.nodes]
    joining = [_single(one) for one in facts.joining]
    own = [*_from_control_planes(), *_from_cidrs(_single(one) for one in facts.joining_control_planes)]
    rules = with_ports(
        [{"fromEntities": ["cluster"]}, *_from_cidrs([*clients, *facts.api_cidrs, *joining])], api
    )
    rules += with_ports(own, _ETCD)
    if facts.vrrp:
        # Protocol 112 has no ports. Cilium tells it apart with enable-extended-ip-protocols.
        rules += [{**rule, "toPorts": [{"ports": [{"port": "0", "protocol": "VRRP"}]}]} for rule in own]
    return rules


def problems(facts: Facts) -> list[str]:
    """Why the facts do not do: rules that they make would not open what they are for."""
    networks = [ipaddress.ip_network(one) for one in facts.pod_networks]
    return [
        f"the controller connects from {address}, which is in the pod network {', '.join(facts.pod_networks)}."
        " Cilium knows pods by their labels and not by addresses, so that ssh would be denied. Expected a controller"
        " outside the cluster, or on a node"
        for address in dict.fromkeys(client.address for client in facts.clients)
        if any(ipaddress.ip_address(address) in network for network in networks)
    ]


def plan(mode: str, facts: Facts, openings: t.Sequence[HostOpening] = ()) -> list[Json]:
    """The objects: openings first, and at the end what denies the rest.

    :param mode: C(off), C(report) or C(enforce).
    """
    if mode == OFF:
        return []
    control_planes = {"matchExpressions": [{"key": _CONTROL_PLANE_LABEL, "operator": "Exists"}]}

    def rules(one: HostOpening) -> list[Json]:
        found = with_ports(peers(one.source, "from"), one.ports)
        return found if one.ports or mode != REPORT else [{**rule, **_EVERY_PORT} for rule in found]

    named = [
        policy_object(
            f"host-opening-{one.name}",
            [
                _spec(
                    f"Opening {one.name} of nodes",
                    _labelled(one.nodes),
                    rules(one),
                )
            ],
        )
        for one in openings
    ]
    rest = [] if mode == ENFORCE else [_EVERY_PORT]
    deny = _spec("Every node is denied what no policy allows", {}, rest, deny=mode == ENFORCE)
    return [
        policy_object(SSH, [_spec("ssh of the controller and of operators", {}, _ssh(facts))]),
        policy_object(NODES, [_spec("What Kubernetes and Cilium need on every node", {}, _all_nodes(facts))]),
        policy_object(
            CONTROL_PLANES,
            [_spec("API, etcd and VRRP of control planes", control_planes, _control_planes(facts))],
        ),
        *named,
        policy_object(BASELINE, [deny]),
    ]
