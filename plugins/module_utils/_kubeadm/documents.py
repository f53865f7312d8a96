# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The documents that kubeadm reads, with what the module adds. Pure."""

from __future__ import annotations

import copy
import json
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import yaml
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.bootstrap_plan import DesiredNode
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import KubeadmError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import ADMIN_CONF

API_VERSION = "kubeadm.k8s.io/v1beta4"
# kubeadm binds the right to join to system:bootstrappers:kubeadm:default-node-token, and nothing to this group.
POWERLESS_GROUP = "system:bootstrappers:baremetal-kubernetes:unused"
# What messages call the configuration that kubeadm prints.
OUTPUT = "The configuration that kubeadm makes of the documents"
# Fields of v1beta4 and of the KubeletConfiguration whose values are secrets, in lower case. A staticPodURLHeader
# is an Authorization header as a rule.
_SECRET_FIELDS = frozenset(
    {"bootstraptokens", "certificatekey", "token", "tlsbootstraptoken", "staticpodurlheader"}
)
Document = dict[str, t.Any]


def find(documents: t.Sequence[t.Mapping[str, t.Any]], kind: str) -> Document:
    """The document of a kind, empty when there is none.

    :raises KubeadmError: when there are several.
    """
    own = [document for document in documents if document.get("kind") == kind]
    if len(own) > 1:
        raise KubeadmError(f"There are {len(own)} documents of kind {kind}, expected one.", "Merge them.")
    return dict(own[0]) if own else {}


def parse(text: str | None, source: str) -> Document:
    """A configuration as data; empty when there is none.

    :param source: where it comes from, for the message.
    :raises KubeadmError: when it is no YAML that the reader knows, or no mapping.
    """
    try:
        value = yaml.load(text or "") or {}
    except yaml.YamlError as exc:
        raise KubeadmError(
            f"{source} cannot be read ({exc}).",
            "Use plain YAML there: no anchors, no tags, no value that is wrapped over several lines.",
        ) from exc
    if not isinstance(value, dict):
        raise KubeadmError(
            f"{source} is a {type(value).__name__}, expected a mapping.", "Put it in order and run again."
        )
    return value


def stored_cluster(text: str | None) -> Document:
    """The ClusterConfiguration that the cluster stores.

    :raises KubeadmError: when it cannot be read.
    """
    return parse(text, "ClusterConfiguration in the ConfigMap kubeadm-config of kube-system")


def stored_kubelet(text: str | None) -> Document:
    """The KubeletConfiguration that the cluster stores.

    :raises KubeadmError: when it cannot be read.
    """
    return parse(text, "kubelet in the ConfigMap kubelet-config of kube-system")


def check(documents: t.Sequence[t.Mapping[str, t.Any]]) -> None:
    """Refuse documents that kubeadm could not tell apart, or that hold secrets.

    :raises KubeadmError: when a document has no kind or version, or a field for a token or key at any depth.
    """
    for document in documents:
        if not document.get("kind") or not document.get("apiVersion"):
            raise KubeadmError(
                f"A document has kind {document.get('kind')!r} and apiVersion {document.get('apiVersion')!r}.",
                "Give both in each document.",
            )
        find(documents, str(document["kind"]))
    found = [item for document in documents for item in secret_fields(document, str(document["kind"]))]
    if found:
        error = KubeadmError(
            f"{', '.join(path for path, _value in found)}: secrets do not belong into kubeadm's documents, as logs,"
            " diffs and the inventory show those. Nothing was changed.",
            "Remove them from control_plane_cluster_configuration, control_plane_kubelet_configuration and"
            " kubelet_config. The playbooks create a token and a certificate key for each join, and delete them.",
        )
        error.secrets = frozenset(text for _path, value in found for text in _texts(value) if len(text) > 3)
        raise error


def secret_fields(value: t.Any, path: str) -> t.Iterator[tuple[str, t.Any]]:
    """Path and value of every field that holds a secret."""
    if isinstance(value, t.Mapping):
        for key, inner in value.items():
            where = f"{path}.{key}"
            if str(key).lower() in _SECRET_FIELDS and inner:
                yield where, inner
            else:
                yield from secret_fields(inner, where)
    elif isinstance(value, (list, tuple)):
        for number, inner in enumerate(value):
            yield from secret_fields(inner, f"{path}[{number}]")


