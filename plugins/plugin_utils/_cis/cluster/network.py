# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Which namespaces are isolated by network policies.

A namespace is isolated when a policy selects all its Pods for ingress, and no policy allows all ingress to them.
"""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import (
    Object,
    Snapshot,
    labels_of,
    name_of,
    namespace_of,
)

_CILIUM_NAMESPACE = "io.kubernetes.pod.namespace"
_CILIUM_LABELS = "io.cilium.k8s.namespace.labels."
_CLUSTERWIDE = "ciliumclusterwidenetworkpolicies.cilium.io"


def _plain(selector: Object | None) -> bool:
    """Whether a selector selects everything."""
    return not (selector or {}).get("matchLabels") and not (selector or {}).get("matchExpressions")


def _meets(labels: t.Mapping[str, str], expression: Object) -> bool:
    key, values = str(expression.get("key")), expression.get("values") or ()
    tests: dict[str, t.Callable[[], bool]] = {
        "In": lambda: labels.get(key) in values,
        "NotIn": lambda: labels.get(key) not in values,
        "Exists": lambda: key in labels,
        "DoesNotExist": lambda: key not in labels,
    }
    test = tests.get(str(expression.get("operator")))
    return bool(test and test())


def selects(selector: Object | None, labels: t.Mapping[str, str]) -> bool:
    """Whether a selector selects an object with these labels."""
    wanted = (selector or {}).get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _meets(labels, expression) for expression in (selector or {}).get("matchExpressions") or ()
    )


def _kubernetes(snapshot: Snapshot) -> dict[str, list[tuple[str, bool, bool]]]:
    """By namespace, for each NetworkPolicy: subject, whether it isolates all Pods, whether it allows all ingress."""
    found: dict[str, list[tuple[str, bool, bool]]] = {}
    for policy in snapshot.all("networkpolicies"):
        spec = policy.get("spec") or {}
        # Without types, a policy is for ingress.
        isolates = _plain(spec.get("podSelector")) and "Ingress" in (spec.get("policyTypes") or ("Ingress",))
        opens = isolates and any(
            not rule.get("from") and not rule.get("ports") for rule in spec.get("ingress") or ()
        )
        subject = f"NetworkPolicy/{namespace_of(policy)}/{name_of(policy)}"
        found.setdefault(namespace_of(policy), []).append((subject, isolates, opens))
    return found


def _rules(policy: Object) -> list[Object]:
    """Rules of a Cilium policy, which may have one or several."""
    return [rule for rule in (policy.get("spec"), *(policy.get("specs") or ())) if rule]


def _cilium_labels(namespace: Object) -> dict[str, str]:
    """Labels that Cilium gives every Pod of a namespace."""
    name = name_of(namespace)
    labels = {_CILIUM_NAMESPACE: name}
    labels.update({_CILIUM_LABELS + key: str(value) for key, value in labels_of(namespace).items()})
    return labels


def _unprefixed(selector: Object) -> dict[str, t.Any]:
    """A Cilium selector without the sources of its labels, C(k8s:) and C(any:)."""

    def bare(key: str) -> str:
        return key.partition(":")[2] if key.startswith(("k8s:", "any:")) else key

    return {
        "matchLabels": {bare(key): value for key, value in (selector.get("matchLabels") or {}).items()},
        "matchExpressions": [
            {**expression, "key": bare(str(expression.get("key")))}
            for expression in selector.get("matchExpressions") or ()
        ],
    }


def _keys(selector: Object) -> set[str]:
    expressions = (str(expression.get("key")) for expression in selector.get("matchExpressions") or ())
    return {*(selector.get("matchLabels") or {}), *expressions}


def _cilium_takes_all(rule: Object, namespace: Object) -> bool:
    """Whether a rule selects all Pods of a namespace; one with labels of Pods selects some."""
    if "endpointSelector" not in rule:
        return False
    selector = _unprefixed(rule.get("endpointSelector") or {})
    about_namespaces = all(
        key == _CILIUM_NAMESPACE or key.startswith(_CILIUM_LABELS) for key in _keys(selector)
    )
    return about_namespaces and selects(selector, _cilium_labels(namespace))


def _cilium_isolates(rule: Object) -> tuple[bool, bool]:
    """Whether a rule isolates its Pods for ingress, and whether it allows all ingress."""
    incoming = rule.get("ingress") or ()
    isolates = bool(incoming or rule.get("ingressDeny"))
    if (rule.get("enableDefaultDeny") or {}).get("ingress") is not None:
        isolates = bool(rule["enableDefaultDeny"]["ingress"])
    opens = any("all" in (one.get("fromEntities") or ()) and not one.get("toPorts") for one in incoming)
    return isolates, opens


def _cilium(snapshot: Snapshot, namespace: Object) -> t.Iterator[tuple[str, bool, bool]]:
    for resource, kind in (
        (_CLUSTERWIDE, "CiliumClusterwideNetworkPolicy"),
        ("ciliumnetworkpolicies.cilium.io", ""),
    ):
        for policy in snapshot.custom(resource):
            if not kind and namespace_of(policy) != name_of(namespace):
                continue
            subject = f"{kind}/{name_of(policy)}"
            if not kind:
                subject = f"CiliumNetworkPolicy/{namespace_of(policy)}/{name_of(policy)}"
            for rule in _rules(policy):
                if _cilium_takes_all(rule, namespace):
                    yield (subject, *_cilium_isolates(rule))


def _admin(snapshot: Snapshot, namespace: Object) -> t.Iterator[tuple[str, bool, bool]]:
    """Admin network policies (sigs.k8s.io/network-policy-api)."""
    group = "policy.networking.k8s.io"
    kinds = {
        f"adminnetworkpolicies.{group}": "AdminNetworkPolicy",
        f"baselineadminnetworkpolicies.{group}": "BaselineAdminNetworkPolicy",
        f"clusternetworkpolicies.{group}": "ClusterNetworkPolicy",
    }
    for resource, kind in kinds.items():
        for policy in snapshot.custom(resource):
            spec = policy.get("spec") or {}
            chosen = spec.get("subject") or {}
            if "namespaces" not in chosen or not selects(chosen["namespaces"], labels_of(namespace)):
                continue
            denies = any(
                rule.get("action") == "Deny"
                and not rule.get("ports")
                and any(
                    "namespaces" in peer and _plain(peer["namespaces"]) for peer in rule.get("from") or ()
                )
                for rule in spec.get("ingress") or ()
            )
            yield f"{kind}/{name_of(policy)}", denies, False


def _calico(snapshot: Snapshot) -> t.Iterator[tuple[str, bool, bool]]:
    for policy in snapshot.custom("globalnetworkpolicies.crd.projectcalico.org"):
        spec = policy.get("spec") or {}
        everything = spec.get("selector") in (None, "", "all()") and not spec.get("namespaceSelector")
        incoming = spec.get("ingress") or ()
        isolates = everything and (bool(incoming) or "Ingress" in (spec.get("types") or ("Ingress",)))
        opens = any(rule.get("action") == "Allow" and set(rule) == {"action"} for rule in incoming)
        yield f"GlobalNetworkPolicy/{name_of(policy)}", isolates, opens


def _always(snapshot: Snapshot) -> t.Iterator[tuple[str, bool, bool]]:
    for settings in () if "cilium-config" in snapshot.unseen else snapshot.all("cilium-config"):
        if (settings.get("data") or {}).get("enable-policy") == "always":
            yield "ConfigMap/cilium-config (enable-policy: always)", True, False


def policies(snapshot: Snapshot) -> dict[str, list[tuple[str, bool, bool]]]:
    """By namespace, all its policies: subject, whether it isolates all Pods, whether it allows all ingress.

    :raises UnseenError: when they could not be read.
    """
    own = _kubernetes(snapshot)
    everywhere = [*_calico(snapshot), *_always(snapshot)]
    return {
        name_of(namespace): [
            *own.get(name_of(namespace), ()),
            *_cilium(snapshot, namespace),
            *_admin(snapshot, namespace),
            *everywhere,
        ]
        for namespace in snapshot.all("namespaces")
    }
