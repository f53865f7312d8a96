# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record between commands."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lab import state
from lab.config import LabError, Settings, settings
from lab.state import HostRecord, Process, State


@pytest.fixture
def lab(tmp_path: Path) -> Settings:
    return settings({"BMK_LAB_STATE": str(tmp_path / "state"), "BMK_LAB_CACHE": str(tmp_path / "cache")})


def test_no_record_is_an_empty_one(lab: Settings) -> None:
    assert state.load(lab.paths) == State()


def test_record_survives_writing(lab: Settings) -> None:
    record = State(
        hosts={"w1": HostRecord("w1", "openrc", "worker", "10.61.0.10", "openrc-1")},
        services={"mirror": [Process(1, 2), Process(3, 4)]},
    )
    state.save(lab.paths, record)
    assert state.load(lab.paths) == record


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 99}', '{"version": 1}', '{"version": 1, "hosts": {"a": {}}}']
)
def test_foreign_record_is_refused(lab: Settings, text: str) -> None:
    lab.paths.state.mkdir()
    state.path(lab.paths).write_text(text)
    with pytest.raises(LabError, match="cannot be read"):
        state.load(lab.paths)


def test_start_time_is_counted_from_the_last_bracket() -> None:
    fields = " ".join(["S", *(str(i) for i in range(4, 53))])
    assert state.parse_start_time(f"12 (a) b) (c) {fields}") == 22


@pytest.mark.parametrize("code", ["Z", "X"])
def test_ended_process_has_no_start_time(code: str) -> None:
    fields = " ".join([code, *(str(i) for i in range(4, 53))])
    assert state.parse_start_time(f"12 (sh) {fields}") is None


def test_process_is_told_from_its_successor() -> None:
    me = state.identify(os.getpid())
    assert me is not None
    assert me.alive()
    assert not Process(me.pid, me.start + 1).alive()
    assert not Process(999_999_999, 1).alive()
    assert state.identify(999_999_999) is None


def test_only_the_very_process_is_killed() -> None:
    process = subprocess.Popen(["sleep", "60"])
    try:
        known = state.identify(process.pid)
        assert known is not None
        state.kill(Process(known.pid, known.start - 1))
        assert process.poll() is None
        state.kill(known)
        assert process.wait(timeout=10) == -9
    finally:
        process.kill()
        process.wait()


def test_lock_names_its_holder(lab: Settings) -> None:
    with state.lock(lab), pytest.raises(LabError, match=str(os.getpid())), state.lock(lab, wait=0):
        pass
    with state.lock(lab, wait=0):
        pass


def test_two_labs_do_not_wait_for_each_other(lab: Settings, tmp_path: Path) -> None:
    other = settings({"BMK_LAB_NAME": "bmt", "BMK_LAB_CACHE": str(tmp_path / "cache")})
    with state.lock(lab), state.lock(other, wait=0):
        pass
