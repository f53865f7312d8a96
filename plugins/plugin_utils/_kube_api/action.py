# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""An action that works with the API server of a kubeconfig, on the controller."""

from __future__ import annotations

import abc
import typing as t

from ansible.module_utils.basic import missing_required_lib
from ansible.utils.display import Display
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import Client
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._action import ControllerAction, Json
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api import connect

#: Options of every such action.
API_OPTIONS: dict[str, t.Any] = {"kubeconfig": {"type": "path"}, "context": {"type": "str"}}
#: That of those which ask again while the API server does not answer, by C(patiently).
PATIENCE: dict[str, t.Any] = {"timeout": {"type": "int", "default": 120}}


def say(line: str) -> None:
    """Write a line of progress: what a long step waits for."""
    Display().display(line)


def library_failure() -> Json:
    """The result of an action whose Python package is missing; empty when it is there."""
    if connect.KUBERNETES_ERROR is None:
        return {}
    return {
        "failed": True,
        "msg": missing_required_lib("kubernetes"),
        "exception": connect.KUBERNETES_ERROR,
    }


class ApiAction(ControllerAction, abc.ABC):
    """An action plugin with a client of the API server; its options include C(API_OPTIONS)."""

    def perform(self, params: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> Json:
        """See C(ControllerAction)."""
        if failure := library_failure():
            return failure
        return self.work(connect.connect(params["kubeconfig"], params["context"]), params)

    @abc.abstractmethod
    def work(self, api: Client, params: t.Mapping[str, t.Any]) -> Json:
        """Do the work.

        :raises OperatorError: when that fails.
        """
