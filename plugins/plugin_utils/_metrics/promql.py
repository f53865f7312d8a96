# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Names of metrics in PromQL expressions, also with variables of Grafana in them. Pure."""

from __future__ import annotations

import re
import typing as t

_TOKEN = re.compile(
    r"""
    (?P<blank>\s+|\#[^\n]*)
    |(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)
    |(?P<variable>\$\{[^}]*\}|\$[A-Za-z_]\w*|\[\[\w+\]\])
    |(?P<number>(?:0[xX][0-9a-fA-F]+|(?:\d+(?:ms|[smhdwy]))+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+))
    |(?P<name>[A-Za-z_:][A-Za-z0-9_:]*)
    |(?P<sign>=~|!~|!=|==|>=|<=|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_AGGREGATIONS = frozenset(
    [
        "avg",
        "bottomk",
        "count",
        "count_values",
        "group",
        "limit_ratio",
        "limitk",
        "max",
        "min",
        "quantile",
        "stddev",
        "stdvar",
        "sum",
        "topk",
    ]
)
_OPERATORS = frozenset(["and", "or", "unless", "atan2", "offset", "bool", "inf", "nan"])
#: What may be followed by a list of labels in parentheses.
_LISTS = frozenset(["by", "without", "on", "ignoring", "group_left", "group_right"])

Token = tuple[str, str]


def _tokens(expression: str) -> list[Token]:
    return [
        (match.lastgroup, match.group())
        for match in _TOKEN.finditer(expression)
        if match.lastgroup and match.lastgroup != "blank"
    ]


def _closing(tokens: t.Sequence[Token], start: int, close: str) -> int:
    """Index after the first closing sign from a place; nothing of what it is used for nests."""
    for index in range(start, len(tokens)):
        if tokens[index] == ("sign", close):
            return index + 1
    return len(tokens)


def _selected(tokens: t.Sequence[Token]) -> t.Iterator[str]:
    """Names in the braces of a selector: a name in quotes, or __name__ with one value."""
    for index, (kind, text) in enumerate(tokens):
        following = tokens[index + 1][1] if index + 1 < len(tokens) else ","
        before = tokens[index - 1][1] if index else ","
        if kind == "string" and before == "," and following in (",", "}"):
            yield text[1:-1]
        if text == "__name__" and following == "=" and index + 2 < len(tokens):
            yield tokens[index + 2][1][1:-1]


def metrics(expression: str) -> tuple[str, ...]:
    """Names of the metrics, each once, in their order.

    A name that a variable is part of cannot be told and is left out.
    """
    tokens = _tokens(expression)
    found: dict[str, None] = {}
    index = 0
    while index < len(tokens):
        kind, text = tokens[index]
        following = tokens[index + 1] if index + 1 < len(tokens) else ("", "")
        index += 1
        if text in ("{", "["):
            end = _closing(tokens, index, "}" if text == "{" else "]")
            if text == "{":
                found.update(dict.fromkeys(_selected(tokens[index:end])))
            index = end
        elif kind != "name" or text.lower() in _OPERATORS:
            continue
        elif text.lower() in _LISTS:
            if following[1] == "(":
                index = _closing(tokens, index, ")")
        elif text.lower() in _AGGREGATIONS and (following[1] == "(" or following[1].lower() in _LISTS):
            continue
        elif following[1] != "(" and following[0] != "variable":
            found[text] = None
    return tuple(found)


_LABEL_VALUES = re.compile(r"\s*label_values\s*\((?P<selector>.*),\s*\w+\s*\)\s*", re.DOTALL)


def query_metrics(query: str) -> tuple[str, ...]:
    """Names of metrics in the query of a variable of a dashboard."""
    match = _LABEL_VALUES.fullmatch(query)
    if match:
        return metrics(match["selector"])
    if re.match(r"\s*(?:label_values|label_names|metrics|query_result)\s*\(", query):
        inner = re.fullmatch(r"\s*query_result\s*\((.*)\)\s*", query, re.DOTALL)
        return metrics(inner[1]) if inner else ()
    return metrics(query)
