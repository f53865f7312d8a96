# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots on a plain file system: what moves, what is linked, what is copied, and what an interruption leaves."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from lab import snapshot, state
from lab.config import LabError, Settings, settings
from lab.state import HostRecord, State

BLOB = "containerd/io.containerd.content.v1.content/blobs/sha256/abc"
LAYER = "containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/7/fs/bin/sh"
DATABASE = "containerd/io.containerd.metadata.v1.bolt/meta.db"
LAYERS_DATABASE = "containerd/io.containerd.snapshotter.v1.overlayfs/metadata.db"
WAL = "etcd/member/wal/0.wal"
FILES = (BLOB, LAYER, DATABASE, LAYERS_DATABASE, WAL)


@pytest.fixture
def lab(tmp_path: Path) -> Settings:
    variables = {"STATE": "state", "CACHE": "cache", "INVENTORY": "inventory"}
    found = settings({f"BMK_LAB_{key}": str(tmp_path / value) for key, value in variables.items()})
    found.paths.state.mkdir()
    return found


@pytest.fixture
def record(lab: Settings) -> State:
    hosts = {
        name: HostRecord(name, "systemd", "worker", f"10.61.0.1{number}", "systemd-abc")
        for number, name in enumerate(("w1", "w2"))
    }
    for name in hosts:
        own = lab.paths.hosts / name
        for part in ("upper", "work", "data"):
            (own / part).mkdir(parents=True)
        for kept in snapshot.KEPT:
            (own / kept).write_text(f"{name} {kept}", encoding="utf-8")
        (own / "upper" / "made").write_text("before", encoding="utf-8")
        for file in FILES:
            path = own / "data" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("before", encoding="utf-8")
    credentials = lab.paths.inventory / ".credentials"
    credentials.mkdir(parents=True)
    (credentials / "admin").write_text("before", encoding="utf-8")
    return State(hosts=hosts)


def supply(lab: Settings, record: State) -> None:
    for host in record.hosts.values():
        snapshot.supply(lab.paths, host)


def test_taking_moves_the_disks_below_the_hosts(lab: Settings, record: State) -> None:
    snapshot.take(lab, "one", record)
    taken = snapshot.path(lab.paths, "one")
    assert (taken / "hosts" / "w1" / "upper" / "made").read_text(encoding="utf-8") == "before"
    for name, host in record.hosts.items():
        own = lab.paths.hosts / name
        assert host.layers == ("one",)
        # A new overlay needs a new work directory.
        assert not any((own / part).exists() for part in ("upper", "work", "data"))
        assert snapshot.lower(lab.paths, host) == [
            str(taken / "hosts" / name / "upper"),
            str(lab.paths.bases / "systemd-abc"),
        ]
    assert state.load(lab.paths).hosts == record.hosts
    assert snapshot.names(lab.paths) == ["one"]


def test_data_is_cloned_with_links_for_what_never_changes(lab: Settings, record: State) -> None:
    snapshot.take(lab, "one", record)
    supply(lab, record)
    for file in FILES:
        source = snapshot.path(lab.paths, "one") / "hosts" / "w1" / "data" / file
        own = lab.paths.hosts / "w1" / "data" / file
        assert own.read_text(encoding="utf-8") == "before"
        assert own.samefile(source) is (file in (BLOB, LAYER)), file


@pytest.mark.skipif(os.geteuid() != 0, reason="owners are root's to change")
def test_modes_and_owners_are_cloned(lab: Settings, record: State) -> None:
    data = lab.paths.hosts / "w1" / "data"
    for place in ("etcd", "containerd", "containerd/io.containerd.content.v1.content", "."):
        (data / place).chmod(0o700)
        os.chown(data / place, 123, 456)
    snapshot.take(lab, "one", record)
    supply(lab, record)
    for place in ("etcd", "containerd", "containerd/io.containerd.content.v1.content", "."):
        info = (data / place).stat()
        assert (info.st_mode & 0o777, info.st_uid, info.st_gid) == (0o700, 123, 456), place


