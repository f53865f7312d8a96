# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible itself, with its ssh connection and without ssh: the program that it runs executes the command right here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_SSH = """#!/bin/sh
for command; do :; done
exec /bin/sh -c "$command"
"""


def environment(directory: Path, **more: str) -> dict[str, str]:
    """Variables that let Ansible use this machine as a host that it reaches by ssh.

    :param directory: for what it writes. :param more: further variables.
    """
    ssh = directory / "ssh"
    ssh.write_text(_SSH)
    ssh.chmod(0o755)
    return {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_TRANSPORT": "ansible.builtin.ssh",
        "ANSIBLE_SSH_EXECUTABLE": str(ssh),
        "ANSIBLE_SSH_ARGS": "",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_LOCAL_TEMP": str(directory / "local"),
        "ANSIBLE_REMOTE_TEMP": str(directory / "remote"),
        "ANSIBLE_NOCOLOR": "true",
        "ANSIBLE_FORCE_COLOR": "false",
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        **more,
    }


def ad_hoc(
    directory: Path, action: str, arguments: t.Mapping[str, t.Any], *flags: str, **more: str
) -> tuple[dict[str, t.Any], str]:
    """Result of one task on one host, and everything that was printed.

    :param flags: of C(ansible). :param more: further environment variables.
    """
    done = subprocess.run(
        ["ansible", "-i", "host,", "host", "-m", action, "-a", json.dumps(dict(arguments)), *flags],
        cwd=ROOT,
        env=environment(directory, **more),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    printed = done.stdout + done.stderr
    _head, arrow, answer = done.stdout.rpartition(" => ")
    assert arrow, printed
    return json.JSONDecoder().raw_decode(answer)[0], printed


def play(
    directory: Path, tasks: t.Sequence[t.Mapping[str, t.Any]], *flags: str, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run tasks on one host called C(host).

    :param flags: of C(ansible-playbook). :param more: further environment variables.
    """
    playbook = directory / "play.yml"
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": list(tasks)}]))
    return subprocess.run(
        ["ansible-playbook", "-i", "host,", str(playbook), *flags],
        cwd=ROOT,
        env=environment(directory, ANSIBLE_STDOUT_CALLBACK="ansible.builtin.default", **more),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
