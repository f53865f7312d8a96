# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Apply a reconfiguration to a member: one transaction on the host, verified by steps, rolled back when it fails."""

from __future__ import annotations

import socket
import ssl
import time
import typing as t
from urllib.parse import urlsplit

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.admin import Api
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import documents as docs
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import endpoint, manifests, render
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.components import (
    KUBELET_SECONDS,
    BrokenError,
    ControlPlane,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.handover import handed_over
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import (
    REMOTE,
    DesiredFile,
    KubeadmError,
    Plan,
    Step,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.reconfigure_plan import Comparison
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import Host
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.transaction import (
    Transaction,
    observe_file,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.trial import Trial
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import tls
from ansible_collections.baremetal.kubernetes.plugins.module_utils._redact import redact

_CONTAINERD = "/run/containerd/containerd.sock"
# The API server reads its certificate again at least once a minute.
_SERVED_SECONDS = 75.0
_POLL_SECONDS = 1.0


class Reconfiguration:
    """Applies plans to one member.

    :param role: of the host. :param ready_seconds: how long a component may take to be healthy.
    :param kubeadm_seconds: how long a phase of kubeadm may take.
    """

    def __init__(self, host: Host, role: str, ready_seconds: float, kubeadm_seconds: float) -> None:
        self._host = host
        self._worker = role == "worker"
        self._ready_seconds = ready_seconds
        self._kubeadm_seconds = kubeadm_seconds
        self.components = ControlPlane(host)

    def interrupted(self) -> bool:
        """Whether an earlier run replaced files and ended before it verified them."""
        return bool(Transaction(self._host.root).pending)

    def check(self, plan: Plan) -> None:
        """See that a plan can be rolled back: what an interrupted run saved of its files is there.

        :raises KubeadmError: when it is not.
        """
        Transaction(self._host.root).check({item.path for step in plan.local for item in step.files})

    def wait_ready(self) -> None:
        """Wait until the API server of this host is ready.

        :raises KubeadmError: when it is not.
        """
        self._host.wait_ready(self._ready_seconds)

    def place_files(self, files: t.Iterable[DesiredFile]) -> None:
        """Place files alone, for a kubeadm that is about to need them."""
        transaction = Transaction(self._host.root)
        path = ""
        try:
            for item in files:
                path = item.path
                transaction.place(item)
        except OSError as exc:
            raise KubeadmError(
                f"{self._host.name}: {path} cannot be written: {exc.strerror or exc}.",
                "Free space on that file system, or make it writable, and run again.",
            ) from exc

    def apply(self, plan: Plan, comparison: Comparison) -> None:
        """Apply the steps; those of this host as one.

        :raises KubeadmError: when a component refuses its new configuration, or does not work with it. The host is as
            before then.
        """
        transaction = Transaction(self._host.root)
        if plan.local:
            endpoint.require_new(self._host.root, (item for step in plan.local for item in step.files))
            self._try(plan, comparison)
            restarted = [
                item.component for step in plan.of("manifest") if step.restarts for item in step.files
            ]
            transaction.begin([item for step in plan.local for item in step.files])
            with handed_over(self._host, restarted):
                self._perform_all(transaction, plan.local, comparison)
        if plan.local or transaction.pending:
            transaction.commit()
        for step in plan.of(*REMOTE):
            self._write_to_cluster(step, comparison)

    def _try(self, plan: Plan, comparison: Comparison) -> None:
        """Let the components check new arguments and files before anything is touched."""
        desired, observed = comparison.desired, comparison.observed
        # The cluster stores what has worked. A host that is being repaired does not wait for it.
        known = desired.cluster == observed.cluster and not plan.of("file")
        if known or not observed.answers or self._worker or self._host.root != "/":
            return
        concerned = [
            manifests.read_rendered(item.component, item.text)
            for step in plan.of("manifest")
            if step.restarts
            for item in step.files
        ]
        registration = comparison.documents[0].get("nodeRegistration") or {}
        socket_path = str(registration.get("criSocket") or _CONTAINERD).replace("unix://", "")
        if concerned and "containerd" in socket_path:
            staged = {
                item.path: item.content for step in plan.of("file", "certificate") for item in step.files
            }
            Trial(self._host, socket_path).run(concerned, staged)

    def _perform_all(self, transaction: Transaction, steps: t.Sequence[Step], comparison: Comparison) -> None:
        try:
            for step in steps:
                self._perform(transaction, step, comparison)
            if any(step.restarts and step.kind == "manifest" for step in steps):
                self._wait_for_all(comparison)
        except (OperatorError, OSError) as exc:
            healthy = self._worker or comparison.observed.answers
            raise self._roll_back(transaction, exc, healthy) from exc

    def _perform(self, transaction: Transaction, step: Step, comparison: Comparison) -> None:
        if step.kind == "manifest":
            item = step.files[0]
            manifest = manifests.read_rendered(item.component, item.text)
            before = self._pids(item.component)
            transaction.place(item)
            self.components.wait(manifest, before, step.restarts, self._ready_seconds)
            return
        for item in reversed(step.files):
            transaction.place(item)
        if step.kind == "certificate" and comparison.observed.answers:
            self._wait_served(step.files[0].content)
        elif step.kind == "kubelet":
            self.components.restart_kubelet(min(self._ready_seconds, KUBELET_SECONDS))

    def _pids(self, component: str) -> list[int]:
        return [process.pid for process in self.components.processes(component)]

    def _wait_for_all(self, comparison: Comparison) -> None:
        """The controller manager and the scheduler may end when the API server restarts."""
        for item in comparison.desired.files:
            if item.kind == "manifest":
                manifest = manifests.read_rendered(item.component, item.text)
                self.components.wait(manifest, (), False, self._ready_seconds)

    def _served(self) -> bytes | None:
        """The certificate that the API server serves."""
        address = urlsplit(Api(self._host.root).server)
        # It is compared with the desired one, byte by byte.
        context = tls.unverified_context()
        target = (address.hostname or "", address.port or 443)
        try:
            with socket.create_connection(target, 5) as plain, context.wrap_socket(plain) as connection:
                return connection.getpeercert(binary_form=True)
        except OSError:
            return None

    def _wait_served(self, pem: bytes) -> None:
        """Wait until the API server serves a new certificate, which it reads by itself."""
        expected = ssl.PEM_cert_to_DER_cert(pem.decode())
        for attempt in (1, 2):
            deadline = time.monotonic() + min(_SERVED_SECONDS, self._ready_seconds)
            while time.monotonic() < deadline:
                if self._served() == expected:
                    return
                time.sleep(_POLL_SECONDS)
            if attempt == 1:
                self.components.stop_container("kube-apiserver")
        raise BrokenError("kube-apiserver", "does not serve its new certificate", "")

    def _roll_back(self, transaction: Transaction, error: Exception, healthy: bool) -> KubeadmError:
        """Put the former files back and verify that they work, as far as they did before."""
        component = error.component if isinstance(error, BrokenError) else ""
        reason = error.message if isinstance(error, OperatorError) else str(error)
        log = redact(error.log) if isinstance(error, BrokenError) else ""
        before = {name: self._pids(name) for name in manifests.COMPONENTS}
        try:
            restored = transaction.restore()
        except KubeadmError as exc:
            return KubeadmError(
                f"{self._host.name}: the new configuration does not work: {reason.rstrip('.')}. {exc.message}",
                exc.next_step,
                component=component,
                rolled_back=[],
            )
        state = "everything works as before"
        try:
            if healthy:
                self._wait_restored(restored, before)
            else:
                state = "it did not work before either"
        except (OperatorError, OSError) as exc:
            state = f"but that does not work either: {exc}"
        files = ", ".join(restored) or "none"
        shown = f" Its log: {log}." if log else ""
        return KubeadmError(
            f"{self._host.name}: the new configuration does not work: {reason.rstrip('.')}.{shown} The former"
            f" files were put back ({files}); {state}.",
            "Correct the value and run again.",
            component=component,
            rolled_back=restored,
        )

    def _wait_restored(self, restored: t.Sequence[str], before: t.Mapping[str, t.Sequence[int]]) -> None:
        for component in manifests.COMPONENTS:
            path = manifests.path_of(component)
            text = observe_file(self._host.root, path).text
            if path not in restored or text is None:
                continue
            try:
                manifest = manifests.read(component, text)
            except ValueError:
                continue
            self.components.wait(manifest, before[component], True, self._ready_seconds)
        if any(path.startswith((render.KUBELET_DIR, node.KUBELET_CONF)) for path in restored):
            self.components.restart_kubelet(min(self._ready_seconds, KUBELET_SECONDS))
        if not self._worker:
            self.wait_ready()

    def _write_to_cluster(self, step: Step, comparison: Comparison) -> None:
        """Run a phase of C(kubeadm init) that writes to the cluster only, or what kubeadm has no phase for."""
        if step.target == "cluster-info":
            endpoint.update_cluster_info(self._host.root, endpoint.url_of(comparison.desired.cluster))
            return
        with self._host.config_file(docs.render(comparison.documents)) as path:
            argv = ["init", "phase", *step.target.split("/"), "--config", path]
            self._host.run(argv, self._kubeadm_seconds)