def test_restoring_brings_back_hosts_data_and_credentials(lab: Settings, record: State) -> None:
    snapshot.take(lab, "one", record)
    supply(lab, record)
    own = lab.paths.hosts / "w1"
    (own / "upper").mkdir()
    (own / "upper" / "made").write_text("after", encoding="utf-8")
    (own / "data" / WAL).write_text("after", encoding="utf-8")
    (own / "data" / LAYER).unlink()
    (lab.paths.hosts / "w3").mkdir()
    record.hosts["w3"] = HostRecord("w3", "openrc", "worker", "10.61.0.13", "openrc-abc")
    (lab.paths.inventory / ".credentials" / "admin").write_text("after", encoding="utf-8")

    discarded = snapshot.restore(lab, snapshot.load(lab.paths, "one"), record)
    supply(lab, record)

    assert set(record.hosts) == {"w1", "w2"} == set(state.load(lab.paths).hosts)
    assert not (lab.paths.hosts / "w3").exists()
    assert not (own / "upper").exists()
    assert all((own / "data" / file).read_text(encoding="utf-8") == "before" for file in FILES)
    assert (own / "ssh_host_ed25519_key").read_text(encoding="utf-8") == "w1 ssh_host_ed25519_key"
    assert (lab.paths.inventory / ".credentials" / "admin").read_text(encoding="utf-8") == "before"
    assert len(list(discarded.iterdir())) == 3


def test_snapshots_lie_on_each_other(lab: Settings, record: State) -> None:
    snapshot.take(lab, "one", record)
    supply(lab, record)
    (lab.paths.hosts / "w1" / "upper").mkdir()
    snapshot.take(lab, "two", record)
    supply(lab, record)
    for name, layers in (("two", ("two", "one")), ("one", ("one",)), ("two", ("two", "one"))):
        snapshot.restore(lab, snapshot.load(lab.paths, name), record)
        assert record.hosts["w1"].layers == layers


@pytest.mark.parametrize("moves", range(4))
def test_an_interrupted_snapshot_is_completed(
    moves: int, lab: Settings, record: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.rename
    done: list[Path] = []

    def limited(source: Path, target: Path) -> None:
        if len(done) == moves:
            raise KeyboardInterrupt
        done.append(target)
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", limited)
        with pytest.raises(KeyboardInterrupt):
            snapshot.take(lab, "one", record)
    assert snapshot.names(lab.paths) == []

    found = State(hosts={name: replace(host, layers=()) for name, host in record.hosts.items()})
    snapshot.complete(lab, found)
    assert snapshot.names(lab.paths) == ["one"]
    assert {host.layers for host in found.hosts.values()} == {("one",)}
    supply(lab, found)
    for name in ("w1", "w2"):
        assert (lab.paths.hosts / name / "data" / WAL).exists()
        assert (snapshot.path(lab.paths, "one") / "hosts" / name / "upper" / "made").exists()


def test_a_snapshot_that_moved_nothing_is_forgotten(lab: Settings, record: State) -> None:
    (snapshot.root(lab.paths) / ".one.part" / "credentials").mkdir(parents=True)
    snapshot.complete(lab, record)
    assert list(snapshot.root(lab.paths).iterdir()) == []
    assert {host.layers for host in record.hosts.values()} == {()}


@pytest.mark.parametrize(
    ("name", "subnet", "fits"),
    [("bmk", "10.61.0.0/24", True), ("two", "10.61.0.0/24", False), ("bmk", "10.62.0.0/24", False)],
)
def test_a_snapshot_belongs_to_a_name_and_a_subnet(
    name: str, subnet: str, fits: bool, lab: Settings, record: State
) -> None:
    snapshot.take(lab, "one", record)
    other = settings({"BMK_LAB_NAME": name, "BMK_LAB_SUBNET": subnet})
    taken = snapshot.load(lab.paths, "one")
    if fits:
        snapshot.check_network(taken, other.network)
        return
    with pytest.raises(LabError) as caught:
        snapshot.check_network(taken, other.network)
    assert "taken of lab bmk in 10.61.0.0/24" in caught.value.message
    assert "BMK_LAB_NAME=bmk and BMK_LAB_SUBNET=10.61.0.0/24" in caught.value.hint


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a/b", "..", "a" * 33])
def test_impossible_names(name: str, lab: Settings) -> None:
    with pytest.raises(LabError, match="expected at most 32"):
        snapshot.check_free(lab.paths, name)


def test_names_are_taken_once(lab: Settings, record: State) -> None:
    snapshot.take(lab, "one", record)
    with pytest.raises(LabError, match="snapshot one exists already"):
        snapshot.check_free(lab.paths, "one")
    with pytest.raises(LabError, match="there is no snapshot two") as caught:
        snapshot.load(lab.paths, "two")
    assert "there are: one" in caught.value.hint


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2}', '{"version": 1}'])
def test_a_damaged_description_is_told(text: str, lab: Settings, record: State) -> None:
    snapshot.take(lab, "one", record)
    (snapshot.path(lab.paths, "one") / "snapshot.json").write_text(text, encoding="utf-8")
    with pytest.raises(LabError, match="cannot be read"):
        snapshot.load(lab.paths, "one")
