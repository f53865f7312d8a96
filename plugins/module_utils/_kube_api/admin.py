# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The client of the API server for hosts, with the kubeconfig files that kubeadm writes there."""

from __future__ import annotations

import os
from dataclasses import replace

from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import yaml
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats.kubeconfig import (
    Kubeconfig,
    KubeconfigError,
    parse,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import (
    Client,
    CredentialsError,
    connection_from,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import (
    ADMIN_CONF,
    CONFIG_DIR,
    CONTROL_PLANE_MANIFESTS,
    read_text,
    under,
)

# kubeadm annotates the API server's manifest with its address; admin.conf may name a load balancer.
_ADVERTISED = "kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint"
_NEXT_STEP = "Create it again with: kubeadm init phase kubeconfig admin"


class Api(Client):
    """Requests as the administrator of C(admin.conf), or as the user of another kubeconfig of this host.

    :param root: directory that stands for C(/). :param seconds: how long one answer may take.
    :param kubeconfig: its path; those below C(/etc/kubernetes) lead to the API server of the host itself.
    :raises CredentialsError: when the kubeconfig is missing or unusable.
    """

    def __init__(self, root: str = "/", seconds: float = 10, kubeconfig: str = ADMIN_CONF) -> None:
        host = os.uname().nodename
        path = f"{host}: {under(root, kubeconfig)}"
        text = read_text(root, kubeconfig)
        if text is None:
            where = "a control plane" if kubeconfig == ADMIN_CONF else "a node of the cluster"
            raise CredentialsError(
                f"{path} cannot be read, so there are no credentials for the API server.",
                f"Run this on {where}, as root.",
            )
        try:
            config = _with_files(parse(text), root)
        except KubeconfigError as exc:
            raise CredentialsError(f"{path} is no usable kubeconfig: {exc}.", _NEXT_STEP) from exc
        server = _own_server(root) if kubeconfig.startswith(f"{CONFIG_DIR}/") else None
        #: PEM of the cluster's CA.
        self.ca = (config.ca or b"").decode("ascii", "replace")
        super().__init__(connection_from(config, path, server, _NEXT_STEP, host), seconds)


def _own_server(root: str) -> str | None:
    """URL of the API server that this host runs, C(None) when its manifest is missing or does not say."""
    try:
        manifest = yaml.load(read_text(root, CONTROL_PLANE_MANIFESTS[0]) or "")
        address = manifest["metadata"]["annotations"][_ADVERTISED]
    except (yaml.YamlError, KeyError, TypeError):
        return None
    return f"https://{address}"


def _with_files(config: Kubeconfig, root: str) -> Kubeconfig:
    """The kubeconfig with the certificate and key that it names by path, as the kubelet's does."""

    def content(own: bytes | None, path: str | None) -> bytes | None:
        text = read_text(root, path) if own is None and path else None
        return text.encode() if text is not None else own

    return replace(
        config,
        client_cert=content(config.client_cert, config.client_cert_path),
        client_key=content(config.client_key, config.client_key_path),
    )
