# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mountinfo and fstab, against what the kernel writes and what libmount reads."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import mounts
from hypothesis import given, settings
from hypothesis import strategies as st

# Everything that a name may have, and much of what a text takes for a blank or the end of a line.
NAME = st.binary(min_size=1, max_size=8).filter(lambda name: not set(name) & {0, 0x2F}) | st.sampled_from(
    [
        b" ",
        b"\t",
        b"\n",
        b"\\",
        b"\x0b",
        b"\x0c",
        b"\x1c",
        b"\x85",
        "\u2028 ".encode(),
        b"#",
        b"\\040",
        b"-",
        b"\xff",
    ]
)
POINT = st.lists(NAME, min_size=1, max_size=4).map(lambda names: b"/" + b"/".join(names))
SPECIAL = b" \t\n\\#"


def mangled(text: bytes) -> bytes:
    """As the kernel's seq_path and mangle() write a name."""
    return b"".join(b"\\%03o" % byte if byte in SPECIAL else bytes((byte,)) for byte in text)


@given(
    st.lists(
        st.tuples(POINT, NAME, st.lists(st.sampled_from([b"shared:1", b"master:2"]), max_size=2)), max_size=5
    )
)
def test_mountinfo(items: list[tuple[bytes, bytes, list[bytes]]]) -> None:
    lines = [
        b" ".join(
            [
                b"30 1 8:1",
                mangled(source),
                mangled(point),
                b"rw",
                *optional,
                b"- ext4",
                mangled(source),
                b"rw",
            ]
        )
        for point, source, optional in items
    ]
    found = mounts.parse_mountinfo(b"".join(line + b"\n" for line in lines))
    assert [os.fsencode(mount.point) for mount in found] == [point for point, _source, _optional in items]
    assert {mount.kind for mount in found} <= {"ext4"}


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    for mount in mounts.parse_mountinfo(data):
        assert mount.point is not None
    for point in [*mounts.parse_fstab(data), *mounts.parse_units([data])]:
        assert point.startswith("/")
        assert point == "/" or not point.endswith("/")


def test_mountinfo_of_this_machine() -> None:
    data = Path("/proc/self/mountinfo").read_bytes()
    assert len(mounts.parse_mountinfo(data)) == data.count(b"\n")


@pytest.mark.parametrize(
    ("line", "points"),
    [
        ("/dev/a /mnt/a\\040b ext4 rw 0 0", ["/mnt/a b"]),
        ("/dev/a /mnt/a/ ext4", ["/mnt/a"]),
        ("/dev/a //mnt//a/./b// ext4", ["/mnt/a/b"]),
        ("  /dev/a\t\t/mnt/a", ["/mnt/a"]),
        ("/dev/a /mnt/\\303\\251 ext4", ["/mnt/é"]),
        ("/dev/a /mnt/a\\ ext4", ["/mnt/a\\"]),
        ("/dev/a /mnt/a\\08 ext4", ["/mnt/a\\08"]),
        ("#/dev/a /mnt/a ext4", []),
        (" # /dev/a /mnt/a ext4", []),
        ("/dev/a none swap sw 0 0", []),
        ("/dev/a", []),
        ("/dev/a / ext4", ["/"]),
        ("/dev/a\u00a0x /mnt/a ext4", ["/mnt/a"]),
    ],
)
def test_fstab(line: str, points: list[str]) -> None:
    assert mounts.parse_fstab(line.encode()) == points


def libmount(table: bytes) -> list[str]:
    """The mount points as findmnt reads them."""
    with tempfile.NamedTemporaryFile() as stream:
        stream.write(table)
        stream.flush()
        done = subprocess.run(
            ["findmnt", "--tab-file", stream.name, "--json", "--list", "--output", "TARGET"],
            capture_output=True,
            check=False,
        )
        if done.returncode:
            return []
        return [one["target"] for one in json.loads(done.stdout)["filesystems"]]


FIELD = st.text("ab/\\0147\u00a0\u2028é#", min_size=1, max_size=8)


@pytest.mark.skipif(shutil.which("findmnt") is None, reason="findmnt is not installed")
@settings(max_examples=60)
@given(st.lists(st.tuples(FIELD, st.sampled_from([" ", "\t", " \t "])), max_size=4))
def test_fstab_as_libmount_reads_it(items: list[tuple[str, str]]) -> None:
    table = "".join(f"/dev/a{blank}/{field}{blank}ext4{blank}rw\n" for field, blank in items).encode()
    found = mounts.parse_fstab(table)
    # Escapes for what is no text are another program's business.
    expected = [mounts.normal(point) for point in libmount(table)]
    if all(point.isprintable() for point in (*found, *expected)):
        assert found == expected


def test_units() -> None:
    units = [
        b"[Mount]\nWhat=/dev/a\nWhere=/srv/data/\n",
        b'[Mount]\nWhere = "/srv/a b"\r\n',
        b"# Where=/no\n[Automount]\nWhere=/srv/100%%\n",
        b"Where=relative\n",
    ]
    assert mounts.parse_units(units) == ["/srv/data", "/srv/a b", "/srv/100%"]
