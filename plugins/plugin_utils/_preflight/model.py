# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Data model of a preflight: facts of hosts, the site's requirements, and findings."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from dataclasses import dataclass, field

ERROR = "error"
WARNING = "warning"
IGNORED = "ignored"

# Every check and what it expects. docs/preflight.md has a section for each.
CHECKS: dict[str, str] = {
    # each host
    "unreachable": "The host answers.",
    "facts": "The host's state can be read.",
    "os": "The collection supports the operating system.",
    "service_manager": "systemd or OpenRC runs the host.",
    "architecture": "Release files exist for the architecture.",
    "python": "Python is new enough for Ansible modules.",
    "kernel_version": "The kernel is new enough for Cilium and kubeadm.",
    "kernel_options": "The kernel has the options that containerd, the kubelet and Cilium need.",
    "kernel_modules": "The running kernel's modules are installed.",
    "cgroup": "cgroup v2 and the required controllers are available.",
    "mount_propagation": "Mounts below / are shared.",
    "cpus": "There are enough CPUs.",
    "memory": "There is enough memory.",
    "disk": "There is enough free space on a writable file system.",
    "swap": "Swap is off, or will be turned off.",
    "ports": "The node's ports are free, or used by the node itself.",
    "commands": "The commands that a node needs exist, or will be installed.",
    "foreign_files": "Configuration that the roles replace is their own.",
    "service_overrides": "Nothing on the host changes how the daemons of a node are started.",
    "name_servers": "Pods can use the host's name servers.",
    "sources": "The mirror or upstream can be reached.",
    "node_name": "The node's name is valid.",
    "node_address": "The node has an address, and it is its own.",
    "node_role": "A member is in the inventory group of its role.",
    "node_metadata": "Kubernetes accepts the labels, annotations and taints that are declared for the node.",
    "etcd_directory": "The directory of etcd's data is empty, or has the data of this host's member.",
    "version_skew": "The versions on the host are compatible with cluster_kubernetes_version.",
    # the cluster
    "kubernetes_version": "The collection supports the version of Kubernetes.",
    "control_planes": "There is an odd number of control planes.",
    "endpoint": "The endpoint is valid and every host resolves it; several control planes have one.",
    "foreign_cluster": "All members belong to one cluster.",
    "ca_rotation": "No CA rotation is under way.",
    "duplicate_machine_id": "No two hosts have the same machine-id.",
    "duplicate_product_uuid": "No two hosts have the same product UUID.",
    "duplicate_hostname": "No two hosts have the same host name.",
    "duplicate_node_name": "No two hosts would be the same node.",
    "duplicate_address": "No two hosts have the same address.",
    "clock": "The hosts' clocks agree.",
    "network_format": "The cluster's networks are valid CIDRs.",
    "network_overlap": "Pod, Service and host networks do not overlap.",
    "network_size": "The cluster's networks are large enough.",
    "unknown_nodes": "Every node of the cluster is a host of the inventory.",
    "ca_file": "The mirror's CA can be read.",
    "proxy": "The proxy is given in a form that all its users understand.",
}


@dataclass(frozen=True)
class Finding:
    """A failed check.

    :param host: its name in the inventory, empty for the site as a whole.
    :param check: one of L(CHECKS). :param severity: C(error), C(warning) or C(ignored).
    """

    host: str
    check: str
    severity: str
    found: str
    expected: str
    fix: str

    def as_dict(self) -> dict[str, str]:
        """As a task returns it."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class KernelOption:
    """A kernel option that a node needs.

    :param any_of: symbols, one of which is enough. :param needed_by: program that needs it. :param reason: what for.
    :param required: whether a node cannot work without it; otherwise only a feature is missing.
    """

    any_of: tuple[str, ...]
    needed_by: str
    reason: str
    required: bool = True


@dataclass(frozen=True)
class Host:
    """A host of the run.

    :param role: C(control_plane) or C(worker), by its inventory group.
    :param node: what C(node_info) returned, C(None) when it failed.
    :param problem: why there is no C(node). :param unreachable: whether the host did not answer at all.
    :param node_name: :param node_address: as the site sets them, empty when it does not.
    :param swap_off: whether the role host turns swap off. :param swap_allowed: whether failSwapOn is false.
    :param cgroup_v1_allowed: whether failCgroupV1 is false.
    :param packages_managed: whether the role host installs missing commands.
    """

    name: str
    role: str
    node: t.Mapping[str, t.Any] | None = None
    problem: str = ""
    unreachable: bool = False
    node_name: str = ""
    node_address: str = ""
    swap_off: bool = True
    swap_allowed: bool = False
    cgroup_v1_allowed: bool = False
    packages_managed: bool = True

    @property
    def facts(self) -> t.Mapping[str, t.Any]:
        """What C(node_info) returned; empty when it failed."""
        return self.node or {}

    @property
    def extra(self) -> t.Mapping[str, t.Any]:
        """What C(node_info) read for the preflight; empty when it was not asked to."""
        return self.facts.get("preflight") or {}

    @property
    def kubernetes(self) -> t.Mapping[str, t.Any]:
        """The host's membership."""
        return self.facts.get("kubernetes") or {}

    @property
    def is_member(self) -> bool:
        """Whether the host is a node already."""
        return self.kubernetes.get("state") == "member"

    @property
    def name_in_cluster(self) -> str:
        """The node's name."""
        return self.node_name or self.facts.get("node_name") or ""

    @property
    def address(self) -> str:
        """The node's address in the cluster."""
        return self.node_address or self.facts.get("address") or ""


@dataclass(frozen=True)
class Site:
    """The site's requirements.

    :param control_planes: :param workers: all hosts of the groups, in this run or not.
    :param cert_sans: further names and addresses in the API servers' certificates.
    :param pod_cidr: :param service_cidr: one network, or one of each address family, separated by a comma.
    :param memory_min: MiB by role. :param cpus_min: number by role. :param disk_min: MiB by path.
    :param ports: C(port/protocol) by role.
    """

    kubernetes_version: str
    control_planes: tuple[str, ...] = ()
    workers: tuple[str, ...] = ()
    supported_minors: tuple[str, ...] = ("1.35", "1.36", "1.37")
    endpoint: str = ""
    cert_sans: tuple[str, ...] = ()
    pod_cidr: str = ""
    service_cidr: str = ""
    tested_systems: tuple[str, ...] = ()
    unsupported_systems: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ("amd64", "arm64")
    package_managers: tuple[str, ...] = ()
    kernel_options: tuple[KernelOption, ...] = ()
    kernel_min: str = "5.10"
    memory_min: t.Mapping[str, int] = field(default_factory=dict)
    cpus_min: t.Mapping[str, int] = field(default_factory=dict)
    disk_min: t.Mapping[str, int] = field(default_factory=dict)
    ports: t.Mapping[str, t.Sequence[str]] = field(default_factory=dict)
    clock_skew_max: float = 5.0


def parse_version(text: str | None) -> tuple[int, int, int] | None:
    """Major, minor and patch, C(None) when it is not a version."""
    match = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", text or "")
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else None


def mib(size: float) -> str:
    """Bytes for people."""
    return f"{size / 1048576:.0f} MiB"
