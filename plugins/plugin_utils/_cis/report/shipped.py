# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Exemptions that the collection ships for what it deploys itself.

They have the form of a site's own exemptions, and need no last day: each release reviews them.
"""

from __future__ import annotations

import typing as t

_PROFILES = ["cis-1.12", "cis-2.0", "cis-2.1"]
_OWNER = "baremetal.kubernetes"
_AGENTS = ["DaemonSet/kube-system/cilium", "DaemonSet/kube-system/cilium-envoy"]
_OPERATOR = ["Deployment/kube-system/cilium-operator"]
_CERT_MANAGER = ["ServiceAccount/cert-manager/cert-manager"]
_CAINJECTOR = ["ServiceAccount/cert-manager/cert-manager-cainjector"]
_NODE_NETWORK = (
    "Cilium provides the Pod network: its agents run in the host's network, and need privileges to program"
    " the kernel,"
    " before there is a Pod network."
)
_NFS_NODE = "DaemonSet/storage-nfs/csi-nfs-node"
_NFS_DRIVER = [_NFS_NODE, "Deployment/storage-nfs/csi-nfs-controller"]
_NFS_NAMESPACE = ["Namespace/storage-nfs"]
_MOUNTS = (
    "csi-driver-nfs mounts exports: that needs a privileged container, and connections of the host's network, which"
    " outlive the Pod. They are in a namespace of their own, in which nobody but administrators makes Pods."
)

_INGRESS = "Namespace/ingress"
_HOST_PORTS = (
    "Where ingress_exposure is host_port, Traefik has ports of its hosts, which only the Pod Security level"
    " privileged allows."
    " Its own Pods take no further privilege; who may create Pods in its namespace decides about others."
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
        "AlwaysPullImages makes every Pod start depend on a registry: while that is unavailable, no node"
        " recovers. A site"
        " whose teams share nodes and have private images enables it with control_plane_admission_plugins.",
    ),
    _exemption(
        "5.1.2",
        "The Cilium operator reads Secrets that its network policies may reference.",
        ["ServiceAccount/kube-system/cilium-operator"],
    ),
    _exemption(
        "5.1.2",
        "Traefik serves the certificates of all namespaces, which are Secrets next to their Ingresses and"
        " Gateways. Nobody but administrators can run a Pod with its account.",
        ["ServiceAccount/ingress/traefik"],
    ),
    _exemption(
        "5.1.4",
        "The Cilium operator manages the agents in its own namespace.",
        ["ServiceAccount/kube-system/cilium-operator"],
    ),
    _exemption(
        "5.1.2",
        "cert-manager keeps certificates in Secrets of any namespace that asks for one, and its cainjector reads"
        " the CAs of webhooks there.",
        [*_CERT_MANAGER, *_CAINJECTOR],
    ),
    _exemption(
        "5.1.4",
        "cert-manager answers HTTP-01 challenges by a Pod in the namespace of the certificate.",
        _CERT_MANAGER,
    ),
    _exemption(
        "5.1.12",
        "The cainjector of cert-manager writes the CA into admission webhooks whose annotations ask for it.",
        _CAINJECTOR,
    ),
    _exemption(
        "5.1.7",
        "kubeadm leaves super-admin.conf, readable by root only, on the host where the cluster was"
        " initialised, in case"
        " RBAC itself is broken. Nothing uses it; it can be moved to a safe place.",
        ["Certificate/kubernetes-super-admin"],
    ),
    _exemption(
        "5.1.11",
        "The approver on every control plane only approves requests for kubelet serving certificates whose"
        " names and"
        " addresses match the inventory and the Node object, so that these certificates are rotated"
        " automatically.",
        ["User/baremetal-kubernetes:kubelet-csr-approver"],
    ),
    _exemption("5.2.2", _NODE_NETWORK, _AGENTS),
    _exemption("5.2.5", _NODE_NETWORK, [*_AGENTS, *_OPERATOR]),
    _exemption("5.2.6", _NODE_NETWORK, _AGENTS),
    _exemption("5.2.7", _NODE_NETWORK, [*_AGENTS, *_OPERATOR]),
    _exemption(
        "5.2.7",
        "kubeadm's CoreDNS listens on port 53, which needs root without a kernel setting.",
        ["Deployment/kube-system/coredns"],
    ),
    _exemption("5.2.8", _NODE_NETWORK, _AGENTS),
    _exemption("5.2.9", _NODE_NETWORK, _AGENTS),
    _exemption("5.2.11", _NODE_NETWORK, _AGENTS),
    *(_exemption(f"5.2.{number}", _HOST_PORTS, [_INGRESS]) for number in (*range(1, 10), 11)),
    _exemption("5.2.12", _HOST_PORTS, [_INGRESS, "DaemonSet/ingress/traefik"]),
    _exemption(
        "5.3.2",
        "The namespace has Secrets for Cilium; no Pod runs in it.",
        ["Namespace/cilium-secrets"],
    ),
    _exemption(
        "5.1.9",
        "The controller of csi-driver-nfs makes a PersistentVolume for each claim of its StorageClasses.",
        ["ServiceAccount/storage-nfs/csi-nfs-controller"],
    ),
    _exemption("5.2.1", _MOUNTS, _NFS_NAMESPACE),
    *(
        _exemption(check, _MOUNTS, [*_NFS_DRIVER, *_NFS_NAMESPACE])
        for check in ("5.2.2", "5.2.5", "5.2.6", "5.2.7", "5.2.8", "5.2.9")
    ),
    *(_exemption(check, _MOUNTS, _NFS_NAMESPACE) for check in ("5.2.3", "5.2.4", "5.2.12")),
    _exemption(
        "5.2.11",
        "The node plugin of csi-driver-nfs has the kubelet's directories of plugins and of Pods, where it is"
        " registered and where it mounts volumes for Pods.",
        [_NFS_NODE, *_NFS_NAMESPACE],
    ),
    _exemption("5.6.2", _NODE_NETWORK, _AGENTS),
    _exemption("5.6.2", _MOUNTS, _NFS_DRIVER),
    _exemption("5.6.3", _NODE_NETWORK, _AGENTS),
)
