# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How tests interrupt a playbook."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.infra import playbook as playbooks
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


FAILING = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: First
      ansible.builtin.debug: {msg: fine}
    - name: Second
      ansible.builtin.fail: {msg: "the disk is full"}
"""
HANGING = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: First
      ansible.builtin.command: sleep 60
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Playbook]:
    """Make a playbook on the machine itself."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    host = f"localhost ansible_connection=local ansible_python_interpreter={sys.executable}"
    (tmp_path / "inventory").write_text(host)

    def write(text: str) -> Playbook:
        (tmp_path / "play.yml").write_text(text)
        return Playbook(tmp_path / "inventory", tmp_path, str(tmp_path / "play.yml"))

    return write


def test_what_failed_comes_first(write: Callable[[str], Playbook]) -> None:
    run = write(FAILING).run()
    (failure,) = run.failures
    assert failure.startswith("Second: ") and "the disk is full" in failure
    with pytest.raises(AssertionError, match=r"ended with code 2, expected 0: Second: .*the disk is full"):
        run.expect()


def test_a_run_that_hangs_is_named_with_its_task(
    write: Callable[[str], Playbook], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(playbooks, "LONGEST", 20)
    with pytest.raises(
        AssertionError, match=r"still ran after 20 s, in: First; processes: .*ansible-playbook.*sleep 60"
    ):
        write(HANGING).run()


def test_a_held_run_is_killed_before_its_task(tmp_path: Path, write: Callable[[str], Playbook]) -> None:
    playbook = write(TASKS)
    process = playbook.start(hold_at="Second")
    assert playbook.wait_task(process, ["Second"]) == "Second", playbook.text()
    # Whoever is told this late still finds the run there.
    time.sleep(1.5)
    playbook.kill(process)
    assert (tmp_path / "first").exists() and not (tmp_path / "second").exists()
