# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Leave the virtual IP address of the API to another control plane before the API server of this host restarts.

Keepalived would notice by itself, after two failed checks and some seconds in which nobody answers at the address.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
import typing as t
from urllib.parse import urlsplit

from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import kubeconfig
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.admin import Api
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import ApiError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import Host
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import interfaces, probe
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node

#: While this file is younger than two minutes, the check of the role api_endpoint fails (check-api-server.j2). Its
#: directory exists while keepalived of that role runs.
FLAG = "/run/kubernetes-api-endpoint/handed-over"
# An API server uses the etcd of its own host alone.
_SERVING = frozenset({"etcd", "kube-apiserver"})
# The API servers that work, by the addresses that they announce (the master lease expires after 15 s).
_SERVERS = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"
# The check runs every two seconds and has to fail twice; what is left is for a busy host.
_GIVEN_SECONDS = 12.0
# A peer takes the address within a second when it is told.
_TAKEN_SECONDS = 5.0
_POLL_SECONDS = 0.2


def holds(root: str, address: str) -> bool:
    """Whether an address is one of this host's."""
    return bool(interfaces.interfaces_with(interfaces.observe(root), address))


def answers(address: str, port: int) -> bool:
    """Whether something accepts connections there."""
    with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
        return True
    return False


def _until(condition: t.Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _others(root: str, own: t.Collection[str]) -> bool:
    """Whether another API server works, as far as that of this host tells."""
    try:
        found = Api(root, seconds=3).get(_SERVERS) or {}
    except ApiError:
        return False
    addresses = {
        address for endpoint in found.get("endpoints") or () for address in endpoint.get("addresses") or ()
    }
    return any(address not in own and not holds(root, address) for address in addresses)


def _raise_flag(path: str) -> bool:
    with contextlib.suppress(OSError), open(path, "w", encoding="ascii"):
        os.utime(path)
        return True
    return False


@contextlib.contextmanager
def handed_over(host: Host, components: t.Collection[str]) -> t.Iterator[bool]:
    """Have another control plane hold the virtual IP address meanwhile, if this host holds it and there is another.

    Nothing depends on it but the length of an interruption, so it never fails: whoever does not take the address in
    time does not keep this host from its work. A run that is killed leaves a file that counts for two minutes.

    :param components: those that are about to restart; without the API server or etcd there is nothing to do.
    :return: whether the address was handed over.
    """
    flag = node.under(host.root, FLAG)
    concerned = _SERVING.intersection(components) and os.path.isdir(os.path.dirname(flag))
    target = _held(host.root) if concerned else None
    if target is None:
        yield False
        return
    address, port = target
    try:
        yield (
            _raise_flag(flag)
            and _until(lambda: not holds(host.root, address), _GIVEN_SECONDS)
            and _until(lambda: answers(address, port), _TAKEN_SECONDS)
        )
    finally:
        with contextlib.suppress(OSError):
            os.unlink(flag)


def _endpoint(root: str) -> str:
    """URL of the API endpoint, empty without a usable kubeconfig of the administrator."""
    try:
        return kubeconfig.parse(node.read_text(root, node.ADMIN_CONF) or "").server
    except kubeconfig.KubeconfigError:
        return ""


def _held(root: str) -> tuple[str, int] | None:
    """Address and port of the API endpoint, if this host holds the address and another could."""
    url = urlsplit(_endpoint(root))
    try:
        own = urlsplit(Api(root).server).hostname or ""
    except ApiError:
        return None
    port = url.port or 443
    for address in probe.resolve(url.hostname or "")[0]:
        if address != own and holds(root, address) and _others(root, {own, address}):
            return address, port
    return None
