# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Values of options in the type of their specification. Pure.

INI inventories and C(-e name=value) make text of booleans, numbers, lists and dictionaries. Ansible accepts that text
when it validates the arguments of a role, and hands it on as it was. What is accepted here is what Ansible accepts
there, and what modules make of it, but for values that they would take by guessing.
"""

from __future__ import annotations

import json
import math
import re
import typing as t

from ansible.module_utils.common.validation import (
    check_type_bool,
    check_type_dict,
    check_type_float,
    check_type_int,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError

#: What each type looks like, for messages.
FORMS = {
    "bool": "true or false",
    "dict": 'a dictionary (with -e: -e \'{"NAME": {"key": "value"}}\')',
    "float": "a number, such as 2.5",
    "int": "a whole number, such as 30",
    "list": "a list, or text with commas between its entries",
    "list of dictionaries": 'a list of dictionaries (with -e: -e \'{"NAME": [{"key": "value"}]}\')',
    "path": "text",
    "raw": "any value",
    "str": "text",
}
#: The type of the entries of a list or of the values of a dictionary; a mapping is that of each entry's keys.
Entries = str | t.Mapping[str, str]
#: Types of options.
KINDS = ("bool", "dict", "float", "int", "list", "path", "raw", "str")
_SHOWN = 120


class ConversionError(OperatorError):
    """A value that is not of its type.

    :param found: the value. :param expected: what it should be. :param where: the entry inside the option.
    """

    def __init__(self, found: t.Any, expected: str, where: str = "") -> None:
        self.found = shown(found)
        self.expected = expected
        self.where = where
        super().__init__(f"{where or 'the value'} is {self.found}, expected {expected}")


def shown(value: t.Any) -> str:
    """A value as a message shows it: as JSON, cut, without the password of a URL."""
    if value is None:
        return "empty (null)"
    try:
        text = json.dumps(value, default=str, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    text = re.sub(r"//[^/@\s]*@", "//...@", text)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def _bool(value: t.Any) -> bool:
    return bool(check_type_bool(value))


def _number(check: t.Callable[[t.Any], t.Any]) -> t.Callable[[t.Any], t.Any]:
    """Neither a boolean, nor infinity."""

    def number(value: t.Any) -> t.Any:
        if isinstance(value, bool):
            raise TypeError
        made = check(value)
        if not math.isfinite(made):
            raise ValueError
        return made

    return number


def _text(value: t.Any) -> str:
    """Numbers in a list of texts are what YAML makes of entries such as 1.2; a boolean is the text no longer."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError
    return str(value)


def _list(value: t.Any) -> list[t.Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, tuple):
        return list(value)
    if not isinstance(value, str):
        raise TypeError
    if value.lstrip().startswith(("[", "{")):
        # Ansible's own conversion cuts it at its commas, brackets and quotes included.
        raise TypeError
    return [entry.strip() for entry in value.split(",") if entry.strip()]


def _dict(value: t.Any) -> dict[str, t.Any]:
    if isinstance(value, t.Mapping):
        return t.cast(dict[str, t.Any], value)
    if not isinstance(value, str):
        raise TypeError
    return dict(check_type_dict(value))


_CONVERSIONS: dict[str, t.Callable[[t.Any], t.Any]] = {
    "bool": _bool,
    "dict": _dict,
    "float": _number(check_type_float),
    "int": _number(check_type_int),
    "list": _list,
    "path": _text,
    "raw": lambda value: value,
    "str": _text,
}


def _one(value: t.Any, kind: str, expected: str, where: str = "") -> t.Any:
    try:
        if value is None and kind != "raw":
            raise TypeError
        return _CONVERSIONS[kind](value)
    except (TypeError, ValueError, SyntaxError, OverflowError, RecursionError, MemoryError):
        # Of Ansible's functions; text that looks like a dictionary is read as a literal of Python, too.
        raise ConversionError(value, expected, where) from None


def _values(value: t.Mapping[str, t.Any], kinds: t.Mapping[str, str], where: str) -> dict[str, t.Any]:
    """A dictionary whose values have the types that are given."""
    changed = {
        key: _one(value[key], kind, FORMS[kind], f"{where}.{key}" if where else str(key))
        for key, kind in kinds.items()
        if key in value
    }
    return {**value, **changed}


def convert(value: t.Any, kind: str, entries: Entries = "") -> t.Any:
    """A value in its type.

    :param kind: the type, as in an argument specification.
    :param entries: type of the entries of a list (text without it) or of the values of a dictionary (any).
    :raises ConversionError: when it is not of this type and is no text for it.
    """
    if kind == "dict":
        made = _one(value, kind, FORMS[kind])
        return _values(made, dict.fromkeys(made, str(entries)), "") if entries else made
    if kind != "list":
        return _one(value, kind, FORMS[kind])
    inner = (entries or "str") if isinstance(entries, str) else "dict"
    expected = FORMS["list of dictionaries" if inner == "dict" else "list"]
    if inner == "dict" and isinstance(value, str):
        raise ConversionError(value, expected)
    found = [
        _one(item, inner, FORMS[inner], f"entry {number}")
        for number, item in enumerate(_one(value, kind, expected), 1)
    ]
    if isinstance(entries, str):
        return found
    return [_values(item, entries, f"entry {number}") for number, item in enumerate(found, 1)]
