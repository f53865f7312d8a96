# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the scenario: the playbook with a group `metrics`, and the Prometheus of each of its hosts."""

from __future__ import annotations

import pytest

from tests.infra.cluster import Cluster
from tests.infra.fixtures import (  # noqa: F401 - pytest finds them here
    cluster,
    hosts,
    inventory,
    lab,
    playbook,
    variables,
)
from tests.infra.playbook import Playbook
from tests.infra.prometheus import METRICS, Metrics, Prometheus


@pytest.fixture(scope="session")
def metrics(playbook: Playbook) -> Metrics:  # noqa: F811 - the fixture
    return Metrics(playbook)


@pytest.fixture(scope="session")
def prometheus(playbook: Playbook, cluster: Cluster) -> dict[str, Prometheus]:  # noqa: F811
    """By host. Their credentials are read when they are asked, as the first run makes them."""
    credentials = playbook.inventory / ".credentials" / "metrics"
    addresses = cluster.nodes("status.addresses[?type=='InternalIP'] | [0].address")
    return {name: Prometheus(name, addresses[name], credentials) for name in METRICS}
