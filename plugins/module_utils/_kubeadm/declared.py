# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""A member that follows documents: what they and kubeadm say it has to be, beside what it is."""

from __future__ import annotations

import grp
import os
import pwd
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import x509
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import documents as docs
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import endpoint, manifests, render
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import (
    DesiredFile,
    KubeadmError,
    ObservedFile,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.reconfigure_plan import (
    Comparison,
    DesiredConfiguration,
    ObservedConfiguration,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import Host
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.stored import ConfigMaps
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.transaction import (
    Transaction,
    observe_file,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node

_KUBELET_MODE = 0o600


def desired_files(items: t.Sequence[t.Mapping[str, t.Any]]) -> tuple[DesiredFile, ...]:
    """The files of the option C(files).

    :raises KubeadmError: for an unusable path, mode or owner.
    """
    result: dict[str, DesiredFile] = {}
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
            raise KubeadmError(f"files: {path}: {exc.args[0]}.", "Create it first, or name another.") from exc
        result[path] = DesiredFile(
            path=path,
            content=item["content"].encode(),
            mode=int(mode, 8),
            uid=uid,
            gid=gid,
            secret=bool(item.get("secret", True)),
        )
    return tuple(result.values())


def manifest_file(component: str, text: str) -> DesiredFile:
    """The manifest of a component."""
    return DesiredFile(
        path=manifests.path_of(component),
        content=text.encode(),
        kind="manifest",
        component=component,
        mode=0o600,
        uid=os.geteuid(),
        gid=os.getegid(),
    )


def kubelet_file(name: str, text: str) -> DesiredFile:
    """A file of the kubelet.

    kubeadm lets everyone read its configuration (cmd/kubeadm/app/phases/kubelet/config.go), and keeps the mode of an
    existing file.
    """
    return DesiredFile(
        f"{render.KUBELET_DIR}/{name}", text.encode(), "kubelet", "kubelet", mode=_KUBELET_MODE
    )


def restrict_kubelet_files(host: Host) -> None:
    """Give the files that kubeadm has just written their mode."""
    for name in render.KUBELET_FILES:
        path = node.under(host.root, f"{render.KUBELET_DIR}/{name}")
        if os.path.exists(path):
            os.chmod(path, _KUBELET_MODE)


def observe_files(root: str, files: t.Iterable[DesiredFile]) -> dict[str, ObservedFile]:
    """What is in place of some files."""
    return {item.path: observe_file(root, item.path) for item in files}


@dataclass(frozen=True)
class Declaration:
    """What a node has to follow.

    :param role: C(control_plane) or C(worker). :param patches: directory of kubeadm's patches.
    """

    role: str
    documents: tuple[docs.Document, ...] = ()
    files: tuple[DesiredFile, ...] = ()
    patches: str | None = None
    skip_phases: tuple[str, ...] = ()

    @property
    def worker(self) -> bool:
        return self.role == "worker"

    @property
    def complete(self) -> bool:
        """Whether it says what a member has to be: without a ClusterConfiguration, a control plane stays as it is."""
        return self.worker or bool(docs.find(self.documents, "ClusterConfiguration"))


def patches_of(documents: t.Sequence[docs.Document], given: str | None) -> str | None:
    """The directory of patches: the given one, or that of the documents."""
    return given or (render.init_configuration(documents).get("patches") or {}).get("directory")


class Declared:
    """One node and its declaration."""

    def __init__(self, host: Host, declaration: Declaration, check_mode: bool = False) -> None:
        self._host = host
        self._declaration = declaration
        self._check_mode = check_mode
        contents = {item.path: item.content for item in declaration.files}
        cluster = docs.find(declaration.documents, "ClusterConfiguration")
        digests = {} if declaration.worker else manifests.digests(contents, cluster)
        patches = patches_of(declaration.documents, declaration.patches)
        self.renderer = render.Renderer(host, patches, manifests.digest_patches(digests))
        self.config_maps = ConfigMaps(host)

    def observe(self) -> Comparison:
        """What the declaration and kubeadm say the member has to be, and what it is. Changes nothing.

        :raises KubeadmError: when kubeadm refuses the documents, or the cluster cannot be asked.
        """
        if not self._declaration.complete:
            return self._compare(())
        return self._observe_worker() if self._declaration.worker else self._observe_control_plane()

    def observe_declared_files(self) -> Comparison:
        """The same of the files that components read, without any cluster."""
        return self._compare(self._declaration.files)

    def _compare(self, files: t.Iterable[DesiredFile], *warnings: str) -> Comparison:
        files = tuple(files)
        observed = ObservedConfiguration(
            self._host.name,
            observe_files(self._host.root, files),
            pending=Transaction(self._host.root).pending,
        )
        return Comparison(DesiredConfiguration(files), observed, warnings=warnings)

    def _observe_worker(self) -> Comparison:
        stored = self.config_maps.by_worker()
        if stored.unreachable:
            if not self._check_mode:
                raise KubeadmError(
                    f"{stored.unreachable} It stores the configuration of the kubelets.",
                    "Make sure that a control plane works and that this host reaches it.",
                )
            # A run that is not a check may have repaired it by now.
            warning = f"{stored.unreachable} The kubelet's files were not compared."
            return self._compare(self._declaration.files, warning)
        files = list(self._declaration.files)
        if stored.cluster is not None and stored.kubelet is not None:
            rendering = self.renderer.worker(self._declaration.documents, stored.cluster, stored.kubelet)
            files += [kubelet_file(name, text) for name, text in rendering.kubelet_files.items()]
            files += endpoint.kubelets_files(self._host.root, endpoint.url_of(stored.cluster))
        return self._compare(files)

    def _observe_control_plane(self) -> Comparison:
        stored = self.config_maps.by_control_plane()
        documents = render.control_plane_documents(self._declaration.documents, self._declaration.skip_phases)
        declares_kubelet = bool(docs.find(documents, "KubeletConfiguration"))
        kubelet = {} if declares_kubelet else docs.stored_kubelet(stored.kubelet)
        followed = [kubelet] if kubelet else []
        rendering = self.renderer.control_plane([*documents, *followed])
        files = list(self._declaration.files)
        for component, text in rendering.manifests.items():
            if component == "etcd":
                actual = self._observed_text(manifests.path_of(component))
                text = manifests.started(manifests.keep_members(text, actual), actual)
            files.append(manifest_file(component, text))
        if declares_kubelet or followed:
            files += [kubelet_file(name, text) for name, text in rendering.kubelet_files.items()]
        files += self._certificate(documents, rendering)
        files += endpoint.administrators_files(self._host.root, endpoint.url_of(rendering.cluster))
        desired = DesiredConfiguration(
            tuple(files), rendering.cluster, rendering.kubelet if declares_kubelet else None
        )
        observed = ObservedConfiguration(
            host=self._host.name,
            files=observe_files(self._host.root, files),
            answers=not stored.unreachable,
            cluster=stored.cluster,
            kubelet=stored.kubelet,
            pending=Transaction(self._host.root).pending,
        )
        return Comparison(desired, observed, tuple(documents))

    def _observed_text(self, path: str) -> str | None:
        return observe_file(self._host.root, path).text

    def _certificate(
        self, documents: t.Sequence[docs.Document], rendering: render.Rendering
    ) -> list[DesiredFile]:
        """The API server's certificate and key, when the present one is not for exactly the desired names."""
        text = rendering.manifests.get("kube-apiserver")
        if text is None or rendering.cluster is None:
            return []
        manifest = manifests.read_rendered("kube-apiserver", text)
        path, key_path = manifest.argument("tls-cert-file"), manifest.argument("tls-private-key-file")
        if not path or not key_path:
            return []
        registration = documents[0].get("nodeRegistration") or {}
        name = str(registration.get("name") or self._host.name.lower())
        names = render.alt_names(rendering.cluster, name, manifest.argument("advertise-address") or "")
        present = _alt_names(observe_file(self._host.root, path).content)
        if names == present:
            return []
        source = node.under(self._host.root, os.path.dirname(path))
        certificate, key = self.renderer.certificate(documents, source)
        issued = _alt_names(certificate)
        if issued == present:
            return []
        gone, new = sorted(set(present) - set(issued)), sorted(set(issued) - set(present))
        note = "; ".join(
            f"{word} {', '.join(some)}" for word, some in (("with", new), ("without", gone)) if some
        )
        return [
            DesiredFile(path, certificate, "certificate", "kube-apiserver", note=note),
            DesiredFile(key_path, key, "certificate", "kube-apiserver", secret=True, note=note),
        ]


def _alt_names(pem: bytes | None) -> tuple[str, ...]:
    try:
        return x509.parse_pem((pem or b"").decode("ascii", "replace")).alt_names
    except x509.CertificateError:
        return ()
