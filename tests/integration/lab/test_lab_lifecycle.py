# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole life of a small lab on this machine, beside any other lab: one host of each kind, no Kubernetes.

The tests build on one another in the order of the file, because booting is what takes time.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import cgroups, config, host, lifecycle, network, state
from lab.config import Settings
from lab.machine import LEAST
from lab.state import HostRecord

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the lab runs as root only")

ENVIRONMENT = {
    "BMK_LAB_NAME": "bmt",
    "BMK_LAB_SUBNET": "10.62.0.0/24",
    "BMK_LAB_STATE": "/var/lib/bmt-lab",
    "BMK_LAB_INVENTORY": "/var/lib/bmt-lab/inventory",
}
HOSTS = """\
---
hosts:
  - {name: a1, kind: systemd, role: control_plane}
  - {name: b1, kind: openrc, role: worker}
"""
NAMES = ("a1", "b1")
both = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def lab() -> Iterator[Settings]:
    settings = config.settings({**os.environ, **ENVIRONMENT})
    run_lab("down")
    yield settings
    run_lab("down")


@pytest.fixture(scope="module")
def hosts_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("lab") / "hosts.yml"
    file.write_text(HOSTS)
    return file


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "lab", *arguments]


def run_lab(*arguments: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(*arguments),
        env={**os.environ, **ENVIRONMENT, **variables},
        cwd=config.settings().paths.repo,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return done


def record(lab: Settings, name: str) -> HostRecord:
    return state.load(lab.paths).hosts[name]


def on(lab: Settings, name: str, script: str) -> str:
    """Run a shell script on a host and give what it prints."""
    done = host.ssh_run(lab, record(lab, name), ["sh", "-c", script])
    assert done.returncode == 0, f"{name}: {script}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def boot_id(lab: Settings, name: str) -> str:
    return on(lab, name, "cat /proc/sys/kernel/random/boot_id")


def kill_up_after(hosts_file: Path, line: str) -> None:
    """Run `lab up` and kill it the moment it says that a step is done."""
    process = subprocess.Popen(
        command("up", "--no-artifacts", "--hosts", str(hosts_file)),
        env={**os.environ, **ENVIRONMENT, "PYTHONUNBUFFERED": "1"},
        cwd=config.settings().paths.repo,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    seen = ""
    assert process.stdout is not None
    try:
        for text in process.stdout:
            seen += text
            if f"] {line} in " in text:
                break
        else:
            pytest.fail(f"`lab up` never came to {line}:\n{seen}")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def assert_nothing_left(lab: Settings) -> None:
    left = lifecycle.leftovers(lab)
    assert not left, left
    strays = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = entry.read_bytes()
        except OSError:
            continue
        if b"/var/lib/bmt-lab" in text:
            strays.append(text)
    assert strays == []
    assert (
        not [name for name in os.listdir("/run/netns") if "bmt" in name]
        if Path("/run/netns").is_dir()
        else True
    )
    assert not Path("/var/lib/bmt-lab").exists()


@pytest.fixture(scope="module")
def machine_before() -> dict[str, str]:
    """What of the machine the lab must leave as it was."""
    return machine()


def machine() -> dict[str, str]:
    files = {name: f"/proc/sys/{name}" for name in [*host.PRIVATE_SYSCTLS, "net/ipv4/ip_forward"]}
    files["control groups"] = "/proc/self/cgroup"
    return {name: Path(file).read_text() for name, file in files.items() if Path(file).exists()}


@pytest.mark.parametrize("step", ["base systemd", "network"])
def test_killed_up_leaves_nothing_after_down(
    lab: Settings, hosts_file: Path, machine_before: dict[str, str], step: str
) -> None:
    kill_up_after(hosts_file, step)
    assert lifecycle.leftovers(lab), "the command was killed before it made anything"
    run_lab("down")
    assert_nothing_left(lab)


def test_killed_up_is_finished_by_the_next(lab: Settings, hosts_file: Path) -> None:
    kill_up_after(hosts_file, "network")
    run_lab("up", "--no-artifacts", "--hosts", str(hosts_file))
    assert {name: on(lab, name, "hostname") for name in NAMES} == {"a1": "a1", "b1": "b1"}


def test_kinds_are_what_they_say(lab: Settings) -> None:
    assert on(lab, "a1", "cat /proc/1/comm; systemctl is-system-running --wait") == "systemd\nrunning"
    assert (
        on(lab, "b1", "cat /proc/1/comm; rc-status --crashed; command -v systemctl || true") == "openrc-init"
    )


def test_up_again_changes_nothing(lab: Settings, hosts_file: Path) -> None:
    before = {name: boot_id(lab, name) for name in NAMES}
    processes = state.load(lab.paths).services
    inventory = (lab.paths.inventory / "hosts.yml").read_text()
    run_lab("up", "--no-artifacts", "--hosts", str(hosts_file))
    run_lab("up", "--no-artifacts")
    assert {name: boot_id(lab, name) for name in NAMES} == before
    assert state.load(lab.paths).services == processes
    assert (lab.paths.inventory / "hosts.yml").read_text() == inventory


@both
def test_hosts_know_and_reach_each_other(lab: Settings, name: str) -> None:
    other = next(n for n in NAMES if n != name)
    address = record(lab, other).address
    assert on(lab, name, f"getent hosts {other}.bmt.test").split()[0] == address
    assert on(lab, name, f"getent hosts {other}").split()[0] == address
    assert on(lab, name, "hostname -f") == f"{name}.bmt.test"
    assert on(lab, name, "getent hosts mirror.bmt.test").split()[0] == "10.62.0.1"
    on(lab, name, f"ping -c 1 -W 2 {address}")


@both
def test_hosts_have_no_way_out_and_the_attempt_is_seen(lab: Settings, name: str) -> None:
    began = time.monotonic()
    assert on(lab, name, "getent hosts dl.k8s.io || echo none") == "none"
    assert time.monotonic() - began < 5
    assert f"dl.k8s.io from {record(lab, name).address}" in network.queries_log(lab.paths).read_text()
    assert on(lab, name, "curl -s --max-time 2 http://192.0.2.1/ || echo none") == "none"


@both
def test_every_hierarchy_is_the_hosts_own(lab: Settings, name: str) -> None:
    for group in host.all_groups(lab, name):
        assert group.parent.name == "bmt-lab"
    on(
        lab,
        name,
        """
        set -e
        find /sys/fs/cgroup -name '*-lab' | grep . && exit 1
        for directory in $(awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/mounts | tail -n 30 | sort -u); do
          case $directory in */cpu,cpuacct) continue ;; esac
          mkdir "$directory/probe"
          test ! -e "$directory/probe/cpuset.cpus" || cat "$directory/cpuset.cpus" > "$directory/probe/cpuset.cpus"
          test ! -e "$directory/probe/cpuset.mems" || cat "$directory/cpuset.mems" > "$directory/probe/cpuset.mems"
          rmdir "$directory/probe"
        done
        """,
    )


@both
def test_settings_of_the_machine_are_out_of_reach(
    lab: Settings, name: str, machine_before: dict[str, str]
) -> None:
    other = "0" if Path("/proc/sys/vm/overcommit_memory").read_text().strip() == "1" else "1"
    on(lab, name, f"sysctl -q -w vm.overcommit_memory={other} kernel.panic=77 net.ipv4.ip_forward=1")
    assert (
        on(lab, name, "sysctl -n vm.overcommit_memory kernel.panic net.ipv4.ip_forward") == f"{other}\n77\n1"
    )
    assert on(lab, name, "sysctl -q -w vm.dirty_ratio=33 2>/dev/null || echo refused") == "refused"
    assert on(lab, name, "echo x > /sys/power/state 2>/dev/null || echo refused") == "refused"
    now = machine()
    changed = {key for key in now if now[key] != machine_before[key]}
    assert changed <= set(LEAST)


@both
def test_power_cycle_keeps_the_disk_and_clears_the_rest(lab: Settings, name: str) -> None:
    on(lab, name, "echo kept > /root/kept; echo kept > /var/lib/etcd/kept; echo gone > /run/gone; sync")
    on(lab, name, "ip link add probe0 type bridge; sysctl -q -w kernel.panic=78")
    before = boot_id(lab, name)
    run_lab("stop", name)
    assert not host.running(lab, name)
    assert "off" in run_lab("status").stdout
    # What a dead host's open connections do: its network, and so its cable, stays for a while.
    cable = lab.network.interface(name)
    for old in (cable, "stale-peer"):
        subprocess.run(
            network.inside(lab.paths, "ip", "link", "delete", old), check=False, capture_output=True
        )
    stale = network.inside(
        lab.paths, "ip", "link", "add", cable, "type", "veth", "peer", "name", "stale-peer"
    )
    subprocess.run(stale, check=True)
    run_lab("start", name)
    assert boot_id(lab, name) != before
    assert on(
        lab, name, "cat /root/kept /var/lib/etcd/kept; ls /run/gone /sys/class/net/probe0 2>/dev/null || true"
    ) == ("kept\nkept")
    assert on(lab, name, "sysctl -n kernel.panic") != "78"


@both
def test_wiped_host_is_freshly_installed(lab: Settings, name: str) -> None:
    on(lab, name, "echo gone > /root/gone; echo gone > /var/lib/etcd/gone; sync")
    before = on(lab, name, "cat /etc/machine-id")
    run_lab("wipe", name)
    assert not host.running(lab, name)
    run_lab("start", name)
    assert on(lab, name, "ls /root/gone /var/lib/etcd/gone 2>/dev/null || true") == ""
    assert on(lab, name, "cat /etc/machine-id") != before


@both
def test_reboot_from_inside_comes_back(lab: Settings, name: str) -> None:
    before = boot_id(lab, name)
    host.ssh_run(lab, record(lab, name), ["sh", "-c", "(sleep 0.2; reboot) > /dev/null 2>&1 &"])
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        done = host.ssh_run(lab, record(lab, name), ["cat", "/proc/sys/kernel/random/boot_id"])
        if done.returncode == 0 and done.stdout.strip() not in ("", before):
            return
        time.sleep(0.2)
    pytest.fail(f"{name} did not come back: {host.console(lab, name).read_text()[-2000:]}")


def test_saved_disks_come_back_and_later_hosts_go(lab: Settings) -> None:
    places = "/root/state /var/lib/etcd/state /var/lib/containerd/state"
    for name in NAMES:
        on(lab, name, f"for f in {places}; do echo saved > $f; done; touch /root/removed-later")
    before = {name: boot_id(lab, name) for name in NAMES}
    machine_id = {name: on(lab, name, "cat /etc/machine-id") for name in NAMES}
    run_lab("save", "first")
    assert "exists already" in run_lab("save", "first", check=False).stderr
    for name in NAMES:
        assert boot_id(lab, name) != before[name]
        assert on(lab, name, f"cat {places}") == "saved\nsaved\nsaved"
        on(
            lab,
            name,
            f"for f in {places}; do echo later > $f; done; rm /root/removed-later; touch /root/later",
        )
    run_lab("add", "d1", "--kind", "systemd", "--role", "worker")
    run_lab("restore", "first")
    for name in NAMES:
        assert on(lab, name, f"cat {places}") == "saved\nsaved\nsaved"
        assert (
            on(lab, name, "ls -d /root/removed-later /root/later 2>/dev/null || true")
            == "/root/removed-later"
        )
        assert on(lab, name, "cat /etc/machine-id") == machine_id[name]
    assert set(state.load(lab.paths).hosts) == set(NAMES)
    assert "d1" not in (lab.paths.inventory / "hosts.yml").read_text()
    assert "snapshots: first" in run_lab("status").stdout
    assert "there are: first" in run_lab("restore", "second", check=False).stderr
    other = run_lab("restore", "first", check=False, BMK_LAB_SUBNET="10.66.0.0/24").stderr
    assert "taken of lab bmt in 10.62.0.0/24" in other


def test_host_can_be_added(lab: Settings) -> None:
    before = {name: boot_id(lab, name) for name in NAMES}
    run_lab("add", "c1", "--kind", "openrc", "--role", "worker")
    assert on(lab, "c1", "hostname -f") == "c1.bmt.test"
    assert on(lab, "a1", "getent hosts c1").split()[0] == record(lab, "c1").address
    assert {name: boot_id(lab, name) for name in NAMES} == before
    assert "already" in run_lab("add", "c1", check=False).stderr


def test_down_needs_no_record(lab: Settings, machine_before: dict[str, str]) -> None:
    groups = cgroups.find(lab.name)
    supervisors = cgroups.members([group / "a1" / "supervisor" for group in groups])
    assert supervisors
    for pid in supervisors:
        os.kill(pid, signal.SIGKILL)
    state.path(lab.paths).write_text("not what the lab writes")
    assert "lab down" in run_lab("up", "--no-artifacts", check=False).stderr
    run_lab("down")
    assert_nothing_left(lab)
    # All labs share the raised limits; the last one to go restores them.
    shared = set(LEAST) if (lab.paths.cache / "machine.json").exists() else set()
    now = machine()
    assert {name for name in now if now[name] != machine_before[name]} <= shared
