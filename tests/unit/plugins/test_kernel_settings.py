# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel modules and parameters: plans as tables, and the module run as a module in a made-up tree."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.kernel_settings import (
    Desired,
    Host,
    Observed,
    normalise,
    plan_settings,
    render_modules,
    render_sysctls,
    sysctl_path,
)

MODULE = Path(__file__).parents[3] / "plugins" / "modules" / "kernel_settings.py"
DESIRED = Desired(modules=("overlay",), sysctls=(("net.ipv4.ip_forward", "1"),))


def observed(**changes: t.Any) -> Observed:
    """A host on which everything is as desired, but for the changes."""
    values: dict[str, t.Any] = {
        "absent_modules": (),
        "sysctls": {"net.ipv4.ip_forward": "1"},
        "modules_file": render_modules(DESIRED),
        "sysctls_file": render_sysctls(DESIRED),
    }
    return Observed(**{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "load", "write", "files"),
    [
        ({}, (), (), (False, False)),
        ({"absent_modules": ("overlay",)}, ("overlay",), (), (False, False)),
        ({"sysctls": {"net.ipv4.ip_forward": "0"}}, (), (("net.ipv4.ip_forward", "1"),), (False, False)),
        ({"sysctls": {"net.ipv4.ip_forward": None}}, (), (("net.ipv4.ip_forward", "1"),), (False, False)),
        ({"modules_file": None}, (), (), (True, False)),
        ({"sysctls_file": "net.ipv4.ip_forward = 0\n"}, (), (), (False, True)),
    ],
)
def test_plan_holds_just_what_differs(
    changes: dict[str, t.Any],
    load: tuple[str, ...],
    write: tuple[tuple[str, str], ...],
    files: tuple[bool, bool],
) -> None:
    plan = plan_settings(DESIRED, observed(**changes))
    assert (plan.load, plan.write) == (load, write)
    assert (plan.modules_file is not None, plan.sysctls_file is not None) == files
    assert plan.changed == bool(changes)


@pytest.mark.parametrize(("value", "expected"), [(1, "1"), (" 32768\t60999\n", "32768 60999"), ("1", "1")])
def test_values_compare_as_the_kernel_prints_them(value: object, expected: str) -> None:
    assert normalise(value) == expected


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net.ipv4.conf.eth0/7.rp_filter", "net/ipv4/conf/eth0.7/rp_filter"),
    ],
)
def test_sysctl_paths(key: str, path: str) -> None:
    assert sysctl_path(key) == path


@pytest.mark.parametrize(
    ("name", "path", "content"),
    [
        ("br_netfilter", "proc/sys/net/bridge/bridge-nf-call-iptables", "1"),
        ("overlay", "proc/filesystems", "nodev\tsysfs\nnodev\toverlay\n"),
        ("vxlan", "sys/module/vxlan/refcnt", "0"),
        ("nf-conntrack", "lib/modules/6.1/modules.builtin", "kernel/net/netfilter/nf_conntrack.ko\n"),
    ],
)
def test_built_in_features_count_as_loaded(tmp_path: Path, name: str, path: str, content: str) -> None:
    host = Host(str(tmp_path))
    assert not host.has_module(name, "6.1")
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(content)
    assert host.has_module(name, "6.1")


def make_tree(root: Path) -> None:
    """A host with overlay built in and forwarding off."""
    (root / "proc/sys/net/ipv4").mkdir(parents=True)
    (root / "proc/sys/net/ipv4/ip_forward").write_text("0\n")
    (root / "proc/filesystems").write_text("nodev\toverlay\n")


def call(root: Path, check: bool = False, **params: t.Any) -> dict[str, t.Any]:
    """Run the module in a process of its own."""
    args = {"name": "site", "root": str(root), "_ansible_check_mode": check, "_ansible_diff": True, **params}
    done = subprocess.run(
        [sys.executable, str(MODULE)],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": args}),
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(sys.path), "PATH": "/nonexistent"},
    )
    result: dict[str, t.Any] = json.loads(done.stdout)
    return result


def test_check_tells_what_a_run_then_does_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    make_tree(tmp_path)
    params: dict[str, t.Any] = {"modules": ["overlay"], "sysctls": {"net.ipv4.ip_forward": 1}}
    predicted = call(tmp_path, check=True, **params)
    assert (tmp_path / "proc/sys/net/ipv4/ip_forward").read_text() == "0\n"
    assert not (tmp_path / "etc").exists()
    done = call(tmp_path, **params)
    assert predicted["changed"] and done["changed"]
    assert {k: predicted[k] for k in ("loaded", "set", "files", "diff")} == {
        k: done[k] for k in ("loaded", "set", "files", "diff")
    }
    assert (tmp_path / "proc/sys/net/ipv4/ip_forward").read_text() == "1\n"
    assert (tmp_path / "etc/sysctl.d/site.conf").read_text().splitlines()[1:] == ["net.ipv4.ip_forward = 1"]
    assert (tmp_path / "etc/modules-load.d/site.conf").stat().st_mode & 0o777 == 0o644
    again = call(tmp_path, **params)
    assert not again["changed"] and again["diff"] == []


def test_the_files_of_a_component_are_recorded(tmp_path: Path) -> None:
    make_tree(tmp_path)
    params: dict[str, t.Any] = {"modules": ["overlay"], "sysctls": {"net.ipv4.ip_forward": 1}}
    path = tmp_path / "var/lib/baremetal-kubernetes/artifacts.json"
    call(tmp_path, **params)
    assert not path.exists()
    assert not call(tmp_path, component="host", **params)["changed"]
    files = json.loads(path.read_text())["files"]
    for name in ("/etc/modules-load.d/site.conf", "/etc/sysctl.d/site.conf"):
        written = (tmp_path / name.lstrip("/")).read_bytes()
        assert files[name] == {"component": "host", "sha256": hashlib.sha256(written).hexdigest()}


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"modules": ["ip_vs"]}, ["ip_vs", "is missing"]),
        (
            {"sysctls": {"net.ipv4.nothing": "1", "net.ipv4.ip_forward": "1"}},
            ["net.ipv4.nothing", "has no parameter"],
        ),
        ({"sysctls": {"net.ipv4.ip_forward": ""}}, ["net.ipv4.ip_forward", "value"]),
        ({"sysctls": {"../../etc/passwd": "1"}}, ["not the name of a kernel parameter"]),
        ({"modules": ["-r overlay"]}, ["not the name of a file"]),
    ],
)
def test_bad_input_is_refused_before_anything_changes(
    tmp_path: Path, params: dict[str, t.Any], words: list[str]
) -> None:
    make_tree(tmp_path)
    result = call(tmp_path, **params)
    assert result["failed"]
    for word in words:
        assert word in result["msg"]
    assert (tmp_path / "proc/sys/net/ipv4/ip_forward").read_text() == "0\n"
    assert not (tmp_path / "etc").exists()
