# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The files from which Prometheus reads its targets (C(file_sd_configs)). Pure."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics.expected import Expected, Member
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics.jobs import JOBS, Job


def _endpoint(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _entry(cluster: str, member: Member, port: int) -> str:
    labels = {"cluster": cluster, "node": member.name, "role": member.role}
    return json.dumps({"targets": [_endpoint(member.address, port)], "labels": labels})


def files(cluster: str, expected: Expected, jobs: t.Iterable[Job]) -> dict[str, str]:
    """Job -> content of its file, one line per target, sorted by node.

    Each job that can have a file has one: without targets, the one of a job that is not in use any more is an empty
    list. A file that disappeared would leave its targets with Prometheus.
    """
    used = {job.name: job for job in jobs}
    found = {}
    for name, known in JOBS.items():
        if not known.port:
            continue
        job = used.get(name)
        entries = [
            _entry(cluster, member, job.port)
            for member in expected.members
            if job is not None and member.has(job)
        ]
        found[name] = "[\n" + ",\n".join(entries) + "\n]\n" if entries else "[]\n"
    return found
