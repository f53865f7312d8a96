# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.
"""What the module's parameters mean: their specification, and the request that they describe."""

from __future__ import annotations

import grp
import os
import pwd
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact import record
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.model import (
    ArtifactError,
    Request,
    parse_directory,
    parse_file,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import proxy

ARGUMENT_SPEC: dict[str, t.Any] = {
    "component": {"type": "str"},
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "url": {"type": "str"},
            "checksum": {"type": "str"},
            "content": {"type": "str"},
            "secret": {"type": "str", "no_log": True},
            "dest": {"type": "str"},
            "members": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "source": {"type": "str", "required": True},
                    "dest": {"type": "str", "required": True},
                    "mode": {"type": "str"},
                },
            },
            "unpack_to": {"type": "str"},
            "strip": {"type": "int", "default": 0},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "mode": {"type": "str", "default": "0755"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
        },
    },
    "directories": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "str", "required": True},
            "mode": {"type": "str", "default": "0755"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "purge_marked": {"type": "str"},
            "data": {"type": "bool", "default": False},
        },
    },
    "ca_path": {"type": "path"},
    "ca": {"type": "str"},
    "timeout": {"type": "int", "default": 30},
    "deadline": {"type": "int", "default": 3600},
    "retries": {"type": "int", "default": 3},
    "record": {"type": "path", "default": record.DEFAULT_PATH},
    "work_dir": {"type": "path"},
    "headers": {"type": "dict", "no_log": True},
    "proxy": proxy.OPTION,
}


def _number(text: str, kind: str, lookup: t.Callable[[str], int], name: str) -> int:
    if text.isdigit():
        return int(text)
    try:
        return lookup(text)
    except KeyError as exc:
        raise ArtifactError(
            f"{name}: there is no {kind} {text!r} on this host.",
            f"Create the {kind} first, or give a number.",
        ) from exc


def _owner(raw: t.Mapping[str, t.Any], name: str) -> tuple[int, int]:
    """Numbers of the user and the group that an entry names."""
    user, group = raw["owner"] or str(os.geteuid()), raw["group"] or str(os.getegid())
    return (
        _number(user, "user", lambda text: pwd.getpwnam(text).pw_uid, name),
        _number(group, "group", lambda text: grp.getgrnam(text).gr_gid, name),
    )


def request_from(params: t.Mapping[str, t.Any]) -> Request:
    """The files and directories as asked for, with numeric owners.

    :raises ArtifactError: when an entry cannot be used.
    """
    return Request(
        files=tuple(parse_file(raw, *_owner(raw, raw["name"])) for raw in params["files"]),
        directories=tuple(parse_directory(raw, *_owner(raw, raw["path"])) for raw in params["directories"]),
    )
