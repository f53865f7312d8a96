# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that was taken over answers what it likes: real Ansible and its ssh connection, with this machine as the host.

The roles rely on what is shown here of Ansible, in each version that they support.
"""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
import yaml

from tests.unit.support import ssh

#: Whatever module runs on the host, this is its answer.
HOSTILE = """#!/usr/bin/python3
import json
print(json.dumps({answer!r}))
"""


def hostile(directory: Path, answer: dict[str, t.Any]) -> dict[str, str]:
    """A host whose modules answer this; the environment for it."""
    library = directory / "library"
    library.mkdir()
    (library / "hostile.py").write_text(
        HOSTILE.format(answer=answer).replace("json.dumps(", "json.dumps(", 1)
    )
    return {"ANSIBLE_LIBRARY": str(library)}


def template(command: str) -> str:
    return "{{ lookup('ansible.builtin.pipe', '" + command + "') }}"


def test_answers_are_no_templates(tmp_path: Path) -> None:
    """Neither where they are used directly, nor after filters, in loops, conditions, messages and other variables."""
    mark = tmp_path / "executed"
    text = template(f"touch {mark}")
    answer = {
        "changed": False,
        "node": {"name": text, "list": [text], "json": json.dumps({"name": text}), "path": f"/x/{text}"},
        "ansible_facts": {"injected": text, "ansible_local": {"name": text}},
        "msg": text,
    }
    more = hostile(tmp_path, answer)
    tasks: list[dict[str, t.Any]] = [
        {"hostile": {}, "register": "answered"},
        {"ansible.builtin.debug": {"msg": "{{ answered.node.name }} {{ answered.node.path | upper }}"}},
        {"ansible.builtin.set_fact": {"kept": "{{ answered.node.name ~ '!' }}", "all": "{{ answered }}"}},
        {"name": "Task {{ kept }}", "ansible.builtin.debug": {"var": "kept"}},
        {"ansible.builtin.debug": {"msg": "{{ item }}"}, "loop": "{{ answered.node.list }}"},
        {"ansible.builtin.debug": {"msg": "{{ (answered.node.json | from_json).name }}"}},
        {"ansible.builtin.debug": {"msg": "{{ hostvars[inventory_hostname].answered.node.name }}"}},
        {
            "ansible.builtin.debug": {
                "msg": "{{ ansible_facts.injected }} {{ ansible_local.name | default('') }}"
            }
        },
        {
            "ansible.builtin.copy": {
                "content": "{{ answered.node | to_nice_json }}",
                "dest": str(tmp_path / "copy"),
            },
            "delegate_to": "localhost",
            "connection": "local",
        },
        {
            "ansible.builtin.assert": {
                "that": "answered.node.name == 'w1'",
                "fail_msg": "{{ answered.node.name }}",
            },
            "ignore_errors": True,
        },
        {"ansible.builtin.debug": {"msg": "{{ inner }}"}, "vars": {"inner": "{{ answered.node.name }}"}},
    ]
    done = ssh.play(tmp_path, tasks, "-vvv", **more)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pipe" in (tmp_path / "copy").read_text()
    assert not mark.exists()


@pytest.mark.parametrize("key", ["add_host", "add_group"])
def test_answers_change_no_inventory(tmp_path: Path, key: str) -> None:
    added = {"host_name": "added", "groups": ["control_plane"], "host_vars": {"ansible_connection": "local"}}
    more = hostile(tmp_path, {"changed": True, key: added if key == "add_host" else "control_plane"})
    tasks: list[dict[str, t.Any]] = [
        {"hostile": {}},
        {"ansible.builtin.debug": {"msg": "groups are {{ groups.keys() | sort | join('+') }}."}},
    ]
    done = ssh.play(tmp_path, tasks, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "groups are all+ungrouped." in done.stdout


@pytest.mark.parametrize("inject", [False, True])
def test_answers_set_variables_unless_facts_are_not_injected(tmp_path: Path, inject: bool) -> None:
    """They go before the inventory: `helm_release_binary` is what the controller runs. check_inventory refuses that."""
    more = hostile(tmp_path, {"changed": False, "ansible_facts": {"helm_release_binary": "/theirs"}})
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/all.yml").write_text("helm_release_binary: /ours\n")
    tasks: list[dict[str, t.Any]] = [
        {"hostile": {}},
        {"ansible.builtin.debug": {"msg": "runs {{ helm_release_binary }}"}},
    ]
    done = ssh.play(tmp_path, tasks, ANSIBLE_INJECT_FACT_VARS=str(inject), **more)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("runs /theirs" if inject else "runs /ours") in done.stdout


@pytest.mark.parametrize("inject", [False, True])
def test_injected_facts_are_refused(tmp_path: Path, inject: bool) -> None:
    inventory = tmp_path / "hosts"
    inventory.write_text("[control_plane]\nhost\n")
    tasks: list[dict[str, t.Any]] = [{"baremetal.kubernetes.check_inventory": {}}]
    done = ssh.play(tmp_path, tasks, "-i", str(inventory), ANSIBLE_INJECT_FACT_VARS=str(inject))
    assert (done.returncode != 0) is inject, done.stdout + done.stderr
    assert ("inject_facts_as_vars = false in the section" in done.stdout + done.stderr) is inject


@pytest.mark.parametrize(
    ("claimed", "refused"),
    [("host", False), ("w1.example.org", False), ("cp1", True), ("first", True), ("w2", True)],
)
def test_a_reset_deletes_no_node_of_another_host(tmp_path: Path, claimed: str, refused: bool) -> None:
    """The Node object is deleted by the name that the host reports."""
    inventory = tmp_path / "hosts"
    inventory.write_text("[control_plane]\ncp1 cluster_node_name=first\n[worker]\nhost\nw2\n")
    main = yaml.safe_load((ssh.ROOT / "roles/reset/tasks/main.yml").read_text())
    (check,) = [task for task in main if task["name"] == "Refuse the name of another host"]
    tasks: list[dict[str, t.Any]] = [
        {"ansible.builtin.include_vars": str(ssh.ROOT / "roles/cluster/vars/main/main.yml")},
        {"ansible.builtin.include_vars": str(ssh.ROOT / "roles/reset/vars/main.yml")},
        {"ansible.builtin.set_fact": {"__reset_node": {"name": claimed}}},
        check,
    ]
    done = ssh.play(tmp_path, tasks, "-i", str(inventory), "--limit", "host")
    assert (done.returncode != 0) is refused, done.stdout + done.stderr
    assert (f"host reports that its node is {claimed}: expected" in done.stdout + done.stderr) is refused
