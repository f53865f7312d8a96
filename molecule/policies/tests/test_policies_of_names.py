# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Openings to DNS names, by Cilium's DNS proxy, which the lab's cluster only has here. Envoy does not run for it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from lab.config import Settings
from tests.infra.cluster import Cluster
from tests.infra.network import POLICIES, Pair, Platform, Prober
from tests.infra.playbook import Playbook
from tests.infra.waiting import wait_for

Json = dict[str, Any]

SPACE = "names"
PODS: dict[str, Json] = {
    "reader": {"namespace": SPACE, "labels": {"app": "reader"}},
    "other": {"namespace": SPACE, "labels": {"app": "other"}},
}


@pytest.fixture(scope="module")
def proxied(cluster: Cluster, playbook: Playbook, variables: Json) -> Iterator[None]:
    """Cilium with its DNS proxy, as its chart has it by default."""
    cluster.core.create_namespace({"metadata": {"name": SPACE}})
    values = {**variables["network_values"], "l7Proxy": True}
    playbook.run("-e", json.dumps({"network_values": values})).expect()
    yield
    cluster.core.delete_namespace(SPACE)
    playbook.run().expect()


@pytest.fixture(scope="module")
def names(lab: Settings, variables: Json) -> tuple[str, str]:
    """Two ports of the lab's mirror, by its name."""
    ports = [
        re.sub(r".*:(\d+)/?$", r"\1", variables[name]) for name in ("cluster_files_url", "cluster_registry")
    ]
    files, registry = (f"{lab.network.mirror_name}:{port}" for port in ports)
    return files, registry


def test_name_is_opened_for_whom_the_inventory_says(
    proxied: None, platform: Platform, prober: Prober, names: tuple[str, str], cluster: Cluster
) -> None:
    files, registry = names
    host, _colon, port = files.partition(":")
    opening = {
        "name": "files",
        "from": {"namespaces": [SPACE], "pods": {"app": "reader"}},
        "to": {"hosts": [host]},
        "ports": [int(port)],
    }
    platform.change(network_policy_mode="enforce", network_openings=[opening])
    expected = [
        Pair("reader", files).options(True),
        Pair("reader", registry).options(False),
        Pair("other", files).options(False),
        # It still resolves names of the cluster, and nothing else is open.
        Pair("reader", "kube-dns.kube-system.svc.cluster.local:53").options(True),
        Pair("reader", "kubernetes.default.svc.cluster.local:443").options(False),
    ]
    prober.run(expected, **PODS).expect()


def test_pattern_opens_names_of_a_zone(
    proxied: None, platform: Platform, prober: Prober, names: tuple[str, str], lab: Settings
) -> None:
    files, registry = names
    opening = {
        "name": "files",
        "from": {"namespaces": [SPACE]},
        "to": {"hosts": [f"*.{lab.network.domain}"]},
        "ports": [int(registry.rpartition(":")[2])],
    }
    platform.change(network_openings=[opening])
    expected = [
        Pair("other", registry).options(True),
        Pair("reader", registry).options(True),
        Pair("reader", files).options(False),
    ]
    prober.run(expected, **PODS).expect()


def test_without_openings_the_proxy_is_not_needed(
    proxied: None, platform: Platform, cluster: Cluster
) -> None:
    platform.change(network_openings=[], network_policy_mode="off")
    wait_for(
        "no policy is left",
        lambda: not cluster.query(POLICIES, "items[].metadata.name"),
        seconds=30,
    )
