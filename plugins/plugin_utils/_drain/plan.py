# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What a drain evicts, what stays, and what holds it up. Pure: objects of the API in, a plan out."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.health import Json, condition
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.spread import tolerates
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._drain import selectors
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.ending import (
    being_deleted,
    finished,
)

#: Which operation has cordoned the node, so that only this one undoes it. An operator's own cordon has none.
CORDONED_BY = "baremetal.kubernetes/cordoned-by"
#: The annotation in which a Pod names the emptyDir volumes whose content nobody needs, separated by commas. It is
#: that of cluster-autoscaler (kubernetes/autoscaler, cluster-autoscaler/FAQ.md), so that charts have it already.
DISPENSABLE = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"
UNSCHEDULABLE = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
_MIRROR = "kubernetes.io/config.mirror"


@dataclass(frozen=True)
class Policy:
    """What a drain may do beyond evicting what comes back elsewhere by itself.

    :param force: evict Pods without a controller, which nothing creates again.
    :param delete_emptydir_data: evict Pods with emptyDir volumes, whose content is lost.
    :param ignore_budgets: delete Pods instead of evicting them, whatever their PodDisruptionBudgets say.
    """

    force: bool = False
    delete_emptydir_data: bool = False
    ignore_budgets: bool = False


@dataclass(frozen=True)
class Hold:
    """Something that holds the eviction of a Pod up.

    :param pod: namespace/name. :param kind: C(controller), C(emptydir), C(budget), C(budgets) or C(local_volume).
    :param blocks: whether waiting does not help, so that the drain must not begin.
    """

    pod: str
    kind: str
    found: str
    next_step: str
    blocks: bool = False

    def line(self) -> str:
        return f"Pod {self.pod}: {self.found}. {self.next_step}."

    def as_dict(self) -> dict[str, t.Any]:
        return {
            "pod": self.pod,
            "kind": self.kind,
            "found": self.found,
            "next_step": self.next_step,
            "blocks": self.blocks,
        }


@dataclass(frozen=True)
class Plan:
    """What happens to the Pods of a node.

    :param evicted: to evict. :param terminating: on their way already.
    :param staying: namespace/name -> why. :param holds: what holds up those of C(evicted).
    """

    evicted: tuple[Json, ...] = ()
    terminating: tuple[Json, ...] = ()
    staying: t.Mapping[str, str] = field(default_factory=dict)
    holds: tuple[Hold, ...] = ()

    @property
    def blocking(self) -> tuple[Hold, ...]:
        return tuple(hold for hold in self.holds if hold.blocks)


def metadata(item: Json) -> Json:
    """The metadata of an object."""
    return item.get("metadata") or {}


def pod_name(pod: Json) -> str:
    """Namespace and name of a Pod, as messages say it."""
    return f"{metadata(pod).get('namespace', '')}/{metadata(pod).get('name', '')}"


def unschedulable(node: Json) -> bool:
    """Whether a node is cordoned."""
    return bool((node.get("spec") or {}).get("unschedulable", False))


def cordoned_by(node: Json) -> str:
    """The operation that cordoned a node, empty for an operator or when it is not cordoned."""
    return str((metadata(node).get("annotations") or {}).get(CORDONED_BY) or "")


def answers(node: Json) -> bool:
    """Whether the node's kubelet answers, and thus ends Pods that are deleted."""
    for entry in (node.get("status") or {}).get("conditions") or ():
        if entry.get("type") == "Ready":
            return entry.get("status") != "Unknown"
    return False


def _controller(pod: Json) -> str:
    """Kind of the controller that a Pod belongs to, empty without one."""
    for owner in metadata(pod).get("ownerReferences") or ():
        if owner.get("controller"):
            return str(owner.get("kind"))
    return ""


def _stays(pod: Json, late: bool) -> str:
    """Why a Pod is not evicted, empty when it is."""
    if _MIRROR in (metadata(pod).get("annotations") or {}):
        return "static Pod"
    if _controller(pod) == "DaemonSet":
        return "Pod of a DaemonSet"
    if finished(pod):
        return "has finished"
    if late and tolerates(pod, UNSCHEDULABLE):
        return "tolerates cordoned nodes, and would be created here again"
    return ""


def exempt(pod: Json) -> bool:
    """Whether the API server evicts a Pod without asking its budgets."""
    return being_deleted(pod) or (pod.get("status") or {}).get("phase") == "Pending"


def budgets_of(pod: Json, budgets: t.Iterable[Json]) -> list[Json]:
    """The PodDisruptionBudgets that a Pod counts for."""
    labels = metadata(pod).get("labels") or {}
    return [
        budget
        for budget in budgets
        if metadata(budget).get("namespace") == metadata(pod).get("namespace")
        and selectors.matches((budget.get("spec") or {}).get("selector"), labels)
    ]


