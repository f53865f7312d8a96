# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""fetch_private by real Ansible, with this machine as the host."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SECRET = "client-key-data: c2VjcmV0\n"

Fetch = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def fetch(tmp_path: Path) -> Fetch:
    def run(src: Path, dest: Path, *flags: str) -> dict[str, t.Any]:
        arguments = json.dumps({"src": str(src), "dest": str(dest)})
        done = subprocess.run(
            [
                "ansible",
                "-i",
                "host,",
                "host",
                "-m",
                "baremetal.kubernetes.fetch_private",
                "-a",
                arguments,
                *flags,
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_TRANSPORT": "local",
                "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
                "ANSIBLE_LOCAL_TEMP": str(tmp_path / "tmp"),
                "ANSIBLE_NOCOLOR": "true",
                "ANSIBLE_FORCE_COLOR": "false",
                "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert SECRET.strip() not in done.stdout + done.stderr
        head, arrow, answer = done.stdout.rpartition("=> ")
        assert arrow, done.stdout + done.stderr
        result, _end = json.JSONDecoder().raw_decode(answer)
        return {"head": head, **result}

    return run


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_copy_for_its_owner_alone(fetch: Fetch, tmp_path: Path) -> None:
    source, copy = tmp_path / "admin.conf", tmp_path / "new/directory/copy"
    source.write_text(SECRET)
    predicted = fetch(source, copy, "--check", "--diff", "-vvv")
    assert predicted["changed"]
    assert not copy.parent.exists()
    assert fetch(source, copy, "--diff", "-vvv")["changed"]
    assert copy.read_text() == SECRET
    assert (mode(copy), mode(copy.parent)) == (0o600, 0o700)
    assert not fetch(source, copy)["changed"]

    copy.chmod(0o644)
    copy.parent.chmod(0o755)
    repaired = fetch(source, copy)
    assert repaired["reasons"] == [f"directory {copy.parent} open to others", "mode 0644"]
    assert (mode(copy), mode(copy.parent)) == (0o600, 0o700)


def test_a_missing_source(fetch: Fetch, tmp_path: Path) -> None:
    missing, copy = tmp_path / "missing", tmp_path / "copy"
    result = fetch(missing, copy)
    assert "FAILED!" in result["head"]
    assert str(missing) in result["msg"]
    assert fetch(missing, copy, "--check")["changed"], "in check mode it may come yet"
    assert not copy.exists()
