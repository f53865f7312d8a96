# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Whether the options that an inventory sets have values that the roles can use. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network import host_openings, openings
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._options import combinations, documents
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._options.convert import convert
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._options.specification import (
    Option,
    problem,
)

_SHOWN = 5
#: Options that are openings, and how they are read.
OPENINGS: t.Mapping[str, t.Callable[[t.Any], tuple[str, ...]]] = {
    "network_openings": lambda value: openings.read(value).problems,
    host_openings.OPTION: lambda value: host_openings.read(value)[1],
}

#: Host -> option -> value, for the options that are set for the host.
Values = t.Mapping[str, t.Mapping[str, t.Any]]


def _hosts(names: t.Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _problems(name: str, value: t.Any, option: Option) -> tuple[str, ...]:
    """What is wrong with the value of an option."""
    text = problem(name, value, option) or documents.secrets(name, value)
    if text:
        return (text,)
    return OPENINGS[name](convert(value, "list", "dict")) if name in OPENINGS else ()


def check(values: Values, options: t.Mapping[str, Option]) -> None:
    """Refuse values that are not of the type or form of their option, or do not fit each other, all in one message.

    A value that several hosts share, as the same object, is looked at once.

    :raises OperatorError: when there are any.
    """
    found: dict[str, list[str]] = {}
    known: dict[tuple[str, int], tuple[str, ...]] = {}
    for host, own in values.items():
        refused = False
        for name, value in own.items():
            place = (name, id(value))
            if place not in known:
                known[place] = _problems(name, value, options[name])
            for text in known[place]:
                found.setdefault(text, []).append(host)
                refused = True
        if not refused:
            text = combinations.api_endpoint(own)
            if text:
                found.setdefault(text, []).append(host)
    if found:
        lines = "\n".join(f"- {_hosts(hosts)}: {text}." for text, hosts in found.items())
        raise OperatorError(
            "The inventory or the command line has values that cannot be used. Nothing was changed. Correct them and"
            f" run again:\n{lines}"
        )
