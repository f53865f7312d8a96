# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A callback that stops the controller as soon as it begins the task that HOLD_AT names, before a host hears of it.

Whoever waits for a task in the output of a run sees it late on a busy machine: the run may have begun the next one.
`tests.infra.playbook` stops a run with it at exactly one place. It is no part of the collection.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: hold_at
type: notification
short_description: Stops the controller where a task begins
description: For the tests of this checkout.
"""


class CallbackModule(CallbackBase):
    """Stops this process, after the callback that prints has named the task."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "hold_at"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        if task.get_name() == os.environ.get("HOLD_AT"):
            os.kill(os.getpid(), signal.SIGSTOP)
