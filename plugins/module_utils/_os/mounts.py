# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Read what is mounted, and what the operator has configured to be mounted. Pure.

Everything is read as bytes, as a name may have any but zero: what a text has as white space or as the end of a line is
more than what the kernel and libmount separate by.
"""

from __future__ import annotations

import os
import re
import typing as t
from dataclasses import dataclass

_ESCAPE = re.compile(rb"\\([0-7]{3})")
_BLANKS = re.compile(rb"[ \t]+")
_WHERE = re.compile(rb"^[ \t]*Where[ \t]*=[ \t]*(.*?)[ \t\r]*$", re.MULTILINE)
_SPECIFIER = re.compile(rb"%(.)")
# A server may be down, so that even looking at the mount point takes forever.
NETWORK = frozenset(
    {"9p", "afs", "ceph", "cifs", "fuse.sshfs", "glusterfs", "lustre", "nfs", "nfs4", "smb3", "smbfs"}
)


@dataclass(frozen=True)
class Mount:
    """A mount point and the type of its file system."""

    point: str
    kind: str

    @property
    def remote(self) -> bool:
        """Whether a server is behind it."""
        return self.kind in NETWORK or self.kind == "fuse" or self.kind.startswith("fuse.")


def unescape(field: bytes) -> bytes:
    """A field without its escapes: a backslash and three octal digits stand for a byte."""
    return _ESCAPE.sub(lambda match: bytes((int(match.group(1), 8) & 0xFF,)), field)


def parse_mountinfo(data: bytes) -> list[Mount]:
    """The mounts of C(/proc/PID/mountinfo), in its order."""
    found = []
    for line in data.split(b"\n"):
        fields = line.split(b" ")
        # Optional fields end with a dash; nothing before them is optional.
        if len(fields) > 8 and b"-" in fields[6:-1]:
            kind = fields[fields.index(b"-", 6) + 1]
            found.append(Mount(os.fsdecode(unescape(fields[4])), os.fsdecode(kind)))
    return found


def normal(path: str) -> str:
    """A path without trailing or repeated slashes, as the kernel shows it."""
    return "/" + os.path.normpath(path).lstrip("/")


def parse_fstab(data: bytes) -> list[str]:
    """The mount points in fstab, as the kernel would show them. Swap and the like have none."""
    found = []
    for line in data.split(b"\n"):
        fields = _BLANKS.split(line.strip(b" \t"))
        if len(fields) > 1 and not fields[0].startswith(b"#"):
            point = os.fsdecode(unescape(fields[1]))
            if point.startswith("/"):
                found.append(normal(point))
    return found


def parse_units(units: t.Iterable[bytes]) -> list[str]:
    """The mount points of mount and automount units of systemd."""
    found = []
    for data in units:
        for match in _WHERE.finditer(data):
            value = match.group(1).strip(b"\"'")
            point = os.fsdecode(
                _SPECIFIER.sub(lambda one: b"%" if one.group(1) == b"%" else one.group(0), value)
            )
            if point.startswith("/"):
                found.append(normal(point))
    return found
