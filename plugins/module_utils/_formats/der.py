# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Read DER (X.690) strictly.

Nothing here recurses, and no element is read deeper than its reader asks for. Time and memory are linear in the number
of bytes, which the callers bound.

Like every reader of C(_formats), it fails closed (what another reader could understand differently raises C(DerError)),
and its syntax never grows.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
SEQUENCE, SET = 0x30, 0x31
# Four octets of length are 4 GiB; nothing that is read here has as much.
_MAX_LENGTH_OCTETS = 4
# The longest identifiers in use have arcs of 128 bits, 19 octets each (2.25.UUID). Joining an arc takes quadratic
# time, and Python refuses to write numbers of more than 4,300 digits.
_MAX_IDENTIFIER_OCTETS = 64
# Of 16,384 bits; OpenSSL verifies with no larger RSA key.
_MAX_INTEGER_OCTETS = 2049
# Strings of bits with names for the bits, as keyUsage with nine. Keys are not read bit by bit.
_MAX_BITS_OCTETS = 8
_STRINGS = {0x0C: "utf-8", 0x12: "ascii", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1E: "utf-16-be"}


class DerError(ValueError):
    """The bytes are not DER, or not what was expected there."""


@dataclass(frozen=True)
class Element:
    """One element.

    :param body: its content. :param raw: the element with its tag and length.
    """

    tag: int
    body: bytes
    raw: bytes

    def children(self, tag: int = SEQUENCE) -> list[Element]:
        """The elements inside.

        :param tag: what this one must be. :raises DerError: when it is something else.
        """
        if self.tag != tag:
            raise DerError(f"element of tag {self.tag:#04x}, expected {tag:#04x}")
        return list(elements(self.body))


def elements(data: bytes) -> t.Iterator[Element]:
    """The elements in C(data), one after another, to its last byte.

    :raises DerError: for a length that is indefinite, not the shortest or beyond the data, and for a long tag.
    """
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise DerError("truncated element")
        tag, length, body = data[at], data[at + 1], at + 2
        if tag & 0x1F == 0x1F:
            raise DerError("tag of several bytes")
        if length & 0x80:
            count = length & 0x7F
            if not 1 <= count <= _MAX_LENGTH_OCTETS:
                raise DerError("unusable length")
            length = int.from_bytes(data[body : body + count], "big")
            body += count
            if body <= len(data) and (length < 0x80 or length >> 8 * (count - 1) == 0):
                raise DerError("length in more bytes than needed")
        if body + length > len(data):
            raise DerError("truncated element")
        yield Element(tag, data[body : body + length], data[at : body + length])
        at = body + length


def single(data: bytes, tag: int = SEQUENCE) -> Element:
    """The one element that C(data) is.

    :raises DerError: when there is none, more than one, or of another tag.
    """
    found = list(elements(data))
    if len(found) != 1:
        raise DerError("empty" if not found else "data after the end")
    if found[0].tag != tag:
        raise DerError(f"element of tag {found[0].tag:#04x}, expected {tag:#04x}")
    return found[0]


def identifier(element: Element) -> str:
    """An object identifier in dotted form."""
    body = element.body
    if element.tag != OID or not body or body[-1] & 0x80:
        raise DerError("not an object identifier")
    if len(body) > _MAX_IDENTIFIER_OCTETS:
        raise DerError(f"object identifier of {len(body)} bytes, expected at most {_MAX_IDENTIFIER_OCTETS}")
    arcs: list[int] = []
    value = 0
    fresh = True
    for octet in body:
        if fresh and octet == 0x80:
            raise DerError("object identifier in more bytes than needed")
        value = value << 7 | octet & 0x7F
        fresh = not octet & 0x80
        if fresh:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in (first, arcs[0] - 40 * first, *arcs[1:]))


def integer(element: Element) -> int:
    """A whole number."""
    if element.tag != INTEGER or not element.body:
        raise DerError("not an integer")
    if len(element.body) > _MAX_INTEGER_OCTETS:
        raise DerError(f"integer of {len(element.body)} bytes, expected at most {_MAX_INTEGER_OCTETS}")
    return int.from_bytes(element.body, "big", signed=True)


def boolean(element: Element) -> bool:
    """True or false, in the one form that DER has for each."""
    if element.tag != BOOLEAN or element.body not in (b"\x00", b"\xff"):
        raise DerError("not a boolean")
    return element.body == b"\xff"


def bits(element: Element) -> tuple[int, ...]:
    """Numbers of the bits that are set."""
    if element.tag != BIT_STRING or not element.body or element.body[0] > 7:
        raise DerError("not a string of bits")
    if len(element.body) > _MAX_BITS_OCTETS:
        raise DerError(f"string of bits of {len(element.body)} bytes, expected at most {_MAX_BITS_OCTETS}")
    return tuple(
        8 * index + bit
        for index, octet in enumerate(element.body[1:])
        for bit in range(8)
        if octet & 0x80 >> bit
    )


def text(element: Element) -> str:
    """A string of any kind; what is none is given as C(#) and its bytes in hexadecimal, as in RFC 4514."""
    encoding = _STRINGS.get(element.tag)
    if encoding is None:
        return "#" + element.raw.hex()
    try:
        return element.body.decode(encoding)
    except UnicodeDecodeError:
        raise DerError("string with bytes that its kind does not have") from None
