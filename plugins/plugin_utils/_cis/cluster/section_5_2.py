# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Section 5.2: what Pods can do to their host.

A check fails where a namespace of users admits a violating Pod, and where such a Pod runs, in any namespace. In system
namespaces, admission alone is not a failure: their Pods belong to the operators of the cluster. Static Pods are only
listed, as no admission policy applies to them.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

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
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.pod_policy import (
    BASELINE,
    LABEL,
    PRIVILEGED,
    RESTRICTED,
    Enforced,
    enforced,
    mechanisms,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import (
    Object,
    Snapshot,
    labels_of,
    name_of,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.workloads import (
    containers,
    setting,
    spec_of,
    workloads,
)

#: How a Pod violates a check: one text for each place, empty when it does not.
Uses = t.Callable[[Object], list[str]]


def _by_container(evaluate: t.Callable[[Object, Object], str]) -> Uses:
    def uses(pod: Object) -> list[str]:
        names: dict[str, list[str]] = {}
        for container in containers(pod):
            names.setdefault(evaluate(pod, container), []).append(str(container.get("name")))
        return [f"{text} (container {', '.join(who)})" for text, who in names.items() if text]

    return uses


def _by_pod(name: str) -> Uses:
    return lambda pod: [f"{name}: true"] if spec_of(pod).get(name) is True else []


def _own(container: Object, name: str) -> t.Any:
    return (container.get("securityContext") or {}).get(name)


def _privileged(pod: Object, container: Object) -> str:
    return "privileged: true" if _own(container, "privileged") is True else ""


def _escalates(pod: Object, container: Object) -> str:
    value = _own(container, "allowPrivilegeEscalation")
    if value is False:
        return ""
    return (
        "allowPrivilegeEscalation: true" if value else "allowPrivilegeEscalation is not set, so it is allowed"
    )


def _root(pod: Object, container: Object) -> str:
    user = setting(pod, container, "runAsUser")
    if user == 0:
        return "runAsUser: 0"
    if user or setting(pod, container, "runAsNonRoot") is True:
        return ""
    # With a user namespace, the container's root is an unprivileged user on the host.
    return "" if spec_of(pod).get("hostUsers") is False else "neither runAsNonRoot nor runAsUser is set"


def _capabilities(container: Object) -> tuple[set[str], set[str]]:
    """Added and dropped capabilities, without their prefix."""
    value = _own(container, "capabilities") or {}

    def names(part: str) -> set[str]:
        upper = (str(name).upper() for name in value.get(part) or ())
        return {name[4:] if name.startswith("CAP_") else name for name in upper}

    return names("add"), names("drop")


def _net_raw(pod: Object, container: Object) -> str:
    added, dropped = _capabilities(container)
    if _own(container, "privileged") is True:
        return "privileged, so it has every capability"
    if added & {"ALL", "NET_RAW"}:
        return "adds NET_RAW"
    return "" if dropped & {"ALL", "NET_RAW"} else "does not drop NET_RAW"


def _more_capabilities(pod: Object, container: Object) -> str:
    added, dropped = _capabilities(container)
    if _own(container, "privileged") is True:
        return "privileged, so it has every capability"
    extra = sorted(added - {"NET_BIND_SERVICE"})
    if extra:
        return f"adds {', '.join(extra)}"
    return "" if "ALL" in dropped else "does not drop ALL"


def _host_process(pod: Object, container: Object) -> str:
    options = setting(pod, container, "windowsOptions") or {}
    return "windowsOptions.hostProcess: true" if options.get("hostProcess") is True else ""


def _host_paths(pod: Object) -> list[str]:
    return [
        f"volume {volume.get('name')}: {(volume['hostPath'] or {}).get('path')}"
        for volume in spec_of(pod).get("volumes") or ()
        if "hostPath" in volume
    ]


def _host_ports(pod: Object, container: Object) -> str:
    if spec_of(pod).get("hostNetwork") is True:
        # The API server sets hostPort for Pods with hostNetwork; 5.2.5 is about them.
        return ""
    ports = [str(port["hostPort"]) for port in container.get("ports") or () if port.get("hostPort")]
    return f"hostPort {', '.join(ports)}" if ports else ""


@dataclass(frozen=True)
class _Check:
    """One of the checks 5.2.2 to 5.2.12.

    :param what: a Pod could do. :param key: field of a Pod. :param level: of Pod Security that forbids it.
    :param literal: what the benchmark's own audit checks, where it checks running Pods.
    """

    what: str
    key: str
    level: str
    uses: Uses
    literal: Uses | None = None


def _main_containers(evaluate: t.Callable[[Object, Object], str]) -> Uses:
    def uses(pod: Object) -> list[str]:
        return [text for one in spec_of(pod).get("containers") or () for text in [evaluate(pod, one)] if text]

    return uses


def _says_escalation(pod: Object, container: Object) -> str:
    return "explicit" if _own(container, "allowPrivilegeEscalation") is True else ""


_CHECKS: t.Mapping[str, _Check] = {
    "5.2.2": _Check(
        "run privileged",
        "securityContext.privileged",
        BASELINE,
        _by_container(_privileged),
        _main_containers(_privileged),
    ),
    "5.2.3": _Check("see the host's processes", "hostPID", BASELINE, _by_pod("hostPID"), _by_pod("hostPID")),
    "5.2.4": _Check(
        "share memory with the host", "hostIPC", BASELINE, _by_pod("hostIPC"), _by_pod("hostIPC")
    ),
    "5.2.5": _Check(
        "use the host's network",
        "hostNetwork",
        BASELINE,
        _by_pod("hostNetwork"),
        _by_pod("hostNetwork"),
    ),
    "5.2.6": _Check(
        "gain privileges",
        "securityContext.allowPrivilegeEscalation",
        RESTRICTED,
        _by_container(_escalates),
        _main_containers(_says_escalation),
    ),
    "5.2.7": _Check("run as root", "securityContext.runAsNonRoot", RESTRICTED, _by_container(_root)),
    "5.2.8": _Check(
        "forge packets (NET_RAW)", "securityContext.capabilities", RESTRICTED, _by_container(_net_raw)
    ),
    "5.2.9": _Check(
        "have capabilities", "securityContext.capabilities", RESTRICTED, _by_container(_more_capabilities)
    ),
    "5.2.10": _Check(
        "run as HostProcess containers",
        "securityContext.windowsOptions.hostProcess",
        BASELINE,
        _by_container(_host_process),
    ),
    "5.2.11": _Check("mount host directories", "volumes.hostPath", BASELINE, _host_paths),
    "5.2.12": _Check("use host ports", "ports.hostPort", BASELINE, _by_container(_host_ports)),
}


def _used(snapshot: Snapshot, check: _Check) -> list[Evidence]:
    """Running Pods that violate it."""
    found = []
    for workload in workloads(snapshot):
        texts = list(dict.fromkeys(text for pod in workload.pods for text in check.uses(pod)))
        if texts:
            found.append(
                Evidence(
                    workload.source,
                    check.key,
                    "; ".join(texts),
                    "" if workload.static else f"no Pod that can {check.what}",
                    "" if workload.static else FAIL,
                    workload.subject,
                    workload.namespace,
                )
            )
    return found


def _user_namespaces(snapshot: Snapshot) -> list[tuple[str, Enforced]]:
    return [
        (name_of(namespace), enforced(snapshot, namespace))
        for namespace in snapshot.all("namespaces")
        if name_of(namespace) not in SYSTEM_NAMESPACES
    ]


def _namespace_evidence(name: str, found: Enforced, expected: str, status: str) -> Evidence:
    sure = "" if found.known else " (uncertain)"
    return Evidence(
        f"/api/v1/namespaces/{name}",
        LABEL,
        f"{found.level}: {found.origin}{sure}",
        expected,
        status,
        f"Namespace/{name}",
        name,
    )


def _unknown(check_id: str, snapshot: Snapshot, evidence: t.Sequence[Evidence]) -> Result:
    errors = [str(text) for server in snapshot.api_servers for text in server.get("errors") or ()]
    told = [Evidence("facts of a control plane", "errors", text) for text in dict.fromkeys(errors)]
    return Result(
        check_id,
        ERROR,
        f"{failures(evidence)} finding(s) so far, but the Pod Security configuration of the API server is"
        " not known:"
        " labels count only with the admission plugin PodSecurity, and defaults are in files of the control"
        " planes."
        f" {ASK_HOSTS}.",
        limited([*evidence, *told]),
    )


def _evaluate_check(check_id: str, snapshot: Snapshot) -> Result:
    check = _CHECKS[check_id]
    evidence = _used(snapshot, check)
    others = mechanisms(snapshot)
    expected = f"{check.level}{' or restricted' if check.level == BASELINE else ''}"
    unknown = False
    open_to = []
    for name, found in _user_namespaces(snapshot):
        if not found.known:
            unknown = True
            evidence.append(_namespace_evidence(name, found, expected, ""))
        elif not found.forbids(check.level):
            open_to.append(name)
            evidence.append(_namespace_evidence(name, found, expected, "" if others else FAIL))
    evidence.extend(Evidence("admission", one.subject, one.about, subject=one.subject) for one in others)
    literal = ""
    if check.literal:
        seen = any(check.literal(pod) for workload in workloads(snapshot) for pod in workload.pods)
        literal = FAIL if seen else PASS
    if unknown:
        return _unknown(check_id, snapshot, evidence)
    if not failures(evidence) and open_to:
        return Result(
            check_id,
            MANUAL,
            f"Pod Security allows Pods to {check.what} in {len(open_to)} namespace(s), and no running Pod"
            " does; check whether"
            " the other policies that were found forbid it.",
            limited(evidence),
            literal,
        )
    return conclude(
        check_id,
        evidence,
        good=f"No Pod is allowed to {check.what} in namespaces of users, and none does.",
        bad="{}" + f" finding(s): workloads that can {check.what}, or namespaces of users that allow it.",
        literal=literal,
    )


def _check(check_id: str) -> Evaluate:
    return lambda snapshot: _evaluate_check(check_id, snapshot)


def _windows(snapshot: Snapshot) -> bool:
    for node in snapshot.all("nodes"):
        system = ((node.get("status") or {}).get("nodeInfo") or {}).get("operatingSystem")
        if "windows" in (system, labels_of(node).get("kubernetes.io/os")):
            return True
    return False


def host_process(snapshot: Snapshot) -> Result:
    """5.2.10: no HostProcess containers, which only Windows nodes can run."""
    if not _windows(snapshot):
        return Result("5.2.10", NOT_APPLICABLE, "No node runs Windows.")
    return _evaluate_check("5.2.10", snapshot)


def policy_mechanism(snapshot: Snapshot) -> Result:
    """5.2.1: every namespace of users has a Pod security mechanism."""
    evidence = []
    open_to: list[str] = []
    unknown = False
    literal = FAIL
    others = mechanisms(snapshot)
    for name, found in _user_namespaces(snapshot):
        weak = found.level == PRIVILEGED
        open_to += [name] if weak and found.known else []
        unknown = unknown or not found.known
        if not weak and found.known:
            literal = PASS
        status = "" if not found.known or others else FAIL if weak else PASS
        evidence.append(_namespace_evidence(name, found, "baseline or restricted", status))
    whole = any(not one.limited for one in others)
    evidence.extend(
        Evidence("admission", one.subject, one.about, "", "" if one.limited else PASS, one.subject)
        for one in others
    )
    if unknown and not whole:
        return _unknown("5.2.1", snapshot, evidence)
    if open_to and others and not whole:
        return Result(
            "5.2.1",
            MANUAL,
            f"Pod Security is not enforced in {len(open_to)} namespace(s) of users, and the other policies found"
            " are limited to some namespaces, objects or users. Check whether they are for all of these Pods.",
            limited(evidence),
            PASS,
        )
    return conclude(
        "5.2.1",
        evidence,
        good="Pod security is enforced in all namespaces of users.",
        bad="{} namespace(s) of users admit every Pod, including privileged ones.",
        literal=PASS if others else literal,
    )


CHECKS: t.Mapping[str, Evaluate] = guarded_checks(
    {
        "5.2.1": policy_mechanism,
        **{check_id: _check(check_id) for check_id in _CHECKS},
        "5.2.10": host_process,
    }
)
