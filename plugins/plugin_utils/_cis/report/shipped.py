# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Exemptions that the collection ships for what it itself does to a cluster.

They have the form of a site's own ones, and need no end: each release looks at them again.
"""

from __future__ import annotations

import typing as t

_PROFILES = ["cis-1.12", "cis-2.0", "cis-2.1"]
_OWNER = "baremetal.kubernetes"
_AGENTS = ["DaemonSet/kube-system/cilium", "DaemonSet/kube-system/cilium-envoy"]
_OPERATOR = ["Deployment/kube-system/cilium-operator"]
_NODE_NETWORK = (
    "Cilium programs the network of the node for all Pods: its agents work in the kernel and in the network of the"
    " host, with the rights that this takes, and before there is a network of Pods."
)


def _exemption(check: str, reason: str, subjects: t.Sequence[str] = ()) -> dict[str, t.Any]:
    return {
        "profile": list(_PROFILES),
        "id": check,
        "reason": reason,
        "owner": _OWNER,
        "subjects": list(subjects),
    }


EXEMPTIONS: tuple[dict[str, t.Any], ...] = (
    _exemption(
        "1.2.11",
        "AlwaysPullImages makes every start of a Pod depend on a registry: while that is away, no node recovers. A site"
        " whose teams have private images on shared nodes turns it on with control_plane_admission_plugins.",
    ),
    _exemption(
        "5.1.2",
        "The operator of Cilium reads Secrets that its network policies may name.",
        ["ServiceAccount/kube-system/cilium-operator"],
    ),
    _exemption(
        "5.1.4",
        "The operator of Cilium manages the agents in its own namespace.",
        ["ServiceAccount/kube-system/cilium-operator"],
    ),
    _exemption(
        "5.1.7",
        "kubeadm leaves super-admin.conf on the host that made the cluster, for root alone, for the day on which RBAC"
        " itself is broken. Nothing uses it; it can be moved to a safe place.",
        ["Certificate/kubernetes-super-admin"],
    ),
    _exemption(
        "5.1.11",
        "The approver on every control plane approves requests of kubelets for serving certificates alone, whose names"
        " and addresses match the inventory and the Node object, so that these are renewed without a person.",
        ["User/baremetal-kubernetes:kubelet-csr-approver"],
    ),
    _exemption("5.2.2", _NODE_NETWORK, _AGENTS),
    _exemption("5.2.5", _NODE_NETWORK, [*_AGENTS, *_OPERATOR]),
    _exemption("5.2.6", _NODE_NETWORK, _AGENTS),
    _exemption("5.2.7", _NODE_NETWORK, [*_AGENTS, *_OPERATOR]),
    _exemption(
        "5.2.7",
        "kubeadm's CoreDNS takes port 53, which a user other than root may not without a setting of the kernel.",
        ["Deployment/kube-system/coredns"],
    ),
    _exemption("5.2.8", _NODE_NETWORK, _AGENTS),
    _exemption("5.2.9", _NODE_NETWORK, _AGENTS),
    _exemption("5.2.11", _NODE_NETWORK, _AGENTS),
    _exemption(
        "5.3.2",
        "The namespace holds Secrets for Cilium; no Pod runs in it.",
        ["Namespace/cilium-secrets"],
    ),
    _exemption("5.6.2", _NODE_NETWORK, _AGENTS),
    _exemption("5.6.3", _NODE_NETWORK, _AGENTS),
)
