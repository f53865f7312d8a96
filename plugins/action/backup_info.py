# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of backup_info; the module of the same name documents it."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._action import ControllerAction
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._backup import verdict
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._backup.opening import open_backup

_TEXT = {"type": "str", "default": ""}
_CLUSTER: dict[str, t.Any] = {
    "cluster_name": {"type": "str", "required": True},
    "kubernetes_version": {"type": "str", "required": True},
    "etcd_version": {"type": "str", "required": True},
    "endpoint": _TEXT,
    "service_cidr": _TEXT,
    "pod_cidr": _TEXT,
    "dns_domain": _TEXT,
}
ARGUMENT_SPEC: dict[str, t.Any] = {
    "archive": {"type": "path", "required": True},
    "identity": {"type": "path", "default": ""},
    "cluster": {"type": "dict", "options": _CLUSTER},
    "hosts": {"type": "dict", "default": {}},
    "control_planes": {"type": "list", "elements": "str", "default": []},
    "addresses": {"type": "dict", "default": {}},
}


def hosts_from(params: t.Mapping[str, t.Any]) -> list[verdict.Host]:
    """The hosts of the inventory by the options, control planes first."""
    planes = params["control_planes"]
    return [
        verdict.Host(
            name=name,
            state=str((params["hosts"].get(name) or {}).get("state") or ""),
            control_plane=name in planes,
            cluster_id=str((params["hosts"].get(name) or {}).get("cluster_id") or ""),
        )
        for name in [*planes, *(name for name in params["hosts"] if name not in planes)]
    ]


class ActionModule(ControllerAction):
    """Verifies a backup on the controller."""

    ARGUMENT_SPEC = ARGUMENT_SPEC

    def perform(self, params: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """See C(ControllerAction)."""
        path = os.path.abspath(params["archive"]) if params["archive"] else ""
        try:
            manifest, _contents = open_backup(path, params["identity"] or "", lambda piece: None)
        except OSError as error:
            raise OperatorError(
                f"{error.filename or path}: {error.strerror}.", "Check restore_archive and restore_identity."
            ) from error
        result = {"changed": False, "manifest": manifest.summary(), "host": "", "reset": [], "findings": []}
        if not params["cluster"]:
            return result
        wanted = verdict.Wanted(**params["cluster"], addresses=params["addresses"])
        found = verdict.evaluate(manifest, wanted, hosts_from(params))
        if found.findings:
            raise OperatorError(
                f"{path} cannot be restored here: {' '.join(found.findings)}",
                "Nothing was changed.",
                findings=list(found.findings),
                manifest=manifest.summary(),
            )
        return {**result, "host": found.host, "reset": list(found.reset)}
