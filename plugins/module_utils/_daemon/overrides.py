# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What changes the command or the environment of a daemon beside its unit or init script.

A drop-in stays when the package that had it is removed, and is in force for the unit of the same name, whoever wrote
that. Only names are read of it, as values may be secret.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._daemon.manager import DAEMONS
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import read_text, under
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.marks import marked

#: Load path of systemd's system manager (systemd.unit(5)), the most important directory first.
UNIT_DIRECTORIES = (
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    "/etc/systemd/system",
    "/etc/systemd/system.attached",
    "/run/systemd/system",
    "/run/systemd/system.attached",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/run/systemd/generator.late",
)
#: Settings of [Service] that make another program of a daemon, and those of its environment.
COMMAND = ("ExecStart", "Type", "User", "Group", "DynamicUser", "RootDirectory", "RootImage")
ENVIRONMENT = ("Environment", "EnvironmentFile", "PassEnvironment", "UnsetEnvironment")
#: Variables of OpenRC that our init scripts do not set themselves: those that they set are theirs, whatever conf.d has.
OPENRC_COMMAND = (
    "capabilities",
    "chroot",
    "command_user",
    "directory",
    "no_new_privs",
    "secbits",
    "start_stop_daemon_args",
    "supervise_daemon_args",
    "umask",
)
_MAX_BYTES = 256 * 1024


def _directories(daemon: str) -> list[str]:
    """Names of the directories with drop-ins of a service: its own, those of its name's parts, and those of all."""
    parts = daemon.split("-")
    prefixes = ["-".join(parts[:count]) + "-" for count in range(len(parts) - 1, 0, -1)]
    return [f"{daemon}.service.d", *(f"{prefix}.service.d" for prefix in prefixes), "service.d"]


def _files(root: str, daemon: str) -> list[str]:
    """Paths of the drop-ins in force: of several with one name, the first."""
    found: dict[str, str] = {}
    for name in _directories(daemon):
        for directory in UNIT_DIRECTORIES:
            path = f"{directory}/{name}"
            with contextlib.suppress(OSError):
                for entry in sorted(os.listdir(under(root, path))):
                    if entry.endswith(".conf"):
                        found.setdefault(entry, f"{path}/{entry}")
    return list(found.values())


def _variables(value: str) -> list[str]:
    """Names of the variables in an assignment of Environment."""
    try:
        words = shlex.split(value)
    except ValueError:
        words = value.split()
    return [word.partition("=")[0] for word in words if "=" in word]


def read_drop_in(text: str) -> list[str]:
    """Settings of the command and the environment: C(ExecStart), C(Environment NAME), C(EnvironmentFile=)."""
    found: list[str] = []
    section = ""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        stripped = line.strip()
        if not stripped or stripped[0] in "#;":
            continue
        if stripped.startswith("["):
            section = stripped
            continue
        key, separator, value = stripped.partition("=")
        key = key.strip()
        if not separator or section != "[Service]":
            continue
        if key == "Environment":
            found += [f"{key} {name}" for name in _variables(value)]
        elif key == "EnvironmentFile" and not value.strip():
            # An empty one takes away the files that our unit reads.
            found.append(f"{key}=")
        elif key in COMMAND or key in ENVIRONMENT:
            found.append(key)
    return list(dict.fromkeys(found))


def read_conf_d(text: str) -> list[str]:
    """Variables and functions of a file of /etc/conf.d that are in force beside an init script of ours."""
    found: list[str] = []
    for line in text.splitlines():
        exported = re.match(r"\s*export\s+(\w+)", line)
        assigned = re.match(r"\s*(\w+)=", line)
        function = re.match(r"\s*(?:function\s+)?(start|stop|supervise_\w+)\s*\(\)", line)
        if exported:
            found.append(f"Environment {exported.group(1)}")
        elif assigned and assigned.group(1) in OPENRC_COMMAND:
            found.append(assigned.group(1))
        elif function:
            found.append(f"{function.group(1)}()")
    return list(dict.fromkeys(found))


def observe(root: str, manager: str) -> list[dict[str, t.Any]]:
    """Files that are not ours and change how a daemon runs: its name, the path, and the settings."""
    found = []
    for daemon in DAEMONS:
        if manager == "systemd":
            files = [(path, read_drop_in) for path in _files(root, daemon)]
        else:
            files = [(f"/etc/conf.d/{daemon}", read_conf_d)] if manager == "openrc" else []
        for path, read in files:
            text = (read_text(root, path) or "")[:_MAX_BYTES]
            settings = [] if marked(text) else read(text)
            if settings:
                found.append({"daemon": daemon, "path": path, "settings": settings})
    return found
