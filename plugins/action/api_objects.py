# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of api_objects; the module of the same name documents it."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible.module_utils.common.yaml import yaml_load_all
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import Client
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.action import (
    API_OPTIONS,
    PATIENCE,
    ApiAction,
    say,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.apply import (
    applied,
    deleted,
    pruned,
    result,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.in_effect import wait_in_effect
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.objects import (
    FIELD_MANAGER,
    Change,
    Kind,
    Objects,
    part_of,
    references,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.readiness import tells
from yaml import YAMLError

ARGUMENT_SPEC: dict[str, t.Any] = {
    **API_OPTIONS,
    **PATIENCE,
    "objects": {"type": "list", "elements": "dict", "default": []},
    "src": {"type": "list", "elements": "path", "default": []},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "field_manager": {"type": "str", "default": FIELD_MANAGER},
    "force_conflicts": {"type": "bool", "default": False},
    "part_of": {"type": "str"},
    "prune": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "api_version": {"type": "str", "required": True},
            "kind": {"type": "str", "required": True},
        },
    },
    "replace": {"type": "list", "elements": "str", "default": []},
    "wait": {"type": "int", "default": 0},
}


def read(path: str) -> list[t.Any]:
    """The objects of a file of YAML. An empty document is none.

    :param path: on the controller.
    :raises OperatorError: when it cannot be read.
    """
    try:
        return [one for one in yaml_load_all(Path(path).read_text(encoding="utf-8")) if one is not None]
    except (OSError, ValueError, YAMLError) as exc:
        told = " ".join(str(exc).split())
        raise OperatorError(
            f"{path} cannot be read: {told}. Expected a file of YAML with Kubernetes objects. Nothing was changed.",
            "Correct src.",
        ) from exc


class ActionModule(ApiAction):
    """Applies or deletes objects by the API server, on the controller."""

    ARGUMENT_SPEC = ARGUMENT_SPEC

    def _do(self, found: Objects, params: t.Mapping[str, t.Any]) -> list[Change]:
        declared = [*params["objects"], *(one for path in params["src"] for one in read(path))]
        name, check_mode = params["part_of"], self._task.check_mode
        kinds = [Kind(one["api_version"], one["kind"]) for one in params["prune"]]
        if kinds and (not name or params["state"] != "present"):
            raise OperatorError(
                "prune is given without part_of, or with state absent. Nothing was changed.",
                "Name the set of objects (part_of), or leave prune out.",
            )
        if params["state"] == "absent":
            return deleted(found, declared, check_mode)
        references(declared)
        if name:
            declared = [part_of(one, name) for one in declared]
        # Listed before anything changes, so that what cannot be read fails first.
        superfluous = pruned(found, declared, name, kinds) if kinds else []
        changes = applied(found, declared, check_mode, say, params["replace"])
        if not check_mode:
            for change in superfluous:
                found.delete(change.ref)
            if params["wait"]:
                wait_in_effect(found, references(declared), params["wait"], say)
        return [*changes, *superfluous]

    def work(self, api: Client, params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """See C(ApiAction)."""
        found = Objects(api, params["field_manager"], params["force_conflicts"], params["timeout"], say)
        changes = self._do(found, params)
        applied_refs = [one.ref for one in changes if one.after is not None]
        return {**result(changes), "awaitable": [one.identity() for one in applied_refs if tells(*one[:2])]}
