# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands end in time, and with all that they started."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
import yaml
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import process, programs


def test_output_and_exit_code() -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    assert process.run([sys.executable, "-c", code], 30, {}) == process.Finished(3, "out\n", "err\n")


def test_it_has_no_input_and_speaks_english() -> None:
    code = "import os, sys; print(repr(sys.stdin.read()), os.environ['LC_ALL'])"
    assert process.run([sys.executable, "-c", code], 30, {}).stdout == "'' C\n"


def test_environment_can_be_given() -> None:
    code = "import os; print(os.environ.get('HOME'), os.environ['MINE'])"
    assert process.run([sys.executable, "-c", code], 30, {"MINE": "yes"}).stdout == "None yes\n"


def test_bytes_that_are_no_text_do_not_stop_it() -> None:
    code = r"import os; os.write(1, b'a\xffb')"
    assert process.run([sys.executable, "-c", code], 30, {}).stdout == "a\ufffdb"


def test_missing_program() -> None:
    with pytest.raises(FileNotFoundError):
        process.run(["/does/not/exist"], 30, {})


def test_late_command_is_ended_with_its_children(tmp_path: Path) -> None:
    note = tmp_path / "child"
    script = f"sleep 60 & echo $! > {note}; echo started; wait"
    started = time.monotonic()
    done = process.run(["sh", "-c", script], 3, programs.environment())
    assert (done.code, done.stdout) == (None, "started\n")
    assert time.monotonic() - started < 30
    state = Path("/proc", note.read_text(encoding="utf-8"), "stat")
    # Nobody may be there to collect it, so being a zombie is as good as being gone.
    assert not state.exists() or state.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"


def test_what_left_the_session_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_GRACE_SECONDS", 0.2)
    started = time.monotonic()
    assert process.run(["sh", "-c", "setsid sleep 20 & wait"], 3, programs.environment()).code is None
    assert time.monotonic() - started < 15


def test_the_role_host_has_the_same_directories() -> None:
    path = Path(__file__).parents[3] / "roles/host/vars/main.yml"
    variables = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert variables["__host_environment"] == {"PATH": programs.search_path()}
