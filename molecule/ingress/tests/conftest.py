# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the scenario: the playbook, and an application."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from lab.config import Settings
from tests.infra.cluster import Cluster, image_of_lab
from tests.infra.fixtures import (  # noqa: F401 - pytest finds them here
    AGNHOST,
    cluster,
    hosts,
    inventory,
    lab,
    playbook,
    variables,
)
from tests.infra.hosts import REPO
from tests.infra.ingress import NAMES, NAMESPACE, Application, Traefik
from tests.infra.network import Platform
from tests.infra.playbook import Playbook
from tests.infra.service import Service
from tests.infra.tls import certificate


@pytest.fixture(scope="module")
def address(lab: Settings) -> str:  # noqa: F811 - the fixture
    """Of the ingress controller: one of the lab's network that no host gets."""
    return str(lab.network.subnet[5])


@pytest.fixture(scope="module")
def platform(playbook: Playbook, address: str, lab: Settings) -> Platform:  # noqa: F811 - the fixtures
    """The playbook, with strict network policies, and with an address that Cilium announces."""
    values = {
        "network_policy_mode": "enforce",
        "network_address_announcements": True,
        "metrics_server_enabled": False,
        "ingress_exposure": "load_balancer",
        "ingress_ranges": [f"{lab.network.subnet[4]}-{lab.network.subnet[7]}"],
        "ingress_address": address,
        # Shorter than by default, so that the tests are.
        "ingress_drain_seconds": 20,
    }
    return Platform(replace(playbook, name="baremetal.kubernetes.platform"), values)


@pytest.fixture(scope="module", autouse=True)
def healthy(cluster: Cluster) -> None:  # noqa: F811 - the fixture
    """The cluster, after it was restored."""
    cluster.wait_system_pods()


@pytest.fixture(scope="module")
def application(cluster: Cluster, address: str) -> Iterator[Application]:  # noqa: F811 - the fixture
    service = Service(cluster, NAMESPACE, image_of_lab(REPO / "lab" / "catalogue.yml", AGNHOST))
    cert, key = certificate(*NAMES.values())
    made = Application(service, address, cert)
    made.create(key)
    yield made
    service.delete()


@pytest.fixture(scope="module")
def traefik(cluster: Cluster) -> Traefik:  # noqa: F811 - the fixture
    return Traefik(cluster)
