# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Passwords of basic authentication in files on the controller, each with its bcrypt hash in a file beside it."""

from __future__ import annotations

import os
import secrets
import stat
import traceback
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import (
    make_private_directories,
    write_atomic,
)

try:
    import bcrypt
except ImportError:
    BCRYPT_ERROR: str | None = traceback.format_exc()
else:
    BCRYPT_ERROR = None

SUFFIX = ".bcrypt"
#: bcrypt looks at no more.
MAX_BYTES = 72
#: Prometheus verifies a password at the first request of each user, and remembers the result.
ROUNDS = 10
_FILE_MODE = 0o600


@dataclass(frozen=True)
class State:
    """What was found of one password.

    :param password: C(None) without one. :param hashed: whether the hash beside it is its own.
    """

    password: bytes | None
    hashed: bool

    @property
    def reasons(self) -> list[str]:
        """What has to be done, as the operator reads it."""
        if self.password is None:
            return ["there is no password"]
        return [] if self.hashed else ["there is no hash of this password"]


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            if not stat.S_ISREG(mode) or stat.S_IMODE(mode) & 0o077:
                raise OperatorError(
                    f"{path} on the controller has the mode {stat.S_IMODE(mode):04o}, expected a file with 0600 that"
                    " nobody else may read. Nothing was changed.",
                    f"chmod 0600 {path}, or replace the password when others may have read it.",
                )
            return stream.read(MAX_BYTES * 4)
    except FileNotFoundError:
        return None


def observe(path: str) -> State:
    """Read a password and its hash.

    :raises OperatorError: for a password that cannot be used. :raises OSError: when a file cannot be read.
    """
    text = _content(path)
    if text is None:
        return State(None, False)
    password = text.rstrip(b"\r\n")
    if not 1 <= len(password) <= MAX_BYTES or b"\n" in password or b"\0" in password:
        raise OperatorError(
            f"{path} on the controller has no usable password. Expected one line of 1 to {MAX_BYTES} bytes. Nothing was"
            " changed.",
            "Correct the file, or delete it to have a new password generated.",
        )
    known = (_content(path + SUFFIX) or b"").strip()
    try:
        return State(password, bool(known) and bcrypt.checkpw(password, known))
    except ValueError:
        return State(password, False)


def complete(path: str, state: State) -> None:
    """Generate the password where there is none, and write the hash.

    :raises OSError: when that fails.
    """
    password = state.password
    make_private_directories(os.path.dirname(path))
    if password is None:
        password = secrets.token_urlsafe(32).encode("ascii")
        write_atomic(path, password + b"\n", _FILE_MODE)
    write_atomic(path + SUFFIX, bcrypt.hashpw(password, bcrypt.gensalt(ROUNDS)) + b"\n", _FILE_MODE)
