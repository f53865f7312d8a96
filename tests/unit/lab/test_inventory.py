# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory: what Ansible and the roles are told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lab import inventory
from lab.config import Settings, settings
from lab.inventory import Machine
from lab.state import HostRecord

RECORDS = [
    HostRecord("cp1", "systemd", "control_plane", "10.61.0.10", "b"),
    HostRecord("w1", "systemd", "worker", "10.61.0.11", "b"),
    HostRecord("w2", "openrc", "worker", "10.61.0.12", "b"),
]
PLAIN = Machine(unified=False)
CHECKSUMS = {"kubelet": {"1.36.4": {"amd64": "sha256:00"}}}


@pytest.fixture
def lab(tmp_path: Path) -> Settings:
    return settings(
        {"BMK_LAB_STATE": str(tmp_path / "state"), "BMK_LAB_INVENTORY": str(tmp_path / "inventory")}
    )


def test_ansible_reads_groups_and_connection(lab: Settings) -> None:
    inventory.write(lab, RECORDS, CHECKSUMS)
    command = [
        str(Path(sys.executable).with_name("ansible-inventory")),
        "-i",
        str(lab.paths.inventory),
        "--list",
    ]
    environment = {**os.environ, "ANSIBLE_LOCALHOST_WARNING": "false"}
    data = json.loads(
        subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    )
    assert data["control_plane"]["hosts"] == ["cp1"]
    assert data["worker"]["hosts"] == ["w1", "w2"]
    variables = data["_meta"]["hostvars"]["w2"]
    assert variables["ansible_host"] == "10.61.0.12"
    assert variables["ansible_user"] == "root"
    assert variables["ansible_ssh_private_key_file"] == str(lab.paths.ssh / "id_ed25519")
    assert f"UserKnownHostsFile={lab.paths.known_hosts}" in variables["ansible_ssh_common_args"]
    assert "StrictHostKeyChecking=yes" in variables["ansible_ssh_common_args"]
    assert variables["cluster_checksums"] == CHECKSUMS


def test_groups_exist_without_hosts(lab: Settings) -> None:
    children = inventory.hosts(lab, RECORDS[:1])["all"]["children"]
    assert children["worker"] == {"hosts": {}}


def test_mirror_is_named_with_artifacts_only(lab: Settings) -> None:
    with_mirror = inventory.variables(lab, CHECKSUMS, PLAIN)
    assert with_mirror["cluster_files_url"] == "https://10.61.0.1:8443"
    assert with_mirror["cluster_registry"] == "10.61.0.1:5443"
    assert with_mirror["cluster_ca_file"] == str(lab.paths.pki / "ca.crt")
    without = inventory.variables(lab, None, PLAIN)
    assert not [
        name for name in without if name in ("cluster_files_url", "cluster_registry", "cluster_ca_file")
    ]


def test_control_group_root_is_where_the_hosts_init_mounts_it() -> None:
    roots = [inventory.network_values(Machine(unified))["cgroup"]["hostRoot"] for unified in (False, True)]
    assert roots == ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]


def test_cilium_asks_for_no_capability_that_the_machine_withholds() -> None:
    assert "securityContext" not in inventory.network_values(PLAIN)
    values = inventory.network_values(Machine(False, frozenset({"SYS_RESOURCE"})))
    assert values["securityContext"]["capabilities"]["cleanCiliumState"] == [
        "NET_ADMIN",
        "SYS_MODULE",
        "SYS_ADMIN",
    ]
    assert "SYS_RESOURCE" not in values["securityContext"]["capabilities"]["ciliumAgent"]
    only_agent = inventory.network_values(Machine(False, frozenset({"SYSLOG"})))
    assert list(only_agent["securityContext"]["capabilities"]) == ["ciliumAgent"]


@pytest.mark.parametrize(
    ("bounding", "missing"),
    [
        ("000001ffffffffff", set()),
        ("000001fffeffffff", {"SYS_RESOURCE"}),
        ("0", {"SYS_MODULE", "SYS_RESOURCE", "SYSLOG"}),
    ],
)
def test_withheld_capabilities(bounding: str, missing: set[str]) -> None:
    assert inventory.missing_capabilities(f"Name:\tx\nCapEff:\t0\nCapBnd:\t{bounding}\n") == missing


def test_limit_that_cannot_be_raised_is_told(lab: Settings) -> None:
    assert "container_runtime_limit_nofile" not in inventory.variables(lab, None, PLAIN)
    bounded = inventory.variables(lab, None, Machine(False, frozenset({"SYS_RESOURCE"}), 20000))
    assert bounded["container_runtime_limit_nofile"] == 20000
    assert bounded["kubelet_limit_nofile"] == 20000


def test_image_collection_thresholds_are_valid_for_the_kubelet(lab: Settings) -> None:
    config = inventory.variables(lab, None, PLAIN)["kubelet_config"]
    assert 0 <= config["imageGCLowThresholdPercent"] < config["imageGCHighThresholdPercent"] <= 100


def test_preflight_expects_hosts_that_share_a_machine(lab: Settings) -> None:
    told = inventory.variables(lab, None, PLAIN)
    assert told["preflight_ignore"] == ["duplicate_product_uuid"]
    assert told["preflight_disk_min_mib"]["/var/lib"] < 1024


def test_checksums_are_kept_for_later_commands(lab: Settings) -> None:
    assert inventory.current_checksums(lab) is None
    inventory.write(lab, RECORDS, CHECKSUMS)
    assert inventory.current_checksums(lab) == CHECKSUMS


def test_writing_twice_is_the_same(lab: Settings) -> None:
    inventory.write(lab, RECORDS, CHECKSUMS)
    first = {file: file.read_text() for file in inventory.files(lab)}
    inventory.write(lab, RECORDS, CHECKSUMS)
    assert {file: file.read_text() for file in inventory.files(lab)} == first
    assert all(text.startswith("---\n# Written by") for text in first.values())
    assert all(yaml.safe_load(text) for text in first.values())


def test_removal_leaves_what_is_not_the_labs(lab: Settings) -> None:
    inventory.write(lab, RECORDS, CHECKSUMS)
    (lab.paths.inventory / ".credentials").mkdir()
    (lab.paths.inventory / ".credentials/kubernetes.kubeconfig").touch()
    (lab.paths.inventory / "notes.txt").touch()
    inventory.remove(lab)
    assert [p.name for p in lab.paths.inventory.iterdir()] == ["notes.txt"]
    (lab.paths.inventory / "notes.txt").unlink()
    inventory.remove(lab)
    assert not lab.paths.inventory.exists()
    inventory.remove(lab)
