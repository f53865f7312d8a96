# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry decides what a tag names, but not what the cluster runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.config import Settings
from lab.network import queries_log
from tests.infra.hosts import Host
from tests.infra.playbook import Playbook

AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"
CRICTL = "/usr/local/bin/crictl"


def digests(host: Host) -> dict[str, list[str]]:
    """Digests of a host's images, by reference with a tag."""
    images = json.loads(host.check(f"{CRICTL} images -o json"))["images"]
    return {tag: image["repoDigests"] for image in images for tag in image["repoTags"]}


@pytest.mark.parametrize("name", ["cp1", "w1", "w2"])
def test_nodes_run_the_images_of_the_lock_file(
    name: str, hosts: dict[str, Host], variables: dict[str, Any]
) -> None:
    found = digests(hosts[name])
    verified = {image for image in variables["cluster_image_digests"] if image in found}
    assert any("/pause:" in image for image in verified)
    assert hosts[name].control_plane == any("/kube-apiserver:" in image for image in verified)
    for image in verified:
        wanted = f"{image.rpartition(':')[0]}@{variables['cluster_image_digests'][image]}"
        assert wanted in found[image], image


def test_another_image_is_refused_before_kubeadm_runs(
    hosts: dict[str, Host], inventory: Path, tmp_path: Path
) -> None:
    """On a host of which the module sees an empty directory, so that it has everything to do."""
    play = tmp_path / "join.yml"
    options = {
        "operation": "join",
        "role": "worker",
        "token": "abcdef.0123456789abcdef",
        "ca_cert_hashes": ["sha256:" + "0" * 64],
        "api_server_endpoint": "192.0.2.1:6443",
        "root": "/run/empty",
        "kubeadm_path": "/run/empty/kubeadm",
        "images": {AGNHOST: "sha256:" + "0" * 64},
    }
    tasks = [
        {"ansible.builtin.file": {"path": "/run/empty", "state": "directory", "mode": "0700"}},
        {"baremetal.kubernetes.kubeadm": options},
    ]
    play.write_text(
        yaml.safe_dump([{"hosts": "w2", "gather_facts": False, "become": True, "tasks": tasks}]),
        encoding="utf-8",
    )
    run = Playbook(inventory, tmp_path, name=str(play)).run().expect(code=2)
    assert f"{AGNHOST} has the digest sha256:" in run.text
    assert "expected sha256:0000" in run.text
    assert AGNHOST not in digests(hosts["w2"])


def asked(lab: Settings, host: Host) -> int:
    """How often a host has asked the resolver for upstream's registry."""
    queries = queries_log(lab.paths).read_text(encoding="utf-8")
    address = host.check("ip -4 -o address show eth0 | grep -o '[0-9.]*/' | head -1 | tr -d /").strip()
    return len(re.findall(rf"query\[\w+\] registry\.k8s\.io from {re.escape(address)}\b", queries))


def test_a_mirror_alone_is_the_only_way(
    hosts: dict[str, Host], inventory: Path, lab: Settings, tmp_path: Path
) -> None:
    host, nodes = hosts["w1"], Playbook(inventory, tmp_path, name="baremetal.kubernetes.prepare_nodes")
    unknown = f"{CRICTL} pull registry.k8s.io/nobody/has-this:1"
    before = asked(lab, host)
    host.run(unknown)
    seen = asked(lab, host)
    assert seen > before, "containerd did not fall back to upstream, so this test shows nothing"
    try:
        nodes.run("--limit", host.name, "-e", '{"container_runtime_mirror_only": true}').expect()
        assert host.run(unknown)[0] != 0
        assert asked(lab, host) == seen
        host.check(f"{CRICTL} pull {AGNHOST}")
    finally:
        nodes.run("--limit", host.name).expect()
