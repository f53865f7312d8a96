# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role prometheus configures: jobs, users, agents, and what it may and reaches in the cluster."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.gates import repo
from tests.templates.documents import named
from tests.templates.test_rendering import MARKER, PARSERS, TEMPLATES, rendered  # noqa: F401 - pytest finds it here

PLAIN, LARGE, EXTERNAL = "plain systemd", "three control planes", "air gap with settings of its own"
Rendered = Callable[[str], Path]
#: Jobs whose targets are in files, by a contract with who writes these.
FILES = ["node", "kubelet", "cadvisor", "probes", "apiserver", "prometheus"]
HOST_PODS = ["cilium-agent", "hubble", "cilium-operator"]
PODS = ["coredns", "traefik", "cert-manager", "metrics-server"]


def document(directory: Path, name: str) -> Any:
    return yaml.safe_load((directory / f"{name}.document").read_text(encoding="utf-8"))


def template(directory: Path, name: str) -> Any:
    return PARSERS[TEMPLATES[f"prometheus/{name}"][0]](directory / "prometheus" / name)


def jobs(config: Any) -> dict[str, Any]:
    found = {job["job_name"]: job for job in config["scrape_configs"]}
    assert len(found) == len(config["scrape_configs"])
    return found


def test_targets_are_read_from_a_file_for_each_job(rendered: Rendered) -> None:  # noqa: F811 - the fixture
    found = jobs(document(rendered(PLAIN), "prometheus"))
    assert list(found) == [*FILES, *HOST_PODS, *PODS]
    for name in FILES:
        assert found[name]["file_sd_configs"] == [{"files": [f"/etc/prometheus/targets/{name}.json"]}]
        assert found[name]["scheme"] == "https"
        assert "insecure_skip_verify" not in found[name]["tls_config"]
    assert [found[name].get("metrics_path", "/metrics") for name in FILES[1:4]] == [
        "/metrics",
        "/metrics/cadvisor",
        "/metrics/probes",
    ]


def test_what_is_not_verified_gets_a_token_for_metrics_alone(rendered: Rendered) -> None:  # noqa: F811 - the fixture
    directory = rendered(PLAIN)
    server = jobs(document(directory, "prometheus"))
    agent = jobs(document(directory, "prometheus-agent"))
    unverified = [
        job
        for job in [*server.values(), *agent.values()]
        if job.get("tls_config", {}).get("insecure_skip_verify")
    ]
    assert [job["job_name"] for job in unverified] == [
        "metrics-server",
        "kube-controller-manager",
        "kube-scheduler",
    ]
    assert all(job["authorization"]["credentials_file"].endswith("/metrics.token") for job in unverified)
    access = named(directory, "prometheus-objects")
    assert access["ClusterRole baremetal-kubernetes:metrics-reader"]["rules"] == [
        {"nonResourceURLs": ["/metrics"], "verbs": ["get"]}
    ]
    scraper = access["ClusterRole baremetal-kubernetes:metrics-scraper"]["rules"]
    assert {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]} in scraper
    assert "nodes/proxy" not in str(scraper) and "secrets" not in str(scraper)


def test_pods_are_scraped_where_they_can_be_reached(rendered: Rendered) -> None:  # noqa: F811 - the fixture
    # One of its hosts is no node, and nobody has said that it has a route.
    large = jobs(document(rendered(LARGE), "prometheus"))
    assert list(large) == [*FILES, *HOST_PODS, "router"]
    agents = large["cilium-agent"]
    (discovery,) = agents["kubernetes_sd_configs"]
    assert discovery["api_server"] == "https://192.0.2.11:6443"
    assert discovery["namespaces"] == {"names": ["kube-system"]}
    roles = {
        rule.get("regex"): rule["replacement"]
        for rule in agents["relabel_configs"]
        if rule.get("target_label") == "role"
    }
    assert roles == {None: "worker", "cp1|cp2|cp3": "control_plane"}
    assert {"cluster"} < {rule.get("target_label") for rule in large["cilium-operator"]["relabel_configs"]}
    assert "node" not in {rule.get("target_label") for rule in large["cilium-operator"]["relabel_configs"]}


