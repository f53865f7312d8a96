# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every host is measured, and nobody reads it without a certificate of Prometheus."""

from __future__ import annotations

import time

from tests.infra.cluster import Cluster
from tests.infra.hosts import Host
from tests.infra.prometheus import Metrics, Prometheus
from tests.infra.waiting import wait_for

#: Seconds from the end of the run until everything is fresh.
FRESH = 60
EXPORTER = "baremetal.kubernetes.node_exporter : Deploy | Run node_exporter"
RENEWED = "baremetal.kubernetes.metrics : Pki | Issue or renew the certificate"
NODES = ("cp1", "w1", "w2")
PAIRS = {
    *((job, node) for job in ("node", "kubelet", "cadvisor", "probes") for node in NODES),
    *(
        (job, "cp1")
        for job in ("apiserver", "etcd", "kube-controller-manager", "kube-scheduler", "prometheus-agent")
    ),
    *(("prometheus", node) for node in ("w1", "w2")),
}


def down(prometheus: Prometheus) -> set[tuple[str, ...]]:
    """Pairs of job and node without a scrape that succeeded within the last minute."""
    up = {pair for pair, value in prometheus.values("up", "job", "node").items() if value == 1}
    return {pair for pair in PAIRS if pair not in up}


def scrape(host: Host, target: str, address: str, *credentials: str) -> str:
    """The HTTP status of an exporter that is asked from a host, 000 without one."""
    _code, told = host.run(
        "curl --silent --output /dev/null --write-out '%{http_code}' --cacert /etc/metrics/ca.crt "
        f"{' '.join(credentials)} --resolve {target}:9100:{address} https://{target}:9100/metrics"
    )
    return told.strip()


def test_every_pair_is_scraped_a_minute_later(metrics: Metrics, prometheus: dict[str, Prometheus]) -> None:
    metrics.run().expect()
    began = time.monotonic()
    for one in prometheus.values():
        wait_for(
            f"the Prometheus of {one.name} scrapes everything",
            lambda one=one: not down(one),  # type: ignore[misc]
            seconds=FRESH,
            evidence=lambda one=one: str(sorted(down(one))),  # type: ignore[misc]
        )
    print(f"everything was scraped {time.monotonic() - began:.1f} s after the run")
    assert set(prometheus["w1"].values("node_uname_info", "node")) == {(node,) for node in NODES}
    assert set(prometheus["w1"].values("up", "cluster")) == {("kubernetes",)}


def test_second_run_changes_nothing(metrics: Metrics) -> None:
    metrics.run().expect_quiet()
    metrics.run("--check", "--diff").expect_quiet()


def test_rules_are_evaluated(prometheus: dict[str, Prometheus]) -> None:
    for one in prometheus.values():
        rules = [rule for group in one.data("/api/v1/rules")["groups"] for rule in group["rules"]]
        assert len(rules) > 40
        assert not [rule["name"] for rule in rules if rule["health"] == "err"]


def test_hosts_tell_of_services_and_certificates(prometheus: dict[str, Prometheus]) -> None:
    services = prometheus["w1"].values("bmk_service_up", "node", "service", "init")
    for node, init in (("cp1", "systemd"), ("w1", "systemd"), ("w2", "openrc")):
        assert services[node, "kubelet", init] == services[node, "containerd", init] == 1, services
    ends = prometheus["w1"].values("bmk_certificate_expiry_timestamp_seconds", "node", "path")
    assert ends["cp1", "/etc/kubernetes/pki/apiserver.crt"] > time.time() + 300 * 24 * 3600
    assert {(node, "/etc/metrics/tls.crt") for node in NODES} <= set(ends)


def test_a_password_is_needed(prometheus: dict[str, Prometheus]) -> None:
    assert prometheus["w1"].get("/api/v1/query", password="wrong", query="up").status_code == 401


def test_exporters_are_for_scrapers_alone(hosts: dict[str, Host], cluster: Cluster) -> None:
    address = cluster.nodes("status.addresses[?type=='InternalIP'] | [0].address")["w2"]
    own = ("--cert", "/etc/metrics/tls.crt", "--key", "/etc/metrics/tls.key")
    assert scrape(hosts["w1"], "w2", address, *own) == "200"
    # A node that somebody took over, and nobody in particular.
    assert scrape(hosts["cp1"], "w2", address, *own) == "000"
    assert scrape(hosts["w1"], "w2", address) == "000"


def test_stopped_exporter_is_seen_and_started_again(
    metrics: Metrics, prometheus: dict[str, Prometheus], hosts: dict[str, Host]
) -> None:
    hosts["w2"].check("rc-service node_exporter stop")
    wait_for(
        "the target of w2 is down",
        lambda: down(prometheus["w1"]) == {("node", "w2")},
        seconds=FRESH,
        evidence=lambda: str(sorted(down(prometheus["w1"]))),
    )
    (target,) = [
        one
        for one in prometheus["w1"].data("/api/v1/targets", state="active")["activeTargets"]
        if (one["labels"]["job"], one["labels"].get("node")) == ("node", "w2")
    ]
    assert "connection refused" in target["lastError"]
    assert metrics.run().expect().changed == {("w2", EXPORTER)}
    wait_for("the target of w2 is up again", lambda: not down(prometheus["w1"]), seconds=FRESH)


def test_renewed_certificates_restart_nothing(
    metrics: Metrics, prometheus: dict[str, Prometheus], hosts: dict[str, Host]
) -> None:
    before = {name: host.pids("/usr/local/bin/node_exporter") for name, host in hosts.items()}
    serials = {name: host.check("sha256sum /etc/metrics/tls.crt") for name, host in hosts.items()}
    real = metrics.run("-e", "metrics_renew_certificates=true").expect()
    assert {task for _host, task in real.changed} == {
        "baremetal.kubernetes.metrics : Pki | Issue or renew the certificate"
    }
    assert not [
        name for name, host in hosts.items() if host.check("sha256sum /etc/metrics/tls.crt") == serials[name]
    ]
    assert {name: host.pids("/usr/local/bin/node_exporter") for name, host in hosts.items()} == before
    # A scrape of each target with the new certificates.
    began = time.time()
    wait_for(
        "everything was scraped after the renewal",
        lambda: (
            min(prometheus["w1"].values("min by (job, node) (timestamp(up))", "job", "node").values()) > began
        ),
        seconds=2 * FRESH,
    )
    assert not down(prometheus["w1"])
