# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machine must have."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import bases, preconditions
from lab.config import LabError, settings

GIB = 2**30
ALL = dict.fromkeys(preconditions.OPTIONS, "y")


def test_complete_kernel() -> None:
    assert preconditions.kernel_problems("nodev\toverlay\nnodev\ttmpfs\nnodev\tbpf\n\text4\n", ALL) == []


def test_module_that_is_not_loaded_counts() -> None:
    assert preconditions.kernel_problems("nodev\ttmpfs\n", {**ALL, "CONFIG_OVERLAY_FS": "m"}) == []


def test_missing_features_are_all_named() -> None:
    config = {k: v for k, v in ALL.items() if k not in ("CONFIG_VETH", "CONFIG_OVERLAY_FS")}
    text = "\n".join(preconditions.kernel_problems("nodev\ttmpfs\nnodev\tbpf\n", config))
    assert "overlay" in text
    assert "CONFIG_VETH" in text


def test_unknown_configuration_leaves_file_systems_to_check() -> None:
    assert preconditions.kernel_problems("nodev\toverlay\nnodev\ttmpfs\nnodev\tbpf\n", None) == []
    assert len(preconditions.kernel_problems("", None)) == 3


def test_kernel_configuration() -> None:
    text = '# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_C=m\nCONFIG_D="a=b"\n'
    assert preconditions.parse_kernel_config(text) == {"CONFIG_B": "y", "CONFIG_C": "m", "CONFIG_D": '"a=b"'}


def test_one_disk_must_hold_everything() -> None:
    needed = {"bases": 1 * GIB, "artifacts": 4 * GIB, "hosts": 3 * GIB}
    assert preconditions.disk_problems(needed, (1, 8 * GIB), (1, 8 * GIB)) == []
    (problem,) = preconditions.disk_problems(needed, (1, 7 * GIB), (1, 7 * GIB))
    assert "7.0 GiB free, 8.0 GiB needed" in problem


def test_two_disks_are_checked_separately() -> None:
    needed = {"artifacts": 5 * GIB, "hosts": 3 * GIB}
    assert preconditions.disk_problems(needed, (1, 5 * GIB), (2, 3 * GIB)) == []
    problems = preconditions.disk_problems(needed, (1, 4 * GIB), (2, 2 * GIB))
    assert [p.split(":")[0] for p in problems] == ["disk for cache", "disk for hosts"]


def test_disk_for_artifacts_is_what_the_caller_says(tmp_path: Path) -> None:
    lab = settings({"BMK_LAB_STATE": str(tmp_path / "state"), "BMK_LAB_CACHE": str(tmp_path / "cache")})
    found = preconditions.required_disk(lab, ["systemd", "openrc"], hosts=2, artifacts=5 * GIB)
    assert found == {
        "bases": 2 * bases.BYTES_PER_BASE,
        "hosts": 2 * preconditions.BYTES_PER_HOST,
        "artifacts": 5 * GIB,
    }


def test_lab_never_takes_more_than_its_limit() -> None:
    (problem,) = preconditions.disk_problems({"hosts": 21 * GIB}, (1, 99 * GIB), (1, 99 * GIB))
    assert "20.0 GiB" in problem


def test_memory() -> None:
    meminfo = "MemTotal:       24682416 kB\nMemAvailable:   {} kB\nHugePages_Total:       0\n"
    assert preconditions.memory_problems(meminfo.format(24_000_000), 3) == []
    (problem,) = preconditions.memory_problems(meminfo.format(1_000_000), 3)
    assert "3 hosts" in problem


def test_one_message_has_all_problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = settings({"BMK_LAB_STATE": str(tmp_path / "state"), "BMK_LAB_CACHE": str(tmp_path / "cache")})
    monkeypatch.setattr(preconditions, "system_problems", lambda: ["not root"])
    monkeypatch.setattr(preconditions, "kernel_config", dict)
    monkeypatch.setattr(preconditions, "_free", lambda path: (1, 0))
    with pytest.raises(LabError) as caught:
        preconditions.check(lab, ["systemd"], hosts=1)
    for part in ("not root", "CONFIG_VETH", "disk for cache and hosts"):
        assert part in str(caught.value)
