# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module C(node_info), and compares the host's clock with the controller's, which only the controller can."""

from __future__ import annotations

import time
import typing as t

from ansible.plugins.action import ActionBase


def compare(sent: float, began: float, ended: float, received: float) -> dict[str, float]:
    """How far a clock is ahead, as NTP computes it (RFC 5905): the way there and the way back are taken to be equal.

    :param sent: :param received: by the controller's clock. :param began: :param ended: by the host's.
    """
    way = max(0.0, (received - sent) - (ended - began))
    return {
        "offset": round(((began - sent) + (ended - received)) / 2, 3),
        "uncertainty": round(way / 2, 3),
    }


class ActionModule(ActionBase):
    """C(node_info) with the times at which it was sent and came back."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run it."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        sent = time.time()
        result.update(self._execute_module(task_vars=task_vars))
        received = time.time()
        clock = ((result.get("node") or {}).get("preflight") or {}).get("clock")
        if clock:
            clock.update(compare(sent, clock["began"], clock["ended"], received))
        return result
