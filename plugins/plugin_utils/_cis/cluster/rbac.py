# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""RBAC: which subjects have a permission, through which binding, role and rule."""

from __future__ import annotations

import functools
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import (
    Object,
    Snapshot,
    name_of,
    namespace_of,
)

CORE = ""
RBAC_GROUP = "rbac.authorization.k8s.io"
_API = f"/apis/{RBAC_GROUP}/v1"

#: Groups and users that stand for many subjects.
EVERYBODY: t.Mapping[str, str] = {
    "Group/system:authenticated": "every authenticated user",
    "Group/system:unauthenticated": "every unauthenticated user",
    "User/system:anonymous": "every unauthenticated user",
    "Group/system:serviceaccounts": "every service account",
}
_ACCOUNTS_OF = "Group/system:serviceaccounts:"
_ACCOUNT = "system:serviceaccount:"

RoleKey = tuple[str, str, str]


@dataclass(frozen=True)
class Ask:
    """A permission to look for.

    :param verbs: any of them. :param resources: any of them, with their subresource: C(pods), C(nodes/proxy).
    :param cluster_scoped: the resource is not namespaced, so that only a ClusterRoleBinding grants the permission.
    """

    verbs: tuple[str, ...]
    group: str
    resources: tuple[str, ...]
    cluster_scoped: bool = False


@dataclass(frozen=True)
class Hit:
    """A rule of a role that grants the permission.

    :param text: which part of it, such as C(get,list secrets).
    :param named: whether it is limited to named objects.
    """

    text: str
    named: bool = False


@dataclass(frozen=True)
class Grant:
    """A subject has the permission.

    :param subject: C(User/x), C(Group/x) or C(ServiceAccount/namespace/x).
    :param namespace: empty for the whole cluster.
    :param binding: C(ClusterRoleBinding/x) or C(RoleBinding/namespace/x). :param role: in the same form.
    :param path: the binding in the API.
    """

    subject: str
    namespace: str
    binding: str
    role: str
    path: str
    hits: tuple[Hit, ...]

    @property
    def named(self) -> bool:
        """Whether it is limited to named objects."""
        return all(hit.named for hit in self.hits)

    @property
    def everybody(self) -> str:
        """The many subjects that it stands for; empty for a single one."""
        if self.subject.startswith(_ACCOUNTS_OF):
            return f"every service account of {self.subject[len(_ACCOUNTS_OF) :]}"
        return EVERYBODY.get(self.subject, "")

    @property
    def rights(self) -> str:
        """The granted permissions."""
        return "; ".join(hit.text for hit in self.hits)


def subject_name(subject: Object, namespace: str = "") -> str:
    """C(Kind/name) of a subject. A service account may also be given as a user.

    :param namespace: of the binding.
    """
    kind, name = str(subject.get("kind") or ""), str(subject.get("name") or "")
    if kind == "User" and name.startswith(_ACCOUNT) and name.count(":") == 3:
        return f"ServiceAccount/{name[len(_ACCOUNT) :].replace(':', '/')}"
    if kind == "ServiceAccount":
        return f"ServiceAccount/{subject.get('namespace') or namespace}/{name}"
    return f"{kind}/{name}"


def subject_namespace(subject: str) -> str:
    """Namespace of a service account; empty for other subjects."""
    parts = subject.split("/")
    return parts[1] if parts[0] == "ServiceAccount" and len(parts) == 3 else ""


def _has(wanted: str, given: t.Collection[str]) -> bool:
    return wanted in given or "*" in given


def _has_resource(wanted: str, given: t.Collection[str]) -> bool:
    # As the authorizer does: "*" is everything, "*/scale" the subresource of everything, "pods" no subresource of pods.
    _resource, slash, part = wanted.partition("/")
    return _has(wanted, given) or (bool(slash) and f"*/{part}" in given)


