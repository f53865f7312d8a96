# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""A member whose documents are unknown: they are made of what the cluster stores and the host runs."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import documents as docs
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import (
    edits,
    manifests,
    render,
    settings_plan,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.declared import (
    kubelet_file,
    manifest_file,
    observe_files,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import (
    DesiredFile,
    KubeadmError,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.reconfigure_plan import (
    Comparison,
    DesiredConfiguration,
    ObservedConfiguration,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import Host
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.stored import (
    ConfigMaps,
    StoredConfiguration,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.transaction import (
    Transaction,
    observe_file,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node
from ansible_collections.baremetal.kubernetes.plugins.module_utils._redact import redact

_KUBELET_CONFIG = f"{render.KUBELET_DIR}/config.yaml"
_INSTANCE_CONFIG = f"{render.KUBELET_DIR}/instance-config.yaml"
_FLAGS = f"{render.KUBELET_DIR}/kubeadm-flags.env"
_SOCKET_FLAG = re.compile(r"--container-runtime-endpoint[= ]([^\s\"']+)")


@dataclass(frozen=True)
class DesiredSettings:
    """The settings that a member has to have.

    :param files: that arguments may need. :param patches: directory of kubeadm's patches.
    :param replace_edits: whether manual edits may be lost.
    """

    arguments: tuple[settings_plan.DesiredArgument, ...] = ()
    kubelet: t.Mapping[str, t.Any] | None = None
    files: tuple[DesiredFile, ...] = ()
    patches: str | None = None
    replace_edits: bool = False


@dataclass(frozen=True)
class _Rendered:
    """What kubeadm makes of the cluster's configuration: as it is, and with the settings."""

    before: render.Rendering
    after: render.Rendering


class _Edit(t.NamedTuple):
    """A file that was edited manually.

    :param shown: the path, and which arguments. :param diff: what would be lost.
    """

    path: str
    shown: str
    diff: str


class Settings:
    """One node of a cluster, and the settings that change there.

    :param role: of the host.
    """

    def __init__(self, host: Host, role: str, desired: DesiredSettings, check_mode: bool = False) -> None:
        self._host = host
        self._worker = role == "worker"
        self._desired = desired
        self._check_mode = check_mode
        self.config_maps = ConfigMaps(host)
        needed = {path for argument in desired.arguments for path in argument.files}
        missing = sorted(needed - {item.path for item in desired.files})
        if missing:
            raise KubeadmError(
                f"arguments need {', '.join(missing)}, not in files.", "Add their contents there."
            )

    def observe(self) -> Comparison:
        """What the settings say the member has to be, and what it is. Changes nothing.

        :raises KubeadmError: when the cluster cannot be asked, or a manual edit would be lost.
        """
        return self._observe_worker() if self._worker else self._observe_control_plane()

    def _observe_control_plane(self) -> Comparison:
        stored = self.config_maps.by_control_plane()
        self._refuse_unknown(stored)
        own = {**self._init_configuration(), "localAPIEndpoint": self._endpoint()}
        cluster, kubelet = docs.stored_cluster(stored.cluster), docs.stored_kubelet(stored.kubelet)
        if cluster.get("apiVersion") != docs.API_VERSION:
            raise KubeadmError(
                f"{self._host.name}: kubeadm-config is {cluster.get('apiVersion')!r}, expected {docs.API_VERSION}.",
                "Upgrade the cluster to Kubernetes 1.31 or later, which rewrites it.",
            )
        before = render.Renderer(self._host, self._desired.patches).control_plane([own, cluster, kubelet])
        present = {name: manifests.read_rendered(name, text) for name, text in before.manifests.items()}
        plan = settings_plan.plan_arguments(cluster, present, self._desired.arguments)
        files = tuple(item for item in self._desired.files if item.path in plan.files)
        documents = (own, plan.cluster, settings_plan.merge_kubelet(kubelet, self._desired.kubelet or {}))
        patches = manifests.digest_patches(self._digests(plan, files))
        after = render.Renderer(self._host, self._desired.patches, patches).control_plane(documents)
        rendered = _Rendered(before, after)
        desired = list(files)
        edited: list[_Edit] = []
        components = sorted(plan.managed, key=manifests.COMPONENTS.index)
        desired += [self._manifest(component, rendered, plan, edited) for component in components]
        desired += self._kubelet_files(rendered, edited)
        self._refuse_edits(edited)
        return self._compare(
            DesiredConfiguration(
                tuple(desired),
                after.cluster if after.cluster != before.cluster else None,
                after.kubelet if after.kubelet != before.kubelet else None,
            ),
            stored,
            documents,
            plan.skipped,
        )

    def _observe_worker(self) -> Comparison:
        if not self._desired.kubelet:
            return self._compare(DesiredConfiguration(), StoredConfiguration())
        stored = self.config_maps.by_worker()
        self._refuse_unknown(stored)
        kubelet = docs.stored_kubelet(stored.kubelet)
        merged = settings_plan.merge_kubelet(kubelet, self._desired.kubelet)
        if merged != kubelet and not self._check_mode:
            raise KubeadmError(
                f"{self._host.name}: the ConfigMap kubelet-config has other values than those that are asked for.",
                "Run this on a control plane first, which writes them there.",
            )
        own = self._init_configuration()
        renderer = render.Renderer(self._host, self._desired.patches)
        texts = stored.cluster or "", stored.kubelet or ""
        rendered = _Rendered(renderer.worker([own], *texts), renderer.worker([own, merged], *texts))
        edited: list[_Edit] = []
        files = self._kubelet_files(rendered, edited)
        self._refuse_edits(edited)
        # A worker uploads nothing.
        return self._compare(DesiredConfiguration(tuple(files)), StoredConfiguration())

    def _compare(
        self,
        desired: DesiredConfiguration,
        stored: StoredConfiguration,
        documents: t.Sequence[docs.Document] = (),
        skipped: t.Sequence[str] = (),
    ) -> Comparison:
        observed = ObservedConfiguration(
            host=self._host.name,
            files=observe_files(self._host.root, desired.files),
            cluster=stored.cluster,
            kubelet=stored.kubelet,
            pending=Transaction(self._host.root).pending,
        )
        return Comparison(desired, observed, tuple(documents), tuple(skipped))

    def _refuse_unknown(self, stored: StoredConfiguration) -> None:
        """Refuse a cluster that does not answer, or that kubeadm did not create."""
        if stored.unreachable:
            raise KubeadmError(
                f"{stored.unreachable} It stores the configuration that kubeadm created the cluster with.",
                "Make sure that the control plane works and that this host reaches it.",
            )
        if stored.cluster is None or stored.kubelet is None:
            raise KubeadmError(
                f"{self._host.name}: the cluster has no ConfigMaps kubeadm-config and kubelet-config.",
                "Only a cluster that kubeadm created can be changed in this way.",
            )

    def _init_configuration(self) -> docs.Document:
        """The InitConfiguration, with what the host says about itself."""
        registration: dict[str, t.Any] = {"name": self._host.node_name() or self._host.name.lower()}
        socket = self._cri_socket()
        if socket:
            registration["criSocket"] = socket
        return {
            "apiVersion": docs.API_VERSION,
            "kind": "InitConfiguration",
            "nodeRegistration": registration,
        }

    def _cri_socket(self) -> str | None:
        instance = docs.parse(
            node.read_text(self._host.root, _INSTANCE_CONFIG), f"{self._host.name}: {_INSTANCE_CONFIG}"
        )
        endpoint = instance.get("containerRuntimeEndpoint")
        if endpoint:
            return str(endpoint)
        flag = _SOCKET_FLAG.search(node.read_text(self._host.root, _FLAGS) or "")
        return flag.group(1) if flag else None

    def _endpoint(self) -> dict[str, t.Any]:
        """The address of this host's API server."""
        path = manifests.path_of("kube-apiserver")
        try:
            manifest = manifests.read("kube-apiserver", self._text(path) or "")
        except ValueError as exc:
            raise KubeadmError(
                f"{self._host.name}: {path} cannot be read ({exc}), so the address of the API server is not known.",
                "Repair the manifest, or create it again with: kubeadm init phase control-plane apiserver",
            ) from exc
        result: dict[str, t.Any] = {"bindPort": int(manifest.argument("secure-port") or 6443)}
        address = manifest.argument("advertise-address")
        return {**result, "advertiseAddress": address} if address else result

    def _text(self, path: str) -> str | None:
        return observe_file(self._host.root, path).text

    def _digests(self, plan: settings_plan.ArgumentPlan, files: t.Sequence[DesiredFile]) -> dict[str, str]:
        result = {}
        for component in plan.managed:
            read = {
                item.path: item.content
                for item in files
                if component in manifests.readers_of(item.path, plan.cluster)
            }
            former = settings_plan.annotation(self._text(manifests.path_of(component)))
            digest = settings_plan.new_annotation(former, read)
            if digest is not None:
                result[component] = digest
        return result

    def _manifest(
        self,
        component: str,
        rendered: _Rendered,
        plan: settings_plan.ArgumentPlan,
        edited: list[_Edit],
    ) -> DesiredFile:
        """The manifest of a component; a manual edit of the present one is added to C(edited)."""
        path = manifests.path_of(component)
        actual = self._text(path)
        before, text = rendered.before.manifests[component], rendered.after.manifests[component]
        if component == "etcd":
            before = manifests.keep_members(before, actual)
            text = manifests.started(manifests.keep_members(text, actual), actual)
        managed, volumes = plan.managed[component], plan.volumes.get(component, frozenset())
        if actual is not None:
            if manifests.same_pod(actual, text):
                # Comments and layout are kept.
                text = actual
            elif edits.manifest_edited(before, actual, managed, volumes):
                names = edits.edited_arguments(before, actual, managed)
                shown = f"{path} ({', '.join(names)})" if names else path
                edited.append(_Edit(path, shown, manifests.diff(path, actual, text)))
        return manifest_file(component, text)

    def _kubelet_files(self, rendered: _Rendered, edited: list[_Edit]) -> list[DesiredFile]:
        """The kubelet's file; a manual edit of the present one is added to C(edited)."""
        if not self._desired.kubelet:
            return []
        before = rendered.before.kubelet_files["config.yaml"]
        text = rendered.after.kubelet_files["config.yaml"]
        actual = self._text(_KUBELET_CONFIG)
        if actual is not None:
            if manifests.same_pod(actual, text):
                text = actual
            elif edits.kubelet_edited(before, actual, self._desired.kubelet):
                diff = manifests.diff(_KUBELET_CONFIG, actual, text)
                edited.append(_Edit(_KUBELET_CONFIG, _KUBELET_CONFIG, diff))
        return [kubelet_file("config.yaml", text)]

    def _refuse_edits(self, edited: t.Sequence[_Edit]) -> None:
        """Refuse to overwrite manual edits.

        :raises KubeadmError: names the files and shows the lines.
        """
        if not edited or self._desired.replace_edits:
            return
        diff = redact("".join(edit.diff for edit in edited))
        raise KubeadmError(
            f"{self._host.name}: {', '.join(edit.shown for edit in edited)} is not what kubeadm makes of the cluster's"
            f" configuration, beyond the settings that change. Nothing was changed. What would be:\n{diff}",
            "Add these values to the ConfigMaps kubeadm-config and kubelet-config of kube-system, or name the directory"
            " of kubeadm's patches in patches; set replace_edits when they may be lost.",
            edited=[edit.path for edit in edited],
        )
