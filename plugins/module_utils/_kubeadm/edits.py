# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Tell manual edits of a host's files from the settings that are to be changed. Pure."""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import yaml
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import manifests
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.settings_plan import Managed


def manifest_edited(rendered: str, actual: str, managed: Managed, volumes: t.Collection[str] = ()) -> bool:
    """Whether a manifest differs from what kubeadm makes of the cluster's configuration, beyond managed arguments.

    :param rendered: by kubeadm. :param actual: on the host; one that cannot be read was edited.
    """
    if rendered == actual:
        return False
    try:
        return _unmanaged(rendered, managed, volumes) != _unmanaged(actual, managed, volumes)
    except ValueError:
        return True


def edited_arguments(rendered: str, actual: str, managed: Managed) -> list[str]:
    """Names of the arguments that differ beyond managed ones; none when that cannot be told."""
    try:
        one, other = (set(_unmanaged(text, managed, ())[1]) for text in (rendered, actual))
    except ValueError:
        return []
    return sorted({f"--{name}" for name, _value in one ^ other if name})


def kubelet_edited(rendered: str, actual: str, managed: t.Mapping[str, t.Any]) -> bool:
    """Whether a kubelet's file differs from what kubeadm makes, beyond the fields that are managed."""
    try:
        one, other = yaml.load(rendered), yaml.load(actual)
    except ValueError:
        return True
    if not isinstance(one, dict) or not isinstance(other, dict):
        return True
    return _without(one, managed) != _without(other, managed)


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


def _unmanaged_arguments(words: t.Sequence[str], managed: Managed) -> list[tuple[str, str]]:
    """The arguments without managed ones, sorted."""
    result = []
    for name, value in _pairs(words):
        if name not in managed:
            result.append((name, "true" if value is None else value))
            continue
        items = managed[name]
        left = (
            [] if items is None else [word for word in (value or "").split(",") if word and word not in items]
        )
        if left:
            result.append((name, ",".join(sorted(left))))
    return sorted(result)


def _unmanaged(
    text: str, managed: Managed, volumes: t.Collection[str]
) -> tuple[t.Any, list[tuple[str, str]]]:
    """A manifest without what is managed: the pod, and the container's arguments.

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
    return pod, _unmanaged_arguments(words, managed)


def _without(present: t.Mapping[str, t.Any], managed: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """A configuration without managed fields, and without what is empty then."""
    result: dict[str, t.Any] = {}
    for key, value in present.items():
        below = managed.get(key)
        if key in managed and not isinstance(below, t.Mapping):
            continue
        if isinstance(value, t.Mapping):
            value = _without(value, below if isinstance(below, t.Mapping) else {})
            if not value:
                continue
        result[key] = value
    return result
