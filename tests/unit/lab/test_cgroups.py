# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control groups: planning from the kernel's texts, and removal in a tree that looks like one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lab import cgroups
from lab.cgroups import Mount, Parent, parse_membership, parse_mounts, plan_parents
from lab.config import LabError

HYBRID_MOUNTS = """\
23 27 0:22 / /sys rw,relatime - sysfs sysfs rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:5 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
"""
HYBRID_SELF = "9:name=systemd:/\n4:memory:/jobs/42\n2:cpu,cpuacct:/\n0::/\n"

V2_MOUNTS = (
    "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"
)


def never(_: Path) -> bool:
    return False


def test_mounts_are_told_by_controllers() -> None:
    assert parse_mounts(HYBRID_MOUNTS) == [
        Mount("/sys/fs/cgroup/cpu,cpuacct", "/", 1, frozenset({"cpu", "cpuacct"})),
        Mount("/sys/fs/cgroup/memory", "/", 1, frozenset({"memory"})),
        Mount("/sys/fs/cgroup/systemd", "/", 1, frozenset({"name=systemd"})),
        Mount("/sys/fs/cgroup/unified", "/", 2, frozenset()),
    ]


def test_membership_keeps_colons_in_paths() -> None:
    assert parse_membership("3:cpuset:/a:b\n0::/\n") == [(frozenset({"cpuset"}), "/a:b"), (frozenset(), "/")]


def test_every_hierarchy_gets_a_place_below_the_callers_group() -> None:
    parents = plan_parents(HYBRID_SELF, HYBRID_MOUNTS, never)
    assert {str(p.directory) for p in parents} == {
        "/sys/fs/cgroup/cpu,cpuacct",
        "/sys/fs/cgroup/memory/jobs/42",
        "/sys/fs/cgroup/systemd",
        "/sys/fs/cgroup/unified",
    }
    assert not any(p.delegate for p in parents)


def test_v2_without_controllers_may_be_unmounted() -> None:
    mounts = "\n".join(HYBRID_MOUNTS.splitlines()[:-1])
    assert len(plan_parents(HYBRID_SELF, mounts, never)) == 3


def test_unmounted_hierarchies_are_all_named() -> None:
    with pytest.raises(LabError) as caught:
        plan_parents("5:devices:/\n4:pids:/\n", "", never)
    assert "devices is not mounted" in str(caught.value)
    assert "pids is not mounted" in str(caught.value)


def test_mount_of_a_part_is_used_where_it_reaches() -> None:
    inner = "35 31 0:32 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    (parent,) = plan_parents("4:memory:/docker/abc/x\n", inner, never)
    assert parent.directory == Path("/sys/fs/cgroup/memory/x")
    with pytest.raises(LabError, match="outside"):
        plan_parents("4:memory:/docker/other\n", inner, never)
    with pytest.raises(LabError, match="outside"):
        plan_parents("4:memory:/../other\n", inner, never)


def test_v2_alone_goes_up_to_a_group_without_processes() -> None:
    own = "0::/user.slice/user-0.slice/session-1.scope\n"
    busy = {"/sys/fs/cgroup/user.slice/user-0.slice/session-1.scope"}
    (parent,) = plan_parents(own, V2_MOUNTS, lambda group: str(group) in busy)
    assert parent == Parent(Path("/sys/fs/cgroup/user.slice/user-0.slice"), 2, frozenset(), delegate=True)


def test_v2_alone_ends_at_the_root() -> None:
    (parent,) = plan_parents("0::/a/b\n", V2_MOUNTS, lambda group: True)
    assert parent.directory == Path("/sys/fs/cgroup")


def fake(directory: Path, *names: str) -> Path:
    """A directory that looks like a group to the code; removing it needs the files gone, which rmdir wants."""
    group = directory.joinpath(*names)
    group.mkdir(parents=True)
    return group


