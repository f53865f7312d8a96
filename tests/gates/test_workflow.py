# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workflow on GitHub runs the same tests as `make test`, with minimal permissions."""

from __future__ import annotations

import re
from typing import Any

from tests.gates import repo
from tests.run import GROUPS

WORKFLOW = repo.load(repo.REPO / ".github" / "workflows" / "ci.yml")
STEPS: list[dict[str, Any]] = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]


def test_every_group_of_tests_runs() -> None:
    commands = "\n".join(step.get("run", "").replace("\\\n", " ") for step in STEPS)
    named = {word for line in re.findall(r"tests\.run (.+)", commands) for word in line.split()}
    named |= set(re.findall(r"make ([a-z]+)", commands)) - {"venv"}
    assert named & set(GROUPS) == set(GROUPS)


def test_actions_are_pinned_to_a_commit() -> None:
    loose = [
        step["uses"] for step in STEPS if "uses" in step and not re.search("@[0-9a-f]{40}$", step["uses"])
    ]
    assert not loose, f"a tag can be moved; give the commit: {', '.join(loose)}"


def test_workflow_has_read_permission_only() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert not [name for name, job in WORKFLOW["jobs"].items() if "permissions" in job]
    assert all(job["timeout-minutes"] <= 90 for job in WORKFLOW["jobs"].values())
    checkouts = [step for step in STEPS if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"] == {"persist-credentials": False} for step in checkouts)


def test_workflow_uses_no_secret() -> None:
    assert "secrets." not in (repo.REPO / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
