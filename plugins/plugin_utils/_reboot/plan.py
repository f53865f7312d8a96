# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Which hosts of a run boot again. Pure: what the hosts and the API say in, a plan out."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.health import (
    Json,
    condition,
    name_of,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._drain.plan import (
    cordoned_by,
    unschedulable,
)

#: What the annotation of a cordoned node says, by which the next run finds one that was interrupted.
OPERATION = "reboot_nodes"
REBOOT, COMPLETE, NOTHING = "reboot", "complete", "nothing"


@dataclass(frozen=True)
class HostPlan:
    """What happens to a host.

    :param action: C(REBOOT), C(COMPLETE) what an interrupted run left, or C(NOTHING).
    :param drain: whether its Pods are evicted first. :param keeps_cordon: whether somebody else has cordoned it.
    """

    host: str
    node: str
    action: str
    reasons: tuple[str, ...] = ()
    drain: bool = False
    keeps_cordon: bool = False

    def line(self) -> str:
        """The plan for people."""
        if self.action == NOTHING:
            return f"{self.host}: needs no reboot"
        if self.action == COMPLETE:
            return f"{self.host}: needs no reboot any more, and is returned to service"
        parts = ["drained" if self.drain else "not drained: no other node takes its Pods"]
        if self.keeps_cordon:
            parts.append("stays cordoned, as it was before")
        return f"{self.host}: reboots ({'; '.join(self.reasons)}), {', '.join(parts)}"

    def as_dict(self) -> dict[str, t.Any]:
        return {
            "node": self.node,
            "action": self.action,
            "reasons": list(self.reasons),
            "drain": self.drain,
            "keeps_cordon": self.keeps_cordon,
        }


@dataclass(frozen=True)
class RebootPlan:
    """A plan, and what is against it."""

    hosts: tuple[HostPlan, ...]
    findings: tuple[str, ...] = ()

    @property
    def left(self) -> tuple[HostPlan, ...]:
        return tuple(host for host in self.hosts if host.action != NOTHING)


def _action(node: Json, required: bool) -> str:
    if required:
        return REBOOT
    # Its note is of no use any more when an operator has uncordoned the node since.
    return COMPLETE if cordoned_by(node) == OPERATION else NOTHING


def plan_reboots(
    hosts: t.Mapping[str, str], reasons: t.Mapping[str, t.Sequence[str]], nodes: t.Iterable[Json], force: bool
) -> RebootPlan:
    """Which hosts boot again.

    :param hosts: those of the run -> names of their nodes. :param reasons: host -> why it has to boot again.
    :param nodes: all of the cluster. :param force: whether hosts do so without a reason.
    """
    by_name = {name_of(node): node for node in nodes}
    takes_pods = {
        name for name, node in by_name.items() if not unschedulable(node) or cordoned_by(node) == OPERATION
    }
    plans, findings = [], []
    for host, name in hosts.items():
        node = by_name.get(name)
        if node is None:
            findings.append(
                f"{host}: the cluster has no node {name!r} (nodes: {', '.join(sorted(by_name)) or 'none'})."
                " Join it by the playbook add_node, or leave it out with --limit."
            )
            continue
        why = tuple(reasons.get(host) or ()) or (("reboot_nodes_force",) if force else ())
        action = _action(node, bool(why))
        ready, reason = condition(node, "Ready")
        if action == REBOOT and not ready:
            findings.append(
                f"{host}: {reason}; expected a node that is Ready before its host reboots."
                " Repair it, reboot that host yourself, or leave it out with --limit."
            )
        plans.append(
            HostPlan(
                host,
                name,
                action,
                why if action == REBOOT else (),
                drain=action == REBOOT and bool(takes_pods - {name}),
                keeps_cordon=unschedulable(node) and cordoned_by(node) != OPERATION,
            )
        )
    return RebootPlan(tuple(plans), tuple(findings))
