# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles write on a host, rendered by ansible-playbook itself for several sites and then parsed.

Two kinds of text are covered: the templates of the roles, found by themselves (one without a case fails a test), and
documents that a role builds from variables and writes without a template, such as kubeadm's.
"""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.gates import repo


@dataclass(frozen=True)
class Site:
    """One site for which everything is rendered.

    :param init: init system of its hosts.
    :param control_planes: number of control planes.
    :param variables: what its inventory sets.
    :param workers: hosts of the group worker.
    :param resolv_conf: file that its kubelets have to be given.
    :param encrypts: whether its API servers encrypt already.
    :param metrics: hosts of the group metrics.
    """

    init: str
    control_planes: int
    variables: dict[str, Any] = field(default_factory=dict)
    encrypts: bool = False
    workers: tuple[str, ...] = ("w1",)
    resolv_conf: str = ""
    metrics: tuple[str, ...] = ("cp1",)


MIRROR = {
    "cluster_files_url": "https://mirror.example.org",
    "certificates_default_issuer": "internal",
    "certificates_gateway_api": False,
    "certificates_proxy": True,
    "certificates_replicas": 3,
    "certificates_resolvers": ["192.0.2.53:53", "192.0.2.54:53"],
    "cluster_registry": "192.0.2.5:5443",
    "cluster_ca_file": "/etc/ssl/example.pem",
}
SITES = {
    "plain systemd": Site("systemd", 1),
    "plain openrc": Site("openrc", 1),
    "three control planes": Site(
        "systemd",
        3,
        {
            "cluster_endpoint": "192.0.2.10:6443",
            "api_endpoint_provider": "keepalived",
            "ingress_exposure": "load_balancer",
            "ingress_ranges": ["192.0.2.240/29"],
            "ingress_interfaces": ["^eth0$"],
            "ingress_address": "192.0.2.241",
            "network_address_announcements": True,
            "storage_nfs_enabled": True,
            "storage_nfs_classes": [
                {"name": "nfs", "server": "nfs.example.org", "path": "/srv/kubernetes", "default": True},
                {
                    "name": "archive",
                    "server": "nfs.example.org",
                    "path": "/srv/kubernetes",
                    "mount_options": [],
                },
                {"name": "old", "server": "192.0.2.9", "path": "/srv/old", "mount_options": ["nfsvers=3"]},
            ],
            "nfs_server_clients": ["198.51.100.0/24"],
            "nfs_server_exports": [
                {"path": "/srv/kubernetes"},
                {"path": "/srv/media", "read_only": True, "clients": ["203.0.113.7"]},
            ],
            "storage_nfs_snapshot_classes": [{"name": "nfs-snapshots", "default": True}],
            "prometheus_alertmanagers": [{"static_configs": [{"targets": ["192.0.2.40:9093"]}]}],
            "prometheus_client_cidrs": ["198.51.100.0/24"],
            "prometheus_remote_write": [{"url": "https://store.example.org/api/v1/write"}],
            "prometheus_retention_size": "50GB",
            "prometheus_scrape_configs": [
                {"job_name": "router", "static_configs": [{"targets": ["192.0.2.1:9100"]}]}
            ],
        },
        workers=("w1", "cp1"),
        metrics=("cp1", "m1"),
    ),
    "air gap": Site("systemd", 1, MIRROR),
    "runs pods": Site("systemd", 1, workers=("w1", "cp1"), resolv_conf="/run/systemd/resolve/resolv.conf"),
    "not hardened": Site(
        "systemd",
        1,
        {
            "control_plane_admission_plugins": ["NodeRestriction"],
            "control_plane_restrict_anonymous": False,
            "control_plane_audit": False,
            "cluster_encryption_at_rest": False,
            "control_plane_event_rate_limits": [],
            "control_plane_extend_token_expiration": True,
            "control_plane_pod_security": "privileged",
            "control_plane_profiling": True,
            "cluster_kubelet_serving_certificates": False,
            "kubelet_etcd_user": "",
        },
        encrypts=True,
    ),
    "air gap with settings of its own": Site(
        "openrc",
        3,
        {
            **MIRROR,
            "cluster_registry": "192.0.2.5:5443/project",
            "cluster_endpoint": "k8s.example.org:6443",
            "api_endpoint_provider": "keepalived",
            "api_endpoint_address": "192.0.2.20",
            "api_endpoint_interface": "bond0",
            "api_endpoint_virtual_router_id": 7,
            "cluster_name": "blue",
            "cluster_http_proxy": "http://192.0.2.3:3128",
            "cluster_https_proxy": "http://user:p%40ss@192.0.2.3:3128",
            "cluster_no_proxy": ["mirror.example.org", "192.0.2.5"],
            "cluster_pod_cidr": "198.51.100.0/24",
            "container_runtime_limit_nofile": 20000,
            "container_runtime_imports": ["/etc/containerd/conf.d/*.toml"],
            "container_runtime_mirror_only": True,
            "container_runtime_config": {
                "plugins": {"io.containerd.cri.v1.runtime": {"restrict_oom_score_adj": True}}
            },
            "control_plane_cert_sans": ["k8s.example.org"],
            "control_plane_cluster_configuration": {
                "certificatesDir": "/etc/pki",
                "apiServer": {
                    "extraArgs": [
                        {"name": "audit-log-path", "value": "-"},
                        {"name": "encryption-provider-config", "value": "/etc/kms.yaml"},
                    ]
                },
                "scheduler": {"extraArgs": [{"name": "profiling", "value": "true"}]},
            },
            "control_plane_taints": [],
            "ingress_arguments": {
                "entryPoints.websecure.transport.respondingTimeouts.readTimeout": "600s",
                "accesslog": False,
            },
            "ingress_class": "web",
            "ingress_class_default": False,
            "ingress_drain_seconds": 45,
            "ingress_exposure": "host_port",
            "ingress_forwarded_headers_from": ["192.0.2.4"],
            "ingress_gateway_api": False,
            "ingress_host_ports": {"http": 8000, "https": 8443, "health": 8001},
            "ingress_nginx": False,
            "ingress_old_tls_version": "1.1",
            "ingress_proxy_protocol_from": ["192.0.2.4", "198.51.100.0/28"],
            "ingress_published_address": "192.0.2.4",
            "etcd_backup_interval": 6,
            "node_exporter_arguments": ["--collector.processes"],
            "node_exporter_textfile_interval": 30,
            "etcd_backup_keep": 30,
            "etcd_backup_recipients": ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"],
            "node_labels": {"disk": "ssd"},
            "node_taints": [{"key": "example.org/gpu", "effect": "NoSchedule"}],
            "kubelet_config": {"maxPods": 250},
            "kubelet_csr_approver_extra_nodes": {"cp1": {"names": ["cp1.example.org"]}},
            "kubelet_csr_approver_python": "/opt/python/bin/python3",
            "kubelet_limit_nofile": 20000,
            "network_values": {"envoy": {"enabled": False}},
            "worker_taints": [{"key": "example.org/gpu", "value": "yes", "effect": "NoSchedule"}],
            "grafana_prometheus_url": "https://metrics.example.org",
            "metrics_cluster": "blue",
            "metrics_external_directory": "/srv/blue",
            "metrics_prometheus_mode": "external",
            "metrics_prometheus_user": "reader",
            "prometheus_remote_write": [
                {
                    "url": "https://metrics.example.org/api/v1/write",
                    "basic_auth": {"username": "blue", "password_file": "/etc/blue.password"},
                }
            ],
            "prometheus_require_client_certificates": True,
            "prometheus_retention_days": 400,
            "prometheus_scrape_pods": True,
        },
        encrypts=True,
    ),
}


def _as_text(value: Any) -> Any:
    """A value as `-e name=value` and INI inventories give it, where they have a form for it."""
    if isinstance(value, list):
        return ",".join(value) if value and isinstance(value[0], str) else value
    return json.dumps(value) if isinstance(value, (bool, int, dict)) else value


for _name in ("not hardened", "air gap with settings of its own"):
    _site = SITES[_name]
    _texts = {name: _as_text(value) for name, value in _site.variables.items()}
    SITES[f"{_name}, as text"] = replace(_site, variables=_texts)

#: The template of a role, what it is, and the item where a task loops over it.
TEMPLATES: dict[str, tuple[str, str]] = {
    "api_endpoint/check-api-server.j2": ("script", ""),
    "api_endpoint/keepalived.conf.j2": ("keepalived", ""),
    "api_endpoint/keepalived.initd.j2": ("shell", ""),
    "api_endpoint/keepalived.service.j2": ("unit", ""),
    "container_runtime/containerd.initd.j2": ("shell", ""),
    "etcd_backup/backup.initd.j2": ("shell", ""),
    "etcd_backup/backup.service.j2": ("unit", ""),
    "container_runtime/containerd.service.j2": ("unit", ""),
    "container_runtime/crictl.yaml.j2": ("yaml", ""),
    "container_runtime/hosts.toml.j2": ("toml", "docker.io"),
    "kubelet_csr_approver/approver.initd.j2": ("shell", ""),
    "network/guard.initd.j2": ("shell", ""),
    "network/guard.service.j2": ("unit", ""),
    "kubelet_csr_approver/approver.service.j2": ("unit", ""),
    "nfs_server/ganesha.conf.j2": ("ganesha", ""),
    "nfs_server/ganesha.initd.j2": ("shell", ""),
    "nfs_server/ganesha.service.j2": ("unit", ""),
    "nfs_server/kubernetes.exports.j2": ("exports", ""),
    "node_exporter/node_exporter.initd.j2": ("shell", ""),
    "node_exporter/node_exporter.service.j2": ("unit", ""),
    "node_exporter/textfile.initd.j2": ("shell", ""),
    "node_exporter/textfile.service.j2": ("unit", ""),
    "node_exporter/web.yml.j2": ("yaml", ""),
    "prometheus/agent.initd.j2": ("shell", ""),
    "prometheus/agent.service.j2": ("unit", ""),
    "prometheus/prometheus.initd.j2": ("shell", ""),
    "prometheus/prometheus.service.j2": ("unit", ""),
    "kubelet/check-etcd-data.j2": ("script", ""),
    "kubelet/kubelet.initd.j2": ("shell", ""),
    "kubelet/kubelet.service.j2": ("unit", ""),
}
#: What a role builds from variables: name, expression, what it is.
DOCUMENTS: dict[str, tuple[str, str]] = {
    "containerd": (
        "__container_runtime_config | combine(__container_runtime_imports)"
        " | combine(container_runtime_config | baremetal.kubernetes.typed('dict'), recursive=true)"
        " | baremetal.kubernetes.to_toml",
        "toml",
    ),
    "programs": (
        "(__container_runtime_programs + __kubelet_programs.kubeadm + __kubelet_programs.kubelet) | to_nice_yaml",
        "yaml",
    ),
    "directories": ("__container_runtime_directories | to_nice_yaml", "yaml"),
    "kubelet": (
        "__kubelet_config"
        " | combine(__kubelet_resolver, kubelet_config | baremetal.kubernetes.typed('dict'), recursive=true)"
        " | to_nice_yaml",
        "yaml",
    ),
    "init": ("__control_plane_init_documents | to_nice_yaml", "yaml"),
    "join": ("__control_plane_join_documents | to_nice_yaml", "yaml"),
    "metrics-server": ("__metrics_server_deployment | to_nice_yaml", "yaml"),
    "metrics-server-objects": ("__metrics_server_objects | to_nice_yaml", "yaml"),
    "ingress": ("__ingress_objects | to_nice_yaml", "yaml"),
    "certificates": ("__certificates_objects | to_nice_yaml", "yaml"),
    "nfs-client": ("__host_nfs_client | to_nice_yaml", "yaml"),
    "storage": ("__storage_nfs_objects | to_nice_yaml", "yaml"),
    "exports": ("{'exports': __storage_nfs_exports} | to_nice_yaml", "yaml"),
    "volumes": ("__storage_nfs_left | to_nice_yaml", "yaml"),
    "taints": ("__node_control_plane_taints | to_nice_yaml", "yaml"),
    "declared": ("__node_declared | to_nice_yaml", "yaml"),
    "worker": ("__worker_join_documents | to_nice_yaml", "yaml"),
    "approver": ("__kubelet_csr_approver_list_file.content", "yaml"),
    "backup": ("__etcd_backup_config_file.content", "yaml"),
    "exporter": ("{'arguments': __node_exporter_arguments + __node_exporter_given} | to_nice_yaml", "yaml"),
    "exporter-program": ("__node_exporter_program_file | to_nice_yaml", "yaml"),
    "textfile": ("__node_exporter_textfile_settings | to_nice_yaml", "yaml"),
    "metrics": ("{'names': __metrics_names, 'common_name': __metrics_common_name} | to_nice_yaml", "yaml"),
    "files": ("__control_plane_files | map(attribute='path') | to_nice_yaml", "yaml"),
    "admission": ("__control_plane_admission | to_nice_yaml", "yaml"),
    "proxy": ("cluster_proxy | to_nice_yaml", "yaml"),
    "environment": ("cluster_proxy_environment | to_nice_yaml", "yaml"),
    "encryption": ("{'disabled': __encryption_at_rest_disable} | to_nice_yaml", "yaml"),
    "cilium": ("__network_release['values'] | to_nice_yaml", "yaml"),
    "prometheus": ("__prometheus_rendered", "yaml"),
    "prometheus-agent": ("__prometheus_agent_settings | to_nice_yaml", "yaml"),
    "prometheus-web": ("__prometheus_web_config | to_nice_yaml", "yaml"),
    "prometheus-objects": ("__prometheus_access_objects | to_nice_yaml", "yaml"),
    "prometheus-external": ("__prometheus_external_config", "yaml"),
    "grafana": ("__grafana_datasource_spec | to_nice_yaml", "yaml"),
    "targets": (
        "{'places': __metrics_targets_places, 'directory': __metrics_targets_directory} | to_nice_yaml",
        "yaml",
    ),
    "prometheus-programs": ("[__prometheus_programs, __prometheus_agent_programs] | to_nice_yaml", "yaml"),
}


def _node(site: Site, number: int, name: str = "") -> dict[str, Any]:
    """The state of a fresh host, in the form of node_info."""
    return {
        "node": {
            "address": f"192.0.2.1{number}",
            "architecture": "amd64",
            "kubernetes": {"cluster_id": None, "role": None, "state": "absent", "encrypts": site.encrypts},
            "daemons": {
                name: {"enabled": False, "running": False}
                for name in ("kubernetes-api-endpoint", "kubernetes-etcd-backup")
            },
            "interfaces": [
                {"name": "lan", "mac": None, "addresses": [f"198.51.100.{number}/24"]},
                {"name": "eth0", "mac": None, "addresses": [f"192.0.2.1{number}/24", "2001:db8::1/64"]},
            ],
            "node_name": name or f"cp{number}",
            "optional_commands": {
                "age": None,
                "curl": "/usr/bin/curl",
                "gpg": None,
                "keepalived": None,
                "ganesha.nfsd": None,
                "mount.nfs": None,
                "openssl": "/usr/bin/openssl",
                "rpc.nfsd": None,
            },
            "package_manager": "portage",
            "python": "/usr/bin/python3.13",
            "security": {"serving_nodes": {}},
            "resolver": {"files": [], "kubelet": site.resolv_conf},
            "service_manager": site.init,
            "swap_bytes": 0,
        }
    }


def _inventory(site: Site) -> dict[str, Any]:
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    planes = {
        f"cp{number}": {**local, "node_info": _node(site, number)}
        for number in range(1, site.control_planes + 1)
    }
    worker = {**local, "node_info": _node(site, 9, "w1")}
    hosts = {name: worker if name == "w1" else None for name in site.workers}
    outside = {**local, "ansible_host": "192.0.2.30"}
    metrics = {name: outside if name == "m1" else None for name in site.metrics}
    return {
        "control_plane": {"hosts": planes},
        "worker": {"hosts": hosts},
        "metrics": {"hosts": metrics},
    }


def _extra(site: Site) -> dict[str, Any]:
    observed = [
        {"item": f"cp{number}", "unreachable": False, **_node(site, number)}
        for number in range(1, site.control_planes + 1)
    ]
    plan = {"hostnames": ["w1", "cp1"], "blocks": [{"start": "192.0.2.240", "stop": "192.0.2.247"}]}
    certificates = {
        "default_issuer": site.variables.get("certificates_default_issuer", ""),
        "gateway": True,
        "egress": [{"toEntities": ["all"], "toPorts": [{"ports": [{"port": "443", "protocol": "TCP"}]}]}],
    }
    storage_class = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "nfs"}}
    volume = {
        "name": "pvc-1",
        "claim": "shop/data",
        "place": "nfs.example.org:/srv/pvc-1",
        "reclaim_policy": "Retain",
    }
    storage = {"objects": [storage_class], "volumes": [volume, {**volume, "name": "pvc-2", "claim": ""}]}
    plans = {"__ingress_plan": plan, "__certificates_plan": certificates, "__storage_nfs_plan": storage}
    prometheus = {
        "__prometheus_access": {"server": "https://192.0.2.11:6443", "ca": "-----BEGIN CERTIFICATE-----\n"},
        "__prometheus_account_made": {"changed": False},
    }
    return {"__node_observed": {"results": observed}, **plans, **prometheus, **site.variables}


def _file(target: Path, name: str) -> Path:
    """Where a template or a document is rendered to."""
    return target / (name if name in TEMPLATES else f"{name}.document")


def _source(name: str) -> Path:
    """The file of a template."""
    return repo.REPO / "roles" / Path(name).parent / "templates" / Path(name).name


def _playbook(site: Site, target: Path) -> list[dict[str, Any]]:
    roles = repo.REPO / "roles"
    variables: dict[str, Any] = {}
    for role in repo.roles():
        for path in sorted((roles / role).glob("defaults/main.yml")) + sorted(
            (roles / role).glob("vars/**/*.yml")
        ):
            variables |= repo.load(path)
    texts = {
        name: f"lookup('ansible.builtin.template', {str(_source(name))!r}, template_vars={{'item': {item!r}}})"
        for name, (_, item) in TEMPLATES.items()
    } | {name: expression for name, (expression, _) in DOCUMENTS.items()}
    facts = {name: f"rendered_{number}" for number, name in enumerate(texts)}
    together = ", ".join(f"{name!r}: {fact}" for name, fact in facts.items())
    return [
        {
            "name": "Render",
            "hosts": "cp1",
            "gather_facts": False,
            "vars": variables,
            # One task a text, so that an error names it; facts, as a module for each would take most of the time.
            "tasks": [
                *(
                    {"name": name, "ansible.builtin.set_fact": {facts[name]: "{{ " + text + " }}"}}
                    for name, text in texts.items()
                ),
                {
                    "name": "Write all",
                    "ansible.builtin.copy": {
                        "content": "{{ {" + together + "} | to_json }}",
                        "dest": str(target),
                        "mode": "0644",
                    },
                },
            ],
        }
    ]


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the directory with everything rendered for a site; renders it the first time."""
    done: dict[str, Path] = {}
    begun: set[str] = set()

    def render(name: str) -> Path:
        if name not in done:
            if name in begun:
                pytest.fail(f"rendering for {name!r} failed before")
            begun.add(name)
            site, work = SITES[name], tmp_path_factory.mktemp("site")
            target, texts = work / "out", work / "texts.json"
            files = {
                "inventory.yml": _inventory(site),
                "extra.yml": _extra(site),
                "play.yml": _playbook(site, texts),
            }
            for file, content in files.items():
                (work / file).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
            repo.run(
                ["ansible-playbook", "-i", "inventory.yml", "-e", "@extra.yml", "play.yml"],
                cwd=work,
                env={
                    "ANSIBLE_CONFIG": str(repo.REPO / "ansible.cfg"),
                    "ANSIBLE_INJECT_FACT_VARS": "false",
                    "ANSIBLE_DEPRECATION_WARNINGS": "true",
                },
            )
            for file, text in json.loads(texts.read_text(encoding="utf-8")).items():
                path = _file(target, file)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            done[name] = target
        return done[name]

    return render


