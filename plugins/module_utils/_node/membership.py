# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Membership of a host in a cluster, from the files of kubeadm and of this collection. All paths are below a root."""

from __future__ import annotations

import os
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import kubeconfig, x509, yaml

CONFIG_DIR = "/etc/kubernetes"
KUBELET_CONF = f"{CONFIG_DIR}/kubelet.conf"
BOOTSTRAP_CONF = f"{CONFIG_DIR}/bootstrap-kubelet.conf"
ADMIN_CONF = f"{CONFIG_DIR}/admin.conf"
CA_CERT = f"{CONFIG_DIR}/pki/ca.crt"
CA_KEY = f"{CONFIG_DIR}/pki/ca.key"
#: What a node keeps while the CA of its cluster is rotated.
CA_ROTATION = f"{CONFIG_DIR}/ca-rotation"
MANIFESTS = f"{CONFIG_DIR}/manifests"
ETCD_DATA = "/var/lib/etcd/member"
ETCD_MANIFEST = f"{MANIFESTS}/etcd.yaml"
CONTROL_PLANE_MANIFESTS = tuple(
    f"{MANIFESTS}/{name}.yaml" for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
)

# What kubeadm 1.35 to 1.37 writes on control planes only (cmd/kubeadm/app/constants/constants.go).
CONTROL_PLANE_FILES = (
    ADMIN_CONF,
    f"{CONFIG_DIR}/super-admin.conf",
    f"{CONFIG_DIR}/controller-manager.conf",
    f"{CONFIG_DIR}/scheduler.conf",
    *CONTROL_PLANE_MANIFESTS,
    ETCD_MANIFEST,
    CA_KEY,
    f"{CONFIG_DIR}/pki/apiserver.crt",
    f"{CONFIG_DIR}/pki/sa.key",
    f"{CONFIG_DIR}/pki/front-proxy-ca.crt",
    f"{CONFIG_DIR}/pki/etcd/ca.crt",
    ETCD_DATA,
)
# What kubeadm writes on every node.
NODE_FILES = (
    KUBELET_CONF,
    BOOTSTRAP_CONF,
    CA_CERT,
    "/var/lib/kubelet/config.yaml",
    "/var/lib/kubelet/kubeadm-flags.env",
)
KNOWN_FILES = (*NODE_FILES, *CONTROL_PLANE_FILES)


@dataclass(frozen=True)
class Membership:
    """Whether a host is a node.

    :param state: C(fresh) (no file of kubeadm), C(partial) (partially joined) or C(member).
    :param role: C(control_plane), C(worker), or C(None) when the files do not determine it.
    :param missing: files that a member of this role has and this host lacks.
    """

    state: str
    role: str | None
    missing: tuple[str, ...] = ()


def classify(files: t.Collection[str], local_etcd: bool = False) -> Membership:
    """Determine the membership from the known files that exist.

    A member has C(kubelet.conf); a control plane also C(admin.conf) and the manifests of API server, controller manager
    and scheduler, and of etcd unless that is external.

    :param local_etcd: whether the API server uses an etcd on its own host.
    """
    own = set(files)
    if not own:
        return Membership("fresh", None)
    if own & set(CONTROL_PLANE_FILES):
        wanted = [KUBELET_CONF, ADMIN_CONF, CA_CERT, *CONTROL_PLANE_MANIFESTS]
        if local_etcd or ETCD_DATA in own:
            wanted.append(ETCD_MANIFEST)
        missing = tuple(path for path in wanted if path not in own)
        return Membership("partial" if missing else "member", "control_plane", missing)
    if KUBELET_CONF in own:
        missing = () if CA_CERT in own else (CA_CERT,)
        return Membership("partial" if missing else "member", "worker", missing)
    return Membership("partial", "worker" if BOOTSTRAP_CONF in own else None, (KUBELET_CONF,))


# Where the kubelet stores an issued serving certificate (pkg/kubelet/certificate/kubelet.go).
KUBELET_SERVING = "/var/lib/kubelet/pki/kubelet-server-current.pem"


