# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a run: file modes, no secret in files, arguments or logs, no upstream request, idempotence."""

from __future__ import annotations

import base64
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.config import Settings
from lab.network import queries_log
from tests.infra.cluster import Cluster
from tests.infra.hosts import Host

ROOT_ONLY = 0o600
#: Files and directories with secrets: group of hosts, shell pattern, most permissive mode.
SECRETS = (
    ("control_plane", "/etc/kubernetes/*.conf", ROOT_ONLY),
    ("control_plane", "/etc/kubernetes/pki/*.key", ROOT_ONLY),
    ("control_plane", "/etc/kubernetes/pki/etcd/*.key", ROOT_ONLY),
    ("control_plane", "/etc/kubernetes/encryption/*", ROOT_ONLY),
    ("control_plane", "/etc/kubernetes/api-server/*", ROOT_ONLY),
    ("control_plane", "/var/log/kubernetes/audit/*", ROOT_ONLY),
    ("worker", "/etc/kubernetes/kubelet.conf", ROOT_ONLY),
    ("all", "/var/lib/kubelet/config.yaml", ROOT_ONLY),
    ("all", "/var/lib/kubelet", 0o750),
    ("all", "/var/lib/kubelet/pki/*.pem", ROOT_ONLY),
    ("all", "/etc/kubernetes/manifests", 0o700),
)
SECRET_WORDS = "PRIVATE KEY-----|client-key-data:|^ *token:|certificateKey:|certificate-key"
#: Where Kubernetes software comes from when there is no mirror.
UPSTREAM = (
    "cdn.dl.k8s.io",
    "dl.k8s.io",
    "docker.io",
    "gcr.io",
    "get.helm.sh",
    "ghcr.io",
    "github.com",
    "githubusercontent.com",
    "helm.cilium.io",
    "pkg.dev",
    "quay.io",
    "registry.k8s.io",
)
#: kubeadm's bootstrap tokens: 6 and 16 characters. With a digit in the longer part, so that words do not match.
TOKEN = re.compile(r"(?<![\w.-])[a-z0-9]{6}\.(?=[a-z]*[0-9])[a-z0-9]{16}(?![\w.-])")
RECAP = re.compile(
    r"(?P<host>\S+)\s+: ok=\d+\s+changed=(?P<changed>\d+)\s+unreachable=(?P<unreachable>\d+)\s+failed=(?P<failed>\d+)"
)


@pytest.fixture(scope="module")
def log() -> str:
    path = Path(os.environ["ANSIBLE_LOG_PATH"])
    assert path.exists(), f"no log of Ansible at {path}: run converge and idempotence first"
    return path.read_text(encoding="utf-8", errors="replace")


@pytest.mark.parametrize(("group", "pattern", "widest"), SECRETS)
def test_file_is_readable_by_root_only(group: str, pattern: str, widest: int, hosts: dict[str, Host]) -> None:
    concerned = [h for h in hosts.values() if group == "all" or h.control_plane == (group == "control_plane")]
    wrong = [
        f"{host.name}:{path}: mode {mode:04o}, owner {owner}; expected at most {widest:04o} and root:root"
        for host in concerned
        for path, mode, owner in host.modes(pattern)
        if mode & ~widest or owner != "root:root"
    ]
    assert not wrong, "\n".join(wrong)


def test_etcd_data_belongs_to_user_etcd(hosts: dict[str, Host]) -> None:
    found = [list(host.modes("/var/lib/etcd")) for host in hosts.values() if host.control_plane]
    assert found == [[("/var/lib/etcd", 0o700, "etcd:etcd")]] * len(found)
    assert found


@pytest.mark.parametrize("name", ["cp1", "w1", "w2"])
def test_no_world_readable_file_contains_a_secret(name: str, hosts: dict[str, Host]) -> None:
    """Only files that other users can reach: they need execute permission on each directory above."""
    places = "/etc/kubernetes /etc/containerd /etc/cni /var/lib/kubelet /var/lib/baremetal-kubernetes /var/log /tmp"
    command = (
        f"for f in {places}; do [ -e $f ] &&"
        " find $f -xdev -type d ! -perm -0001 -prune -o -type f -perm /0004 -print0;"
        f" done | xargs -0 -r grep -lEs -e '{SECRET_WORDS}' --"
    )
    code, found = hosts[name].run(command)
    assert code in (0, 1, 123), found
    assert not found.strip(), f"{name}: world-readable files with a secret:\n{found}"