def test_policies_admit_the_servers_alone(rendered: Rendered) -> None:  # noqa: F811 - the fixture
    def policies(site: str) -> dict[str, Any]:
        access = named(rendered(site), "prometheus-objects")
        kind = "CiliumClusterwideNetworkPolicy "
        return {key.removeprefix(kind): one["spec"] for key, one in access.items() if key.startswith(kind)}

    plain = policies(PLAIN)
    assert set(plain) == {"metrics-nodes", *(f"metrics-{name}" for name in PODS)}
    for spec in plain.values():
        assert spec["enableDefaultDeny"] == {"ingress": False, "egress": False}
        assert all(rule["fromEntities"] == ["host", "remote-node"] for rule in spec["ingress"])
    large = policies(LARGE)
    assert set(large) == {"metrics-nodes"}
    nodes, outside, agents, clients = large["metrics-nodes"]["ingress"]
    scraped = ["9100", "10250", "6443", "9962", "9963", "9965"]
    assert [port["port"] for port in nodes["toPorts"][0]["ports"]] == scraped
    assert outside == {"fromCIDR": ["192.0.2.30/32"], "toPorts": nodes["toPorts"]}
    assert agents["fromEntities"] == ["host", "remote-node"]
    assert clients["fromCIDR"] == ["198.51.100.0/24"]
    assert agents["toPorts"] == clients["toPorts"] == [{"ports": [{"port": "9090", "protocol": "TCP"}]}]
    assert policies(EXTERNAL) == {}


def test_agents_write_to_each_server_by_certificate_and_password(rendered: Rendered) -> None:  # noqa: F811 - the fixture
    config = document(rendered(LARGE), "prometheus-agent")
    assert [target["url"] for target in config["remote_write"]] == [
        "https://192.0.2.11:9090/api/v1/write",
        "https://192.0.2.30:9090/api/v1/write",
    ]
    for target in config["remote_write"]:
        assert set(target["tls_config"]) == {"ca_file", "cert_file", "key_file"}
        assert target["basic_auth"] == {
            "username": "agent",
            "password_file": "/etc/prometheus-agent/agent.password",
        }
    found = jobs(config)
    assert list(found) == ["etcd", "kube-controller-manager", "kube-scheduler", "prometheus-agent"]
    for job in found.values():
        ((static),) = job["static_configs"]
        (target,) = static["targets"]
        assert target.startswith("127.0.0.1:")
        port = target.rpartition(":")[2]
        assert static["labels"] == {
            "cluster": "kubernetes",
            "node": "cp1",
            "role": "control_plane",
            "instance": f"192.0.2.11:{port}",
        }
    site = document(rendered(EXTERNAL), "prometheus-agent")
    assert [target["url"] for target in site["remote_write"]] == ["https://metrics.example.org/api/v1/write"]


def test_clients_need_a_password_and_a_certificate_where_it_is_wanted(rendered: Rendered) -> None:  # noqa: F811 - the fixture
    plain = document(rendered(PLAIN), "prometheus-web")
    assert set(plain["basic_auth_users"]) == {"grafana", "agent"}
    assert plain["tls_server_config"]["client_auth_type"] == "VerifyClientCertIfGiven"
    strict = document(rendered(EXTERNAL), "prometheus-web")["tls_server_config"]
    assert strict["client_auth_type"] == "RequireAndVerifyClientCert"
    assert strict["min_version"] == "TLS12"


