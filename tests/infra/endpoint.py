# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for a virtual IP address in front of the control planes. A scenario's conftest.py imports them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.config import Settings
from tests.infra.cluster import Cluster
from tests.infra.hosts import Host
from tests.infra.playbook import Playbook, Run

SERVICE = "kubernetes-api-endpoint"


def server_of(cluster: Cluster) -> dict[str, Any]:
    """The cluster in the kubeconfig of the controller: its server and CA."""
    document = yaml.safe_load(Path(cluster.kubeconfig).read_text(encoding="utf-8"))
    found: dict[str, Any] = document["clusters"][0]["cluster"]
    return found


@pytest.fixture(scope="session")
def address(lab: Settings) -> str:
    """The virtual IP address: one of the lab's network that no host gets."""
    return str(lab.network.subnet[200])


@pytest.fixture(scope="session")
def endpoint(address: str) -> tuple[str, ...]:
    """Arguments of a playbook, for that address."""
    values = {"cluster_endpoint": f"{address}:6443", "api_endpoint_provider": "keepalived"}
    return tuple(part for name, value in values.items() for part in ("-e", f"{name}={value}"))


@pytest.fixture(scope="session")
def site(playbook: Playbook, endpoint: tuple[str, ...]) -> Callable[..., Run]:
    """Runs the site playbook with that address."""

    def run(*arguments: str, log: str = "run.log") -> Run:
        return playbook.run(*endpoint, *arguments, log=log)

    return run


@pytest.fixture(scope="session")
def planes(hosts: dict[str, Host]) -> dict[str, Host]:
    """The control planes."""
    return {name: host for name, host in hosts.items() if host.control_plane}


@pytest.fixture(scope="session")
def holder(planes: dict[str, Host], address: str) -> Callable[[], list[str]]:
    """Tells which of the hosts that answer have the virtual IP address."""

    def has_it(host: Host) -> bool:
        try:
            return host.run(f"ip -o address | grep -qw {address}")[0] == 0
        except RuntimeError:
            # testinfra's, for a host that is off.
            return False

    def find() -> list[str]:
        return [name for name, host in planes.items() if has_it(host)]

    return find


@pytest.fixture(scope="session")
def ca(cluster: Cluster) -> str:
    """The cluster's CA in PEM form."""
    return base64.b64decode(server_of(cluster)["certificate-authority-data"]).decode("ascii")