def test_kubeconfig_is_readable_by_its_owner_only(cluster: Cluster) -> None:
    assert stat.S_IMODE(cluster.kubeconfig.stat().st_mode) == 0o600
    assert stat.S_IMODE(cluster.kubeconfig.parent.stat().st_mode) == 0o700


def test_no_bootstrap_token_is_left(cluster: Cluster) -> None:
    secrets = "/api/v1/namespaces/kube-system/secrets"
    assert cluster.query(secrets, "items[?type=='bootstrap.kubernetes.io/token'].metadata.name") == []
    assert "kubeadm-certs" not in cluster.query(secrets, "items[].metadata.name")


@pytest.mark.parametrize("name", ["cp1", "w1", "w2"])
def test_no_secret_is_in_process_arguments(name: str, hosts: dict[str, Host]) -> None:
    lines = hosts[name].check("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; true")
    assert "kubelet" in lines
    assert not TOKEN.search(lines)
    assert "PRIVATE KEY" not in lines


def _secrets_of(cluster: Cluster) -> dict[str, str]:
    users: dict[str, Any] = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))["users"][0]["user"]
    encoded = users["client-key-data"]
    key = base64.b64decode(encoded).decode()
    return {"key of the kubeconfig": key.splitlines()[1], "key of the kubeconfig, encoded": encoded[:64]}


def test_ansible_log_contains_no_secret(log: str, cluster: Cluster, hosts: dict[str, Host]) -> None:
    assert "TASK [" in log and "PLAY RECAP" in log, "the log has no complete run"
    keys = re.findall(r"secret: (\S{40,})", hosts["cp1"].check("cat /etc/kubernetes/encryption/config.yaml"))
    assert len(keys) == 1
    secrets = {**_secrets_of(cluster), "key that Secrets are encrypted with": keys[0]}
    found = [name for name, value in secrets.items() if value in log]
    assert not found, f"in the log: {found}"
    # With content: programs that the roles place search for the first line themselves.
    assert not re.search(r"PRIVATE KEY-----(?:\\+n|\s)+[A-Za-z0-9+/=]{20}", log)
    tokens = {match.group() for match in TOKEN.finditer(log)}
    assert not tokens, (
        f"{len(tokens)} strings that look like join tokens, the first begins with {min(tokens)[:6]}"
    )


def _recaps(log: str) -> list[dict[str, re.Match[str]]]:
    """The recap of each run on hosts of the cluster, by host."""
    recaps: list[dict[str, re.Match[str]]] = []
    inside = False
    for line in log.splitlines():
        if "PLAY RECAP" in line:
            recaps.append({})
            inside = True
        elif inside and (match := RECAP.search(line)):
            recaps[-1][match["host"]] = match
        elif line.strip():
            inside = False
    return [recap for recap in recaps if set(recap) - {"localhost"}]


def test_second_run_changed_nothing_on_any_host(log: str, hosts: dict[str, Host]) -> None:
    recaps = _recaps(log)
    assert len(recaps) >= 2, "expected a run that creates the cluster and one that changes nothing"
    first, last = recaps[-2:]
    assert any(match["changed"] != "0" for match in first.values()), (
        "the run before the last one changed nothing"
    )
    assert set(hosts) <= set(last)
    wrong = {
        host: match.group()
        for host, match in last.items()
        if (match["changed"], match["unreachable"], match["failed"]) != ("0", "0", "0")
    }
    assert not wrong


def test_no_host_resolved_an_upstream_name(lab: Settings) -> None:
    queries = re.findall(r"query\[\w+\] (\S+) from (\S+)", queries_log(lab.paths).read_text(encoding="utf-8"))
    assert queries, "the resolver has logged no query"
    asked = sorted(
        {
            f"{source} queried {name}"
            for name, source in queries
            if any(name.lower() == host or name.lower().endswith(f".{host}") for host in UPSTREAM)
        }
    )
    assert not asked, "\n".join(asked)
