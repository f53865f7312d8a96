# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What kubeadm makes of the documents, written by kubeadm itself to a directory that is removed at once."""

from __future__ import annotations

import contextlib
import copy
import ipaddress
import os
import shutil
import typing as t
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import x509, yaml
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import documents as docs
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import manifests
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import KubeadmError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import (
    Host,
    scratch_directory,
    write_private,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node

KUBELET_DIR = "/var/lib/kubelet"
# What kubeadm writes for the kubelet (cmd/kubeadm/app/constants/constants.go).
KUBELET_FILES = ("config.yaml", "instance-config.yaml", "kubeadm-flags.env")
PROXY_PHASE = "addon/kube-proxy"
_DIRECTORY = "KUBEADM_INIT_DRYRUN_DIR"
# Everything but the manifests, the kubelet's files and the ConfigMap of the kubelets.
_SKIPPED = (
    "preflight,certs,kubeconfig,wait-control-plane,upload-config/kubeadm,upload-certs,mark-control-plane,"
    "bootstrap-token,kubelet-finalize,addon,show-join-command"
)
# In a dry run kubeadm reads a kubeconfig, and connects to nothing.
_NO_CLUSTER = b"""apiVersion: v1
kind: Config
clusters: [{name: none, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: none, user: {}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
current-context: none
"""
# Any address will do where no manifest is written: this one is reserved for documentation (RFC 5737).
_ANY_ADDRESS = "192.0.2.1"
_PKI = "/etc/kubernetes/pki"
_SECONDS = 60.0


@dataclass(frozen=True)
class Rendering:
    """What kubeadm wrote.

    :param manifests: text by component. :param kubelet_files: text by name of the file.
    :param cluster: ClusterConfiguration as kubeadm uploads it. :param kubelet: KubeletConfiguration, likewise.
    """

    manifests: t.Mapping[str, str] = field(default_factory=dict)
    kubelet_files: t.Mapping[str, str] = field(default_factory=dict)
    cluster: str | None = None
    kubelet: str | None = None


def disable_proxy(own: docs.Document, skip_phases: t.Collection[str]) -> docs.Document:
    """Disable kube-proxy explicitly: C(kubeadm init) concludes it from the skipped phase, other commands do not."""
    if PROXY_PHASE in skip_phases or "addon" in skip_phases:
        return {**own, "proxy": {**(own.get("proxy") or {}), "disabled": True}}
    return own


def init_configuration(documents: t.Sequence[t.Mapping[str, t.Any]]) -> docs.Document:
    """The InitConfiguration of this host, also where the documents have a JoinConfiguration."""
    own = docs.find(documents, "InitConfiguration")
    if not own:
        joining = docs.find(documents, "JoinConfiguration")
        own = {"apiVersion": docs.API_VERSION, "kind": "InitConfiguration"}
        for key in ("nodeRegistration", "timeouts", "patches"):
            if joining.get(key):
                own[key] = copy.deepcopy(joining[key])
        local = (joining.get("controlPlane") or {}).get("localAPIEndpoint")
        if local:
            own["localAPIEndpoint"] = copy.deepcopy(local)
    return own


def control_plane_documents(
    documents: t.Sequence[t.Mapping[str, t.Any]], skip_phases: t.Collection[str]
) -> list[docs.Document]:
    """The documents as C(kubeadm init) takes them, on any control plane, without secrets."""
    result = [
        init_configuration(documents),
        disable_proxy(docs.find(documents, "ClusterConfiguration"), skip_phases),
    ]
    kubelet = docs.find(documents, "KubeletConfiguration")
    return [*result, kubelet] if kubelet else result


def worker_configuration(documents: t.Sequence[t.Mapping[str, t.Any]]) -> docs.Document:
    """The InitConfiguration by which kubeadm writes the files of a worker's kubelet."""
    own = init_configuration(documents)
    own["localAPIEndpoint"] = {"advertiseAddress": _ANY_ADDRESS, "bindPort": 6443}
    registration = own.setdefault("nodeRegistration", {})
    taints = [taint for taint in registration.get("taints") or [] if taint]
    arguments = list(registration.get("kubeletExtraArgs") or [])
    # join, unlike init, has the kubelet set the taints (cmd/kubeadm/app/cmd/phases/join/kubelet.go).
    if taints and not any(argument.get("name") == "register-with-taints" for argument in arguments):
        arguments.append({"name": "register-with-taints", "value": ",".join(map(taint_text, taints))})
        registration["kubeletExtraArgs"] = arguments
    return own


def taint_text(taint: t.Mapping[str, t.Any]) -> str:
    """A taint as an argument of the kubelet (Taint.ToString in k8s.io/api/core/v1)."""
    key, value, effect = (str(taint.get(name) or "") for name in ("key", "value", "effect"))
    if not effect:
        return f"{key}={value}:" if value else key
    return f"{key}={value}:{effect}" if value else f"{key}:{effect}"


def kubelet_object(printed: str) -> str | None:
    """The KubeletConfiguration in the ConfigMap that a dry run prints, between lines of its log."""
    block: list[str] = []
    for line in [*printed.splitlines(), "[end]"]:
        if not line.startswith("["):
            block.append(line)
            continue
        with contextlib.suppress(yaml.YamlError, AttributeError):
            found = ((yaml.load("\n".join(block)) or {}).get("data") or {}).get("kubelet")
            if isinstance(found, str):
                return found
        block = []
    return None


def alt_names(cluster: str, node_name: str, address: str) -> tuple[str, ...]:
    """The names and addresses in the API server's certificate (GetAPIServerAltNames in pkiutil of kubeadm), sorted.

    :param cluster: ClusterConfiguration with all its defaults.
    """
    configuration = docs.parse(cluster, docs.OUTPUT)
    networking = configuration.get("networking") or {}
    service = str(networking.get("serviceSubnet") or "").partition(",")[0]
    endpoint = str(configuration.get("controlPlaneEndpoint") or "")
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    names.append(f"kubernetes.default.svc.{networking.get('dnsDomain') or 'cluster.local'}")
    names.extend([node_name, address, _first_address(service), docs.host_of(endpoint)])
    names.extend(str(name) for name in (configuration.get("apiServer") or {}).get("certSANs") or [])
    return tuple(sorted({x509.canonical_name(name) for name in names if name}))


def _first_address(network: str) -> str:
    try:
        return str(ipaddress.ip_network(network, strict=False)[1])
    except (ValueError, IndexError):
        return ""


class Renderer:
    """Runs kubeadm for its output only.

    :param patches: the site's directory of patches. :param extra: further patches, by file name.
    """

    def __init__(
        self, host: Host, patches: str | None = None, extra: t.Mapping[str, bytes] | None = None
    ) -> None:
        self._host = host
        self._patches = patches
        self._extra = dict(extra or {})

    @contextlib.contextmanager
    def patches(self) -> t.Iterator[str | None]:
        """The directory of patches for kubeadm: the site's and our own together."""
        if not self._extra:
            yield self._patches
            return
        with scratch_directory("patches") as directory:
            if self._patches:
                source = node.under(self._host.root, self._patches)
                if not os.path.isdir(source):
                    raise KubeadmError(
                        f"{self._host.name}: patches is {self._patches}, which is no directory.",
                        "Create it, or correct patches.",
                    )
                shutil.copytree(source, directory, dirs_exist_ok=True)
            for name, content in self._extra.items():
                write_private(os.path.join(directory, name), content)
            yield directory

    def control_plane(self, documents: t.Sequence[docs.Document]) -> Rendering:
        """Manifests, the kubelet's files and both ConfigMaps.

        :param documents: see L(control_plane_documents).
        :raises KubeadmError: when kubeadm refuses the documents.
        """
        with scratch_directory("render") as directory, self.patches() as patches:
            write_private(os.path.join(directory, "admin.conf"), _NO_CLUSTER)
            own = copy.deepcopy(list(documents))
            if patches:
                own[0]["patches"] = {"directory": patches}
            argv = ["init", "--dry-run", f"--skip-phases={_SKIPPED}", "--skip-token-print"]
            with self._host.config_file(docs.render(own)) as path:
                # First, as it is strict: an unknown field is an error to it.
                migrated = self._host.run(["config", "migrate", "--old-config", path], _SECONDS)
                printed = self._host.run([*argv, "--config", path], _SECONDS, env={_DIRECTORY: directory})
            cluster = [
                text
                for text in yaml.split(migrated.raw)
                if docs.parse(text, docs.OUTPUT).get("kind") == "ClusterConfiguration"
            ]
            kubelet = kubelet_object(printed.raw)
            if not cluster or not kubelet:
                raise KubeadmError(
                    f"{self._host.name}: kubeadm did not print the configuration that it makes of the documents.",
                    "Use a version of kubeadm that this collection supports.",
                )
            made = {
                component: _read(os.path.join(directory, f"{component}.yaml"))
                for component in manifests.COMPONENTS
            }
            return Rendering(
                manifests={component: text for component, text in made.items() if text is not None},
                kubelet_files=_kubelet_files(directory),
                cluster=cluster[0],
                kubelet=kubelet,
            )

    def worker(self, documents: t.Sequence[t.Mapping[str, t.Any]], cluster: str, kubelet: str) -> Rendering:
        """The files of a worker's kubelet.

        :param cluster: ClusterConfiguration as the cluster stores it. :param kubelet: KubeletConfiguration, likewise;
            one among the documents replaces it.
        :raises KubeadmError: when kubeadm refuses them.
        """
        with scratch_directory("render") as directory, self.patches() as patches:
            # kubeadm would take the CA of a host that lacks its key for an external one, and look for more of it.
            nowhere = os.path.join(directory, "pki")
            stored = docs.stored_cluster(cluster)
            real = str(stored.get("certificatesDir") or _PKI)
            stored["certificatesDir"] = nowhere
            own = worker_configuration(documents)
            if patches:
                own["patches"] = {"directory": patches}
            given = docs.find(documents, "KubeletConfiguration")
            content = docs.render([own, stored, *([given] if given else [])], [] if given else [kubelet])
            with self._host.config_file(content) as path:
                argv = ["init", "phase", "kubelet-start", "--dry-run", "--config", path]
                self._host.run(argv, _SECONDS, env={_DIRECTORY: directory})
            made = {name: text.replace(nowhere, real) for name, text in _kubelet_files(directory).items()}
            return Rendering(kubelet_files=made)

    def certificate(self, documents: t.Sequence[docs.Document], source: str) -> tuple[bytes, bytes]:
        """A certificate of the API server and its key.

        :param source: directory of the cluster's certificates, with the key of the CA.
        :raises KubeadmError: without that key, or when kubeadm fails.
        """
        with scratch_directory("certificate") as scratch:
            try:
                for name in ("ca.crt", "ca.key"):
                    with open(os.path.join(source, name), "rb") as handle:
                        write_private(os.path.join(scratch, name), handle.read())
            except OSError as exc:
                raise KubeadmError(
                    f"{self._host.name}: {exc.filename} cannot be read ({exc.strerror}), so no certificate of the API"
                    " server can be issued for the new names.",
                    "Place apiserver.crt and apiserver.key of your own CA, or set the names back.",
                ) from exc
            own = copy.deepcopy(list(documents))
            for document in own:
                if document.get("kind") == "ClusterConfiguration":
                    document["certificatesDir"] = scratch
            with self._host.config_file(docs.render(own)) as path:
                self._host.run(["init", "phase", "certs", "apiserver", "--config", path], _SECONDS)
            with open(os.path.join(scratch, "apiserver.crt"), "rb") as handle:
                certificate = handle.read()
            with open(os.path.join(scratch, "apiserver.key"), "rb") as handle:
                return certificate, handle.read()


def _kubelet_files(directory: str) -> dict[str, str]:
    made = {name: _read(os.path.join(directory, name)) for name in KUBELET_FILES}
    return {name: text for name, text in made.items() if text is not None}


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as handle:
            return handle.read()
    except FileNotFoundError:
        return None
