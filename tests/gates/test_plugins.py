# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for plugins: what runs on hosts, what runs on the controller, and how large a module may be."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gates import repo

UTILS = "ansible_collections.baremetal.kubernetes.plugins.module_utils"
#: Lines of a module, documentation included.
LONGEST = 400
#: Libraries that a module may use where the controller is its host; it has to explain when one is missing.
OPTIONAL = {"kubernetes", "yaml"}


def _python(*directories: str) -> list[Path]:
    return [
        path
        for path in repo.files()
        if path.suffix == ".py" and path.parts[0] == "plugins" and path.parts[1] in directories
    ]


def _imports(path: Path) -> Iterator[str]:
    """Modules that a file imports, wherever it does so."""
    for node in ast.walk(ast.parse((repo.REPO / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", _python("module_utils", "modules"), ids=str)
def test_code_for_hosts_needs_only_what_a_host_has(path: Path) -> None:
    """Ansible ships `module_utils` with a module, and nothing else; hosts have Python's standard library."""
    allowed = {*sys.stdlib_module_names, *OPTIONAL}
    wrong = [
        name
        for name in _imports(path)
        if name.partition(".")[0] not in allowed
        and not name.startswith(("ansible.module_utils.", f"{UTILS}."))
    ]
    assert not wrong, f"expected the standard library, ansible.module_utils or module_utils: {wrong}"


@pytest.mark.parametrize("path", _python("modules"), ids=str)
def test_module_is_short(path: Path) -> None:
    lines = len((repo.REPO / path).read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST, f"{path} has {lines} lines; move code to module_utils or plugin_utils"
