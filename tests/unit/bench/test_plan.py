# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the bare path is told agrees with the roles."""

from __future__ import annotations

import dataclasses
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from lab.config import settings
from lab.state import HostRecord
from tests import releases
from tests.bench import plan

SCRIPTS = sorted((plan.REPO / "tests" / "bench" / "bare").glob("*.sh"))
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
    # Only the platform's bare path needs them, which takes them from the cluster.
    assert set(urls) == set(lock) - releases.of_platform()
    assert urls["helm"] == "https://mirror.test/get.helm.sh/helm-v9.9.9-linux-amd64.tar.gz"


@pytest.mark.parametrize("role", ["container_runtime", "kubelet"])
def test_programs_that_a_unit_runs_are_copied(role: str) -> None:
    """The kubelet's service runs one before the kubelet, and does not start without."""
    text = "".join(path.read_text(encoding="utf-8") for path in (plan.REPO / "roles" / role).rglob("*.yml"))
    programs = set(re.findall(r"/usr/local/lib/baremetal-kubernetes/[\w-]+", text))
    assert role != "kubelet" or programs
    assert [program for program in programs if program[1:] not in plan.PLACES] == []


def test_script_reads_all_settings_and_only_those() -> None:
    text = plan.settings_text(SITE, HOSTS, "amd64")
    values = dict(shlex.split(line)[0].split("=", 1) for line in text.splitlines())
    assert (values["FIRST"], values["WORKERS"], values["PREFLIGHT"]) == ("cp1", "w1 w2", "Swap,Mem")
    scripts = "".join(path.read_text(encoding="utf-8") for path in SCRIPTS)
    assert [name for name in values if f"${name}" not in scripts] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_script_is_shell(path: Path) -> None:
    subprocess.run(["bash", "-n", str(path)], check=True)


@pytest.mark.parametrize(
    "path", [path for path in SCRIPTS if path.name != "functions.sh"], ids=lambda path: path.name
)
def test_functions_that_run_on_a_host_are_sent_there(path: Path) -> None:
    """`run_on HOST FUNCTION NAME...` sends the functions that it names, and these must call no other one."""
    shared = (path.parent / "functions.sh").read_text(encoding="utf-8")
    text = f"{shared}\n{path.read_text(encoding='utf-8')}"
    bodies = dict(re.findall(r"^(\w+)\(\) \{(.*?)\}$", text, re.MULTILINE | re.DOTALL))
    for sent in re.findall(r"^\s*run_on \S+ ([\w ]+)", text, re.MULTILINE):
        names = sent.split()
        for name in names:
            called = {
                other for other in bodies if re.search(rf"(?:^|[\s(|]){other}(?:\s|$|\))", bodies[name])
            }
            assert called <= set(names), f"{name} calls {called - set(names)}"


def test_another_version_has_other_files() -> None:
    former = SITE.urls("amd64")
    changed = dataclasses.replace(SITE, variables={**SITE.variables, "cluster_kubernetes_version": "1.99.1"})
    differing = {name for name, url in changed.urls("amd64").items() if url != former[name]}
    assert differing == {"kubeadm", "kubelet", "kubectl"}
    assert "/v1.99.1/" in changed.urls("amd64")["kubelet"]


def test_name_of_the_cluster() -> None:
    assert SITE.cluster_name == "kubernetes"
    assert plan.Site({"cluster_name": "other"}).cluster_name == "other"


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
    # The approver, keepalived, scheduled backups and metrics are no part of what a bare cluster takes.
    others = "kubelet-csr-approver|/kubernetes-|/metrics-|/node_exporter|/prometheus"
    found = {path for path in found if not re.search(others, path)}
    assert len(found) == 4
    assert found <= set(plan.PLACES)
