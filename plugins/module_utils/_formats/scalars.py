# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Scalars of YAML, and JSON, as Kubernetes reads them. C(yaml.py) has the structure around them."""

from __future__ import annotations

import json
import re
import typing as t

COLON = re.compile(r":(?= |$)")
_BYTE = re.compile(r"(?<!\\)((?:\\\\)*)\\x([0-9A-Fa-f]{2})")
_SURROGATE = re.compile(r"(?<!\\)(?:\\\\)*\\u[dD][89a-fA-F]")
_INTEGER = re.compile(r"([-+]?)(?:0x([0-9a-fA-F_]+)|0b([01_]+)|0([0-7_]+)|(0|[1-9][0-9_]*))")
_BASES = (16, 2, 8, 10)
_FLOAT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]+")
# What any parser takes for a number, once its underscores are removed.
_NUMBER = re.compile(
    r"[-+]?(?:0[xX][0-9a-fA-F]*|0[oO][0-7]*|0[bB][-+]?[01]*"
    r"|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
    r"|[0-9]+(?::[0-5]?[0-9])+(?:\.[0-9]*)?|\.(?:inf|Inf|INF|nan|NaN|NAN))"
)
#: With these, a scalar needs quotes.
NO_START = frozenset(",[]{}#&*!|>'\"%@`")
#: Nothing is nested deeper.
DEEPEST = 60
# No number of a configuration is longer, or larger.
_LONGEST_NUMBER = 100
_LARGEST = (-(1 << 63), (1 << 64) - 1)
_WORDS: dict[str, t.Any] = {
    **{form: True for word in ("true", "yes", "on") for form in (word, word.title(), word.upper())},
    **{form: False for word in ("false", "no", "off") for form in (word, word.title(), word.upper())},
    **dict.fromkeys(("null", "Null", "NULL", "~", "")),
}
_UNCLEAR = frozenset({"y", "Y", "n", "N", "<<", "="})


class YamlError(ValueError):
    """The text is not YAML of this kind."""

    def __init__(self, number: int, what: str) -> None:
        self.number = number
        super().__init__(f"line {number}: {what}")


def plain(text: str, number: int) -> t.Any:
    """The value of a scalar without quotes."""
    if text in _WORDS:
        return _WORDS[text]
    if text in _UNCLEAR or "\t" in text:
        raise YamlError(number, f"a value that programs read differently: {text[:40]}")
    if text[0] in NO_START or text[:2] in ("- ", "? ", ": ") or text in "-?:" or COLON.search(text):
        raise YamlError(number, f"a value beyond this reader: {text[:40]}")
    # A sign or digit or dot comes first: other words need no look at all of their characters.
    if text[0] not in "+-.0123456789" or not _NUMBER.fullmatch(text.replace("_", "")):
        return text
    value = _number(text) if len(text) <= _LONGEST_NUMBER else None
    if value is None:
        raise YamlError(number, f"a number that programs read differently: {text[:40]}")
    return value


def _number(text: str) -> int | float | None:
    """A number that every parser reads alike, C(None) for others."""
    if _FLOAT.fullmatch(text):
        return float(text)
    match = _INTEGER.fullmatch(text)
    if not match:
        return None
    digits, base = next((found, base) for found, base in zip(match.groups()[1:], _BASES) if found)
    digits = digits.replace("_", "") or ("0" if base == 8 else "")
    if not digits:
        return None
    value = int(digits, base) * (-1 if match.group(1) == "-" else 1)
    return value if _LARGEST[0] <= value <= _LARGEST[1] else None


def plain_key(text: str, number: int) -> str:
    """A key without quotes. Its value as a scalar becomes text again in Kubernetes: C(yes) is C(true) there."""
    value = plain(text, number)
    same = {True: "true", False: "false"}.get(value) if isinstance(value, bool) else str(value)
    if value is None or isinstance(value, float) or same != text:
        raise YamlError(number, f"a key that programs read differently: {text[:40]}")
    return text


def unquoted(text: str, number: int) -> str:
    """The value of a scalar in quotes."""
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    if _SURROGATE.search(text):
        raise YamlError(number, f"an escape beyond this reader: {text[:40]}")
    try:
        # Of the escapes that JSON has not, only the one for bytes is ever written.
        return str(json.loads(_BYTE.sub(r"\1\\u00\2", text), strict=False))
    except ValueError:
        raise YamlError(number, f"an escape beyond this reader: {text[:40]}") from None


def _no_twins(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("a key is there twice")
    return result


def _no_json(name: str) -> t.NoReturn:
    raise ValueError(f"{name} is no JSON")


def _json_integer(text: str) -> int:
    value = int(text) if len(text) <= _LONGEST_NUMBER else None
    if value is None or not _LARGEST[0] <= value <= _LARGEST[1]:
        raise ValueError("a number that is too large")
    return value


def _json_float(text: str) -> float:
    value = float(text)
    if abs(value) == float("inf"):
        raise ValueError("a number that is too large")
    return value


def from_json(text: str) -> t.Any:
    """The value of a text in JSON. :raises ValueError: when it is none that every decoder reads alike."""
    value = json.loads(
        text,
        object_pairs_hook=_no_twins,
        parse_constant=_no_json,
        parse_int=_json_integer,
        parse_float=_json_float,
    )
    # Decoders differ in what they do with half of a pair.
    json.dumps(value, ensure_ascii=False).encode()
    level = [value]
    for _depth in range(DEEPEST + 1):
        level = [
            inner
            for item in level
            if isinstance(item, (dict, list))
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return value
    raise ValueError("nested too deeply")
