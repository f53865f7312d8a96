# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Bindings that Kubernetes 1.34 to 1.37 and kubeadm create, and which of them a check expects.

They are known by binding, role and subject: another subject in the same binding, the same binding with another role,
and a permission that such a role did not have are findings like any other.
"""

from __future__ import annotations

import typing as t

_JOINING = "Group/system:bootstrappers:kubeadm:default-node-token"

#: Role and subjects of bindings.
BINDINGS: dict[str, tuple[str, tuple[str, ...]]] = {
    "ClusterRoleBinding/cluster-admin": ("ClusterRole/cluster-admin", ("Group/system:masters",)),
    "ClusterRoleBinding/kubeadm:cluster-admins": (
        "ClusterRole/cluster-admin",
        ("Group/kubeadm:cluster-admins",),
    ),
    "ClusterRoleBinding/kubeadm:apiserver-kubelet-client": (
        "ClusterRole/system:kubelet-api-admin",
        ("User/kube-apiserver-kubelet-client",),
    ),
    "ClusterRoleBinding/kubeadm:get-nodes": ("ClusterRole/kubeadm:get-nodes", (_JOINING,)),
    "ClusterRoleBinding/kubeadm:kubelet-bootstrap": ("ClusterRole/system:node-bootstrapper", (_JOINING,)),
    "ClusterRoleBinding/kubeadm:node-autoapprove-bootstrap": (
        "ClusterRole/system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        (_JOINING,),
    ),
    "ClusterRoleBinding/system:kube-controller-manager": (
        "ClusterRole/system:kube-controller-manager",
        ("User/system:kube-controller-manager",),
    ),
    "RoleBinding/kube-system/kubeadm:kubelet-config": (
        "Role/kube-system/kubeadm:kubelet-config",
        (_JOINING, "Group/system:nodes"),
    ),
    "RoleBinding/kube-system/kubeadm:nodes-kubeadm-config": (
        "Role/kube-system/kubeadm:nodes-kubeadm-config",
        (_JOINING, "Group/system:nodes"),
    ),
    "RoleBinding/kube-system/kubeadm:kubeadm-certs": ("Role/kube-system/kubeadm:kubeadm-certs", (_JOINING,)),
    "RoleBinding/kube-system/kube-proxy": ("Role/kube-system/kube-proxy", (_JOINING,)),
}

_CONTROLLER = "system:controller:"


def _controllers(*names: str) -> tuple[str, ...]:
    """Bindings of controllers; each has an account and a role with its name."""
    found = []
    for name in names:
        binding = f"ClusterRoleBinding/{_CONTROLLER}{name}"
        account = f"ServiceAccount/kube-system/{name}"
        BINDINGS[binding] = (f"ClusterRole/{_CONTROLLER}{name}", (account,))
        found.append(binding)
    return tuple(found)


def _local_controllers(*names: str) -> tuple[str, ...]:
    found = []
    for name in names:
        binding = f"RoleBinding/kube-system/{_CONTROLLER}{name}"
        account = f"ServiceAccount/kube-system/{name}"
        BINDINGS[binding] = (f"Role/kube-system/{_CONTROLLER}{name}", (account,))
        found.append(binding)
    return tuple(found)


_ADMINS = ("ClusterRoleBinding/cluster-admin", "ClusterRoleBinding/kubeadm:cluster-admins")
_MANAGER = ("ClusterRoleBinding/system:kube-controller-manager",)
_COLLECTOR = _controllers("generic-garbage-collector")
_MIGRATOR = _controllers("storage-version-migrator-controller")
_NAMESPACES = _controllers("namespace-controller")

#: Bindings that intentionally grant the permission of a check.
EXPECTED: t.Mapping[str, frozenset[str]] = {
    "5.1.1": frozenset(_ADMINS),
    "5.1.2": frozenset(
        (
            *_ADMINS,
            *_MANAGER,
            *_COLLECTOR,
            *_MIGRATOR,
            *_NAMESPACES,
            *_controllers("resourcequota-controller"),
            *_local_controllers("bootstrap-signer", "token-cleaner"),
        )
    ),
    "5.1.4": frozenset(
        (
            *_ADMINS,
            *_controllers(
                "cronjob-controller",
                "daemon-set-controller",
                "deployment-controller",
                "job-controller",
                "persistent-volume-binder",
                "replicaset-controller",
                "replication-controller",
                "statefulset-controller",
            ),
        )
    ),
    "5.1.8": frozenset((*_ADMINS, *_controllers("clusterrole-aggregation-controller"))),
    "5.1.9": frozenset((*_ADMINS, *_controllers("persistent-volume-binder"))),
    "5.1.10": frozenset(
        (
            *_ADMINS,
            *_COLLECTOR,
            *_MIGRATOR,
            *_NAMESPACES,
            "ClusterRoleBinding/kubeadm:apiserver-kubelet-client",
        )
    ),
    "5.1.11": frozenset((*_ADMINS, *_COLLECTOR, *_MIGRATOR, *_controllers("certificate-controller"))),
    "5.1.12": frozenset((*_ADMINS, *_COLLECTOR, *_MIGRATOR, *_NAMESPACES)),
    "5.1.13": frozenset((*_ADMINS, *_MANAGER)),
}

#: Default roles with wildcards.
WILDCARD_ROLES = frozenset(
    (
        "ClusterRole/cluster-admin",
        "ClusterRole/system:kube-controller-manager",
        "ClusterRole/system:kubelet-api-admin",
        f"ClusterRole/{_CONTROLLER}disruption-controller",
        f"ClusterRole/{_CONTROLLER}generic-garbage-collector",
        f"ClusterRole/{_CONTROLLER}horizontal-pod-autoscaler",
        f"ClusterRole/{_CONTROLLER}namespace-controller",
        f"ClusterRole/{_CONTROLLER}resourcequota-controller",
        f"ClusterRole/{_CONTROLLER}storage-version-migrator-controller",
    )
)

#: Bindings of bootstrap tokens.
JOINING = frozenset(
    (
        "ClusterRoleBinding/kubeadm:get-nodes",
        "ClusterRoleBinding/kubeadm:kubelet-bootstrap",
        "ClusterRoleBinding/kubeadm:node-autoapprove-bootstrap",
        "RoleBinding/kube-system/kubeadm:kubelet-config",
        "RoleBinding/kube-system/kubeadm:nodes-kubeadm-config",
        "RoleBinding/kube-system/kubeadm:kubeadm-certs",
        "RoleBinding/kube-system/kube-proxy",
    )
)


def is_built_in(binding: str, role: str, subject: str) -> bool:
    """Whether a binding to a subject is as Kubernetes or kubeadm created it."""
    expected_role, subjects = BINDINGS.get(binding, ("", ()))
    return role == expected_role and subject in subjects


def is_expected(check_id: str, binding: str, role: str, subject: str) -> bool:
    """Whether a grant of the permission of a check is intentional."""
    return binding in EXPECTED.get(check_id, ()) and is_built_in(binding, role, subject)
