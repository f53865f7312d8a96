# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What the collection's own daemons print."""

from __future__ import annotations

import json
import typing as t
from datetime import datetime, timezone


class Log:
    """Prints events, one a line: a JSON object with C(time), C(level), C(event) and what belongs to the event.

    :param stream: where to.
    """

    def __init__(self, stream: t.TextIO) -> None:
        self._stream = stream

    def say(self, level: str, event: str, **more: t.Any) -> None:
        """Print one event."""
        stamp = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        line = {"time": stamp, "level": level, "event": event, **more}
        self._stream.write(json.dumps(line) + "\n")
        self._stream.flush()
