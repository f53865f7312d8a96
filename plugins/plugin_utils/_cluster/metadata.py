# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Labels, annotations and taints that the inventory declares for nodes. Pure: a Node in, what has to change out.

Labels and annotations are set by server-side apply: C(metadata.managedFields) says which of them are ours, and others
keep theirs. The list of taints is atomic to server-side apply (C(+listType=atomic) of C(NodeSpec)), so that owning one
taint would be owning those of kubelets and controllers, too: an annotation says which ones are ours instead.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.health import Json, Unmet
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.objects import FIELD_MANAGER
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._options.convert import (
    ConversionError,
    convert,
)

#: The annotation with the taints of a node that the inventory has declared.
RECORD = "baremetal.kubernetes/taints"
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
#: Whose keys come and go with the state of a node.
_OTHERS = ("node.kubernetes.io", "node.cloudprovider.kubernetes.io", "node.cilium.io", "baremetal.kubernetes")
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"(?=.{1,253}/)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/")
_ANNOTATIONS_BYTES = 256 * 1024

#: Key and effect, which are what a taint is to Kubernetes.
TaintId = tuple[str, str]


@dataclass(frozen=True)
class Declared:
    """What the inventory declares for one node.

    :param taints: key and effect -> value.
    """

    labels: t.Mapping[str, str] = field(default_factory=dict)
    annotations: t.Mapping[str, str] = field(default_factory=dict)
    taints: t.Mapping[TaintId, str] = field(default_factory=dict)


