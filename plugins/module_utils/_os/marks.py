# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The mark by which the collection recognises text files that it has written."""

from __future__ import annotations

import re

#: The first line of what Python code writes; the roles have it as cluster_managed_marker.
FIRST_LINE = "# Managed by baremetal.kubernetes: changes made here are lost.\n"

_LINES = 4
_BYTES = 4096
# As the roles' templates and kernel_settings begin, and the collection's own programs.
_MARKED = re.compile(
    r"^[#;] ?(?:(?:Managed|Written) by|Copyright: \(c\) \d+,) baremetal\.kubernetes\b", re.MULTILINE
)


def marked(text: str) -> bool:
    """Whether a file says in its first lines that the collection wrote it."""
    return bool(_MARKED.search("\n".join(text.splitlines()[:_LINES])))


def is_foreign(path: str) -> bool:
    """Whether there is a file with content that the collection did not write. A file that cannot be read is one."""
    try:
        with open(path, "rb") as stream:
            head = stream.read(_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return bool(head.strip()) and not marked(head.decode("utf-8", "replace"))
