# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What the health of a cluster is reported by, and what a finding is."""

from __future__ import annotations

import dataclasses
import typing as t
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.health import Unmet
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._upgrade.plan import NodeState

Json = t.Mapping[str, t.Any]

CRITICAL, WARNING = "critical", "warning"


@dataclass(frozen=True)
class Finding:
    """Something that is not as it has to be.

    :param host: its name in the inventory, the name of a node that no host has, or empty for the cluster.
    :param severity: C(critical) where something does not work or the next failure would end the cluster.
    """

    host: str
    check: str
    severity: str
    found: str
    expected: str
    next_step: str

    def line(self) -> str:
        return f"[{self.check}] found {self.found}; expected {self.expected}. {self.next_step}."

    def as_dict(self) -> dict[str, str]:
        """As a task returns it."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Limits:
    """From where on something is a finding.

    :param within: days to the end of a certificate. :param used: percent of its quota that a database may have.
    :param free: percent of a database that defragmentation may give back.
    :param skew: seconds between the clocks of two hosts.
    """

    within: int = 30
    used: int = 80
    free: int = 50
    skew: float = 5.0


@dataclass(frozen=True)
class Host:
    """A host of the run.

    :param error: why it could not be read, empty when it could. :param node: what C(node_info) returned.
    :param certificates: :param etcd: :param backups: what C(certificates_info), C(etcd_info) and
        C(backup_schedule_info) returned, empty where they did not.
    """

    name: str
    control_plane: bool = False
    error: str = ""
    node: Json = field(default_factory=dict)
    certificates: tuple[Json, ...] = ()
    etcd: Json = field(default_factory=dict)
    backups: Json = field(default_factory=dict)

    @property
    def node_name(self) -> str:
        """The name of its node; of a host that could not be read, most likely its own."""
        return str(self.node.get("node_name") or self.name)

    @property
    def member(self) -> bool:
        """Whether the host has joined a cluster."""
        return (self.node.get("kubernetes") or {}).get("state") == "member"


@dataclass(frozen=True)
class Lock:
    """The lock of an operation.

    :param holder: who has it, and since when. :param gone: why its run is gone, empty while it is not.
    """

    holder: str
    gone: str = ""


@dataclass(frozen=True)
class Cluster:
    """The cluster by its API.

    :param error: why the API server of the kubeconfig does not answer; then the rest is empty.
    :param nodes: Node objects. :param states: their versions.
    :param servers: what each API server says of itself by node, empty when it is ready.
    :param unreachable: nodes whose API server cannot be reached from the controller.
    :param unmet: what else is not as expected of the control plane and of system pods.
    """

    error: str = ""
    nodes: tuple[Json, ...] = ()
    states: tuple[NodeState, ...] = ()
    servers: t.Mapping[str, str] = field(default_factory=dict)
    unreachable: frozenset[str] = frozenset()
    unmet: tuple[Unmet, ...] = ()
    lock: Lock | None = None
