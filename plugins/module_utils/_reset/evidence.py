# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Whose a data directory is, by what proves it. Pure.

That the collection was at work on a host proves nothing of a directory that a distribution's etcd or containerd uses.
"""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.model import (
    NAMESPACE,
    Observation,
)

ETCD = "/var/lib/etcd"
CONTAINERD = "/var/lib/containerd"
KUBELET = "/var/lib/kubelet"
CONFIG = node.CONFIG_DIR
# Directories whose contents nobody can make again, with those that their owner makes beside them.
STORES: dict[str, tuple[str, ...]] = {
    CONFIG: (),
    KUBELET: ("/var/log/pods", "/var/log/containers"),
    ETCD: (),
    CONTAINERD: ("/run/containerd", "/run/nri"),
}
# Certificates of an etcd that kubeadm created on this host.
ETCD_FILES = (f"{CONFIG}/pki/etcd/ca.crt", f"{CONFIG}/pki/etcd/ca.key")


def _from_kubeadm(seen: Observation, path: str) -> bool:
    """Whether kubeadm's files say that a directory is its node's."""
    files = set(seen.files)
    if path == ETCD:
        return seen.etcd_data == ETCD or bool(files.intersection(ETCD_FILES))
    return any(name.startswith(f"{path}/") for name in files)


def not_ours(seen: Observation, path: str) -> str:
    """Why a store does not count as the collection's, empty when it does.

    It does when a role found it empty or created it, or by files of kubeadm, or containerd's own metadata. On a file
    system of its own, or behind a link, there may be more than that, so that only what was found empty counts.
    """
    entry = seen.entry(path)
    if entry is None or entry.empty or path in seen.record.data:
        return ""
    if entry.keep:
        return "is a mount point or a link, and was in use before this collection came"
    if path in seen.record.directories:
        return ""
    if path == CONTAINERD:
        return _containerd(seen)
    return "" if _from_kubeadm(seen, path) else "holds nothing that proves it to be of this collection"


def _containerd(seen: Observation) -> str:
    if seen.namespaces is None:
        return "was in use before this collection came, and its metadata cannot be read"
    others = foreign_namespaces(seen)
    if others:
        return f"was in use before this collection came; it holds the namespaces {', '.join(others)}"
    return ""


def foreign_namespaces(seen: Observation) -> tuple[str, ...]:
    """Namespaces of containerd that are not Kubernetes' and hold anything."""
    return tuple(name for name in seen.namespaces or () if name != NAMESPACE)


def foreign(seen: Observation) -> dict[str, str]:
    """Store -> why it is not the collection's, of those that are not."""
    found = {path: not_ours(seen, path) for path in STORES}
    return {path: why for path, why in found.items() if why}


def owned(seen: Observation) -> tuple[str, ...]:
    """Stores that are there and are the collection's."""
    return tuple(path for path in STORES if seen.entry(path) is not None and not not_ours(seen, path))


def with_beside(paths: t.Iterable[str]) -> set[str]:
    """Stores with what their owner makes beside them."""
    return {name for path in paths for name in (path, *STORES[path])}
