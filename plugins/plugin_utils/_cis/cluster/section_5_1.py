# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Section 5.1: RBAC and service accounts."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import (
    ERROR,
    FAIL,
    PASS,
    Evidence,
    Result,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster import certificates
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.builtins import (
    WILDCARD_ROLES,
    is_expected,
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
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.rbac import (
    CORE,
    RBAC_GROUP,
    Ask,
    Grant,
    rbac_of,
    role_id,
    role_path,
    subject_namespace,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import (
    Object,
    Snapshot,
    name_of,
    namespace_of,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.workloads import (
    Workload,
    spec_of,
    token_mounts,
    workloads,
)

_READ = ("get", "list", "watch")
_CHANGE = ("create", "update", "patch", "delete", "deletecollection")
_ADMISSION = "admissionregistration.k8s.io"
_CERTIFICATES = "certificates.k8s.io"
_AUTHENTICATION = "authentication.k8s.io"

_ASKS: t.Mapping[str, tuple[Ask, ...]] = {
    "5.1.2": (Ask(_READ, CORE, ("secrets",)),),
    "5.1.4": (
        Ask(("create",), CORE, ("pods", "replicationcontrollers")),
        Ask(("create",), "apps", ("deployments", "daemonsets", "statefulsets", "replicasets")),
        Ask(("create",), "batch", ("jobs", "cronjobs")),
    ),
    "5.1.8": (
        Ask(("bind", "escalate"), RBAC_GROUP, ("clusterroles", "roles")),
        Ask(("impersonate",), CORE, ("serviceaccounts",)),
        Ask(("impersonate",), CORE, ("users", "groups"), cluster_scoped=True),
        # Narrower verbs since Kubernetes 1.35.
        Ask(("impersonate:serviceaccount",), _AUTHENTICATION, ("serviceaccounts",)),
        Ask(("impersonate:user-info",), _AUTHENTICATION, ("users", "groups"), cluster_scoped=True),
        Ask(("impersonate:arbitrary-node",), _AUTHENTICATION, ("nodes",), cluster_scoped=True),
    ),
    "5.1.9": (Ask(("create",), CORE, ("persistentvolumes",), cluster_scoped=True),),
    "5.1.10": (
        Ask(("get", "create", "update", "patch", "delete"), CORE, ("nodes/proxy",), cluster_scoped=True),
    ),
    "5.1.11": (
        Ask(
            ("update", "patch"), _CERTIFICATES, ("certificatesigningrequests/approval",), cluster_scoped=True
        ),
    ),
    "5.1.12": (
        Ask(
            _CHANGE,
            _ADMISSION,
            (
                "validatingwebhookconfigurations",
                "mutatingwebhookconfigurations",
                "validatingadmissionpolicies",
                "validatingadmissionpolicybindings",
                "mutatingadmissionpolicies",
                "mutatingadmissionpolicybindings",
            ),
            cluster_scoped=True,
        ),
    ),
    "5.1.13": (Ask(("create",), CORE, ("serviceaccounts/token",)),),
}

#: The permission of a check in words; those of C(_LOCAL) may be granted within one namespace of users.
_RIGHTS: t.Mapping[str, str] = {
    "5.1.2": "read Secrets",
    "5.1.4": "create Pods or workloads",
    "5.1.8": "bind, impersonate or escalate",
    "5.1.9": "create PersistentVolumes",
    "5.1.10": "reach kubelets through nodes/proxy",
    "5.1.11": "approve certificate signing requests",
    "5.1.12": "change admission webhooks and policies",
    "5.1.13": "create service account tokens",
}
_LOCAL = frozenset({"5.1.2", "5.1.4", "5.1.13"})


def _tolerable(check_id: str, grant: Grant) -> bool:
    """Whether a permission is limited to named objects, or to one namespace of users."""
    if grant.everybody or check_id not in _LOCAL:
        return False
    return grant.named or bool(grant.namespace and grant.namespace not in SYSTEM_NAMESPACES)


def grant_evidence(grant: Grant, expected: str, status: str) -> Evidence:
    """Evidence of a grant."""
    where = f"in the namespace {grant.namespace}" if grant.namespace else "in the whole cluster"
    severe = f"SEVERE, this is {grant.everybody}: " if grant.everybody else ""
    return Evidence(
        source=grant.path,
        key=grant.role,
        observed=f"{severe}{grant.subject} may {grant.rights} {where}, through {grant.binding}",
        expected=expected,
        status=status,
        subject=grant.subject,
        namespace=subject_namespace(grant.subject) or grant.namespace,
    )


def _evaluate_right(check_id: str, snapshot: Snapshot) -> Result:
    right = _RIGHTS[check_id]
    evidence = []
    for grant in rbac_of(snapshot).who_can(_ASKS[check_id]):
        if not is_expected(check_id, grant.binding, grant.role, grant.subject):
            status = "" if _tolerable(check_id, grant) else FAIL
            evidence.append(
                grant_evidence(grant, "only components of Kubernetes, and administrators", status)
            )
    told = len(evidence) - failures(evidence)
    within = f"; {told} more can within their own namespace or for named objects" if told else ""
    return conclude(
        check_id,
        evidence,
        good=f"Only components of Kubernetes and administrators can {right}{within}.",
        bad="{}" + f" grant(s) allow other subjects to {right}{within}.",
        literal=FAIL if evidence else PASS,
    )


def _right(check_id: str) -> Evaluate:
    return lambda snapshot: _evaluate_right(check_id, snapshot)


def _all_powerful(rules: t.Iterable[Object]) -> bool:
    return any(
        all("*" in (rule.get(part) or ()) for part in ("apiGroups", "resources", "verbs")) for rule in rules
    )


def cluster_admin(snapshot: Snapshot) -> Result:
    """5.1.1: only administrators are bound to cluster-admin or an equivalent role."""
    rbac = rbac_of(snapshot)
    powerful = {key for key, rules in rbac.roles.items() if _all_powerful(rules)}
    powerful.add(("ClusterRole", "", "cluster-admin"))
    evidence = []
    literal = PASS
    for binding in rbac.bindings:
        if binding.role not in powerful:
            continue
        role = role_id(binding.role)
        if binding.id != "ClusterRoleBinding/cluster-admin":
            literal = FAIL
        for subject in binding.subjects:
            meant = is_expected("5.1.1", binding.id, role, subject)
            grant = Grant(subject, binding.namespace, binding.id, role, binding.path, ())
            severe = f"SEVERE, this is {grant.everybody}: " if grant.everybody else ""
            where = f"in the namespace {binding.namespace}" if binding.namespace else "in the whole cluster"
            evidence.append(
                Evidence(
                    binding.path,
                    role,
                    f"{severe}{subject} can do everything {where}, through {binding.id}",
                    "only system:masters and kubeadm:cluster-admins",
                    PASS if meant else FAIL,
                    subject,
                    subject_namespace(subject) or binding.namespace,
                )
            )
    return conclude(
        "5.1.1",
        evidence,
        good="Only the groups of administrators are bound to cluster-admin.",
        bad="{} subject(s) that are not a group of administrators can do everything.",
        literal=literal,
    )


_PARTS = ("apiGroups", "resources", "verbs", "nonResourceURLs")


def _wildcards(rule: Object) -> list[str]:
    found = []
    for part in _PARTS:
        values = [str(value) for value in rule.get(part) or ()]
        if any(value == "*" or (part == "resources" and value.startswith("*/")) for value in values):
            found.append(f"{part} [{', '.join(values)}]")
    return found


def wildcards(snapshot: Snapshot) -> Result:
    """5.1.3: roles do not use wildcards."""
    evidence = []
    for key, rules in rbac_of(snapshot).roles.items():
        role = role_id(key)
        found = [text for rule in rules for text in _wildcards(rule)]
        if found and role not in WILDCARD_ROLES:
            evidence.append(
                Evidence(
                    role_path(key),
                    "rules",
                    "; ".join(dict.fromkeys(found)),
                    "named groups, resources and verbs",
                    FAIL,
                    role,
                    key[1],
                )
            )
    return conclude(
        "5.1.3",
        evidence,
        good="Only Kubernetes' own roles use wildcards.",
        bad="{} role(s) use wildcards.",
    )


def _account_of(workload: Workload) -> str:
    name = spec_of(workload.pods[0]).get("serviceAccountName") or "default"
    return f"ServiceAccount/{workload.namespace}/{name}"


def _mounting(workload: Workload) -> list[str]:
    return list(dict.fromkeys(name for pod in workload.pods for name in token_mounts(pod)))


def default_accounts(snapshot: Snapshot) -> Result:
    """5.1.5: default service accounts are not used."""
    bound = rbac_of(snapshot).bound()
    evidence: list[Evidence] = []
    literal = PASS
    for account in snapshot.all("serviceaccounts"):
        namespace = namespace_of(account)
        if name_of(account) != "default":
            continue
        if account.get("automountServiceAccountToken") is not False:
            literal = FAIL
        subject = f"ServiceAccount/{namespace}/default"
        evidence.extend(
            Evidence(
                binding.path,
                "subjects",
                f"{binding.id} binds it to {role_id(binding.role)}",
                "no permissions for a default service account",
                FAIL,
                subject,
                namespace,
            )
            for binding in bound.get(subject, ())
        )
    for workload in workloads(snapshot):
        mounting = _mounting(workload)
        if mounting and _account_of(workload).endswith("/default"):
            evidence.append(
                Evidence(
                    workload.source,
                    "serviceAccountName",
                    f"default, whose token is mounted in {', '.join(mounting)}",
                    "a dedicated service account, or no token",
                    FAIL,
                    workload.subject,
                    workload.namespace,
                )
            )
    return conclude(
        "5.1.5",
        evidence,
        good="No default service account has permissions, and no Pod mounts the token of one.",
        bad="{} use(s) of default service accounts.",
        literal=literal,
    )


def mounted_tokens(snapshot: Snapshot) -> Result:
    """5.1.6: Pods mount a token only if its account has permissions."""
    bound = rbac_of(snapshot).bound()
    evidence = []
    for workload in workloads(snapshot):
        mounting = _mounting(workload)
        if not mounting:
            continue
        account = _account_of(workload)
        group = f"Group/system:serviceaccounts:{workload.namespace}"
        roles = [role_id(binding.role) for name in (account, group) for binding in bound.get(name, ())]
        observed = f"the token of {account} in {', '.join(mounting)}"
        use = f", which is bound to {', '.join(dict.fromkeys(roles))}" if roles else ", which has no binding"
        evidence.append(
            Evidence(
                workload.source,
                "automountServiceAccountToken",
                observed + use,
                "" if roles else "false: without permissions a token is useless",
                "" if roles else FAIL,
                workload.subject,
                workload.namespace,
            )
        )
    return conclude(
        "5.1.6",
        evidence,
        good="Tokens are mounted only for service accounts with permissions.",
        bad="{} workload(s) mount a token that they cannot use.",
        literal=FAIL if evidence else PASS,
    )


_MASTERS = "system:masters"


def masters_group(snapshot: Snapshot) -> Result:
    """5.1.7: system:masters, which bypasses RBAC, is not used."""
    evidence = []
    for binding in rbac_of(snapshot).bindings:
        subject = f"Group/{_MASTERS}"
        role = role_id(binding.role)
        if subject in binding.subjects and not is_expected("5.1.1", binding.id, role, subject):
            evidence.append(
                Evidence(
                    binding.path,
                    "subjects",
                    f"{binding.id} has the group {_MASTERS} as subject",
                    "a dedicated group",
                    FAIL,
                    subject,
                    binding.namespace,
                )
            )
    evidence.extend(
        Evidence(
            issued.source,
            "organization",
            f"{issued.common_name} is a member of {_MASTERS}: the certificate cannot be revoked",
            "no certificate of that group on a host; store kubeadm's super-admin.conf in a safe place",
            FAIL,
            f"Certificate/{issued.common_name}",
        )
        for issued in (*certificates.issued(snapshot), *certificates.on_hosts(snapshot))
        if _MASTERS in issued.organizations
    )
    if not snapshot.all_hosts_known:
        found = f"{failures(evidence)} finding(s) so far, but certificates on some hosts are not known. {ASK_HOSTS}."
        return Result("5.1.7", ERROR, found, limited(evidence))
    unread = list(certificates.unread(snapshot))
    if unread and not failures(evidence):
        return Result("5.1.7", ERROR, certificates.undecided(unread), limited([*evidence, *unread]))
    return conclude(
        "5.1.7",
        evidence,
        good=f"No client certificate is of {_MASTERS}, and no further binding has that group as subject.",
        bad="{}" + f" use(s) of {_MASTERS}.",
    )


CHECKS: t.Mapping[str, Evaluate] = guarded_checks(
    {
        "5.1.1": cluster_admin,
        "5.1.2": _right("5.1.2"),
        "5.1.3": wildcards,
        "5.1.4": _right("5.1.4"),
        "5.1.5": default_accounts,
        "5.1.6": mounted_tokens,
        "5.1.7": masters_group,
        **{check_id: _right(check_id) for check_id in list(_ASKS)[2:]},
    }
)
