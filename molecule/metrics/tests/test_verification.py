# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Grafana shows every node, and what does not arrive there is named with node, job and cause."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.grafana.server import Server
from tests.infra.hosts import Host
from tests.infra.playbook import Run
from tests.infra.prometheus import Metrics, Prometheus
from tests.infra.waiting import wait_for

UID = "bmk-kubernetes"
DASHBOARDS = {f"{UID}-{name}" for name in ("overview", "node", "control-plane", "network", "compliance")}
WIRED = {
    "baremetal.kubernetes.grafana : Connect | Manage the data source",
    "baremetal.kubernetes.grafana : Connect | Manage the folder",
    "baremetal.kubernetes.grafana : Connect | Manage the dashboards",
}
#: Prometheus keeps a connection as long as it can, so that another certificate is seen at the next one.
RECONNECT = "rc-service node_exporter restart"
#: Seconds until what is missing is reported.
SOON = ("-e", "grafana_verify_seconds=10")


class Client:
    """Somebody who edits in Grafana."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self._server.state.admin}"}
        with httpx.Client(base_url=self._server.url, headers=headers, timeout=30, trust_env=False) as client:
            answer = client.request(method, path, json=body)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def dashboard(self, uid: str) -> dict[str, Any]:
        return dict(self.ask("GET", f"/api/dashboards/uid/{uid}")["dashboard"])

    def rename(self, uid: str, title: str) -> None:
        folder = self.ask("GET", f"/api/dashboards/uid/{uid}")["meta"]["folderUid"]
        self.ask(
            "POST",
            "/api/dashboards/db",
            {"dashboard": {**self.dashboard(uid), "title": title}, "folderUid": folder, "overwrite": True},
        )


@pytest.fixture
def client(grafana: Server) -> Client:
    return Client(grafana)


def missing(connected: Metrics) -> Run:
    """A verification that fails."""
    return connected.run(*SOON, name="verify_metrics").expect(code=2)


def until(connected: Metrics, told: str) -> str:
    """What the verification says as soon as a text is part of it: Prometheus needs a scrape to see what is wrong."""
    found: list[str] = []

    def tells() -> bool:
        found[:] = [" ".join(connected.run(*SOON, name="verify_metrics").text.split())]
        return told in found[0]

    wait_for(f"the verification says {told!r}", tells, seconds=150, evidence=lambda: found[0][-2500:])
    return found[0]


def test_grafana_shows_every_node(connected: Metrics, client: Client, grafana: Server) -> None:
    run = connected.run("--check", "--diff").expect()
    assert not grafana.state.datasources
    assert {task for _host, task in run.changed} == WIRED
    run = connected.run().expect()
    assert {task for _host, task in run.changed} == WIRED
    found = client.ask("GET", "/api/search?type=dash-db")
    assert {(one["uid"], one["folderUid"]) for one in found} == {(uid, UID) for uid in DASHBOARDS}
    assert client.ask("GET", f"/api/datasources/uid/{UID}/health")["status"] == "OK"
    assert not [line for line in run.text.splitlines() if grafana.state.admin in line]
    # Every metric of a panel and of a rule exists.
    assert "Prometheus has no metric" not in run.text, run.text[-4000:]


def test_second_run_changes_nothing_in_grafana(connected: Metrics, grafana: Server) -> None:
    grafana.requests.clear()
    connected.run().expect_quiet()
    connected.run("--check", "--diff").expect_quiet()
    connected.run(name="verify_metrics").expect_quiet()
    written = [one for one in grafana.requests if one[0] not in ("GET",) and one[1] != "/api/ds/query"]
    assert not written


def test_manual_edit_is_reported_and_stays(connected: Metrics, client: Client) -> None:
    uid = f"{UID}-node"
    declared = client.dashboard(uid)["title"]
    client.rename(uid, "Mine")
    run = connected.run().expect_quiet()
    assert uid in run.text and "[WARNING]" in run.text
    assert client.dashboard(uid)["title"] == "Mine"
    connected.run("-e", "grafana_force=true").expect()
    assert client.dashboard(uid)["title"] == declared
    connected.run().expect_quiet()


def test_wrong_password_is_named(connected: Metrics, client: Client, grafana: Server) -> None:
    secrets = grafana.state.secure[UID]
    right = secrets["basicAuthPassword"]
    secrets["basicAuthPassword"] = "wrong"
    try:
        told = " ".join(missing(connected).text.split())
        assert "password" in told and UID in told, told[-2000:]
    finally:
        secrets["basicAuthPassword"] = right
    connected.run(name="verify_metrics").expect_quiet()


@pytest.mark.parametrize(
    ("broken", "repaired", "cause"),
    [
        pytest.param(
            "rc-service node_exporter stop",
            "rc-service node_exporter start",
            "connection refused",
            id="exporter that was stopped",
        ),
        pytest.param(
            "iptables -I INPUT -p tcp --dport 9100 -j DROP",
            "iptables -D INPUT -p tcp --dport 9100 -j DROP",
            "drops the packets",
            id="packets that are dropped",
        ),
        pytest.param(
            "cp -p /etc/metrics/tls.crt /root/tls.crt && "
            "openssl x509 -in /etc/metrics/tls.crt -signkey /etc/metrics/tls.key -days 1 -out /root/other.crt && "
            "cat /root/other.crt > /etc/metrics/tls.crt && " + RECONNECT,
            "cat /root/tls.crt > /etc/metrics/tls.crt",
            "certificate of another CA",
            id="certificate of somebody else",
        ),
    ],
)
def test_what_is_missing_is_named(
    connected: Metrics, hosts: dict[str, Host], broken: str, repaired: str, cause: str
) -> None:
    hosts["w2"].check(broken)
    try:
        told = until(connected, cause)
    finally:
        hosts["w2"].check(repaired)
    assert "node w2, job node: its scrape fails" in told
    assert "node w1, job node" not in told
    connected.run(name="verify_metrics").expect_quiet()


def test_expired_certificate_is_named_and_replaced(
    connected: Metrics, hosts: dict[str, Host], expired: Callable[[Host], None]
) -> None:
    expired(hosts["w2"])
    hosts["w2"].check(RECONNECT)
    told = until(connected, "certificate has expired")
    assert "node w2, job node: its scrape fails" in told
    run = connected.run().expect()
    assert "w2: its certificate expired at" in " ".join(run.text.split())
    assert {host for host, _task in run.changed} == {"w2"}


def test_cilium_is_scraped_once_site_has_seen_the_group(
    connected: Metrics, prometheus: dict[str, Prometheus]
) -> None:
    connected.run(name="site").expect()
    jobs = json.dumps({"metrics_jobs": ["node", "cilium-agent", "cilium-operator", "coredns"]})
    connected.run("-e", jobs, name="verify_metrics").expect_quiet()
    up = prometheus["w1"].values("up{job='cilium-agent'}", "node", "role")
    assert up == {("cp1", "control_plane"): 1, ("w1", "worker"): 1, ("w2", "worker"): 1}
    # Agents ask each other a minute after their start.
    wait_for(
        "every agent reaches all nodes",
        lambda: (
            prometheus["w1"].values("cilium_unreachable_nodes", "node")
            == dict.fromkeys([(node,) for node, _role in up], 0)
        ),
        seconds=240,
    )


def test_removed_node_is_forgotten_and_a_new_one_is_measured(
    connected: Metrics, prometheus: dict[str, Prometheus]
) -> None:
    connected.run("-e", "node_remove_confirm=w2", name="remove_node").expect()
    targets = prometheus["w1"].data("/api/v1/targets", state="active")["activeTargets"]
    assert {one["labels"].get("node") for one in targets if one["labels"]["job"] == "kubelet"} == {
        "cp1",
        "w1",
    }
    assert ("w2",) not in prometheus["w1"].values("up", "node")
    connected.run("--limit", "w2", name="add_node").expect()
    up = prometheus["w1"].values("up{node='w2'}", "job")
    assert {job for (job,), value in up.items() if value == 1} >= {"node", "kubelet", "cadvisor", "probes"}
    # What a host of the group metrics has beside that comes with the playbook.
    connected.run().expect()
    connected.run().expect_quiet()


def test_grafana_is_left_as_it_was(connected: Metrics, grafana: Server) -> None:
    began = time.monotonic()
    connected.run("-e", "grafana_state=absent").expect()
    assert not grafana.state.datasources
    assert not grafana.state.dashboards
    assert not grafana.state.folders
    print(f"left after {time.monotonic() - began:.0f} s")
    connected.run("-e", "grafana_state=absent").expect_quiet()
