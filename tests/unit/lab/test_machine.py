# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the machine that all labs share."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import machine
from lab.config import Settings, settings


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "sys"
    directory.mkdir()
    monkeypatch.setattr(machine, "setting", lambda name: directory / name)
    monkeypatch.setattr(machine, "LEAST", {"low": 10, "high": 10, "absent": 10})
    (directory / "low").write_text("5\n")
    (directory / "high").write_text("11\n")
    return directory


def lab(tmp_path: Path, name: str) -> Settings:
    result = settings(
        {
            "BMK_LAB_NAME": name,
            "BMK_LAB_STATE": str(tmp_path / name),
            "BMK_LAB_CACHE": str(tmp_path / "cache"),
        }
    )
    result.paths.state.mkdir()
    return result


def test_only_lower_limits_are_raised_and_put_back(tmp_path: Path, kernel: Path) -> None:
    one = lab(tmp_path, "bmk")
    machine.raise_limits(one)
    assert ((kernel / "low").read_text(), (kernel / "high").read_text()) == ("10", "11\n")
    machine.raise_limits(one)
    machine.restore_limits(one)
    assert ((kernel / "low").read_text(), (kernel / "high").read_text()) == ("5", "11\n")
    assert not (tmp_path / "cache/machine.json").exists()


def test_last_lab_puts_them_back(tmp_path: Path, kernel: Path) -> None:
    one, two = lab(tmp_path, "bmk"), lab(tmp_path, "bmt")
    machine.raise_limits(one)
    machine.raise_limits(two)
    machine.restore_limits(one)
    assert (kernel / "low").read_text() == "10"
    machine.restore_limits(two)
    assert (kernel / "low").read_text() == "5"


def test_lab_whose_directory_is_gone_does_not_count(tmp_path: Path, kernel: Path) -> None:
    one, two = lab(tmp_path, "bmk"), lab(tmp_path, "bmt")
    machine.raise_limits(one)
    machine.raise_limits(two)
    one.paths.state.rmdir()
    machine.restore_limits(two)
    assert (kernel / "low").read_text() == "5"


def test_nothing_noted_nothing_changed(tmp_path: Path, kernel: Path) -> None:
    machine.restore_limits(lab(tmp_path, "bmk"))
    assert (kernel / "low").read_text() == "5\n"


def test_unreadable_note_is_no_obstacle(tmp_path: Path, kernel: Path) -> None:
    one = lab(tmp_path, "bmk")
    one.paths.cache.mkdir()
    (one.paths.cache / "machine.json").write_text("{")
    machine.raise_limits(one)
    assert (kernel / "low").read_text() == "10"
