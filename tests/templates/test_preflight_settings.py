# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role preflight reads of the inventory's hosts."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from tests.gates import repo

HOSTS = {
    "cp1": {
        "cluster_node_name": "{{ inventory_hostname }}.example.org",
        "cluster_node_address": "192.0.2.11",
    },
    "w1": {"host_swap_off": False, "kubelet_config": {"failSwapOn": False}},
    "w2": {"host_packages_managed": False},
    "w3": {"node_labels": {"disk": "ssd"}},
}


def test_only_what_the_inventory_sets_is_passed(tmp_path: Path) -> None:
    play = {
        "hosts": "all",
        "gather_facts": False,
        "vars_files": [str(repo.REPO / "roles" / "preflight" / "vars" / "main.yml")],
        "tasks": [
            {
                "ansible.builtin.copy": {
                    "content": "{{ __preflight_settings | to_json }}",
                    "dest": str(tmp_path / "settings.json"),
                    "mode": "0600",
                },
                "delegate_to": "localhost",
                "run_once": True,
            }
        ],
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": HOSTS}}))
    repo.run(
        ["ansible-playbook", "-i", "hosts.yml", "play.yml"],
        cwd=tmp_path,
        env={"ANSIBLE_CONFIG": str(repo.REPO / "ansible.cfg"), "ANSIBLE_LOCAL_TEMP": str(tmp_path / "tmp")},
        timeout=120,
    )
    assert json.loads((tmp_path / "settings.json").read_text()) == {
        "cluster_node_name": {"cp1": "cp1.example.org"},
        "cluster_node_address": {"cp1": "192.0.2.11"},
        "host_swap_off": {"w1": False},
        "host_packages_managed": {"w2": False},
        "kubelet_config": {"w1": {"failSwapOn": False}},
        "ansible_host": {},
        "control_plane_cert_sans": {},
        "control_plane_taints": {},
        "node_labels": {"w3": {"disk": "ssd"}},
        "node_annotations": {},
        "node_taints": {},
    }