@dataclass(frozen=True)
class KubernetesState:
    """Everything that the host's files tell about its cluster.

    :param cluster_id: C(sha256:<hex>) of the cluster CA's public key, as in kubeadm's discovery; that of the former CA
        until a CA rotation has ended on this host.
    :param new_cluster_id: the same of the new CA while a CA rotation is under way.
    :param node_name: from the kubelet's client certificate, C(None) before the node joined.
    :param static_pods: names of the manifests.
    :param verifies_kubelets: whether the API server on this host verifies kubelets' serving certificates, or, while it
        has no manifest, whether this host's kubelet has one of the cluster's CA.
    :param encrypts: whether the API server on this host has a configuration of encryption at rest.
    """

    membership: Membership
    files: tuple[str, ...]
    cluster_id: str | None
    api_server: str | None
    node_name: str | None
    static_pods: tuple[str, ...]
    verifies_kubelets: bool = False
    encrypts: bool = False
    new_cluster_id: str | None = None


def arguments(manifest: str | None) -> dict[str, str]:
    """Arguments of a static Pod's container; none when the manifest is missing or cannot be read."""
    try:
        container = yaml.load(manifest or "")["spec"]["containers"][0]
        words = [*(container.get("command") or ()), *(container.get("args") or ())]
    except (yaml.YamlError, AttributeError, KeyError, IndexError, TypeError):
        return {}
    pairs = (str(word)[2:].partition("=") for word in words if str(word).startswith("--"))
    return {name: value for name, _sep, value in pairs}


def uses_local_etcd(apiserver: t.Mapping[str, str]) -> bool:
    """Whether the API server's arguments name an etcd on the loopback interface, as kubeadm writes them."""
    return bool(re.search(r"//(127\.|\[::1\]|localhost)", apiserver.get("etcd-servers", "")))


def read_text(root: str, path: str) -> str | None:
    """Content of a text file below C(root), C(None) when it cannot be read."""
    try:
        with open(under(root, path), encoding="utf-8", errors="replace") as handle:
            return handle.read()
    except OSError:
        return None


def names_in(root: str, path: str, most: int = 5) -> tuple[str, ...]:
    """Names in a directory below C(root), the first ones only; none when it cannot be read."""
    try:
        return tuple(sorted(os.listdir(under(root, path)))[:most])
    except OSError:
        return ()


def under(root: str, path: str) -> str:
    """C(path) below C(root)."""
    return os.path.join(root, path.lstrip("/"))


def _certificate(text: str | None) -> x509.Certificate | None:
    try:
        return x509.parse_pem(text) if text else None
    except x509.CertificateError:
        return None


def _kubelet_certificate(root: str, config: kubeconfig.Kubeconfig) -> x509.Certificate | None:
    if config.client_cert:
        return _certificate(config.client_cert.decode("ascii", "replace"))
    if not config.client_cert_path:
        return None
    path = under(root, config.client_cert_path)
    if os.path.islink(path):
        # The kubelet's link to its newest certificate is absolute; it has to be resolved below the root.
        return _certificate(
            read_text(root, os.path.join(os.path.dirname(config.client_cert_path), os.readlink(path)))
        )
    return _certificate(read_text(root, config.client_cert_path))


def observe(root: str = "/") -> KubernetesState:
    """Read the host's files.

    :param root: directory that stands for C(/).
    """
    files = tuple(path for path in KNOWN_FILES if os.path.exists(under(root, path)))
    config: kubeconfig.Kubeconfig | None = None
    text = read_text(root, KUBELET_CONF)
    if text:
        try:
            config = kubeconfig.parse(text)
        except kubeconfig.KubeconfigError:
            config = None
    new = _certificate(read_text(root, f"{CA_ROTATION}/ca.crt"))
    former = _certificate(read_text(root, f"{CA_ROTATION}/former.crt"))
    ca = former or _certificate(read_text(root, CA_CERT))
    identity = _kubelet_certificate(root, config) if config else None
    prefix = "system:node:"
    name = None
    if identity is not None and identity.common_name.startswith(prefix):
        name = identity.common_name[len(prefix) :]
    try:
        pods = sorted(
            entry[: -len(".yaml")] for entry in os.listdir(under(root, MANIFESTS)) if entry.endswith(".yaml")
        )
    except OSError:
        pods = []
    manifest = read_text(root, CONTROL_PLANE_MANIFESTS[0])
    apiserver = arguments(manifest)
    return KubernetesState(
        membership=classify(files, uses_local_etcd(apiserver)),
        files=files,
        cluster_id=ca.public_key_hash if ca else None,
        api_server=config.server if config else None,
        node_name=name,
        static_pods=tuple(pods),
        verifies_kubelets=(
            os.path.lexists(under(root, KUBELET_SERVING))
            if manifest is None
            else "kubelet-certificate-authority" in apiserver
        ),
        encrypts="encryption-provider-config" in apiserver,
        new_cluster_id=new.public_key_hash if new else None,
    )
