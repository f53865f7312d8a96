# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics of 30 nodes stay far below the limits; `make bench-metrics` measures 500."""

from __future__ import annotations

from pathlib import Path

from tests.bench import metrics


def test_30_nodes(tmp_path: Path) -> None:
    with metrics.servers(30, tmp_path) as grafana:
        metrics.prepare(tmp_path, 30, grafana)
        first, again = metrics.run(tmp_path), metrics.run(tmp_path)
    assert first.pairs == 30 * 6 + metrics.CONTROL_PLANES
    assert (first.problem(0), again.problem(1)) == ("", "")
    assert first.changed and again.problem(0)
