# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of storage_nfs_plan; the module of the same name documents it."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import Client, StatusError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.action import (
    API_OPTIONS,
    PATIENCE,
    ApiAction,
    say,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.objects import PART_OF, patiently
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._nfs import classes, volumes

Json = dict[str, t.Any]

_DRIVER = f"/apis/storage.k8s.io/v1/csidrivers/{classes.DRIVER}"
_STORAGE_CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
_CONTENTS = "/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents"
_SHOWN = 20
_PLACE: Json = {
    "server": {"type": "str", "required": True},
    "path": {"type": "str", "required": True},
}
_COMMON: Json = {
    "name": {"type": "str", "required": True},
    "mount_options": {"type": "list", "elements": "str", "default": []},
    "default": {"type": "bool", "default": False},
}


def _refuse(problems: t.Sequence[str], next_step: str = "Correct them and run again.") -> None:
    if problems:
        shown = [f"- {line}." for line in problems[:_SHOWN]]
        if len(problems) > _SHOWN:
            shown.append(f"- and {len(problems) - _SHOWN} more")
        lines = "\n".join(shown)
        raise OperatorError(
            f"NFS storage cannot be deployed as declared. Nothing was changed. {next_step}\n{lines}"
        )


class ActionModule(ApiAction):
    """Compares what is declared for NFS storage with what nodes found of the servers, and with the cluster."""

    ARGUMENT_SPEC: t.ClassVar[Json] = {
        **API_OPTIONS,
        **PATIENCE,
        "enabled": {"type": "bool", "default": True},
        "namespace": {"type": "str", "required": True},
        "part_of": {"type": "str", "required": True},
        "labels": {"type": "dict", "default": {}},
        "classes": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                **_COMMON,
                **_PLACE,
                "reclaim_policy": {"type": "str", "choices": ["Delete", "Retain"], "default": "Delete"},
                "on_delete": {"type": "str", "choices": ["delete", "retain", "archive"], "default": "delete"},
                "subdirectory": {"type": "str", "default": ""},
                "permissions": {"type": "str", "default": ""},
            },
        },
        "snapshot_classes": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                **_COMMON,
                **{name: {"type": "str", "default": ""} for name in _PLACE},
                "deletion_policy": {"type": "str", "choices": ["Delete", "Retain"], "default": "Delete"},
            },
        },
        "exports": {"type": "dict", "default": {}},
    }

    def perform(self, params: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> Json:
        """See C(ControllerAction). What is wrong by itself is told without the API server."""
        if params["enabled"]:
            _refuse(classes.problems(params["classes"], params["snapshot_classes"]))
            _refuse(_export_problems(params))
        return super().perform(params, task_vars)

    def work(self, api: Client, params: t.Mapping[str, t.Any]) -> Json:
        """See C(ApiAction)."""
        driver = patiently(lambda: api.get(_DRIVER), params["timeout"], say)
        owner = (((driver or {}).get("metadata") or {}).get("labels") or {}).get(PART_OF)
        own = owner == params["part_of"]
        found = volumes.of_driver(
            patiently(lambda: list(api.items("/api/v1/persistentvolumes")), params["timeout"], say)
        )
        result: Json = {"changed": False, "objects": [], "volumes": volumes.described(found) if own else []}
        if not params["enabled"]:
            if own:
                self._check_unused(api, params, found)
            return result
        if driver is not None and not own:
            _refuse(
                [
                    f"The CSIDriver {classes.DRIVER} is of another installation of csi-driver-nfs, expected none, as"
                    " both would make volumes"
                ],
                "Remove that installation first; its PersistentVolumes stay and are mounted by this one.",
            )
        self._check_default(api, params)
        declared = classes.objects(
            params["classes"], params["snapshot_classes"], params["namespace"], params["labels"]
        )
        result["objects"] = [*self._kept_secrets(api, params, found, declared), *declared]
        return result

    def _check_unused(self, api: Client, params: t.Mapping[str, t.Any], found: list[Json]) -> None:
        if not found:
            return
        pods = patiently(lambda: list(api.items("/api/v1/pods")), params["timeout"], say)
        _refuse(
            [f"{line}, expected no pod with a volume of the driver" for line in volumes.users(found, pods)],
            "Delete these pods first: without the driver, nodes cannot unmount their volumes.",
        )

    def _check_default(self, api: Client, params: t.Mapping[str, t.Any]) -> None:
        chosen = [one["name"] for one in params["classes"] if one["default"]]
        if not chosen:
            return
        known = patiently(lambda: list(api.items(_STORAGE_CLASSES)), params["timeout"], say)
        others = [
            str(one["metadata"]["name"])
            for one in known
            if (one["metadata"].get("annotations") or {}).get(classes.DEFAULT_CLASS) == "true"
            and (one["metadata"].get("labels") or {}).get(PART_OF) != params["part_of"]
        ]
        _refuse(
            [
                f"The StorageClass {name} is the default one already, expected {chosen[0]} alone, as"
                " storage_nfs_classes says"
                for name in others
            ]
        )

    def _kept_secrets(
        self, api: Client, params: t.Mapping[str, t.Any], found: list[Json], declared: list[Json]
    ) -> list[Json]:
        """Secrets of classes that are gone, while volumes or snapshots of them need them to be deleted."""
        namespace = params["namespace"]
        try:
            contents = patiently(lambda: list(api.items(_CONTENTS)), params["timeout"], say)
        except StatusError as error:
            if error.status != 404:
                raise
            contents = []
        names = {one["metadata"]["name"] for one in declared if one["kind"] == "Secret"}
        kept = []
        for name in volumes.secrets(found, contents, namespace):
            path = f"/api/v1/namespaces/{namespace}/secrets/{name}"
            live = patiently(lambda path=path: api.get(path), params["timeout"], say)
            if name not in names and live is not None:
                kept.append(classes.secret(name, namespace, params["labels"], live.get("data") or {}))
        return kept


def _export_problems(params: t.Mapping[str, t.Any]) -> list[str]:
    wanted = classes.exports(params["classes"], params["snapshot_classes"])
    found = []
    for host, results in params["exports"].items():
        if wanted and not results:
            found.append(
                f"{host} has not asked the NFS servers in this run, expected all nodes to, so run it without --limit"
            )
        found += [f"{host}: {one['problem']}. {one['step']}" for one in results or () if one["problem"]]
    return found
