# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On which hosts a run did something, counted by a callback of Ansible."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.infra import callbacks

#: Actions that never connect to a host, without the name of their collection.
ON_THE_CONTROLLER = {
    "add_host",
    "api_objects",
    "assert",
    "check_inventory",
    "cluster_health",
    "debug",
    "health_report",
    "include_role",
    "include_tasks",
    "node_drain",
    "node_plan",
    "node_release",
    "operation_lock",
    "preflight_report",
    "set_fact",
    "validate_argument_spec",
}


@contextmanager
def counted(path: Path) -> Iterator[Counter[str]]:
    """Count, for each host, the tasks that runs in this context have run on it."""
    found: Counter[str] = Counter()
    path.write_text("", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in callbacks.enabled("touched_hosts", str(path)).items():
            patch.setenv(name, value)
        yield found
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry["action"].rpartition(".")[2] not in ON_THE_CONTROLLER and entry["host"] != "localhost":
            found[entry["host"]] += 1
