# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Find and run the programs of a host.

Programs are found in the system's own directories, and run with an environment of ours: what a module inherits depends
on who logs in and how he becomes root (su leaves a user's C(PATH), /etc/environment may have a proxy), and kubeadm
writes the proxy of its environment into manifests.
"""

from __future__ import annotations

import os
import pwd
import shutil
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.process import Process, run

#: The only directories that programs are run from.
SEARCH_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/opt/bin")
COMMAND_SECONDS = 30.0
NOT_FOUND, TIMED_OUT = 127, 124


def search_path() -> str:
    """C(SEARCH_PATH) as the variable C(PATH)."""
    return os.pathsep.join(SEARCH_PATH)


def environment(more: t.Mapping[str, str] | None = None) -> dict[str, str]:
    """All of the environment that programs run with.

    :param more: further variables.
    """
    try:
        home = pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        home = "/"
    return {"PATH": search_path(), "HOME": home, "LC_ALL": "C", **(more or {})}


def find(name: str) -> str | None:
    """Path of a program, C(None) when it is not installed. C(name) may be a path."""
    return shutil.which(name, path=search_path())


def detach(argv: t.Sequence[str]) -> None:
    """Start a program that goes on when the module, and the session of ssh, have ended. What it prints is lost.

    :raises OSError: it cannot be run.
    """
    # No pipe of the module stays open: Ansible waits until all are closed.
    with open(os.devnull, "wb") as nowhere:
        Process(argv, environment(), nowhere)


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
