# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the scenario: a cluster with one control plane, and hosts for two more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.infra.endpoint import address, ca, endpoint, holder, site  # noqa: F401 - pytest finds them here
from tests.infra.fixtures import (  # noqa: F401
    cluster,
    hosts,
    inventory,
    lab,
    playbook,
    probes,
    running,
    variables,
)
from tests.infra.hosts import Host, run_lab

NEW = {"cp2": "openrc", "cp3": "systemd"}


@pytest.fixture(scope="session")
def everyone(running: object, hosts: dict[str, Host], inventory: Path) -> dict[str, Host]:  # noqa: F811 - fixtures
    """The cluster's hosts, and new ones, which are in the inventory and have nothing of a node."""
    for name, kind in NEW.items():
        run_lab("add", name, "--kind", kind, "--role", "control_plane")
    return {**hosts, **{name: Host(name, inventory, True) for name in NEW}}


@pytest.fixture(scope="session")
def planes(everyone: dict[str, Host]) -> dict[str, Host]:
    """The control planes."""
    return {name: host for name, host in everyone.items() if host.control_plane}
