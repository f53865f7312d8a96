# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Values without Ansible's tags."""

from __future__ import annotations

import typing as t


def plain(value: t.Any) -> t.Any:
    """Plain containers and scalars of a value: Ansible tags its own types, and some libraries check for exact ones."""
    if isinstance(value, t.Mapping):
        return {str(key): plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, t.Sequence):
        return [plain(item) for item in value]
    return value
