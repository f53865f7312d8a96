# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module C(node_info) and adds the offset of the host's clock, which only the controller can measure."""

from __future__ import annotations

import time
import typing as t

from ansible.plugins.action import ActionBase


def compare(sent: float, began: float, ended: float, received: float) -> dict[str, float]:
    """Offset of the host's clock, computed as in NTP (RFC 5905): both directions are assumed to take the same time.

    :param sent: :param received: by the controller's clock. :param began: :param ended: by the host's.
    """
    way = max(0.0, (received - sent) - (ended - began))
    return {
        "offset": round(((began - sent) + (ended - received)) / 2, 3),
        "uncertainty": round(way / 2, 3),
    }


class ActionModule(ActionBase):
    """Measures the round trip of C(node_info)."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the action."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        sent = time.time()
        result.update(self._execute_module(task_vars=task_vars))
        received = time.time()
        clock = ((result.get("node") or {}).get("preflight") or {}).get("clock")
        if clock:
            clock.update(compare(sent, clock["began"], clock["ended"], received))
        return result