@pytest.mark.parametrize("name", ["prometheus", "agent"])
def test_services_of_both_inits_are_the_same(name: str, rendered: Rendered) -> None:  # noqa: F811 - the fixture
    unit = template(rendered(PLAIN), f"{name}.service.j2")["Service"]
    program, *arguments = unit["ExecStart"].split()
    text = (rendered("plain openrc") / "prometheus" / f"{name}.initd.j2").read_text(encoding="utf-8")
    script = template(rendered("plain openrc"), f"{name}.initd.j2")
    assert script["command"] == program
    assert script["command_user"] == "prometheus:prometheus"
    assert text.partition('command_args="')[2].partition('"')[0].split() == arguments
    assert (unit["User"], unit["Restart"], unit["ExecReload"]) == (
        "prometheus",
        "always",
        "/bin/kill -HUP $MAINPID",
    )
    listen = [argument for argument in arguments if argument.startswith("--web.listen-address=")]
    expected = {"prometheus": ":9090", "agent": "127.0.0.1:9095"}
    assert listen == [f"--web.listen-address={expected[name]}"]


def test_retention_is_the_site_s(rendered: Rendered) -> None:  # noqa: F811 - the fixture
    command = template(rendered(LARGE), "prometheus.service.j2")["Service"]["ExecStart"]
    assert "--storage.tsdb.retention.time=15d --storage.tsdb.retention.size=50GB" in " ".join(command.split())
    config = document(rendered(LARGE), "prometheus")
    assert config["alerting"]["alertmanagers"][0]["static_configs"] == [{"targets": ["192.0.2.40:9093"]}]
    assert config["remote_write"] == [{"url": "https://store.example.org/api/v1/write"}]
    assert config["global"]["external_labels"] == {"cluster": "kubernetes"}


def test_what_is_handed_over_has_no_path_of_a_host(rendered: Rendered) -> None:  # noqa: F811 - the fixture
    config = document(rendered(EXTERNAL), "prometheus-external")
    assert set(config) == {"scrape_configs"}
    assert "/etc/" not in str(config)
    assert list(jobs(config)) == [*FILES[:-1], *HOST_PODS, *PODS]


def test_programs_are_those_of_the_release(rendered: Rendered) -> None:  # noqa: F811 - the fixture
    server, agent = document(rendered(PLAIN), "prometheus-programs")
    assert server["url"].endswith("/v3.13.2/prometheus-3.13.2.linux-amd64.tar.gz")
    assert [one["dest"] for one in server["members"]] == [
        "/usr/local/bin/prometheus",
        "/usr/local/bin/promtool",
    ]
    assert [one["source"] for one in agent["members"]] == ["prometheus-3.13.2.linux-amd64/prometheus"]


def test_rules_are_placed_as_promtool_tests_them(tmp_path: Path) -> None:
    role, target = repo.REPO / "roles" / "prometheus", tmp_path / "rules.json"
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {
            "ansible_python_interpreter": sys.executable,
            "cluster_managed_marker": MARKER,
            "metrics_runbook_url": "https://runbooks.example.org/",
            "role_path": str(role),
        },
        "tasks": [
            {"ansible.builtin.include_vars": {"file": str(role / "vars" / "main" / "main.yml")}},
            {
                "ansible.builtin.copy": {
                    "content": "{{ __prometheus_rule_files | to_json }}",
                    "dest": str(target),
                    "mode": "0644",
                }
            },
        ],
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    repo.run(
        ["ansible-playbook", "-i", "localhost,", "play.yml"],
        cwd=tmp_path,
        env={"ANSIBLE_CONFIG": str(repo.REPO / "ansible.cfg")},
    )
    placed = {one["dest"]: one["content"] for one in json.loads(target.read_text(encoding="utf-8"))}
    sources = sorted((role / "files" / "rules").glob("*.yml"))
    assert list(placed) == [f"/etc/prometheus/rules/{path.name}" for path in sources]
    for path, text in zip(sources, placed.values(), strict=True):
        first, _newline, rest = text.partition("\n")
        assert first == f"# {MARKER}"
        assert rest == path.read_text(encoding="utf-8").replace("@runbooks@", "https://runbooks.example.org/")
