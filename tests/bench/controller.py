# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a playbook that measures an action on the controller, with the collection of the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
COLLECTIONS = REPO / ".venv" / "collections"
# The checkout precedes other ansible_collections.
if COLLECTIONS.is_dir():
    sys.path.insert(0, str(COLLECTIONS))


def play(directory: Path, inventory: str, **environment: str) -> tuple[int, str, dict[str, Any] | None]:
    """Run ``play.yml`` of a directory, whose action writes ``numbers.json``, which is removed again.

    :param inventory: for ansible-playbook. :param environment: further variables.
    :return: exit code, output, and the numbers when there are any.
    """
    done = subprocess.run(
        ["ansible-playbook", "-i", inventory, "play.yml"],
        cwd=directory,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(REPO / "ansible.cfg"),
            **({"ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS)} if COLLECTIONS.is_dir() else {}),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
            "ANSIBLE_NOCOLOR": "true",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            **environment,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    path = directory / "numbers.json"
    if not path.exists():
        return done.returncode, done.stdout, None
    numbers: dict[str, Any] = json.loads(path.read_text())
    path.unlink()
    return done.returncode, done.stdout, numbers


def failure(code: int, text: str) -> RuntimeError:
    """The error for a run that failed, with the end of what it printed."""
    return RuntimeError(f"ansible-playbook ended with code {code}:\n{text[-3000:]}")
