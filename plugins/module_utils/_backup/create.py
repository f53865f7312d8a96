# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Make a backup on a control plane: snapshot, verification, encryption.

Keys go from their files through memory into the program that encrypts. What is on disk in between is a snapshot of the
database that is on the same disk anyway, in a directory of root alone; a run that was killed leaves it for the next one
to remove.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.baremetal.kubernetes.plugins.module_utils._backup import (
    archive,
    encryption,
    host_files,
    retention,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._backup.etcdutl import Etcdutl
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.client import Etcd
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import bolt
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import programs
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import fsync_dir

#: Where the snapshot is while it is verified.
WORK = "/var/lib/baremetal-kubernetes/etcd-backup"
#: A key that every cluster has.
KEY = b"/registry/namespaces/kube-system"
_RUN = "run-"
# For the snapshot, the restored database with its log, and the archive.
_TIMES, _MORE = 3, 256 << 20


class BackupError(OperatorError):
    """No backup can be made, or it does not pass its verification."""


@dataclass(frozen=True)
class Request:
    """A backup to make.

    :param directory: where the archive goes. :param owner: of the archive, as numbers; root by default.
    :param etcd_seconds: how long etcd may take to answer.
    """

    cluster_name: str
    recipients: encryption.Recipients
    directory: str
    root: str = "/"
    work: str = WORK
    owner: tuple[int, int] | None = None
    etcd_seconds: float = 30


@dataclass(frozen=True)
class Made:
    """A backup that was made.

    :param seconds: how long each part took.
    """

    path: str
    size: int
    sha256: str
    manifest: archive.Manifest
    seconds: t.Mapping[str, float] = field(default_factory=dict)


class Backup:
    """A backup of the cluster of this host.

    :param host: its name in messages. :param tool: makes the tool for an image and a directory; for tests.
    """

    def __init__(
        self,
        request: Request,
        host: str,
        etcd: Etcd | None = None,
        tool: t.Callable[[str, str, str], Etcdutl] = Etcdutl,
    ) -> None:
        self._request = request
        self._host = host
        self._tool = tool
        self._seconds: dict[str, float] = {}
        self._etcd = etcd or Etcd(request.root, request.etcd_seconds)

    def check(self) -> tuple[host_files.Source, dict[str, t.Any]]:
        """What can be known before anything is written: the control plane, and what its etcd says of itself.

        :raises OperatorError: when no backup can be made here.
        """
        source = host_files.observe(self._request.root, self._request.cluster_name, self._host)
        program = self._request.recipients.program
        if programs.find(program) is None:
            raise BackupError(
                f"{self._host}: {program} is not installed. Expected it for the recipients of the backup.",
                "Install it, or set etcd_backup_packages_managed: true.",
            )
        failure = self._etcd.local_failure()
        if failure is not None:
            raise BackupError(
                f"{self._host}: its member of etcd is not healthy: {failure}. Nothing was written.",
                "Back up on another control plane, and repair this one.",
            )
        status = self._etcd.status()
        if status.get("isLearner"):
            raise BackupError(
                f"{self._host}: its member of etcd is a learner, which may lack data. Nothing was written.",
                "Back up on another control plane.",
            )
        return source, status

    def make(self) -> Made:
        """Make it.

        :raises OperatorError: when that fails; then there is no archive. :raises OSError: likewise.
        """
        source, status = self.check()
        with _exclusive(self._request, self._host), _scratch(self._request.work) as directory:
            self._check_space(directory, int(status.get("dbSize") or 0))
            snapshot = os.path.join(directory, "snapshot.db")
            size, sha256 = self._timed("snapshot", lambda: self._snapshot(snapshot))
            told = self._timed("verification", lambda: self._verify(source.image, directory, snapshot))
            manifest = self._manifest(source, status, told, archive.Entry(archive.SNAPSHOT, size, sha256))
            made: Made = self._timed("archive", lambda: self._write(source, manifest, snapshot, directory))
            return replace(made, seconds=dict(self._seconds))

    def _timed(self, name: str, work: t.Callable[[], t.Any]) -> t.Any:
        began = time.monotonic()
        found = work()
        self._seconds[name] = round(time.monotonic() - began, 2)
        return found

    def _check_space(self, directory: str, size: int) -> None:
        free = os.statvfs(directory)
        available, needed = free.f_bavail * free.f_frsize, size * _TIMES + _MORE
        if available < needed:
            raise BackupError(
                f"{self._host}: {self._request.work} has {available >> 20} MiB free, expected {needed >> 20} for a"
                f" database of {size >> 20} MiB.",
                "Free space there.",
            )

    def _snapshot(self, path: str) -> tuple[int, str]:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
            return self._etcd.snapshot(handle.write)

    def _verify(self, image: str, directory: str, snapshot: str) -> dict[str, t.Any]:
        """Restore the snapshot, and read a key of it."""
        tool = self._tool(self._host, image, directory)
        told = tool.status(snapshot)
        restored = os.path.join(directory, "restored")
        tool.restore(snapshot, restored)
        try:
            with open(os.path.join(restored, "member", "snap", "db"), "rb") as stream:
                found = holds(bolt.Database(stream), KEY)
        except (OSError, bolt.BoltError) as exc:
            raise BackupError(
                f"{self._host}: the database of the restored snapshot cannot be read: {exc}.",
                "Run again. Look at etcd's log on this host (crictl logs) when it happens again.",
            ) from exc
        finally:
            shutil.rmtree(restored, ignore_errors=True)
        if not found:
            raise BackupError(
                f"{self._host}: the restored snapshot has no {KEY.decode()}, which every cluster has.",
                "Check that this etcd is that of the cluster.",
            )
        return told

    def _manifest(
        self,
        source: host_files.Source,
        status: t.Mapping[str, t.Any],
        told: t.Mapping[str, t.Any],
        snapshot: archive.Entry,
    ) -> archive.Manifest:
        header = status.get("header") or {}
        entries = [
            archive.entry_of(archive.FILES + path, content, mode)
            for path, (content, mode) in source.files.items()
        ]
        return archive.Manifest(
            created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            host=self._host,
            cluster=source.cluster,
            etcd=archive.Etcd(
                version=str(status.get("version") or ""),
                cluster_id=f"{int(header.get('cluster_id') or 0):x}",
                member_id=f"{int(header.get('member_id') or 0):x}",
                member=source.node_name,
                revision=int(told["revision"]),
                keys=int(told["totalKey"]),
                hash=f"{int(told['hash']):x}",
            ),
            entries=(*entries, snapshot),
        )

    def _write(
        self, source: host_files.Source, manifest: archive.Manifest, snapshot: str, directory: str
    ) -> Made:
        """Encrypt all of it into a file that gets its name at the end."""
        request = self._request
        name = retention.file_name(request.cluster_name, manifest.created, request.recipients.suffix)
        target = os.path.join(request.directory, name)
        handle, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=request.directory)
        try:
            with os.fdopen(handle, "w+b") as out:
                encrypted = encryption.encrypting(request.recipients, out, directory, self._host)
                with open(snapshot, "rb") as stream, encrypted as sink:
                    archive.write(sink, manifest, source.contents(), stream)
                os.fsync(out.fileno())
                if request.owner is not None:
                    os.fchown(out.fileno(), *request.owner)
                out.seek(0)
                digest = hashlib.sha256()
                while piece := out.read(1 << 20):
                    digest.update(piece)
                size = out.tell()
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        fsync_dir(request.directory)
        return Made(target, size, digest.hexdigest(), manifest)


