# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""A node that is a member already: what it shall be, what it is, and how the difference is made to go."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import socket
import ssl
import time
import typing as t
from urllib.parse import urlsplit

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import x509
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.admin import (
    Api,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import UnreachableError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import documents as docs
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import manifests, render
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.components import (
    KUBELET_SECONDS,
    BrokenError,
    ControlPlane,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import KubeadmError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.reconfigure import (
    Action,
    Changes,
    FileState,
    Found,
    Wanted,
    WantedFile,
    parsed,
    plan,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.redact import redact
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import Host
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.transaction import (
    Transaction,
    state_of,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.trial import Trial
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node

_CONFIG_MAPS = "/api/v1/namespaces/kube-system/configmaps"
_CONTAINERD = "/run/containerd/containerd.sock"
# The API server looks at its certificate again at least once a minute.
_SERVED_SECONDS = 75.0
_POLL_SECONDS = 1.0
# Restarts of the API server that a look waits for before it takes it for gone.
_LOOKS = 3


def extra_files(items: t.Sequence[t.Mapping[str, t.Any]]) -> tuple[WantedFile, ...]:
    """The files of the option C(files).

    :raises KubeadmError: for a path, mode or owner that cannot be meant.
    """
    result: dict[str, WantedFile] = {}
    for item in items:
        path = os.path.normpath(item["path"])
        if not path.startswith("/") or path.startswith(node.MANIFESTS + "/") or path in result:
            raise KubeadmError(
                f"files has {item['path']}, expected absolute paths outside of {node.MANIFESTS}, each once.",
                "Correct it.",
            )
        mode = str(item.get("mode") or "0600")
        if not re.fullmatch("0?[0-7]{3}", mode):
            raise KubeadmError(
                f"files: {path} has the mode {mode}, expected one as '0600'.", "Quote it, in octal."
            )
        try:
            uid = os.geteuid() if item.get("owner") in (None, "root") else pwd.getpwnam(item["owner"]).pw_uid
            gid = os.getegid() if item.get("group") in (None, "root") else grp.getgrnam(item["group"]).gr_gid
        except KeyError as exc:
            raise KubeadmError(f"files: {path}: {exc.args[0]}.", "Make it first, or name another.") from exc
        result[path] = WantedFile(
            path=path,
            content=item["content"].encode(),
            mode=int(mode, 8),
            uid=uid,
            gid=gid,
            secret=bool(item.get("secret", True)),
        )
    return tuple(result.values())


class Member:
    """One node, and the documents and files that it shall follow.

    :param params: of the module. :param check_mode: whether nothing will be changed.
    """

    def __init__(self, host: Host, params: t.Mapping[str, t.Any], check_mode: bool = False) -> None:
        self.host = host
        self.warnings: list[str] = []
        self._check_mode = check_mode
        self.files = extra_files(params["files"])
        self.worker = params["role"] == "worker"
        self._params = params
        self._documents = params["documents"]
        self._seconds = float(params["ready_timeout"])
        cluster = docs.find(self._documents, "ClusterConfiguration")
        # Without a ClusterConfiguration the documents do not say what a control plane shall be.
        self.follows = self.worker or bool(cluster)
        contents = {item.path: item.content for item in self.files}
        digests = {} if self.worker else manifests.digests(contents, cluster)
        self.renderer = render.Renderer(host, self._patches(), manifests.digest_patches(digests))
        self.components = ControlPlane(host)
        self.wanted = Wanted(())
        self.found = Found(host.name, {})

    def _patches(self) -> str | None:
        own = render.init_configuration(self._documents).get("patches") or {}
        return self._params["patches"] or own.get("directory")

    def _init_documents(self) -> list[docs.Document]:
        return render.control_plane_documents(self._documents, self._params["skip_phases"])

    # --- look -------------------------------------------------------------------------------------------------------

    def look(self) -> Changes:
        """What differs. Changes nothing.

        :raises KubeadmError: when kubeadm refuses the documents, or they are no reconfiguration of this cluster.
        """
        if not self.follows:
            return Changes()
        self.wanted, self.found = self._look_worker() if self.worker else self._look_control_plane()
        return plan(self.wanted, self.found)

    def _states(self, files: t.Iterable[WantedFile]) -> dict[str, FileState]:
        return {item.path: state_of(self.host.root, item.path) for item in files}

    def _kubelet_files(self, rendering: render.Rendering) -> list[WantedFile]:
        # kubeadm lets everyone read its configuration (cmd/kubeadm/app/phases/kubelet/config.go), and leaves the mode
        # of a file that is there.
        return [
            WantedFile(f"{render.KUBELET_DIR}/{name}", text.encode(), "kubelet", "kubelet", mode=0o600)
            for name, text in rendering.kubelet_files.items()
        ]

    def tighten_kubelet_files(self) -> None:
        """Give the files that kubeadm has just written the mode that they shall have."""
        for name in render.KUBELET_FILES:
            path = node.under(self.host.root, f"{render.KUBELET_DIR}/{name}")
            with contextlib.suppress(FileNotFoundError):
                os.chmod(path, 0o600)

    def _look_worker(self) -> tuple[Wanted, Found]:
        api = Api(self.host.root, kubeconfig=node.KUBELET_CONF)
        try:
            cluster, kubelet = self._config_maps(api)
        except UnreachableError as exc:
            reason = f"{self.host.name}: the API server {api.server} does not answer: {exc.reason}."
            if not self._check_mode:
                raise KubeadmError(
                    f"{reason} It has the configuration of the kubelets.",
                    "See that a control plane works and that this host reaches it.",
                ) from exc
            # A run that is not a check may have mended it by now.
            self.warnings.append(f"{reason} The kubelet's files were not looked at.")
            cluster = kubelet = None
        files = list(self.files)
        if cluster is not None and kubelet is not None:
            files += self._kubelet_files(self.renderer.worker(self._documents, cluster, kubelet))
        pending = Transaction(self.host.root).pending
        return Wanted(tuple(files)), Found(self.host.name, self._states(files), unsettled=pending)

    def _config_maps(self, api: Api) -> tuple[str | None, str | None]:
        """ClusterConfiguration and KubeletConfiguration as the cluster keeps them."""

        def data(name: str, key: str) -> str | None:
            value = ((api.get(f"{_CONFIG_MAPS}/{name}") or {}).get("data") or {}).get(key)
            return str(value) if value is not None else None

        return data("kubeadm-config", "ClusterConfiguration"), data("kubelet-config", "kubelet")

    def _ask(self) -> tuple[bool, str | None, str | None]:
        """Whether the local API server works, and what the cluster keeps."""
        for look in range(_LOOKS):
            if self.host.unready() is None:
                with contextlib.suppress(UnreachableError):
                    return (True, *self._config_maps(Api(self.host.root)))
            if look + 1 < _LOOKS:
                time.sleep(_POLL_SECONDS)
        return False, None, None

    def _look_control_plane(self) -> tuple[Wanted, Found]:
        answers, cluster, kubelet = self._ask()
        documents = self._init_documents()
        own_kubelet = bool(docs.find(documents, "KubeletConfiguration"))
        if not own_kubelet and parsed(kubelet):
            documents.append(parsed(kubelet))
        rendering = self.renderer.control_plane(documents)
        files = list(self.files)
        for component, text in rendering.manifests.items():
            path = manifests.path_of(component)
            if component == "etcd":
                content = state_of(self.host.root, path).content
                text = manifests.keep_members(text, content.decode("utf-8", "replace") if content else None)
            rights = {"mode": 0o600, "uid": os.geteuid(), "gid": os.getegid()}
            files.append(WantedFile(path, text.encode(), "manifest", component, **rights))
        if own_kubelet or parsed(kubelet):
            files += self._kubelet_files(rendering)
        files += self._certificate(documents, rendering)
        wanted = Wanted(tuple(files), rendering.cluster, rendering.kubelet if own_kubelet else None)
        found = Found(
            host=self.host.name,
            files=self._states(files),
            answers=answers,
            cluster=cluster,
            kubelet=kubelet,
            unsettled=Transaction(self.host.root).pending,
        )
        return wanted, found

    def _certificate(
        self, documents: t.Sequence[docs.Document], rendering: render.Rendering
    ) -> list[WantedFile]:
        """The API server's certificate and key, when there is none for just the names that are wanted."""
        text = rendering.manifests.get("kube-apiserver")
        if text is None or rendering.cluster is None:
            return []
        manifest = manifests.read("kube-apiserver", text)
        path, key_path = manifest.argument("tls-cert-file"), manifest.argument("tls-private-key-file")
        if not path or not key_path:
            return []
        registration = documents[0].get("nodeRegistration") or {}
        name = str(registration.get("name") or self.host.name.lower())
        names = render.alt_names(rendering.cluster, name, manifest.argument("advertise-address") or "")
        present = self._names(state_of(self.host.root, path).content)
        if names == present:
            return []
        folder = node.under(self.host.root, os.path.dirname(path))
        certificate, key = self.renderer.certificate(documents, folder)
        made = self._names(certificate)
        if made == present:
            return []
        gone, new = sorted(set(present) - set(made)), sorted(set(made) - set(present))
        note = "; ".join(
            f"{word} {', '.join(some)}" for word, some in (("with", new), ("without", gone)) if some
        )
        return [
            WantedFile(path, certificate, "certificate", "kube-apiserver", note=note),
            WantedFile(key_path, key, "certificate", "kube-apiserver", secret=True, note=note),
        ]

    @staticmethod
    def _names(pem: bytes | None) -> tuple[str, ...]:
        try:
            return x509.parse_pem((pem or b"").decode("ascii", "replace")).alt_names
        except x509.CertificateError:
            return ()

    # --- apply ------------------------------------------------------------------------------------------------------

    def apply(self, changes: Changes) -> None:
        """Make the changes; those of this host as one.

        :raises KubeadmError: when a component refuses its new configuration, or does not work with it. Then the host is
            as it was.
        """
        transaction = Transaction(self.host.root)
        local = changes.of("file", "certificate", "manifest", "kubelet")
        if local:
            self._try(local)
            transaction.begin([item for action in local for item in action.files])
            healthy = self.worker or self.found.answers
            try:
                for action in local:
                    self._perform(transaction, action)
                if any(action.restarts and action.kind == "manifest" for action in local):
                    self._wait_for_all()
            except (OperatorError, OSError) as exc:
                raise self._roll_back(transaction, exc, healthy) from exc
        if local or transaction.pending:
            transaction.commit()
        for action in changes.of("upload", "phase"):
            self._phase(action)

    def interrupted(self) -> bool:
        """Whether a run before this one replaced files and was ended before it saw them at work."""
        return bool(Transaction(self.host.root).pending)

    def place_files(self) -> None:
        """Place the extra files alone, for a kubeadm that is about to need them."""
        transaction = Transaction(self.host.root)
        for item in self.files:
            transaction.place(item)

    def misplaced_files(self) -> Changes:
        """The changes of the extra files alone."""
        return plan(Wanted(self.files), Found(self.host.name, self._states(self.files)))

    def _try(self, local: t.Sequence[Action]) -> None:
        """Have the components judge new arguments and files before anything is touched."""
        files = {
            item.path: item.content
            for action in local
            if action.kind in ("file", "certificate")
            for item in action.files
        }
        # What the cluster already keeps has worked. A host that is being healed shall not wait for it.
        known = self.wanted.cluster == self.found.cluster and not any(
            action.kind == "file" for action in local
        )
        if known or not self.found.answers or self.worker or self.host.root != "/":
            return
        concerned = [
            manifests.read(item.component, item.content.decode())
            for action in local
            if action.kind == "manifest" and action.restarts
            for item in action.files
        ]
        registration = self._init_documents()[0].get("nodeRegistration") or {}
        socket_path = str(registration.get("criSocket") or _CONTAINERD).replace("unix://", "")
        if concerned and "containerd" in socket_path:
            Trial(self.host, socket_path).run(concerned, files)

    def _perform(self, transaction: Transaction, action: Action) -> None:
        if action.kind == "manifest":
            item = action.files[0]
            manifest = manifests.read(item.component, item.content.decode())
            before = [process.pid for process in self.components.processes(item.component)]
            transaction.place(item)
            self.components.wait(manifest, before, action.restarts, self._seconds)
            return
        for item in reversed(action.files):
            transaction.place(item)
        if action.kind == "certificate":
            self._wait_served(action.files[0].content)
        elif action.kind == "kubelet":
            self.components.restart_kubelet(min(self._seconds, KUBELET_SECONDS))

    def _wait_for_all(self) -> None:
        """The controller manager and the scheduler lose the API server when that restarts, and may end of it."""
        for item in self.wanted.files:
            if item.kind == "manifest":
                manifest = manifests.read(item.component, item.content.decode())
                self.components.wait(manifest, (), False, self._seconds)

    def _served(self) -> bytes | None:
        """The certificate that the API server shows."""
        address = urlsplit(Api(self.host.root).server)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # It is compared with the one that is wanted, byte by byte.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        target = (address.hostname or "", address.port or 443)
        try:
            with socket.create_connection(target, 5) as plain, context.wrap_socket(plain) as connection:
                return connection.getpeercert(binary_form=True)
        except OSError:
            return None

    def _wait_served(self, pem: bytes) -> None:
        """Wait until the API server shows a new certificate, which it reads by itself."""
        if not self.found.answers:
            return
        expected = ssl.PEM_cert_to_DER_cert(pem.decode())
        for attempt in (1, 2):
            deadline = time.monotonic() + min(_SERVED_SECONDS, self._seconds)
            while time.monotonic() < deadline:
                if self._served() == expected:
                    return
                time.sleep(_POLL_SECONDS)
            if attempt == 1:
                self.components.stop_container("kube-apiserver")
        raise BrokenError("kube-apiserver", "does not show its new certificate", "")

    def _roll_back(self, transaction: Transaction, error: Exception, healthy: bool) -> KubeadmError:
        """Put the former files back and see that they work, as far as they did before."""
        component = error.component if isinstance(error, BrokenError) else ""
        reason = error.message if isinstance(error, OperatorError) else str(error)
        log = redact(error.log) if isinstance(error, BrokenError) else ""
        before = {
            name: [process.pid for process in self.components.processes(name)]
            for name in manifests.COMPONENTS
        }
        restored = transaction.restore()
        state = "everything works as before"
        try:
            if healthy:
                self._wait_restored(restored, before)
            else:
                state = "it did not work before either"
        except (OperatorError, OSError) as exc:
            state = f"but that does not work either: {exc}"
        files = ", ".join(restored) or "none"
        said = f" Its last words: {log}." if log else ""
        return KubeadmError(
            f"{self.host.name}: the new configuration does not work: {reason.rstrip('.')}.{said} The former"
            f" files were put back ({files}); {state}.",
            "Correct the value and run again.",
            component=component,
            rolled_back=restored,
        )

    def _wait_restored(self, restored: t.Sequence[str], before: t.Mapping[str, t.Sequence[int]]) -> None:
        for component in manifests.COMPONENTS:
            path = manifests.path_of(component)
            content = state_of(self.host.root, path).content
            if path not in restored or content is None:
                continue
            try:
                manifest = manifests.read(component, content.decode("utf-8", "replace"))
            except ValueError:
                continue
            self.components.wait(manifest, before[component], True, self._seconds)
        if any(path.startswith(render.KUBELET_DIR) for path in restored):
            self.components.restart_kubelet(min(self._seconds, KUBELET_SECONDS))
        if not self.worker:
            self.host.wait_ready(self._seconds)

    def _phase(self, action: Action) -> None:
        """Run a phase of C(kubeadm init), which writes to the cluster alone."""
        content = docs.render(self._init_documents())
        with self.host.config_file(content) as path:
            argv = ["init", "phase", *action.target.split("/"), "--config", path]
            self.host.run(argv, self._params["timeout"])
