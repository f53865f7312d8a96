# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Take the steps of a CA rotation on a host."""

from __future__ import annotations

import os
import stat
import time
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._certificates import (
    observe,
    plan,
    renew,
    rotation,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._certificates.plan import CertificatesError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._certificates.staging import (
    KUBELET_MARK,
    PKI,
    SIGNING_CERT,
    Staging,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import kubeconfig, x509
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.admin import Api
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import manifests
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.components import KUBELET_SECONDS
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import files

_MANAGER = "kube-controller-manager"
_SIGNING = "cluster-signing-cert-file"
_SERVING = f"{PKI}/apiserver.crt"
_CLUSTER_INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
KUBECONFIGS = tuple(one.path for one in plan.ALL if one.path.endswith(".conf"))
#: What components read at their start, beside the certificates of which C(plan) knows them as readers.
_READ = {
    "etcd": (f"{PKI}/etcd/ca.crt",),
    "kube-apiserver": (f"{PKI}/ca.crt", f"{PKI}/etcd/ca.crt", f"{PKI}/front-proxy-ca.crt"),
    _MANAGER: (f"{PKI}/ca.crt", f"{PKI}/front-proxy-ca.crt"),
    "kube-scheduler": (),
}
# A kubelet that bootstraps writes its kubeconfig itself after its start: times do not tell whether it has read it.
_KUBELET_READS = (node.CA_CERT, node.KUBELET_CONF)


class Rotation:
    """The steps on one host.

    :param staging: what the host keeps for them. :param seconds: how long a component may take to be healthy.
    """

    def __init__(self, staging: Staging, seconds: float) -> None:
        self.rotated = staging.rotated
        self.host = staging.host
        self.control_plane = staging.control_plane
        self.renewal = renew.ControlPlaneRenewal(self.host, seconds, self.rotated.kubeadm_seconds)
        self.restarted: list[str] = []
        self._kubelet_late = os.path.exists(self.rotated.path(KUBELET_MARK))
        self._staging = staging
        self._seconds = seconds

    # Files

    def _write(self, path: str, text: str, shown: t.Sequence[str]) -> None:
        """Replace a file when it has another content; mode and owner stay.

        :param shown: what a diff says of it.
        """
        present = self.rotated.text(path)
        if present == text:
            return
        self.rotated.before.append(f"{path}: {'; '.join(self._described(path, present)) or 'missing'}")
        self.rotated.after.append(f"{path}: {'; '.join(shown)}")
        self._kubelet_late = self._kubelet_late or path in _KUBELET_READS
        if self.rotated.check:
            return
        if path in _KUBELET_READS:
            files.write_atomic(self.rotated.path(KUBELET_MARK), b"", 0o600)
        mode, owner = 0o644, (os.geteuid(), os.getegid())
        if present is not None:
            found = os.stat(self.rotated.path(path))
            mode, owner = stat.S_IMODE(found.st_mode), (found.st_uid, found.st_gid)
        files.write_atomic(self.rotated.path(path), text.encode(), mode, owner)

    def _described(self, path: str, text: str | None) -> list[str]:
        if text is None:
            return []
        if path.endswith(".key"):
            return ["the former key"]
        if path.endswith(".conf"):
            text = (kubeconfig.parse(text).ca or b"").decode("ascii", "replace")
        return rotation.described(text)

    # Steps trust, sign and finish

    def take(self, step: str) -> None:
        """Trust, sign or finish on this host.

        :raises CertificatesError: when the step before was left out, or a component does not become healthy.
        """
        stage = self._staging.staged()
        if stage is None:
            if not self.rotated.check:
                raise CertificatesError(
                    f"{self.host.name}: {node.CA_ROTATION} does not exist, expected the new CA there.",
                    "Run the playbook rotate_ca, which takes all steps in their order.",
                )
            # The step before was only predicted, too.
            self.rotated.before.append(f"{node.CA_CERT}: before the step {step}")
            self.rotated.after.append(f"{node.CA_CERT}: after the step {step}")
            return
        names = stage.authorities if self.control_plane else (plan.CA,)
        bundles = {name: self._bundle(stage, name, step) for name in names}
        if step == rotation.FINISH:
            self._refuse_former(stage, names)
        if self.control_plane:
            self._sign_with(stage, names, step)
        for name, text in bundles.items():
            self._write(f"{PKI}/{name}.crt", text, rotation.described(text))
        if step == rotation.SIGN and self.control_plane:
            self._renew(stage, names)
        for path in KUBECONFIGS:
            self._kubeconfig(path, bundles[plan.CA])
        if self.control_plane:
            several = len(x509.der_of(bundles[plan.CA])) > 1
            self._manager_signs_with(SIGNING_CERT if several else node.CA_CERT)
        self._restart()
        if step == rotation.FINISH and self.control_plane and not self.rotated.check:
            self._announce(bundles[plan.CA])

    def _bundle(self, stage: rotation.Stage, name: str, step: str) -> str:
        """What a file of trusted authorities has after a step."""
        path = f"{PKI}/{name}.crt"
        try:
            text = self.rotated.text(path) or ""
            present, new = x509.der_of(text), stage.new(name)
            if self.rotated.check and new not in present:
                present = [*present, new]
            after = list(rotation.trusted(present, new, step))
            return text if after == present else rotation.pem(after)
        except x509.CertificateError as exc:
            raise CertificatesError(
                f"{self.host.name}: {path} cannot be read: {exc}.", "Restore it, and run rotate_ca again."
            ) from None
        except CertificatesError as exc:
            raise CertificatesError(
                f"{self.host.name}: {path}: {exc.message}",
                "Run the playbook rotate_ca, which takes all steps.",
            ) from None

    def _sign_with(self, stage: rotation.Stage, names: t.Sequence[str], step: str) -> None:
        """What kubeadm and the controller manager sign with, before the files change that everybody reads."""
        if step == rotation.TRUST and self.rotated.text(SIGNING_CERT) is None:
            text = rotation.pem(x509.der_of(self.rotated.text(node.CA_CERT) or "")[:1])
            self._write(SIGNING_CERT, text, rotation.described(text))
        if step == rotation.SIGN:
            self._write(SIGNING_CERT, stage.certificate, rotation.described(stage.certificate))
            for name in names:
                self._write(f"{PKI}/{name}.key", stage.files[f"{name}.key"], ["the new key"])

    def _kubeconfig(self, path: str, ca: str) -> None:
        text = self.rotated.text(path)
        if text is None:
            return
        try:
            after = kubeconfig.with_ca(text, ca.encode())
            self._write(path, after, rotation.described(ca))
        except (kubeconfig.KubeconfigError, x509.CertificateError) as exc:
            raise CertificatesError(
                f"{self.host.name}: {path} cannot be changed: {exc}. Expected a kubeconfig as kubeadm writes it.",
                "Create it again with kubeadm init phase kubeconfig, and run rotate_ca again.",
            ) from None

    def _manager_signs_with(self, path: str) -> None:
        """Have the controller manager sign with the certificate of another file."""
        manifest_path = manifests.path_of(_MANAGER)
        manifest = self.renewal.manifest(_MANAGER)
        present = manifest.argument(_SIGNING) if manifest is not None else None
        # A site may sign with another CA, which this rotation does not concern.
        if manifest is None or present == path or present not in (node.CA_CERT, SIGNING_CERT):
            return
        try:
            after = rotation.with_argument(self.rotated.text(manifest_path) or "", _SIGNING, path)
        except CertificatesError as exc:
            raise CertificatesError(
                f"{self.host.name}: {manifest_path}: {exc.message}", "Correct it, and run rotate_ca again."
            ) from None
        self.rotated.before.append(f"{manifest_path}: --{_SIGNING}={present}")
        self.rotated.after.append(f"{manifest_path}: --{_SIGNING}={path}")
        if self.rotated.check:
            return
        components = self.renewal.components
        running = [process.pid for process in components.processes(_MANAGER)]
        files.write_atomic(self.rotated.path(manifest_path), after.encode(), 0o600)
        changed = self.renewal.manifest(_MANAGER)
        if changed is not None and running:
            components.wait(changed, running, True, self._seconds)

    def _renew(self, stage: rotation.Stage, names: t.Sequence[str]) -> None:
        """Have kubeadm issue again what the former authorities have issued."""
        late = self._by_former(stage, [one for one in plan.CONTROL_PLANE if one.authority in names])
        if late:
            self.rotated.before.append(
                f"certificates of the former CA: {', '.join(one.name for one in late)}"
            )
            self.rotated.after.append("certificates of the former CA: none")
        if self.rotated.check:
            return
        if late:
            self.renewal.renew([one.name for one in late], self.rotated.configuration, None)
        own = self.rotated.text(_SERVING)
        if own is not None and rotation.CROSS in stage.files:
            chained = rotation.chained(own, stage.files[rotation.CROSS])
            self._write(_SERVING, chained, rotation.described(chained))

    def _by_former(self, stage: rotation.Stage, known: t.Sequence[plan.Known]) -> list[plan.Known]:
        """Those whose certificate another authority than the new one has issued, or that cannot be read."""
        return [
            one
            for one in known
            if os.path.lexists(self.rotated.path(one.path))
            and not observe.issued_by(self.host.root, one, x509.parse_der(stage.new(one.authority)))
        ]

    def _refuse_former(self, stage: rotation.Stage, names: t.Sequence[str]) -> None:
        """Refuse to forget the former CA while this host has something of it."""
        if self.rotated.check:
            return
        late = self._by_former(stage, [one for one in plan.ALL if one.authority in names])
        if late:
            raise CertificatesError(
                f"{self.host.name}: {', '.join(f'{one.name} ({one.path})' for one in late)} is not of the new CA;"
                " expected every certificate to be before the former CA is not trusted any more.",
                "Run rotate_ca again. A kubelet's certificate waits for the kubelet CSR approver"
                " (docs/certificates.md).",
            )

    def _announce(self, ca: str) -> None:
        """Tell the new CA to hosts that will join.

        :raises ApiError: when the API server does not take it.
        """
        api = Api(self.host.root)
        found = api.get(_CLUSTER_INFO)
        text = ((found or {}).get("data") or {}).get("kubeconfig")
        after = kubeconfig.with_ca(text, ca.encode()) if text else None
        if found is None or after == text:
            return
        body = {**found, "data": {**found["data"], "kubeconfig": after}}
        status, answer = api.request(_CLUSTER_INFO, "PUT", body)
        if status != 200:
            raise CertificatesError(
                f"{self.host.name}: the ConfigMap cluster-info of kube-public was not changed (HTTP {status}:"
                f" {answer.strip()[:200]}); expected the new CA in it, without which no host can join.",
                "Run rotate_ca again.",
            )

    # Restarts

    def _written(self, component: str) -> float:
        """When the newest file was written that a component reads at its start, in seconds since the epoch."""
        now = time.time()
        paths = (*_READ[component], *(one.path for one in plan.CONTROL_PLANE if one.reader == component))
        found = [
            os.stat(self.rotated.path(path)).st_mtime
            for path in paths
            if os.path.exists(self.rotated.path(path))
        ]
        return max((at for at in found if at <= now), default=0.0)

    def _restart_kubelet(self) -> None:
        if self.renewal.components.processes("kubelet"):
            self.renewal.components.restart_kubelet(min(self._seconds, KUBELET_SECONDS))
        os.unlink(self.rotated.path(KUBELET_MARK))
        self._kubelet_late = False

    def _restart(self) -> None:
        """Restart what has not read its files yet, and wait until all is healthy."""
        started = self.renewal.started().items()
        late = [name for name, since in started if since is not None and since < self._written(name)]
        self.restarted = [*(["kubelet"] if self._kubelet_late else []), *late]
        if self.rotated.check:
            return
        if self._kubelet_late:
            self._restart_kubelet()
        if late:
            self.renewal.restart(late, [])
        for one in plan.CONTROL_PLANE:
            # What does not run reads its certificate when it starts.
            if one.server and self.renewal.components.processes(one.component):
                self.renewal.wait_served(one)
