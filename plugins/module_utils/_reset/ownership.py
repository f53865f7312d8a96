# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Tell what the collection placed from what others did, by its record and by the mark in its text files. Pure."""

from __future__ import annotations

import os
import re

from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.record import Record
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.marks import marked
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.model import (
    Entry,
    Observation,
    Service,
)

_SERVICE = re.compile(r"^/etc/(?:systemd/system/(?P<unit>[^/]+)\.service|init\.d/(?P<script>[^/]+))$")


def service_of(path: str) -> str | None:
    """The service whose unit or init script a path is."""
    match = _SERVICE.match(path)
    return (match["unit"] or match["script"]) if match else None


def services_of(record: Record) -> list[str]:
    """The services that were placed, the last one first: the kubelet stops before containerd."""
    names = [service_of(path) for path in reversed(list(record.files))]
    return [name for name in dict.fromkeys(names) if name]


def own_service(service: Service) -> bool:
    """Whether the collection wrote a service's unit or init script."""
    return marked(service.text or "")


def claimed(seen: Observation) -> bool:
    """Whether the collection has been at work here: only then are the daemons' directories its own.

    Its record is removed last, so this holds also after a reset that was interrupted.
    """
    placed = any(file.sha256 and service_of(path) for path, file in seen.record.files.items())
    return placed or any(own_service(service) for service in seen.services)


def own_file(seen: Observation, entry: Entry | None) -> bool:
    """Whether a recorded file is still the collection's: what was placed, or a text that carries its mark."""
    file = seen.record.files.get(entry.path) if entry is not None else None
    if entry is None or file is None or entry.kind != "file":
        return False
    return entry.sha256 in file.digests or (not file.release and marked(entry.head))


def programs_of(record: Record, name: str) -> tuple[str, ...]:
    """The recorded programs of a daemon: release files of its name, or a directory of its name that Python runs."""
    files = [path for path, file in record.files.items() if file.release]
    return tuple(
        path
        for path in (*files, *(path for path in record.directories if f"{path}/__main__.py" in record.files))
        if os.path.basename(path) == name
    )
