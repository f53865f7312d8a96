# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters over options of roles; each is documented in the YAML file of its name."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._options import convert


def typed(value: t.Any, kind: str, entries: t.Any = "") -> t.Any:
    """See C(typed.yml).

    :raises AnsibleFilterError: for a value that is not of the type and cannot be converted.
    """
    kinds = entries.values() if isinstance(entries, t.Mapping) else [entries] if entries else []
    unknown = [name for name in (kind, *kinds) if name not in convert.KINDS]
    if unknown:
        raise AnsibleFilterError(f"typed knows no type {unknown[0]!r}, only {', '.join(convert.KINDS)}.")
    try:
        return convert.convert(value, kind, entries)
    except convert.ConversionError as exc:
        raise AnsibleFilterError(f"The option cannot be used: {exc}.") from None


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name -> function."""
        return {
            "typed": typed,
        }
