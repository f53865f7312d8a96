# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Find and run the programs of a host.

A module's C(PATH) may lack the directories that a package source installs to, and kubeadm itself looks for kubelet,
crictl, mount and others in its own.
"""

from __future__ import annotations

import os
import shutil
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.process import run

#: Where programs are, beside the directories of C(PATH).
SEARCH_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/opt/bin")
COMMAND_SECONDS = 30.0
NOT_FOUND, TIMED_OUT = 127, 124


def environment(more: t.Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment that programs run with."""
    env = {**os.environ, "LC_ALL": "C", **(more or {})}
    # An empty entry would be the working directory.
    env["PATH"] = os.pathsep.join(path for path in (env.get("PATH", ""), *SEARCH_PATH) if path)
    return env


def find(name: str) -> str | None:
    """Path of a program, C(None) when it is not installed. C(name) may be a path."""
    return shutil.which(name, path=environment()["PATH"])


def command(argv: t.Sequence[str], seconds: float = COMMAND_SECONDS) -> tuple[int, str]:
    """Run a program.

    :return: its exit code and both outputs together; C(NOT_FOUND) when it cannot be run, C(TIMED_OUT) when it takes too
        long.
    """
    program = find(argv[0])
    if program is None:
        return NOT_FOUND, f"{argv[0]} is not installed"
    try:
        done = run([program, *argv[1:]], seconds, environment())
    except OSError as exc:
        return NOT_FOUND, f"{argv[0]}: {exc.strerror}"
    if done.code is None:
        return TIMED_OUT, f"{argv[0]} did not end within {seconds:.0f} s"
    return done.code, done.stdout + done.stderr
