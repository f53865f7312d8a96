# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Give a control plane the data of a snapshot: stop what runs, exchange the data directory, start again."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._backup import host_files
from ansible_collections.baremetal.kubernetes.plugins.module_utils._backup.etcdutl import Etcdutl
from ansible_collections.baremetal.kubernetes.plugins.module_utils._encryption import plan as encryption_plan
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.manifests import COMPONENTS
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import programs
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import fsync_dir, write_atomic

DATA = "/var/lib/etcd"
MEMBER = "member"
#: What is being made, and what was there before, in etcd's directory.
PART, COPY, BEFORE = "restore.part", "restore.db", "before-restore-"
#: Watchers that have seen newer revisions than the snapshot has must not take them for known: they go on from here.
BUMP = 1_000_000_000
_MANIFESTS = f"{node.CONFIG_DIR}/restore.manifests"
_STOP_SECONDS, _FORCE_SECONDS = 90.0, 30.0
_POLL_SECONDS = 0.5


class RestoreError(OperatorError):
    """The data cannot be restored."""


@dataclass(frozen=True)
class Identity:
    """The member that etcd gets.

    :param token: of the new etcd cluster, so that members of the old one are strangers.
    """

    name: str
    peer_url: str
    token: str

    def options(self) -> list[str]:
        """Arguments of C(etcdutl snapshot restore)."""
        return [
            *("--name", self.name),
            *("--initial-cluster", f"{self.name}={self.peer_url}"),
            *("--initial-advertise-peer-urls", self.peer_url),
            *("--initial-cluster-token", self.token),
            *("--bump-revision", str(BUMP), "--mark-compacted"),
        ]

    @property
    def cluster_id(self) -> int:
        """Id of etcd's new cluster, as etcd computes it (server/etcdserver/api/membership)."""
        member = hashlib.sha1((self.peer_url + self.token).encode(), usedforsecurity=False).digest()[:8]
        return int.from_bytes(hashlib.sha1(member, usedforsecurity=False).digest()[:8], "big")


def token_of(source: str) -> str:
    """The token for what is restored: the same for the same snapshot, so that a second run finds it done."""
    return f"restore-{source[:24]}"


# --- keys -------------------------------------------------------------------------------------------------------------


def files_to_place(
    root: str, wanted: t.Mapping[str, tuple[bytes, int]], host: str
) -> dict[str, tuple[bytes, int]]:
    """Which files of a backup a host gets: those that it lacks, and keys for encryption at rest beside its own.

    :raises RestoreError: for a file that no backup may place, and for encryption keys that cannot be combined.
    """
    found: dict[str, tuple[bytes, int]] = {}
    for path, (content, mode) in wanted.items():
        if not host_files.restorable(path):
            raise RestoreError(
                f"The backup would place {path}, which is no file of a cluster's keys.",
                "Do not use this backup.",
            )
        try:
            with open(node.under(root, path), "rb") as handle:
                present = handle.read()
        except FileNotFoundError:
            found[path] = (content, mode)
            continue
        if path in host_files.AUTHORITIES or present == content:
            continue
        found[path] = (_combined(present, content, path, host), mode)
    return {path: value for path, value in found.items() if value[0] != _read(root, path)}


def _read(root: str, path: str) -> bytes | None:
    with contextlib.suppress(OSError), open(node.under(root, path), "rb") as handle:
        return handle.read()
    return None


def _combined(present: bytes, content: bytes, path: str, host: str) -> bytes:
    """The host's encryption keys, and those of the backup that it has not any more."""
    own = encryption_plan.parse(present.decode("utf-8", "replace"), f"{host}: {path}")
    other = encryption_plan.parse(content.decode("utf-8", "replace"), f"{path} of the backup")
    names = {key.name: key for key in own.keys}
    for key in other.keys:
        if names.get(key.name, key) != key:
            raise RestoreError(
                f"{host}: {path} has another key {key.name} than the backup.",
                "Move the file away, so that the backup's is placed.",
            )
    keys = (*own.keys, *(key for key in other.keys if key.name not in names))
    resources = tuple(dict.fromkeys((*own.resources, *other.resources)))
    return encryption_plan.render(encryption_plan.Config(resources, keys, own.writes)).encode()


def place(root: str, files: t.Mapping[str, tuple[bytes, int]]) -> None:
    """Write the files, in the order in which an interruption does no harm."""
    order = {path: number for number, path in enumerate(host_files.AUTHORITIES)}
    for path in sorted(files, key=lambda path: order.get(path, -1)):
        content, mode = files[path]
        directory = os.path.dirname(node.under(root, path))
        os.makedirs(directory, mode=0o755 if path.startswith(f"{host_files.PKI}/") else 0o700, exist_ok=True)
        write_atomic(node.under(root, path), content, mode & 0o644, (0, 0) if os.geteuid() == 0 else None)


