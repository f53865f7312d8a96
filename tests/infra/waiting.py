# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Polling with a deadline, and with evidence when it passes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(
    what: str,
    probe: Callable[[], T],
    *,
    seconds: float,
    interval: float = 1.0,
    evidence: Callable[[], str] | None = None,
) -> T:
    """Poll until the answer is true, and return it.

    An exception of the probe counts as "not yet": a host that boots or an API server that starts refuses
    connections.

    :param what: what is waited for, as it reads after "did not happen:".
    :param probe: returns something true when it has happened.
    :param seconds: deadline.
    :param interval: seconds between two questions.
    :param evidence: gives log lines that explain a failure.
    :raises AssertionError: the deadline passed; with the last answer and the evidence.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            answer = probe()
            last = f"last answer: {answer!r}"
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is shown when the deadline passes
            answer = None
            last = f"last error: {exc!r}"
        if answer:
            return answer
        if time.monotonic() > deadline:
            shown = f"\n{_collect(evidence)}" if evidence else ""
            raise AssertionError(f"did not happen within {seconds:g} s: {what}; {last}{shown}")
        time.sleep(interval)


def _collect(evidence: Callable[[], str]) -> str:
    try:
        return evidence()
    except Exception as exc:  # noqa: BLE001 - a missing log must not hide the failure itself
        return f"(no evidence: {exc!r})"
