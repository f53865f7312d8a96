# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""A snapshot of a cluster for the audit, read from the API.

Everything is read once. What cannot be read is kept with the reason, and only the checks that need it get an error.
Of Secrets, and of all kinds where the name is enough, only metadata is requested.
"""

from __future__ import annotations

import datetime
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import (
    JSON,
    METADATA_ONLY,
    ApiError,
    Client,
    StatusError,
)

Object = t.Mapping[str, t.Any]

_AT_ONCE = 8


@dataclass(frozen=True)
class Resource:
    """A list of the API, or one object.

    :param name: as in C(kubectl); with a suffix after a colon where one resource is read in parts.
    :param path: of the API.
    :param whole: whether more than the metadata of its items is needed.
    :param query: further parameters, encoded.
    :param only: name of the only object to read.
    """

    name: str
    path: str
    whole: bool = True
    query: str = ""
    only: str = ""

    @property
    def permission(self) -> dict[str, str]:
        """The permission to read it, as in C(kubectl auth can-i)."""
        parts = self.path.strip("/").split("/")
        return {
            "verb": "get" if self.only else "list",
            "group": parts[1] if parts[0] == "apis" else "",
            "resource": parts[-1],
            "namespace": parts[parts.index("namespaces") + 1] if "namespaces" in parts[:-1] else "",
        }


def _resources() -> tuple[Resource, ...]:
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    admission = "/apis/admissionregistration.k8s.io/v1"
    default = "namespaces/default"
    return (
        Resource("namespaces", "/api/v1/namespaces"),
        Resource("nodes", "/api/v1/nodes"),
        Resource("pods", "/api/v1/pods"),
        Resource("serviceaccounts", "/api/v1/serviceaccounts"),
        Resource("clusterroles", f"{rbac}/clusterroles"),
        Resource("clusterrolebindings", f"{rbac}/clusterrolebindings"),
        Resource("roles", f"{rbac}/roles"),
        Resource("rolebindings", f"{rbac}/rolebindings"),
        Resource("networkpolicies", "/apis/networking.k8s.io/v1/networkpolicies"),
        Resource("certificatesigningrequests", "/apis/certificates.k8s.io/v1/certificatesigningrequests"),
        Resource("validatingadmissionpolicies", f"{admission}/validatingadmissionpolicies"),
        Resource("validatingadmissionpolicybindings", f"{admission}/validatingadmissionpolicybindings"),
        Resource("validatingwebhookconfigurations", f"{admission}/validatingwebhookconfigurations"),
        Resource("daemonsets", "/apis/apps/v1/daemonsets"),
        # Names are enough for the owners of Pods.
        Resource("replicasets", "/apis/apps/v1/replicasets", whole=False),
        Resource("jobs", "/apis/batch/v1/jobs", whole=False),
        Resource(
            "customresourcedefinitions",
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            whole=False,
        ),
        # The type of a Secret is not metadata, but can be selected.
        Resource(
            "secrets:service-account-token",
            "/api/v1/secrets",
            whole=False,
            query="fieldSelector=type%3Dkubernetes.io%2Fservice-account-token",
        ),
        Resource(
            "secrets:bootstrap-token",
            "/api/v1/namespaces/kube-system/secrets",
            whole=False,
            query="fieldSelector=type%3Dbootstrap.kubernetes.io%2Ftoken",
        ),
        # Objects in the namespace default.
        Resource("default:services", f"/api/v1/{default}/services", whole=False),
        Resource("default:configmaps", f"/api/v1/{default}/configmaps", whole=False),
        Resource("default:secrets", f"/api/v1/{default}/secrets", whole=False),
        Resource("default:persistentvolumeclaims", f"/api/v1/{default}/persistentvolumeclaims", whole=False),
        Resource("default:replicationcontrollers", f"/api/v1/{default}/replicationcontrollers", whole=False),
        Resource("default:deployments", f"/apis/apps/v1/{default}/deployments", whole=False),
        Resource("default:statefulsets", f"/apis/apps/v1/{default}/statefulsets", whole=False),
        Resource("default:cronjobs", f"/apis/batch/v1/{default}/cronjobs", whole=False),
        Resource("default:ingresses", f"/apis/networking.k8s.io/v1/{default}/ingresses", whole=False),
    )


RESOURCES = _resources()

#: Custom resources by the name of their definition (C(plural.group)), and whether more than metadata is needed.
#: A leading C(*) is for definitions that an operator creates as needed.
CUSTOM: t.Mapping[str, bool] = {
    "ciliumnetworkpolicies.cilium.io": True,
    "ciliumclusterwidenetworkpolicies.cilium.io": True,
    "globalnetworkpolicies.crd.projectcalico.org": True,
    "adminnetworkpolicies.policy.networking.k8s.io": True,
    "baselineadminnetworkpolicies.policy.networking.k8s.io": True,
    "clusternetworkpolicies.policy.networking.k8s.io": True,
    "clusterpolicies.kyverno.io": True,
    "policies.kyverno.io": True,
    "validatingpolicies.policies.kyverno.io": True,
    "imagevalidatingpolicies.policies.kyverno.io": True,
    "clusterimagepolicies.policy.sigstore.dev": False,
    "*.constraints.gatekeeper.sh": True,
    "externalsecrets.external-secrets.io": False,
    "secretproviderclasses.secrets-store.csi.x-k8s.io": False,
    "vaultstaticsecrets.secrets.hashicorp.com": False,
    "vaultdynamicsecrets.secrets.hashicorp.com": False,
}
_CONSTRAINTS = ".constraints.gatekeeper.sh"


class UnseenError(Exception):
    """Something that a check needs could not be read; the message says what and why."""


# Compared and hashed by identity, so that results can be cached.
@dataclass(frozen=True, eq=False)
class Snapshot:
    """A cluster at one moment.

    :param objects: by name of the resource; a missing one has no objects.
    :param unseen: why a resource could not be read, by its name.
    :param missing_permissions: permissions that the credentials lack.
    :param nodes: C(facts) of C(cis_node), one per host; empty without them.
    """

    version: str = ""
    objects: t.Mapping[str, tuple[Object, ...]] = field(default_factory=dict)
    unseen: t.Mapping[str, str] = field(default_factory=dict)
    missing_permissions: tuple[t.Mapping[str, str], ...] = ()
    nodes: tuple[Object, ...] = ()
    time: datetime.datetime = field(default_factory=lambda: datetime.datetime.now(datetime.UTC))

    def all(self, name: str) -> tuple[Object, ...]:
        """All objects of a resource.

        :raises UnseenError: when they could not be read.
        """
        if name in self.unseen:
            raise UnseenError(self.unseen[name])
        return self.objects.get(name, ())

    def custom(self, name: str) -> tuple[Object, ...]:
        """Objects of a custom resource that the cluster may not have.

        :raises UnseenError: when they, or the definitions, could not be read.
        """
        self.all("customresourcedefinitions")
        return self.all(name)

    def defined(self, name: str) -> bool:
        """Whether a CustomResourceDefinition exists, by C(plural.group)."""
        return any(name_of(item) == name for item in self.all("customresourcedefinitions"))

    @property
    def all_hosts_known(self) -> bool:
        """Whether there are facts of every node; a host without a kubelet is not a node.

        :raises UnseenError: when the nodes could not be read.
        """
        return bool(self.nodes) and len(self.kubelets) >= len(self.all("nodes"))

    @property
    def api_servers(self) -> tuple[Object, ...]:
        """Facts of the hosts that run an API server."""
        return tuple(facts["api_server"] for facts in self.nodes if facts.get("api_server"))

    @property
    def all_servers_known(self) -> bool:
        """Whether there are facts of every API server; kubeadm runs each as a static Pod.

        :raises UnseenError: when the Pods could not be read.
        """
        running = sum(
            labels_of(pod).get("component") == "kube-apiserver" and namespace_of(pod) == "kube-system"
            for pod in self.all("pods")
        )
        return bool(self.api_servers) and len(self.api_servers) >= running

    @property
    def kubelets(self) -> tuple[Object, ...]:
        """Facts of the hosts that run a kubelet."""
        return tuple(facts["kubelet"] for facts in self.nodes if facts.get("kubelet"))


def name_of(item: Object) -> str:
    """Name of an object."""
    return str((item.get("metadata") or {}).get("name") or "")


def namespace_of(item: Object) -> str:
    """Namespace of an object, empty when it has none."""
    return str((item.get("metadata") or {}).get("namespace") or "")


def labels_of(item: Object) -> t.Mapping[str, str]:
    """Labels of an object."""
    return (item.get("metadata") or {}).get("labels") or {}


def _field_names(metadata: Object) -> list[str]:
    """Keys of C(data) in the managed fields; never their values."""
    names: set[str] = set()
    for entry in metadata.get("managedFields") or ():
        data = ((entry.get("fieldsV1") or {}).get("f:data")) or {}
        names.update(key[2:] for key in data if key.startswith("f:"))
    return sorted(names)


def _bare(item: Object) -> Object:
    """The metadata that checks need, without annotations: C(kubectl apply) stores whole objects in one of them."""
    metadata = item.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    account = annotations.get("kubernetes.io/service-account.name")
    kept = ("name", "namespace", "labels", "creationTimestamp", "ownerReferences")
    return {
        "metadata": {
            **{key: metadata[key] for key in kept if key in metadata},
            "annotations": {"kubernetes.io/service-account.name": account} if account else {},
            "dataFields": _field_names(metadata),
        }
    }


@dataclass
class _Reading:
    """What has been read so far."""

    objects: dict[str, tuple[Object, ...]] = field(default_factory=dict)
    unseen: dict[str, str] = field(default_factory=dict)
    missing: list[t.Mapping[str, str]] = field(default_factory=list)


def _reason(resource: Resource, exc: ApiError, missing: list[t.Mapping[str, str]]) -> str:
    wanted = resource.permission
    name = wanted["resource"] + (f".{wanted['group']}" if wanted["group"] else "")
    where = f"in the namespace {wanted['namespace']}" if wanted["namespace"] else "in the whole cluster"
    if isinstance(exc, StatusError) and exc.status == 403:
        if wanted not in missing:
            missing.append(wanted)
        return (
            f"The credentials are not allowed to {wanted['verb']} {name} {where}: add that to their role,"
            " and audit again"
        )
    return f"{name} could not be read: {exc.message} Check the API server, and audit again"


def _read_one(api: Client, resource: Resource) -> tuple[Object, ...] | ApiError:
    try:
        if resource.only:
            return (api.read(f"{resource.path}/{resource.only}"),)
        items = api.items(resource.path, resource.query, JSON if resource.whole else METADATA_ONLY)
        return tuple(items) if resource.whole else tuple(_bare(item) for item in items)
    except StatusError as exc:
        if exc.status == 404:
            # Not served by this version, or not installed.
            return ()
        return exc
    except ApiError as exc:
        return exc


def _read_all(api: Client, pool: ThreadPoolExecutor, resources: t.Sequence[Resource], into: _Reading) -> None:
    for resource, answer in zip(resources, pool.map(lambda one: _read_one(api, one), resources), strict=True):
        if isinstance(answer, ApiError):
            if isinstance(answer, StatusError) and answer.status == 401:
                raise answer
            into.unseen[resource.name] = _reason(resource, answer, into.missing)
        else:
            into.objects[resource.name] = answer


def _custom_resources(api: Client, into: _Reading) -> list[Resource]:
    """Custom resources of C(CUSTOM) that the cluster has, at their preferred version."""
    wanted = []
    for definition in into.objects.get("customresourcedefinitions", ()):
        name = name_of(definition)
        if name in CUSTOM or name.endswith(_CONSTRAINTS):
            wanted.append(name)
    if not wanted:
        return []
    groups = {
        str(group.get("name")): str((group.get("preferredVersion") or {}).get("groupVersion"))
        for group in api.read("/apis").get("groups") or ()
    }
    found = []
    for name in wanted:
        plural, _dot, group = name.partition(".")
        if group in groups:
            whole = CUSTOM.get(name, True)
            found.append(Resource(name, f"/apis/{groups[group]}/{plural}", whole))
    return found


def _cilium_settings(into: _Reading) -> list[Resource]:
    """The ConfigMap that decides whether Cilium enforces policies."""
    homes = [namespace_of(item) for item in into.objects.get("daemonsets", ()) if name_of(item) == "cilium"]
    return [
        Resource("cilium-config", f"/api/v1/namespaces/{home}/configmaps", only="cilium-config")
        for home in homes[:1]
    ]


def read_snapshot(api: Client, nodes: t.Iterable[Object] = ()) -> Snapshot:
    """Take a snapshot of a cluster.

    :param nodes: C(facts) of C(cis_node), one per host.
    :raises ApiError: when the API server does not answer, or rejects the credentials.
    """
    into = _Reading()
    version = ""
    try:
        version = str(api.read("/version").get("gitVersion") or "").lstrip("v")
    except StatusError as exc:
        if exc.status != 403:
            raise
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        _read_all(api, pool, RESOURCES, into)
        try:
            custom = _custom_resources(api, into)
        except ApiError as exc:
            into.unseen["customresourcedefinitions"] = f"The API groups could not be read: {exc}"
            custom = []
        _read_all(api, pool, [*custom, *_cilium_settings(into)], into)
    return Snapshot(
        version=version,
        objects=into.objects,
        unseen=into.unseen,
        missing_permissions=tuple(into.missing),
        nodes=tuple(nodes),
    )
