# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Decide which nodes an upgrade changes, and whether it may begin. Pure: frozen values in and out.

The rules are those of Kubernetes' version skew policy: no minor version of an API server is skipped, nothing is
downgraded, and a kubelet is at most three minor versions older than the API servers and never newer.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

#: How many minor versions a kubelet may be older than an API server.
KUBELET_SKEW = 3
FINISHED, INTERRUPTED, PENDING = "finished", "interrupted", "pending"
OPERATION = "upgrade"

Version = tuple[int, int, int]
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:[-+].*)?")
_METRIC = re.compile(r"^apiserver_requested_deprecated_apis\{([^}]*)\}\s+(\S+)", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def parse_version(text: str | None) -> Version | None:
    """Major, minor and patch of a version; none for anything else."""
    match = _VERSION.fullmatch(text or "")
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


@dataclass(frozen=True)
class DeprecatedApi:
    """An API version that clients have asked an API server for, and that a release removes.

    :param removed: that release, as C(1.37).
    """

    group: str
    version: str
    resource: str
    removed: str
    server: str = ""

    def line(self) -> str:
        """As people write it."""
        prefix = f"{self.group}/" if self.group else ""
        where = f" (asked of {self.server})" if self.server else ""
        return f"{self.resource} of {prefix}{self.version}, removed in {self.removed}{where}"


def deprecated_apis(metrics: str, server: str = "") -> tuple[DeprecatedApi, ...]:
    """The API versions in the metric C(apiserver_requested_deprecated_apis) that some release removes."""
    found = set()
    for labels, value in _METRIC.findall(metrics):
        own = dict(_LABEL.findall(labels))
        if own.get("removed_release") and float(value) > 0:
            resource = "/".join(filter(None, (own.get("resource"), own.get("subresource"))))
            found.add(
                DeprecatedApi(
                    own.get("group", ""), own.get("version", ""), resource, own["removed_release"], server
                )
            )
    return tuple(sorted(found, key=lambda api: (api.group, api.version, api.resource)))


@dataclass(frozen=True)
class NodeState:
    """A registered node.

    :param kubelet: version of its kubelet. :param api_server: version of its API server, empty on a worker.
    :param etcd: tag of its etcd's image, likewise. :param cordoned_by: the operation that has cordoned it.
    :param reason: why it is not ready, empty when it is.
    """

    name: str
    kubelet: str
    api_server: str = ""
    etcd: str = ""
    schedulable: bool = True
    cordoned_by: str = ""
    reason: str = ""

    @property
    def control_plane(self) -> bool:
        return bool(self.api_server)


@dataclass(frozen=True)
class Cluster:
    """A cluster at one moment.

    :param stored: version in C(kubeadm-config), which the first control plane writes at the end of its upgrade.
    :param deprecated: API versions in use that some release removes.
    """

    nodes: tuple[NodeState, ...]
    stored: str = ""
    deprecated: tuple[DeprecatedApi, ...] = ()


@dataclass(frozen=True)
class DesiredUpgrade:
    """What is asked for.

    :param version: to upgrade to. :param nodes: name of the node by inventory host, of the hosts of this run.
    :param control_planes: those of these hosts that are in the group of control planes, in order.
    :param accept_removed_apis: whether API versions that the release removes may be in use.
    """

    version: str
    nodes: t.Mapping[str, str]
    control_planes: tuple[str, ...]
    accept_removed_apis: bool = False


@dataclass(frozen=True)
class Finding:
    """Why an upgrade must not begin."""

    subject: str
    found: str
    expected: str
    next_step: str

    def line(self) -> str:
        return f"{self.subject}: {self.found}; expected {self.expected}. {self.next_step}"


@dataclass(frozen=True)
class HostPlan:
    """What the upgrade does to a host.

    :param state: C(finished), C(interrupted) (an earlier run began it) or C(pending).
    :param drain: whether its Pods are evicted first.
    """

    host: str
    node: str
    state: str
    current: str
    version: str
    api_server: str = ""
    drain: bool = True

    def line(self) -> str:
        """One line for the operator."""
        if self.state == FINISHED:
            return f"{self.host}: {self.version}, finished"
        parts = [f"{self.host}: kubelet {self.current} -> {self.version}"]
        if self.api_server:
            parts.append(f"control plane {self.api_server} -> {self.version}")
        parts.append("drained" if self.drain else "not drained: no other node takes its Pods")
        if self.state == INTERRUPTED:
            parts.append("continues an interrupted upgrade")
        return ", ".join(parts)

    def as_dict(self) -> dict[str, t.Any]:
        return {
            "node": self.node,
            "state": self.state,
            "current": self.current,
            "version": self.version,
            "api_server": self.api_server,
            "drain": self.drain,
        }


@dataclass(frozen=True)
class UpgradePlan:
    """What there is to do, or why nothing may be done."""

    hosts: tuple[HostPlan, ...] = ()
    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    @property
    def left(self) -> tuple[HostPlan, ...]:
        """The hosts that are not finished."""
        return tuple(host for host in self.hosts if host.state != FINISHED)


def _minor(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


def plan_upgrade(desired: DesiredUpgrade, cluster: Cluster) -> UpgradePlan:
    """Compare the live versions with what is asked for."""
    target = parse_version(desired.version)
    if target is None:
        expected = "a version as 1.37.1"
        finding = Finding(
            "cluster_kubernetes_version", repr(desired.version), expected, "Set it to a version that exists."
        )
        return UpgradePlan(findings=(finding,))
    by_name = {node.name: node for node in cluster.nodes}
    findings = [
        *_unregistered(desired, by_name),
        *_downgrades(desired, target, cluster),
        *_skipped_minors(desired, target, cluster),
        *_old_kubelets(desired, target, cluster),
        *_order(desired, target, cluster),
    ]
    hosts = _hosts(desired, target, cluster)
    findings += _unready(hosts, by_name)
    refused, warnings = _deprecated(desired, target, cluster)
    findings += refused
    strangers = sorted(set(by_name) - set(desired.nodes.values()))
    behind = [name for name in strangers if parse_version(by_name[name].kubelet) != target]
    if behind:
        warnings.append(f"not part of this run, and left at another version: {', '.join(behind)}")
    return UpgradePlan(hosts, tuple(findings), tuple(warnings))


def _unregistered(desired: DesiredUpgrade, by_name: t.Mapping[str, NodeState]) -> t.Iterator[Finding]:
    for host, name in desired.nodes.items():
        if name not in by_name:
            yield Finding(
                host,
                f"the cluster has no node {name}",
                "hosts that are nodes",
                "Leave it out with --limit, and join it afterwards with the playbook site.",
            )


def _programs(node: NodeState) -> t.Iterator[tuple[str, Version]]:
    for program, text in (("kube-apiserver", node.api_server), ("kubelet", node.kubelet)):
        version = parse_version(text)
        if version is not None:
            yield f"{program} {text}", version


def _downgrade(subject: str, found: str, desired: DesiredUpgrade, newest: str) -> Finding:
    return Finding(
        subject,
        found,
        f"{desired.version} or older: nothing is downgraded",
        f"Set cluster_kubernetes_version to {newest} or newer.",
    )


def _downgrades(desired: DesiredUpgrade, target: Version, cluster: Cluster) -> t.Iterator[Finding]:
    told = False
    for node in cluster.nodes:
        newer = [(version, shown) for shown, version in _programs(node) if version > target]
        if newer:
            told = True
            newest = max(newer)[1].partition(" ")[2]
            found = ", ".join(shown for _version, shown in newer)
            yield _downgrade(f"node {node.name}", found, desired, newest)
    stored = parse_version(cluster.stored)
    if stored is not None and stored > target and not told:
        yield _downgrade(
            "the cluster's configuration (kubeadm-config)", cluster.stored, desired, cluster.stored
        )


def _skipped_minors(desired: DesiredUpgrade, target: Version, cluster: Cluster) -> t.Iterator[Finding]:
    for node in cluster.nodes:
        version = parse_version(node.api_server)
        if version is not None and (target[0] != version[0] or target[1] - version[1] > 1):
            following = f"{version[0]}.{version[1] + 1}"
            yield Finding(
                f"node {node.name}",
                f"kube-apiserver {node.api_server}",
                f"{target[0]}.{target[1] - 1} or newer before {desired.version}: no minor version is skipped",
                f"Upgrade to a release of {following} first.",
            )


def _old_kubelets(desired: DesiredUpgrade, target: Version, cluster: Cluster) -> t.Iterator[Finding]:
    for node in cluster.nodes:
        version = parse_version(node.kubelet)
        if version is not None and version[0] == target[0] and target[1] - version[1] > KUBELET_SKEW:
            yield Finding(
                f"node {node.name}",
                f"kubelet {node.kubelet}",
                f"{target[0]}.{target[1] - KUBELET_SKEW} or newer beside API servers of {desired.version}",
                "Upgrade this node to the cluster's present version first, or remove it.",
            )


def _order(desired: DesiredUpgrade, target: Version, cluster: Cluster) -> t.Iterator[Finding]:
    """A kubelet is never newer than an API server: control planes that this run leaves out have to be upgraded."""
    chosen = {desired.nodes[host] for host in desired.control_planes}
    for node in cluster.nodes:
        version = parse_version(node.api_server)
        if version is not None and version < target and node.name not in chosen:
            yield Finding(
                f"node {node.name}",
                f"kube-apiserver {node.api_server}, and this run leaves the node out",
                f"{desired.version}, or the node among the hosts of this run",
                "Upgrade control planes first: run the playbook without --limit, or with a limit that includes them.",
            )


def _state(node: NodeState, target: Version, behind: bool) -> str:
    """:param behind: whether the host has to complete what is the cluster's."""
    versions = [version for _shown, version in _programs(node)]
    new = [version == target for version in versions]
    cordoned = node.cordoned_by == OPERATION
    if all(new) and not cordoned and not behind:
        return FINISHED
    return INTERRUPTED if cordoned or any(new) else PENDING


def _hosts(desired: DesiredUpgrade, target: Version, cluster: Cluster) -> tuple[HostPlan, ...]:
    by_name = {node.name: node for node in cluster.nodes}
    schedulable = {node.name for node in cluster.nodes if node.schedulable or node.cordoned_by == OPERATION}
    stored = parse_version(cluster.stored)
    first = next((host for host in desired.control_planes if desired.nodes[host] in by_name), None)
    hosts = []
    for host, name in desired.nodes.items():
        node = by_name.get(name)
        if node is None:
            continue
        behind = host == first and stored is not None and stored < target
        hosts.append(
            HostPlan(
                host,
                name,
                _state(node, target, behind),
                node.kubelet,
                desired.version,
                node.api_server,
                drain=parse_version(node.kubelet) != target and bool(schedulable - {name}),
            )
        )
    return tuple(hosts)


def _unready(hosts: t.Iterable[HostPlan], by_name: t.Mapping[str, NodeState]) -> t.Iterator[Finding]:
    for plan in hosts:
        reason = by_name[plan.node].reason
        if reason and plan.state == PENDING:
            yield Finding(
                plan.host,
                reason,
                "a node that is ready before it is upgraded",
                "Repair it, or leave it out with --limit.",
            )


def _deprecated(
    desired: DesiredUpgrade, target: Version, cluster: Cluster
) -> tuple[list[Finding], list[str]]:
    """API versions in use that the version to upgrade to removes, and those that a later one does."""
    refused, warnings = [], []
    for api in cluster.deprecated:
        removed = parse_version(f"{api.removed}.0")
        if removed is None:
            continue
        if removed[:2] > target[:2] or desired.accept_removed_apis:
            warnings.append(f"deprecated API in use: {api.line()}")
        else:
            refused.append(
                Finding(
                    "deprecated API in use",
                    api.line(),
                    f"none that {_minor(target)} has no longer",
                    "Find the client by the audit log (annotation k8s.io/deprecated), change it, and restart the API"
                    " server, which remembers; or set upgrade_accept_removed_apis: true.",
                )
            )
    return refused, warnings
