# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.
"""What a call says about its plan: the diff, and the return value of each path."""

from __future__ import annotations

import grp
import os
import pwd
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.plan import Plan, Target
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.staging import Staged

# Bytes of a file that a diff shows at most.
_SHOWN = 1 << 20


def _owner_of(uid: int, gid: int) -> str:
    """C(user:group), by name where the host knows one."""
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    try:
        group = grp.getgrgid(gid).gr_name
    except KeyError:
        group = str(gid)
    return f"{user}:{group}"


def result_of(target: Target, staged: Staged) -> dict[str, t.Any]:
    """The return value of one path."""
    key = str(target.spec.checksum)
    download = staged.downloads.get(key)
    facts = staged.contents.get(key, {}).get(target.member or "")
    sha256: str | None = target.before.digests.get("sha256")
    size: int | None = target.before.size
    if target.content:
        sha256 = target.expected.digest if target.expected and target.expected.algorithm == "sha256" else None
        size = None
        if facts is not None:
            sha256, size = facts.sha256, facts.size
        elif download is not None and target.member is None:
            sha256, size = download.sha256, download.size
    return {
        "name": target.spec.name,
        "dest": target.dest,
        "changed": target.changed,
        "previous_sha256": target.before.digests.get("sha256"),
        "sha256": sha256,
        "size": size,
        "source": target.spec.shown_url or None,
        "member": target.member,
        "modified_at": _modified_at(target.dest),
    }


def _modified_at(path: str) -> float | None:
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return None


def diff_of(plan: Plan) -> dict[str, str] | list[dict[str, str]]:
    """One summary of all that changes, and the lines of each small file that gets another content."""
    rows = [plan.diff(_owner_of)]
    for target in plan.targets:
        spec = target.spec
        if spec.content is None or not target.content or spec.sensitive:
            continue
        rows.append(
            {
                "before_header": target.dest,
                "after_header": target.dest,
                "before": _text(target.dest) if target.before.kind == "file" else "",
                "after": spec.content.decode(),
            }
        )
    return rows if len(rows) > 1 else rows[0]


def _text(path: str) -> str:
    try:
        with open(path, "rb") as stream:
            return stream.read(_SHOWN).decode("utf-8", "replace")
    except OSError:
        return ""
