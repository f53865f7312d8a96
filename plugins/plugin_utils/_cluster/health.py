# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Evaluate the health of a cluster. Pure: objects of the API in, unmet expectations out."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

Json = t.Mapping[str, t.Any]

CHECKS = ("readyz", "nodes", "control_plane", "etcd", "system_pods")
STATIC_PODS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
_ROLE_PREFIX = "node-role.kubernetes.io/"
_FAILED_CHECK = re.compile(r"^\[-\](\S+)\s+(.*)$", re.MULTILINE)
_PASSED_CHECK = re.compile(r"^\[\+\](\S+)", re.MULTILINE)
_KUBELET_LOG = "Look at the kubelet's log on that host, and with: kubectl describe node"


@dataclass(frozen=True)
class Expectation:
    """What is expected.

    :param nodes: names that must be registered and Ready; when empty, every registered node must be Ready.
    :param checks: which of C(CHECKS) count.
    """

    nodes: tuple[str, ...] = ()
    checks: tuple[str, ...] = ("readyz", "nodes", "control_plane", "system_pods")


@dataclass(frozen=True)
class Snapshot:
    """A cluster at one moment.

    :param error: why it could not be read; then the rest is empty.
    :param readyz_status: HTTP status of C(/readyz?verbose). :param readyz: its text.
    :param static_pods: Pods of kube-system with C(tier=control-plane).
    """

    error: str = ""
    readyz_status: int = 0
    readyz: str = ""
    nodes: tuple[Json, ...] = ()
    static_pods: tuple[Json, ...] = ()
    deployments: tuple[Json, ...] = ()
    daemonsets: tuple[Json, ...] = ()


@dataclass(frozen=True)
class Unmet:
    """One expectation that is not met."""

    object: str
    found: str
    expected: str
    next_step: str

    def line(self) -> str:
        return f"{self.object}: {self.found}; expected {self.expected}. {self.next_step}."

    def as_dict(self) -> dict[str, str]:
        return {
            "object": self.object,
            "found": self.found,
            "expected": self.expected,
            "next_step": self.next_step,
        }


@dataclass(frozen=True)
class Verdict:
    """The unmet expectations, and the nodes as they are."""

    unmet: tuple[Unmet, ...]
    nodes: tuple[dict[str, t.Any], ...] = field(default=())


def name_of(item: Json) -> str:
    """The name of an object."""
    return str((item.get("metadata") or {}).get("name", ""))


def _labels(item: Json) -> Json:
    return (item.get("metadata") or {}).get("labels") or {}


def condition(item: Json, kind: str) -> tuple[bool, str]:
    """Whether a condition is true, and its reason and message when it is not."""
    for entry in (item.get("status") or {}).get("conditions") or ():
        if entry.get("type") == kind:
            if entry.get("status") == "True":
                return True, ""
            text = ": ".join(str(entry[key]) for key in ("reason", "message") if entry.get(key))
            return False, f"{kind} is {entry.get('status')}" + (f" ({text})" if text else "")
    return False, f"it has no condition {kind} yet"


def node_view(item: Json) -> dict[str, t.Any]:
    """A node as return value."""
    ready, reason = condition(item, "Ready")
    status = item.get("status") or {}
    return {
        "name": name_of(item),
        "ready": ready,
        "reason": reason,
        "version": (status.get("nodeInfo") or {}).get("kubeletVersion", "").lstrip("v"),
        "addresses": [str(entry.get("address")) for entry in status.get("addresses") or ()],
        "roles": sorted(key[len(_ROLE_PREFIX) :] for key in _labels(item) if key.startswith(_ROLE_PREFIX)),
        "schedulable": not (item.get("spec") or {}).get("unschedulable", False),
    }


def _readyz(snapshot: Snapshot, only_etcd: bool) -> list[Unmet]:
    failed: list[tuple[str, str]] = _FAILED_CHECK.findall(snapshot.readyz)
    if only_etcd:
        failed = [(name, why) for name, why in failed if name.startswith("etcd")]
        if not failed and not any(name.startswith("etcd") for name in _PASSED_CHECK.findall(snapshot.readyz)):
            failed = [("etcd", "the API server does not report on it")]
    elif not failed and snapshot.readyz_status != 200:
        failed = [("readyz", f"HTTP {snapshot.readyz_status} {snapshot.readyz.strip()[:200]}".strip())]
    step = "Look at the containers of etcd and of the API server (crictl ps -a, crictl logs)"
    return [Unmet(f"API server check {name}", why, "ok", step) for name, why in failed]


