# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resolver's configuration and the search for the lab's own interfaces."""

from __future__ import annotations

import shutil
import subprocess
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from lab import network
from lab.config import LabError, Network
from lab.run import run

NETWORK = Network("bmk", IPv4Network("10.61.0.0/24"))


def test_resolver_forwards_nothing() -> None:
    lines = network.dnsmasq_config(NETWORK, Path("/s/hosts.d"), Path("/s/log")).splitlines()
    assert "no-resolv" in lines
    assert "address=/#/" in lines
    assert not any(line.startswith("server=") for line in lines)


def test_resolver_knows_the_mirror_and_logs() -> None:
    lines = network.dnsmasq_config(NETWORK, Path("/s/hosts.d"), Path("/s/log")).splitlines()
    assert "host-record=mirror.bmk.test,10.61.0.1" in lines
    assert "listen-address=10.61.0.2" in lines
    assert {"log-queries", "log-facility=/s/log", "hostsdir=/s/hosts.d"} <= set(lines)


@pytest.mark.skipif(shutil.which("dnsmasq") is None, reason="dnsmasq is not installed")
def test_dnsmasq_accepts_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "hosts.d").mkdir()
    file = tmp_path / "dnsmasq.conf"
    file.write_text(network.dnsmasq_config(NETWORK, tmp_path / "hosts.d", tmp_path / "log"))
    done = subprocess.run(
        ["dnsmasq", "--test", f"--conf-file={file}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_full_name_comes_first() -> None:
    assert network.dnsmasq_hosts(NETWORK, [("cp1", "10.61.0.10"), ("w1", "10.61.0.11")]) == (
        "10.61.0.10 cp1.bmk.test cp1\n10.61.0.11 w1.bmk.test w1\n"
    )


def test_only_own_interfaces_are_taken() -> None:
    listing = ["lo", "eth0", "bmk0", "bmk-w1", "bmk", "bmk00", "bmkx-w1", "ve-bmk-w1", "bmt0", "bmt-w1"]
    assert network.interfaces(NETWORK, listing) == ["bmk0", "bmk-w1"]


def test_mount_points_with_blanks() -> None:
    text = "1 0 0:1 / / rw - ext4 /dev/vda rw\n2 1 0:2 / /a\\040b rw - tmpfs tmpfs rw\n"
    assert network.mount_points(text) == ["/", "/a b"]


def test_taken_subnet_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(argv: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(
            argv, 0, "10.61.0.0/24 dev docker0\n" if "root" in argv else "", ""
        )

    monkeypatch.setattr(network, "run", answer)
    with pytest.raises(LabError, match="docker0"):
        network.check_subnet_free(NETWORK)


def test_free_subnet_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "run", lambda argv: subprocess.CompletedProcess(argv, 0, "", ""))
    network.check_subnet_free(NETWORK)


def test_failed_commands_say_what_they_printed(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="ended with code 3") as caught:
        run(["sh", "-c", "echo reason >&2; exit 3"])
    assert "reason" in str(caught.value)
    log = tmp_path / "log"
    with pytest.raises(LabError, match="whole output is in"):
        run(["sh", "-c", "echo reason; exit 3"], log=log)
    assert "reason" in log.read_text()
    with pytest.raises(LabError, match="not found"):
        run(["no-such-program-here"])
    with pytest.raises(LabError, match=r"within 0\.1 s"):
        run(["sleep", "9"], timeout=0.1)
