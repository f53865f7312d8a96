# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""A node whose documents nobody has: they are made of what the cluster keeps and the host runs, with a few changes."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.admin import (
    Api,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import UnreachableError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import adjust, manifests, render
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import documents as docs
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.member import Member
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import KubeadmError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.reconfigure import (
    Found,
    Wanted,
    WantedFile,
    parsed,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.redact import redact
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import Host
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.transaction import (
    Transaction,
    state_of,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node

_KUBELET_CONFIG = f"{render.KUBELET_DIR}/config.yaml"
_INSTANCE_CONFIG = f"{render.KUBELET_DIR}/instance-config.yaml"
_FLAGS = f"{render.KUBELET_DIR}/kubeadm-flags.env"
_SOCKETS = (
    (_INSTANCE_CONFIG, re.compile(r"^containerRuntimeEndpoint:\s*[\"']?([^\s\"']+)", re.MULTILINE)),
    (_FLAGS, re.compile(r"--container-runtime-endpoint[= ]([^\s\"']+)")),
)


class Adjusting(Member):
    """One node of a cluster, and what shall change there.

    :param params: of the module. :param role: of the host.
    """

    files: tuple[WantedFile, ...]
    renderer: render.Renderer

    def __init__(
        self, host: Host, params: t.Mapping[str, t.Any], role: str, check_mode: bool = False
    ) -> None:
        super().__init__(host, {**params, "role": role, "documents": []}, check_mode)
        self.follows = True
        self.skipped: list[str] = []
        self._known = {item.path: item for item in self.files}
        self._requests = adjust.requests(params["arguments"])
        self._kubelet: dict[str, t.Any] = params["kubelet_configuration"] or {}
        self._replace_edits = bool(params["replace_edits"])
        self._made: list[docs.Document] = []
        lacking = sorted({path for item in self._requests for path in item.files} - set(self._known))
        if lacking:
            raise KubeadmError(
                f"arguments need {', '.join(lacking)}, not in files.", "Give the contents there."
            )

    def _init_documents(self) -> list[docs.Document]:
        return self._made

    def _registration(self) -> docs.Document:
        """What the host says of itself."""
        own: docs.Document = {"apiVersion": docs.API_VERSION, "kind": "InitConfiguration"}
        registration: dict[str, t.Any] = {"name": self.host.node_name() or self.host.name.lower()}
        for path, pattern in _SOCKETS:
            match = pattern.search(node.read_text(self.host.root, path) or "")
            if match:
                registration["criSocket"] = match.group(1)
                break
        own["nodeRegistration"] = registration
        return own

    def _look_control_plane(self) -> tuple[Wanted, Found]:
        answers, cluster, kubelet = self._ask()
        if not answers or cluster is None or kubelet is None:
            what = "does not answer" if not answers else "has no ConfigMaps kubeadm-config and kubelet-config"
            raise KubeadmError(
                f"{self.host.name}: the API server {what}; they say what kubeadm made the cluster of.",
                "See that the control plane works. Only a cluster that kubeadm made can be changed in this way.",
            )
        own = self._registration()
        own["localAPIEndpoint"] = self._endpoint()
        before = [own, parsed(cluster), parsed(kubelet)]
        if before[1].get("apiVersion") != docs.API_VERSION:
            raise KubeadmError(
                f"{self.host.name}: kubeadm-config is {before[1].get('apiVersion')!r}, expected {docs.API_VERSION}.",
                "Upgrade the cluster to Kubernetes 1.31 or later, which rewrites it.",
            )
        present = self.renderer.control_plane(before)
        made = {name: manifests.read(name, text) for name, text in present.manifests.items()}
        adjusted = adjust.adjust(before[1], made, self._requests)
        self.skipped = adjusted.skipped
        self._made = [own, adjusted.cluster, adjust.merge_kubelet(before[2], self._kubelet)]
        self.files = tuple(item for path, item in self._known.items() if path in adjusted.files)
        self.renderer = render.Renderer(
            self.host, self._patches(), manifests.digest_patches(self._digests(adjusted))
        )
        rendering = self.renderer.control_plane(self._made)
        files = [*self.files]
        edits = []
        for component in sorted(adjusted.arguments, key=manifests.COMPONENTS.index):
            item, edit = self._manifest(component, present, rendering, adjusted)
            files.append(item)
            edits += edit
        kubelet_files, edit = self._kubelet_file(present, rendering)
        self._refuse([*edits, *edit])
        files += kubelet_files
        wanted = Wanted(
            tuple(files),
            rendering.cluster if rendering.cluster != present.cluster else None,
            rendering.kubelet if rendering.kubelet != present.kubelet else None,
        )
        return wanted, Found(
            host=self.host.name,
            files=self._states(files),
            cluster=cluster,
            kubelet=kubelet,
            unsettled=Transaction(self.host.root).pending,
        )

    def _endpoint(self) -> dict[str, t.Any]:
        """Where the API server of this host is reached."""
        path = manifests.path_of("kube-apiserver")
        try:
            manifest = manifests.read("kube-apiserver", node.read_text(self.host.root, path) or "")
        except ValueError as exc:
            raise KubeadmError(
                f"{self.host.name}: {path} cannot be read ({exc}), so the address of the API server is not known.",
                "Put the manifest in order: kubeadm init phase control-plane apiserver makes a new one.",
            ) from exc
        result: dict[str, t.Any] = {"bindPort": int(manifest.argument("secure-port") or 6443)}
        address = manifest.argument("advertise-address")
        return {**result, "advertiseAddress": address} if address else result

    def _actual(self, path: str) -> str | None:
        content = state_of(self.host.root, path).content
        return None if content is None else content.decode("utf-8", "replace")

    def _digests(self, adjusted: adjust.Adjusted) -> dict[str, str]:
        result = {}
        for component in adjusted.arguments:
            read = {
                item.path: item.content
                for item in self.files
                if component in manifests.readers_of(item.path, adjusted.cluster)
            }
            digest = adjust.new_annotation(
                adjust.annotation(self._actual(manifests.path_of(component))), read
            )
            if digest is not None:
                result[component] = digest
        return result

    def _manifest(
        self,
        component: str,
        present: render.Rendering,
        rendering: render.Rendering,
        adjusted: adjust.Adjusted,
    ) -> tuple[WantedFile, list[tuple[str, str]]]:
        """The manifest of a component, and what would be lost of it: path and difference."""
        path = manifests.path_of(component)
        actual = self._actual(path)
        before, text = present.manifests[component], rendering.manifests[component]
        if component == "etcd":
            before, text = manifests.keep_members(before, actual), manifests.keep_members(text, actual)
        rights = {"mode": 0o600, "uid": os.geteuid(), "gid": os.getegid()}
        edits = []
        about = adjusted.arguments[component]
        volumes = adjusted.volumes.get(component, set())
        if actual is not None:
            if manifests.same_pod(actual, text):
                # Comments and layout are a person's own.
                text = actual
            elif adjust.edited(before, actual, about, volumes):
                names = adjust.edited_arguments(before, actual, about)
                shown = f"{path} ({', '.join(names)})" if names else path
                edits.append((shown, manifests.diff(path, actual, text)))
        return WantedFile(path, text.encode(), "manifest", component, **rights), edits

    def _kubelet_file(
        self, present: render.Rendering, rendering: render.Rendering
    ) -> tuple[list[WantedFile], list[tuple[str, str]]]:
        """The kubelet's file, and what would be lost of it."""
        if not self._kubelet:
            return [], []
        before, text = present.kubelet_files["config.yaml"], rendering.kubelet_files["config.yaml"]
        actual = self._actual(_KUBELET_CONFIG)
        edits = []
        if actual is not None:
            if manifests.same_pod(actual, text):
                text = actual
            elif adjust.kubelet_edited(before, actual, self._kubelet):
                edits.append((_KUBELET_CONFIG, manifests.diff(_KUBELET_CONFIG, actual, text)))
        return [WantedFile(_KUBELET_CONFIG, text.encode(), "kubelet", "kubelet", mode=0o600)], edits

    def _refuse(self, edits: t.Sequence[tuple[str, str]]) -> None:
        """Refuse to take back what somebody wrote by hand.

        :raises KubeadmError: names the files and shows the lines.
        """
        if not edits or self._replace_edits:
            return
        shown = redact("".join(difference for _path, difference in edits))
        names = ", ".join(path for path, _difference in edits)
        raise KubeadmError(
            f"{self.host.name}: {names} is not what kubeadm makes of the cluster's configuration, in more than what"
            f" is to be changed. Nothing was changed. What would be:\n{shown}",
            "Bring these values into the ConfigMaps kubeadm-config and kubelet-config of kube-system, or name the"
            " folder of kubeadm's patches in patches; set replace_edits when they may be lost.",
            edited=[path.partition(" (")[0] for path, _difference in edits],
        )

    def _look_worker(self) -> tuple[Wanted, Found]:
        self.files = ()
        found = Found(self.host.name, {}, unsettled=Transaction(self.host.root).pending)
        if not self._kubelet:
            return Wanted(()), found
        cluster, kubelet = self._kept()
        merged = adjust.merge_kubelet(parsed(kubelet), self._kubelet)
        if merged != parsed(kubelet) and not self._check_mode:
            raise KubeadmError(
                f"{self.host.name}: the ConfigMap kubelet-config has other values than those that are asked for.",
                "Run this on a control plane first, which writes them there.",
            )
        own = self._registration()
        present = self.renderer.worker([own], cluster, kubelet)
        self._made = [own, merged]
        rendering = self.renderer.worker(self._made, cluster, kubelet)
        files, edits = self._kubelet_file(present, rendering)
        self._refuse(edits)
        return Wanted(tuple(files)), Found(self.host.name, self._states(files), unsettled=found.unsettled)

    def _kept(self) -> tuple[str, str]:
        """ClusterConfiguration and KubeletConfiguration of the cluster, as a worker may read them."""
        api = Api(self.host.root, kubeconfig=node.KUBELET_CONF)
        try:
            cluster, kubelet = self._config_maps(api)
        except UnreachableError as exc:
            raise KubeadmError(
                f"{self.host.name}: the API server {api.server} does not answer: {exc.reason}.",
                "See that a control plane works and that this host reaches it.",
            ) from exc
        if cluster is None or kubelet is None:
            raise KubeadmError(
                f"{self.host.name}: the cluster has no ConfigMaps kubeadm-config and kubelet-config.",
                "Only a cluster that kubeadm made can be changed in this way.",
            )
        return cluster, kubelet
