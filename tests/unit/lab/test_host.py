# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's own files, its start, and the way in."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab import bases, host
from lab.config import LabError, Settings, settings
from lab.state import HostRecord
from lab.supervisor import Boot, nspawn_command

W1 = HostRecord("w1", "systemd", "worker", "10.61.0.11", bases.RECIPES["systemd"].name)
W2 = HostRecord("w2", "openrc", "worker", "10.61.0.12", bases.RECIPES["openrc"].name)


@pytest.fixture
def lab(tmp_path: Path) -> Settings:
    result = settings({"BMK_LAB_STATE": str(tmp_path / "state"), "BMK_LAB_CACHE": str(tmp_path / "cache")})
    host.ensure_key(host.key_file(result), "test")
    return result


def mode(file: Path) -> int:
    return file.stat().st_mode & 0o777


def test_key_pair_is_made_once(lab: Settings) -> None:
    file = host.key_file(lab)
    before = file.read_bytes()
    host.ensure_key(file, "again")
    assert file.read_bytes() == before
    assert mode(file) == 0o600
    assert mode(file.parent) == 0o700


def test_incomplete_key_pair_is_created_again(lab: Settings) -> None:
    file = host.key_file(lab)
    before = file.read_bytes()
    file.with_name("id_ed25519.pub").unlink()
    (file.parent / ".id_ed25519.new").mkdir()
    host.ensure_key(file, "again")
    assert file.read_bytes() != before
    derived = subprocess.run(
        ["ssh-keygen", "-y", "-f", file], capture_output=True, text=True, check=True
    ).stdout
    assert file.with_name("id_ed25519.pub").read_text().split()[1] == derived.split()[1]


def test_host_has_its_own_identity(lab: Settings) -> None:
    for record in (W1, W2):
        host.prepare(lab, record)
    one, two = (host.directory(lab, name) / "upper" for name in ("w1", "w2"))
    assert (one / "etc/machine-id").read_text() != (two / "etc/machine-id").read_text()
    assert (one / "etc/hostname").read_text() == "w1\n"
    assert "10.61.0.11 w1.bmk.test w1\n" in (one / "etc/hosts").read_text()
    assert (one / "etc/resolv.conf").read_text() == "nameserver 10.61.0.2\nsearch bmk.test\n"
    assert (one / "etc/ssh/ssh_host_ed25519_key").read_bytes() != (
        two / "etc/ssh/ssh_host_ed25519_key"
    ).read_bytes()


def test_secrets_are_roots_alone(lab: Settings) -> None:
    host.prepare(lab, W1)
    upper = host.directory(lab, "w1") / "upper"
    assert mode(upper / "etc/ssh/ssh_host_ed25519_key") == 0o600
    assert mode(upper / "root/.ssh/authorized_keys") == 0o600
    assert mode(upper / "root/.ssh") == 0o700
    assert mode(host.directory(lab, "w1") / "ssh_host_ed25519_key") == 0o600


def test_second_preparation_keeps_what_the_host_changed(lab: Settings) -> None:
    host.prepare(lab, W1)
    upper = host.directory(lab, "w1") / "upper"
    (upper / "etc/resolv.conf").write_text("changed\n")
    identity = (upper / "etc/machine-id").read_text()
    host.prepare(lab, W1)
    assert (upper / "etc/resolv.conf").read_text() == "changed\n"
    assert (upper / "etc/machine-id").read_text() == identity


def test_interrupted_preparation_is_finished(lab: Settings) -> None:
    host.prepare(lab, W1)
    base = host.directory(lab, "w1")
    (base / "prepared").unlink()
    (base / "upper/etc/hosts").unlink()
    host.prepare(lab, W1)
    assert "w1.bmk.test" in (base / "upper/etc/hosts").read_text()


def test_known_hosts_hold_what_the_hosts_present(lab: Settings) -> None:
    host.prepare(lab, W1)
    (line,) = host.known_hosts(lab, [W1]).splitlines()
    names, kind, key = line.split()
    assert names == "10.61.0.11,w1,w1.bmk.test"
    assert (
        f"{kind} {key}" in (host.directory(lab, "w1") / "upper/etc/ssh/ssh_host_ed25519_key.pub").read_text()
    )


@pytest.mark.parametrize(
    ("record", "init"), [(W1, "/usr/lib/systemd/systemd"), (W2, "/usr/sbin/openrc-init")]
)
def test_init_script(lab: Settings, tmp_path: Path, record: HostRecord, init: str) -> None:
    script = host.init_script(lab, record)
    assert "@" not in script
    assert f"ip addr replace {record.address}/24 dev eth0" in script
    assert f"case {record.kind} in" in script
    assert f"exec {init}" in script
    file = tmp_path / "init"
    file.write_text(script)
    assert subprocess.run(["sh", "-n", file], check=False).returncode == 0


def test_kubelets_settings_are_private_copies() -> None:
    kubelet = {
        "vm/overcommit_memory",
        "vm/panic_on_oom",
        "kernel/panic",
        "kernel/panic_on_oops",
        "kernel/keys/root_maxkeys",
        "kernel/keys/root_maxbytes",
    }
    assert kubelet <= set(host.PRIVATE_SYSCTLS)
    assert not set(host.PRIVATE_SYSCTLS) & set(host.NAMESPACED_SYSCTLS)


def test_ssh_trusts_the_labs_keys_alone(lab: Settings) -> None:
    command = host.ssh_command(lab, W1, ["echo", "two words"])
    assert command[-2:] == ["root@10.61.0.11", "echo 'two words'"]
    assert f"UserKnownHostsFile={lab.paths.known_hosts}" in command
    assert "StrictHostKeyChecking=yes" in command
    assert command[1:3] == ["-F", "none"]
    assert host.ssh_command(lab, W1, [])[-1] == "root@10.61.0.11"


def test_boot_survives_writing_and_names_everything(tmp_path: Path) -> None:
    boot = Boot(
        "w1",
        "bmk-w1",
        "bridge",
        ["/snapshot", "/base"],
        "/f",
        [["/f/data/log", "/var/log"]],
        ["/init"],
        ["/g"],
    )
    file = tmp_path / "boot.json"
    file.write_text(boot.dump())
    assert Boot.load(file) == boot
    command = nspawn_command(boot)
    assert command[-1] == "/init"
    assert "--bind=/f/data/log:/var/log" in command
    assert "--network-veth-extra=bmk-w1:eth0" in command
    assert "--directory=/f/root" in command


def test_a_host_that_answers_late_is_asked_again(lab: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a first command may take longer than ssh is given."""
    answers = iter([None, 255, 0])

    def ssh_run(*_args: object, **_options: object) -> subprocess.CompletedProcess[str]:
        code = next(answers)
        if code is None:
            raise LabError("ssh: took longer than 20 s", "look")
        return subprocess.CompletedProcess([], code, "", "")

    monkeypatch.setattr(host, "ssh_run", ssh_run)
    monkeypatch.setattr(host, "_banner", lambda address: True)
    host.wait_ready(lab, W1)
    assert next(answers, "none left") == "none left"
