# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What a control plane has beside etcd that its cluster cannot be made again without."""

from __future__ import annotations

import os
import re
import stat
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._backup.archive import FILES, Cluster
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import kubeconfig, yaml
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.manifests import (
    image_version,
    read,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node

PKI = f"{node.CONFIG_DIR}/pki"
#: Authorities and keys that every certificate, token and stored Secret depends on. The CA's key comes last: with it, a
#: host looks like a control plane.
AUTHORITIES = tuple(
    f"{PKI}/{name}"
    for name in (
        "etcd/ca.crt",
        "etcd/ca.key",
        "front-proxy-ca.crt",
        "front-proxy-ca.key",
        "sa.pub",
        "sa.key",
        "ca.crt",
        "ca.key",
    )
)
#: For whoever wants to look something up. They are made again from the inventory.
REFERENCE = (
    *node.CONTROL_PLANE_MANIFESTS,
    node.ETCD_MANIFEST,
    "/var/lib/kubelet/config.yaml",
    "/var/lib/kubelet/kubeadm-flags.env",
)
ENCRYPTION_ARGUMENT = "encryption-provider-config"
_MOST = 1 << 20


class SourceError(OperatorError):
    """The host is no control plane that can be backed up."""


@dataclass(frozen=True)
class Source:
    """A control plane.

    :param files: contents and modes by path. :param encryption: path of the API server's encryption configuration.
    :param image: of etcd.
    """

    cluster: Cluster
    node_name: str
    image: str
    files: t.Mapping[str, tuple[bytes, int]]
    encryption: str = ""

    def contents(self) -> dict[str, bytes]:
        """Contents by the name in an archive."""
        return {FILES + path: content for path, (content, _mode) in self.files.items()}


def restorable(path: str) -> bool:
    """Whether a file of a backup is placed on a host again. No backup may name any other one."""
    if path in AUTHORITIES:
        return True
    plain = re.fullmatch(r"/etc/kubernetes(?:/[A-Za-z0-9][A-Za-z0-9._-]*)+", path) is not None
    return plain and not path.startswith((f"{PKI}/", f"{node.MANIFESTS}/")) and not path.endswith(".conf")


def observe(root: str, cluster_name: str, host: str) -> Source:
    """Read the files of a control plane.

    :raises SourceError: when it is none, or lacks a key.
    """
    state = node.observe(root)
    if state.membership.state != "member" or state.membership.role != "control_plane":
        raise SourceError(
            f"{host} is no complete control plane ({state.membership.state}).",
            "Run the playbook site, which completes it, or back up on another control plane.",
        )
    manifests = {}
    for component in ("etcd", "kube-apiserver", "kube-controller-manager"):
        text = node.read_text(root, f"{node.MANIFESTS}/{component}.yaml")
        if component == "etcd" and text is None:
            raise SourceError(
                f"{host} has no etcd of its own: {node.ETCD_MANIFEST} does not exist.",
                "Back up an external etcd with its own tools.",
            )
        try:
            manifests[component] = read(component, text or "")
        except ValueError as exc:
            raise SourceError(
                f"{host}: {node.MANIFESTS}/{component}.yaml cannot be read ({exc}).",
                "Run the playbook site, which restores it.",
            ) from exc
    api_server = manifests["kube-apiserver"]
    encryption = api_server.argument(ENCRYPTION_ARGUMENT) or ""
    files = {
        path: _content(root, path, host) for path in (*AUTHORITIES, *([encryption] if encryption else []))
    }
    for path in REFERENCE:
        if os.path.isfile(node.under(root, path)):
            files[path] = _content(root, path, host)
    cluster = Cluster(
        name=cluster_name,
        id=state.cluster_id or "",
        endpoint=_endpoint(root),
        kubernetes_version=image_version(api_server.image).lstrip("v"),
        service_cidr=api_server.argument("service-cluster-ip-range") or "",
        pod_cidr=manifests["kube-controller-manager"].argument("cluster-cidr") or "",
        dns_domain=_dns_domain(root),
        encrypts=bool(encryption),
    )
    return Source(cluster, state.node_name or host, manifests["etcd"].image, files, encryption)


def _content(root: str, path: str, host: str) -> tuple[bytes, int]:
    try:
        with open(node.under(root, path), "rb") as handle:
            content = handle.read(_MOST + 1)
            mode = stat.S_IMODE(os.fstat(handle.fileno()).st_mode)
    except OSError as exc:
        raise SourceError(
            f"{host}: {path} cannot be read: {exc.strerror}. Expected every key of the cluster.",
            "A backup without it could not be restored. Back up on a control plane that has it.",
        ) from exc
    if len(content) > _MOST:
        raise SourceError(f"{host}: {path} has more than {_MOST} bytes.", "Find out what it is.")
    return content, mode


def _endpoint(root: str) -> str:
    """Address and port of the API, as the administrator has them."""
    try:
        return (
            kubeconfig.parse(node.read_text(root, node.ADMIN_CONF) or "")
            .server.partition("://")[2]
            .rstrip("/")
        )
    except kubeconfig.KubeconfigError:
        return ""


def _dns_domain(root: str) -> str:
    try:
        found = yaml.load(node.read_text(root, "/var/lib/kubelet/config.yaml") or "")
        return str(found.get("clusterDomain") or "")
    except (ValueError, AttributeError):
        return ""
