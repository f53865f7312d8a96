# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever the YAML reader of hosts accepts, a library that knows all of the language reads alike."""

from __future__ import annotations

import json
from typing import Any

import yaml as library
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import yaml as reader
from hypothesis import assume, given
from hypothesis import strategies as st

_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class _Loader(library.SafeLoader):
    """Timestamps stay strings, as in sigs.k8s.io/yaml."""


_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != _TIMESTAMP]
    for first, pairs in library.SafeLoader.yaml_implicit_resolvers.items()
}


def _exact(value: Any) -> Any:
    """A value with its types: 1, 1.0 and true are equal in Python."""
    if isinstance(value, dict):
        return {
            key if isinstance(key, str) else json.dumps(key): _exact(inner) for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_exact(inner) for inner in value]
    return type(value), value


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _compare(text: str) -> None:
    try:
        values = reader.load_all(text)
    except reader.YamlError:
        return
    # Kubernetes reads JSON as JSON, with tabs and exponents, which this library refuses.
    assume(not _is_json(text))
    expected = [value for value in library.load_all(text, Loader=_Loader) if value is not None]
    assert [_exact(value) for value in values if value is not None] == [_exact(value) for value in expected]


PIECES = [
    *(
        "a",
        "b",
        "key: ",
        "k:",
        "- ",
        "-",
        "\n",
        "\n",
        "\n  ",
        "  ",
        " ",
        "    ",
        "#",
        " # c",
        "'",
        '"',
        ":",
        ": ",
        ",",
    ),
    *(
        "[",
        "]",
        "{",
        "}",
        "|",
        ">",
        "|-",
        ">+",
        "|2",
        "+",
        "2",
        "---",
        "\n---",
        "\n...",
        "\t",
        "\r",
        "\r\n",
        "\f",
    ),
    *(
        "\x85",
        "\u2028",
        "\u00a0",
        "\u00e9",
        "\ufeff",
        "\\",
        "\\u0041",
        "\\ud800",
        "\\x41",
        "?",
        "? ",
        "!",
        "&",
        "*",
    ),
    *(
        "%",
        "@",
        "0x1F",
        "0o7",
        "0b1",
        "012",
        "1_000",
        "1:30",
        "1e3",
        ".5",
        "0.5",
        "yes",
        "~",
        "null",
        "<<",
        "=",
        "1",
    ),
]
TEXTS = st.sampled_from(
    [
        *(
            "a",
            "x y",
            "",
            "1",
            "yes",
            "0x1",
            "1:30",
            "a: b",
            "# c",
            "- a",
            "l1\nl2\n",
            "\n lead",
            "t\n\n",
            "tab\tx",
        ),
        *("  two\n one\n", "x\n\n\n", "\u00a0", "\u2028", "\u00e9", "2026-01-01", "'", '"', "\\"),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_no_text_is_read_differently(text: str) -> None:
    _compare(text)


@given(
    st.text(alphabet="0123456789abefoxBEOX+-._:", min_size=1, max_size=8),
    st.sampled_from(["a: {}", "[{}]", "{}: a"]),
)
def test_no_number_is_read_differently(text: str, within: str) -> None:
    _compare(within.replace("{}", text))


@given(
    VALUES,
    st.sampled_from([True, False, None]),
    st.sampled_from([None, '"', "'", "|", ">"]),
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from(PIECES), st.integers(0, 1)), max_size=2),
)
def test_no_change_of_a_document_is_read_differently(
    value: Any, flow: bool | None, style: str | None, changes: list[tuple[float, str, int]]
) -> None:
    text = library.safe_dump(value, default_flow_style=flow, default_style=style, width=10_000)
    for where, piece, length in changes:
        at = int(where * len(text))
        text = text[:at] + piece + text[at + length :]
    _compare(text)


@given(st.text())
def test_no_text_ends_in_another_exception(text: str) -> None:
    _compare(text)