def _parse_unit(path: Path) -> Any:
    """A systemd unit as sections; systemd itself names unknown settings where it is installed."""
    parser = configparser.RawConfigParser(strict=True, delimiters=("=",), comment_prefixes=("#", ";"))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    text = re.sub(r"\\\n\s*", "", path.read_text(encoding="utf-8"))
    # The one setting that is there twice, which systemd reads as a list.
    parser.read_string(re.sub(r"(?m)^(EnvironmentFile=.*)\nEnvironmentFile=", r"\1 ", text))
    if shutil.which("systemd-analyze"):
        unit = path.with_suffix("")  # containerd.service.j2 -> containerd.service
        shutil.copy(path, unit)
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
        )
        wrong = [line for line in done.stderr.splitlines() if unit.name in line and "Unknown" in line]
        assert not wrong, "\n".join(wrong)
    return {section: dict(parser[section]) for section in parser.sections()}


_ASSIGNMENT = r"""^(\w+)=(?:"([^"]*)"|(\S*))"""


def _parse_shell(path: Path) -> Any:
    done = subprocess.run(["sh", "-n", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = path.read_text(encoding="utf-8")
    assert text.startswith("#!/sbin/openrc-run\n")
    return {name: quoted or plain for name, quoted, plain in re.findall(_ASSIGNMENT, text, re.MULTILINE)}


def _parse_script(path: Path) -> Any:
    done = subprocess.run(["sh", "-n", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = path.read_text(encoding="utf-8")
    assert text.startswith("#!/bin/sh\n")
    return {"url": shlex.split(text, comments=True)[-1]}


def _parse_keepalived(path: Path) -> Any:
    """keepalived.conf(5): blocks by name, options with a value, and the lines of lists."""
    blocks: list[dict[str, Any]] = [{}]
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split("#")[0].split()
        if not words:
            continue
        if words[-1] == "{":
            blocks.append(blocks[-1].setdefault(" ".join(words[:-1]), {}))
        elif words == ["}"]:
            blocks.pop()
        else:
            blocks[-1][words[0]] = " ".join(words[1:])
    assert len(blocks) == 1, "braces do not match"
    return blocks[0]


def _parse_ganesha(path: Path) -> Any:
    """ganesha-config(8): the blocks of the file, each with its values and inner blocks."""
    blocks: list[dict[str, Any]] = [{}]
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.split("#")[0].strip()
        if text.endswith("{"):
            inner: dict[str, Any] = {}
            blocks[-1].setdefault(text[:-1].strip(), []).append(inner)
            blocks.append(inner)
        elif text == "}":
            blocks.pop()
        elif text:
            name, equals, value = text.partition(" = ")
            assert equals and value.endswith(";") and name not in blocks[-1], line
            blocks[-1][name] = value[:-1]
    assert len(blocks) == 1, "braces do not match"
    return blocks[0]


def _parse_exports(path: Path) -> Any:
    """exports(5): path -> client -> options."""
    found: dict[str, Any] = {"": path.read_text(encoding="utf-8").splitlines()[0]}
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        directory, *clients = line.split()
        pairs = [re.fullmatch(r"([^()]+)\(([a-z_,]+)\)", client) for client in clients]
        found[directory] = {pair[1]: pair[2].split(",") for pair in pairs if pair}
        assert len(found[directory]) == len(clients), line
    return found


PARSERS: dict[str, Callable[[Path], Any]] = {
    "exports": _parse_exports,
    "ganesha": _parse_ganesha,
    "keepalived": _parse_keepalived,
    "script": _parse_script,
    "shell": _parse_shell,
    "toml": lambda path: tomllib.loads(path.read_text(encoding="utf-8")),
    "unit": _parse_unit,
    "yaml": lambda path: yaml.safe_load(path.read_text(encoding="utf-8")),
}
KINDS = {
    **{name: kind for name, (kind, _) in TEMPLATES.items()},
    **{n: kind for n, (_, kind) in DOCUMENTS.items()},
}


def test_every_template_has_a_case() -> None:
    found = {
        f"{path.parts[1]}/{path.name}"
        for path in repo.files()
        if path.parts[0] == "roles" and path.parts[2] == "templates"
    }
    assert found == set(TEMPLATES), (
        f"no case: {found - set(TEMPLATES)}; no template: {set(TEMPLATES) - found}"
    )


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("name", KINDS)
def test_text_is_well_formed(name: str, site: str, rendered: Callable[[str], Path]) -> None:
    path = _file(rendered(site), name)
    text = path.read_text(encoding="utf-8")
    assert PARSERS[KINDS[name]](path)
    # A webhook without side effects says None.
    assert not re.search(r"\{\{|\}\}|\{%|(?<!sideEffects: )None|<Undefined", text), text
    assert text.endswith("\n") and not re.search(r"[ \t]+$", text, re.MULTILINE), (
        "white space at the end of a line"
    )


def _get(document: Any, path: str) -> Any:
    """Follow a path such as `0/nodeRegistration/taints`; in a list, an item may be called by its name: None without."""
    for step in path.split("/"):
        if isinstance(document, list) and not step.isdigit():
            named = [item for item in document if item["name"] == step]
            assert len(named) <= 1, f"{step} stands there {len(named)} times"
            if not named:
                return None
            document = named[0].get("value", named[0])
        else:
            document = document[int(step)] if isinstance(document, list) else document[step]
    return document


READ, KEYS, CA = (
    f"/etc/kubernetes/{name}" for name in ("api-server", "encryption/config.yaml", "pki/ca.crt")
)
CRI = "plugins/io.containerd.cri.v1.runtime"
RUNC = "containerd/runtimes/runc/options/SystemdCgroup"
MARKER = "Managed by baremetal.kubernetes: changes made here are lost."
#: What a host behind a proxy reaches directly.
DIRECT = [
    *("mirror.example.org", "192.0.2.5", "localhost", "127.0.0.0/8", "::1", ".svc", ".cluster.local"),
    *("198.51.100.0/24", "10.96.0.0/16", "k8s.example.org", "192.0.2.11"),
]
#: Site, document, path in it, value. What an operator would look up after a change of a variable.
EXPECTED: tuple[tuple[str, str, str, Any], ...] = (
    ("plain systemd", "init", "0/localAPIEndpoint/advertiseAddress", "192.0.2.11"),
    ("plain systemd", "init", "1/controlPlaneEndpoint", "192.0.2.11:6443"),
    ("plain systemd", "init", "1/kubernetesVersion", "v1.36.4"),
    ("plain systemd", "init", "1/networking/podSubnet", "10.244.0.0/16"),
    ("plain systemd", "init", "2/kind", "KubeletConfiguration"),
    ("plain systemd", "init", "0/nodeRegistration/taints/0/effect", "NoSchedule"),
    ("three control planes", "init", "1/controlPlaneEndpoint", "192.0.2.10:6443"),
    ("three control planes", "cilium", "k8sServiceHost", "192.0.2.10"),
    ("three control planes", "cilium", "l2announcements/leaseDuration", "3s"),
    ("three control planes", "cilium", "k8sClientRateLimit/qps", 20),
    ("plain systemd", "cilium", "k8sServiceHost", "192.0.2.11"),
    ("plain systemd", "cilium", "kubeProxyReplacement", True),
    ("air gap with settings of its own", "init", "1/clusterName", "blue"),
    ("air gap with settings of its own", "init", "1/apiServer/certSANs", ["k8s.example.org"]),
    ("air gap with settings of its own", "init", "1/certificatesDir", "/etc/pki"),
    ("air gap with settings of its own", "init", "1/apiServer/extraArgs/profiling", "false"),
    ("air gap with settings of its own", "init", "1/apiServer/extraArgs/audit-log-path", "-"),
    ("air gap with settings of its own", "init", "1/apiServer/extraArgs/audit-log-maxage", "30"),
    ("air gap with settings of its own", "init", "1/scheduler/extraArgs/profiling", "true"),
    ("air gap with settings of its own", "init", "1/scheduler/extraArgs/tls-min-version", "VersionTLS12"),
    # Hardened by default, and each of it has a switch.
    ("plain systemd", "init", "1/apiServer/extraArgs/profiling", "false"),
    ("plain systemd", "init", "1/apiServer/extraArgs/authentication-config", f"{READ}/authentication.yaml"),
    (
        "plain systemd",
        "init",
        "1/apiServer/extraArgs/admission-control-config-file",
        f"{READ}/admission.yaml",
    ),
    ("plain systemd", "init", "1/apiServer/extraArgs/audit-policy-file", f"{READ}/audit-policy.yaml"),
    ("plain systemd", "init", "1/apiServer/extraArgs/audit-log-path", "/var/log/kubernetes/audit/audit.log"),
    ("plain systemd", "init", "1/apiServer/extraArgs/audit-log-maxage", "30"),
    ("plain systemd", "init", "1/apiServer/extraArgs/encryption-provider-config", KEYS),
    ("plain systemd", "init", "1/apiServer/extraArgs/kubelet-certificate-authority", CA),
    ("plain systemd", "init", "1/apiServer/extraArgs/service-account-extend-token-expiration", "false"),
    (
        "plain systemd",
        "init",
        "1/apiServer/extraArgs/enable-admission-plugins",
        "NodeRestriction,DenyServiceExternalIPs,EventRateLimit",
    ),
    ("plain systemd", "init", "1/apiServer/extraVolumes/api-server/readOnly", True),
    ("plain systemd", "init", "1/apiServer/extraVolumes/encryption/hostPath", "/etc/kubernetes/encryption"),
    ("plain systemd", "init", "1/controllerManager/extraArgs/terminated-pod-gc-threshold", "1000"),
    ("plain systemd", "init", "2/serverTLSBootstrap", True),
    ("plain systemd", "init", "2/tlsCipherSuites/0", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    ("plain systemd", "admission", "plugins/PodSecurity/configuration/defaults/enforce", "restricted"),
    (
        "plain systemd",
        "admission",
        "plugins/PodSecurity/configuration/exemptions/namespaces/0",
        "kube-system",
    ),
    ("plain systemd", "admission", "plugins/EventRateLimit/configuration/limits/0/type", "Server"),
    ("plain systemd", "files", "2", f"{READ}/audit-policy.yaml"),
    ("not hardened", "admission", "plugins/PodSecurity/configuration/defaults/enforce", "privileged"),
    ("not hardened", "admission", "plugins/EventRateLimit", None),
    ("not hardened", "init", "1/apiServer/extraArgs/profiling", "true"),
    ("not hardened", "init", "1/apiServer/extraArgs/authentication-config", None),
    ("not hardened", "init", "1/apiServer/extraArgs/audit-policy-file", None),
    ("not hardened", "init", "1/apiServer/extraArgs/audit-log-path", None),
    ("not hardened", "init", "1/apiServer/extraArgs/encryption-provider-config", None),
    ("not hardened", "init", "1/apiServer/extraArgs/kubelet-certificate-authority", None),
    ("not hardened", "init", "1/apiServer/extraArgs/service-account-extend-token-expiration", "true"),
    ("not hardened", "init", "1/apiServer/extraArgs/enable-admission-plugins", "NodeRestriction"),
    ("not hardened", "init", "1/apiServer/extraVolumes/encryption", None),
    ("not hardened", "init", "1/apiServer/extraVolumes/audit", None),
    ("not hardened", "init", "2/serverTLSBootstrap", False),
    ("air gap with settings of its own", "init", "0/nodeRegistration/taints", []),
    ("air gap with settings of its own", "join", "0/nodeRegistration/taints", []),
    ("air gap with settings of its own", "worker", "0/nodeRegistration/taints/0/key", "example.org/gpu"),
    ("air gap with settings of its own", "cilium", "k8sServiceHost", "k8s.example.org"),
    ("air gap with settings of its own", "cilium", "envoy/enabled", False),
    ("air gap with settings of its own", "kubelet", "maxPods", 250),
    ("plain systemd", "worker", "0/kind", "JoinConfiguration"),
    ("plain systemd", "programs", "0/members/0/dest", "/usr/local/bin/containerd"),
    ("plain systemd", "programs", "1/dest", "/usr/local/sbin/runc"),
    ("plain systemd", "programs", "3/unpack_to", "/opt/cni/bin"),
    ("plain systemd", "programs", "4/dest", "/usr/local/bin/kubeadm"),
    (
        "air gap",
        "programs",
        "5/url",
        "https://mirror.example.org/dl.k8s.io/release/v1.36.4/bin/linux/amd64/kubelet",
    ),
    (
        "plain systemd",
        "container_runtime/containerd.service.j2",
        "Service/ExecStart",
        "/usr/local/bin/containerd",
    ),
    ("plain systemd", "containerd", f"{CRI}/{RUNC}", True),
    ("plain openrc", "containerd", f"{CRI}/{RUNC}", False),
    ("plain systemd", "containerd", "version", 3),
    ("air gap with settings of its own", "containerd", "imports/0", "/etc/containerd/conf.d/*.toml"),
    ("air gap with settings of its own", "containerd", f"{CRI}/restrict_oom_score_adj", True),
    ("air gap with settings of its own", "containerd", f"{CRI}/cni/conf_dir", "/etc/cni/net.d"),
    ("plain systemd", "container_runtime/containerd.service.j2", "Service/LimitNOFILE", "1048576"),
    ("plain systemd", "container_runtime/containerd.service.j2", "Service/Restart", "always"),
    ("plain systemd", "kubelet/kubelet.service.j2", "Service/Restart", "always"),
    ("plain openrc", "container_runtime/containerd.initd.j2", "supervisor", "supervise-daemon"),
    ("plain openrc", "kubelet/kubelet.initd.j2", "supervisor", "supervise-daemon"),
    ("plain systemd", "encryption", "disabled", False),
    ("not hardened", "encryption", "disabled", True),
    ("air gap with settings of its own", "encryption", "disabled", False),
    ("three control planes", "api_endpoint/keepalived.conf.j2", "vrrp_instance api/interface", "eth0"),
    (
        "three control planes",
        "api_endpoint/keepalived.conf.j2",
        "vrrp_instance api/unicast_src_ip",
        "192.0.2.11",
    ),
    (
        "three control planes",
        "api_endpoint/keepalived.conf.j2",
        "vrrp_instance api/unicast_peer",
        {"192.0.2.12": "", "192.0.2.13": ""},
    ),
    # Nothing moves the address back: no priorities that differ, and no preemption.
    ("three control planes", "api_endpoint/keepalived.conf.j2", "vrrp_instance api/nopreempt", ""),
    ("three control planes", "api_endpoint/keepalived.conf.j2", "vrrp_instance api/priority", "100"),
    ("three control planes", "api_endpoint/keepalived.conf.j2", "vrrp_instance api/virtual_router_id", "51"),
    ("three control planes", "api_endpoint/keepalived.service.j2", "Service/Restart", "always"),
    (
        "three control planes",
        "api_endpoint/check-api-server.j2",
        "url",
        "https://192.0.2.11:6443/readyz",
    ),
    # A replica on each of two nodes, and no more than there are nodes.
    ("runs pods", "metrics-server", "spec/replicas", 2),
    ("runs pods", "metrics-server", "spec/strategy/rollingUpdate/maxSurge", 0),
    ("plain systemd", "metrics-server", "spec/replicas", 1),
    # The only node has no place for a second one.
    ("plain systemd", "metrics-server", "spec/strategy/rollingUpdate/maxSurge", 0),
    ("plain systemd", "metrics-server", "spec/strategy/rollingUpdate/maxUnavailable", 1),
    (
        "air gap with settings of its own",
        "api_endpoint/keepalived.conf.j2",
        "vrrp_instance api/virtual_ipaddress",
        {"192.0.2.20/32": ""},
    ),
    (
        "air gap with settings of its own",
        "api_endpoint/keepalived.conf.j2",
        "vrrp_instance api/interface",
        "bond0",
    ),
    (
        "air gap with settings of its own",
        "api_endpoint/keepalived.conf.j2",
        "vrrp_instance api/virtual_router_id",
        "7",
    ),
    (
        "air gap with settings of its own",
        "api_endpoint/keepalived.initd.j2",
        "command",
        "/usr/sbin/keepalived",
    ),
    ("plain openrc", "kubelet_csr_approver/approver.initd.j2", "supervisor", "supervise-daemon"),
    ("plain openrc", "kubelet_csr_approver/approver.initd.j2", "command", "/usr/bin/python3.13"),
    (
        "air gap with settings of its own",
        "kubelet_csr_approver/approver.initd.j2",
        "command",
        "/opt/python/bin/python3",
    ),
    (
        "plain systemd",
        "kubelet_csr_approver/approver.service.j2",
        "Service/ExecStart",
        '"/usr/bin/python3.13" -ISB /usr/local/lib/baremetal-kubernetes/kubelet-csr-approver'
        " --config /etc/baremetal-kubernetes/kubelet-csr-approver.json"
        " --kubeconfig ${CREDENTIALS_DIRECTORY}/kubeconfig",
    ),
    ("plain systemd", "kubelet_csr_approver/approver.service.j2", "Service/DynamicUser", "yes"),
    ("plain openrc", "etcd_backup/backup.initd.j2", "command", "/usr/bin/python3.13"),
    ("plain openrc", "node_exporter/node_exporter.initd.j2", "command_args", "@/etc/node_exporter/arguments"),
    ("plain openrc", "node_exporter/node_exporter.initd.j2", "command_user", "node_exporter:node_exporter"),
    ("plain openrc", "node_exporter/textfile.initd.j2", "command", "/usr/bin/python3.13"),
    (
        "plain systemd",
        "node_exporter/textfile.service.j2",
        "Service/ExecStart",
        '"/usr/bin/python3.13" -ISB /usr/local/lib/baremetal-kubernetes/metrics-textfile'
        " --config /etc/baremetal-kubernetes/metrics-textfile.json",
    ),
    (
        "plain systemd",
        "node_exporter/node_exporter.service.j2",
        "Service/ExecStart",
        "/usr/local/bin/node_exporter @/etc/node_exporter/arguments",
    ),
    ("plain systemd", "exporter", "arguments/0", "--web.listen-address=192.0.2.11:9100"),
    (
        "plain systemd",
        "exporter",
        "arguments/3",
        "--collector.filesystem.mount-points-exclude=^/(dev|proc|sys|run/(containerd|credentials|netns|user)/.+"
        "|var/lib/(containerd|containers|docker|kubelet)/.+)($|/)",
    ),
    (
        "plain systemd",
        "exporter-program",
        "members/0/source",
        "node_exporter-1.12.1.linux-amd64/node_exporter",
    ),
    (
        "air gap with settings of its own",
        "exporter-program",
        "url",
        "https://mirror.example.org/github.com/prometheus/node_exporter/releases/download/v1.12.1/"
        "node_exporter-1.12.1.linux-amd64.tar.gz",
    ),
    ("plain systemd", "metrics", "common_name", "prometheus:cp1"),
    ("plain systemd", "metrics", "names", ["cp1", "192.0.2.11"]),
    (
        "plain systemd",
        "node_exporter/web.yml.j2",
        "tls_server_config/client_allowed_sans",
        ["cp1", "prometheus.kubernetes"],
    ),
    ("air gap with settings of its own", "exporter", "arguments/7", "--collector.processes"),
    ("air gap with settings of its own", "textfile", "interval", 30),
    (
        "plain systemd",
        "etcd_backup/backup.service.j2",
        "Service/ExecStart",
        '"/usr/bin/python3.13" -ISB /usr/local/lib/baremetal-kubernetes/kubernetes-etcd-backup'
        " --config /etc/baremetal-kubernetes/etcd-backup.json",
    ),
    ("air gap with settings of its own", "backup", "interval", 6),
    ("air gap with settings of its own", "backup", "keep", 30),
    ("plain systemd", "kubelet_csr_approver/approver.service.j2", "Service/Restart", "always"),
    ("plain systemd", "approver", "nodes/cp1/addresses", ["192.0.2.11"]),
    ("plain systemd", "approver", "interval", 30),
    ("air gap with settings of its own", "approver", "nodes/cp1/names", ["cp1.example.org"]),
    ("plain openrc", "kubelet/kubelet.initd.j2", "respawn_max", "0"),
    ("runs pods", "kubelet", "resolvConf", "/run/systemd/resolve/resolv.conf"),
    ("air gap with settings of its own", "kubelet/kubelet.initd.j2", "rc_ulimit", "-n 20000"),
    ("plain systemd", "proxy", "https", ""),
    ("plain systemd", "proxy", "no_proxy", []),
    ("plain systemd", "environment", "content", f"# {MARKER}\n"),
    ("air gap with settings of its own", "proxy", "http", "http://192.0.2.3:3128"),
    ("air gap with settings of its own", "proxy", "http_credentials", ""),
    ("air gap with settings of its own", "proxy", "https", "http://192.0.2.3:3128"),
    ("air gap with settings of its own", "proxy", "https_credentials", "user:p%40ss"),
    ("air gap with settings of its own", "proxy", "no_proxy", DIRECT),
    (
        "air gap with settings of its own",
        "environment",
        "secret",
        f"# {MARKER}\nHTTP_PROXY='http://192.0.2.3:3128'\nHTTPS_PROXY='http://user:p%40ss@192.0.2.3:3128'\n"
        f"NO_PROXY='{','.join(DIRECT)}'\n",
    ),
    (
        "plain systemd",
        "container_runtime/containerd.service.j2",
        "Service/EnvironmentFile",
        "-/etc/containerd/proxy.env",
    ),
    ("air gap", "container_runtime/hosts.toml.j2", "server", "https://registry-1.docker.io"),
)


@pytest.mark.parametrize("site", [name for name in SITES if name.endswith(", as text")])
def test_options_given_as_text_mean_the_same(site: str, rendered: Callable[[str], Path]) -> None:
    same, text = rendered(site.removesuffix(", as text")), rendered(site)
    different = [name for name in KINDS if _file(same, name).read_bytes() != _file(text, name).read_bytes()]
    assert different == []


@pytest.mark.parametrize(("site", "name", "path", "value"), EXPECTED)
def test_value(site: str, name: str, path: str, value: Any, rendered: Callable[[str], Path]) -> None:
    assert _get(PARSERS[KINDS[name]](_file(rendered(site), name)), path) == value


@pytest.mark.parametrize("name", [name for name in TEMPLATES if name.endswith(".initd.j2")])
def test_init_script_begins_with_its_interpreter(name: str, rendered: Callable[[str], Path]) -> None:
    # In the template a comment comes first: ansible-test takes a file that begins with `#!` for a program.
    assert (
        _file(rendered("plain openrc"), name).read_text(encoding="utf-8").startswith("#!/sbin/openrc-run\n")
    )


def test_pulls_go_to_the_mirror_and_trust_its_ca(rendered: Callable[[str], Path]) -> None:
    hosts = tomllib.loads(
        (rendered("air gap") / "container_runtime/hosts.toml.j2").read_text(encoding="utf-8")
    )["host"]
    assert set(hosts) == {"https://192.0.2.5:5443/v2/docker.io"}
    (mirror,) = hosts.values()
    assert mirror["override_path"] is True
    assert mirror["capabilities"] == ["pull", "resolve"]
    assert mirror["ca"] == "/etc/baremetal-kubernetes/mirror-ca.crt"


def test_a_path_of_the_registry_is_part_of_the_repository(rendered: Callable[[str], Path]) -> None:
    path = rendered("air gap with settings of its own") / "container_runtime/hosts.toml.j2"
    assert (
        tomllib.loads(path.read_text(encoding="utf-8"))["server"]
        == "https://192.0.2.5:5443/v2/project/docker.io"
    )


def test_a_mirror_alone_has_no_way_to_upstream(rendered: Callable[[str], Path]) -> None:
    """containerd tries the server of the file last, and upstream only when the file has none."""
    hosts = tomllib.loads(
        (rendered("air gap with settings of its own") / "container_runtime/hosts.toml.j2").read_text(
            encoding="utf-8"
        )
    )
    assert hosts["server"].startswith("https://192.0.2.5:5443/v2/")
    assert hosts["override_path"] is True
    assert hosts["capabilities"] == ["pull", "resolve"]
    assert "host" not in hosts
    assert "docker.io:" not in str(hosts) and "registry-1" not in str(hosts)


@pytest.mark.parametrize(
    ("both", "taints"),
    [(True, []), (False, [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}])],
)
def test_a_control_plane_that_is_a_worker_too_has_no_taints(
    both: bool, taints: list[Any], rendered: Callable[[str], Path]
) -> None:
    site = "runs pods" if both else "plain systemd"
    for name in ("init", "join"):
        document = yaml.safe_load((rendered(site) / f"{name}.document").read_text(encoding="utf-8"))[0]
        assert document["nodeRegistration"]["taints"] == taints
    found = yaml.safe_load((rendered(site) / "taints.document").read_text(encoding="utf-8"))
    assert {name: item["runs_pods"] for name, item in found.items()} == {"cp1": both}
    assert found["cp1"]["taints"] == [
        {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
    ]


def test_what_is_declared_for_nodes_is_passed_for_each(rendered: Callable[[str], Path]) -> None:
    for site, labels in (
        ("plain systemd", {}),
        ("air gap with settings of its own", {"disk": "ssd"}),
        ("air gap with settings of its own, as text", {"disk": "ssd"}),
    ):
        found = yaml.safe_load((rendered(site) / "declared.document").read_text(encoding="utf-8"))
        assert found["cp1"]["labels"] == labels
        assert set(found["cp1"]) == {"labels", "annotations", "taints"}


def test_directories_that_pods_write_to_belong_to_root(rendered: Callable[[str], Path]) -> None:
    """Cilium's init containers have no capability to write where another user's directory forbids it."""
    listed = yaml.safe_load((rendered("plain systemd") / "directories.document").read_text(encoding="utf-8"))
    found = {item["path"]: item for item in listed}
    for path in ("/opt/cni", "/opt/cni/bin", "/etc/cni", "/etc/cni/net.d"):
        # The defaults of `artifact`: root, 0755.
        assert not {"mode", "owner", "group"} & set(found[path])


@pytest.mark.parametrize("case", ["refused", "accepted"])
def test_the_interpreter_of_the_approver_is_a_plain_path(case: str, tmp_path: Path) -> None:
    """It stands in a unit, where % and $ mean something, and in a shell script."""
    values = {
        "refused": [
            "python3",
            "/opt/my python",
            "/opt/%h/python3",
            "/opt/$x",
            "/opt/a;reboot",
            "/usr/bin/python3\n",
            '"/a"',
        ],
        "accepted": [
            "/usr/bin/python3.13",
            "/opt/py-3.13_x/bin/python3",
            "/usr/lib/python-exec/python3.13/python3",
        ],
    }[case]
    role = repo.load(repo.REPO / "roles/kubelet_csr_approver/vars/main.yml")
    names = ("__kubelet_csr_approver_python", "__kubelet_csr_approver_interpreter")
    play = {
        "name": "Evaluate",
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {name: role[name] for name in names},
        "tasks": [
            {
                "ansible.builtin.debug": {"msg": "{{ __kubelet_csr_approver_interpreter }}"},
                "vars": {"kubelet_csr_approver_python": "{{ item }}"},
                "loop": values,
                "ignore_errors": True,
                "register": "done",
            },
            {
                "ansible.builtin.assert": {
                    "that": [
                        "done.results | selectattr('failed') | length == "
                        + str(len(values) if case == "refused" else 0),
                        "done.results | map(attribute='msg') | select('search', 'expected an absolute path') | length"
                        " == done.results | selectattr('failed') | length",
                    ],
                }
            },
        ],
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False), encoding="utf-8")
    repo.run(
        ["ansible-playbook", "-i", "localhost,", "-c", "local", "play.yml"],
        cwd=tmp_path,
        env={"ANSIBLE_CONFIG": str(repo.REPO / "ansible.cfg")},
    )


def _role_variables() -> dict[str, Any]:
    """Defaults and variables of the roles that the allow-list is made of."""
    variables: dict[str, Any] = {}
    for role in ("cluster", "node", "kubelet_csr_approver"):
        for path in sorted((repo.REPO / "roles" / role).glob("*/**/*.yml")):
            if path.parts[-2] in {"defaults", "vars"} or path.parts[-3] == "vars":
                variables |= repo.load(path)
    return variables


def _assert_allow_list(
    directory: Path, inventory: dict[str, Any], play: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Compare the allow-list that a host of the play would get."""
    play |= {
        "name": "Evaluate",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.assert": {"that": f"__kubelet_csr_approver_nodes == {expected!r}"}}],
    }
    (directory / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False), encoding="utf-8")
    (directory / "inventory.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    repo.run(
        ["ansible-playbook", "-i", "inventory.yml", "-c", "local", "play.yml"],
        cwd=directory,
        env={"ANSIBLE_CONFIG": str(repo.REPO / "ansible.cfg"), "ANSIBLE_INJECT_FACT_VARS": "false"},
    )


def _plane(index: int, name: str, pins: dict[str, Any]) -> dict[str, Any]:
    """What `node_info` says of a control plane whose approver has an allow-list."""
    plane = _node(SITES["plain systemd"], index, name)
    plane["node"] |= {
        "kubernetes": {"state": "member", "role": "control_plane", "cluster_id": "x"},
        "security": {"serving_nodes": pins},
    }
    return plane


def _pins(*names: str) -> dict[str, Any]:
    return {
        name: {"host": name, "addresses": [f"192.0.2.{number}"], "names": []}
        for number, name in enumerate(names, 11)
    }


def test_the_allow_list_without_a_removed_host(tmp_path: Path) -> None:
    """As the role reset updates it: the play has the removed host alone, and the delegate has observed itself."""
    pins = _pins("cp1", "w1", "w2")
    play = {
        "hosts": "w1",
        "vars": {
            **_role_variables(),
            "node_info": _node(SITES["plain systemd"], 9, "w1"),
            "kubelet_csr_approver_removed_hosts": ["w1"],
            "__node_observed": {"results": [{"item": "cp1", "unreachable": False, **_plane(1, "cp1", pins)}]},
        },
    }
    inventory = {"control_plane": {"hosts": {"cp1": None}}, "worker": {"hosts": {"w1": None, "w2": None}}}
    expected = {name: entry for name, entry in pins.items() if name != "w1"}
    _assert_allow_list(tmp_path, inventory, play, expected)


def test_the_allow_list_keeps_what_a_removed_control_plane_knew(tmp_path: Path) -> None:
    """As remove_node updates it: add_node has told of the new worker w1 on its delegate cp1 only, and cp1 leaves."""
    pins = _pins("cp1", "cp2", "w1")
    expected = {name: entry for name, entry in pins.items() if name != "cp1"}
    known = {name: entry for name, entry in pins.items() if name != "w1"}
    leaving, staying = _plane(1, "cp1", pins), _plane(2, "cp2", known)
    play = {
        "hosts": "cp2",
        "vars": {
            **_role_variables(),
            "__node_observed": {"results": [{"item": "cp2", "unreachable": False, **staying}]},
        },
    }
    planes = {"cp1": {"node_info": leaving}, "cp2": {"node_info": staying}}
    inventory = {
        "control_plane": {"hosts": planes},
        "worker": {"hosts": {"w1": None}},
        "nodes_to_remove": {"hosts": {"cp1": None}},
    }
    _assert_allow_list(tmp_path, inventory, play, expected)
