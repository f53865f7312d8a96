# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report of 30 hosts stays far below the limits; `make bench-cis` measures one of 500."""

from __future__ import annotations

from pathlib import Path

from tests.bench import cis


def test_30_hosts(tmp_path: Path) -> None:
    cis.prepare(tmp_path, 30)
    cis.fill(tmp_path, 30, 0)
    found = cis.run(tmp_path, 30)
    assert found.results == 30 * 94 + 37
    assert found.seconds < cis.SECONDS
    assert found.peak < cis.MEBIBYTES / 2
    assert set(found.sizes) == {
        "cis.html",
        "cis.json",
        "cis.junit.xml",
        "cis.oscal.json",
        "cis.prom",
        "cis.sarif",
    }
