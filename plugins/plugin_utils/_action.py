# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What action plugins have in common."""

from __future__ import annotations

import abc
import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError

Json = dict[str, t.Any]


def log_nothing(action: ActionBase) -> None:
    """Keep what is sent to the host and what it answers out of logs of any verbosity.

    With -vvv, the ssh connection prints all that a program prints on the host, unless its own play context says
    C(no_log). The connection has a copy, which is not the one of the action.
    """
    action._play_context.no_log = True
    action._connection._play_context.no_log = True


class ControllerAction(ActionBase, abc.ABC):
    """An action plugin that contacts no host: validates its options, performs, and reports an error as a failure."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    #: Options, as of the module of the same name.
    ARGUMENT_SPEC: t.ClassVar[Json] = {}

    def run(self, tmp: str | None = None, task_vars: Json | None = None) -> Json:
        """Run the action.

        :return: what the module's documentation lists.
        """
        result: Json = super().run(tmp, task_vars)
        _validation, params = self.validate_argument_spec(argument_spec=self.ARGUMENT_SPEC)
        try:
            return {**result, **self.perform(params, task_vars or {})}
        except OperatorError as error:
            return {**result, "changed": False, "failed": True, "msg": str(error), **error.context}

    @abc.abstractmethod
    def perform(self, params: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> Json:
        """Do the work.

        :param params: validated options.
        :return: the result, C(failed) and C(msg) included where it fails.
        :raises OperatorError: likewise.
        """
