# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What a cluster allows Pods: Pod Security by namespace, and other admission policies."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import (
    Object,
    Snapshot,
    labels_of,
    name_of,
)

PRIVILEGED, BASELINE, RESTRICTED = "privileged", "baseline", "restricted"
_LEVELS = (PRIVILEGED, BASELINE, RESTRICTED)
LABEL = "pod-security.kubernetes.io/enforce"
_PLUGIN = "PodSecurity"
_CONSTRAINTS = ".constraints.gatekeeper.sh"


@dataclass(frozen=True)
class Enforced:
    """The Pod Security level of a namespace.

    :param level: the enforced level, C(privileged) when none is.
    :param origin: where it comes from.
    :param known: whether it is certain; without the facts of the hosts it is not.
    """

    level: str
    origin: str
    known: bool = True

    def forbids(self, level: str) -> bool:
        """Whether at least a level is enforced."""
        return _LEVELS.index(self.level) >= _LEVELS.index(level)


@dataclass(frozen=True)
class Mechanism:
    """Another mechanism that admits or denies Pods.

    :param subject: its object. :param about: what it does, in a few words.
    :param limited: whether it spares some namespaces, objects or users.
    """

    subject: str
    about: str
    limited: bool = False


def _level(text: t.Any) -> str:
    # The admission plugin treats an unknown level as the strictest one.
    return str(text) if text in _LEVELS else RESTRICTED


def _by_server(server: Object, namespace: Object) -> Enforced:
    """The level that one API server enforces for a namespace."""
    if _PLUGIN not in (server.get("admission_plugins") or ()):
        return Enforced(PRIVILEGED, f"the admission plugin {_PLUGIN} is disabled")
    config = server.get("pod_security") or {}
    known = bool(config) or not server.get("errors")
    exempt = config.get("exemptions") or {}
    if name_of(namespace) in (exempt.get("namespaces") or ()):
        return Enforced(PRIVILEGED, "the configuration of the API server exempts the namespace")
    for key, what in (
        ("runtimeClasses", "Pods with the RuntimeClass"),
        ("usernames", "Pods that are created by"),
    ):
        names = ", ".join(str(name) for name in exempt.get(key) or ())
        if names:
            # In every namespace, whatever its label says.
            return Enforced(PRIVILEGED, f"the configuration of the API server exempts {what} {names}")
    label = labels_of(namespace).get(LABEL)
    if label is not None:
        return Enforced(_level(label), f"label {LABEL}={label}", known)
    default = (config.get("defaults") or {}).get("enforce") or PRIVILEGED
    return Enforced(_level(default), "no label; the default of the API server", known)


def enforced(snapshot: Snapshot, namespace: Object) -> Enforced:
    """The level that is enforced for a namespace; of several API servers, the weakest counts."""
    servers = snapshot.api_servers
    if not servers:
        label = labels_of(namespace).get(LABEL)
        if label is None:
            return Enforced(
                PRIVILEGED, "no label, and the default of the API server is not known", known=False
            )
        # The level privileged is certain without the hosts.
        level = _level(label)
        return Enforced(level, f"label {LABEL}={label}", known=level == PRIVILEGED)
    found = [_by_server(server, namespace) for server in servers]
    weakest = min(found, key=lambda one: (_LEVELS.index(one.level), one.known))
    if weakest.level != PRIVILEGED and not snapshot.all_servers_known:
        # Another API server may enforce less.
        return Enforced(weakest.level, f"{weakest.origin}, on the known control planes", known=False)
    return weakest


def _webhook(snapshot: Snapshot, word: str) -> bool:
    """Whether an admission webhook with this name is registered."""
    return any(
        word in name_of(item) and item.get("webhooks")
        for item in snapshot.all("validatingwebhookconfigurations")
    )


# Fields by which policies are limited, when they are not empty; each mechanism has some of them.
_LIMITS = frozenset(
    {
        *(
            "namespaces",
            "excludedNamespaces",
            "namespaceSelector",
            "labelSelector",
            "objectSelector",
            "selector",
        ),
        *("excludeResourceRules", "resourceNames", "matchConditions", "exclude", "names", "annotations"),
        *("preconditions", "subjects", "roles", "clusterRoles"),
    }
)


def _is_limited(*parts: t.Any) -> bool:
    """Whether parts of a policy limit what it is for, at any depth."""
    rest = list(parts)
    while rest:
        one = rest.pop()
        if isinstance(one, dict):
            if any(value for key, value in one.items() if key in _LIMITS):
                return True
            rest += list(one.values())
        elif isinstance(one, list):
            rest += one
    return False


