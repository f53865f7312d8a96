# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the scenario: the playbook with its openings, namespaces, and connections that are tried."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

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
from tests.infra.network import NAMESPACES, Platform, Prober
from tests.infra.playbook import Playbook


@pytest.fixture(scope="module")
def platform(playbook: Playbook) -> Platform:  # noqa: F811 - the fixture
    # What is watched is short but where a test reads the report.
    # The rest of the playbook is the scenario platform's.
    values = {
        "network_report_seconds": 1,
        "metrics_server_enabled": False,
        "ingress_enabled": False,
        "certificates_enabled": False,
    }
    return Platform(replace(playbook, name="baremetal.kubernetes.platform"), values)


@pytest.fixture(scope="module")
def prober(playbook: Playbook, cluster: Cluster) -> Prober:  # noqa: F811 - the fixtures
    image = image_of_lab(REPO / "lab" / "catalogue.yml", AGNHOST)
    path = str(REPO / "molecule" / "policies" / "probe.yml")
    return Prober(replace(playbook, name=path), str(cluster.kubeconfig), image)


@pytest.fixture(scope="module")
def namespaces(cluster: Cluster) -> Iterator[None]:  # noqa: F811 - the fixture
    """The namespaces of the probes, in a cluster that is healthy again after it was restored."""
    cluster.wait_system_pods()
    for name in NAMESPACES:
        labels = {"example.org/kind": "team"} if name.startswith("team") else {}
        cluster.core.create_namespace({"metadata": {"name": name, "labels": labels}})
    yield
    for name in NAMESPACES:
        cluster.core.delete_namespace(name)
