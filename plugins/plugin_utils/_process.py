# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Name processes of the controller."""

from __future__ import annotations

import getpass
import hashlib
import os
import socket

#: The inode of the first PID namespace of every machine (PROC_PID_INIT_INO in include/linux/proc_ns.h).
_FIRST_PID_NAMESPACE = 0xEFFFFFFC


def operator() -> str:
    """User and controller of this run, the user who called sudo included."""
    try:
        user = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a container with a UID that has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def machine() -> str:
    """Stands for this boot of the machine and the PID namespace, empty where that cannot be known.

    Two processes with the same one see each other; a hash, because the cluster need not know more.
    """
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
            boot = stream.read().strip()
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
    return hashlib.sha256(f"{boot} {namespace}".encode()).hexdigest()[:16]


def contained() -> bool:
    """Whether this is a PID namespace of its own, as that of a container: all its processes end with its first one."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino != _FIRST_PID_NAMESPACE
    except OSError:
        return False


def started(pid: int) -> str:
    """When a process of this machine started, in clock ticks since the boot; empty when there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            # The name may have blanks and parentheses.
            fields = stream.read().rpartition(")")[2].split()
    except OSError:
        return ""
    # One that has ended stays until its parent looks.
    return "" if fields[0] in ("Z", "X") else fields[19]
