# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the bare path is told agrees with the roles."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import yaml

from lab.config import settings
from lab.state import HostRecord
from tests.bench import plan

HOSTS = (
    HostRecord("cp1", "systemd", "control_plane", "192.0.2.1", "base"),
    HostRecord("w1", "openrc", "worker", "192.0.2.2", "base"),
    HostRecord("w2", "openrc", "worker", "192.0.2.3", "base"),
)
SITE = plan.Site(
    {
        "cluster_files_url": "https://mirror.test/",
        "cluster_ca_file": "/lab/ca.crt",
        "cluster_ignore_preflight_errors": ["Swap", "Mem"],
        "cluster_versions": {"helm": "9.9.9"},
    }
)


def test_versions_are_those_of_the_roles_and_the_inventory() -> None:
    found = SITE.versions()
    assert found["helm"] == "9.9.9"
    defaults = yaml.safe_load(
        (plan.REPO / "roles" / "cluster" / "defaults" / "main.yml").read_text(encoding="utf-8")
    )
    assert found["kubeadm"] == found["kubelet"] == defaults["cluster_kubernetes_version"]


def test_every_release_file_of_the_lock_file_has_an_url() -> None:
    lock = yaml.safe_load(
        (plan.REPO / "roles" / "cluster" / "vars" / "main" / "releases.yml").read_text(encoding="utf-8")
    )["cluster_releases"]
    urls = SITE.urls("amd64")
    assert set(urls) == set(lock)
    assert urls["helm"] == "https://mirror.test/get.helm.sh/helm-v9.9.9-linux-amd64.tar.gz"


def test_script_reads_all_settings_and_only_those() -> None:
    text = plan.settings_text(SITE, HOSTS, "amd64")
    values = dict(shlex.split(line)[0].split("=", 1) for line in text.splitlines())
    assert (values["FIRST"], values["WORKERS"], values["PREFLIGHT"]) == ("cp1", "w1 w2", "Swap,Mem")
    script = (plan.REPO / "tests" / "bench" / "bare.sh").read_text(encoding="utf-8")
    assert [name for name in values if f"${name}" not in script] == []


def test_script_is_shell() -> None:
    subprocess.run(["bash", "-n", str(plan.REPO / "tests" / "bench" / "bare.sh")], check=True)


def test_ssh_finds_address_and_options_of_a_host(tmp_path: Path) -> None:
    file = tmp_path / "ssh_config"
    file.write_text(plan.ssh_config(settings({}), HOSTS, tmp_path / "cp"), encoding="utf-8")
    done = subprocess.run(
        ["ssh", "-F", str(file), "-G", "w1"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert {"hostname 192.0.2.2", "user root", "controlmaster auto", "identitiesonly yes"} <= set(done)


def test_what_is_copied_is_where_the_services_go() -> None:
    found = {
        path
        for file in (plan.REPO / "roles").glob("*/vars/**/*.yml")
        for path in re.findall(r"path: /(etc/(?:init\.d|systemd)/[^\s,}]+)", file.read_text(encoding="utf-8"))
    }
    # The approver, keepalived and scheduled backups are no part of what a bare cluster takes.
    found = {path for path in found if not re.search("kubelet-csr-approver|/kubernetes-", path)}
    assert len(found) == 4
    assert found <= set(plan.PLACES)
