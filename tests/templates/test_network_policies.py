# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role network reads of the status that Cilium's operator gives policies."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
import yaml

from tests.gates import repo


def policy(name: str, **valid: str) -> dict[str, Any]:
    status = {"status": {"conditions": [{"type": "Valid", **valid}]}} if valid else {}
    return {"metadata": {"name": name}, **status}


CASES: dict[str, tuple[dict[str, Any], dict[str, list[str]]]] = {
    "none": ({}, {"missing": [], "refused": []}),
    "skipped": ({"skipped": True}, {"missing": [], "refused": []}),
    "valid": ({"resources": [policy("baseline", status="True")]}, {"missing": [], "refused": []}),
    "new": (
        {"resources": [policy("opening-a"), policy("baseline", status="True")]},
        {"missing": ["opening-a"], "refused": []},
    ),
    "refused": (
        {
            "resources": [
                policy("opening-a", status="False", message="no L7 proxy"),
                policy("b", status="False"),
            ]
        },
        {"missing": [], "refused": ["opening-a: no L7 proxy", "b: it is not valid"]},
    ),
}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All cases in one run of Ansible."""
    directory = tmp_path_factory.mktemp("network")
    tasks = [
        {
            "ansible.builtin.copy": {
                "content": "{{ __network_verdicts | to_json }}",
                "dest": str(directory / f"{name}.json"),
                "mode": "0600",
            },
            "vars": {"__network_applied": applied},
        }
        for name, (applied, _expected) in CASES.items()
    ]
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": sys.executable},
        "vars_files": [str(repo.REPO / "roles" / "network" / "vars" / "main.yml")],
        "tasks": tasks,
    }
    (directory / "play.yml").write_text(yaml.safe_dump([play]))
    repo.run(
        ["ansible-playbook", "-i", "localhost,", "play.yml"],
        cwd=directory,
        env={"ANSIBLE_CONFIG": str(repo.REPO / "ansible.cfg"), "ANSIBLE_LOCAL_TEMP": str(directory / "tmp")},
        timeout=120,
    )
    return {name: json.loads((directory / f"{name}.json").read_text()) for name in CASES}


@pytest.mark.parametrize("name", CASES)
def test_verdicts_of_cilium(name: str, verdicts: dict[str, Any]) -> None:
    assert verdicts[name] == CASES[name][1]
