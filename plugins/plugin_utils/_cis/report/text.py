# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Text that is safe in every format: without keys, tokens, and characters that control a terminal or break XML."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import redact

_LONGEST = 1000
# Control characters except tab and newline, surrogates, non-characters, and marks that change the direction of text.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]")


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class Cleaner:
    """Cleans values, each distinct one only once: many hosts have the same."""

    def __init__(self) -> None:
        self._known: dict[t.Any, str] = {}

    def __call__(self, value: t.Any) -> str:
        """The value as text that a report may show."""
        if isinstance(value, bool):
            return "true" if value else "false"
        text = "" if value is None else str(value)
        found = self._known.get(text)
        if found is None:
            found = _UNSAFE.sub(_visible, redact(text))
            if len(found) > _LONGEST:
                found = f"{found[:_LONGEST]}... ({len(found)} characters)"
            self._known[text] = found
        return found
