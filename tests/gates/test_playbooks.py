# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for playbooks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gates import repo

IMPORT = "ansible.builtin.import_playbook"
CHECK = Path("playbooks/check_inventory.yml")
LOCK = Path("playbooks/lock.yml")
PREFLIGHT = Path("playbooks/preflight.yml")
HEALTH_GATE = Path("playbooks/health_gate.yml")
PLAYBOOKS = [path for path in repo.files() if path.parts[0] == "playbooks" and path.suffix == ".yml"]
#: Phases of operations, which have checked the inventory: a check in each would cost a run a second.
PHASES = {"lock", "health_gate", "prepare_nodes", "control_plane", "network", "workers", "harden"}
#: Operations that change no host and no cluster.
READING = {
    "backup", "check_inventory", "cis", "health", "issued_certificates", "mirror", "preflight", "verify",
    "verify_metrics",
}  # fmt: skip
OPERATIONS = [path for path in PLAYBOOKS if path.stem not in PHASES]


def _first(path: Path) -> Path:
    """The playbook whose play runs first."""
    plays: list[dict[str, Any]] = repo.load(path)
    return _first(path.parent / plays[0][IMPORT]) if IMPORT in plays[0] else path


def _plays(path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """All plays that a playbook runs, each with the file that has it."""
    for play in repo.load(path):
        if IMPORT in play:
            yield from _plays(path.parent / play[IMPORT])
        else:
            yield path, play


@pytest.mark.parametrize("path", OPERATIONS, ids=lambda path: path.stem)
def test_playbook_checks_the_inventory_first(path: Path) -> None:
    """Without the groups of a cluster Ansible would do nothing and end with exit code 0."""
    assert _first(path) == CHECK, f"{path}: expected to import {CHECK.name} first"


@pytest.mark.parametrize("path", OPERATIONS, ids=lambda path: path.stem)
def test_playbook_locks_the_cluster_before_it_changes_anything(path: Path) -> None:
    """A phase that is run by itself is not locked: it is for those who know what they do."""
    files = [file for file, _play in _plays(path) if file not in (CHECK, PREFLIGHT, HEALTH_GATE)]
    assert (LOCK in files) == (path.stem not in READING), f"{path}: import {LOCK.name}, or add it to READING"
    assert LOCK not in files or files[0] == LOCK


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.stem)
def test_host_patterns_are_literal(path: Path) -> None:
    patterns = [play.get("hosts", "") for play in repo.load(path)]
    assert not [pattern for pattern in patterns if "{{" in pattern]


@pytest.mark.parametrize("name", ["add_node", "remove_node"])
def test_a_node_costs_as_much_in_a_large_cluster(name: str) -> None:
    """Ansible ends each role of a play once for each host of it, also one whose tasks run once."""
    plays = list(_plays(Path("playbooks") / f"{name}.yml"))
    for file, play in plays:
        if play["hosts"] not in ("all", "all:localhost", "worker", "control_plane:worker"):
            continue
        tasks = [*play.get("pre_tasks", []), *play.get("tasks", []), *play.get("post_tasks", [])]
        roles = play.get("roles", []) + [
            task
            for task in tasks
            if any(key.rpartition(".")[2] in ("import_role", "include_role") for key in task)
        ]
        assert not roles, f"{file}: the play {play['name']} has a role and all hosts; see lock.yml"
    patterns = [play["hosts"] for _file, play in plays]
    assert "operation_host" in patterns


def test_phases_belong_to_an_operation() -> None:
    imported = {play[IMPORT] for path in OPERATIONS for play in repo.load(path) if IMPORT in play}
    assert {f"{name}.yml" for name in PHASES} <= imported
