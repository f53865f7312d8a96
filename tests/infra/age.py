# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""age, with which backups are encrypted: on hosts of the lab, which cannot install packages, and keys for it."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

from tests.infra.hosts import Host

_TARGET = "/usr/local/bin/age"
# Of a command line, in characters.
_LONGEST = 90_000


def install(host: Host) -> None:
    """Copy this machine's age to a host."""
    age = shutil.which("age")
    assert age, "install age on this machine"
    data = base64.b64encode(Path(age).read_bytes()).decode()
    host.check(f"rm -f {_TARGET}.b64")
    for at in range(0, len(data), _LONGEST):
        host.check(f"echo {data[at : at + _LONGEST]} >> {_TARGET}.b64")
    host.check(f"base64 -d {_TARGET}.b64 > {_TARGET} && rm {_TARGET}.b64 && chmod 755 {_TARGET}")


def recipient(identity: Path) -> str:
    """Write a new private key, and return its public key."""
    subprocess.run(["age-keygen", "-o", str(identity)], check=True, capture_output=True)
    done = subprocess.run(["age-keygen", "-y", str(identity)], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def listed(archive: bytes, identity: Path) -> set[str]:
    """The names in an encrypted archive.

    :param archive: a tar file that gzip has compressed and age has encrypted.
    """
    decrypt = ["age", "--decrypt", "--identity", str(identity)]
    plain = subprocess.run(decrypt, input=archive, check=True, capture_output=True).stdout
    done = subprocess.run(["tar", "tz"], input=plain, check=True, capture_output=True)
    return set(done.stdout.decode().split())
