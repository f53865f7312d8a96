# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Section 5.6: namespaces and defaults of workloads."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import (
    ERROR,
    FAIL,
    MANUAL,
    NOT_APPLICABLE,
    PASS,
    Evidence,
    Result,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.evaluation import (
    ASK_HOSTS,
    SYSTEM_NAMESPACES,
    Evaluate,
    conclude,
    failures,
    guarded_checks,
    limited,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import (
    Object,
    Snapshot,
    name_of,
    namespace_of,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.workloads import (
    Workload,
    containers,
    controller_of,
    setting,
    workloads,
)

_DEFAULT = "default"


def namespaces_as_borders(snapshot: Snapshot) -> Result:
    """5.6.1: unrelated workloads are in different namespaces."""
    homes: dict[str, int] = {}
    for workload in workloads(snapshot):
        if workload.namespace not in SYSTEM_NAMESPACES:
            homes[workload.namespace] = homes.get(workload.namespace, 0) + 1
    evidence = [
        Evidence(
            f"/api/v1/namespaces/{name}",
            "workloads",
            f"{count} workload(s)",
            "no workload in the namespace default" if name == _DEFAULT else "",
            FAIL if name == _DEFAULT else "",
            f"Namespace/{name}",
            name,
        )
        for name, count in sorted(homes.items())
    ]
    if not homes:
        return Result("5.6.1", NOT_APPLICABLE, "There are no workloads of users yet.")
    if failures(evidence):
        return conclude("5.6.1", evidence, good="", bad="Workloads are in the namespace default.")
    return Result(
        "5.6.1",
        MANUAL,
        f"Workloads are in {len(homes)} namespace(s). Make sure that unrelated ones are separated.",
        limited(evidence),
    )


_GOOD_PROFILES = ("RuntimeDefault", "Localhost")


def _unconfined(pod: Object, container: Object) -> str:
    """Why a container has no seccomp profile; C(default) when the kubelet decides."""
    if (container.get("securityContext") or {}).get("privileged") is True:
        return "privileged, so without a profile"
    kind = (setting(pod, container, "seccompProfile") or {}).get("type")
    if kind is None:
        return "default"
    return "" if kind in _GOOD_PROFILES else f"seccompProfile {kind}"


def _kubelet_default(snapshot: Snapshot) -> bool | None:
    """Whether every kubelet has seccompDefault; C(None) when it is not known."""
    settings = [kubelet.get("seccomp_default") for kubelet in snapshot.kubelets]
    if False in settings:
        return False
    complete = bool(settings) and len(settings) >= len(snapshot.all("nodes")) and None not in settings
    return True if complete else None


def _seccomp_texts(workload: Workload, by_kubelet: bool | None) -> tuple[list[str], list[str]]:
    """Findings of a workload, and further ones without seccompDefault."""
    sure: dict[str, list[str]] = {}
    for pod in workload.pods:
        for container in containers(pod):
            names = sure.setdefault(_unconfined(pod, container), [])
            names.append(str(container.get("name")))
    unset = list(dict.fromkeys(sure.pop("default", [])))
    sure.pop("", None)
    texts = [f"{text} (container {', '.join(dict.fromkeys(names))})" for text, names in sure.items()]
    maybe = [f"no seccompProfile (container {', '.join(unset)})"] if unset else []
    return (texts + maybe, []) if by_kubelet is False else (texts, [] if by_kubelet else maybe)


def seccomp(snapshot: Snapshot) -> Result:
    """5.6.2: containers have a seccomp profile."""
    by_kubelet = _kubelet_default(snapshot)
    evidence = []
    unknown = False
    literal = PASS
    for workload in workloads(snapshot):
        found, maybe = _seccomp_texts(workload, by_kubelet)
        unset, _rest = _seccomp_texts(workload, False)
        literal = FAIL if unset else literal
        unknown = unknown or bool(maybe)
        if found or maybe:
            evidence.append(
                Evidence(
                    workload.source,
                    "seccompProfile",
                    "; ".join([*found, *maybe]),
                    "RuntimeDefault, of the Pod or by seccompDefault of the kubelet",
                    FAIL if found else "",
                    workload.subject,
                    workload.namespace,
                )
            )
    if unknown:
        return Result(
            "5.6.2",
            ERROR,
            f"{failures(evidence)} finding(s) so far, but whether every kubelet has seccompDefault is not"
            " known."
            f" {ASK_HOSTS}.",
            limited(evidence),
            literal,
        )
    return conclude(
        "5.6.2",
        evidence,
        good="Every container has a seccomp profile.",
        bad="{} workload(s) have containers without a seccomp profile.",
        literal=literal,
    )


def _careful(pod: Object, container: Object) -> bool:
    """Whether a security context restricts anything."""
    own = container.get("securityContext") or {}
    dropped = (own.get("capabilities") or {}).get("drop")
    profile = (setting(pod, container, "seccompProfile") or {}).get("type") in _GOOD_PROFILES
    return bool(
        own.get("allowPrivilegeEscalation") is False
        or own.get("readOnlyRootFilesystem") is True
        or dropped
        or profile
        or setting(pod, container, "runAsNonRoot") is True
        or setting(pod, container, "runAsUser")
    )


def security_contexts(snapshot: Snapshot) -> Result:
    """5.6.3: every container has a restricting security context. 5.2 is about the details."""
    evidence = []
    literal = PASS
    for workload in workloads(snapshot):
        pods = [(pod, container) for pod in workload.pods for container in containers(pod)]
        lacking = [str(container.get("name")) for pod, container in pods if not _careful(pod, container)]
        for pod, container in pods:
            if not container.get("securityContext") and not (pod.get("spec") or {}).get("securityContext"):
                literal = FAIL
        if lacking:
            evidence.append(
                Evidence(
                    workload.source,
                    "securityContext",
                    f"no restriction for container {', '.join(dict.fromkeys(lacking))}",
                    "runAsNonRoot, readOnlyRootFilesystem, dropped capabilities or similar",
                    FAIL,
                    workload.subject,
                    workload.namespace,
                )
            )
    return conclude(
        "5.6.3",
        evidence,
        good="Every container has a restricting security context.",
        bad="{} workload(s) have containers without a restricting security context.",
        literal=literal,
    )


#: What every cluster has there.
_THEIRS = frozenset(
    {"Service/default/kubernetes", "ConfigMap/default/kube-root-ca.crt", "ServiceAccount/default/default"}
)
_KINDS: t.Mapping[str, str] = {
    "default:services": "Service",
    "default:configmaps": "ConfigMap",
    "default:secrets": "Secret",
    "default:persistentvolumeclaims": "PersistentVolumeClaim",
    "default:replicationcontrollers": "ReplicationController",
    "default:deployments": "Deployment",
    "default:statefulsets": "StatefulSet",
    "default:cronjobs": "CronJob",
    "default:ingresses": "Ingress",
    "daemonsets": "DaemonSet",
    "replicasets": "ReplicaSet",
    "jobs": "Job",
    "pods": "Pod",
    "serviceaccounts": "ServiceAccount",
    "roles": "Role",
    "rolebindings": "RoleBinding",
}


def default_namespace(snapshot: Snapshot) -> Result:
    """5.6.4: the namespace default has only Kubernetes' own objects."""
    evidence = []
    for resource, kind in _KINDS.items():
        for item in snapshot.all(resource):
            subject = f"{kind}/{_DEFAULT}/{name_of(item)}"
            owned = bool(controller_of(item)[1])
            if namespace_of(item) != _DEFAULT or subject in _THEIRS or owned:
                continue
            evidence.append(
                Evidence(
                    f"/api/v1/namespaces/{_DEFAULT}",
                    kind,
                    f"{subject} exists there",
                    "another namespace",
                    FAIL,
                    subject,
                    _DEFAULT,
                )
            )
    return conclude(
        "5.6.4",
        evidence,
        good="The namespace default has only Kubernetes' own objects.",
        bad="The namespace default has {} other object(s).",
    )


CHECKS: t.Mapping[str, Evaluate] = guarded_checks(
    {
        "5.6.1": namespaces_as_borders,
        "5.6.2": seccomp,
        "5.6.3": security_contexts,
        "5.6.4": default_namespace,
    }
)
