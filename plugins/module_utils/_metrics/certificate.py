# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""A host's part of its certificate for metrics: what is there, a new key with a request, and their installation.

The key never leaves the host. openssl makes it, as the standard library cannot.
"""

from __future__ import annotations

import contextlib
import grp
import os
import stat
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import x509
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import programs, tls
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import fsync_dir, write_atomic

PUBLIC_MODE, KEY_MODE = 0o644, 0o640
#: A key whose certificate has not been signed yet.
PENDING = ".new"
_OPENSSL = "openssl"
_SECONDS = 60.0
_LONGEST = 1 << 20
# Names are the controller's to choose, so the request has none.
_REQUEST = "[req]\nprompt = no\ndistinguished_name = name\n[name]\nCN = metrics\n"


@dataclass(frozen=True)
class Paths:
    """The files. :param group: who may read the key beside root, empty for the module's own group."""

    ca: str
    certificate: str
    key: str
    group: str = ""

    @property
    def pending(self) -> str:
        """The key that waits for its certificate."""
        return self.key + PENDING

    def owner(self, path: str) -> tuple[int, int]:
        """Numbers of user and group of a file.

        :raises OperatorError: there is no such group.
        """
        if path != self.key or not self.group:
            return os.geteuid(), os.getegid()
        try:
            return os.geteuid(), grp.getgrnam(self.group).gr_gid
        except KeyError:
            raise OperatorError(
                f"there is no group {self.group}, expected it to exist.",
                "Run the playbook metrics on this host.",
            ) from None

    def mode(self, path: str) -> int:
        """Permission bits of a file."""
        return KEY_MODE if path == self.key else PUBLIC_MODE


def _read(path: str) -> str:
    """Content of a small file, empty without one.

    :raises OperatorError: it cannot be read.
    """
    try:
        with open(path, "rb") as stream:
            return stream.read(_LONGEST).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    except OSError as exc:
        raise OperatorError(f"{path} cannot be read: {exc.strerror}.", "Run this as root.") from exc


def _fits(paths: Paths) -> bool:
    """Whether the key is that of the certificate."""
    return tls.is_pair(paths.certificate, paths.key)


def _wrong_attributes(paths: Paths, path: str, check: bool) -> str:
    """What is wrong with the mode or owner of a file, empty when nothing is or it does not exist."""
    try:
        info = os.stat(path)
    except OSError:
        return ""
    found = []
    mode, expected = stat.S_IMODE(info.st_mode), paths.mode(path)
    if mode != expected:
        found.append(f"mode {mode:04o}, expected {expected:04o}")
    try:
        owner = paths.owner(path)
    except OperatorError:
        # In check mode, the task that creates the group was predicted, too.
        if not check:
            raise
        return f"{path} has another group than {paths.group}"
    if (info.st_uid, info.st_gid) != owner:
        found.append(f"owner {info.st_uid}:{info.st_gid}, expected {owner[0]}:{owner[1]}")
    return f"{path} has {' and '.join(found)}" if found else ""


def observe(paths: Paths, check: bool = False) -> dict[str, t.Any]:
    """The files as they are. Certificates are no secret.

    :param check: in check mode, the group may not exist yet.
    :raises OperatorError: when one cannot be read.
    """
    wrong = [_wrong_attributes(paths, path, check) for path in (paths.ca, paths.certificate, paths.key)]
    return {
        "ca": _read(paths.ca),
        "certificate": _read(paths.certificate),
        "has_key": os.path.exists(paths.key),
        "key_fits": _fits(paths),
        "attributes": [text for text in wrong if text],
    }


def request(paths: Paths) -> str:
    """Make a key, which waits for its certificate, and a request for that.

    :returns: the request in PEM.
    :raises OperatorError: openssl is missing or fails.
    """
    if programs.find(_OPENSSL) is None:
        raise OperatorError(
            "there is no openssl, which makes the key of the certificate for metrics.",
            "Install the package openssl, or set metrics_packages_managed. Nothing was changed.",
        )
    with contextlib.suppress(FileNotFoundError):
        os.unlink(paths.pending)
    previous = os.umask(0o077)
    try:
        _openssl(
            ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", paths.pending]
        )
        config = f"{paths.pending}.cnf"
        write_atomic(config, _REQUEST.encode(), 0o600)
        try:
            made = _openssl(["req", "-new", "-sha256", "-config", config, "-key", paths.pending])
        finally:
            os.unlink(config)
    except OSError as exc:
        raise OperatorError(
            f"{exc.filename or paths.pending} cannot be written: {exc.strerror}.",
            "Make room, or create the directory.",
        ) from exc
    finally:
        os.umask(previous)
    begin = made.find("-----BEGIN CERTIFICATE REQUEST-----")
    return made[max(begin, 0) :]


def _openssl(argv: t.Sequence[str]) -> str:
    code, output = programs.command([_OPENSSL, *argv], _SECONDS)
    if code != 0:
        raise OperatorError(
            f"openssl {argv[0]} failed with code {code}: {output.strip()[-500:]}.",
            "Look at the version of openssl, 1.1.1 or newer is expected. The present certificate stays.",
        )
    return output


def install(paths: Paths, ca: str, certificate: str) -> None:
    """Write what differs.

    :param ca: PEM of the authority. :param certificate: PEM of the certificate of the pending key, empty when the
        present one stays.
    :raises OperatorError: when the certificate is not that of the pending key; the files stay as they are.
    """
    try:
        if certificate:
            _replace_pair(paths, certificate)
        if ca and _read(paths.ca) != ca:
            write_atomic(paths.ca, ca.encode(), PUBLIC_MODE, paths.owner(paths.ca))
        for path in (paths.ca, paths.certificate, paths.key):
            if _wrong_attributes(paths, path, False):
                os.chown(path, *paths.owner(path))
                os.chmod(path, paths.mode(path))
    except OSError as exc:
        raise OperatorError(
            f"{exc.filename or os.path.dirname(paths.key)} cannot be written: {exc.strerror}.",
            "Make room, or look at the permissions of its directory.",
        ) from exc


def _replace_pair(paths: Paths, certificate: str) -> None:
    owner = paths.owner(paths.key)
    try:
        x509.parse_pem(certificate)
    except x509.CertificateError as exc:
        raise OperatorError(
            f"what the controller has signed is no certificate: {exc}.", "Run again."
        ) from exc
    staged = paths.certificate + PENDING
    write_atomic(staged, certificate.encode(), PUBLIC_MODE, paths.owner(paths.certificate))
    try:
        if not _fits(Paths(paths.ca, staged, paths.pending)):
            raise OperatorError(
                f"the certificate that the controller has signed is not that of the key in {paths.pending}.",
                "Another run was at work on this host. Run again.",
            )
        os.chown(paths.pending, *owner)
        os.chmod(paths.pending, KEY_MODE)
        # Between these two a handshake fails, and the next one works. A run that is killed here is noticed by the next
        # one, as the two do not belong to each other.
        os.replace(paths.pending, paths.key)
        os.replace(staged, paths.certificate)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(staged)
    fsync_dir(os.path.dirname(paths.key))
    fsync_dir(os.path.dirname(paths.certificate))
