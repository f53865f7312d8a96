# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Read the openings of the network baseline from an inventory. Pure.

An opening says who may reach whom. One side is pods, and the other one pods, or something outside the pod network. They
name nothing of Cilium's, so that another kind of policy can be made of them.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._options import forms
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._options.convert import shown

#: All namespaces, those that are created later included.
EVERY = "*"
#: What is no pod and has no address of its own in an opening.
API_SERVER, NODES, OUTSIDE, INTERNET = "api_server", "nodes", "outside", "internet"
ENTITIES = (API_SERVER, NODES, OUTSIDE, INTERNET)
PROTOCOLS = ("TCP", "UDP", "SCTP")

_OPENING = ("name", "from", "to", "within", "ports")
_PODS = ("namespaces", "namespace_labels", "pods")
_OTHERS = ("entities", "cidrs", "except", "hosts")
_PORT = re.compile(r"(?P<first>[0-9]{1,5})(?:-(?P<last>[0-9]{1,5}))?(?:/(?P<protocol>[A-Za-z]+))?")
_PORT_FORM = "PORT[-LAST][/PROTOCOL] with TCP (the default), UDP or SCTP, such as 443, 53/UDP or 8000-8010"
_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
# As Cilium's toFQDNs.
_HOST = re.compile(r"(?:\*\*?\.)?[a-z0-9*-]+(?:\.[a-z0-9*-]+)*")
#: CiliumClusterwideNetworkPolicies are named after openings, with a prefix.
_NAME_LENGTH = 200

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Port:
    """Ports of one protocol.

    :param first: the port, or the first of a range. :param last: the last of the range, otherwise the same.
    """

    first: int
    last: int
    protocol: str = "TCP"

    def __str__(self) -> str:
        return f"{self.first}{f'-{self.last}' if self.last != self.first else ''}/{self.protocol}"


@dataclass(frozen=True)
class Pods:
    """Pods by their namespace and their labels.

    :param namespaces: names, or C(EVERY) alone. :param namespace_labels: of the namespace.
    :param labels: of the pod, none for all pods.
    """

    namespaces: tuple[str, ...] = (EVERY,)
    namespace_labels: Labels = ()
    labels: Labels = ()

    @property
    def named(self) -> tuple[str, ...]:
        """Namespaces that are given by name."""
        return tuple(name for name in self.namespaces if name != EVERY)


@dataclass(frozen=True)
class Others:
    """What is no pod of the cluster.

    :param entities: of C(ENTITIES). :param cidrs: networks. :param excluded: parts of them.
    :param hosts: DNS names, with C(*) as of Cilium.
    """

    entities: tuple[str, ...] = ()
    cidrs: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


Peer = Pods | Others


@dataclass(frozen=True)
class Opening:
    """Who may reach whom.

    :param name: unique in the inventory. :param source: :param target: both ends, of which one is C(Pods).
    :param ports: of the target, none for all.
    :param within: namespaces whose pods may reach each other; then both ends are not looked at.
    """

    name: str
    source: Peer = field(default_factory=Pods)
    target: Peer = field(default_factory=Pods)
    ports: tuple[Port, ...] = ()
    within: tuple[str, ...] = ()

    @property
    def namespaces(self) -> tuple[str, ...]:
        """All namespaces that it names."""
        found = [*self.within]
        for peer in () if self.within else (self.source, self.target):
            found += peer.named if isinstance(peer, Pods) else ()
        return tuple(dict.fromkeys(found))

    @property
    def hosts(self) -> tuple[str, ...]:
        """DNS names that it opens."""
        return self.target.hosts if isinstance(self.target, Others) and not self.within else ()


@dataclass(frozen=True)
class Reading:
    """What an inventory says.

    :param openings: those without an error. :param problems: what is wrong with the others, in words.
    """

    openings: tuple[Opening, ...]
    problems: tuple[str, ...]


class OpeningError(Exception):
    """What is wrong with one opening."""


def refuse_unknown(given: t.Mapping[str, t.Any], known: t.Sequence[str], where: str) -> None:
    """Refuse keys that nothing reads. :raises OpeningError: for the first of them."""
    for key in given:
        if key not in known:
            raise OpeningError(
                f"{where}has the key {shown(key)}, expected {', '.join(known[:-1])} or {known[-1]}"
            )


