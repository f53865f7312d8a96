# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Whether a backup can become the cluster of an inventory, and on which host. Pure."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.module_utils._backup.archive import Manifest


@dataclass(frozen=True)
class Host:
    """A host of the inventory.

    :param state: as of C(node_info): C(fresh), C(partial), C(member), or empty when it does not answer.
    :param cluster_id: of the cluster whose CA it has.
    """

    name: str
    state: str
    control_plane: bool
    cluster_id: str = ""


@dataclass(frozen=True)
class Wanted:
    """The cluster of the inventory.

    :param endpoint: address and port of its API; empty for the address of its one control plane.
    :param etcd_version: of the image that runs. :param addresses: of control planes, by host.
    """

    cluster_name: str
    kubernetes_version: str
    etcd_version: str
    endpoint: str = ""
    service_cidr: str = ""
    pod_cidr: str = ""
    dns_domain: str = ""
    addresses: t.Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What is done, or why nothing is.

    :param host: the control plane that gets the data. :param reset: control planes that are reset and join again.
    """

    findings: tuple[str, ...]
    host: str = ""
    reset: tuple[str, ...] = ()


def version(text: str) -> tuple[int, ...]:
    """A version as numbers; empty when it is none."""
    match = re.match(r"v?(\d+)\.(\d+)\.(\d+)", text)
    return tuple(map(int, match.groups())) if match else ()


def evaluate(manifest: Manifest, wanted: Wanted, hosts: t.Sequence[Host]) -> Verdict:
    """All findings at once.

    :param hosts: of the inventory, control planes in its order.
    """
    planes = [host for host in hosts if host.control_plane]
    # A control plane that is in the cluster goes before an empty one: it has the certificates and the pods.
    ours = [host for host in planes if host.state in ("member", "partial")]
    chosen = next(iter(sorted(ours, key=lambda host: host.state != "member") or planes), None)
    findings = [
        *_cluster(manifest, wanted, chosen.name if chosen else ""),
        *_versions(manifest, wanted),
        *_hosts(manifest, hosts),
    ]
    if chosen is None:
        findings.append("There is no control plane in this run, expected at least one.")
    if findings or chosen is None:
        return Verdict(tuple(findings))
    reset = [host.name for host in ours if host is not chosen]
    return Verdict((), chosen.name, tuple(reset))


def _cluster(manifest: Manifest, wanted: Wanted, host: str) -> t.Iterator[str]:
    own = manifest.cluster
    if own.name != wanted.cluster_name:
        yield (
            f"The backup is of the cluster {own.name}, expected {wanted.cluster_name} (cluster_name). Choose a backup"
            " of this cluster."
        )
        return
    address = wanted.addresses.get(host, "")
    endpoint = wanted.endpoint or (
        f"[{address}]:6443" if ":" in address else f"{address}:6443" if address else ""
    )
    if own.endpoint and endpoint and _endpoint(own.endpoint) != _endpoint(endpoint):
        yield (
            f"The API of the cluster was at {own.endpoint}, expected the same address here, found {endpoint}:"
            " kubeconfigs and pods have it. Give it to the new control plane or load balancer, or set cluster_endpoint"
            " to it."
        )
    for name, before, now in (
        ("cluster_service_cidr", own.service_cidr, wanted.service_cidr),
        ("cluster_pod_cidr", own.pod_cidr, wanted.pod_cidr),
        ("cluster_dns_domain", own.dns_domain, wanted.dns_domain),
    ):
        if before and now and before != now:
            yield f"{name} is {now}, expected {before} as in the backup, which Services and pods depend on."


def _endpoint(text: str) -> str:
    return text.lower() if re.search(r":\d+$", text) else f"{text.lower()}:6443"


def _versions(manifest: Manifest, wanted: Wanted) -> t.Iterator[str]:
    before, now = version(manifest.etcd.version), version(wanted.etcd_version)
    if not now or now < before:
        yield (
            f"The backup is of etcd {manifest.etcd.version}, and {wanted.etcd_version or 'no known version'} would read"
            " it; expected that or a newer one. Set cluster_kubernetes_version to that of the backup,"
            f" {manifest.cluster.kubernetes_version}."
        )
    before, now = version(manifest.cluster.kubernetes_version), version(wanted.kubernetes_version)
    if now < before or now[:2] != before[:2]:
        yield (
            f"The backup is of Kubernetes {manifest.cluster.kubernetes_version}, found {wanted.kubernetes_version}"
            " (cluster_kubernetes_version); expected the same minor version, and no older one. Restore first, and"
            " upgrade then."
        )


def _hosts(manifest: Manifest, hosts: t.Sequence[Host]) -> t.Iterator[str]:
    silent = [host.name for host in hosts if not host.state and host.control_plane]
    if silent:
        yield (
            f"{', '.join(silent)}: no answer, expected one of every control plane, as etcd of the old cluster may still"
            " run there. Bring these hosts back, or remove them from the inventory when they are gone."
        )
    others = [host for host in hosts if host.cluster_id and host.cluster_id != manifest.cluster.id]
    for host in others:
        yield (
            f"{host.name} belongs to the cluster {host.cluster_id}, expected that of the backup, {manifest.cluster.id}."
            " Choose a backup of that cluster, or reset the host (playbook reset)."
        )
