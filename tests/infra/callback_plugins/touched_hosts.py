# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A callback that writes down on which hosts tasks ran: one JSON object a line, in the file that TOUCHED_HOSTS names.

`tests.infra.touched` reads it. It is no part of the collection.
"""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: touched_hosts
type: notification
short_description: Writes down on which hosts tasks ran
description: For the tests of this checkout.
"""


class CallbackModule(CallbackBase):
    """Writes the host that a task ran on, which is another one where it is delegated."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "touched_hosts"
    CALLBACK_NEEDS_ENABLED = True

    def _note(self, result: Any) -> None:
        if path := os.environ.get("TOUCHED_HOSTS"):
            host = result.task.delegate_to or result.host.get_name()
            with open(path, "a", encoding="utf-8") as sink:
                sink.write(json.dumps({"host": str(host), "action": result.task.action}) + "\n")

    def _whole(self, result: Any) -> None:
        # The items of a loop are noted by themselves: each may be delegated to another host.
        if "results" not in result.result or not result.task.loop:
            self._note(result)

    def v2_runner_on_ok(self, result: Any) -> None:
        self._whole(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._whole(result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._whole(result)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        self._note(result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        self._note(result)
