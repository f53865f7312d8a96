# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The error that modules turn into C(fail_json): what was found, what was expected and what to do next."""

from __future__ import annotations

import typing as t


class OperatorError(Exception):
    """A failure that is explained to the operator.

    :param message: what was found and what was expected, in one or two sentences.
    :param next_step: what the operator can do about it.
    :param context: further return values for C(fail_json); never a secret.
    """

    def __init__(self, message: str, next_step: str = "", **context: t.Any) -> None:
        self.message = message.rstrip()
        self.next_step = next_step.strip()
        self.context: dict[str, t.Any] = context
        #: Values that no result may show, as of an option that should not have had them.
        self.secrets: frozenset[str] = frozenset()
        super().__init__(f"{self.message} {self.next_step}".strip())
