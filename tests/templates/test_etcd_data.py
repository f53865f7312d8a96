# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a control plane checks before its kubelet starts: that etcd still has its data."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "roles" / "kubelet" / "templates" / "check-etcd-data.j2"
Check = Callable[[], subprocess.CompletedProcess[str]]


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A control plane by kubeadm, before its etcd has started."""
    (tmp_path / "etc/kubernetes/manifests").mkdir(parents=True)
    (tmp_path / "etc/kubernetes/pki/etcd").mkdir(parents=True)
    manifest(tmp_path, "--initial-cluster=cp1=https://192.0.2.11:2380")
    return tmp_path


@pytest.fixture
def check(host: Path) -> Check:
    return lambda: subprocess.run(
        ["sh", "-eu", str(SCRIPT), str(host)], capture_output=True, text=True, check=False, timeout=20
    )


def manifest(host: Path, *arguments: str) -> None:
    lines = ["--data-dir=/data/etcd", *arguments]
    text = "spec:\n  containers:\n  - command:\n    - etcd\n" + "".join(f"    - {line}\n" for line in lines)
    (host / "etc/kubernetes/manifests/etcd.yaml").write_text(text)


def write(host: Path) -> Path:
    """The data of an etcd that has started."""
    wal = host / "data/etcd/member/wal"
    wal.mkdir(parents=True)
    (wal / "0000000000000000-0000000000000000.wal").touch()
    return wal.parent


def test_first_start(check: Check, host: Path) -> None:
    assert check().returncode == 0
    assert check().returncode == 0, "etcd has not started in between"
    write(host)
    assert check().returncode == 0
    assert check().returncode == 0


def test_lost_data(check: Check, host: Path) -> None:
    member = write(host)
    assert check().returncode == 0
    member.rename(host / "away")
    refused = check()
    assert refused.returncode == 1
    assert "etcd has lost its data: found nothing below /data/etcd/member/wal" in refused.stderr
    assert "Mount the disk of /data/etcd" in refused.stderr
    # What an etcd leaves that was told to start without them.
    (host / "data/etcd/member/snap").mkdir(parents=True)
    assert check().returncode == 1
    (host / "data/etcd/member/snap").rmdir()
    member.parent.joinpath("member").rmdir()
    (host / "away").rename(member)
    assert check().returncode == 0


def test_member_that_does_not_start_without_its_data(check: Check, host: Path) -> None:
    member = write(host)
    assert check().returncode == 0
    member.rename(host / "away")
    manifest(host, "--initial-cluster-state=existing")
    assert check().returncode == 0, "pods of this node may run"


def test_no_etcd_here(check: Check, host: Path) -> None:
    write(host).rename(host / "away")
    (host / "etc/kubernetes/pki/etcd/data-seen").touch()
    (host / "etc/kubernetes/manifests/etcd.yaml").unlink()
    assert check().returncode == 0


def test_after_a_reset(check: Check, host: Path) -> None:
    """Neither this collection nor kubeadm leaves the certificates."""
    write(host)
    assert check().returncode == 0
    (host / "data/etcd/member").rename(host / "away")
    (host / "etc/kubernetes/pki/etcd/data-seen").unlink()
    assert check().returncode == 0