def _allows(pod: Json, budget: Json) -> bool:
    """Whether a budget allows the eviction of a Pod now."""
    status = budget.get("status") or {}
    if int(status.get("disruptionsAllowed") or 0) > 0:
        return True
    if condition(pod, "Ready")[0]:
        return False
    if (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    desired = int(status.get("desiredHealthy") or 0)
    return 0 < desired <= int(status.get("currentHealthy") or 0)


def budget_text(budget: Json) -> str:
    """A budget with its figures."""
    status = budget.get("status") or {}
    return (
        f"PodDisruptionBudget {metadata(budget).get('name')} needs {status.get('desiredHealthy', 0)} healthy Pods"
        f" and has {status.get('currentHealthy', 0)} of {status.get('expectedPods', 0)}"
    )


def _budget_holds(pod: Json, budgets: t.Sequence[Json]) -> t.Iterator[Hold]:
    own = [] if exempt(pod) else budgets_of(pod, budgets)
    if len(own) > 1:
        names = ", ".join(sorted(str(metadata(budget).get("name")) for budget in own))
        yield Hold(
            pod_name(pod),
            "budgets",
            f"{len(own)} PodDisruptionBudgets select it ({names}), and the API server evicts no such Pod",
            "Leave it with one of them, or set node_drain_ignore_budgets",
            blocks=True,
        )
    elif own and not _allows(pod, own[0]):
        status = own[0].get("status") or {}
        step = "The eviction is tried again until more Pods are healthy"
        if int(status.get("currentHealthy") or 0) >= int(status.get("expectedPods") or 0):
            step = "All are healthy, so it has to have more replicas, or its budget to allow a disruption"
        yield Hold(pod_name(pod), "budget", budget_text(own[0]), step)


def _volume_holds(pod: Json, local: t.Mapping[str, str], policy: Policy) -> t.Iterator[Hold]:
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    named = (metadata(pod).get("annotations") or {}).get(DISPENSABLE) or ""
    dispensable = {name.strip() for name in named.split(",")}
    empty = [str(volume.get("name")) for volume in volumes if volume.get("emptyDir") is not None]
    empty = [name for name in empty if name not in dispensable]
    if empty:
        yield Hold(
            pod_name(pod),
            "emptydir",
            f"the content of emptyDir {', '.join(empty)} is lost",
            "Set node_drain_delete_emptydir_data when that is no loss"
            if not policy.delete_emptydir_data
            else "node_drain_delete_emptydir_data allows that",
            blocks=not policy.delete_emptydir_data,
        )
    for volume in volumes:
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName") or ""
        if not claim and volume.get("ephemeral") is not None:
            claim = f"{metadata(pod).get('name')}-{volume.get('name')}"
        where = local.get(f"{metadata(pod).get('namespace')}/{claim}") if claim else None
        if where:
            yield Hold(
                pod_name(pod),
                "local_volume",
                f"its volume {where} is on this node",
                "It is evicted, and its successor waits (Pending) until this node is back",
            )


def _holds(
    pod: Json, budgets: t.Sequence[Json], local: t.Mapping[str, str], policy: Policy
) -> t.Iterator[Hold]:
    if not _controller(pod):
        yield Hold(
            pod_name(pod),
            "controller",
            "it has no controller, so nothing creates it again",
            "Set node_drain_force when that is no loss"
            if not policy.force
            else "node_drain_force allows that",
            blocks=not policy.force,
        )
    yield from _volume_holds(pod, local, policy)
    if not policy.ignore_budgets:
        yield from _budget_holds(pod, budgets)


def plan(
    pods: t.Sequence[Json],
    budgets: t.Sequence[Json],
    local: t.Mapping[str, str],
    policy: Policy,
    known: t.Collection[str] | None = None,
) -> Plan:
    """What happens to the Pods of a node.

    :param pods: all of the node. :param budgets: all PodDisruptionBudgets of the cluster.
    :param local: namespace/name of claims whose volume is on this node -> the volume.
    :param known: uids of the Pods that were there when it was cordoned, C(None) before that.
    """
    evicted: list[Json] = []
    terminating: list[Json] = []
    staying: dict[str, str] = {}
    for pod in pods:
        why = _stays(pod, known is not None and str(metadata(pod).get("uid")) not in known)
        if why:
            staying[pod_name(pod)] = why
        elif being_deleted(pod):
            terminating.append(pod)
        else:
            evicted.append(pod)
    holds = [hold for pod in evicted for hold in _holds(pod, budgets, local, policy)]
    return Plan(tuple(evicted), tuple(terminating), staying, tuple(holds))
