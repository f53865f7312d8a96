# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Change some settings of a cluster that kubeadm created, whoever ran it, and keep everything else. Pure.

A setting is written where kubeadm finds it again, in its ConfigMaps, so that it survives an upgrade and applies to
nodes that join later.
"""

from __future__ import annotations

import copy
import hashlib
import typing as t
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import yaml
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import manifests
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.combine import combine_named
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import KubeadmError

Json = dict[str, t.Any]
#: By argument, which items of a list are managed, or C(None) for the whole value.
Managed = t.Mapping[str, "frozenset[str] | None"]

#: Where a ClusterConfiguration has the arguments of a component.
PLACES: t.Mapping[str, tuple[str, ...]] = {
    "etcd": ("etcd", "local"),
    "kube-apiserver": ("apiServer",),
    "kube-controller-manager": ("controllerManager",),
    "kube-scheduler": ("scheduler",),
}
_OWN_DIGEST = "settings-"


@dataclass(frozen=True)
class DesiredArgument:
    """One argument of a component as it has to be.

    :param value: its value; C(None) when items of a list are changed, or kubeadm's own value applies.
    :param keep: whether any value that the cluster's configuration has is accepted.
    :param add: items that a list has to have. :param remove: items that it must not have.
    :param unless: arguments beside which this one cannot be changed.
    :param volumes: what the component has to mount for this value, as C(extraVolumes).
    :param files: paths of files that this value needs.
    """

    component: str
    name: str
    value: str | None = None
    keep: bool = False
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    volumes: tuple[t.Mapping[str, t.Any], ...] = ()
    files: tuple[str, ...] = ()

    @property
    def items(self) -> frozenset[str] | None:
        """The items of a list that are managed; C(None) when the whole value is."""
        return frozenset((*self.add, *self.remove)) or None

    @property
    def absent(self) -> bool:
        """Whether kubeadm's own value applies, which is known only once a value of the site's is removed."""
        return self.value is None and self.items is None


def desired_arguments(items: t.Iterable[t.Mapping[str, t.Any]]) -> tuple[DesiredArgument, ...]:
    """The arguments of the option C(arguments).

    :raises KubeadmError: for one that asks for two things, or for nothing.
    """
    result = []
    for item in items:
        given = item.get("value") is not None
        lists = bool(item.get("add") or item.get("remove"))
        absent = bool(item.get("absent"))
        if given + lists + absent != 1 or item["name"].startswith("-"):
            raise KubeadmError(
                f"arguments: {item['component']} {item['name']} needs exactly one of value, absent, and add or"
                " remove, and a name without dashes.",
                "Correct it.",
            )
        result.append(
            DesiredArgument(
                component=item["component"],
                name=item["name"],
                value=item.get("value"),
                keep=bool(item.get("keep")),
                add=tuple(item.get("add") or ()),
                remove=tuple(item.get("remove") or ()),
                unless=tuple(item.get("unless") or ()),
                volumes=tuple(item.get("volumes") or ()),
                files=tuple(item.get("files") or ()),
            )
        )
    return tuple(result)


@dataclass(frozen=True)
class ArgumentPlan:
    """A ClusterConfiguration with the arguments set.

    :param managed: by component, its arguments that are managed. :param volumes: names of the volumes that came with
        them. :param files: paths that are needed. :param skipped: what is left alone, and why.
    """

    cluster: Json
    managed: t.Mapping[str, Managed] = field(default_factory=dict)
    volumes: t.Mapping[str, frozenset[str]] = field(default_factory=dict)
    files: frozenset[str] = frozenset()
    skipped: tuple[str, ...] = ()


def plan_arguments(
    cluster: t.Mapping[str, t.Any],
    present: t.Mapping[str, manifests.Manifest],
    desired: t.Iterable[DesiredArgument],
) -> ArgumentPlan:
    """Set arguments in a ClusterConfiguration.

    :param present: what kubeadm makes of it as it is, with the values that kubeadm sets by itself.
    """
    result: Json = copy.deepcopy(dict(cluster))
    values: dict[tuple[str, str], str | None] = {}
    managed: dict[str, dict[str, frozenset[str] | None]] = {}
    volumes: dict[str, frozenset[str]] = {}
    files: set[str] = set()
    skipped: list[str] = []
    for argument in desired:
        manifest = present.get(argument.component)
        if manifest is None:
            skipped.append(f"{argument.component} --{argument.name}: kubeadm runs none here")
            continue
        key = (argument.component, argument.name)
        before = values.get(key, manifest.argument(argument.name))
        after = _value(argument, before)
        blocking = [f"--{name}" for name in argument.unless if manifest.argument(name) is not None]
        if after != before and not argument.absent and blocking:
            skipped.append(
                f"{argument.component} --{argument.name}: left alone because of {', '.join(blocking)}"
            )
            continue
        _manage(managed.setdefault(argument.component, {}), argument)
        values[key] = after
        if after != before or argument.absent:
            _set_argument(result, argument.component, argument.name, after)
        if after == argument.value and after is not None:
            files.update(argument.files)
            if argument.volumes:
                names = volumes.get(argument.component, frozenset())
                volumes[argument.component] = names | _add_volumes(result, argument)
    return ArgumentPlan(result, managed, volumes, frozenset(files), tuple(skipped))


def _value(argument: DesiredArgument, before: str | None) -> str | None:
    if argument.items is not None:
        words = [word for word in (before or "").split(",") if word and word not in argument.remove]
        words += [word for word in argument.add if word not in words]
        return ",".join(words) or None
    return before if argument.keep and before is not None else argument.value


def _manage(managed: dict[str, frozenset[str] | None], argument: DesiredArgument) -> None:
    items = argument.items
    if argument.name in managed:
        before = managed[argument.name]
        items = None if before is None or items is None else before | items
    managed[argument.name] = items


def _place(cluster: Json, component: str) -> Json:
    place = cluster
    for key in PLACES[component]:
        if not isinstance(place.get(key), dict):
            place[key] = {}
        place = place[key]
    return place


def _set_argument(cluster: Json, component: str, name: str, value: str | None) -> None:
    place = _place(cluster, component)
    others = [argument for argument in place.get("extraArgs") or [] if argument.get("name") != name]
    if value is not None:
        others.append({"name": name, "value": value})
    if others:
        place["extraArgs"] = others
    else:
        place.pop("extraArgs", None)


def _add_volumes(cluster: Json, argument: DesiredArgument) -> frozenset[str]:
    """Add the volumes of an argument, and return their names."""
    place = _place(cluster, argument.component)
    own = [dict(item) for item in argument.volumes]
    place["extraVolumes"] = combine_named(place.get("extraVolumes") or [], own)
    return frozenset(str(volume["name"]) for volume in own)


def annotation(text: str | None) -> str | None:
    """The digest of files that this collection wrote into a manifest."""
    try:
        metadata = (yaml.load(text or "") or {}).get("metadata") or {}
        found = (metadata.get("annotations") or {}).get(manifests.DIGEST_ANNOTATION)
    except (ValueError, AttributeError):
        return None
    return None if found is None else str(found)


def new_annotation(former: str | None, files: t.Mapping[str, bytes]) -> str | None:
    """The digest for a manifest whose component reads files of managed arguments. What others wrote there is kept."""
    if not files:
        return former
    own = hashlib.sha256()
    for path in sorted(files):
        own.update(f"{len(path)}:{path}:{len(files[path])}:".encode())
        own.update(files[path])
    kept = [part for part in (former or "").split("+") if part and not part.startswith(_OWN_DIGEST)]
    return "+".join([*kept, f"{_OWN_DIGEST}{own.hexdigest()[:32]}"])


def merge_kubelet(present: t.Mapping[str, t.Any], over: t.Mapping[str, t.Any]) -> Json:
    """A KubeletConfiguration with fields merged over it; C(None) removes a field."""
    result = copy.deepcopy(dict(present))
    for key, value in over.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, t.Mapping):
            below = result.get(key)
            merged = merge_kubelet(below if isinstance(below, t.Mapping) else {}, value)
            if merged or key in result:
                result[key] = merged
        else:
            result[key] = copy.deepcopy(value)
    return result
