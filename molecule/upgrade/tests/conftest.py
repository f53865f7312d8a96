# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the scenario: the playbook upgrade, and a Deployment whose answers a client counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.infra.cluster import Cluster, image_of_lab
from tests.infra.fixtures import (  # noqa: F401 - pytest finds them here
    AGNHOST,
    cluster,
    hosts,
    inventory,
    lab,
    new,
    playbook,
    variables,
)
from tests.infra.hosts import REPO, Host
from tests.infra.playbook import Playbook, Run
from tests.infra.service import Service
from tests.infra.waiting import wait_for


@pytest.fixture(scope="session")
def upgrade(playbook: Playbook) -> Playbook:  # noqa: F811 - the fixture
    return replace(playbook, name="baremetal.kubernetes.upgrade")


@pytest.fixture(scope="session")
def run(upgrade: Playbook) -> Callable[..., Run]:
    """Runs the upgrade to a version, without a backup: the scenario restore shows that."""

    def start(version: str, *arguments: str, log: str) -> Run:
        given = ("-e", f"cluster_kubernetes_version={version}", "-e", "upgrade_backup=false")
        return upgrade.run(*given, *arguments, log=log)

    return start


@pytest.fixture(scope="session")
def service(cluster: Cluster, hosts: dict[str, Host]) -> Iterator[Service]:  # noqa: F811 - the fixtures
    """Two replicas with a budget, behind a Service."""
    made = Service(cluster, "upgrade", image_of_lab(REPO / "lab" / "catalogue.yml", AGNHOST))
    made.create()
    wait_for("both replicas are ready", lambda: made.ready() == made.REPLICAS, seconds=120)
    yield made
    made.delete()