def _text(value: t.Any) -> str:
    """A value as YAML means it: C(true) and C(5) are no texts there, but labels are."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _key_problem(key: str) -> str:
    prefix = _PREFIX.match(key)
    if not _NAME.fullmatch(key[prefix.end() :] if prefix else key):
        return (
            "expected a name of at most 63 letters, digits, '-', '_' and '.', if need be with a DNS domain and '/'"
            " before it"
        )
    if key.partition("/")[0] == "baremetal.kubernetes":
        return "these keys are for this collection's own notes"
    return ""


def _pairs(variable: str, value: t.Any, problems: list[str]) -> dict[str, str]:
    """Labels or annotations."""
    try:
        pairs = {str(key): _text(one) for key, one in convert(value, "dict").items()}
    except ConversionError as exc:
        problems.append(f"{variable}: {exc.message}")
        return {}
    for key, one in pairs.items():
        why = _key_problem(key)
        if not why and variable == "node_labels" and one and not _NAME.fullmatch(one):
            why = f"its value {one!r} is no value of a label: at most 63 letters, digits, '-', '_' and '.'"
        if why:
            problems.append(f"{variable}: {key!r}: {why}")
    if sum(len(key) + len(one) for key, one in pairs.items()) > _ANNOTATIONS_BYTES:
        problems.append(f"{variable}: more than {_ANNOTATIONS_BYTES // 1024} KiB")
    return pairs


def _taints(value: t.Any, groups: t.Sequence[Json], problems: list[str]) -> dict[TaintId, str]:
    try:
        entries = convert(value, "list", {"key": "str", "effect": "str"})
    except ConversionError as exc:
        problems.append(f"node_taints: {exc.message}")
        return {}
    found: dict[TaintId, str] = {}
    for entry in entries:
        key, effect, one = str(entry.get("key", "")), str(entry.get("effect", "")), _text(entry.get("value"))
        why = _key_problem(key)
        if set(entry) - {"key", "value", "effect"}:
            why = f"unknown: {', '.join(sorted(set(entry) - {'key', 'value', 'effect'}))}"
        elif effect not in EFFECTS:
            why = f"its effect is {effect or 'missing'}, expected {', '.join(EFFECTS)}"
        elif not why and one and not _NAME.fullmatch(one):
            why = f"its value {one!r} is none: at most 63 letters, digits, '-', '_' and '.'"
        elif key.partition("/")[0] in _OTHERS:
            why = "Kubernetes or the CNI sets and removes it by the state of the node"
        elif (key, effect) in found:
            why = "it is there twice"
        elif any((other.get("key"), other.get("effect")) == (key, effect) for other in groups):
            why = "control_plane_taints and the groups of the inventory decide on this taint"
        if why:
            problems.append(f"node_taints: {key!r}: {why}")
        found[key, effect] = one
    return found


def read(settings: Json, groups: t.Sequence[Json] = ()) -> tuple[Declared, list[str]]:
    """What node_labels, node_annotations and node_taints of a host declare, and what is wrong with them.

    :param settings: C(labels), C(annotations) and C(taints). :param groups: taints of control planes, on one of them.
    """
    problems: list[str] = []
    declared = Declared(
        _pairs("node_labels", settings.get("labels") or {}, problems),
        _pairs("node_annotations", settings.get("annotations") or {}, problems),
        _taints(settings.get("taints") or [], groups, problems),
    )
    return declared, problems


# --- labels and annotations ---


def owned(node: Json, kind: str) -> set[str]:
    """Keys of C(labels) or C(annotations) that the collection has applied."""
    for entry in (node.get("metadata") or {}).get("managedFields") or ():
        if (entry.get("manager"), entry.get("operation")) == (FIELD_MANAGER, "Apply") and not entry.get(
            "subresource"
        ):
            fields = ((entry.get("fieldsV1") or {}).get("f:metadata") or {}).get(f"f:{kind}") or {}
            return {key[2:] for key in fields if key.startswith("f:")}
    return set()


def applies(node: Json, declared: Declared) -> bool:
    """Whether labels or annotations have to be applied."""
    metadata = node.get("metadata") or {}
    for kind, wanted in (("labels", declared.labels), ("annotations", declared.annotations)):
        live = metadata.get(kind) or {}
        if owned(node, kind) != set(wanted) or any(live.get(key) != value for key, value in wanted.items()):
            return True
    return False


def body(node: Json, declared: Declared) -> dict[str, t.Any]:
    """What is applied. With its uid, a Node that is deleted meanwhile is not created again."""
    metadata = node.get("metadata") or {}
    made: dict[str, t.Any] = {"name": metadata.get("name"), "uid": metadata.get("uid")}
    made |= {"labels": dict(declared.labels)} if declared.labels else {}
    made |= {"annotations": dict(declared.annotations)} if declared.annotations else {}
    return {"apiVersion": "v1", "kind": "Node", "metadata": made}


def applied(node: Json, declared: Declared) -> dict[str, t.Any]:
    """The node with what is declared, and without what was."""
    metadata = dict(node.get("metadata") or {})
    for kind, wanted in (("labels", declared.labels), ("annotations", declared.annotations)):
        gone = owned(node, kind) - set(wanted)
        kept = {key: value for key, value in (metadata.get(kind) or {}).items() if key not in gone}
        metadata[kind] = {**kept, **wanted}
    return {**node, "metadata": metadata}


def conflicts(node: Json, declared: Declared, status: Json) -> list[Unmet]:
    """What the API server has refused to take from others: its answer to an apply.

    :param status: the Status object.
    """
    metadata = node.get("metadata") or {}
    found = []
    for cause in (status.get("details") or {}).get("causes") or ():
        path = str(cause.get("field") or "")
        who = str(cause.get("message") or "").removeprefix("conflict with ")
        for kind, wanted in (("labels", declared.labels), ("annotations", declared.annotations)):
            for key, value in wanted.items():
                if path in (f".metadata.{kind}.{key}", f'.metadata.{kind}["{key}"]'):
                    live = (metadata.get(kind) or {}).get(key)
                    found.append(_conflict(metadata, f"node_{kind}", key, live, value, who))
    if found:
        return found
    told = str(status.get("message") or "a conflict")
    step = "Remove what is named from the inventory, or from the node"
    return [
        Unmet(f"node {metadata.get('name')}", told, "no other manager of what node_labels declares", step)
    ]


def _conflict(metadata: Json, variable: str, key: str, live: t.Any, value: str, who: str) -> Unmet:
    kind = variable.removeprefix("node_").removesuffix("s")
    return Unmet(
        f"node {metadata.get('name')}",
        f"its {kind} {key} is {live!r} and managed by {who}",
        f"{value!r} by {variable}",
        f"Remove it from {variable}, or the {kind} from the node; it is never taken from others",
    )


# --- taints ---


def taint_text(key: str, value: str, effect: str) -> str:
    """A taint as kubectl shows it."""
    return f"{key}{f'={value}' if value else ''}:{effect}"


def recorded(node: Json) -> dict[TaintId, str]:
    """The taints that the annotation says are ours."""
    found = {}
    text = ((node.get("metadata") or {}).get("annotations") or {}).get(RECORD) or ""
    for one in filter(None, str(text).split(",")):
        rest, _sep, effect = one.rpartition(":")
        key, _sep, value = rest.partition("=")
        found[key, effect] = value
    return found


def _taint(key: str, value: str, effect: str) -> dict[str, str]:
    return {"key": key, "effect": effect, **({"value": value} if value else {})}


def _manager_of_taints(node: Json) -> str:
    """Who has written the list of taints last, as far as that is known."""
    managers = [
        f'"{entry.get("manager")}"'
        for entry in (node.get("metadata") or {}).get("managedFields") or ()
        if "f:taints" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
        and entry.get("manager") != FIELD_MANAGER
    ]
    return " or ".join(sorted(set(managers))) or "somebody else"


def tainted(node: Json, declared: Declared) -> tuple[dict[str, t.Any] | None, list[Unmet]]:
    """The node with its taints, C(None) when they stay as they are; and what others have set otherwise."""
    metadata, spec = node.get("metadata") or {}, node.get("spec") or {}
    ours = recorded(node)
    present = list(spec.get("taints") or ())
    found: list[Unmet] = []
    record: dict[TaintId, str] = {}
    kept: list[Json] = []
    live = {}
    for taint in present:
        identity = (str(taint.get("key")), str(taint.get("effect")))
        value = str(taint.get("value") or "")
        live[identity] = value
        own = ours.get(identity) == value
        if own and identity not in declared.taints:
            continue
        wanted = declared.taints.get(identity, value)
        if wanted == value:
            kept.append(taint)
            record |= {identity: value} if own else {}
        elif own:
            kept.append(_taint(identity[0], wanted, identity[1]))
            record[identity] = wanted
        else:
            kept.append(taint)
            found.append(
                Unmet(
                    f"node {metadata.get('name')}",
                    f"its taint {taint_text(identity[0], value, identity[1])} was set by {_manager_of_taints(node)}",
                    f"{taint_text(identity[0], wanted, identity[1])} by node_taints",
                    "Remove it from node_taints, or the taint from the node; it is never taken from others",
                )
            )
    for (key, effect), value in declared.taints.items():
        if (key, effect) not in live:
            kept.append(_taint(key, value, effect))
            record[key, effect] = value
    if kept == present and record == ours:
        return None, found
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != RECORD}
    if record:
        annotations[RECORD] = ",".join(
            taint_text(key, value, effect) for (key, effect), value in sorted(record.items())
        )
    return {
        **node,
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {**metadata, "annotations": annotations},
        "spec": {**spec, "taints": kept},
    }, found


def shown(node: Json, keys: t.Mapping[str, t.Collection[str]]) -> dict[str, t.Any]:
    """Labels and annotations of a node, for a diff.

    :param keys: which of C(labels) and C(annotations).
    """
    metadata = node.get("metadata") or {}
    return {
        kind: {key: value for key, value in sorted((metadata.get(kind) or {}).items()) if key in names}
        for kind, names in keys.items()
        if names
    }
