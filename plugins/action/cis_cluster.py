# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of cis_cluster; the module of the same name documents it."""

from __future__ import annotations

import datetime
import typing as t

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import (
    ApiError,
    CredentialsError,
    StatusError,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._action import ControllerAction
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.audit import (
    CHECKS,
    evaluate_all,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import read_snapshot
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api import connect

ARGUMENT_SPEC: dict[str, t.Any] = {
    "kubeconfig": {"type": "path", "required": True},
    "context": {"type": "str"},
    "nodes": {"type": "list", "elements": "dict", "default": []},
    "checks": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "int", "default": 15},
}


def explain(exc: ApiError, kubeconfig: str) -> str:
    """Why the API could not be read, what was expected, and the next step."""
    if isinstance(exc, StatusError) and exc.status == 401:
        return (
            f"{exc.message.rstrip('.')}: the API server rejects the credentials in {kubeconfig}. Expected credentials"
            " that may read the whole cluster. Fetch the kubeconfig from a control plane again: its certificate may"
            " have expired."
        )
    return (
        f"{exc.message} Expected the API server of the cluster in {kubeconfig}. Check that it runs (crictl ps on a"
        " control plane) and can be reached from here."
    )


def audit(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Read the cluster, and evaluate the checks.

    :return: what the module's documentation lists, or the failure.
    """
    checks = params["checks"]
    unknown = [check_id for check_id in checks if check_id not in CHECKS]
    if unknown:
        return _failure(
            f"There is no check of a cluster called {', '.join(unknown)}. Choose from: {', '.join(CHECKS)}."
        )
    if params["timeout"] <= 0:
        return _failure("timeout must be a number of seconds above 0.")
    if connect.KUBERNETES_ERROR is not None:
        return {**_failure(missing_required_lib("kubernetes")), "exception": connect.KUBERNETES_ERROR}
    try:
        api = connect.connect(params["kubeconfig"], params["context"], params["timeout"])
        snapshot = read_snapshot(api, params["nodes"])
    except CredentialsError as exc:
        return _failure(str(exc))
    except ApiError as exc:
        return _failure(explain(exc, params["kubeconfig"]))
    return {
        "changed": False,
        "kubernetes_version": snapshot.version,
        "results": [result.to_dict() for result in evaluate_all(snapshot, checks)],
        "objects": {name: len(items) for name, items in snapshot.objects.items()},
        "missing_permissions": [dict(item) for item in snapshot.missing_permissions],
    }


def _failure(message: str) -> dict[str, t.Any]:
    return {"failed": True, "msg": message}


class ActionModule(ControllerAction):
    """Reads the API of the cluster from the controller."""

    ARGUMENT_SPEC = ARGUMENT_SPEC

    def perform(self, params: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """See C(ControllerAction)."""
        time = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"time": time, **audit(params)}
