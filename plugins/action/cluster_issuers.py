# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of cluster_issuers; the module of the same name documents it."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import Client
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cert_manager import declared, issuers
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.action import (
    API_OPTIONS,
    ApiAction,
    say,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.apply import (
    applied,
    pruned,
    result,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.in_effect import wait_in_effect
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.objects import (
    FIELD_MANAGER,
    Kind,
    Objects,
    part_of,
    references,
)

Json = dict[str, t.Any]

#: In the order in which they are deleted. Secrets that cert-manager has made are of no set, and stay.
KINDS = (
    Kind(declared.CERT_MANAGER, "ClusterIssuer"),
    Kind(declared.CERT_MANAGER, "Certificate"),
    Kind(declared.CERT_MANAGER, "Issuer"),
    Kind("v1", "Secret"),
)


class ActionModule(ApiAction):
    """Applies ClusterIssuers with the Secrets that they need, and waits until they can issue."""

    ARGUMENT_SPEC: t.ClassVar[dict[str, t.Any]] = {
        **API_OPTIONS,
        "issuers": {"type": "raw", "required": True, "no_log": True},
        "namespace": {"type": "str", "required": True},
        "timeout": {"type": "int", "default": 120},
        "wait": {"type": "int", "default": 60},
    }

    def perform(self, params: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> Json:
        """See C(ControllerAction)."""
        reading = issuers.read(params["issuers"])
        if reading.problems:
            lines = "\n".join(f"- {line}." for line in reading.problems)
            raise OperatorError(f"Issuers cannot be used. Nothing was changed. Correct them:\n{lines}")
        self._issuers = reading.issuers
        return super().perform(params, task_vars)

    def work(self, api: Client, params: t.Mapping[str, t.Any]) -> Json:
        """See C(ApiAction)."""
        found = Objects(api, FIELD_MANAGER, True, params["timeout"], say)
        namespace, check_mode = params["namespace"], self._task.check_mode
        objects = [
            part_of(one, declared.SET)
            for one in (
                *declared.secrets(self._issuers, namespace),
                *declared.objects(self._issuers, namespace),
            )
        ]
        superfluous = pruned(found, objects, declared.SET, KINDS)
        changes = applied(found, objects, check_mode, say)
        if not check_mode:
            for change in superfluous:
                found.delete(change.ref)
            if params["wait"]:
                ready = [one for one in references(objects) if one.kind == "ClusterIssuer"]
                wait_in_effect(found, ready, params["wait"], say)
        return result([*changes, *superfluous])
