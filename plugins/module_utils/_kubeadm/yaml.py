# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Read the plain YAML that Kubernetes programs write: block style, and no more of the language than they use.

A host need not have a YAML library. What a person wrote by hand may be beyond this reader; callers then treat the text
as one that differs.
"""

from __future__ import annotations

import json
import re
import typing as t

_KEY = re.compile(
    r"""^("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s#'"\[\]{}&*!|>%@`-][^#]*?|-[^\s#][^#]*?)\s*:(?:\s+(.*))?$"""
)
_INTEGER = re.compile(r"^[-+]?(?:0|[1-9]\d*)$")
_WORDS: dict[str, t.Any] = {
    "true": True,
    "false": False,
    "null": None,
    "~": None,
    "": None,
    "{}": {},
    "[]": [],
}


class YamlError(ValueError):
    """The text is not YAML of this kind."""


class _Line(t.NamedTuple):
    indent: int
    text: str
    number: int


class _Reader:
    def __init__(self, text: str) -> None:
        if "\t" in text:
            raise YamlError("a tab")
        self._raw = text.split("\n")
        self._at = 0

    def peek(self) -> _Line | None:
        """The next line that says something."""
        while self._at < len(self._raw):
            raw = self._raw[self._at]
            text = raw.strip(" ")
            if text and not text.startswith("#"):
                return _Line(len(raw) - len(raw.lstrip(" ")), text, self._at)
            self._at += 1
        return None

    def take(self) -> None:
        self._at += 1

    def replace(self, indent: int, text: str) -> None:
        """Read the rest of the present line as a line of its own."""
        self._raw[self._at] = " " * indent + text

    def literal(self, parent: int, header: str) -> str:
        """The lines of a block scalar, which are deeper than its key."""
        lines: list[str] = []
        while self._at < len(self._raw):
            raw = self._raw[self._at]
            if raw.strip(" ") and len(raw) - len(raw.lstrip(" ")) <= parent:
                break
            lines.append(raw)
            self._at += 1
        filled = [line for line in lines if line.strip(" ")]
        margin = min((len(line) - len(line.lstrip(" ")) for line in filled), default=0)
        body = "\n".join(line[margin:] for line in lines).rstrip("\n")
        if header == "|-":
            return body
        return body + "\n" if body else ""


def _scalar(text: str) -> t.Any:
    if text.startswith('"'):
        try:
            return json.loads(text)
        except ValueError as exc:
            raise YamlError(f"a quoted value: {text[:40]}") from exc
    if text.startswith("'"):
        if len(text) < 2 or not text.endswith("'"):
            raise YamlError(f"a quoted value over several lines: {text[:40]}")
        return text[1:-1].replace("''", "'")
    if text in _WORDS:
        value = _WORDS[text]
        return type(value)() if isinstance(value, (dict, list)) else value
    if text[0] in "&*!%@`{[>|" or " #" in text or text.endswith(":") or ": " in text:
        raise YamlError(f"a value beyond this reader: {text[:40]}")
    return int(text) if _INTEGER.match(text) else text


def _value(reader: _Reader, indent: int, text: str | None) -> t.Any:
    """What stands behind a key or a dash at C(indent)."""
    if text in ("|", "|-"):
        reader.take()
        return reader.literal(indent, text)
    if text:
        reader.take()
        following = reader.peek()
        if following is not None and following.indent > indent:
            raise YamlError(f"a value over several lines: {following.text[:40]}")
        return _scalar(text)
    reader.take()
    following = reader.peek()
    if following is None or following.indent < indent:
        return None
    if following.indent == indent and not following.text.startswith("- "):
        return None
    return _block(reader, following.indent)


def _block(reader: _Reader, indent: int) -> t.Any:
    line = reader.peek()
    if line is None:
        return None
    if line.text == "-" or line.text.startswith("- "):
        return _sequence(reader, indent)
    if _KEY.match(line.text):
        return _mapping(reader, indent)
    reader.take()
    return _scalar(line.text)


def _sequence(reader: _Reader, indent: int) -> list[t.Any]:
    items: list[t.Any] = []
    while (line := reader.peek()) is not None and line.indent == indent and line.text.startswith("-"):
        rest = line.text[1:]
        inner = rest.lstrip(" ")
        column = indent + 1 + len(rest) - len(inner)
        if inner.startswith("- ") or (inner and inner[0] not in "\"'|" and _KEY.match(inner)):
            reader.replace(column, inner)
            items.append(_block(reader, column))
        else:
            items.append(_value(reader, indent + 1, inner))
    if line is not None and line.indent > indent:
        raise YamlError(f"an indentation: {line.text[:40]}")
    return items


def _mapping(reader: _Reader, indent: int) -> dict[str, t.Any]:
    result: dict[str, t.Any] = {}
    while (line := reader.peek()) is not None and line.indent == indent:
        match = _KEY.match(line.text)
        if not match or line.text.startswith("- "):
            break
        key = str(_scalar(match.group(1)) if match.group(1)[0] in "\"'" else match.group(1))
        if key in result:
            raise YamlError(f"{key} is there twice")
        result[key] = _value(reader, indent, match.group(2))
    if line is not None and line.indent > indent:
        raise YamlError(f"an indentation: {line.text[:40]}")
    return result


def load(text: str) -> t.Any:
    """The value of a document.

    :raises YamlError: when the text needs more of the language than this reader knows.
    """
    reader = _Reader(text[4:] if text.startswith("---\n") else text)
    first = reader.peek()
    if first is None:
        return None
    value = _block(reader, first.indent)
    rest = reader.peek()
    if rest is not None:
        raise YamlError(f"line {rest.number + 1}: {rest.text[:40]}")
    return value


def split(text: str) -> list[str]:
    """The documents of a stream."""
    return [part for part in re.split(r"^---\s*$\n?", text, flags=re.MULTILINE) if part.strip()]