def match(rule: Object, ask: Ask) -> Hit | None:
    """Whether a rule grants a permission.

    :param rule: of a role, from the API.
    """
    if not _has(ask.group, rule.get("apiGroups") or ()):
        return None
    resources = [one for one in ask.resources if _has_resource(one, rule.get("resources") or ())]
    names = rule.get("resourceNames") or ()
    verbs = [one for one in ask.verbs if _has(one, rule.get("verbs") or ())]
    if names:
        # create cannot be limited by name, except for subresources such as a token.
        resources = [one for one in resources if "/" in one or set(verbs) - {"create"}]
    if not resources or not verbs:
        return None
    text = f"{','.join(verbs)} {','.join(resources)}"
    if "*" in (rule.get("verbs") or ()) or "*" in (rule.get("resources") or ()):
        text += " by a wildcard"
    if names:
        text += f" named {','.join(str(name) for name in names)}"
    return Hit(text, bool(names))


def role_id(key: RoleKey) -> str:
    """C(ClusterRole/x) or C(Role/namespace/x)."""
    return "/".join(part for part in key if part)


def role_path(key: RoleKey) -> str:
    """A role in the API."""
    kind, namespace, name = key
    return f"{_API}/namespaces/{namespace}/roles/{name}" if kind == "Role" else f"{_API}/clusterroles/{name}"


@dataclass(frozen=True)
class Binding:
    """A ClusterRoleBinding, or a RoleBinding with its namespace."""

    namespace: str
    name: str
    role: RoleKey
    subjects: tuple[str, ...]

    @property
    def id(self) -> str:
        """C(ClusterRoleBinding/x) or C(RoleBinding/namespace/x)."""
        return (
            f"RoleBinding/{self.namespace}/{self.name}"
            if self.namespace
            else f"ClusterRoleBinding/{self.name}"
        )

    @property
    def path(self) -> str:
        """The binding in the API."""
        inner = f"namespaces/{self.namespace}/rolebindings" if self.namespace else "clusterrolebindings"
        return f"{_API}/{inner}/{self.name}"


class Rbac:
    """The roles and bindings of a cluster.

    :raises UnseenError: when any of them could not be read, as grants are not known then.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.roles: dict[RoleKey, tuple[Object, ...]] = {}
        for kind, resource in (("ClusterRole", "clusterroles"), ("Role", "roles")):
            for role in snapshot.all(resource):
                self.roles[(kind, namespace_of(role), name_of(role))] = tuple(role.get("rules") or ())
        self.bindings = tuple(
            self._binding(item)
            for resource in ("clusterrolebindings", "rolebindings")
            for item in snapshot.all(resource)
        )

    @staticmethod
    def _binding(item: Object) -> Binding:
        reference = item.get("roleRef") or {}
        kind, namespace = str(reference.get("kind") or ""), namespace_of(item)
        subjects = (subject_name(one, namespace) for one in item.get("subjects") or ())
        key = (kind, namespace if kind == "Role" else "", str(reference.get("name") or ""))
        return Binding(namespace, name_of(item), key, tuple(dict.fromkeys(subjects)))

    def hits(self, asks: t.Sequence[Ask]) -> dict[RoleKey, list[tuple[Ask, Hit]]]:
        """Rules that grant any of the permissions, by role."""
        found: dict[RoleKey, list[tuple[Ask, Hit]]] = {}
        for key, rules in self.roles.items():
            matched = [(ask, match(rule, ask)) for rule in rules for ask in asks]
            kept = [(ask, hit) for ask, hit in matched if hit is not None]
            if kept:
                found[key] = kept
        return found

    def who_can(self, asks: t.Sequence[Ask]) -> list[Grant]:
        """All subjects with any of the permissions, once for each binding that grants it."""
        by_role = self.hits(asks)
        grants: list[Grant] = []
        for binding in self.bindings:
            hits = tuple(
                dict.fromkeys(
                    hit
                    for ask, hit in by_role.get(binding.role, ())
                    if not (binding.namespace and ask.cluster_scoped)
                )
            )
            if hits:
                role = role_id(binding.role)
                grants.extend(
                    Grant(subject, binding.namespace, binding.id, role, binding.path, hits)
                    for subject in binding.subjects
                )
        return grants

    def bound(self) -> t.Mapping[str, list[Binding]]:
        """Bindings by subject."""
        found: dict[str, list[Binding]] = {}
        for binding in self.bindings:
            for subject in binding.subjects:
                found.setdefault(subject, []).append(binding)
        return found


@functools.lru_cache(maxsize=1)
def rbac_of(snapshot: Snapshot) -> Rbac:
    """The roles and bindings of a cluster, cached.

    :raises UnseenError: when any of them could not be read.
    """
    return Rbac(snapshot)
