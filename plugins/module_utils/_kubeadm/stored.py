# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What the cluster stores of kubeadm's configuration: the ConfigMaps C(kubeadm-config) and C(kubelet-config)."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.admin import Api
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import UnreachableError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import Host
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node

_CONFIG_MAPS = "/api/v1/namespaces/kube-system/configmaps"
# An API server that restarts answers after a moment.
_ATTEMPTS = 3
_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class StoredConfiguration:
    """What the cluster stores.

    :param unreachable: why the API server does not answer, empty when it does. The others are unknown then.
    :param cluster: ClusterConfiguration. :param kubelet: KubeletConfiguration.
    """

    cluster: str | None = None
    kubelet: str | None = None
    unreachable: str = ""


class ConfigMaps:
    """Reads the ConfigMaps as a host may."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def by_control_plane(self) -> StoredConfiguration:
        """As the administrator, from this host's own API server."""
        for attempt in range(_ATTEMPTS):
            if self._host.unready() is None:
                with contextlib.suppress(UnreachableError):
                    return self._read(Api(self._host.root))
            if attempt + 1 < _ATTEMPTS:
                time.sleep(_POLL_SECONDS)
        return StoredConfiguration(unreachable=f"{self._host.name}: the API server does not answer.")

    def by_worker(self) -> StoredConfiguration:
        """As the node, from the API server that its kubelet uses."""
        api = Api(self._host.root, kubeconfig=node.KUBELET_CONF)
        try:
            return self._read(api)
        except UnreachableError as exc:
            reason = f"{self._host.name}: the API server {api.server} does not answer: {exc.reason}."
            return StoredConfiguration(unreachable=reason)

    @staticmethod
    def _read(api: Api) -> StoredConfiguration:
        def data(name: str, key: str) -> str | None:
            value = ((api.get(f"{_CONFIG_MAPS}/{name}") or {}).get("data") or {}).get(key)
            return str(value) if value is not None else None

        return StoredConfiguration(
            data("kubeadm-config", "ClusterConfiguration"), data("kubelet-config", "kubelet")
        )
