# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts are drained and returned to service. Each test needs those before it."""

from __future__ import annotations

from collections.abc import Callable

from kubernetes import client

from tests.infra.cluster import Cluster
from tests.infra.hosts import run_lab
from tests.infra.playbook import Run
from tests.infra.service import Service
from tests.infra.waiting import wait_for

Start = Callable[..., Run]


def cordoned(cluster: Cluster) -> set[str]:
    return {name for name, value in cluster.nodes("spec.unschedulable").items() if value}


def nodes_of(service: Service) -> set[str]:
    """Where the replicas run."""
    return set(service.cluster.pods(service.name, expression="spec.nodeName").values())


def budget(service: Service, available: int) -> None:
    """Change how many replicas have to be available."""
    client.PolicyV1Api(service.cluster.core.api_client).patch_namespaced_pod_disruption_budget(
        service.name, service.name, {"spec": {"minAvailable": available}}
    )


def test_every_host_at_once_is_refused(run: Start, service: Service, cluster: Cluster) -> None:
    refused = run("drain_node").expect(code=2)
    assert "as pods need others to run on" in refused.text
    assert not refused.changed
    assert not cordoned(cluster)


def test_check_mode_lists_what_would_be_evicted(run: Start, service: Service, cluster: Cluster) -> None:
    predicted = run("drain_node", "--limit", "w1", "--check", "--diff").expect()
    assert f"{service.name}/{service.name}-" in predicted.text
    assert predicted.changed
    assert not cordoned(cluster)


def test_budget_that_allows_nothing_is_named_and_kept(run: Start, service: Service, cluster: Cluster) -> None:
    budget(service, service.REPLICAS)
    failed = run("drain_node", "--limit", "w1", "-e", "node_drain_timeout=15").expect(code=2)
    assert f"PodDisruptionBudget {service.name} needs 2 healthy Pods and has 2 of 2" in failed.text
    assert service.ready() == service.REPLICAS
    assert "w1" in nodes_of(service)
    assert cordoned(cluster) == {"w1"}, "the next run goes on from there"


def test_drain_goes_on_and_ends(run: Start, service: Service, cluster: Cluster) -> None:
    budget(service, 1)
    run("drain_node", "--limit", "w1").expect()
    assert cordoned(cluster) == {"w1"}
    wait_for("both replicas are ready elsewhere", lambda: service.ready() == service.REPLICAS, seconds=60)
    assert "w1" not in nodes_of(service)
    run("drain_node", "--limit", "w1").expect_quiet()


def test_site_leaves_the_cordon_alone(run: Start, cluster: Cluster) -> None:
    run("site").expect_quiet()
    assert cordoned(cluster) == {"w1"}


def test_node_returns_to_service(run: Start, cluster: Cluster) -> None:
    returned = run("uncordon_node", "--limit", "w1").expect()
    assert {host for host, _task in returned.changed} == {"w1"}
    assert not cordoned(cluster)
    run("uncordon_node", "--limit", "w1").expect_quiet()


def test_host_that_is_off_is_drained(run: Start, service: Service, cluster: Cluster) -> None:
    run_lab("stop", "w2")
    wait_for("w2 is not Ready", lambda: not cluster.ready("w2"), seconds=120)
    run("drain_node", "--limit", "w2", "-e", "cluster_node_name=w2").expect()
    assert cordoned(cluster) == {"w2"}
    wait_for("both replicas are ready", lambda: service.ready() == service.REPLICAS, seconds=60)
    run_lab("start", "w2")
    wait_for("w2 is Ready", lambda: cluster.ready("w2"), seconds=120)
    run("uncordon_node", "--limit", "w2").expect()
    assert not cordoned(cluster)
