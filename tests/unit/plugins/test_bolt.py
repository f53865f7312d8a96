# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading bbolt databases, sound and damaged."""

from __future__ import annotations

import io
import typing as t

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import bolt
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.support import boltdb

KEYS = st.text("abcé/", min_size=1, max_size=6)
TREES = st.recursive(
    st.binary(max_size=6),
    lambda inner: st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def read(data: bytes) -> dict[str, t.Any]:
    def contents(bucket: bolt.Bucket) -> dict[str, t.Any]:
        return {
            key.decode("utf-8", "replace"): None if inner is None else contents(inner)
            for key, inner in bucket.items()
        }

    return contents(bolt.Database(io.BytesIO(data)).root)


def without_values(tree: t.Any) -> t.Any:
    return {key: without_values(value) for key, value in tree.items()} if isinstance(tree, dict) else None


@given(st.dictionaries(KEYS, TREES, max_size=5), st.booleans(), st.integers(0, 2))
def test_what_was_written_is_read(tree: dict[str, t.Any], inline: bool, split: int) -> None:
    assert read(boltdb.database(tree, inline, split if tree else 0)) == without_values(tree)


def test_keys_that_need_several_pages() -> None:
    tree = {f"key-{number:05}": b"x" * 20 for number in range(2000)}
    assert len(read(boltdb.database({"v1": tree}, inline=False))["v1"]) == 2000


@pytest.mark.parametrize("data", [b"", b"x" * 100, bytes(20_000)])
def test_what_is_no_database(data: bytes) -> None:
    with pytest.raises(bolt.BoltError, match="no bbolt database"):
        read(data)


def test_the_other_description_counts_when_one_is_damaged() -> None:
    data = bytearray(boltdb.database({"a": b"1"}))
    data[boltdb.PAGE + 40] ^= 1
    assert read(bytes(data)) == {}, "the older state"
    data = bytearray(boltdb.database({"a": b"1"}))
    data[40] ^= 1
    assert read(bytes(data)) == {"a": None}


SAMPLE = boltdb.containerd(k8s_io=["pause", "coredns"], moby=["app"], default=[])


@given(
    st.lists(st.tuples(st.integers(0, len(SAMPLE) - 1), st.binary(min_size=1, max_size=9)), max_size=4),
    st.integers(0, len(SAMPLE)),
)
def test_damage_is_one_error(edits: list[tuple[int, bytes]], cut: int) -> None:
    data = bytearray(SAMPLE)
    for at, piece in edits:
        data[at : at + len(piece)] = piece
    try:
        read(bytes(data[: cut or None]))
    except bolt.BoltError:
        return
    except RecursionError:
        pytest.fail("no end")


@given(st.integers(2, len(SAMPLE) // boltdb.PAGE - 1), st.binary(min_size=1, max_size=60))
def test_damage_of_pages_is_one_error(page: int, piece: bytes) -> None:
    data = bytearray(SAMPLE)
    data[page * boltdb.PAGE + 8 : page * boltdb.PAGE + 8 + len(piece)] = piece
    try:
        read(bytes(data))
    except bolt.BoltError:
        return
