# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of scenarios is whole, and its paths are those of the repository."""

from __future__ import annotations

import re
import subprocess
from fnmatch import fnmatchcase

import pytest

from lab.artifacts import catalogue
from tests.matrix.environment import ENVIRONMENTS
from tests.run import REPO
from tests.scenarios import SCENARIOS, TABLE, Scenario, Start

TASK = re.compile(r'"baremetal\.kubernetes\.(?P<role>\w+) : (?P<task>[^"]+)"')
NAME = re.compile(r"^ *- name: (.+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def files() -> list[str]:
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    return subprocess.run(listing, cwd=REPO, capture_output=True, text=True, check=True).stdout.splitlines()


def test_names_are_unique() -> None:
    assert len(SCENARIOS) == len(TABLE)


def test_molecule_has_no_other_scenario(files: list[str]) -> None:
    found = {file.split("/")[1] for file in files if fnmatchcase(file, "molecule/*/molecule.yml")}
    assert found <= set(SCENARIOS)
    used = {step.argv[-1] for one in TABLE for step in one.steps if "molecule" in step.argv}
    assert used == found


@pytest.mark.parametrize("one", TABLE, ids=lambda one: one.name)
def test_every_path_is_there(one: Scenario, files: list[str]) -> None:
    unknown = [pattern for pattern in one.paths if not any(fnmatchcase(file, pattern) for file in files)]
    assert not unknown, f"{one.name}: correct its paths in tests/scenarios.py"


@pytest.mark.parametrize("one", TABLE, ids=lambda one: one.name)
def test_entry_is_consistent(one: Scenario) -> None:
    assert one.seconds > 0
    assert one.steps
    names = [step.name for step in one.steps]
    assert len(set(names)) == len(names)
    for index, step in enumerate(one.steps):
        assert set(step.needs) <= set(names[:index]), f"{step.name} needs what comes later"
    listed = catalogue.load()
    optional = {name for name, file in listed.files.items() if file.optional}
    assert set(one.artifacts) <= optional | {artifact.group for artifact in listed.artifacts}
    assert set(one.environments) <= set(ENVIRONMENTS)
    assert (one.start is Start.NOTHING) or one.hosts > 0


def test_every_role_is_tested_by_a_scenario_of_its_own_or_by_default(files: list[str]) -> None:
    roles = [file for file in files if file.startswith("roles/")]
    assert all(SCENARIOS["default"].touched_by([file]) for file in roles)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("lab/host.py", {one.name for one in TABLE if one.hosts and not one.always}),
        ("molecule/reset/tests/test_reset.py", {"reset"}),
        ("docs/index.md", set()),
        ("roles/cis/tasks/main.yml", {"cis", "reports", "matrix", "resilience", "field"}),
    ],
)
def test_a_change_concerns_the_scenarios_that_depend_on_it(file: str, expected: set[str]) -> None:
    found = {one.name for one in TABLE if not one.always and one.touched_by([file])}
    assert found == expected


def test_tasks_that_scenarios_expect_are_there(files: list[str]) -> None:
    """Names as Ansible prints them: ``baremetal.kubernetes.ROLE : TASK``."""
    expected = {
        (match["role"], match["task"], file)
        for file in files
        if fnmatchcase(file, "molecule/*.py")
        for match in TASK.finditer((REPO / file).read_text(encoding="utf-8"))
    }
    assert expected
    tasks = {
        (file.split("/")[1], name)
        for file in files
        if fnmatchcase(file, "roles/*/tasks/*.yml") or fnmatchcase(file, "roles/*/handlers/*.yml")
        for name in NAME.findall((REPO / file).read_text(encoding="utf-8"))
    }
    missing = sorted(f"{file}: {role} : {task}" for role, task, file in expected if (role, task) not in tasks)
    assert not missing, "\n".join(missing)
