# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress in a log and on a terminal."""

from __future__ import annotations

import io
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from rich.console import Console

from lab.report import Reporter


def test_log_has_one_plain_line_for_each_step() -> None:
    sink = io.StringIO()
    report = Reporter(Console(file=sink, force_terminal=False))
    with report.step("base [openrc]"):
        pass
    assert re.fullmatch(r"\[ +\d\.\d s\] base \[openrc\] in \d\.\d s\n", sink.getvalue())


def test_failed_step_says_so() -> None:
    sink = io.StringIO()
    report = Reporter(Console(file=sink, force_terminal=False))
    with pytest.raises(ValueError, match="x"), report.step("network"):
        raise ValueError("x")
    assert "network failed after" in sink.getvalue()


def test_steps_may_overlap_on_a_terminal() -> None:
    sink = io.StringIO()
    report = Reporter(Console(file=sink, force_terminal=True, width=80))

    def one(name: str) -> None:
        with report.step(name):
            sink.write("")

    for _ in range(3):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(one, ["a1", "b1", "c1", "d1"]))
    assert all(sink.getvalue().count(f"] {name} in") == 3 for name in ("a1", "b1", "c1", "d1"))