def _nodes(views: t.Sequence[Json], expected: t.Sequence[str]) -> list[Unmet]:
    by_name = {view["name"]: view for view in views}
    unmet = []
    if not expected and not views:
        unmet.append(Unmet("nodes", "none", "at least one", "Join a host"))
    for name in expected or sorted(by_name):
        view = by_name.get(name)
        if view is None:
            known = ", ".join(sorted(by_name)) or "none"
            step = "Look at the kubelet's log on that host, and whether its node name is the expected one"
            unmet.append(
                Unmet(f"node {name}", f"it is not registered (nodes: {known})", "registered and Ready", step)
            )
        elif not view["ready"]:
            unmet.append(Unmet(f"node {name}", view["reason"], "Ready", f"{_KUBELET_LOG} {name}"))
    return unmet


def _lost(views: t.Sequence[Json], expected: t.Sequence[str]) -> set[str]:
    """Nodes that are not expected and not Ready: a run that leaves out a dead host does not wait for its Pods."""
    return {view["name"] for view in views if expected and view["name"] not in expected and not view["ready"]}


def _control_plane(snapshot: Snapshot, views: t.Sequence[Json], lost: t.Collection[str]) -> list[Unmet]:
    pods = {name_of(pod): pod for pod in snapshot.static_pods}
    wanted = list(STATIC_PODS)
    if any(_labels(pod).get("component") == "etcd" for pod in snapshot.static_pods):
        wanted.append("etcd")
    nodes = [view["name"] for view in views if "control-plane" in view["roles"]]
    unmet = []
    if not nodes:
        step = "Complete kubeadm init"
        unmet.append(Unmet("control plane", "no node has this role", "at least one", step))
    for node in (name for name in nodes if name not in lost):
        for component in wanted:
            name = f"{component}-{node}"
            step = (
                f"Look at its container on {node} (crictl ps -a, crictl logs) and at {node}'s manifest of it"
            )
            if name not in pods:
                unmet.append(Unmet(f"Pod kube-system/{name}", "it does not exist", "Ready", step))
                continue
            ready, reason = condition(pods[name], "Ready")
            if not ready:
                unmet.append(Unmet(f"Pod kube-system/{name}", reason, "Ready", step))
    return unmet


def _count(item: Json, part: str, key: str, default: int = 0) -> int:
    value = (item.get(part) or {}).get(key)
    return default if value is None else int(value)


def _observed(item: Json) -> bool:
    generation = int((item.get("metadata") or {}).get("generation") or 0)
    return _count(item, "status", "observedGeneration") >= generation


def _workloads(snapshot: Snapshot, lost: int) -> list[Unmet]:
    """:param lost: nodes whose Pods are not waited for; which of them ran a Pod of a Deployment is not asked."""
    unmet = []
    for kind, items in (("Deployment", snapshot.deployments), ("DaemonSet", snapshot.daemonsets)):
        for item in items:
            if kind == "Deployment":
                wanted = _count(item, "spec", "replicas", 1)
                have = _count(item, "status", "availableReplicas")
                new = _count(item, "status", "updatedReplicas")
            else:
                wanted = _count(item, "status", "desiredNumberScheduled")
                have = _count(item, "status", "numberAvailable")
                new = _count(item, "status", "updatedNumberScheduled")
            name = f"{kind} kube-system/{name_of(item)}"
            step = f"Look at its Pods: kubectl -n kube-system describe {kind.lower()} {name_of(item)}"
            if not _observed(item):
                unmet.append(
                    Unmet(name, "its controller has not observed its newest generation yet", "observed", step)
                )
            elif have < max(wanted - lost, min(wanted, 1)) or new < wanted:
                found = f"{have} of {wanted} Pods are available, {new} are of the newest version"
                unmet.append(Unmet(name, found, f"{wanted}", step))
    return unmet


def evaluate(snapshot: Snapshot, expectation: Expectation) -> Verdict:
    """Everything that is not as expected, in the order of C(CHECKS)."""
    if snapshot.error:
        step = "Check that the API server runs and is reachable from here, and that the kubeconfig is the cluster's"
        return Verdict((Unmet("API server", snapshot.error, "an answer", step),))
    views = tuple(node_view(item) for item in snapshot.nodes)
    lost = _lost(views, expectation.nodes)
    checks: dict[str, t.Callable[[], list[Unmet]]] = {
        "readyz": lambda: _readyz(snapshot, only_etcd=False),
        "nodes": lambda: _nodes(views, expectation.nodes),
        "control_plane": lambda: _control_plane(snapshot, views, lost),
        "etcd": lambda: _readyz(snapshot, only_etcd=True),
        "system_pods": lambda: _workloads(snapshot, len(lost)),
    }
    found = [item for name in CHECKS if name in expectation.checks for item in checks[name]()]
    return Verdict(tuple(dict.fromkeys(found)), views)