def holds(database: bolt.Database, key: bytes) -> bool:
    """Whether a database of etcd has a key with a value, by its history from the beginning."""
    bucket = database.root.get(b"key")
    if bucket is None:
        return False
    return any(_key_and_value(data, key) for _revision, data in bucket.values())


def _key_and_value(data: bytes, key: bytes) -> bool:
    """Whether an entry, as C(mvccpb.KeyValue), is of a key and has a value: its field 1 comes first, 5 is the value."""
    if not data.startswith(b"\x0a" + bytes([len(key)]) + key):
        return False
    return b"\x2a" in data[2 + len(key) :]


@contextlib.contextmanager
def _exclusive(request: Request, host: str) -> t.Iterator[None]:
    """One backup at a time on a host, by a lock of the directory that the scratch directories are in."""
    parent = os.path.dirname(request.work)
    os.makedirs(parent, mode=0o755, exist_ok=True)
    lock = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as exc:
        raise BackupError(
            f"{host}: another backup is being made on this host.", "Wait until it ends, and run again."
        ) from exc
    finally:
        os.close(lock)


@contextlib.contextmanager
def _scratch(work: str) -> t.Iterator[str]:
    """A directory of root alone; those that killed runs left are removed first."""
    os.makedirs(work, mode=0o700, exist_ok=True)
    os.chmod(work, 0o700)
    for name in os.listdir(work):
        if name.startswith(_RUN):
            shutil.rmtree(os.path.join(work, name), ignore_errors=True)
    directory = tempfile.mkdtemp(prefix=_RUN, dir=work)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.rmdir(work)
