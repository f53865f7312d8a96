# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Differences between this report and the previous one."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import (
    ERROR,
    FAIL,
    NOT_APPLICABLE,
    PASS,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report.model import (
    Change,
    Drift,
    Report,
)

#: Schema of the JSON report. A report with another schema is not compared.
SCHEMA = 1

_BAD = frozenset({FAIL, ERROR})
_GOOD = frozenset({PASS, NOT_APPLICABLE})


@dataclass(frozen=True)
class Before:
    """What a comparison needs of an earlier report.

    :param rows: status and fingerprint by check and host.
    """

    time: str
    profile: str
    basis: str
    cluster: str
    hosts: tuple[str, ...]
    rows: t.Mapping[tuple[str, str], tuple[str, str]]


def _slim(found: dict[str, t.Any]) -> t.Any:
    """Keep only what a comparison needs while reading a large document."""
    if "fingerprint" in found:
        return (found.get("check"), found.get("host"), found.get("status"), found["fingerprint"])
    if "observed" in found:
        return None
    return found


def read(data: str | bytes) -> Before:
    """Read the previous report.

    :raises ValueError: when it is not a report with this schema.
    """
    document = json.loads(data, object_hook=_slim)
    try:
        if document["schema"] != SCHEMA:
            raise ValueError(f"its schema is {document['schema']}, expected {SCHEMA}")
        return Before(
            time=str(document["time"]),
            profile=str(document["profile"]["name"]),
            basis=str(document["basis"]),
            cluster=str(document["cluster"]),
            hosts=tuple(str(item["name"]) for item in document["hosts"]),
            rows={
                (str(check), str(host or "")): (str(status), str(print_))
                for check, host, status, print_ in document["results"]
            },
        )
    except (KeyError, TypeError) as exc:
        raise ValueError("it is not a report of the playbook cis") from exc


def compare(before: Before, report: Report) -> Drift:
    """Compare two reports. New hosts have no previous results, so none of them is newly failed."""
    for what, old, new in (
        ("cluster", before.cluster, report.cluster),
        ("profile", before.profile, report.profile.name),
        ("basis", before.basis, report.basis),
    ):
        if old != new:
            return Drift(note=f"The previous report is of another {what}, {old}, and is not compared.")
    failed, fixed, other, evidence = [], [], [], []
    for row in report.rows:
        old_row = before.rows.get((row.check, row.host))
        if old_row is None:
            continue
        change = Change(row.check, row.host, old_row[0], row.status)
        if change.before == change.after:
            if old_row[1] != row.fingerprint:
                evidence.append(change)
        elif change.after in _BAD and change.before not in _BAD:
            failed.append(change)
        elif change.before in _BAD and change.after in _GOOD:
            fixed.append(change)
        else:
            other.append(change)
    now = [place.name for place in report.places if place.name]
    return Drift(
        since=before.time,
        failed=tuple(failed),
        fixed=tuple(fixed),
        other=tuple(other),
        evidence=tuple(evidence),
        new_hosts=tuple(name for name in now if name not in set(before.hosts)),
        gone_hosts=tuple(name for name in before.hosts if name not in set(now)),
    )