def test_new_cpuset_groups_are_filled_from_above(tmp_path: Path) -> None:
    (tmp_path / "cpuset.cpus").write_text("0-3\n")
    (tmp_path / "cpuset.mems").write_text("0\n")
    group = fake(tmp_path, "bmk-lab")
    # The kernel makes the files with the directory.
    (group / "cpuset.cpus").write_text("\n")
    (group / "cpuset.mems").write_text("\n")
    cgroups.create([Parent(tmp_path, 1, frozenset({"cpuset"}))], "bmk-lab")
    assert (group / "cpuset.cpus").read_text() == "0-3\n"
    assert (group / "cpuset.mems").read_text() == "0\n"


def test_cpuset_of_v2_stays_empty(tmp_path: Path) -> None:
    group = fake(tmp_path, "bmk-lab")
    for directory in (tmp_path, group):
        (directory / "cgroup.controllers").write_text("cpuset\n")
        (directory / "cpuset.cpus").write_text("0-3\n" if directory == tmp_path else "\n")
    cgroups.create([Parent(tmp_path, 2, frozenset())], "bmk-lab")
    assert (group / "cpuset.cpus").read_text() == "\n"


def test_controllers_are_handed_down_only_where_missing(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids hugetlb\n")
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory pids\n")
    cgroups.create([Parent(tmp_path, 2, frozenset(), delegate=True)], "bmk-lab")
    assert (tmp_path / "cgroup.subtree_control").read_text() == "cpu memory pids\n"
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory\n")
    cgroups.create([Parent(tmp_path, 2, frozenset(), delegate=True)], "bmk-lab")
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+pids"


def test_groups_are_found_by_name_wherever_they_are(tmp_path: Path) -> None:
    memory, unified = tmp_path / "memory", tmp_path / "unified"
    mine = [fake(memory, "jobs", "7", "bmk-lab"), fake(memory, "bmk-lab"), fake(unified, "bmk-lab")]
    fake(mine[0], "cp1", "bmk-lab")
    fake(memory, "bmt-lab")
    fake(memory, "not-bmk-lab")
    mountinfo = (
        f"35 31 0:32 / {memory} rw - cgroup cgroup rw,memory\n"
        f"36 31 0:33 / {unified} rw - cgroup2 cgroup2 rw\n"
        f"37 31 0:32 / {memory} rw - cgroup cgroup rw,memory\n"
    )
    assert sorted(cgroups.find("bmk", mountinfo)) == sorted(mine)


def test_members_are_those_of_all_levels(tmp_path: Path) -> None:
    inner = fake(tmp_path, "cp1", "payload", "kubepods")
    (tmp_path / "cp1" / "cgroup.procs").write_text("11\n12\n")
    (inner / "cgroup.procs").write_text("0\n13\n12\n")
    assert cgroups.members([tmp_path / "cp1", tmp_path / "gone"]) == {11, 12, 13}


def test_removal_kills_and_goes_from_the_leaves_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = fake(tmp_path, "bmk-lab", "cp1")
    process = subprocess.Popen(["sleep", "60"])
    monkeypatch.setattr(
        cgroups, "processes", lambda group: [process.pid] if group == inner and process.poll() is None else []
    )
    try:
        cgroups.remove([tmp_path / "bmk-lab"])
    finally:
        process.kill()
        process.wait()
    assert process.returncode == -9
    assert list(tmp_path.iterdir()) == []


def test_the_caller_is_never_killed(tmp_path: Path) -> None:
    group = fake(tmp_path, "bmk-lab")
    (group / "cgroup.procs").write_text(f"{os.getpid()}\n")
    cgroups.kill([group], timeout=0)


def test_survivors_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "members", lambda groups: {999_999_999})
    with pytest.raises(LabError, match="999999999"):
        cgroups.kill([tmp_path], timeout=0)


def test_memory_is_the_sum_of_what_is_there(tmp_path: Path) -> None:
    v1, v2 = fake(tmp_path, "v1"), fake(tmp_path, "v2")
    assert cgroups.memory_usage([v1, v2]) is None
    (v1 / "memory.usage_in_bytes").write_text("10\n")
    (v1 / "memory.stat").write_text("inactive_file 1\ntotal_inactive_file 4\n")
    (v2 / "memory.current").write_text("5\n")
    (v2 / "memory.stat").write_text("anon 3\ninactive_file 2\n")
    assert cgroups.memory_usage([v1, v2]) == 9
