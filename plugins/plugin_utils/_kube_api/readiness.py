# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Whether an object that was applied is in effect. Pure: objects of the API in, reasons out.

Workloads are looked at as C(kubectl rollout status) does (k8s.io/kubectl/pkg/polymorphichelpers/rollout_status.go).
"""

from __future__ import annotations

import typing as t

Json = t.Mapping[str, t.Any]

_CONDITIONS = {
    "CustomResourceDefinition": "Established",
    "APIService": "Available",
    "CiliumClusterwideNetworkPolicy": "Valid",
}
#: Kinds whose condition does not become true any more once it is false: somebody has to correct the object.
_FINAL = frozenset({"CiliumClusterwideNetworkPolicy"})
#: Of a Service: whether Cilium's LB-IPAM has given it the addresses that it asks for.
_ADDRESS = "cilium.io/IPAMRequestSatisfied"
# Of cert-manager. What its condition says is of the generation that it names.
_OBSERVED = {("cert-manager.io", "ClusterIssuer"): "Ready"}


def _number(values: Json, key: str, default: int = 0) -> int:
    found = values.get(key)
    return default if found is None else int(found)


def _condition(status: Json, kind: str, generation: int = 0) -> str:
    for one in status.get("conditions") or ():
        if one.get("type") == kind:
            if _number(one, "observedGeneration", generation) < generation:
                return "its controller has not seen it yet"
            # A message of a server on the internet may have several lines.
            told = ": ".join(" ".join(str(one[key]).split()) for key in ("reason", "message") if one.get(key))
            return "" if one.get("status") == "True" else f"not {kind}" + (f" ({told})" if told else "")
    return f"not {kind} yet"


def _deployment(spec: Json, status: Json) -> str:
    wanted = _number(spec, "replicas", 1)
    updated, available = _number(status, "updatedReplicas"), _number(status, "availableReplicas")
    if updated < wanted:
        return f"{updated} of {wanted} replicas are of the new revision"
    if (former := _number(status, "replicas") - updated) > 0:
        return f"{former} replicas of the former revision have not ended"
    return f"{available} of {wanted} replicas are available" if available < wanted else ""


def _daemon_set(_spec: Json, status: Json) -> str:
    wanted = _number(status, "desiredNumberScheduled")
    updated, available = _number(status, "updatedNumberScheduled"), _number(status, "numberAvailable")
    if updated < wanted:
        return f"{updated} of {wanted} pods are of the new revision"
    return f"{available} of {wanted} pods are available" if available < wanted else ""


def _stateful_set(spec: Json, status: Json) -> str:
    wanted = _number(spec, "replicas", 1)
    updated, ready = _number(status, "updatedReplicas"), _number(status, "readyReplicas")
    if status.get("updateRevision") != status.get("currentRevision") and updated < wanted:
        return f"{updated} of {wanted} replicas are of the new revision"
    return f"{ready} of {wanted} replicas are ready" if ready < wanted else ""


_WORKLOADS: dict[str, t.Callable[[Json, Json], str]] = {
    "DaemonSet": _daemon_set,
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
}


def _service(spec: Json, status: Json) -> str:
    if spec.get("type") != "LoadBalancer" or (status.get("loadBalancer") or {}).get("ingress"):
        return ""
    told = _condition(status, _ADDRESS).partition(" (")[2]
    return f"has no address ({told}" if told else "has no address yet"


def surges(found: Json) -> bool:
    """Whether an object is a DaemonSet that makes the next pod of a node beside the former one.

    Its status counts a node as available as long as one of both is, so that it does not tell about the next one.
    """
    strategy = (found.get("spec") or {}).get("updateStrategy") or {}
    limit = (strategy.get("rollingUpdate") or {}).get("maxSurge")
    return found.get("kind") == "DaemonSet" and limit not in (None, 0, "0%")


def is_workload(kind: str) -> bool:
    """Whether objects of a kind have pods that C(unready) waits for."""
    return kind in _WORKLOADS


def tells(api_version: str, kind: str) -> bool:
    """Whether objects of a kind say whether they are in effect: those for which C(unready) has a reason."""
    observed = (api_version.partition("/")[0], kind) in _OBSERVED
    return kind in _WORKLOADS or kind in _CONDITIONS or kind == "Service" or observed


def unready(found: Json | None) -> str:
    """Why an object is not in effect yet, empty when it is, or when its kind does not tell.

    :param found: the object as the API server has it, C(None) when it does not exist.
    """
    if found is None:
        return "does not exist"
    kind, status = str(found.get("kind")), found.get("status") or {}
    if kind in _WORKLOADS:
        if _number(status, "observedGeneration") < _number(found.get("metadata") or {}, "generation"):
            return "its controller has not seen it yet"
        return _WORKLOADS[kind](found.get("spec") or {}, status)
    if kind == "Service":
        return _service(found.get("spec") or {}, status)
    if kind in _CONDITIONS:
        return _condition(status, _CONDITIONS[kind])
    observed = _OBSERVED.get((str(found.get("apiVersion")).partition("/")[0], kind))
    if observed:
        return _condition(status, observed, _number(found.get("metadata") or {}, "generation"))
    return ""


def refused(found: Json | None) -> bool:
    """Whether an object that is not in effect will not be, as its controller has refused it."""
    kind, status = str((found or {}).get("kind")), (found or {}).get("status") or {}
    return kind in _FINAL and any(
        (one.get("type"), one.get("status")) == (_CONDITIONS[kind], "False")
        for one in status.get("conditions") or ()
    )


def _container(one: Json) -> str:
    state = one.get("state") or {}
    for name in ("waiting", "terminated"):
        if found := state.get(name):
            told = ": ".join(str(found[key]) for key in ("reason", "message") if found.get(key))
            last = (one.get("lastState") or {}).get("terminated") or {}
            ended = f"; it ended before with code {last['exitCode']}" if "exitCode" in last else ""
            return f"{one.get('name')}: {told or name}{ended}"
    return "" if one.get("ready") else f"{one.get('name')} runs and is not ready"


def reasons(pods: t.Iterable[Json]) -> list[str]:
    """Why pods are not ready, by their names."""
    lines = []
    for pod in pods:
        status = pod.get("status") or {}
        conditions = {str(one.get("type")): one for one in status.get("conditions") or ()}
        if (conditions.get("Ready") or {}).get("status") == "True":
            continue
        scheduled = conditions.get("PodScheduled") or {}
        found = [
            _container(one)
            for key in ("initContainerStatuses", "containerStatuses")
            for one in status.get(key) or ()
        ]
        if scheduled.get("status") == "False":
            found = [f"not scheduled ({scheduled.get('message') or scheduled.get('reason') or 'no reason'})"]
        told = ", ".join(filter(None, found)) or str(status.get("phase") or "no status yet")
        lines.append(f"pod {(pod.get('metadata') or {}).get('name')}: {told}")
    return sorted(lines)