# --- data -------------------------------------------------------------------------------------------------------------


class Data:
    """The data directory of etcd on this host.

    :param tool: runs etcdutl where it sees C(directory).
    """

    def __init__(self, host: str, tool: Etcdutl, root: str = "/", directory: str = DATA) -> None:
        self._host = host
        self._tool = tool
        self._root = root
        self._directory = node.under(root, directory)

    def prepare(self, snapshot: str, sha256: str, identity: Identity) -> None:
        """Make the new data beside the old.

        :param snapshot: a file, which is moved. :param sha256: of it.
        :raises OperatorError: when the snapshot is damaged; then nothing else was done.
        """
        self.clear()
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        copy = os.path.join(self._directory, COPY)
        shutil.move(snapshot, copy)
        os.chmod(copy, 0o600)
        with open(copy, "rb") as stream:
            digest = hashlib.sha256()
            while piece := stream.read(1 << 20):
                digest.update(piece)
        if digest.hexdigest() != sha256:
            self.clear()
            raise RestoreError(
                f"{self._host}: the snapshot arrived damaged. Nothing was changed.", "Run again."
            )
        self._make(copy, identity.options())

    def prepare_own(self, identity: Identity) -> None:
        """The same from the database that this host has. etcd must not run.

        :raises OperatorError: when there is none, or it is damaged.
        """
        self.clear()
        copy = os.path.join(self._directory, COPY)
        try:
            shutil.copyfile(os.path.join(self._directory, MEMBER, "snap", "db"), copy)
        except OSError as exc:
            raise RestoreError(
                f"{self._host}: etcd's database cannot be read: {exc.strerror}. Expected one of the cluster.",
                "Restore from a backup (restore_archive).",
            ) from exc
        # A database has no checksum, unlike a snapshot.
        self._make(copy, [*identity.options(), "--skip-hash-check"])

    def _make(self, copy: str, options: t.Sequence[str]) -> None:
        try:
            self._tool.restore(copy, os.path.join(self._directory, PART), options)
        except BaseException:
            self.clear()
            raise
        os.unlink(copy)

    def clear(self) -> None:
        """Remove what an interrupted run left."""
        shutil.rmtree(os.path.join(self._directory, PART), ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self._directory, COPY))

    def exchange(self, moment: str) -> str:
        """Put the new data in place.

        :return: where the old is now, empty when there was none.
        """
        member, kept = os.path.join(self._directory, MEMBER), ""
        if os.path.isdir(member):
            kept = os.path.join(self._directory, f"{BEFORE}{moment}")
            os.rename(member, kept)
        os.rename(os.path.join(self._directory, PART, MEMBER), member)
        self.clear()
        fsync_dir(self._directory)
        return kept

    @contextlib.contextmanager
    def stopped(self) -> t.Iterator[None]:
        """Without etcd and what uses it: the kubelet stops pods whose manifest is gone, and starts them again."""
        away = node.under(self._root, _MANIFESTS)
        os.makedirs(away, mode=0o700, exist_ok=True)
        paths = {
            node.under(self._root, f"{node.MANIFESTS}/{name}.yaml"): os.path.join(away, f"{name}.yaml")
            for name in COMPONENTS
        }
        for path, target in paths.items():
            if os.path.exists(path):
                os.replace(path, target)
        try:
            self._wait_stopped()
            yield
        finally:
            # Also those that an interrupted run has left there.
            for path, target in paths.items():
                if os.path.exists(target):
                    os.makedirs(os.path.dirname(path), exist_ok=True)
                    os.replace(target, path)
            with contextlib.suppress(OSError):
                os.rmdir(away)

    def _wait_stopped(self) -> None:
        began, forced = time.monotonic(), False
        while running := self._running():
            waited = time.monotonic() - began
            if waited > _STOP_SECONDS:
                raise RestoreError(
                    f"{self._host}: {', '.join(sorted(running))} still runs {_STOP_SECONDS:.0f} s after its manifest"
                    " was taken away. The data was not changed.",
                    "Look at the kubelet and at containerd on this host, and run again.",
                )
            if waited > _FORCE_SECONDS and not forced:
                forced = True
                for container in running.values():
                    programs.command(["crictl", "stop", "--timeout", "10", container], 30)
            time.sleep(_POLL_SECONDS)

    def _running(self) -> dict[str, str]:
        """Containers that run, by component."""
        found = {}
        for name in COMPONENTS:
            code, output = programs.command(
                ["crictl", "ps", "--quiet", "--state", "Running", "--name", f"^{name}$"]
            )
            if code == 0 and output.split():
                found[name] = output.split()[0]
        return found
