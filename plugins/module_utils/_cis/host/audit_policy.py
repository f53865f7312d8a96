# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The audit level of a request under a policy, as the API server decides it (C(pkg/audit/policy/checker.go))."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.structured import Document

NONE, METADATA, REQUEST, RESPONSE = "None", "Metadata", "Request", "RequestResponse"
LEVELS = (NONE, METADATA, REQUEST, RESPONSE)
_STAGES = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")
# Every request has the first and the last stage; watches and streams have the second as well.
_ORDINARY = frozenset({"RequestReceived", "ResponseComplete"})
_RULE = (
    "level",
    "users",
    "userGroups",
    "verbs",
    "resources",
    "namespaces",
    "nonResourceURLs",
    "omitStages",
    "omitManagedFields",
)
_STREAMS = frozenset({"exec", "attach", "portforward", "proxy"})


@dataclass(frozen=True)
class Request:
    """A request for a resource.

    :param subresource: empty for the object itself. :param namespace: empty for objects of the cluster.
    """

    user: str
    groups: tuple[str, ...]
    verb: str
    resource: str
    subresource: str = ""
    group: str = ""
    namespace: str = ""
    name: str = "an-object"

    @property
    def combined(self) -> str:
        """Resource and subresource, as rules name them."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass(frozen=True)
class GroupResources:
    """Resources of an API group that a rule is for."""

    group: str
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def holds(self, request: Request) -> bool:
        """Whether a request is for one of them."""
        if self.group not in (request.group, "*"):
            return False
        if not self.resources:
            return True
        if self.names and request.name not in self.names:
            return False
        wanted = {request.combined, "*", f"{request.resource}/*"}
        if request.subresource:
            wanted.add(f"*/{request.subresource}")
        return not wanted.isdisjoint(self.resources)


@dataclass(frozen=True)
class Rule:
    """A rule. What is empty matches everything; names are compared exactly, and C(*) is no wildcard in most lists."""

    level: str
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    resources: tuple[GroupResources, ...] = ()
    namespaces: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    omitted: frozenset[str] = frozenset()

    def matches(self, request: Request) -> bool:
        """Whether it is for this request."""
        if self.users and request.user not in self.users:
            return False
        if self.groups and not set(self.groups).intersection(request.groups):
            return False
        if self.verbs and request.verb not in self.verbs:
            return False
        if not self.namespaces and not self.resources:
            # With paths only, it is for non-resource requests.
            return not self.urls
        if self.namespaces and request.namespace not in self.namespaces:
            return False
        return not self.resources or any(resources.holds(request) for resources in self.resources)


@dataclass(frozen=True)
class Policy:
    """Rules, in order: the first that matches counts."""

    rules: tuple[Rule, ...]

    def decide(self, request: Request) -> tuple[str, int | None]:
        """Level of a request, and the number of the rule from 0; C(None) when none matches."""
        for number, rule in enumerate(self.rules):
            if rule.matches(request):
                stages = _ORDINARY
                if request.verb == "watch" or request.subresource in _STREAMS:
                    stages = stages | {"ResponseStarted"}
                return (NONE if stages <= rule.omitted else rule.level), number
        return NONE, None


def read(found: Document) -> Policy:
    """Parse an audit policy.

    :raises Undecided: for an unknown field, which the API server would ignore with a warning.
    """
    fields = found.mapping(
        found.fields, "", ("apiVersion", "kind", "metadata", "rules", "omitStages", "omitManagedFields")
    )
    omitted = _stages(found, fields.get("omitStages"), "omitStages")
    rules = found.items(fields.get("rules"), "rules")
    return Policy(tuple(_rule(found, rule, f"rules[{at}]", omitted) for at, rule in enumerate(rules)))


def _stages(found: Document, value: t.Any, where: str) -> frozenset[str]:
    stages = frozenset(found.texts(value, where))
    unknown = sorted(stages - set(_STAGES))
    if unknown:
        raise found.undecided(f"{where} has {unknown[0]}, which is not a stage", where)
    return stages


def _rule(found: Document, value: t.Any, where: str, omitted: frozenset[str]) -> Rule:
    own = found.mapping(value, where, _RULE)
    if own.get("level") not in LEVELS:
        raise found.undecided(f"{where}.level is {own.get('level')}, which is not a level", where)
    texts = {
        name: found.texts(own.get(name), f"{where}.{name}")
        for name in ("users", "userGroups", "verbs", "namespaces", "nonResourceURLs")
    }
    resources = []
    for at, item in enumerate(found.items(own.get("resources"), f"{where}.resources")):
        place = f"{where}.resources[{at}]"
        inner = found.mapping(item, place, ("group", "resources", "resourceNames"))
        group = inner.get("group") or ""
        if not isinstance(group, str):
            raise found.undecided(f"{place}.group is not a string", place)
        resources.append(
            GroupResources(
                group,
                found.texts(inner.get("resources"), f"{place}.resources"),
                found.texts(inner.get("resourceNames"), f"{place}.resourceNames"),
            )
        )
    return Rule(
        level=str(own["level"]),
        users=texts["users"],
        groups=texts["userGroups"],
        verbs=texts["verbs"],
        resources=tuple(resources),
        namespaces=texts["namespaces"],
        urls=texts["nonResourceURLs"],
        omitted=omitted | _stages(found, own.get("omitStages"), f"{where}.omitStages"),
    )
