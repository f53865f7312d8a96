# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Make the allow-list of the kubelet CSR approver from the inventory. Pure.

A certificate of the cluster's CA for a name or an address makes its holder whoever has it, so a host must not choose
its own. They come from the inventory. Where the inventory is silent, what the host says when it joins is pinned: the
list in force, which control planes keep and workers cannot write, holds it from then on.
"""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._csr import plan
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats.x509 import canonical_name

Entry = dict[str, t.Any]


class IdentityError(plan.InventoryError):
    """A host has a name or an address that it must not have.

    :param host: in the inventory. :param what: C(name) or C(address).
    """

    def __init__(self, host: str, what: str, found: str, expected: str, fix: str) -> None:
        self.host, self.what = host, what
        self.found, self.expected, self.fix = found, expected, fix
        super().__init__(f"Host {host}: {found}; expected {expected}.", fix)


@dataclass(frozen=True)
class ApiServer:
    """What identifies the API server, and so no kubelet.

    :param names: DNS names and addresses by which clients know it: the endpoint and further names of its certificate.
    :param networks: of Services. :param dns_domain: of the cluster.
    """

    names: frozenset[str] = frozenset()
    networks: tuple[str, ...] = ()
    dns_domain: str = "cluster.local"

    def owns(self, name: str) -> str:
        """Why no kubelet may have this name or address; empty when one may."""
        domain = self.dns_domain.lower().rstrip(".")
        if plan.of_no_host(name):
            return "names the API server, a Service or every host itself"
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            if name == domain or name.endswith(f".{domain}"):
                return f"is in cluster_dns_domain ({domain}), where Services have their names"
        else:
            for network in self.networks:
                if address in ipaddress.ip_network(network, strict=False):
                    return f"is in the network of Services (cluster_service_cidr {network})"
        return "is the API server's (cluster_endpoint, control_plane_cert_sans)" if name in self.names else ""


def api_server(endpoint: str, cert_sans: t.Iterable[str], service_cidr: str, dns_domain: str) -> ApiServer:
    """What identifies the API server.

    :param endpoint: C(cluster_endpoint): name or address, with a port. :param service_cidr: several with commas.
    """
    host = endpoint.rpartition(":")[0].strip("[]") if ":" in endpoint else endpoint
    names = (canonical_name(one) for one in (host, *map(str, cert_sans)) if one)
    networks = tuple(one.strip() for one in service_cidr.split(",") if one.strip())
    return ApiServer(frozenset(names), networks, dns_domain or "cluster.local")


@dataclass(frozen=True)
class Inventory:
    """What the inventory says.

    :param hosts: all of them. :param names: host -> C(cluster_node_name).
    :param addresses: host -> C(cluster_node_address); several with commas.
    :param connections: host -> C(ansible_host). :param control_planes: hosts that are control planes.
    :param extra: node -> further C(addresses) and C(names).
    """

    hosts: tuple[str, ...]
    names: t.Mapping[str, t.Any]
    addresses: t.Mapping[str, t.Any]
    connections: t.Mapping[str, t.Any]
    control_planes: frozenset[str]
    extra: t.Mapping[str, t.Any]


def serving_nodes(
    inventory: Inventory,
    known: t.Mapping[str, t.Any],
    previous: t.Mapping[str, t.Any],
    api: ApiServer | None = None,
) -> dict[str, Entry]:
    """The nodes with the addresses and further names that their serving certificates may have.

    :param known: host -> C(node) of C(node_info), empty for a host that was not observed.
    :param previous: the list in force. Its entries of hosts that were not observed are kept, unless the host has left
        the inventory or another node has one of the names and addresses now.
    :raises InventoryError: when the result is no list that the approver could use, when a host does not say what is
        pinned for it, and for what identifies the API server.
    """
    pins = _pins(previous)
    found: dict[str, Entry] = {}
    for host in inventory.hosts:
        name, addresses = _identity(inventory, host, known.get(host) or {}, pins.get(host))
        if name and addresses:
            if name in found:
                raise plan.InventoryError(
                    f"The hosts {found[name]['host']} and {host} are both the node {name}.",
                    "Give each its own cluster_node_name.",
                )
            found[name] = {"host": host, "addresses": addresses, "names": []}
    observed = {entry["host"] for entry in found.values()}
    taken = set(found) | {one for entry in found.values() for one in entry["addresses"]}
    for host, (name, entry) in pins.items():
        parts = {part: [str(one) for one in entry.get(part) or ()] for part in ("addresses", "names")}
        kept = host in inventory.hosts and host not in observed
        if kept and not taken.intersection([name, *parts["addresses"], *parts["names"]]):
            # Further names come from `extra` only, which is complete.
            found[name] = {"host": host, "addresses": parts["addresses"], "names": []}
    for name, entry in inventory.extra.items():
        own_entry = found.setdefault(str(name), {"addresses": [], "names": []})
        for part in ("addresses", "names"):
            more = (entry or {}).get(part) or []
            own_entry[part] = own_entry[part] + [one for one in more if one not in own_entry[part]]
    for node, own in plan.parse_allowed(found).items():
        _refuse_api_server(node, own, found[node].get("host") or "", inventory, api or ApiServer())
    return dict(sorted(found.items()))


def _pins(previous: t.Mapping[str, t.Any]) -> dict[str, tuple[str, t.Mapping[str, t.Any]]]:
    """Node name and entry by host."""
    return {
        str(entry["host"]): (str(name), entry)
        for name, entry in previous.items()
        if isinstance(entry, t.Mapping) and entry.get("host")
    }


def _identity(
    inventory: Inventory,
    host: str,
    facts: t.Mapping[str, t.Any],
    pin: tuple[str, t.Mapping[str, t.Any]] | None,
) -> tuple[str, list[str]]:
    """Node name and addresses of a host; both empty when they are not known.

    :raises IdentityError: when the host reports something else than what is pinned, or what is another host's.
    """
    given = [one.strip() for one in str(inventory.addresses.get(host) or "").split(",") if one.strip()]
    name = str(inventory.names.get(host) or "")
    if not name:
        name = str(facts.get("node_name") or "")
        # A host that the inventory calls by this name is known to have it.
        if name and name != host.lower():
            _check(inventory, host, "name", name, [pin[0]] if pin else [])
    if not given:
        reported = str(facts.get("address") or "")
        given = [reported] if reported else []
        if reported and canonical_name(reported) != canonical_name(
            str(inventory.connections.get(host) or "")
        ):
            _check(inventory, host, "address", reported, (pin[1].get("addresses") or []) if pin else [])
    return name, given


def _check(inventory: Inventory, host: str, what: str, reported: str, pinned: t.Sequence[t.Any]) -> None:
    """Compare what a host reports of itself with what is known of it and of the others."""
    own = canonical_name(reported)
    if pinned and own not in {canonical_name(str(one)) for one in pinned}:
        raise IdentityError(
            host,
            what,
            f"the node {what} {reported}, which the host reports",
            f"{', '.join(map(str, pinned))}, with which it joined: a host must not choose for which {what} it gets"
            " certificates",
            f"If the change is yours, set cluster_node_{what}: {reported} for {host} and run again, or reset the host"
            " (playbook reset with --limit) and join it again. If it is not, look at the host.",
        )
    for other in inventory.hosts:
        theirs = {canonical_name(str(one)) for one in (other, inventory.connections.get(other)) if one}
        same_machine = inventory.connections.get(other) == inventory.connections.get(host)
        if other != host and own in theirs and not same_machine:
            raise IdentityError(
                host,
                what,
                f"the node {what} {reported}, which the inventory has for the host {other}",
                f"a node {what} of its own",
                f"Look at {host}; if that is right, set cluster_node_{what} for both hosts.",
            )


def _refuse_api_server(node: str, own: plan.Allowed, host: str, inventory: Inventory, api: ApiServer) -> None:
    for one in sorted({node} | own.addresses | own.names):
        why = api.owns(one)
        # Clients may well reach the API by the address of its only control plane. That host has the API server's key.
        if why and not (host in inventory.control_planes and one in api.names):
            raise IdentityError(
                host or f"of node {node}",
                "address" if one in own.addresses else "name",
                f"{one}, which {why}",
                "a name and an address of a host, as whoever has a certificate for this can impersonate the API server",
                "Set cluster_node_address and cluster_node_name of the host to its own, and correct"
                " kubelet_csr_approver_extra_nodes.",
            )


def identity_problems(
    inventory: Inventory, known: t.Mapping[str, t.Any], previous: t.Mapping[str, t.Any], api: ApiServer
) -> t.Iterator[IdentityError]:
    """Why C(serving_nodes) would refuse the hosts that were observed: one problem for each of them."""
    pins = _pins(previous)
    for host in inventory.hosts:
        try:
            name, addresses = _identity(inventory, host, known.get(host) or {}, pins.get(host))
            own = plan.Allowed(frozenset(map(canonical_name, addresses)))
            if name and addresses:
                _refuse_api_server(name, own, host, inventory, api)
        except IdentityError as exc:
            yield exc
