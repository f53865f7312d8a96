# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the scenario: what an order of operations and faults is run with."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator

import pytest

from tests.infra.cluster import Cluster
from tests.infra.endpoint import address, ca, endpoint, holder, planes, site  # noqa: F401 - pytest finds them here
from tests.infra.fixtures import cluster, hosts, inventory, lab, new, playbook, variables  # noqa: F401
from tests.infra.writer import Writer


@pytest.fixture(scope="session")
def seed() -> int:
    """What decides the order: CHAOS_SEED, else a random one."""
    return int(os.environ.get("CHAOS_SEED") or secrets.randbelow(100_000))


@pytest.fixture(scope="session")
def writer(cluster: Cluster) -> Iterator[Writer]:  # noqa: F811 - the fixture
    """A client that writes from its first use to the end."""
    made = Writer(cluster)
    made.start()
    yield made
    made.stop()
