# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for plugins: what runs on hosts, what runs on the controller, and how large a module may be."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gates import repo

UTILS = "ansible_collections.baremetal.kubernetes.plugins.module_utils"
#: Lines of a module, documentation included.
LONGEST = 400
#: Documentation of a plugin.
DOCUMENTED = ("DOCUMENTATION", "EXAMPLES", "RETURN")
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


@pytest.mark.parametrize("path", _python("modules", "filter", "callback", "doc_fragments"), ids=str)
def test_documentation_is_found_without_a_warning(path: Path) -> None:
    """ansible-doc looks through a file's assignments, knows names only, and warns of each other target."""
    tree = ast.parse((repo.REPO / path).read_text(encoding="utf-8"))
    wrong = [
        node.lineno
        for node in tree.body
        if isinstance(node, ast.Assign) and not all(isinstance(target, ast.Name) for target in node.targets)
    ]
    assert not wrong, f"{path}: assign one name a line: {wrong}"


def _sentences(path: Path) -> Iterator[tuple[int, str]]:
    """Texts with blanks that are no documentation, with their line: what a program says."""
    tree = ast.parse((repo.REPO / path).read_text(encoding="utf-8"))
    documentation = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        or (isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in DOCUMENTED)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in documentation:
            continue
        if isinstance(node.value, str) and " " in node.value.strip():
            yield node.lineno, node.value


def test_messages_name_no_module() -> None:
    """An operator runs playbooks and sets variables, and has never heard of the modules behind them.

    Filters are left out: their messages are for who writes a playbook.
    """
    names = {path.stem for path in _python("modules") if "_" in path.stem and path.parts[1] == "modules"}
    pattern = re.compile(rf"(?<![\w./-])(?:{'|'.join(sorted(names - {'check_inventory'}))})(?![\w./-])")
    found = [
        f"{path}:{number}: {text[:100]}"
        for path in _python("action", "modules", "module_utils", "plugin_utils")
        for number, text in _sentences(path)
        if pattern.search(text)
    ]
    assert not found, "name the playbook or the variable instead:\n" + "\n".join(found)
    spoken = re.compile(r"^\s*(?:fail_)?msg: .*|^ {6,}(?!-)[A-Z][^:]*$", re.MULTILINE)
    said = [
        f"{path}: {line.strip()[:100]}"
        for path in repo.files()
        if path.suffix == ".yml" and path.parts[0] in ("roles", "playbooks") and "tasks" in path.parts
        for line in spoken.findall((repo.REPO / path).read_text(encoding="utf-8"))
        if pattern.search(line)
    ]
    assert not said, "name the playbook or the variable instead:\n" + "\n".join(said)
