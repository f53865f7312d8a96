# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes the lock of a cluster from the controller; the module of the same name documents it."""

from __future__ import annotations

import os
import typing as t

from ansible import context
from ansible.utils.display import Display
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import CredentialsError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils import _process
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._action import ControllerAction
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster import lease
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.lock import (
    Decision,
    Operation,
    Process,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api import connect

#: An API server that does not answer must not hold up a run that might repair it for long. One that is only slow must
#: not be taken for it, as two runs at once would follow.
REQUEST_SECONDS = 15.0

ARGUMENT_SPEC: dict[str, t.Any] = {
    "kubeconfig": {"type": "path", "required": True},
    "context": {"type": "str"},
    "break": {"type": "str", "default": ""},
}


def main_process() -> int:
    """PID of C(ansible-playbook): this code runs in a worker that it has forked."""
    return os.getppid()


def operation() -> Operation:
    """Name the run that asks for the lock."""
    pid = main_process()
    process = Process(_process.machine(), pid, _process.started(pid))
    return Operation(_process.operator(), " ".join(context.CLIARGS.get("args") or ()), process)


class ActionModule(ControllerAction):
    """Asks the API server for the lock, and leaves a process behind that holds it."""

    ARGUMENT_SPEC = ARGUMENT_SPEC

    def perform(self, params: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """See C(ControllerAction)."""
        if self._task.check_mode:
            return _not_locked("A run in check mode changes nothing.")
        if not os.path.exists(params["kubeconfig"]):
            return _not_locked(f"There is no {params['kubeconfig']}, so there may be no cluster yet.")
        if connect.KUBERNETES_ERROR is not None:
            return _not_locked("The Python package kubernetes is missing.")
        display = Display()
        asking = operation()
        try:
            api = connect.connect(params["kubeconfig"], params["context"], REQUEST_SECONDS)
            taken = lease.take(api, asking, params["break"], display.display)
        except (CredentialsError, lease.NotLockedError) as exc:
            return _not_locked(str(exc))
        if taken.previous is not None:
            why = {
                Decision.LEFT: "its process is gone",
                Decision.BROKEN: "operation_lock_break names it",
                Decision.EXPIRED: "it has not been renewed",
            }.get(taken.how, "it is free")
            display.display(f"The lock of {taken.previous} is taken over: {why}.")
        if taken.lease is not None:
            lease.keep(
                api,
                taken.lease,
                asking.process.pid,
                lambda: connect.connect(params["kubeconfig"], params["context"], REQUEST_SECONDS),
            )
        return {
            "changed": False,
            "held": True,
            "holder": asking.identity,
            "taken_from": taken.previous.identity if taken.previous else "",
            "reason": "",
        }


def _not_locked(reason: str) -> dict[str, t.Any]:
    Display().v(f"The cluster is not locked: {reason}")
    return {"changed": False, "held": False, "holder": "", "taken_from": "", "reason": reason}
