# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ARP probes: what is sent, and whose answers count."""

from __future__ import annotations

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import arp
from hypothesis import given
from hypothesis import strategies as st

OWN = bytes.fromhex("02000000000b")
OTHER = bytes.fromhex("02000000000c")
ADDRESS = "192.0.2.10"


def reply(sender: str = "c000020a", mac: bytes = OTHER, operation: int = 2, kind: str = "0806") -> bytes:
    """An answer as it is on the wire, padded as Ethernet does."""
    header = OWN + mac + bytes.fromhex(kind)
    body = bytes.fromhex("0001080006040002")[:-1] + bytes([operation])
    return header + body + mac + bytes.fromhex(sender) + OWN + b"\0" * 4 + b"\0" * 18


def test_probe_is_a_broadcast_that_claims_nothing() -> None:
    frame = arp.probe(ADDRESS, OWN)
    assert frame.hex() == (
        "ffffffffffff" + "02000000000b" + "0806"
        "0001" + "0800" + "06" + "04" + "0001"
        "02000000000b" + "00000000" + "000000000000" + "c000020a"
    )


def test_answer() -> None:
    assert arp.answer(reply(), ADDRESS) == "02:00:00:00:00:0c"


@pytest.mark.parametrize(
    "frame",
    [
        reply(sender="c000020b"),
        reply(operation=1),
        reply(kind="0800"),
        reply()[:41],
        b"",
        arp.probe(ADDRESS, OTHER),
    ],
    ids=[
        "another address",
        "a request",
        "another protocol",
        "truncated",
        "nothing",
        "a probe of another host",
    ],
)
def test_other_frames_are_no_answer(frame: bytes) -> None:
    assert arp.answer(frame, ADDRESS) is None


@given(st.binary(max_size=200))
def test_no_frame_is_a_crash(frame: bytes) -> None:
    found = arp.answer(frame, ADDRESS)
    assert found is None or len(found) == 17


def test_interface_that_is_not_there() -> None:
    found = arp.who_has(ADDRESS, "no-such-interface", 0.1)
    assert found["macs"] == [] and found["error"]
