# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Linters and type checks; each command is one test."""

from __future__ import annotations

import re

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
