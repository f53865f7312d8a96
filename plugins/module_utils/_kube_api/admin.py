# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Requests to the host's own API server."""

from __future__ import annotations

import re
from dataclasses import replace

from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import kubeconfig as reader
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api import client
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import KubeadmError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import (
    ADMIN_CONF,
    CONFIG_DIR,
    CONTROL_PLANE_MANIFESTS,
    read_text,
    under,
)

UnreachableError = client.UnreachableError
private_dir = client.private_dir

# kubeadm writes the address of the local API server into its manifest; admin.conf may name a load balancer.
_ADVERTISED = re.compile(r"kube-apiserver\.advertise-address\.endpoint:\s*[\"']?([^\s\"']+)")
_REMEDY = "Make it anew with: kubeadm init phase kubeconfig admin"


class Api(client.Client):
    """Requests as the administrator of C(admin.conf), or as the user of another kubeconfig.

    :param root: folder that stands for C(/). :param timeout: seconds per request. :param kubeconfig: its path; one of
        the host's own asks the host's own API server.
    :raises KubeadmError: when the kubeconfig is missing or unusable.
    """

    error = KubeadmError

    def __init__(self, root: str = "/", timeout: float = 10, kubeconfig: str = ADMIN_CONF) -> None:
        path = under(root, kubeconfig)
        text = read_text(root, kubeconfig)
        if text is None:
            raise KubeadmError(
                f"{path} cannot be read, so the API server cannot be asked.",
                "Run this on a node of the cluster, as root."
                if kubeconfig != ADMIN_CONF
                else "Run this on a control plane, as root.",
            )
        try:
            config = _with_files(reader.parse(text), root)
        except reader.KubeconfigError as exc:
            raise KubeadmError(f"{path} is no usable kubeconfig: {exc}.", _REMEDY) from exc
        advertised = None
        if kubeconfig.startswith(f"{CONFIG_DIR}/"):
            advertised = _ADVERTISED.search(read_text(root, CONTROL_PLANE_MANIFESTS[0]) or "")
        super().__init__(
            config, path, f"https://{advertised.group(1)}" if advertised else None, _REMEDY, timeout
        )


def _with_files(config: reader.Kubeconfig, root: str) -> reader.Kubeconfig:
    """The kubeconfig with the certificate and key that it names by path, as the kubelet's does."""

    def content(own: bytes | None, path: str | None) -> bytes | None:
        text = read_text(root, path) if own is None and path else None
        return text.encode() if text is not None else own

    return replace(
        config,
        client_cert=content(config.client_cert, config.client_cert_path),
        client_key=content(config.client_key, config.client_key_path),
    )
