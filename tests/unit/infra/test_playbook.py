# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How tests interrupt a playbook."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from tests.infra.playbook import Playbook

TASKS = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: First
      ansible.builtin.file: {path: "{{ playbook_dir }}/first", state: touch}
    - name: Second
      ansible.builtin.file: {path: "{{ playbook_dir }}/second", state: touch}
"""


def test_a_held_run_is_killed_before_its_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    host = f"localhost ansible_connection=local ansible_python_interpreter={sys.executable}"
    (tmp_path / "inventory").write_text(host)
    (tmp_path / "play.yml").write_text(TASKS)
    playbook = Playbook(tmp_path / "inventory", tmp_path, str(tmp_path / "play.yml"))
    process = playbook.start(hold_at="Second")
    assert playbook.wait_task(process, ["Second"]) == "Second", playbook.text()
    # Whoever is told this late still finds the run there.
    time.sleep(1.5)
    playbook.kill(process)
    assert (tmp_path / "first").exists() and not (tmp_path / "second").exists()
