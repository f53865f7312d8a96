# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Read the YAML of configuration files: block and flow style, quoted and block scalars, comments, JSON.

Hosts need not have a YAML library. Like every reader of C(_formats), this one fails closed, and its syntax never grows:
anchors, tags, merge keys, keys that are no scalars, quoted or plain scalars over several lines, tabs outside of text,
and line breaks other than LF and CR LF raise C(YamlError). Callers treat such a text as one that differs, or that could
not be read.

Plain scalars are resolved as in Kubernetes (sigs.k8s.io/yaml, YAML 1.1): C(yes) and C(off) are booleans, C(0x32) and
C(062) are 50. What parsers disagree about is refused (C(y), C(0o17), C(1e3), C(12:30)); dates stay strings. Blanks are
spaces, as in YAML: a no-break space belongs to the word. Keys are always strings, as in JSON.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats.scalars import (
    COLON,
    DEEPEST,
    NO_START,
    YamlError,
    from_json,
    plain,
    plain_key,
    unquoted,
)

__all__ = ("YamlError", "load", "load_all", "split")

_QUOTED = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^']|'')*'""")
_BLANKS = re.compile(r" *")
_KEY_COLON = re.compile(r" *:(?= |$)")
_COMMENT = re.compile(r"(?:^| )#.*$")
_BLOCK_SCALAR = re.compile(r"^([|>])(?:([-+])([1-9])?|([1-9])([-+])?)?(?: +#.*)?$")
_FLOW_PLAIN = re.compile(r"(?:[^,\[\]{}:?# ]|:(?![ ,\[\]{}]|$)|(?<=[^ ])#| +(?![ #]|$))+")
_DOCUMENT = re.compile(r"^(?:---|\.\.\.)(?: |$)")
# Characters of YAML 1.1, without the line breaks that few editors show: CR alone, NEL, LS and PS.
_ALIEN = re.compile("[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
# Parsers give up on longer keys.
_LONGEST_KEY = 1024


class _Line(t.NamedTuple):
    indent: int
    text: str
    number: int


class _Reader:
    """Lines of a document.

    :param before: how many lines of the stream are before it.
    :param cut: whether no line break ends the last one.
    """

    def __init__(self, lines: t.Sequence[str], before: int, cut: bool = False) -> None:
        self._raw = list(lines)
        self._before = before
        self._cut = cut
        self._at = 0

    @property
    def number(self) -> int:
        """Number of the present line in the stream, from 1."""
        return self._before + self._at + 1

    @property
    def raw(self) -> str | None:
        """The present line as it is, C(None) behind the last one."""
        return self._raw[self._at] if self._at < len(self._raw) else None

    def peek(self) -> _Line | None:
        """The next line that says something."""
        while (raw := self.raw) is not None:
            text = raw.strip(" ")
            if text and not text.startswith("#"):
                if text[0] == "\t":
                    raise YamlError(self.number, "a tab as indentation")
                return _Line(len(raw) - len(raw.lstrip(" ")), text, self.number)
            self._at += 1
        return None

    def take(self) -> None:
        self._at += 1

    def replace(self, indent: int, text: str) -> None:
        """Read the rest of the present line as a line of its own."""
        self._raw[self._at] = " " * indent + text

    def scalar(self, parent: int, header: t.Match[str]) -> str:
        """A block scalar: its lines are deeper than what it belongs to."""
        self.take()
        width = header.group(3) or header.group(4)
        margin = parent + int(width) if width else None
        lines: list[str] = []
        blanks = 0
        while (raw := self.raw) is not None:
            if raw.strip(" "):
                indent = len(raw) - len(raw.lstrip(" "))
                if indent <= parent or (margin is not None and indent < margin):
                    break
                if margin is None and (indent < blanks or raw[indent] == "\t"):
                    raise YamlError(
                        self.number, "a block scalar that begins with a deeper blank line or a tab"
                    )
                margin = indent if margin is None else margin
            elif margin is None:
                blanks = max(blanks, len(raw))
            lines.append("" if margin is None else raw[margin:])
            self._at += 1
        filled = len(lines)
        while filled and not lines[filled - 1]:
            filled -= 1
        body = "\n".join(lines[:filled]) if header.group(1) == "|" else _folded(lines[:filled])
        chomping = header.group(2) or header.group(5)
        if self._cut and self.raw is None and lines:
            if filled < len(lines):
                raise YamlError(self.number - 1, "blanks at the end of the file")
            return body
        if chomping == "-":
            return body
        if chomping == "+":
            return body + "\n" * (len(lines) - filled + (1 if filled else 0))
        return body + "\n" if filled else ""


def _folded(lines: t.Sequence[str]) -> str:
    """Lines joined by blanks: empty ones break them, and deeper ones stay as they are (YAML 1.2.2, 8.1.3)."""
    parts: list[str] = []
    blank, previous = 0, ""
    for line in lines:
        if not line:
            blank += 1
            continue
        if not previous:
            parts.append("\n" * blank)
        elif previous[0] in " \t" or line[0] in " \t":
            parts.append("\n" * (blank + 1))
        else:
            parts.append("\n" * blank or " ")
        parts.append(line)
        blank, previous = 0, line
    return "".join(parts)


class _Flow:
    """A value in quotes, brackets or braces, over as many lines as it takes.

    :param at: where it begins in the present line.
    """

    def __init__(self, reader: _Reader, at: int) -> None:
        self._reader = reader
        self._at = at
        self._first = reader.number

    def next(self) -> str:
        """The next character that is no blank and no comment."""
        while (raw := self._reader.raw) is not None:
            # In place: a document may be one long line.
            blanks = _BLANKS.match(raw, self._at)
            blank = blanks.end() if blanks else self._at
            comment = raw[blank : blank + 1] == "#" and (blank == 0 or raw[blank - 1] == " ")
            if blank < len(raw) and not comment:
                self._at = blank
                return raw[blank]
            self._reader.take()
            self._at = 0
        raise YamlError(self._first, "a bracket that nothing closes")

    def expect(self, wanted: str) -> str:
        """Take one of some characters."""
        found = self.next()
        if found not in wanted:
            raise YamlError(self._reader.number, f"{found} where one of {' '.join(wanted)} is expected")
        self._at += 1
        return found

    def scalar(self, key: bool = False) -> t.Any:
        raw, number = self._reader.raw or "", self._reader.number
        quoted = raw[self._at] in "\"'"
        match = (_QUOTED if quoted else _FLOW_PLAIN).match(raw, self._at)
        if not match:
            raise YamlError(number, f"a value beyond this reader: {raw[self._at :][:40]}")
        self._at = match.end()
        if key and len(match.group()) > _LONGEST_KEY:
            raise YamlError(number, "a key that is too long")
        if quoted:
            return unquoted(match.group(), number)
        text = match.group().rstrip(" ")
        if text[0] in ":?":
            raise YamlError(number, f"a value beyond this reader: {text[:40]}")
        return plain_key(text, number) if key else plain(text, number)

    def colon(self, quoted: bool) -> None:
        """Take the colon behind a key. Behind one without quotes, parsers disagree unless a blank follows."""
        number = self._reader.number
        self.expect(":")
        after = (self._reader.raw or "")[self._at : self._at + 1]
        if self._reader.number != number or (not quoted and after not in ("", " ")):
            raise YamlError(number, "a key beyond this reader")

    def value(self, depth: int) -> t.Any:
        """One value of any kind."""
        start = self.next()
        if depth > DEEPEST:
            raise YamlError(self._reader.number, "nested too deeply")
        if start == "[":
            return self._sequence(depth)
        if start == "{":
            return self._mapping(depth)
        return self.scalar()

    def _sequence(self, depth: int) -> list[t.Any]:
        self._at += 1
        items: list[t.Any] = []
        while self.next() != "]":
            items.append(self.value(depth + 1))
            if self.next() != "]":
                self.expect(",")
        self._at += 1
        return items

    def _mapping(self, depth: int) -> dict[str, t.Any]:
        self._at += 1
        pairs: dict[str, t.Any] = {}
        while self.next() != "}":
            quoted = self.next() in "\"'"
            key = str(self.scalar(key=True))
            if key in pairs:
                raise YamlError(self._reader.number, f"{key} is there twice")
            self.colon(quoted)
            pairs[key] = None if self.next() in ",}" else self.value(depth + 1)
            if self.next() != "}":
                self.expect(",")
        self._at += 1
        return pairs

    def finish(self) -> None:
        """Nothing may be behind the value in its last line."""
        rest = (self._reader.raw or "")[self._at :]
        if _COMMENT.sub("", rest).strip(" ") or rest.startswith("#"):
            raise YamlError(self._reader.number, f"a value beyond this reader: {rest.strip(' ')[:40]}")
        self._reader.take()


def _key(text: str, number: int) -> tuple[str, str, int] | None:
    """The key that a line begins with, what is behind it, and where that begins. C(None) when there is none."""
    if text[0] in "\"'":
        quoted = _QUOTED.match(text)
        colon = _KEY_COLON.match(text, quoted.end()) if quoted else None
        if not quoted or not colon:
            return None
        name, end = unquoted(quoted.group(), number), colon.end()
    else:
        if text == "?" or text.startswith("? "):
            raise YamlError(number, "a key of several lines")
        found = COLON.search(text)
        if not found or text[0] in NO_START or _COMMENT.search(text[: found.start()]):
            return None
        name, end = text[: found.start()].rstrip(" "), found.end()
        if not name:
            raise YamlError(number, f"a key beyond this reader: {text[:40]}")
        name = plain_key(name, number)
    if end > _LONGEST_KEY:
        raise YamlError(number, "a key that is too long")
    rest = text[end:].lstrip(" ")
    return name, rest, len(text) - len(rest)


def _is_item(text: str) -> bool:
    return text == "-" or text.startswith("- ")


def _inline(reader: _Reader, column: int) -> t.Any:
    """A value that begins in the present line."""
    raw = reader.raw or ""
    if raw[column] in "[{\"'":
        flow = _Flow(reader, column)
        value = flow.value(0)
        flow.finish()
        return value
    value = plain(_COMMENT.sub("", raw[column:]).strip(" "), reader.number)
    reader.take()
    return value


def _value(reader: _Reader, indent: int, column: int, text: str, depth: int, item: bool) -> t.Any:
    """What stands behind a key or a dash.

    :param indent: where the key or dash is. :param column: where C(text), the rest of the line, begins.
    """
    header = _BLOCK_SCALAR.match(text)
    if header:
        return reader.scalar(indent, header)
    if text and not text.startswith("#"):
        return _inline(reader, column)
    reader.take()
    following = reader.peek()
    if following is None or following.indent < indent:
        return None
    if following.indent == indent and (item or not _is_item(following.text)):
        return None
    return _block(reader, following.indent, depth + 1)


def _block(reader: _Reader, indent: int, depth: int) -> t.Any:
    line = reader.peek()
    if line is None:
        return None
    if depth > DEEPEST:
        raise YamlError(line.number, "nested too deeply")
    if _is_item(line.text):
        return _sequence(reader, indent, depth)
    if _key(line.text, line.number):
        return _mapping(reader, indent, depth)
    return _inline(reader, indent)


def _sequence(reader: _Reader, indent: int, depth: int) -> list[t.Any]:
    items: list[t.Any] = []
    while (line := reader.peek()) is not None and line.indent == indent and _is_item(line.text):
        inner = line.text[1:].lstrip(" ")
        column = indent + len(line.text) - len(inner)
        if inner and (_is_item(inner) or _key(inner, line.number)) and inner[0] != "#":
            reader.replace(column, inner)
            items.append(_block(reader, column, depth + 1))
        else:
            items.append(_value(reader, indent, column, inner, depth, item=True))
    if line is not None and line.indent > indent:
        raise YamlError(line.number, f"an indentation: {line.text[:40]}")
    return items


def _mapping(reader: _Reader, indent: int, depth: int) -> dict[str, t.Any]:
    pairs: dict[str, t.Any] = {}
    while (line := reader.peek()) is not None and line.indent == indent and not _is_item(line.text):
        found = _key(line.text, line.number)
        if not found:
            break
        name, rest, column = found
        if name in pairs:
            raise YamlError(line.number, f"{name} is there twice")
        pairs[name] = _value(reader, indent, indent + column, rest, depth, item=False)
    if line is not None and line.indent > indent:
        raise YamlError(line.number, f"an indentation: {line.text[:40]}")
    return pairs


def _documents(text: str) -> t.Iterator[tuple[list[str], int]]:
    """Lines of each document that says something, and how many lines are before them.

    :raises YamlError: for what may not stand beside or behind a mark.
    """
    lines = text.split("\n")
    lines = lines[:-1] if not lines[-1] else lines
    marks = [at for at, line in enumerate(lines) if _DOCUMENT.match(line)]
    ended = {at for at in marks if lines[at].startswith(".")}
    for at in marks:
        lines[at] = "   " + lines[at][3:]
        beside = lines[at].strip(" ")
        if beside[:1] not in ("", "#") and (at in ended or _is_item(beside) or _key(beside, at + 1)):
            raise YamlError(at + 1, f"what does not belong beside a mark: {beside[:40]}")
    for first, last in zip([0, *marks], [*marks, len(lines)]):
        said = next((at for at in range(first, last) if lines[at].strip(" ")[:1] not in ("", "#")), None)
        if said is None:
            if marks[:1] == [last] and last in ended:
                raise YamlError(last + 1, "an end of no document")
            continue
        if first in ended:
            raise YamlError(said + 1, f"a document that no mark begins: {lines[said][:40]}")
        yield lines[first:last], first


def _checked(text: str) -> str:
    """The text with LF as its line breaks. :raises YamlError: for characters that are no part of YAML."""
    text = (text[1:] if text.startswith("\ufeff") else text).replace("\r\n", "\n")
    alien = _ALIEN.search(text)
    if alien:
        line = text.count("\n", 0, alien.start()) + 1
        raise YamlError(line, f"a character or a line break beyond this reader: U+{ord(alien.group()):04X}")
    return text


def load_all(text: str) -> list[t.Any]:
    """The values of the documents of a stream; empty ones are left out.

    :raises YamlError: when the text needs more of the language than this reader knows.
    """
    text = _checked(text)
    if text.lstrip(" \t\n")[:1] in ("{", "["):
        # Go's decoders read JSON as such, too: tabs and exponents are then what they are there.
        try:
            return [from_json(text)]
        except (ValueError, RecursionError):
            pass
    values = []
    last = 0 if text.endswith("\n") else text.count("\n") + 1
    for lines, before in _documents(text):
        reader = _Reader(lines, before, cut=before + len(lines) == last)
        first = reader.peek()
        values.append(_block(reader, first.indent if first else 0, 0))
        rest = reader.peek()
        if rest is not None:
            raise YamlError(rest.number, f"what does not belong there: {rest.text[:40]}")
    return values


def load(text: str) -> t.Any:
    """The value of a document, C(None) when it says nothing.

    :raises YamlError: when the text needs more of the language than this reader knows, or has several documents: Go
        reads the first one, even when it is empty.
    """
    values = load_all(text)
    text = _checked(text)
    starts = [before for _lines, before in _documents(text)]
    if len(values) > 1:
        raise YamlError(starts[1] + 1, "a second document")
    if any(_DOCUMENT.match(line) for line in text.split("\n")[: starts[0] if values and starts else 0]):
        raise YamlError(starts[0] + 1, "a document behind an empty one")
    return values[0] if values else None


def split(text: str) -> list[str]:
    """The documents of a stream."""
    return [part for part in re.split(r"^---\s*$\n?", text, flags=re.MULTILINE) if part.strip()]
