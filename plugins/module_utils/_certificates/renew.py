# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Renew certificates of a control plane with kubeadm, and have its components read them."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import time
import typing as t
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

from ansible_collections.baremetal.kubernetes.plugins.module_utils._certificates import observe, plan
from ansible_collections.baremetal.kubernetes.plugins.module_utils._certificates.plan import CertificatesError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._daemon.manager import start_time
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import kubeconfig, x509
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.admin import Api
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import documents, manifests
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.components import (
    KUBELET_SECONDS,
    ControlPlane,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.handover import handed_over
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import Host
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import tls

_CRI_SOCKET = "unix:///run/containerd/containerd.sock"
_ETCD_CLIENT = ("/etc/kubernetes/pki/etcd/peer.crt", "/etc/kubernetes/pki/etcd/peer.key")
_POLL_SECONDS = 1.0
# The API server reads its serving certificate again once a minute, etcd for each connection.
_SERVED_SECONDS = 75.0


def configuration(host: Host, cluster: t.Mapping[str, t.Any]) -> bytes:
    """What kubeadm reads instead of asking the cluster, which may not answer.

    :param cluster: fields of a ClusterConfiguration, as C(certificateValidityPeriod).
    """
    server = "https://127.0.0.1:6443"
    with contextlib.suppress(kubeconfig.KubeconfigError):
        server = kubeconfig.parse(node.read_text(host.root, node.ADMIN_CONF) or "").server
    version = ""
    with contextlib.suppress(ValueError):
        path = node.CONTROL_PLANE_MANIFESTS[0]
        image = manifests.read("kube-apiserver", node.read_text(host.root, path) or "").image
        version = manifests.image_version(image)
    address = urlsplit(server)
    own: dict[str, t.Any] = {
        "apiVersion": documents.API_VERSION,
        "kind": "InitConfiguration",
        "nodeRegistration": {"criSocket": _CRI_SOCKET},
    }
    # What kubeadm would otherwise detect on the host, and might not find.
    advertised = "127.0.0.1"
    with contextlib.suppress(ValueError):
        advertised = str(ipaddress.ip_address(address.hostname or ""))
    own["localAPIEndpoint"] = {"advertiseAddress": advertised, "bindPort": address.port or 443}
    shared: dict[str, t.Any] = {
        "apiVersion": documents.API_VERSION,
        "kind": "ClusterConfiguration",
        "controlPlaneEndpoint": address.netloc,
        **cluster,
    }
    if version:
        # Without a version kubeadm asks the internet for one.
        shared["kubernetesVersion"] = version
    return documents.render([own, shared])


class ControlPlaneRenewal:
    """Renews on one control plane.

    :param seconds: how long a component may take to be healthy. :param kubeadm_seconds: the same for kubeadm.
    """

    def __init__(self, host: Host, seconds: float, kubeadm_seconds: float) -> None:
        self.host = host
        self.components = ControlPlane(host)
        self._seconds = seconds
        self._kubeadm_seconds = kubeadm_seconds

    def manifest(self, component: str) -> manifests.Manifest | None:
        """The manifest of a component, C(None) when this host does not run it."""
        text = node.read_text(self.host.root, manifests.path_of(component))
        with contextlib.suppress(ValueError):
            return manifests.read(component, text) if text is not None else None
        return None

    def started(self) -> dict[str, float | None]:
        """Component of this host -> start of its newest process, C(None) when it does not run."""
        found: dict[str, float | None] = {}
        for name in plan.COMPONENTS:
            if self.manifest(name) is None:
                continue
            times = [start_time(process.pid, self.host.root) for process in self.components.processes(name)]
            found[name] = max((at for at in times if at is not None), default=None)
        return found

    def renew(self, names: t.Sequence[str], cluster: t.Mapping[str, t.Any], within: timedelta | None) -> None:
        """Have kubeadm renew certificates, and verify that they last longer now.

        :raises CertificatesError: when one does not.
        """
        with self.host.config_file(configuration(self.host, cluster)) as path:
            for name in names:
                self.host.run(["certs", "renew", name, "--config", path], self._kubeadm_seconds)
        now = datetime.now(timezone.utc)
        known = [one for one in plan.CONTROL_PLANE if one.name in names]
        left = [
            f"{own.known.name} ({own.error or 'ends ' + plan.stamp(own.not_after)})"
            for own in observe.collect(self.host.root, known)
            if own.expired(now) or (within is not None and own.due(now, within))
        ]
        if left:
            raise CertificatesError(
                f"{self.host.name}: kubeadm has renewed {', '.join(left)}, expected a later end.",
                "Choose fewer days (renew_certificates_within_days) than new certificates are valid for"
                " (certificateValidityPeriod in control_plane_cluster_configuration).",
            )

    def restart(self, names: t.Sequence[str], renewed: t.Sequence[str]) -> None:
        """Restart components, and wait until they are healthy and serve their new certificates.

        :raises OperatorError: when one is not.
        """
        with handed_over(self.host, names):
            self._restart(names, renewed)

    def _restart(self, names: t.Sequence[str], renewed: t.Sequence[str]) -> None:
        started = self.started()
        if any(at is None for at in started.values()):
            # The kubelet waits up to five minutes before it starts again what has failed; a new one does not.
            self.components.restart_kubelet(min(self._seconds, KUBELET_SECONDS))
        for known in plan.CONTROL_PLANE:
            if known.name in renewed and known.server:
                self.wait_served(known)
        for name in started:
            before = [process.pid for process in self.components.processes(name)] if name in names else []
            if before and name in names:
                self.components.stop_container(name)
            if names or renewed:
                self._wait(name, before)

    def _wait(self, component: str, before: t.Collection[int]) -> None:
        manifest = self.manifest(component)
        if manifest is None:
            return
        deadline = time.monotonic() + self._seconds
        while True:
            reason = self.components.not_current(manifest, before, False) or self.components.unhealthy(
                manifest
            )
            if reason is None:
                return
            if time.monotonic() >= deadline:
                raise CertificatesError(
                    f"{self.host.name}: {component} {reason}, {self._seconds:.0f} s after its certificates were"
                    f" renewed. Its log: {self.components.log(component) or 'empty'}.",
                    "Look at its container (crictl ps -a, crictl logs), and run renew_certificates again.",
                )
            time.sleep(_POLL_SECONDS)

    def _listener(self, server: str) -> tuple[str, int] | None:
        if server == "kube-apiserver":
            url = Api(self.host.root).server
        else:
            manifest = self.manifest("etcd")
            if manifest is None:
                return None
            argument = "listen-peer-urls" if server == "etcd-peer" else "listen-client-urls"
            url = (manifest.argument(argument) or "").partition(",")[0]
        parts = urlsplit(url)
        return (parts.hostname, parts.port or 443) if parts.hostname else None

    def served(self, server: str) -> bytes | None:
        """The certificate that a component serves, C(None) when it does not answer."""
        target = self._listener(server)
        if target is None:
            return None
        # It is compared with the file, byte by byte.
        context = tls.unverified_context()
        with contextlib.suppress(OSError, ssl.SSLError):
            if server != "kube-apiserver":
                cert, key = (node.under(self.host.root, path) for path in _ETCD_CLIENT)
                context.load_cert_chain(cert, key)
            with socket.create_connection(target, 5) as plain, context.wrap_socket(plain) as connection:
                return connection.getpeercert(binary_form=True)
        return None

    def wait_served(self, known: plan.Known) -> None:
        """Wait until a component serves its present certificate. It is restarted if it does not read it by itself.

        :raises CertificatesError: when it does not.
        """
        component = known.component
        if self.manifest(component) is None:
            return
        # Others may follow its own.
        expected = x509.der_of(node.read_text(self.host.root, known.path) or "")[0]
        for attempt in (1, 2):
            deadline = time.monotonic() + min(_SERVED_SECONDS, self._seconds)
            while time.monotonic() < deadline:
                if self.served(known.server) == expected:
                    return
                time.sleep(_POLL_SECONDS)
            if attempt == 1:
                self.components.stop_container(component)
        raise CertificatesError(
            f"{self.host.name}: {component} does not serve its new certificate {known.path}.",
            "Look at its container (crictl ps -a, crictl logs), and run renew_certificates again.",
        )
