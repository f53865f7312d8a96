# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters as tables: the objects of kubeadm, and builders for others."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import Snapshot

from tests.unit.plugins.cis.fakes import Case

Object = dict[str, Any]
RBAC = "rbac.authorization.k8s.io"

#: Roles and bindings as kubeadm 1.36 leaves them behind.
STOCK: Mapping[str, list[Object]] = json.loads(
    (Path(__file__).parent / "data" / "kubeadm_1_36_rbac.json").read_text()
)
_KINDS = {
    "ClusterRole": "clusterroles",
    "Role": "roles",
    "ClusterRoleBinding": "clusterrolebindings",
    "RoleBinding": "rolebindings",
    "Pod": "pods",
    "Namespace": "namespaces",
    "ServiceAccount": "serviceaccounts",
    "NetworkPolicy": "networkpolicies",
    "DaemonSet": "daemonsets",
    "ReplicaSet": "replicasets",
    "Job": "jobs",
    "Node": "nodes",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
    "ValidatingWebhookConfiguration": "validatingwebhookconfigurations",
    "CertificateSigningRequest": "certificatesigningrequests",
    "CustomResourceDefinition": "customresourcedefinitions",
}


def thing(kind: str, name: str, namespace: str = "", **fields: Any) -> Object:
    """An object of a kind."""
    metadata: Object = {"name": name, **fields.pop("metadata", {})}
    if namespace:
        metadata["namespace"] = namespace
    return {"kind": kind, "metadata": metadata, **fields}


def cluster(
    *things: Object,
    nodes: tuple[Object, ...] = (),
    unseen: Mapping[str, str] | None = None,
    stock: bool = True,
    more: Mapping[str, tuple[Object, ...]] | None = None,
) -> Snapshot:
    """A cluster with these objects; with `stock` in addition to kubeadm's.

    :param nodes: facts of hosts. :param more: further objects by resource, for names that have no kind here.
    """
    objects: dict[str, list[Object]] = {name: list(items) for name, items in STOCK.items()} if stock else {}
    for one in things:
        objects.setdefault(_KINDS[one["kind"]], []).append(one)
    for name, items in (more or {}).items():
        objects.setdefault(name, []).extend(items)
    return Snapshot(
        version="1.36.4",
        objects={name: tuple(items) for name, items in objects.items()},
        nodes=nodes,
        unseen=unseen or {},
    )


def facts(
    plugins: tuple[str, ...] = ("NodeRestriction", "PodSecurity"),
    pod_security: Object | None = None,
    **changes: Any,
) -> Object:
    """Facts of a control plane from cis_node."""
    server = {
        "admission_plugins": list(plugins),
        "pod_security": pod_security,
        "image_policy_webhook": "ImagePolicyWebhook" in plugins,
        "audit": True,
        "encryption": None,
        "errors": [],
    }
    return {
        "api_server": {**server, **changes.pop("api_server", {})},
        "kubelet": {"seccomp_default": True},
        "certificates": [],
        **changes,
    }


def client_certificate(path: str, name: str, *groups: str) -> Object:
    """A client certificate in a kubeconfig, as cis_node finds it on a host."""
    return {"path": path, "common_name": name, "organizations": list(groups), "subject_kind": "kubeconfig"}


def defaults(level: str, *exempt: str) -> Object:
    """A PodSecurityConfiguration."""
    return {
        "defaults": {"enforce": level},
        "exemptions": {"usernames": [], "runtimeClasses": [], "namespaces": list(exempt)},
    }


def exempting(kind: str, *names: str) -> Object:
    """A PodSecurityConfiguration that enforces the strictest level, except for some names of a kind."""
    whole = defaults("restricted")
    return {**whole, "exemptions": {**whole["exemptions"], kind: list(names)}}


def role(name: str, *rules: Object, namespace: str = "") -> Object:
    return thing("Role" if namespace else "ClusterRole", name, namespace, rules=list(rules))


def rule(verbs: str, resources: str, group: str = "", **more: Any) -> Object:
    """A rule from comma-separated words."""
    return {"apiGroups": [group], "resources": resources.split(","), "verbs": verbs.split(","), **more}


def subject(text: str) -> Object:
    """From C(User/x), C(Group/x) or C(ServiceAccount/namespace/x)."""
    kind, *names = text.split("/")
    if kind == "ServiceAccount" and len(names) == 2:
        return {"kind": kind, "namespace": names[0], "name": names[1]}
    return {"kind": kind, "name": "/".join(names)}


def binding(
    name: str, role_name: str, *subjects: str, namespace: str = "", role_kind: str = "ClusterRole"
) -> Object:
    return thing(
        "RoleBinding" if namespace else "ClusterRoleBinding",
        name,
        namespace,
        roleRef={"apiGroup": RBAC, "kind": role_kind, "name": role_name},
        subjects=[subject(text) for text in subjects],
    )


def namespace(name: str, enforce: str | None = None, **labels: str) -> Object:
    """A namespace, optionally with a Pod Security level."""
    all_labels = {"kubernetes.io/metadata.name": name, **labels}
    if enforce is not None:
        all_labels["pod-security.kubernetes.io/enforce"] = enforce
    return thing("Namespace", name, metadata={"labels": all_labels})


SYSTEM = tuple(namespace(name) for name in ("kube-system", "kube-public", "kube-node-lease"))

#: A container that takes no privilege.
HARDENED: Object = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def container(name: str = "app", security: Object | None = HARDENED, **fields: Any) -> Object:
    return {"name": name, **({"securityContext": security} if security is not None else {}), **fields}


def pod(
    name: str = "shop/web", *containers: Object, owner: str = "", static: str = "", **spec: Any
) -> Object:
    """A running Pod, given as namespace/name.

    :param owner: C(Kind/name) of what controls it. :param static: the node, when the kubelet runs it from a file.
    """
    home, _, own = name.partition("/")
    metadata: Object = dict(spec.pop("metadata", {}))
    if static:
        metadata["annotations"] = {"kubernetes.io/config.mirror": "x"}
        owner = f"Node/{static}"
        spec["nodeName"] = static
    if owner:
        kind, _, owner_name = owner.partition("/")
        metadata["ownerReferences"] = [{"kind": kind, "name": owner_name, "controller": True}]
    phase = spec.pop("phase", "Running")
    return thing(
        "Pod",
        own,
        home,
        metadata=metadata,
        spec={"containers": list(containers) or [container()], **spec},
        status={"phase": phase},
    )


def with_token(*containers: Object, audience: str = "") -> Object:
    """Fields of a Pod whose containers mount a service account token."""
    source = {"path": "token", **({"audience": audience} if audience else {})}
    mount = {"name": "kube-api-access", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
    return {
        "volumes": [{"name": "kube-api-access", "projected": {"sources": [{"serviceAccountToken": source}]}}],
        "containers": [{**one, "volumeMounts": [mount]} for one in (containers or (container(),))],
    }


def definition(name: str) -> Object:
    """A CustomResourceDefinition by C(plural.group)."""
    return thing("CustomResourceDefinition", name)


def evaluate(case: Case, checks: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """Evaluate a case, and compare the result."""
    result: dict[str, Any] = checks[case.check](case.given()).to_dict()
    assert result["id"] == case.check
    text = result["message"] + "\n" + json.dumps(result["evidence"])
    assert (result["status"], result["literal"]) == (case.status, case.literal or case.status), text
    for word in case.says:
        assert word in text
    if case.status == "fail":
        failed = [one for one in result["evidence"] if one.get("status") == "fail"]
        assert failed, text
        assert all(one["source"] and one["observed"] and one["expected"] for one in failed), text
    return result
