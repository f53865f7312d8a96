# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Section 5.3: network policies."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import (
    ERROR,
    FAIL,
    MANUAL,
    PASS,
    Evidence,
    Result,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.evaluation import (
    SYSTEM_NAMESPACES,
    Evaluate,
    conclude,
    guarded_checks,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.network import policies
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import (
    Object,
    Snapshot,
    name_of,
    namespace_of,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.workloads import (
    spec_of,
    workloads,
)

#: DaemonSets of CNI plugins by name, and whether they enforce NetworkPolicies; None where it depends.
_PLUGINS: t.Mapping[str, bool | None] = {
    "antrea-agent": True,
    "calico-node": True,
    "canal": True,
    "cilium": True,
    "kube-network-policies": True,
    "kube-ovn-cni": True,
    "kube-router": True,
    "ovnkube-node": True,
    "romana-agent": True,
    "weave-net": True,
    "kube-flannel": False,
    "kube-flannel-ds": False,
    # Newer ones do.
    "kindnet": None,
    # If its network policy agent is enabled.
    "aws-node": None,
}


def _cilium_off(snapshot: Snapshot) -> str:
    """The Cilium setting that disables NetworkPolicies, empty without one."""
    for settings in snapshot.all("cilium-config"):
        data = settings.get("data") or {}
        for key, value in (("enable-policy", "never"), ("enable-k8s-networkpolicy", "false")):
            if str(data.get(key)).lower() == value:
                return f"{key}={value}"
    return ""


def _runs(item: Object) -> bool:
    return int((item.get("status") or {}).get("desiredNumberScheduled") or 0) > 0


def _plugin_evidence(snapshot: Snapshot, item: Object) -> Evidence:
    name, namespace = name_of(item), namespace_of(item)
    enforces = _PLUGINS[name]
    observed, status = f"{name} enforces them", PASS
    off = _cilium_off(snapshot) if name == "cilium" else ""
    if not _runs(item):
        observed, status = f"{name} runs on no node", FAIL
    elif off:
        observed, status = f"cilium is configured not to enforce them: {off}", FAIL
    elif enforces is None:
        observed, status = f"{name} enforces them only in some versions and configurations", ""
    elif not enforces:
        observed, status = f"{name} does not enforce them", FAIL
    return Evidence(
        f"/apis/apps/v1/namespaces/{namespace}/daemonsets/{name}",
        "name",
        observed,
        "a CNI plugin that enforces NetworkPolicies",
        status,
        f"DaemonSet/{namespace}/{name}",
        namespace,
    )


def network_plugin(snapshot: Snapshot) -> Result:
    """5.3.1: the CNI plugin enforces policies. One such plugin is enough."""
    known = [item for item in snapshot.all("daemonsets") if name_of(item) in _PLUGINS]
    evidence = [_plugin_evidence(snapshot, item) for item in known]
    statuses = {item.status for item in evidence}
    if PASS in statuses:
        told = [item if item.status == PASS else _told(item) for item in evidence]
        return conclude("5.3.1", told, good="The CNI plugin enforces NetworkPolicies.", bad="")
    if not evidence or "" in statuses:
        return Result(
            "5.3.1",
            MANUAL,
            "The names of DaemonSets do not tell whether NetworkPolicies are enforced. Create a"
            " default-deny policy"
            " in a test namespace, and check whether a Pod there can still be reached.",
            tuple(evidence),
        )
    return conclude("5.3.1", evidence, good="", bad="Nothing in the cluster enforces NetworkPolicies.")


def _told(item: Evidence) -> Evidence:
    return Evidence(
        item.source, item.key, item.observed, item.expected, "", item.subject, item.namespace, item.digest
    )


def _with_own_address(snapshot: Snapshot) -> set[str]:
    """Namespaces with Pods that a policy can isolate, which Pods with hostNetwork are not."""
    return {
        workload.namespace
        for workload in workloads(snapshot)
        if any(not spec_of(pod).get("hostNetwork") for pod in workload.pods)
    }


def isolated_namespaces(snapshot: Snapshot) -> Result:
    """5.3.2: Pods of a namespace accept only traffic that a policy allows.

    In system namespaces, only those with Pods that a policy can isolate are checked.
    """
    found = policies(snapshot)
    populated = _with_own_address(snapshot)
    evidence = []
    literal = PASS
    for name, about in sorted(found.items()):
        if not about:
            literal = FAIL
        if name in SYSTEM_NAMESPACES and name not in populated:
            continue
        isolating = [subject for subject, isolates, opens in about if isolates and not opens]
        opening = [subject for subject, isolates, opens in about if opens]
        if opening:
            observed = f"{opening[0]} allows all ingress"
        elif isolating:
            observed = f"{isolating[0]} isolates all Pods"
        else:
            names = ", ".join(subject for subject, _namespace, _text in about)
            observed = f"no policy isolates all Pods ({names or 'there is none'})"
        evidence.append(
            Evidence(
                f"/apis/networking.k8s.io/v1/namespaces/{name}/networkpolicies",
                "ingress",
                observed,
                "a default-deny policy for all Pods",
                PASS if isolating and not opening else FAIL,
                f"Namespace/{name}",
                name,
            )
        )
    if not found:
        return Result(
            "5.3.2",
            ERROR,
            "The API server returned no namespaces, expected some. Check the permissions of the credentials.",
        )
    return conclude(
        "5.3.2",
        evidence,
        good="Every namespace has a default-deny policy.",
        bad="{} namespace(s) allow all ingress.",
        literal=literal,
    )


CHECKS: t.Mapping[str, Evaluate] = guarded_checks(
    {
        "5.3.1": network_plugin,
        "5.3.2": isolated_namespaces,
    }
)
