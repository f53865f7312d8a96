# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Merge a site's settings over those of a role. Pure: the filter is a thin shell over this."""

from __future__ import annotations

import typing as t


def _named(value: t.Any) -> bool:
    """Whether a value is a list of dictionaries with names, as kubeadm's arguments and volumes are."""
    return (
        isinstance(value, t.Sequence)
        and not isinstance(value, str)
        and bool(value)
        and all(isinstance(item, t.Mapping) and "name" in item for item in value)
    )


def combine_named(base: t.Any, over: t.Any) -> t.Any:
    """C(base) with C(over) merged over it.

    Dictionaries are merged key by key. Of two lists of named dictionaries, the second's items replace those of the same
    name in the first, and the others follow; a name may occur more than once, as a repeated argument does. Everything
    else is replaced.
    """
    if isinstance(base, t.Mapping) and isinstance(over, t.Mapping):
        keys = [*base, *(key for key in over if key not in base)]
        return {
            key: combine_named(base[key], over[key])
            if key in base and key in over
            else over.get(key, base.get(key))
            for key in keys
        }
    if _named(base) and _named(over):
        names = {item["name"] for item in over}
        return [*(item for item in base if item["name"] not in names), *over]
    return over
