# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Change some settings of a cluster that kubeadm made, whoever ran it, and keep everything else. Pure.

A setting goes where kubeadm finds it again, in its ConfigMaps: so it outlives an upgrade and reaches nodes to come.
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

#: Where a ClusterConfiguration has the arguments of a component.
PLACES: t.Mapping[str, tuple[str, ...]] = {
    "etcd": ("etcd", "local"),
    "kube-apiserver": ("apiServer",),
    "kube-controller-manager": ("controllerManager",),
    "kube-scheduler": ("scheduler",),
}
_OWN_DIGEST = "adjusted-"


@dataclass(frozen=True)
class Request:
    """How one argument of a component shall be.

    :param value: what it shall have; C(None) when it is a list to be changed, or shall have kubeadm's own value.
    :param keep: whether any value that the cluster's configuration has is as good.
    :param add: items that a list of words shall have. :param remove: items that it shall not have.
    :param unless: arguments beside which this one cannot be changed.
    :param volumes: what the component must see of the host for this value, as C(extraVolumes).
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
        """The words of a list that this is about; C(None) when it is about the whole value."""
        return frozenset((*self.add, *self.remove)) or None


def requests(items: t.Iterable[t.Mapping[str, t.Any]]) -> tuple[Request, ...]:
    """The requests of the option C(arguments).

    :raises KubeadmError: for one that says two things, or nothing.
    """
    result = []
    for item in items:
        given = item.get("value") is not None
        lists = bool(item.get("add") or item.get("remove"))
        absent = bool(item.get("absent"))
        if given + lists + absent != 1 or item["name"].startswith("-"):
            raise KubeadmError(
                f"arguments: {item['component']} {item['name']} has to have just one of value, absent, and add or"
                " remove, and a name without dashes.",
                "Correct it.",
            )
        result.append(
            Request(
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


@dataclass
class Adjusted:
    """A ClusterConfiguration with requests carried out.

    :param arguments: by component, the arguments that requests are about: which words of a list, or C(None) for all
        of it. :param volumes: names of volumes that came with them. :param files: paths that are needed.
    :param skipped: what was not done, and why.
    """

    cluster: Json
    arguments: dict[str, dict[str, frozenset[str] | None]] = field(default_factory=dict)
    volumes: dict[str, set[str]] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    skipped: list[str] = field(default_factory=list)


def adjust(
    cluster: t.Mapping[str, t.Any],
    present: t.Mapping[str, manifests.Manifest],
    wanted: t.Iterable[Request],
) -> Adjusted:
    """Carry requests out on a ClusterConfiguration.

    :param present: what kubeadm makes of it as it is: that has the values which kubeadm sets by itself.
    """
    result = Adjusted(copy.deepcopy(dict(cluster)))
    values: dict[tuple[str, str], str | None] = {}
    for request in wanted:
        manifest = present.get(request.component)
        if manifest is None:
            result.skipped.append(f"{request.component} --{request.name}: kubeadm makes none here")
            continue
        key = (request.component, request.name)
        now = values.get(key, manifest.argument(request.name))
        then = _value(request, now)
        blocking = [f"--{name}" for name in request.unless if manifest.argument(name) is not None]
        if then != now and not request_is_absent(request) and blocking:
            result.skipped.append(
                f"{request.component} --{request.name}: left alone because of {', '.join(blocking)}"
            )
            continue
        _note(result, request)
        values[key] = then
        if then != now or request_is_absent(request):
            _set_argument(result.cluster, request.component, request.name, then)
        if then == request.value and then is not None:
            _need(result, request)
    return result


def request_is_absent(request: Request) -> bool:
    """Whether kubeadm's own value is asked for, which is known once a value of the site's is gone."""
    return request.value is None and request.items is None


def _value(request: Request, now: str | None) -> str | None:
    if request.items is not None:
        words = [word for word in (now or "").split(",") if word and word not in request.remove]
        words += [word for word in request.add if word not in words]
        return ",".join(words) or None
    return now if request.keep and now is not None else request.value


def _note(result: Adjusted, request: Request) -> None:
    own = result.arguments.setdefault(request.component, {})
    items = request.items
    if request.name in own:
        before = own[request.name]
        items = None if before is None or items is None else before | items
    own[request.name] = items


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


def _need(result: Adjusted, request: Request) -> None:
    result.files.update(request.files)
    if not request.volumes:
        return
    place = _place(result.cluster, request.component)
    place["extraVolumes"] = combine_named(
        place.get("extraVolumes") or [], [dict(item) for item in request.volumes]
    )
    names = (str(volume["name"]) for volume in request.volumes)
    result.volumes.setdefault(request.component, set()).update(names)


# --- edits by hand ----------------------------------------------------------------------------------------------------


def annotation(text: str | None) -> str | None:
    """The digest of files that this collection wrote into a manifest."""
    try:
        metadata = (yaml.load(text or "") or {}).get("metadata") or {}
        found = (metadata.get("annotations") or {}).get(manifests.DIGEST_ANNOTATION)
    except (ValueError, AttributeError):
        return None
    return None if found is None else str(found)


def new_annotation(former: str | None, files: t.Mapping[str, bytes]) -> str | None:
    """The digest for a manifest whose component reads some files by a request: what others wrote there stays."""
    if not files:
        return former
    own = hashlib.sha256()
    for path in sorted(files):
        own.update(f"{len(path)}:{path}:{len(files[path])}:".encode())
        own.update(files[path])
    kept = [part for part in (former or "").split("+") if part and not part.startswith(_OWN_DIGEST)]
    return "+".join([*kept, f"{_OWN_DIGEST}{own.hexdigest()[:32]}"])


def _pairs(words: t.Sequence[str]) -> list[tuple[str, str | None]]:
    """Arguments by name and value; C(--name value) is C(--name=value). Other words have no name."""
    result: list[tuple[str, str | None]] = []
    for word in words:
        if word.startswith("--"):
            name, mark, value = word[2:].partition("=")
            result.append((name, value if mark else None))
        elif result and result[-1][0] and result[-1][1] is None:
            result[-1] = (result[-1][0], word)
        else:
            result.append(("", word))
    return result


def _others(words: t.Sequence[str], about: t.Mapping[str, frozenset[str] | None]) -> list[tuple[str, str]]:
    """The arguments without what requests are about, in an order of their own."""
    result = []
    for name, value in _pairs(words):
        if name not in about:
            result.append((name, "true" if value is None else value))
            continue
        items = about[name]
        left = (
            [] if items is None else [word for word in (value or "").split(",") if word and word not in items]
        )
        if left:
            result.append((name, ",".join(sorted(left))))
    return sorted(result)


def _rest(
    text: str, about: t.Mapping[str, frozenset[str] | None], volumes: t.Collection[str]
) -> tuple[t.Any, list[tuple[str, str]]]:
    """A manifest without what requests are about: the pod, and the container's arguments.

    :raises ValueError: when it is no manifest.
    """
    pod = copy.deepcopy(yaml.load(text))
    try:
        container = pod["spec"]["containers"][0]
        words = [
            str(word)
            for word in [*(container.pop("command", None) or []), *(container.pop("args", None) or [])]
        ]
        for owner, key in ((pod["spec"], "volumes"), (container, "volumeMounts")):
            left = [item for item in owner.get(key) or [] if item["name"] not in volumes]
            owner[key] = sorted(left, key=lambda item: (str(item["name"]), str(item.get("mountPath"))))
        annotations = pod["metadata"].get("annotations") or {}
        annotations.pop(manifests.DIGEST_ANNOTATION, None)
        pod["metadata"]["annotations"] = annotations
    except (KeyError, IndexError, TypeError, AttributeError) as exc:
        raise ValueError("no manifest") from exc
    return pod, _others(words, about)


def edited_arguments(made: str, actual: str, about: t.Mapping[str, frozenset[str] | None]) -> list[str]:
    """Names of the arguments that differ beyond what requests are about; none when that cannot be told."""
    try:
        one, other = (set(_rest(text, about, ())[1]) for text in (made, actual))
    except ValueError:
        return []
    return sorted({f"--{name}" for name, _value in one ^ other if name})


def edited(
    made: str, actual: str, about: t.Mapping[str, frozenset[str] | None], volumes: t.Collection[str] = ()
) -> bool:
    """Whether a manifest is not what kubeadm makes of the cluster's configuration, beyond what requests are about.

    :param made: by kubeadm. :param actual: on the host; what cannot be read was edited.
    """
    if made == actual:
        return False
    try:
        return _rest(made, about, volumes) != _rest(actual, about, volumes)
    except ValueError:
        return True


# --- kubelet ----------------------------------------------------------------------------------------------------------


def merge_kubelet(present: t.Mapping[str, t.Any], over: t.Mapping[str, t.Any]) -> Json:
    """A KubeletConfiguration with fields put over it; C(None) takes a field away."""
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


def _without(present: t.Mapping[str, t.Any], over: t.Mapping[str, t.Any]) -> Json:
    """A configuration without the fields of another, and without what is empty then."""
    result: Json = {}
    for key, value in present.items():
        below = over.get(key)
        if key in over and not isinstance(below, t.Mapping):
            continue
        if isinstance(value, t.Mapping):
            value = _without(value, below if isinstance(below, t.Mapping) else {})
            if not value:
                continue
        result[key] = value
    return result


def kubelet_edited(made: str, actual: str, over: t.Mapping[str, t.Any]) -> bool:
    """Whether a kubelet's file differs from what kubeadm makes, beyond the fields that are asked for."""
    try:
        one, other = yaml.load(made), yaml.load(actual)
    except ValueError:
        return True
    if not isinstance(one, dict) or not isinstance(other, dict):
        return True
    return _without(one, over) != _without(other, over)
