# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Open a backup on the controller: the only place where it is decrypted."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._backup import archive
from ansible_collections.baremetal.kubernetes.plugins.module_utils._backup.encryption import (
    AGE,
    GPG,
    SUFFIXES,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError

_SHOWN = 300
_END_SECONDS = 60


class OpeningError(OperatorError):
    """A backup cannot be opened."""


def command(path: str, identity: str) -> list[str]:
    """The command that decrypts a backup to its standard output.

    :param identity: file of age's private key; GnuPG asks its agent.
    :raises OpeningError: for another file, and without an identity.
    """
    if path.endswith(SUFFIXES[GPG]):
        return [GPG, "--batch", "--quiet", "--no-tty", "--decrypt", path]
    if not path.endswith(SUFFIXES[AGE]):
        raise OpeningError(
            f"{path} is no backup by its name, expected one that ends with {' or '.join(SUFFIXES.values())}.",
            "Set restore_archive to a file that the playbook backup made.",
        )
    if not os.path.isfile(identity):
        raise OpeningError(
            f"{identity or 'restore_identity'} is no file on the controller. Expected the private key of a recipient.",
            "Set restore_identity to its path, as of age-keygen.",
        )
    return [AGE, "--decrypt", "--identity", identity, path]


def open_backup(
    path: str, identity: str, write_snapshot: t.Callable[[bytes], t.Any]
) -> tuple[archive.Manifest, dict[str, bytes]]:
    """Decrypt and verify all of a backup; see C(archive.read).

    :raises OperatorError: when it cannot be read, decrypted, or is damaged.
    """
    if not os.path.isfile(path):
        raise OpeningError(
            f"{path or 'restore_archive'} is no file on the controller. Expected a backup.",
            "Set restore_archive to a file that the playbook backup made.",
        )
    argv = command(path, identity)
    if shutil.which(argv[0]) is None:
        raise OpeningError(
            f"{argv[0]} is not installed on the controller, which decrypts {os.path.basename(path)}.",
            "Install it with the package manager of the controller.",
        )
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
        failure: archive.ArchiveError | None = None
        found: tuple[archive.Manifest, dict[str, bytes]] | None = None
        try:
            with t.cast("t.BinaryIO", process.stdout) as stream:
                found = archive.read(stream, write_snapshot)
            code = process.wait(_END_SECONDS)
        except archive.ArchiveError as exc:
            failure = exc
            # It is not done with a damaged one, or ends with its own reason.
            code = _ended(process)
        finally:
            _ended(process)
        errors.seek(0)
        told = errors.read().decode("utf-8", "replace").strip()
    if told and code not in (0, -signal.SIGPIPE, -signal.SIGKILL):
        lines = [line for line in told.splitlines() if "report unexpected" not in line]
        raise OpeningError(
            f"{path} cannot be decrypted: {' '.join(lines)[-_SHOWN:]}.",
            "It is damaged, cut off or for another key. Check restore_identity, or choose another backup.",
        )
    if failure is not None or found is None:
        reason = failure or archive.ArchiveError("It is empty.")
        raise OpeningError(f"{path}: {reason.message}", reason.next_step)
    return found


def _ended(process: subprocess.Popen[bytes]) -> int:
    """Exit code of a process, which is killed when it does not end by itself."""
    try:
        return process.wait(2)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
