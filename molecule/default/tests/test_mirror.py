# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook `mirror`: its list is complete, and the images that it downloads can be pushed to a registry.

It downloads from the lab's own mirror, as upstream is not reachable.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.config import Settings
from lab.mirror import REGISTRY_PROGRAM
from tests import releases
from tests.infra.cluster import Cluster
from tests.infra.hosts import REPO, Host
from tests.infra.waiting import wait_for


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mirror") / "site"


def _run(inventory: Path, variables: dict[str, Any], **more: str) -> str:
    """Run the playbook; returns what it changed, from the recap."""
    given = {
        "mirror_files_url": variables["cluster_files_url"],
        "mirror_registry": variables["cluster_registry"],
        "mirror_ca_file": variables["cluster_ca_file"],
        **more,
    }
    done = subprocess.run(
        ["ansible-playbook", "-i", str(inventory), "baremetal.kubernetes.mirror", "-e", json.dumps(given)],
        cwd=REPO,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.partition("PLAY RECAP")[2]


@pytest.fixture(scope="module")
def listing(inventory: Path, variables: dict[str, Any], directory: Path) -> dict[str, Any]:
    """The list of the downloaded directory."""
    _run(inventory, variables, mirror_directory=str(directory))
    found: dict[str, Any] = json.loads((directory / "list.json").read_text(encoding="utf-8"))
    return found


def test_list_has_the_images_of_kubeadm(
    listing: dict[str, Any], hosts: dict[str, Host], variables: dict[str, Any]
) -> None:
    version = variables["cluster_kubernetes_version"]
    host = next(host for host in hosts.values() if host.control_plane)
    code, answer = host.run(f"/usr/local/bin/kubeadm config images list --kubernetes-version v{version}")
    assert code == 0, answer
    # The cluster runs without kube-proxy.
    wanted = {line for line in answer.split() if "/kube-proxy:" not in line}
    images = [image for image in listing["images"] if image["origin"].startswith("kubernetes ")]
    assert wanted == {image["path"] for image in images}
    # Copied by the digests that the inventory requires.
    locked = variables["cluster_image_digests"]
    assert {image["reference"] for image in images} == {f"{image}@{locked[image]}" for image in wanted}


def test_list_has_the_images_of_all_running_pods(listing: dict[str, Any], cluster: Cluster) -> None:
    images = cluster.pods("kube-system", expression="spec.[containers, initContainers][][].image").values()
    running = {image for pod in images for image in pod}
    assert running
    listed = {name for image in listing["images"] for name in (image["path"], image["reference"])}
    assert running <= listed


def test_directory_has_every_file_with_its_checksum(listing: dict[str, Any], directory: Path) -> None:
    lock = yaml.safe_load((REPO / "roles/cluster/vars/main/releases.yml").read_text(encoding="utf-8"))
    # Without mirror_platform and mirror_metrics, what these alone need is not part of it.
    wanted = set(lock["cluster_releases"]) - releases.of_platform()
    assert {file["component"] for file in listing["files"]} == wanted
    for file in listing["files"]:
        with (directory / "files" / file["path"]).open("rb") as stream:
            assert f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}" == file["checksum"]


def test_second_run_changes_nothing(
    listing: dict[str, Any], inventory: Path, variables: dict[str, Any], directory: Path
) -> None:
    recap = _run(inventory, variables, mirror_directory=str(directory))
    assert set(re.findall(r"changed=(\d+)", recap)) == {"0"}, recap


@pytest.fixture
def registry(lab: Settings, tmp_path: Path) -> Iterator[str]:
    """The address of an empty registry."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    storage = {"filesystem": {"rootdirectory": str(tmp_path / "registry")}}
    configuration = tmp_path / "registry.yml"
    configuration.write_text(yaml.safe_dump({"version": 0.1, "storage": storage, "http": {"addr": address}}))
    program = str(lab.paths.artifacts_cache / REGISTRY_PROGRAM)
    with subprocess.Popen(
        [program, "serve", str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            wait_for("the registry listens", lambda: _listens(address), seconds=20)
            yield address
        finally:
            server.terminate()


def _listens(address: str) -> bool:
    host, _colon, port = address.partition(":")
    with socket.socket() as client:
        return client.connect_ex((host, int(port))) == 0


def test_documented_command_pushes_the_images(
    listing: dict[str, Any], directory: Path, registry: str
) -> None:
    guide = (REPO / "docs" / "airgap.md").read_text(encoding="utf-8")
    command = "skopeo sync --src dir --dest docker --scoped --all --preserve-digests"
    assert command in guide
    subprocess.run(
        [*command.split(), "--dest-tls-verify=false", str(directory / "images"), registry],
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=300,
    )
    for image in listing["images"]:
        raw = subprocess.run(
            ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{registry}/{image['path']}"],
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
        ).stdout
        assert raw == (directory / "images" / image["path"] / "manifest.json").read_bytes()
