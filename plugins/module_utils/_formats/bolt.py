# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Read buckets of a bbolt database, such as containerd's metadata or etcd's keys, while nobody or somebody else writes
to it.

The format is that of go.etcd.io/bbolt, version 2: pages, of which the first two describe the others. Pages are never
changed in place, so that a reader that starts at the newer description sees one state.
"""

from __future__ import annotations

import os
import struct
import typing as t

_MAGIC, _VERSION = 0xED0CDAED, 2
_HEADER = struct.Struct("<QHHI")  # id, flags, count, overflow
_META = struct.Struct(
    "<IIIIQQQQQQ"
)  # magic, version, page size, flags, root, sequence, free list, pages, transaction, sum
_LEAF = struct.Struct("<IIII")  # flags, position, size of key, size of value
_BRANCH = struct.Struct("<IIQ")  # position, size of key, page
_BUCKET = struct.Struct("<QQ")  # page, sequence
_BRANCH_PAGE, _LEAF_PAGE = 1, 2
_IS_BUCKET = 1
# A page with all that follows it, the depth of a tree, and the pages of one search: beyond these it is damaged.
_MAX_PAGE = 64 << 20
_MAX_DEPTH = 32
_MAX_PAGES = 20_000


class BoltError(Exception):
    """The database cannot be read."""


def _sum(data: bytes) -> int:
    """FNV-1a, 64 bits."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


class Bucket:
    """A bucket: keys, of which some are buckets.

    :param page: where it is stored; C(inline) has its one page when it is small.
    """

    def __init__(self, database: Database, page: int, inline: bytes = b"") -> None:
        self._database = database
        self._page = page
        self._inline = inline

    def items(self) -> t.Iterator[tuple[bytes, Bucket | None]]:
        """Keys in their order, with the bucket where it is one.

        :raises BoltError: when a page is damaged.
        """
        for key, value, is_bucket in self._elements():
            yield key, self._bucket(value) if is_bucket else None

    def values(self) -> t.Iterator[tuple[bytes, bytes]]:
        """Keys in their order that are no buckets, with their values; pages are read as far as the caller asks.

        :raises BoltError: when a page is damaged.
        """
        for key, value, is_bucket in self._elements():
            if not is_bucket:
                yield key, value

    def get(self, name: bytes) -> Bucket | None:
        """The bucket of a name."""
        return next((bucket for key, bucket in self.items() if key == name), None)

    def _elements(self) -> t.Iterator[tuple[bytes, bytes, bool]]:
        if self._page == 0:
            yield from self._leaf(self._inline)
        else:
            yield from self._walk(self._page, 0)

    def _bucket(self, value: bytes) -> Bucket:
        root, _sequence = _unpack(_BUCKET, value, 0)
        return Bucket(self._database, root, value[_BUCKET.size :])

    def _walk(self, number: int, depth: int) -> t.Iterator[tuple[bytes, bytes, bool]]:
        if depth > _MAX_DEPTH:
            raise BoltError("its pages have no end")
        page = self._database.page(number)
        _id, flags, count, _overflow = _unpack(_HEADER, page, 0)
        if flags == _LEAF_PAGE:
            yield from self._leaf(page)
        elif flags == _BRANCH_PAGE:
            for index in range(count):
                _position, _size, child = _unpack(_BRANCH, page, _HEADER.size + index * _BRANCH.size)
                yield from self._walk(child, depth + 1)
        else:
            raise BoltError(f"page {number} is none of a bucket")

    def _leaf(self, page: bytes) -> t.Iterator[tuple[bytes, bytes, bool]]:
        _id, flags, count, _overflow = _unpack(_HEADER, page, 0)
        if flags != _LEAF_PAGE:
            raise BoltError("a page is none of a bucket")
        for index in range(count):
            at = _HEADER.size + index * _LEAF.size
            kind, position, key_size, size = _unpack(_LEAF, page, at)
            start = at + position
            key = page[start : start + key_size]
            value = page[start + key_size : start + key_size + size]
            if len(key) + len(value) != key_size + size:
                raise BoltError("a page is too short for what it holds")
            yield key, value, bool(kind & _IS_BUCKET)


def _unpack(form: struct.Struct, data: bytes, at: int) -> tuple[t.Any, ...]:
    try:
        return form.unpack_from(data, at)
    except struct.error as exc:
        raise BoltError("a page is too short for what it holds") from exc


class Database:
    """A database file.

    :raises BoltError: when it is none.
    """

    def __init__(self, stream: t.BinaryIO) -> None:
        self._stream = stream
        self._size = stream.seek(0, os.SEEK_END)
        self._pages = 0
        metas = [meta for meta in self._metas() if meta]
        if not metas:
            raise BoltError("it is no bbolt database")
        self._page_size, root, _transaction = max(metas, key=lambda meta: meta[2])
        self.root = Bucket(self, root)

    def _metas(self) -> t.Iterator[tuple[int, int, int] | None]:
        first = self._meta(0)
        yield first
        # Where the second one is depends on the size of pages, which a damaged first one does not tell.
        for size in [first[0]] if first else [1 << power for power in range(9, 17)]:
            yield self._meta(size)

    def _meta(self, offset: int) -> tuple[int, int, int] | None:
        self._stream.seek(offset + _HEADER.size)
        data = self._stream.read(_META.size)
        if len(data) < _META.size:
            return None
        magic, version, size, _flags, root, _sequence, _free, _pages, transaction, total = _META.unpack(data)
        sound = (magic, version) == (_MAGIC, _VERSION) and _sum(data[:-8]) == total
        return (size, root, transaction) if sound and 512 <= size <= 1 << 16 else None

    def page(self, number: int) -> bytes:
        """A page with what follows it."""
        self._pages += 1
        if self._pages > _MAX_PAGES:
            raise BoltError(f"more than {_MAX_PAGES} pages would have to be read")
        offset = number * self._page_size
        if offset + self._page_size > self._size:
            raise BoltError(f"page {number} is behind its end")
        self._stream.seek(offset)
        page = self._stream.read(self._page_size)
        more = int(_unpack(_HEADER, page, 0)[3]) * self._page_size
        if more > min(_MAX_PAGE, self._size - offset):
            raise BoltError(f"page {number} is behind its end")
        return page + self._stream.read(more) if more else page
