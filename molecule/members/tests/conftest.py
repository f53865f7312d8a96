# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the scenario: a cluster with one control plane behind a virtual IP address, and hosts for two more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.infra.endpoint import address, ca, endpoint, holder, site  # noqa: F401 - pytest finds them here
from tests.infra.fixtures import cluster, hosts, inventory, lab, playbook, variables  # noqa: F401
from tests.infra.hosts import Host, run_lab
from tests.infra.playbook import Playbook, Run

NEW = {"cp2": "systemd", "cp3": "openrc"}


@pytest.fixture(scope="session")
def planes(hosts: dict[str, Host], inventory: Path) -> dict[str, Host]:  # noqa: F811 - fixtures
    """All control planes of the inventory; those that join later have nothing of a node yet."""
    for name, kind in NEW.items():
        if name not in hosts:
            run_lab("add", name, "--kind", kind, "--role", "control_plane")
    found = {name: host for name, host in hosts.items() if host.control_plane}
    return {**found, **{name: Host(name, inventory, True) for name in NEW}}


@pytest.fixture(scope="session")
def adding(
    inventory: Path,  # noqa: F811
    planes: dict[str, Host],
    tmp_path_factory: pytest.TempPathFactory,
) -> Playbook:
    """The playbook that joins hosts."""
    return Playbook(inventory, tmp_path_factory.mktemp("add"), name="baremetal.kubernetes.add_node")


@pytest.fixture(scope="session")
def add(adding: Playbook, endpoint: tuple[str, ...]) -> Callable[[], Run]:  # noqa: F811
    return lambda: adding.run(*endpoint)


@pytest.fixture(scope="session")
def remove(
    inventory: Path,  # noqa: F811
    endpoint: tuple[str, ...],  # noqa: F811
    planes: dict[str, Host],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Run]:
    made = Playbook(inventory, tmp_path_factory.mktemp("remove"), name="baremetal.kubernetes.remove_node")
    return lambda names: made.run(*endpoint, "-e", f"node_remove_confirm={names}")


@pytest.fixture(scope="session")
def reset(
    inventory: Path,  # noqa: F811
    endpoint: tuple[str, ...],  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Run]:
    made = Playbook(inventory, tmp_path_factory.mktemp("reset"), name="baremetal.kubernetes.reset")
    return lambda name: made.run(*endpoint, "--limit", name, "-e", f"reset_confirm={name}")
