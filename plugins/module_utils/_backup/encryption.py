# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Encrypt a stream for recipients with age or GnuPG: whoever encrypts needs their public keys only."""

from __future__ import annotations

import contextlib
import os
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import programs
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.process import Filter

AGE, GPG = "age", "gpg"
#: Endings of encrypted files, by program.
SUFFIXES = {AGE: ".age", GPG: ".gpg"}
# age's own keys, those of its plug-ins, and those of ssh.
_AGE = re.compile(r"age1[a-z0-9]{10,}|ssh-(?:ed25519|rsa) [A-Za-z0-9+/=]+(?: .*)?")
_PGP = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
_PRIVATE = re.compile(r"AGE-SECRET-KEY|PRIVATE KEY")
_SHOWN = 300
_END_SECONDS = 120


class EncryptionError(OperatorError):
    """A backup cannot be encrypted."""


@dataclass(frozen=True)
class Recipients:
    """For whom is encrypted.

    :param program: C(age) or C(gpg).
    """

    program: str
    keys: tuple[str, ...]

    @property
    def suffix(self) -> str:
        return SUFFIXES[self.program]


def parse(recipients: t.Sequence[str]) -> Recipients:
    """The recipients by their public keys.

    :raises EncryptionError: without any, for a key of another kind, and when kinds are mixed.
    """
    keys = tuple(key.strip() for key in recipients)
    expected = (
        "Set etcd_backup_recipients to a list of public keys: all of age (age1..., ssh-ed25519 ...), or all of GnuPG"
        " (armored, as gpg --armor --export prints)."
    )
    if not keys:
        raise EncryptionError("There is no recipient, so the backup could not be encrypted.", expected)
    if any(_PRIVATE.search(key) for key in keys):
        # It is in the inventory now; nothing is said of it.
        error = EncryptionError("A recipient is a private key. Expected public ones.", expected)
        error.secrets = frozenset(keys)
        raise error
    pgp = [key.startswith(_PGP) for key in keys]
    if all(pgp):
        return Recipients(GPG, keys)
    for key, other in zip(keys, pgp):
        if not other and not _AGE.fullmatch(key):
            raise EncryptionError(
                f"The recipient {key[:20]!r}... is no public key of age or GnuPG.", expected
            )
    if any(pgp):
        raise EncryptionError("The recipients are of both age and GnuPG.", expected)
    return Recipients(AGE, keys)


def command(recipients: Recipients, program: str, directory: str) -> list[str]:
    """The command that encrypts its standard input.

    :param program: its path. :param directory: of root alone, for files that GnuPG needs.
    :raises OSError: when they cannot be written.
    """
    if recipients.program == AGE:
        return [program, "--encrypt", *(word for key in recipients.keys for word in ("--recipient", key))]
    home = os.path.join(directory, "gnupg")
    os.mkdir(home, 0o700)
    argv = [program, "--batch", "--no-tty", "--quiet", "--homedir", home, "--no-autostart"]
    argv += ["--trust-model", "always", "--compress-algo", "none", "--output", "-"]
    for number, key in enumerate(recipients.keys):
        path = os.path.join(home, f"recipient-{number}.asc")
        with open(path, "w", encoding="utf-8") as handle:
            handle.write(key + "\n")
        argv += ["--recipient-file", path]
    return [*argv, "--encrypt"]


@contextlib.contextmanager
def encrypting(recipients: Recipients, out: t.BinaryIO, directory: str, host: str) -> t.Iterator[t.BinaryIO]:
    """What is written into the stream that this returns is encrypted into C(out).

    When this process is killed, the program ends with what it has: C(out) must not have its name before this returns.

    :param out: a file. :raises EncryptionError: when the program is missing, or fails.
    """
    program = programs.find(recipients.program)
    if program is None:
        raise EncryptionError(
            f"{host}: {recipients.program} is not installed. Expected it for the recipients of the backup.",
            "Install it, or set etcd_backup_packages_managed: true.",
        )
    argv = command(recipients, program, directory)
    log = os.path.join(directory, "encryption.log")
    with open(log, "w+b") as errors:
        process = Filter(argv, programs.environment(), out, errors)
        try:
            failure: OSError | None = None
            try:
                with t.cast("t.BinaryIO", process.stdin) as stream:
                    yield stream
            except BrokenPipeError as exc:
                # It has ended early, and says why.
                failure = exc
            code = process.wait(_END_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if code != 0 or failure:
            errors.seek(0)
            told = errors.read().decode("utf-8", "replace").strip()[-_SHOWN:]
            raise EncryptionError(
                f"{host}: {recipients.program} failed ({code}): {told or 'it said nothing'}.",
                "Check etcd_backup_recipients, and that there is space.",
            )
