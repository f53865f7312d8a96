# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Which host speaks for the cluster, and where a release file is. Pure: the filters are thin shells over this."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError

NO_ARCHITECTURE = "noarch"


class SelectionError(OperatorError):
    """The data does not allow a choice."""


def _for_arch(by_arch: t.Any, arch: str) -> str | None:
    if not isinstance(by_arch, t.Mapping):
        return None
    value = by_arch.get(arch) or by_arch.get(NO_ARCHITECTURE)
    return str(value) if value else None


def _known(values: t.Iterable[str]) -> str:
    return ", ".join(sorted(values)) or "none"


def release_file(
    releases: t.Mapping[str, t.Any],
    component: str,
    version: str,
    arch: str,
    files_url: str = "",
    checksums: t.Mapping[str, t.Any] | None = None,
) -> dict[str, str]:
    """Where a release file is and what it must hash to.

    :param releases: component -> C(url) with C({version}) and C({arch}), and C(checksums): version -> arch -> checksum.
    :param files_url: URL of a mirror; it keeps upstream's host and path below its own.
    :param checksums: component -> version -> arch -> checksum, winning over those of C(releases).
    :raises SelectionError: for an unknown component, or without a checksum for version and architecture.
    """
    if component not in releases:
        raise SelectionError(
            f"There is no release file {component!r}; known are {_known(releases)}.",
            "Correct the component's name.",
        )
    entry = releases[component]
    version = str(version)
    if version.startswith("v"):
        raise SelectionError(
            f"The version of {component} is {version!r}, expected it without the leading v.",
            "Correct the version.",
        )
    own = (checksums or {}).get(component) or {}
    published = entry.get("checksums") or {}
    checksum = _for_arch(own.get(version), arch) or _for_arch(published.get(version), arch)
    if checksum is None:
        versions = set(published) | set(own)
        if version in versions:
            arches = {key for data in (own.get(version), published.get(version)) for key in (data or {})}
            found = f"for the architectures {_known(arches)}"
        else:
            found = f"for the versions {_known(map(str, versions))}"
        raise SelectionError(
            f"There is no checksum of {component} {version} for {arch}; there are checksums {found}.",
            f'Choose one of these, or set cluster_checksums: {{{component}: {{"{version}": {{{arch}: sha256:...}}}}}}'
            " to the checksum that upstream published.",
        )
    url = str(entry["url"]).format(version=version, arch=arch)
    if files_url:
        url = files_url.rstrip("/") + "/" + url.partition("://")[2]
    return {"name": f"{component} {version}", "url": url, "checksum": checksum}


def select_delegate(
    observations: t.Sequence[t.Mapping[str, t.Any]], known: t.Mapping[str, t.Any] | None = None
) -> dict[str, t.Any]:
    """Choose the control plane that speaks for the cluster.

    A member of the cluster, if there is one. Otherwise, when every control plane was asked and none is a member, a host
    that has begun (its certificates are there) before the first of the list.

    :param observations: one result per control plane of a loop over them: C(item), the host; C(unreachable); and
        C(node) as of C(node_info), missing where the loop has left the host out.
    :param known: host -> C(node), for the hosts that the loop has left out.
    :returns: C(host), C(initialised), C(cluster_id) and C(node).
    :raises SelectionError: when members belong to different clusters, when hosts that could be members were not
        reached, or when there is no control plane.
    """
    if not observations:
        raise SelectionError(
            "There is no control plane in the inventory, expected at least one.",
            "Add a host to the control-plane group.",
        )
    nodes: dict[str, t.Mapping[str, t.Any]] = {}
    unreachable: list[str] = []
    for item in observations:
        host = str(item["item"])
        node = item.get("node") or (known or {}).get(host)
        if item.get("unreachable") or not isinstance(node, t.Mapping) or not node:
            unreachable.append(host)
        else:
            nodes[host] = node
    members = _control_planes(nodes, "member")
    begun = _control_planes(nodes, "partial")
    if len(set(members.values())) > 1:
        listing = ", ".join(f"{host} in {cluster_id}" for host, cluster_id in members.items())
        raise SelectionError(
            f"The control planes belong to different clusters: {listing}. Expected one cluster.",
            "Take the hosts that do not belong here out of the inventory, or reset them.",
        )
    if not members and unreachable:
        raise SelectionError(
            f"No control plane that answered is in a cluster, and {_known(unreachable)} did not answer; a cluster"
            " may live there. A second one is not made.",
            "Bring these hosts back, or take them out of the inventory if they are gone for good.",
        )
    first = str(observations[0]["item"])
    host, cluster_id = next(iter((members or begun or {first: None}).items()))
    return {"host": host, "initialised": bool(members), "cluster_id": cluster_id, "node": nodes[host]}


def _control_planes(nodes: t.Mapping[str, t.Mapping[str, t.Any]], state: str) -> dict[str, str | None]:
    """Host -> cluster of the control planes in a state."""
    found = {host: node["kubernetes"] for host, node in nodes.items()}
    return {
        host: one["cluster_id"]
        for host, one in found.items()
        if one["state"] == state and one["role"] == "control_plane"
    }
