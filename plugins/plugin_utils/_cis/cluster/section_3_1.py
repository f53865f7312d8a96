# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Section 3.1: authentication of users."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import (
    ERROR,
    FAIL,
    MANUAL,
    Evidence,
    Result,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster import certificates
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.builtins import (
    JOINING,
    is_built_in,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.evaluation import (
    ASK_HOSTS,
    Evaluate,
    conclude,
    failures,
    guarded_checks,
    limited,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.rbac import rbac_of, role_id
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import (
    Object,
    Snapshot,
    labels_of,
    name_of,
    namespace_of,
)

_SYSTEM = "system:"
#: Certificates that kubeadm creates for components.
_PROGRAMS = frozenset(
    {
        "front-proxy-client",
        "kube-apiserver-etcd-client",
        "kube-apiserver-kubelet-client",
        "kube-etcd-healthcheck-client",
    }
)
#: Administrator certificates for emergencies.
_EMERGENCY = frozenset({"kubernetes-admin", "kubernetes-super-admin"})


def _certificate_evidence(snapshot: Snapshot) -> t.Iterator[Evidence]:
    for issued in (*certificates.issued(snapshot), *certificates.on_hosts(snapshot)):
        name = issued.common_name
        if name.startswith(_SYSTEM) or (issued.file and name in _PROGRAMS):
            continue
        emergency = issued.file and name in _EMERGENCY
        groups = f" of {', '.join(issued.organizations)}" if issued.organizations else ""
        yield Evidence(
            issued.source,
            "subject",
            f"a client certificate of {name}{groups}" + (", kubeadm's for emergencies" if emergency else ""),
            "" if emergency else "users authenticate with tokens of an identity provider (OIDC)",
            "" if emergency else FAIL,
            f"User/{name}",
        )


def client_certificates(snapshot: Snapshot) -> Result:
    """3.1.1: users do not authenticate with client certificates. Finding none does not prove it."""
    evidence = list(_certificate_evidence(snapshot))
    for subject, bindings in rbac_of(snapshot).bound().items():
        kind, _slash, name = subject.partition("/")
        if kind == "User" and not name.startswith(_SYSTEM) and name not in _PROGRAMS:
            roles = ", ".join(dict.fromkeys(role_id(binding.role) for binding in bindings))
            evidence.append(Evidence(bindings[0].path, "subjects", f"{subject} has {roles}", subject=subject))
    count = failures(evidence)
    if count:
        return conclude(
            "3.1.1", evidence, good="", bad="{} client certificate(s) are not of Kubernetes' own components."
        )
    unread = list(certificates.unread(snapshot))
    if unread:
        return Result("3.1.1", ERROR, certificates.undecided(unread), limited([*evidence, *unread]))
    hosts = "" if snapshot.all_hosts_known else f" Certificates on some hosts are not known. {ASK_HOSTS}."
    return Result(
        "3.1.1",
        MANUAL,
        "No client certificate of a user was found, but the API forgets issued certificates, and a CA keeps"
        " no list."
        " Make sure that users get tokens of an identity provider, and that admin.conf is kept for emergencies."
        + hosts,
        limited(evidence),
    )


def _last_used(secret: Object) -> str:
    return labels_of(secret).get("kubernetes.io/legacy-token-last-used") or "never, as far as recorded"


def account_tokens(snapshot: Snapshot) -> Result:
    """3.1.2: no service account token is stored in a Secret, as a user would need it to authenticate."""
    evidence = []
    for secret in snapshot.all("secrets:service-account-token"):
        namespace, name = namespace_of(secret), name_of(secret)
        annotations = (secret.get("metadata") or {}).get("annotations") or {}
        account = annotations.get("kubernetes.io/service-account.name") or "unknown"
        evidence.append(
            Evidence(
                f"/api/v1/namespaces/{namespace}/secrets/{name}",
                "type",
                f"a token of ServiceAccount/{namespace}/{account} that never expires, last used"
                f" {_last_used(secret)}",
                "expiring tokens, requested when needed (TokenRequest)",
                FAIL,
                f"ServiceAccount/{namespace}/{account}",
                namespace,
            )
        )
    return conclude(
        "3.1.2",
        evidence,
        good="No service account has a token that never expires; 5.1.13 lists who can create others.",
        bad="{} service account token(s) never expire, so that a user could authenticate with them.",
    )


_BOOTSTRAPPERS = "Group/system:bootstrappers"
_DAY = datetime.timedelta(hours=24)


def _age(item: Object, now: datetime.datetime) -> datetime.timedelta | None:
    created = str((item.get("metadata") or {}).get("creationTimestamp") or "")
    try:
        return now - datetime.datetime.strptime(created, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.UTC)
    except ValueError:
        return None


def _token_evidence(snapshot: Snapshot) -> t.Iterator[Evidence]:
    for secret in snapshot.all("secrets:bootstrap-token"):
        metadata = secret.get("metadata") or {}
        fields = metadata.get("dataFields") or ()
        age = _age(secret, snapshot.time)
        problem = ""
        if fields and "expiration" not in fields:
            problem = "never expires"
        elif age is not None and age > _DAY:
            problem = f"is {int(age.total_seconds() // 3600)} hours old"
        yield Evidence(
            f"/api/v1/namespaces/kube-system/secrets/{name_of(secret)}",
            "expiration",
            f"a bootstrap token that {problem or 'is younger than a day'}",
            "tokens that expire within a day" if problem else "",
            FAIL if problem else "",
            f"Secret/kube-system/{name_of(secret)}",
            "kube-system",
        )


def bootstrap_tokens(snapshot: Snapshot) -> Result:
    """3.1.3: bootstrap tokens are limited to joining, and expire."""
    evidence = list(_token_evidence(snapshot))
    for binding in rbac_of(snapshot).bindings:
        role = role_id(binding.role)
        for subject in binding.subjects:
            if not subject.startswith(_BOOTSTRAPPERS):
                continue
            if binding.id in JOINING and is_built_in(binding.id, role, subject):
                continue
            evidence.append(
                Evidence(
                    binding.path,
                    "subjects",
                    f"{binding.id} gives {subject} {role}",
                    "only the roles that kubeadm binds for joining",
                    FAIL,
                    subject,
                    binding.namespace,
                )
            )
    return conclude(
        "3.1.3",
        evidence,
        good="Bootstrap tokens expire within a day, and are limited to joining.",
        bad="{} finding(s): bootstrap tokens that do not expire within a day, or can do more than join.",
    )


CHECKS: t.Mapping[str, Evaluate] = guarded_checks(
    {
        "3.1.1": client_certificates,
        "3.1.2": account_tokens,
        "3.1.3": bootstrap_tokens,
    }
)
