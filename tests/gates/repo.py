# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helpers of the gates: files of the checkout, its roles and their specifications."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

REPO = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
COLLECTION = "baremetal.kubernetes"


def run(
    argv: Sequence[str], cwd: Path = REPO, env: Mapping[str, str] | None = None, timeout: int = 600
) -> str:
    """Run a command of the virtual environment and return its standard output.

    :raises AssertionError: when it fails; with all of its output.
    """
    environment = {
        **os.environ,
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PIP_NO_INPUT": "1",
        **(env or {}),
    }
    done = subprocess.run(
        list(argv),
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, (
        f"`{' '.join(argv)}` ended with code {done.returncode}:\n{done.stdout}{done.stderr}"
    )
    return done.stdout


@cache
def files() -> tuple[Path, ...]:
    """Tracked files, and untracked ones that are not ignored, relative to the checkout."""
    out = run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"])
    return tuple(sorted(Path(name) for name in set(out.split("\0")) if name and (REPO / name).is_file()))


@cache
def roles() -> tuple[str, ...]:
    """Names of the roles."""
    return tuple(sorted(path.name for path in (REPO / "roles").iterdir() if (path / "meta").is_dir()))


def load(path: Path) -> Any:
    """The content of a YAML file."""
    return yaml.safe_load((REPO / path).read_text(encoding="utf-8"))


@cache
def defaults(role: str) -> dict[str, Any]:
    """Public variables of a role with their defaults."""
    path = REPO / "roles" / role / "defaults" / "main.yml"
    return (load(path) or {}) if path.exists() else {}


@cache
def specifications(role: str) -> dict[str, dict[str, Any]]:
    """Argument specifications of a role by entry point."""
    path = REPO / "roles" / role / "meta" / "argument_specs.yml"
    return load(path)["argument_specs"] if path.exists() else {}


@cache
def public_variables() -> dict[str, str]:
    """Every variable in a specification, with the name of its role."""
    return {
        name: role
        for role in roles()
        for spec in specifications(role).values()
        for name in spec.get("options", {})
    }


@cache
def parameters() -> frozenset[str]:
    """Variables that a role passes to a role that it includes: they are not for the site to set.

    They are those that a specification requires, and those of internal roles that another role sets.
    """
    options = [
        (name, option, "Internal" in str(spec.get("description")))
        for role in roles()
        for spec in specifications(role).values()
        for name, option in spec.get("options", {}).items()
    ]
    passed: set[str] = set()
    for role in roles():
        for path in role_files(role, "tasks"):
            if path.suffix == ".yml":
                for task in tasks(load(path)):
                    if "ansible.builtin.include_role" in task:
                        passed |= set(task.get("vars", {}))
    return frozenset(
        name for name, option, internal in options if option.get("required") or (internal and name in passed)
    )


@cache
def interface(role: str) -> frozenset[str]:
    """Variables that the role's page documents for other roles to read."""
    page = (REPO / "roles" / role / "README.md").read_text(encoding="utf-8")
    _, _, section = page.partition("\n## Interface\n")
    rows = [line.split("|")[1] for line in section.split("\n## ")[0].splitlines() if line.startswith("| `")]
    return frozenset(name for row in rows for name in words(row))


def role_files(role: str, *directories: str) -> Iterator[Path]:
    """Files of some directories of a role, relative to the checkout."""
    for path in files():
        if path.parts[:2] == ("roles", role) and path.parts[2] in directories:
            yield path


def role_yaml(role: str) -> Iterator[tuple[Path, Any]]:
    """Parsed YAML files of a role that Ansible runs or evaluates."""
    for path in role_files(role, "defaults", "handlers", "tasks", "vars"):
        if path.suffix == ".yml":
            yield path, load(path)


def tasks(node: Any) -> Iterator[dict[str, Any]]:
    """All tasks of a task file, plays and blocks included."""
    if isinstance(node, list):
        for entry in node:
            yield from tasks(entry)
    elif isinstance(node, dict):
        yield node
        for key in ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks", "handlers"):
            yield from tasks(node.get(key))


def words(text: str) -> set[str]:
    """Identifiers that occur in a text."""
    return set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", text))