def _texts(value: t.Any, where: str) -> tuple[str, ...]:
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not found or not all(isinstance(one, str) and one for one in found):
        raise OpeningError(f"{where} is {shown(value)}, expected a list of texts with at least one")
    return tuple(dict.fromkeys(found))


def _port(value: t.Any) -> Port:
    match = _PORT.fullmatch(str(value)) if isinstance(value, (str, int)) and value is not True else None
    if match is None:
        raise OpeningError(f"ports has {shown(value)}, expected {_PORT_FORM}")
    first, last = int(match["first"]), int(match["last"] or match["first"])
    protocol = (match["protocol"] or "TCP").upper()
    if protocol not in PROTOCOLS or not 0 < first <= last < 65536:
        raise OpeningError(f"ports has {shown(value)}, expected {_PORT_FORM}, from 1 to 65535")
    return Port(first, last, protocol)


def read_ports(value: t.Any) -> tuple[Port, ...]:
    """Read ports. :raises OpeningError: for anything else."""
    found = value if isinstance(value, list) else [value]
    if not found:
        raise OpeningError("ports is an empty list, expected ports; leave the key out for all of them")
    return tuple(dict.fromkeys(_port(one) for one in found))


def _namespaces(value: t.Any, where: str, every: bool = True) -> tuple[str, ...]:
    found = _texts(value, where)
    for name in found:
        if name == EVERY and not every:
            raise OpeningError(
                f"{where} is {shown(value)}, expected names: Cilium cannot say 'the same namespace' for all of them"
            )
        if name != EVERY and forms.label(name):
            raise OpeningError(f"{where} has {shown(name)}, expected {forms.label(name)}")
    if EVERY in found and len(found) > 1:
        raise OpeningError(
            f"{where} is {shown(value)}, expected names, or {EVERY!r} alone for all namespaces"
        )
    return found


def read_labels(value: t.Any, where: str) -> Labels:
    """Read labels. :raises OpeningError: for anything else."""
    if not isinstance(value, dict) or not value:
        raise OpeningError(f"{where} is {shown(value)}, expected labels, such as {{app: web}}")
    for key, text in value.items():
        prefix, slash, name = str(key).rpartition("/")
        if not name or not _LABEL_VALUE.fullmatch(name) or (slash and not forms.is_subdomain(prefix)):
            raise OpeningError(f"{where} has the key {shown(key)}, expected the key of a label")
        if not isinstance(text, str) or not _LABEL_VALUE.fullmatch(text):
            raise OpeningError(
                f"{where} has {key}: {shown(text)}, expected the value of a label as text, in quotes"
            )
    return tuple(sorted(value.items()))


