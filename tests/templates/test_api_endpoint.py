# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Combinations of endpoint and provider that the role api_endpoint refuses, and those that it takes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.gates import repo

#: What the inventory sets, and a part of the refusal; empty where it is right.
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "one control plane": ({}, ""),
    "a load balancer": ({"cluster_endpoint": "k8s.example.org:6443"}, ""),
    "a load balancer at another port": ({"cluster_endpoint": "k8s.example.org:443"}, ""),
    "none with an endpoint": (
        {"cluster_endpoint": "192.0.2.10:6443", "api_endpoint_provider": "none"},
        "Expected an empty endpoint",
    ),
    "external without an endpoint": ({"api_endpoint_provider": "external"}, "cluster_endpoint is empty"),
    "keepalived": ({"cluster_endpoint": "192.0.2.10:6443", "api_endpoint_provider": "keepalived"}, ""),
    "keepalived, IPv6": (
        {"cluster_endpoint": "[2001:db8::10]:6443", "api_endpoint_provider": "keepalived"},
        "",
    ),
    "keepalived without an endpoint": ({"api_endpoint_provider": "keepalived"}, "cluster_endpoint is empty"),
    "keepalived with a name": (
        {"cluster_endpoint": "k8s.example.org:6443", "api_endpoint_provider": "keepalived"},
        "Set api_endpoint_address",
    ),
    "keepalived with a name and its address": (
        {
            "cluster_endpoint": "k8s.example.org:6443",
            "api_endpoint_provider": "keepalived",
            "api_endpoint_address": "192.0.2.10",
        },
        "",
    ),
    "keepalived with two addresses": (
        {
            "cluster_endpoint": "192.0.2.10:6443",
            "api_endpoint_provider": "keepalived",
            "api_endpoint_address": "192.0.2.11",
        },
        "Expected the same address",
    ),
    "keepalived at another port": (
        {"cluster_endpoint": "192.0.2.10:443", "api_endpoint_provider": "keepalived"},
        "Set cluster_endpoint to 192.0.2.10:6443",
    ),
}


@pytest.fixture(scope="module")
def problems(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the role finds wrong with each case."""
    work = tmp_path_factory.mktemp("api-endpoint")
    roles = repo.REPO / "roles"
    variables: dict[str, Any] = {"cluster_endpoint": ""}
    for path in ("defaults/main.yml", "vars/main.yml"):
        variables |= repo.load(roles / "api_endpoint" / path)
    tasks = [
        {
            "ansible.builtin.copy": {
                "content": "{{ {'problem': __api_endpoint_problem} | to_json }}",
                "dest": str(work / f"{number}.json"),
                "mode": "0644",
            },
            "vars": given,
        }
        for number, (given, _) in enumerate(CASES.values())
    ]
    play = [
        {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars": variables,
            "tasks": tasks,
        }
    ]
    (work / "play.yml").write_text(yaml.safe_dump(play, sort_keys=False), encoding="utf-8")
    config = {"ANSIBLE_CONFIG": str(repo.REPO / "ansible.cfg")}
    repo.run(
        [
            "ansible-playbook",
            "-i",
            "localhost,",
            "-e",
            f"ansible_python_interpreter={sys.executable}",
            "play.yml",
        ],
        cwd=work,
        env=config,
    )
    return {name: _read(work / f"{number}.json") for number, name in enumerate(CASES)}


def _read(path: Path) -> str:
    return str(json.loads(path.read_text(encoding="utf-8"))["problem"])


@pytest.mark.parametrize("name", CASES)
def test_combination(name: str, problems: dict[str, str]) -> None:
    expected = CASES[name][1]
    assert bool(problems[name]) == bool(expected), problems[name]
    assert expected in problems[name]
