# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Section 3.2: the audit policy, and how it logs security-relevant requests."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host import audit_policy, structured
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.audit_policy import (
    METADATA,
    NONE,
    Policy,
    Request,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.programs import (
    Program,
    Verdict,
    check_of,
    verdict_of,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.reader import API_SERVER, Reader
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import (
    FAIL,
    PASS,
    Evidence,
    Result,
)

_FLAG = "audit-policy-file"


@dataclass(frozen=True)
class Who:
    """A requester.

    :param told: name in a report. :param logged: whether their requests have to be logged. Those of Kubernetes itself
        may be omitted, as long as the log has no secrets.
    """

    told: str
    user: str
    groups: tuple[str, ...]
    logged: bool = True


@dataclass(frozen=True)
class What:
    """Requests that an audit policy has to cover.

    :param bodies: whether request and response bodies may be logged.
    """

    resource: str
    verbs: tuple[str, ...]
    subresource: str = ""
    group: str = ""
    namespaced: bool = True
    bodies: bool = True

    @property
    def told(self) -> str:
        """Name in a report."""
        name = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return f"{name}.{self.group}" if self.group else name


_ANYONE = "system:authenticated"
_ACCOUNTS = "system:serviceaccounts"
PEOPLE = (
    Who("a user", "jane@example.org", ("developers", _ANYONE)),
    Who("an administrator", "kubernetes-admin", ("kubeadm:cluster-admins", _ANYONE)),
    Who("a member of system:masters", "kubernetes-super-admin", ("system:masters", _ANYONE)),
    Who("a service account", "system:serviceaccount:shop:web", (_ACCOUNTS, f"{_ACCOUNTS}:shop", _ANYONE)),
    Who("a kubelet", "system:node:worker-1", ("system:nodes", _ANYONE), logged=False),
    Who("the controller manager", "system:kube-controller-manager", (_ANYONE,), logged=False),
    Who("the API server", "system:apiserver", ("system:masters", _ANYONE), logged=False),
    Who(
        "a controller",
        "system:serviceaccount:kube-system:generic-garbage-collector",
        (_ACCOUNTS, f"{_ACCOUNTS}:kube-system", _ANYONE),
        logged=False,
    ),
)
_NAMESPACES = ("default", "kube-system", "shop")
_CHANGES = ("create", "update", "patch", "delete")
_ALL = ("get", "list", "watch", *_CHANGES, "deletecollection")
_STREAM = ("get", "create")
WANTED = (
    What("secrets", _ALL, bodies=False),
    What("configmaps", _ALL, bodies=False),
    What("tokenreviews", ("create",), group="authentication.k8s.io", namespaced=False, bodies=False),
    What("serviceaccounts", ("create",), subresource="token", bodies=False),
    What("pods", _CHANGES),
    What("deployments", _CHANGES, group="apps"),
    What("pods", _STREAM, subresource="exec"),
    What("pods", _STREAM, subresource="attach"),
    What("pods", _STREAM, subresource="portforward"),
    What("pods", _STREAM, subresource="proxy"),
    What("services", _STREAM, subresource="proxy"),
    What("certificatesigningrequests", _CHANGES, group="certificates.k8s.io", namespaced=False),
    What(
        "certificatesigningrequests",
        ("update", "patch"),
        subresource="approval",
        group="certificates.k8s.io",
        namespaced=False,
    ),
)


def _present(program: Program) -> Verdict:
    path = program.value(_FLAG)
    if not path:
        evidence = program.evidence(_FLAG, "a policy", FAIL)
        return Verdict(FAIL, "There is no audit policy, so nothing is logged.", (evidence,))
    document = structured.document(program, path, "Policy")
    rules = audit_policy.read(document).rules
    status = PASS if rules else FAIL
    observed = f"{path}: {len(rules)} rules"
    evidence = program.evidence(_FLAG, "a policy with rules", status, observed, document.digest)
    return verdict_of([evidence], "There is an audit policy.", "The audit policy has no rules.", PASS)


@dataclass(frozen=True)
class _Gap:
    """Requests that a rule logs at the wrong level."""

    what: What
    level: str
    rule: int | None


def gaps(policy: Policy) -> dict[_Gap, list[Request]]:
    """Requests that would not be logged, or would be logged with bodies that must not be."""
    found: dict[_Gap, list[Request]] = {}
    for what in WANTED:
        for who in PEOPLE:
            for request in _requests(what, who):
                level, rule = policy.decide(request)
                lost = level == NONE and who.logged
                leaked = not what.bodies and level not in (NONE, METADATA)
                if lost or leaked:
                    found.setdefault(_Gap(what, level, rule), []).append(request)
    return found


def _requests(what: What, who: Who) -> t.Iterator[Request]:
    for namespace in _NAMESPACES if what.namespaced else ("",):
        for verb in what.verbs:
            yield Request(who.user, who.groups, verb, what.resource, what.subresource, what.group, namespace)


def _listed(values: t.Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(value for value in values if value))


def _covering(program: Program) -> Verdict:
    path = program.value(_FLAG)
    if not path:
        evidence = program.evidence(_FLAG, "a policy", FAIL)
        return Verdict(FAIL, "There is no audit policy, so nothing is logged.", (evidence,))
    document = structured.document(program, path, "Policy")
    found = gaps(audit_policy.read(document))
    told = {who.user: who.told for who in PEOPLE}
    evidence = []
    for gap, requests in found.items():
        rule = "no rule matches" if gap.rule is None else f"rules[{gap.rule}]"
        level = "not logged" if gap.level == NONE else f"logged at level {gap.level}"
        where = _listed(request.namespace for request in requests)
        who = _listed(told[request.user] for request in requests)
        observed = f"{_listed(request.verb for request in requests)}{f' in {where}' if where else ''} by {who}: {level}"
        expected = "Metadata or more" if gap.what.bodies else "Metadata, no bodies"
        evidence.append(
            Evidence(path, f"{gap.what.told}, {rule}", observed, expected, FAIL, digest=document.digest)
        )
    good = "The policy logs security-relevant requests, without secrets."
    if not evidence:
        whole = Evidence(
            path,
            "rules",
            f"{len(WANTED)} kinds of requests evaluated",
            "logged",
            PASS,
            digest=document.digest,
        )
        return Verdict(PASS, good, (whole,))
    lost = _listed(gap.what.told for gap in found if gap.level == NONE)
    leaked = _listed(gap.what.told for gap in found if gap.level != NONE)
    parts = (f"not logged: {lost}" if lost else "", f"logged with secrets: {leaked}" if leaked else "")
    return Verdict(FAIL, f"Some requests are {'; '.join(filter(None, parts))}.", tuple(evidence))


CHECKS: t.Mapping[str, t.Callable[[Reader], Result]] = {
    "3.2.1": check_of("3.2.1", API_SERVER, _present),
    "3.2.2": check_of("3.2.2", API_SERVER, _covering),
}
