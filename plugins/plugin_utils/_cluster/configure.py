# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Bring Node objects to what the inventory says of them: labels, annotations, taints."""

from __future__ import annotations

import json
import typing as t
import urllib.parse
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import APPLY_PATCH, Client
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster import metadata, taints
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.health import Json, Unmet
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.observe import NODES
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.objects import FIELD_MANAGER

_CONFLICTS = 5


@dataclass(frozen=True)
class Wanted:
    """What the inventory says of nodes, by their names.

    :param groups: control planes: their C(taints), and whether they C(runs_pods). :param declared: for each node.
    """

    groups: t.Mapping[str, Json] = field(default_factory=dict)
    declared: t.Mapping[str, metadata.Declared] = field(default_factory=dict)

    def names(self) -> set[str]:
        return {*self.groups, *self.declared}


@dataclass
class Changes:
    """What was changed, or would be.

    :param nodes: before and after, by name. :param conflicts: what others have set otherwise.
    """

    nodes: dict[str, tuple[Json, Json]] = field(default_factory=dict)
    conflicts: list[Unmet] = field(default_factory=list)

    def diff(self, wanted: Wanted) -> dict[str, dict[str, t.Any]]:
        """As a task shows it."""
        found: dict[str, dict[str, t.Any]] = {"before": {}, "after": {}}
        for name, pair in self.nodes.items():
            declared = wanted.declared.get(name, metadata.Declared())
            keys = {
                "labels": {*metadata.owned(pair[0], "labels"), *declared.labels},
                "annotations": {*metadata.owned(pair[0], "annotations"), *declared.annotations},
            }
            for when, node in zip(("before", "after"), pair, strict=True):
                found[when][name] = {**taints.shown(node), **metadata.shown(node, keys)}
        return found


def read(node_metadata: t.Mapping[str, Json], groups: t.Mapping[str, Json]) -> Wanted:
    """What the inventory says.

    :raises OperatorError: when it declares what no node can have.
    """
    declared, problems = {}, []
    for name, settings in node_metadata.items():
        # Without pods of their own choice, control planes have these taints; with them, they must not.
        declared[name], found = metadata.read(settings, (groups.get(name) or {}).get("taints") or ())
        problems += [f"{name}: {problem}" for problem in found]
    if problems:
        lines = "\n".join(f"- {problem}" for problem in problems)
        raise OperatorError(
            f"The inventory declares what no node can have:\n{lines}", "Correct these variables."
        )
    return Wanted(groups, declared)


def configure(api: Client, nodes: t.Iterable[Json], wanted: Wanted, check_mode: bool) -> Changes:
    """Change what is not as the inventory says. Nodes that are as they should be cost no request.

    :param nodes: of the cluster, as they were just read.
    :raises ApiError: without an answer. :raises OperatorError: when a node cannot be changed.
    """
    changes = Changes()
    for node in nodes:
        name = str((node.get("metadata") or {}).get("name"))
        if name in wanted.names():
            after, conflicts = _configure(api, name, node, wanted, check_mode)
            changes.conflicts += conflicts
            if after is not None and after != node:
                changes.nodes[name] = (node, after)
    return changes


def _configure(
    api: Client, name: str, node: Json, wanted: Wanted, check_mode: bool
) -> tuple[Json | None, list[Unmet]]:
    """One node of C(configure): how it is after that, C(None) when it is gone."""
    path = f"{NODES}/{urllib.parse.quote(name, safe='')}"
    declared = wanted.declared.get(name)
    # A host that is left out of the declarations keeps what it has: only hosts of the run are in them.
    found: list[Unmet] = []
    current: Json | None = node
    for _attempt in range(_CONFLICTS):
        if current is None:
            return None, []
        settings = wanted.groups.get(name)
        after = taints.planned(current, settings["taints"], settings["runs_pods"]) if settings else None
        made, found = metadata.tainted(after or current, declared) if declared else (None, [])
        target = made or after
        if target is None or check_mode:
            return _apply(api, path, target or current, declared, check_mode, found)
        # Others write to a Node as well, above all its kubelet: a change of an older state is refused (409).
        status, text = api.request(f"{path}?fieldManager={FIELD_MANAGER}", "PUT", target)
        if status == 200:
            return _apply(api, path, json.loads(text), declared, check_mode, found)
        if status != 409:
            raise _refused(name, "taints", status, text)
        current = api.get(path)
    raise OperatorError(
        f"The taints of node {name} cannot be set: the Node object changes all the time.",
        "Find out what changes it (kubectl get node --watch), and run the playbook again.",
    )


def _apply(
    api: Client,
    path: str,
    node: Json,
    declared: metadata.Declared | None,
    check_mode: bool,
    found: list[Unmet],
) -> tuple[Json, list[Unmet]]:
    """Labels and annotations of one node."""
    if declared is None or not metadata.applies(node, declared):
        return node, found
    query = f"?fieldManager={FIELD_MANAGER}{'&dryRun=All' if check_mode else ''}"
    status, text = api.request(path + query, "PATCH", metadata.body(node, declared), media=APPLY_PATCH)
    if status == 409:
        return node, [*found, *metadata.conflicts(node, declared, _status(text))]
    if status != 200:
        raise _refused(str((node.get("metadata") or {}).get("name")), "labels and annotations", status, text)
    return (metadata.applied(node, declared) if check_mode else json.loads(text)), found


def _status(text: str) -> dict[str, t.Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _refused(name: str, what: str, status: int, text: str) -> OperatorError:
    told = str(_status(text).get("message") or "").rstrip(".")
    return OperatorError(
        f"The {what} of node {name} cannot be set: the API server answers HTTP {status}{f' ({told})' if told else ''}.",
        "Look at its log, and run the playbook again.",
    )
