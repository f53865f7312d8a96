# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Checks across hosts, and of the site as a whole."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._node.identity import clusters
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight import endpoint
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight.model import (
    ERROR,
    WARNING,
    Finding,
    Host,
    Site,
    parse_version,
)

Findings = t.Iterator[Finding]

# What firmware reports when the UUID was never set: many hosts share it, and it identifies none.
_NO_UUID = {"", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"}


def release(_hosts: t.Sequence[Host], site: Site) -> Findings:
    """The version of Kubernetes."""
    version = parse_version(site.kubernetes_version)
    minor = f"{version[0]}.{version[1]}" if version else ""
    if minor not in site.supported_minors:
        yield Finding(
            "",
            "kubernetes_version",
            ERROR,
            f"cluster_kubernetes_version {site.kubernetes_version!r}",
            f"a version of {', '.join(site.supported_minors)}",
            "Set cluster_kubernetes_version to one of these, or use a release of the collection that supports yours.",
        )


def control_planes(_hosts: t.Sequence[Host], site: Site) -> Findings:
    """Their number."""
    count = len(site.control_planes)
    if count == 0:
        yield Finding(
            "",
            "control_planes",
            ERROR,
            "no host in the group control_plane",
            "one host, or three or five for a cluster that tolerates the loss of one or two",
            "Add a host to the group control_plane of the inventory.",
        )
    elif count % 2 == 0:
        yield Finding(
            "",
            "control_planes",
            WARNING,
            f"{count} control planes ({', '.join(site.control_planes)})",
            "an odd number",
            f"Add or remove one: etcd with {count} members tolerates the loss of {(count - 1) // 2}, as many as with"
            f" {count - 1} members.",
        )


def membership(hosts: t.Sequence[Host], _site: Site) -> Findings:
    """All members belong to one cluster: the one of the control planes, or of the first node when there is none."""
    found = clusters({host.name: host.kubernetes for host in hosts})
    ids = [(host, found[host.name]) for host in hosts]
    members = [(host, cluster) for host, cluster in ids if cluster]
    planes = [item for item in members if item[0].kubernetes.get("role") == "control_plane"]
    if not members:
        return
    # The cluster of most control planes; on a tie, the one that comes first in the inventory.
    votes = [cluster for _host, cluster in planes or members]
    own = max(votes, key=votes.count)
    of = [host.name for host, cluster in members if cluster == own]
    for host, cluster in members:
        if cluster != own:
            yield Finding(
                host.name,
                "foreign_cluster",
                ERROR,
                f"a node of cluster {cluster}",
                f"cluster {own}, as {', '.join(of[:3])}{' and others' if len(of) > 3 else ''}",
                "Remove the host from this inventory, or reset it.",
            )


def ca_rotation(hosts: t.Sequence[Host], _site: Site) -> Findings:
    """No CA rotation is under way: certificates would be issued by a CA that is about to go."""
    for host in hosts:
        if host.kubernetes.get("new_cluster_id"):
            yield Finding(
                host.name,
                "ca_rotation",
                ERROR,
                "a CA rotation that has not ended",
                "one CA",
                "Run the playbook rotate_ca, which completes it.",
            )


class _Identity(t.NamedTuple):
    check: str
    value: t.Callable[[Host], str]
    what: str
    fix: str


_IDENTITIES = (
    _Identity(
        "duplicate_machine_id",
        lambda host: host.facts.get("machine_id") or "",
        "machine-id",
        "On all but one, delete /etc/machine-id, run `systemd-machine-id-setup` or, without systemd,"
        " `dbus-uuidgen --ensure=/etc/machine-id`, and reboot.",
    ),
    _Identity(
        "duplicate_product_uuid",
        lambda host: "" if (host.facts.get("product_uuid") or "") in _NO_UUID else host.facts["product_uuid"],
        "product UUID",
        "Give each machine its own in its firmware or hypervisor; where that is impossible, add"
        " duplicate_product_uuid to preflight_ignore.",
    ),
    _Identity(
        "duplicate_hostname",
        lambda host: (host.facts.get("hostname") or "").lower(),
        "host name",
        "Rename all but one.",
    ),
    _Identity(
        "duplicate_node_name",
        lambda host: host.name_in_cluster,
        "node name",
        "Rename all but one, or set cluster_node_name for them.",
    ),
    _Identity(
        "duplicate_address",
        lambda host: host.address,
        "address",
        "Give each host its own address, or set cluster_node_address for them.",
    ),
)


def duplicates(hosts: t.Sequence[Host], _site: Site) -> Findings:
    """Identities that must be unique. Each host that shares one is reported, with the others that have it."""
    for identity in _IDENTITIES:
        owners: dict[str, list[str]] = {}
        for host in hosts:
            value = identity.value(host)
            if value:
                owners.setdefault(value, []).append(host.name)
        for value, names in owners.items():
            for name in names if len(names) > 1 else ():
                others = [other for other in names if other != name]
                shown = f"{', '.join(others[:5])}{f' and {len(others) - 5} more' if len(others) > 5 else ''}"
                yield Finding(
                    name,
                    identity.check,
                    ERROR,
                    f"{identity.what} {value}, as {shown}",
                    f"{'an' if identity.what[0] == 'a' else 'a'} {identity.what} of its own",
                    identity.fix,
                )
    # Another host may have a node's address in addition to its own.
    taken = {host.address: host.name for host in hosts if host.address}
    for host in hosts:
        for address in host.facts.get("addresses") or ():
            owner = taken.get(address, host.name)
            if owner != host.name and address != host.address:
                yield Finding(
                    host.name,
                    "duplicate_address",
                    ERROR,
                    f"address {address}, which is the node address of {owner}",
                    "an address of its own",
                    "Remove it from one of the two.",
                )


def clocks(hosts: t.Sequence[Host], site: Site) -> Findings:
    """How far clocks are from the median; of two, from the one that is closer to the controller's.

    A difference within the measurement's uncertainty (the module's round trip) is not reported.
    """
    read = [(host.name, host.extra.get("clock") or {}) for host in hosts]
    known = [
        (float(clock["offset"]), float(clock["uncertainty"]), name)
        for name, clock in read
        if clock.get("offset") is not None
    ]
    if not known:
        return
    ordered = sorted(known)
    middle = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    reference, doubt, _name = min(middle, key=lambda item: abs(item[0]))

    def apart(offset: float, uncertainty: float) -> bool:
        return abs(offset - reference) - uncertainty - doubt > site.clock_skew_max

    agreed = sum(not apart(offset, uncertainty) for offset, uncertainty, _name in known)
    for offset, uncertainty, name in known:
        off = offset - reference
        if apart(offset, uncertainty):
            yield Finding(
                name,
                "clock",
                ERROR,
                f"a clock {abs(off):.1f} s {'ahead of' if off > 0 else 'behind'} that of {agreed} other host(s)",
                f"{site.clock_skew_max:g} s at most",
                "Synchronise the clock of every host with chrony, ntpd or systemd-timesyncd.",
            )


def check_cluster(hosts: t.Sequence[Host], site: Site) -> list[Finding]:
    """All findings that concern several hosts, or none."""
    known = [host for host in hosts if host.node is not None]
    found: list[Finding] = []
    for check in (
        release,
        control_planes,
        endpoint.form,
        endpoint.moved,
        endpoint.resolved,
        endpoint.virtual_address,
        membership,
        ca_rotation,
        duplicates,
        clocks,
    ):
        found += check(known, site)
    return found