def _cidr(value: str, where: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        pass
    try:
        right = f", such as {ipaddress.ip_network(value, strict=False)}"
    except ValueError:
        right = ", such as 192.0.2.0/24 or 192.0.2.7/32"
    raise OpeningError(
        f"{where} has {shown(value)}, expected a network in CIDR form without host bits{right}"
    )


def _cidrs(given: t.Mapping[str, t.Any], where: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Networks, and what is not meant of them."""
    cidrs = tuple(_cidr(one, f"{where}.cidrs") for one in _texts(given["cidrs"], f"{where}.cidrs"))
    if "except" not in given:
        return cidrs, ()
    excluded = tuple(_cidr(one, f"{where}.except") for one in _texts(given["except"], f"{where}.except"))
    nets = [ipaddress.ip_network(one) for one in cidrs]
    for one in excluded:
        inner = ipaddress.ip_network(one)
        if not any(inner.version == net.version and inner.subnet_of(net) for net in nets):  # type: ignore[arg-type]
            raise OpeningError(f"{where}.except has {one}, expected a part of one of {', '.join(cidrs)}")
    return cidrs, excluded


def _hosts(value: t.Any, where: str) -> tuple[str, ...]:
    found = _texts(value, where)
    for one in found:
        if not _HOST.fullmatch(one) or forms.is_address(one) or len(one) > 253:
            raise OpeningError(
                f"{where} has {shown(one)}, expected a DNS name, such as registry.example.org or *.example.org"
            )
    return found


def _entities(value: t.Any, where: str) -> tuple[str, ...]:
    found = _texts(value, where)
    for one in found:
        if one not in ENTITIES:
            raise OpeningError(
                f"{where} has {shown(one)}, expected {', '.join(ENTITIES[:-1])} or {ENTITIES[-1]}"
            )
    return found


def read_peer(value: t.Any, where: str) -> Peer:
    """One end of an opening."""
    if not isinstance(value, dict) or not value:
        raise OpeningError(
            f"{where} is {shown(value)}, expected a dictionary, such as {{namespaces: [team-a]}}"
        )
    refuse_unknown(value, (*_PODS, *_OTHERS), f"{where} ")
    pods, others = [key for key in value if key in _PODS], [key for key in value if key in _OTHERS]
    if pods and others:
        raise OpeningError(
            f"{where} has {pods[0]} and {others[0]}, expected either pods or something else; make two openings"
        )
    if pods:
        return Pods(
            _namespaces(value["namespaces"], f"{where}.namespaces") if "namespaces" in value else (EVERY,),
            read_labels(value["namespace_labels"], f"{where}.namespace_labels")
            if "namespace_labels" in value
            else (),
            read_labels(value["pods"], f"{where}.pods") if "pods" in value else (),
        )
    if "except" in value and "cidrs" not in value:
        raise OpeningError(f"{where} has except and no cidrs, expected both")
    cidrs, excluded = _cidrs(value, where) if "cidrs" in value else ((), ())
    hosts = _hosts(value["hosts"], f"{where}.hosts") if "hosts" in value else ()
    if hosts and where == "from":
        raise OpeningError("from has hosts, expected cidrs: names are known of what pods connect to only")
    return Others(
        _entities(value["entities"], f"{where}.entities") if "entities" in value else (),
        cidrs,
        excluded,
        hosts,
    )


def _opening(given: t.Mapping[str, t.Any], name: str) -> Opening:
    refuse_unknown(given, _OPENING, "")
    ports = read_ports(given["ports"]) if "ports" in given else ()
    if "within" in given:
        if "from" in given or "to" in given:
            raise OpeningError("it has within and from or to, expected either within, or both of the others")
        return Opening(name, ports=ports, within=_namespaces(given["within"], "within", every=False))
    for key in ("from", "to"):
        if key not in given:
            raise OpeningError(f"it has no {key}, expected from and to, or within")
    source, target = read_peer(given["from"], "from"), read_peer(given["to"], "to")
    if not isinstance(source, Pods) and not isinstance(target, Pods):
        raise OpeningError(
            "neither end is pods, expected namespaces, namespace_labels or pods in from or in to"
        )
    if isinstance(source, Others):
        for one in (API_SERVER, NODES):
            if one in source.entities:
                raise OpeningError(f"from has the entity {one}, which reaches all pods without an opening")
    return Opening(name, source, target, ports)


def _name(given: t.Mapping[str, t.Any]) -> str:
    name = given.get("name")
    if not isinstance(name, str) or not forms.is_subdomain(name) or len(name) > _NAME_LENGTH:
        raise OpeningError(
            f"its name is {shown(name)}, expected at most {_NAME_LENGTH} characters of {forms.NAME_FORM}"
        )
    return name


Read = t.TypeVar("Read")


def read_named(
    value: t.Any, option: str, make: t.Callable[[t.Mapping[str, t.Any], str], Read]
) -> tuple[tuple[Read, ...], tuple[str, ...]]:
    """Read a list of openings with names, all of them, so that one message has all problems.

    :param value: of the option. :param option: its name, for the problems.
    :param make: reads one with its name, or raises C(OpeningError).
    :returns: those without an error, and what is wrong with the others, in words.
    """
    if not isinstance(value, list):
        return (), (f"{option} is {shown(value)}, expected a list of openings",)
    found: dict[str, Read] = {}
    problems: list[str] = []
    for number, given in enumerate(value, 1):
        where = f"{option}, entry {number}"
        try:
            if not isinstance(given, dict):
                raise OpeningError(f"is {shown(given)}, expected a dictionary")
            name = _name(given)
            where = f"{option}, opening {name}"
            if name in found:
                raise OpeningError("its name is there twice, expected another one")
            found[name] = make(given, name)
        except OpeningError as problem:
            problems.append(f"{where}: {problem}")
    return tuple(found.values()), tuple(problems)


def read(value: t.Any, option: str = "network_openings") -> Reading:
    """Read openings.

    :param value: of the option. :param option: its name, for the problems.
    """
    return Reading(*read_named(value, option, _opening))