def _texts(value: t.Any) -> t.Iterator[str]:
    """All strings of a value."""
    if isinstance(value, t.Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


def desired_from(
    operation: str,
    role: str,
    documents: t.Sequence[t.Mapping[str, t.Any]],
    cluster_ids: t.Sequence[str],
    ignore_preflight_errors: t.Sequence[str],
    skip_phases: t.Sequence[str],
) -> DesiredNode:
    """What the host has to be, with the port and directory that the documents set."""
    if operation == "init":
        local = find(documents, "InitConfiguration").get("localAPIEndpoint") or {}
    else:
        control_plane = find(documents, "JoinConfiguration").get("controlPlane") or {}
        local = control_plane.get("localAPIEndpoint") or {}
    etcd = (find(documents, "ClusterConfiguration").get("etcd") or {}).get("local") or {}
    return DesiredNode(
        operation=operation,
        role=role,
        cluster_ids=tuple(cluster_ids),
        ignore_preflight_errors=tuple(ignore_preflight_errors),
        skip_phases=tuple(skip_phases),
        bind_port=int(local.get("bindPort") or 6443),
        etcd_dir=str(etcd.get("dataDir") or "/var/lib/etcd"),
    )


def wants_dns(documents: t.Sequence[t.Mapping[str, t.Any]]) -> bool:
    """Whether kubeadm installs CoreDNS."""
    return not (find(documents, "ClusterConfiguration").get("dns") or {}).get("disabled", False)


def _merged(
    documents: t.Sequence[t.Mapping[str, t.Any]], kind: str, change: t.Callable[[Document], None]
) -> list[Document]:
    result = [copy.deepcopy(dict(document)) for document in documents]
    own = next((document for document in result if document.get("kind") == kind), None)
    if own is None:
        own = {"apiVersion": API_VERSION, "kind": kind}
        result.insert(0, own)
    change(own)
    return result


def init_documents(
    documents: t.Sequence[t.Mapping[str, t.Any]], token: str, patches: str | None = None
) -> list[Document]:
    """The documents of C(kubeadm init).

    By itself, kubeadm would create a token that lets nodes join for 24 hours. It is given one instead whose
    group has no rights, that is valid for five minutes and is deleted at the end. (kubeadm accepts no token without
    usages and groups.)

    :param token: for that purpose.
    """

    def change(own: Document) -> None:
        own["bootstrapTokens"] = [
            {
                "token": token,
                "ttl": "5m0s",
                "usages": ["authentication"],
                "groups": [POWERLESS_GROUP],
                "description": "created and deleted by kubeadm init",
            }
        ]
        if patches:
            own["patches"] = {"directory": patches}

    return _merged(documents, "InitConfiguration", change)


def join_documents(
    documents: t.Sequence[t.Mapping[str, t.Any]],
    role: str,
    token: str | None,
    ca_cert_hashes: t.Sequence[str],
    api_server_endpoint: str | None,
    certificate_key: str | None,
    patches: str | None = None,
) -> list[Document]:
    """The documents of C(kubeadm join).

    :raises KubeadmError: when something to join with is missing, or a worker's document has C(controlPlane).
    """
    existing = find(documents, "JoinConfiguration")
    if role == "worker" and existing.get("controlPlane") is not None:
        raise KubeadmError(
            "The JoinConfiguration has controlPlane, but the role is worker.", "Correct one of them."
        )
    lacking = [
        name
        for name, value in (
            ("token", token),
            ("ca_cert_hashes", ca_cert_hashes),
            ("api_server_endpoint", api_server_endpoint),
            ("certificate_key", certificate_key if role == "control_plane" else "not needed"),
        )
        if not value
    ]
    if lacking:
        raise KubeadmError(
            f"To join, kubeadm needs {', '.join(lacking)}.",
            "Create them with baremetal.kubernetes.bootstrap_token.",
        )

    def change(own: Document) -> None:
        own["discovery"] = {
            **(own.get("discovery") or {}),
            "bootstrapToken": {
                "token": token,
                "apiServerEndpoint": api_server_endpoint,
                "caCertHashes": list(ca_cert_hashes),
            },
            "tlsBootstrapToken": token,
        }
        if role == "control_plane":
            own["controlPlane"] = {**(own.get("controlPlane") or {}), "certificateKey": certificate_key}
        if patches:
            own["patches"] = {"directory": patches}

    return _merged(join_only(documents), "JoinConfiguration", change)


def join_only(documents: t.Sequence[t.Mapping[str, t.Any]]) -> list[t.Mapping[str, t.Any]]:
    """The documents that C(kubeadm join) reads; it takes the cluster's configuration from the cluster."""
    return [document for document in documents if document.get("kind") == "JoinConfiguration"]


def phase_documents(documents: t.Sequence[t.Mapping[str, t.Any]]) -> list[Document]:
    """The documents of a phase of C(kubeadm join) on a control plane that is a member already."""

    def change(own: Document) -> None:
        own["discovery"] = {"file": {"kubeConfigPath": ADMIN_CONF}}
        own["controlPlane"] = own.get("controlPlane") or {}

    return _merged(join_only(documents), "JoinConfiguration", change)


def render(documents: t.Sequence[t.Mapping[str, t.Any]], raw: t.Sequence[str] = ()) -> bytes:
    """A YAML stream; each document is JSON, which is YAML.

    :param raw: further documents that are YAML text already.
    """
    texts = [json.dumps(document, indent=1, sort_keys=True) for document in documents]
    return "".join(f"---\n{text.strip()}\n" for text in [*texts, *raw]).encode()


def host_of(endpoint: str) -> str:
    """The host in an endpoint, without port and brackets."""
    if endpoint.startswith("["):
        return endpoint[1:].partition("]")[0]
    return endpoint.partition(":")[0] if endpoint.count(":") == 1 else endpoint
