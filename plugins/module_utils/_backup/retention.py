# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Names of backups, and which of them are deleted. Pure."""

from __future__ import annotations

import re
import typing as t
from datetime import datetime, timedelta, timezone

_TIME = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"(?P<cluster>.+)-(?P<time>\d{8}T\d{6}Z)\.tar\.gz\.(?:age|gpg)")
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")


def file_name(cluster: str, created: str, suffix: str) -> str:
    """The name of a backup.

    :param created: as in the manifest. :param suffix: of the encryption.
    """
    moment = datetime.strptime(created, "%Y-%m-%dT%H:%M:%SZ").strftime(_TIME)
    return f"{_UNSAFE.sub('_', cluster)}-{moment}.tar.gz{suffix}"


def expired(names: t.Iterable[str], cluster: str, keep: int, days: float, now: datetime) -> list[str]:
    """Names of the backups of a cluster that are deleted, oldest first.

    The newest ones stay whatever their age is, so that a schedule which has stopped deletes nothing.

    :param names: of all files of the directory; others are left alone. :param keep: how many of the newest stay.
    :param days: those beyond stay as long, too.
    """
    found = _of(names, cluster)
    oldest = (now.astimezone(timezone.utc) - timedelta(days=days)).strftime(_TIME)
    beyond = found[: max(0, len(found) - max(1, keep))]
    return [name for moment, name in beyond if moment < oldest]


def newest(names: t.Iterable[str], cluster: str, now: datetime) -> tuple[datetime, str] | None:
    """When the newest backup of a cluster was made, and its name; C(None) when there is none.

    One that is later than now was made while the clock was wrong, and does not count.
    """
    moment = now.astimezone(timezone.utc).strftime(_TIME)
    found = [(made, name) for made, name in _of(names, cluster) if made <= moment]
    if not found:
        return None
    made, name = found[-1]
    return datetime.strptime(made, _TIME).replace(tzinfo=timezone.utc), name


def _of(names: t.Iterable[str], cluster: str) -> list[tuple[str, str]]:
    """Time and name of each backup of a cluster, oldest first."""
    own = _UNSAFE.sub("_", cluster)
    return sorted(
        (match["time"], match[0])
        for name in names
        if (match := _NAME.fullmatch(name)) and match["cluster"] == own
    )
