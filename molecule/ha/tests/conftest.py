# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the scenario: the site playbook with an endpoint that keepalived provides."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.config import Settings
from tests.infra.fixtures import (  # noqa: F401 - pytest finds them here
    cluster,
    hosts,
    inventory,
    lab,
    playbook,
    probes,
    running,
    variables,
)
from tests.infra.playbook import Playbook, Run


@pytest.fixture(scope="session")
def address(lab: Settings) -> str:  # noqa: F811 - the fixture
    """The virtual IP address: one of the lab's network that no host gets."""
    return str(lab.network.subnet[200])


@pytest.fixture(scope="session")
def site(playbook: Playbook, address: str) -> Callable[..., Run]:  # noqa: F811 - the fixture
    """Runs the site playbook with that address."""

    def run(*arguments: str, log: str = "run.log") -> Run:
        values = {"cluster_endpoint": f"{address}:6443", "api_endpoint_provider": "keepalived"}
        given = [part for name, value in values.items() for part in ("-e", f"{name}={value}")]
        return playbook.run(*given, *arguments, log=log)

    return run
