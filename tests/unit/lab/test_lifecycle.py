# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command will do: which hosts, which leftovers, and what it finds of a killed one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab import bases, cgroups, inventory, lifecycle, state
from lab.config import DEFAULT_HOSTS, HostSpec, LabError, Settings, settings
from lab.state import HostRecord, Process, State


@pytest.fixture
def lab(tmp_path: Path) -> Settings:
    return settings(
        {
            "BMK_LAB_STATE": str(tmp_path / "state"),
            "BMK_LAB_CACHE": str(tmp_path / "cache"),
            "BMK_LAB_INVENTORY": str(tmp_path / "inventory"),
        }
    )


W1 = HostRecord("w1", "systemd", "worker", "10.61.0.10", "systemd-old")


def test_first_run_takes_the_default_hosts(lab: Settings) -> None:
    plan = lifecycle.merge(lab, State(), None)
    assert [record.spec() for record in plan.values()] == list(DEFAULT_HOSTS)
    assert [record.address for record in plan.values()] == ["10.61.0.10", "10.61.0.11", "10.61.0.12"]


def test_later_runs_take_the_hosts_there_are(lab: Settings) -> None:
    assert lifecycle.merge(lab, State(hosts={"w1": W1}), None) == {"w1": W1}


def test_known_hosts_keep_address_and_base(lab: Settings) -> None:
    plan = lifecycle.merge(lab, State(hosts={"w1": W1}), [HostSpec("a", "openrc", "worker"), W1.spec()])
    assert plan["w1"] is W1
    assert plan["a"].address == "10.61.0.11"
    assert list(plan) == ["w1", "a"]


def test_host_cannot_change_its_kind(lab: Settings) -> None:
    with pytest.raises(LabError, match="w1 exists as systemd worker, not openrc worker"):
        lifecycle.merge(lab, State(hosts={"w1": W1}), [HostSpec("w1", "openrc", "worker")])


def test_leftovers_are_found_without_a_record(
    lab: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = tmp_path / "memory"
    group = memory / "jobs/7/bmk-lab"
    (group / "w1/payload").mkdir(parents=True)
    (group / "w1/payload/cgroup.procs").write_text("77\n")
    (memory / "bmt-lab").mkdir()
    lab.paths.state.mkdir()
    inventory.write(lab, [W1], None)
    mountinfo = (
        f"35 31 0:32 / {memory} rw - cgroup cgroup rw,memory\n"
        f"90 1 0:4 net:[4] {lab.paths.state}/netns rw - nsfs nsfs rw\n"
        f"91 1 0:4 net:[4] {lab.paths.state}-other/netns rw - nsfs nsfs rw\n"
    )
    found = lifecycle.leftovers(lab, mountinfo, ["lo", "eth0", "bmk0", "bmk-w1", "bmt0"])
    assert found.groups == (group,)
    assert found.pids == (77,)
    assert found.mounts == (f"{lab.paths.state}/netns",)
    assert found.interfaces == ("bmk0", "bmk-w1")
    assert found.paths == (lab.paths.state, *inventory.files(lab))
    assert found


def test_clean_machine_has_no_leftovers(lab: Settings) -> None:
    assert not lifecycle.leftovers(lab, "27 1 254:0 / / rw - ext4 /dev/vda rw\n", ["lo", "eth0", "bmt0"])


def test_services_that_were_not_noted_are_ended(
    lab: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = subprocess.Popen(["sleep", "60"], start_new_session=True)
    stray = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        group = tmp_path / "bmk-lab"
        (group / cgroups.SERVICES).mkdir(parents=True)
        (group / cgroups.SERVICES / "cgroup.procs").write_text(f"{noted.pid}\n{stray.pid}\n")
        monkeypatch.setattr(cgroups, "find", lambda name: [group])
        known = state.identify(noted.pid)
        assert known is not None
        lifecycle._stop_unrecorded(lab, State(services={"mirror": [known]}))
        assert stray.wait(timeout=10) == -9
        assert noted.poll() is None
    finally:
        for process in (noted, stray):
            process.kill()
            process.wait()


def test_running_service_is_not_started_again(lab: Settings) -> None:
    import os

    me = state.identify(os.getpid())
    assert me is not None

    def begin() -> list[int]:
        raise AssertionError("started")

    lifecycle._start_service(lab, State(services={"mirror": [me]}), [], "mirror", begin)


def test_ended_service_is_started_and_noted(lab: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "find", lambda name: [])
    process = subprocess.Popen(["sleep", "60"])
    try:
        record = State(services={"mirror": [Process(999_999_999, 1)]})
        lifecycle._start_service(lab, record, [], "mirror", lambda: [process.pid])
        assert state.load(lab.paths).services["mirror"] == [state.identify(process.pid)]
    finally:
        process.kill()
        process.wait()


def test_every_failure_is_reported() -> None:
    def fail(name: str) -> None:
        if name != "ok":
            raise LabError(f"host {name} is down")

    with pytest.raises(LabError) as caught:
        lifecycle._each(fail, ["w1", "ok", "w2"])
    assert "host w1 is down\nhost w2 is down" in str(caught.value)


def test_unknown_host_is_answered_with_those_there_are(lab: Settings) -> None:
    state.save(lab.paths, State(hosts={"w1": W1}))
    with pytest.raises(LabError, match="the lab has: w1"):
        lifecycle.find_host(lab, "w9")
    assert lifecycle.find_host(lab, "w1") == W1


@pytest.fixture
def full_cache(lab: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cgroups, "find", lambda name: [])
    for directory in (
        lab.paths.bases / "systemd-1",
        lab.paths.go_cache / "ab",
        lab.paths.artifacts_cache / "files",
    ):
        directory.mkdir(parents=True)
        (directory / "file").write_bytes(bytes(10_000))
    return lab.paths.cache


def test_build_caches_can_go_while_the_lab_is_up(lab: Settings, full_cache: Path) -> None:
    lab.paths.state.mkdir()
    assert lifecycle.free(lab, everything=False) > 0
    assert not (lab.paths.go_cache / "ab").exists()
    assert (lab.paths.bases / "systemd-1/file").exists()
    assert (lab.paths.artifacts_cache / "files/file").exists()


def test_everything_goes_only_when_no_lab_is_up(lab: Settings, full_cache: Path, tmp_path: Path) -> None:
    lab.paths.state.mkdir()
    with pytest.raises(LabError, match="lab down"):
        lifecycle.free(lab, everything=True)
    lab.paths.state.rmdir()
    other = tmp_path / "other"
    other.mkdir()
    bases.use(lab.paths, "systemd-1", "bmt-a1", other)
    with pytest.raises(LabError, match="other"):
        lifecycle.free(lab, everything=True)
    other.rmdir()
    assert lifecycle.free(lab, everything=True) > 0
    assert not [file for file in full_cache.rglob("*") if file.is_file() and not file.name.endswith("lock")]
