# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller: a control plane that was taken over, proxies of the environment, and what verbose logs show."""

from __future__ import annotations

import base64
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.cluster import Cluster
from tests.infra.hosts import REPO, Host
from tests.infra.playbook import Playbook

ADMIN_CONF = "/etc/kubernetes/admin.conf"
ENCRYPTION = "/etc/kubernetes/encryption/config.yaml"
BOOTSTRAP_TOKEN = re.compile(r"(?<![a-z0-9])[a-z0-9]{6}\.[a-z0-9]{16}(?![a-z0-9])")
#: Nothing listens there.
NOWHERE = "http://127.0.0.1:9"


def _playbook(inventory: Path, directory: Path, name: str) -> Playbook:
    return Playbook(inventory, directory, name=f"baremetal.kubernetes.{name}")


@pytest.fixture
def control_plane(inventory: Path, tmp_path: Path) -> Playbook:
    return _playbook(inventory, tmp_path, "control_plane")


def test_the_kubeconfig_of_a_host_that_was_taken_over_is_not_loaded(
    hosts: dict[str, Host], cluster: Cluster, control_plane: Playbook, tmp_path: Path
) -> None:
    """helm, kubernetes.core and the audit run what users[].user.exec says, as the operator."""
    cp1, mark, kept = hosts["cp1"], tmp_path / "taken", cluster.kubeconfig.read_bytes()
    program = f"{{apiVersion: client.authentication.k8s.io/v1, command: /bin/sh, args: [-c, touch {mark}]}}"
    cp1.check(f"cp -p {ADMIN_CONF} /root/admin.conf && printf '    exec: {program}\\n' >> {ADMIN_CONF}")
    try:
        run = control_plane.run()
    finally:
        cp1.check(f"mv /root/admin.conf {ADMIN_CONF}")
    assert run.code != 0
    assert "was not copied to the controller: the user has 'exec'" in run.text
    assert cluster.kubeconfig.read_bytes() == kept
    assert not mark.exists()


def test_the_kubeconfig_is_of_our_making_and_its_directory_stays(
    hosts: dict[str, Host], control_plane: Playbook, tmp_path: Path
) -> None:
    common = tmp_path / "common"
    common.mkdir()
    common.chmod(0o1777)
    copy = common / "kubeconfig"
    control_plane.run("-e", f"cluster_kubeconfig={copy}").expect()
    control_plane.run("-e", f"cluster_kubeconfig={copy}").expect_quiet()
    assert stat.S_IMODE(common.stat().st_mode) == 0o1777
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert yaml.safe_load(copy.read_text()) == _without(
        yaml.safe_load(hosts["cp1"].check(f"cat {ADMIN_CONF}")), "preferences"
    )


def _without(config: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name != key}


def _secrets(hosts: dict[str, Host], kubeconfig: Path) -> dict[str, str]:
    """Secrets that this run moves, by what they are, each a part that no other text has."""
    user = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]
    key = base64.b64decode(user["client-key-data"]).decode()
    admin = hosts["cp1"].check(f"cat {ADMIN_CONF}")
    encryption = yaml.safe_load(hosts["cp1"].check(f"cat {ENCRYPTION}"))
    provider = next(
        item["secretbox"] for item in encryption["resources"][0]["providers"] if "secretbox" in item
    )
    return {
        "client key": key.splitlines()[1],
        "client key in base64": user["client-key-data"][60:120],
        "admin.conf as slurp gives it": base64.b64encode(admin.encode()).decode()[:120],
        "encryption key": provider["keys"][0]["secret"],
    }


#: What a join moves, without one: the key for encryption at rest, a token, and the key of uploaded certificates.
MOVED = """
- hosts: cp1
  gather_facts: false
  become: true
  tasks:
    - name: Read the key as a control plane that joins gets it
      baremetal.kubernetes.encryption_config:
        reveal: true
      no_log: true
    - name: Create what a control plane joins with
      baremetal.kubernetes.bootstrap_token:
        ttl: 300
        control_plane: true
      register: token
      no_log: true
    - name: Keep it for the test
      ansible.builtin.copy:
        content: "{{ token.token }} {{ token.certificate_key }}"
        dest: "{{ playbook_dir }}/token"
        mode: "0600"
      delegate_to: localhost
      become: false
      no_log: true
    - name: Delete it
      baremetal.kubernetes.bootstrap_token:
        state: absent
        token_id: "{{ token.token_id }}"
        control_plane: true
"""


def test_the_most_verbose_log_shows_no_secret(
    hosts: dict[str, Host], cluster: Cluster, inventory: Path, control_plane: Playbook, tmp_path: Path
) -> None:
    """The connection prints what programs print on the host, unless the task or the action keeps it from that."""
    secrets = _secrets(hosts, cluster.kubeconfig)
    moved = tmp_path / "moved.yml"
    moved.write_text(MOVED)
    text = (
        Playbook(inventory, tmp_path, name=str(moved)).run("-vvvv", "--diff", log="moved.log").expect().text
    )
    cluster.kubeconfig.unlink()
    text += control_plane.run("-vvvv", "--diff").expect().text
    assert cluster.kubeconfig.exists()
    assert "SSH: EXEC" in text
    token, key = (tmp_path / "token").read_text().split()
    secrets |= {"token": token, "certificate key": key}
    assert BOOTSTRAP_TOKEN.fullmatch(token)
    assert [name for name, secret in secrets.items() if secret in text] == []
    assert set(BOOTSTRAP_TOKEN.findall(text)) == set()
    assert not re.search(r"PRIVATE KEY-----[\\nr\s]*[A-Za-z0-9+/]{40}", text)


def test_proxies_of_the_environment_are_not_for_the_api(
    inventory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, NOWHERE)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    # helm and kubernetes.core, and the client of this collection.
    for name in ("network", "verify"):
        _playbook(inventory, tmp_path, name).run(log=f"{name}.log").expect_quiet()


def test_the_error_names_the_proxy(cluster: Cluster, tmp_path: Path) -> None:
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["proxy-url"] = "http://user:pa55word@127.0.0.1:9"
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "ansible"),
            *("-i", "localhost,", "localhost", "-m", "baremetal.kubernetes.cluster_health"),
            *("-a", f"kubeconfig={path}"),
        ],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "through the proxy http://<hidden>@127.0.0.1:9" in done.stdout
    assert "pa55word" not in done.stdout + done.stderr