_WORKLOADS = frozenset({"pods", "*", "*/*", "pods/*", "deployments", "daemonsets", "statefulsets", "jobs"})


def _validating_policies(snapshot: Snapshot) -> t.Iterator[Mechanism]:
    denying: dict[str, bool] = {}
    for binding in snapshot.all("validatingadmissionpolicybindings"):
        spec = binding.get("spec") or {}
        if "Deny" in (spec.get("validationActions") or ()):
            name = str(spec.get("policyName"))
            # One binding without limits is enough.
            denying[name] = denying.get(name, True) and _is_limited(spec.get("matchResources"))
    for policy in snapshot.all("validatingadmissionpolicies"):
        spec = policy.get("spec") or {}
        rules = (spec.get("matchConstraints") or {}).get("resourceRules") or ()
        about = {resource for rule in rules for resource in rule.get("resources") or ()}
        if name_of(policy) in denying and about & _WORKLOADS:
            own = _is_limited(spec.get("matchConstraints"), {"matchConditions": spec.get("matchConditions")})
            yield Mechanism(
                f"ValidatingAdmissionPolicy/{name_of(policy)}",
                "denies violating Pods",
                own or denying[name_of(policy)],
            )


def _kinds(value: t.Any) -> t.Iterator[str]:
    """All values of C(kinds), at any depth, without group and version."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "kinds" and isinstance(inner, list):
                for one in inner:
                    yield from [one.rpartition("/")[2]] if isinstance(one, str) else _kinds(one)
            else:
                yield from _kinds(inner)
    elif isinstance(value, list):
        for one in value:
            yield from _kinds(one)


_POD_KINDS = frozenset({"Pod", "*", "Deployment", "DaemonSet", "StatefulSet", "Job"})


def _enforces(spec: Object, rule: Object) -> bool:
    own = (rule.get("validate") or {}).get("failureAction")
    return str(own or spec.get("validationFailureAction") or "Audit").lower() == "enforce"


def _kyverno(snapshot: Snapshot) -> t.Iterator[Mechanism]:
    for resource, kind in (
        ("clusterpolicies.kyverno.io", "ClusterPolicy"),
        ("policies.kyverno.io", "Policy"),
    ):
        for policy in snapshot.custom(resource):
            spec = policy.get("spec") or {}
            for rule in spec.get("rules") or ():
                about_pods = _POD_KINDS & set(_kinds(rule.get("match") or {}))
                if "validate" in rule and about_pods and _enforces(spec, rule):
                    parts = [{key: rule.get(key)} for key in ("match", "exclude", "preconditions")]
                    limited = kind == "Policy" or _is_limited(*parts)
                    yield Mechanism(
                        f"{kind}/{name_of(policy)}", f"Kyverno enforces {rule.get('name')}", limited
                    )
                    break
    for policy in snapshot.custom("validatingpolicies.policies.kyverno.io"):
        spec = policy.get("spec") or {}
        rules = (spec.get("matchConstraints") or {}).get("resourceRules") or ()
        about = {resource for rule in rules for resource in rule.get("resources") or ()}
        if "Deny" in (spec.get("validationActions") or ()) and about & _WORKLOADS:
            own = _is_limited(spec.get("matchConstraints"), {"matchConditions": spec.get("matchConditions")})
            yield Mechanism(f"ValidatingPolicy/{name_of(policy)}", "Kyverno denies violating Pods", own)


def _gatekeeper(snapshot: Snapshot) -> t.Iterator[Mechanism]:
    for definition in snapshot.all("customresourcedefinitions"):
        if not name_of(definition).endswith(_CONSTRAINTS):
            continue
        for constraint in snapshot.custom(name_of(definition)):
            spec = constraint.get("spec") or {}
            kinds = set(_kinds(spec.get("match") or {}))
            if spec.get("enforcementAction", "deny") == "deny" and (not kinds or kinds & _POD_KINDS):
                kind = constraint.get("kind") or name_of(definition).partition(".")[0]
                yield Mechanism(
                    f"{kind}/{name_of(constraint)}",
                    "Gatekeeper denies violating Pods",
                    _is_limited(spec.get("match")),
                )


def mechanisms(snapshot: Snapshot) -> list[Mechanism]:
    """Other mechanisms that deny Pods; what exactly they forbid is not evaluated.

    :raises UnseenError: when they could not be read.
    """
    found = list(_validating_policies(snapshot))
    for word, policies in (("kyverno", _kyverno), ("gatekeeper", _gatekeeper)):
        # Without a webhook, the policies have no effect.
        if _webhook(snapshot, word):
            found.extend(policies(snapshot))
    return found
