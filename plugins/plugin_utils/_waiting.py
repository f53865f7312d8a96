# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Say what an action on the controller waits for."""

from __future__ import annotations

import time
import typing as t

#: A wait that is over before says nothing; a longer one says so again as often.
SAY_SECONDS = 15.0
_SHOWN = 5


class Waiting:
    """One wait.

    :param limit: seconds that it may take. :param say: shows a line, as C(Display.display) does.
    """

    def __init__(self, limit: float, say: t.Callable[[str], object]) -> None:
        self._limit = limit
        self._say = say
        self._began = self._said = time.monotonic()

    def still(self, what: t.Sequence[str]) -> None:
        """Say what is waited for, if that is due.

        :param what: each thing in a few words, without secrets.
        """
        now = time.monotonic()
        if not what or now - self._said < SAY_SECONDS:
            return
        self._said = now
        shown = "; ".join(what[:_SHOWN]) + (f"; and {len(what) - _SHOWN} more" if len(what) > _SHOWN else "")
        self._say(f"Waiting for {now - self._began:.0f} s of at most {self._limit:.0f} s: {shown}")
