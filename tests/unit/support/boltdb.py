# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write bbolt databases as containerd's are."""

from __future__ import annotations

import struct
import typing as t

PAGE = 4096
#: Buckets are mappings, values bytes.
Tree = t.Mapping[str, t.Any]


def _leaf(number: int, tree: Tree, buckets: t.Callable[[Tree], bytes]) -> bytes:
    elements, data = b"", b""
    names = sorted(tree)
    for index, name in enumerate(names):
        value = tree[name] if isinstance(tree[name], bytes) else buckets(tree[name])
        position = (len(names) - index) * 16 + len(data)
        kind = 0 if isinstance(tree[name], bytes) else 1
        elements += struct.pack("<IIII", kind, position, len(name.encode()), len(value))
        data += name.encode() + value
    size = 16 + len(elements) + len(data)
    return struct.pack("<QHHI", number, 2, len(names), max(0, -(-size // PAGE) - 1)) + elements + data


class _Writer:
    def __init__(self, inline: bool) -> None:
        self.inline = inline
        self.pages: dict[int, bytes] = {}
        self.next = 3

    def bucket(self, tree: Tree) -> bytes:
        """The value of a bucket: its page, or all of it."""
        if self.inline and all(isinstance(value, bytes) for value in tree.values()):
            return struct.pack("<QQ", 0, 0) + _leaf(0, tree, self.bucket)
        return struct.pack("<QQ", self.add(tree), 0)

    def add(self, tree: Tree) -> int:
        page = _leaf(0, tree, self.bucket)
        number = self.next
        self.next += -(-len(page) // PAGE)
        self.pages[number] = struct.pack("<Q", number) + page[8:]
        return number

    def branch(self, trees: t.Sequence[Tree]) -> int:
        """A page above several leaves."""
        numbers = [self.add(tree) for tree in trees]
        elements, data = b"", b""
        for index, (tree, number) in enumerate(zip(trees, numbers, strict=True)):
            key = min(tree).encode()
            elements += struct.pack("<IIQ", (len(trees) - index) * 16 + len(data), len(key), number)
            data += key
        number = self.next
        self.next += 1
        self.pages[number] = struct.pack("<QHHI", number, 1, len(trees), 0) + elements + data
        return number


def _meta(number: int, root: int, pages: int, transaction: int) -> bytes:
    data = struct.pack("<IIIIQQQQQ", 0xED0CDAED, 2, PAGE, 0, root, 0, 2, pages, transaction)
    total = 0xCBF29CE484222325
    for byte in data:
        total = (total ^ byte) * 0x100000001B3 % (1 << 64)
    return struct.pack("<QHHI", number, 4, 0, 0) + data + struct.pack("<Q", total)


def database(tree: Tree, inline: bool = True, split: int = 0) -> bytes:
    """A database.

    :param inline: whether small buckets are stored in their parents. :param split: keys of a leaf at the top.
    """
    writer = _Writer(inline)
    names = sorted(tree)
    if split:
        root = writer.branch(
            [
                {name: tree[name] for name in names[at : at + split]}
                for at in range(0, max(1, len(names)), split)
            ]
        )
    else:
        root = writer.add(tree)
    pages = {
        # The older state has nothing.
        0: _meta(0, 2, writer.next, 7),
        1: _meta(1, root, writer.next, 8),
        2: struct.pack("<QHHI", 2, 2, 0, 0),
        **writer.pages,
    }
    data = bytearray(writer.next * PAGE)
    for number, page in pages.items():
        data[number * PAGE : number * PAGE + len(page)] = page
    return bytes(data)


def containerd(**namespaces: t.Sequence[str]) -> bytes:
    """The metadata of containerd with images by namespace; one without any is known, and empty."""
    held = {
        name.replace("_", "."): {
            "labels": {"x": b"y"},
            "images": {image: {"createdat": b"t", "target": {"digest": b"d"}} for image in images},
            "content": {"blob": {f"sha256:{image}": {"size": b"1"} for image in images}, "ingests": {}},
        }
        for name, images in namespaces.items()
    }
    return database({"v1": {"version": b"\x03", **held}})
