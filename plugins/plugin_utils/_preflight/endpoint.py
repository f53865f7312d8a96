# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Whether every host and the controller can use the cluster's endpoint, and whether it may replace another."""

from __future__ import annotations

import ipaddress
import typing as t
from urllib.parse import urlsplit

from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import ADMIN_CONF
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.probe import Lookups
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._options import forms
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight.model import (
    ERROR,
    WARNING,
    Finding,
    Host,
    Site,
)

_EXPECTED = "a name that every host and the controller resolve to an address that all of them reach"
_FIX = "Add it to DNS, or to /etc/hosts of all hosts and of the controller: all of them talk to the API by this name."


def name_of(endpoint: str) -> str:
    """The name in an endpoint; empty for an address."""
    found = forms.host_and_port(endpoint)
    return "" if found is None or forms.is_address(found[0]) else found[0]


def _problem(answer: t.Mapping[str, t.Any]) -> str:
    """What is wrong with the addresses of a name; empty when nothing is."""
    if not answer["addresses"]:
        return f"not resolved: {answer['error'] or 'no address'}"
    local = [text for text in answer["addresses"] if ipaddress.ip_address(text.partition("%")[0]).is_loopback]
    # A joining host would ask itself for the cluster.
    return f"resolved to {local[0]}, by which a host only reaches itself" if local else ""


def form(_hosts: t.Sequence[Host], site: Site) -> t.Iterator[Finding]:
    """The endpoint's form, and that several control planes have one."""
    wrong = forms.endpoint(site.endpoint) if site.endpoint else ""
    if wrong:
        yield Finding(
            "", "endpoint", ERROR, f"cluster_endpoint {site.endpoint!r}", wrong, "Correct cluster_endpoint."
        )
    if not site.endpoint and len(site.control_planes) > 1:
        yield Finding(
            "",
            "endpoint",
            ERROR,
            f"{len(site.control_planes)} control planes and no cluster_endpoint",
            "an address that does not depend on one of them",
            "Set cluster_endpoint to a load balancer or a virtual IP address.",
        )


def resolved(hosts: t.Sequence[Host], site: Site) -> t.Iterator[Finding]:
    """What hosts make of the endpoint's name. On a member, which has worked with it, this is a warning."""
    name = name_of(site.endpoint)
    for host in hosts:
        for answer in host.extra.get("names") or ():
            wrong = _problem(answer) if answer["name"] == name else ""
            if wrong:
                severity = WARNING if host.is_member else ERROR
                found = f"cluster_endpoint {site.endpoint}: {name} is {wrong}"
                yield Finding(host.name, "endpoint", severity, found, _EXPECTED, _FIX)


def check_controller(endpoint: str, timeout: float = 5.0) -> list[Finding]:
    """Whether the controller, whose helm and API clients use the endpoint, resolves its name."""
    name = name_of(endpoint)
    if not name:
        return []
    answer = Lookups([name], timeout).results()[0]
    wrong = "" if answer["addresses"] else _problem(answer)
    if not wrong:
        return []
    found = f"cluster_endpoint {endpoint}: on the controller, {name} is {wrong}"
    return [Finding("", "endpoint", ERROR, found, _EXPECTED, _FIX)]


def moved(hosts: t.Sequence[Host], site: Site) -> t.Iterator[Finding]:
    """Whether nodes that still use a former endpoint can verify the API server until they have moved, too."""
    used = {host.name: _host_in(_endpoint(host)) for host in hosts if host.is_member}
    for host in hosts:
        former = used.get(host.name)
        if former and not site.endpoint and former != host.address:
            url = _endpoint(host).partition("//")[2]
            yield _wrong(
                host,
                f"an empty cluster_endpoint, and the cluster's endpoint is {url}",
                "the endpoint that the cluster has, or another one that does not depend on one host",
                f"Set cluster_endpoint to {url}.",
            )
    wanted = _host_in(f"https://{site.endpoint}") if site.endpoint else ""
    if not wanted or all(former in ("", wanted) for former in used.values()):
        return
    # By its own address a control plane can always be verified.
    valid = {wanted, *site.cert_sans, *(host.address for host in hosts if host.name in site.control_planes)}
    for host in hosts:
        server = _host_in(host.kubernetes.get("api_server")) if host.is_member else ""
        if server and server not in valid and host.name not in site.control_planes:
            yield _wrong(
                host,
                f"its kubelet uses the endpoint {server}, and cluster_endpoint is {site.endpoint} now",
                "a former endpoint that stays in the API servers' certificates until all nodes have moved",
                f"Add {server} to control_plane_cert_sans for this run, and remove it afterwards.",
            )


def _endpoint(host: Host) -> str:
    """The API's URL in the administrator's kubeconfig; empty on a worker."""
    kubeconfigs = (host.facts.get("security") or {}).get("kubeconfigs") or {}
    return str((kubeconfigs.get(ADMIN_CONF) or {}).get("server") or "")


def _host_in(url: t.Any) -> str:
    return urlsplit(str(url)).hostname or "" if url else ""


def virtual_address(hosts: t.Sequence[Host], site: Site) -> t.Iterator[Finding]:
    """Whether the virtual IP address of keepalived is free, and in the network of each control plane."""
    for host in hosts:
        asked = host.extra.get("virtual_address")
        if asked:
            yield from _virtual_address(host, asked, hosts, site)


def _virtual_address(
    host: Host, asked: t.Mapping[str, t.Any], hosts: t.Sequence[Host], site: Site
) -> t.Iterator[Finding]:
    address = ipaddress.ip_address(asked["address"])
    taken = [other.name for other in hosts if other.address == asked["address"]]
    if taken:
        yield _wrong(
            host,
            f"the virtual IP address {address} is the node address of {taken[0]}",
            "an address of its own, which moves between the control planes",
            "Set cluster_endpoint, and api_endpoint_address if it is set, to a free address.",
        )
        return
    networks = [
        ipaddress.ip_interface(own).network
        for interface in host.facts.get("interfaces") or ()
        if interface["name"] == asked["interface"]
        for own in interface["addresses"]
    ]
    if not any(address in network for network in networks if network.prefixlen < network.max_prefixlen):
        yield _wrong(
            host,
            f"the virtual IP address {address}, and {_shown(asked['interface'], networks)}",
            "an address in the network of the interface that gets it",
            "Choose a free address of that network, or name the interface in api_endpoint_interface.",
        )
        return
    known = {interface["mac"] for other in hosts for interface in other.facts.get("interfaces") or ()}
    foreign = [mac for mac in asked["macs"] if mac not in known]
    # A control plane that is not in this run may be the one that has it.
    complete = set(site.control_planes) <= {other.name for other in hosts}
    if foreign and complete:
        yield _wrong(
            host,
            f"the virtual IP address {address} is in use by the host with the MAC address {foreign[0]}",
            "a free address: none of the control planes has that MAC address",
            "Find the host, for instance with `ip neighbour` and the switch, or choose another address.",
        )


def _wrong(host: Host, found: str, expected: str, fix: str) -> Finding:
    return Finding(host.name, "endpoint", ERROR, found, expected, fix)


def _shown(interface: str | None, networks: t.Sequence[t.Any]) -> str:
    if not interface:
        return "no interface with the node's address"
    return f"{interface} has {', '.join(map(str, networks)) or 'no address'}"
