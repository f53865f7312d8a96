# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Find the processes of daemons and pods among those of a host. Pure."""

from __future__ import annotations

import os
import re

from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.record import Record
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.model import (
    CONTAINERD_SOCKET,
    NAMESPACE,
    Observation,
    Process,
    User,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.ownership import (
    own_service,
    programs_of,
    services_of,
)

_DELETED = " (deleted)"


def _runs(process: Process, program: str, record: Record) -> bool:
    exe = process.exe.replace(_DELETED, "")
    if program in record.directories:
        return (
            process.own_namespace and os.path.basename(exe).startswith("python") and program in process.argv
        )
    return process.own_namespace and exe == program


def _supervises(process: Process, program: str) -> bool:
    name = os.path.basename(process.exe.replace(_DELETED, ""))
    return process.own_namespace and name == "supervise-daemon" and program in process.argv


def shims(seen: Observation) -> list[Process]:
    """The processes that hold our containerd's containers.

    A cluster inside a container (kind, for example) has such processes too, but in its own process namespace.
    """
    return [
        process
        for process in seen.processes
        if process.own_namespace
        and os.path.basename(process.exe.replace(_DELETED, "")).startswith("containerd-shim")
        and process.option("-address") == CONTAINERD_SOCKET
    ]


def containers(seen: Observation) -> tuple[int, ...]:
    """Processes of pods, the innermost first, and the shims that hold them last."""
    holders = [process.pid for process in shims(seen) if process.option("-namespace") == NAMESPACE]
    children: dict[int, list[int]] = {}
    for process in seen.processes:
        children.setdefault(process.ppid, []).append(process.pid)
    found: list[int] = []
    waiting = list(holders)
    while waiting:
        pid = waiting.pop(0)
        below = [child for child in children.get(pid, ()) if child not in found and child not in holders]
        found += below
        waiting += below
    found += [
        process.pid for process in seen.processes if process.pod and process.pid not in (*found, *holders)
    ]
    return (*reversed(found), *holders)


def processes_of(seen: Observation) -> dict[str, tuple[int, ...]]:
    """Processes to end, by daemon; those of pods last.

    Supervisors come first, as they would start the daemon again.
    """
    found: dict[str, tuple[int, ...]] = {}
    for name in ("kubeadm", *services_of(seen.record)):
        pids: list[int] = []
        for program in programs_of(seen.record, name):
            pids += [p.pid for p in seen.processes if _supervises(p, program)]
            pids += [p.pid for p in seen.processes if _runs(p, program, seen.record)]
        if pids:
            found[name] = tuple(pids)
    pods = containers(seen)
    return {**found, "pods": pods} if pods else found


def foreign_users(seen: Observation) -> list[tuple[User, Process]]:
    """Processes that write to data directories, and neither are the collection's nor were started by one that is."""
    by_pid = {process.pid: process for process in seen.processes}
    texts = " ".join(service.text or "" for service in seen.services if own_service(service))
    started = re.split(r"[\s=\"']+", texts)
    own = {pid for pids in processes_of(seen).values() for pid in pids}
    own |= {process.pid for process in seen.processes if process.exe.replace(_DELETED, "") in started}
    own |= {process.pid for process in shims(seen)}

    def descends(process: Process) -> bool:
        known: set[int] = set()
        while process.pid not in own:
            parent = by_pid.get(process.ppid)
            if parent is None or parent.pid in known:
                return False
            known.add(parent.pid)
            process = parent
        return True

    return [
        (user, by_pid[user.pid])
        for user in seen.users
        if user.pid in by_pid and not descends(by_pid[user.pid])
    ]
