# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for tests of a cluster on the lab's hosts. A scenario's conftest.py imports them."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.artifacts import catalogue
from lab.config import Settings, settings
from tests.infra.cluster import Cluster, Probes, image_of_lab
from tests.infra.hosts import REPO, Host
from tests.infra.playbook import Playbook

AGNHOST = "registry.k8s.io/e2e-test-images/agnhost"
#: The lab's artifacts of the next minor version.
NEXT = "kubernetes-1.37"


def next_version() -> str:
    """The version of Kubernetes to upgrade to, which the lab has as a group of artifacts."""
    files = catalogue.load().files.values()
    (version,) = {file.version for file in files if (file.group, file.component) == (NEXT, "kubelet")}
    return version


@pytest.fixture(scope="session")
def lab() -> Settings:
    return settings()


@pytest.fixture(scope="session")
def inventory(lab: Settings) -> Path:
    path = Path(os.environ.get("BMK_LAB_INVENTORY") or lab.paths.inventory)
    assert (path / "hosts.yml").exists(), f"no inventory at {path}: run `lab up` first"
    return path


@pytest.fixture(scope="session")
def variables(inventory: Path) -> dict[str, Any]:
    """Public variables of the cluster: the roles' defaults below what the inventory sets."""
    found = yaml.safe_load((REPO / "roles" / "cluster" / "defaults" / "main.yml").read_text(encoding="utf-8"))
    return {**found, **yaml.safe_load((inventory / "group_vars" / "all.yml").read_text(encoding="utf-8"))}


@pytest.fixture(scope="session")
def new() -> str:
    return next_version()


@pytest.fixture(scope="session")
def hosts(inventory: Path) -> dict[str, Host]:
    """Hosts of the inventory by name."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-inventory"), "-i", str(inventory), "--list"],
        capture_output=True,
        text=True,
        check=True,
    )
    groups = json.loads(done.stdout)
    control_planes = groups["control_plane"]["hosts"]
    names = [*control_planes, *groups["worker"]["hosts"]]
    return {name: Host(name, inventory, name in control_planes) for name in names}


@pytest.fixture(scope="session")
def workers(hosts: dict[str, Host]) -> dict[str, Host]:
    """One worker of each init system, by init system."""
    return {host.init: host for host in hosts.values() if not host.control_plane}


@pytest.fixture(scope="session")
def cluster(inventory: Path, variables: dict[str, Any]) -> Cluster:
    return Cluster(inventory / ".credentials" / f"{variables['cluster_name']}.kubeconfig")


@pytest.fixture(scope="session")
def playbook(inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> Playbook:
    """The site playbook."""
    return Playbook(inventory, tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def probes(cluster: Cluster, hosts: dict[str, Host]) -> Iterator[Probes]:
    """An agnhost pod on each node and a Service over them."""
    image = image_of_lab(REPO / "lab" / "catalogue.yml", AGNHOST)
    made = Probes(cluster, f"probes-{secrets.token_hex(3)}", image, tuple(hosts))
    made.create()
    yield made
    made.delete()


@pytest.fixture(scope="session")
def running(probes: Probes, hosts: dict[str, Host]) -> Probes:
    """The probes, all of them running."""
    probes.wait_ready(120, evidence=lambda: "\n".join(host.logs() for host in hosts.values()))
    return probes
