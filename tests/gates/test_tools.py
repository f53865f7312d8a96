# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Linters and type checks; each command is one test."""

from __future__ import annotations

import re
from importlib import metadata

import pytest

from tests.gates import repo

COMMANDS = {
    "ansible-lint": ["ansible-lint", "--strict", "--offline", "--profile", "production"],
    "yamllint": ["yamllint", "--strict", "."],
    "ruff check": ["ruff", "check", "--no-cache", "."],
    "ruff format": ["ruff", "format", "--no-cache", "--check", "--diff", "."],
    "mypy": ["mypy", "lab", "plugins", "tests", "molecule"],
    "changelog": ["antsibull-changelog", "lint"],
    "bash": ["bash", "-n", ".ci/run", ".ci/python"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_tool_finds_nothing(name: str) -> None:
    repo.run(
        COMMANDS[name],
        env={
            "ANSIBLE_CONFIG": str(repo.REPO / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(repo.BIN.parent / "collections"),
        },
    )


def test_ansible_lint_skips_no_rule() -> None:
    config = repo.load(repo.REPO / ".ansible-lint")
    assert config["profile"] == "production"
    assert not {"skip_list", "warn_list", "mock_modules", "mock_roles", "enable_list"} & set(config)
    ignored = [
        str(path)
        for path in repo.files()
        if path.name == ".ansible-lint-ignore" or re.fullmatch(r"ignore.*\.txt", path.name)
    ]
    assert not ignored, f"rules are ignored in {ignored}"


def test_no_package_takes_the_place_of_another() -> None:
    """As urllib3-future does with urllib3: the kubernetes package sends bodies without their media type then."""
    owners = metadata.packages_distributions()
    shared = {
        name: sorted(set(owners[name]))
        for name in ("urllib3", "requests", "yaml", "kubernetes")
        if len(set(owners[name])) > 1
    }
    assert not shared, (
        f"more than one distribution has the packages {shared}; do not install it in this environment"
    )
