# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The words of a preflight: what is known of hosts, what the site wants, and what was found to be wrong."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from dataclasses import dataclass, field

ERROR = "error"
WARNING = "warning"
IGNORED = "ignored"

# Every check by its id, and what it is about. docs/preflight.md has a section for each.
CHECKS: dict[str, str] = {
    # each host
    "unreachable": "The host answers.",
    "facts": "The host's state can be read.",
    "os": "The operating system can be prepared by the collection.",
    "service_manager": "systemd or OpenRC runs the host.",
    "architecture": "Release files exist for the architecture.",
    "python": "Python is new enough for modules.",
    "kernel_version": "The kernel is new enough for Cilium and kubeadm.",
    "kernel_options": "The kernel has what containerd, the kubelet and Cilium use.",
    "kernel_modules": "The running kernel's modules are installed.",
    "cgroup": "Control groups and their controllers are there.",
    "mount_propagation": "Mounts below / are shared.",
    "cpus": "There are enough CPUs.",
    "memory": "There is enough memory.",
    "disk": "There is enough free space, and it can be written to.",
    "swap": "Swap is off, or will be turned off.",
    "ports": "The node's ports are free, or taken by the node itself.",
    "commands": "The commands that a node calls exist, or will be installed.",
    "sources": "The mirror or upstream can be reached.",
    "node_name": "The node's name is allowed.",
    "node_address": "The node has an address, and it is its own.",
    "node_role": "The host is in the group of what it already is.",
    "version_skew": "The versions on the host go with the one that is asked for.",
    # the cluster
    "kubernetes_version": "The collection supports the version of Kubernetes.",
    "control_planes": "There are control planes, and an odd number of them.",
    "endpoint": "Several control planes have an address in front of them.",
    "foreign_cluster": "All members belong to one cluster.",
    "duplicate_machine_id": "No two hosts have the same machine-id.",
    "duplicate_product_uuid": "No two hosts have the same product UUID.",
    "duplicate_hostname": "No two hosts have the same host name.",
    "duplicate_node_name": "No two hosts would be the same node.",
    "duplicate_address": "No two hosts have the same address.",
    "clock": "The hosts' clocks agree.",
    "network_format": "The cluster's networks are networks.",
    "network_overlap": "Pod, Service and host networks do not overlap.",
    "network_size": "The cluster's networks are large enough for it.",
    "ca_file": "The mirror's CA can be read.",
}


@dataclass(frozen=True)
class Finding:
    """Something that is not as it has to be.

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
        """As a module returns it."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class KernelOption:
    """Something that the kernel must be able to do.

    :param any_of: symbols, one of which is enough. :param needed_by: who needs it. :param reason: for what.
    :param required: whether a node cannot work without; otherwise only some feature cannot.
    """

    any_of: tuple[str, ...]
    needed_by: str
    reason: str
    required: bool = True


@dataclass(frozen=True)
class Host:
    """A host of the run.

    :param role: C(control_plane) or C(worker), by its inventory group.
    :param node: what C(node_info) returned, C(None) when it did not.
    :param problem: why there is no C(node). :param unreachable: whether the host did not answer at all.
    :param node_name: :param node_address: as the site sets them, empty when it does not.
    :param swap_off: whether the site turns swap off. :param swap_allowed: whether the kubelet is told to run with swap.
    :param cgroup_v1_allowed: the same for version 1 of control groups.
    :param packages_managed: whether the site installs missing commands.
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
        """What C(node_info) returned; empty when it did not."""
        return self.node or {}

    @property
    def extra(self) -> t.Mapping[str, t.Any]:
        """What C(node_info) gathered for the preflight; empty when it was not asked to."""
        return self.facts.get("preflight") or {}

    @property
    def kubernetes(self) -> t.Mapping[str, t.Any]:
        """What the host is to a cluster."""
        return self.facts.get("kubernetes") or {}

    @property
    def is_member(self) -> bool:
        """Whether the host is a node already, and so has what a new one must find."""
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
    """What the site wants, and what it holds hosts to.

    :param control_planes: :param workers: all hosts of the groups, those of this run or not.
    :param pod_cidr: :param service_cidr: one network, or one of each family with a comma between.
    :param memory_min: MiB by role. :param cpus_min: number by role. :param disk_min: MiB by path.
    :param ports: C(port/protocol) by role.
    """

    kubernetes_version: str
    control_planes: tuple[str, ...] = ()
    workers: tuple[str, ...] = ()
    supported_minors: tuple[str, ...] = ("1.35", "1.36", "1.37")
    endpoint: str = ""
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
    """Major, minor and patch, C(None) for what is no version."""
    match = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", text or "")
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else None


def mib(size: float) -> str:
    """Bytes for people."""
    return f"{size / 1048576:.0f} MiB"
