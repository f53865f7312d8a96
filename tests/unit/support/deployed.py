# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that roles place on hosts: files of module_utils and an entry point, run by the host's Python alone."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

from tests.gates import repo

ROLES = repo.REPO / "roles"
MODULE_UTILS = repo.REPO / "plugins" / "module_utils"
PACKAGE = "ansible_collections.baremetal.kubernetes.plugins.module_utils"


def imported(path: Path) -> set[str]:
    """Files of module_utils that a file imports, by their names there."""
    found = set()
    for item in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(item, ast.ImportFrom) and (item.module or "").startswith(PACKAGE):
            base = (item.module or "")[len(PACKAGE) :].strip(".").replace(".", "/")
            for name in item.names:
                for candidate in (f"{base}/{name.name}.py".lstrip("/"), f"{base}.py"):
                    if (MODULE_UTILS / candidate).is_file():
                        found.add(candidate)
    return found


def closure(start: str) -> set[str]:
    """A file of module_utils with all that it imports, directly or not."""
    found: set[str] = set()
    waiting = {start}
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= imported(MODULE_UTILS / name) - found
    return found


def sources(role: str) -> list[str]:
    """The files of module_utils that a role places, by its variables."""
    return list(repo.load(ROLES / role / "vars" / "main.yml")[f"__{role}_sources"])


def place(role: str, directory: Path) -> Path:
    """The program of a role, as on a host.

    :return: the directory, which Python runs.
    """
    for name in sources(role):
        target = directory / PACKAGE.replace(".", "/") / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(MODULE_UTILS / name, target)
    shutil.copy(ROLES / role / "files" / "__main__.py", directory)
    return directory
