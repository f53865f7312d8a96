# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Start a component with new arguments where it can do no harm, to learn whether it accepts them.

The program itself, from the image that the node has, reads the flags and the files that they name, in a container
without a network: it gets as far as asking etcd or the API server, and is stopped there.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.components import log_excerpt
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.manifests import Manifest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import KubeadmError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import (
    Host,
    scratch_directory,
    write_private,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import programs
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.process import Process
from ansible_collections.baremetal.kubernetes.plugins.module_utils._redact import redact

# etcd is not tried: it would create a data directory.
TRIED = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
_NAMESPACE = "k8s.io"
_PREFIX = "bmk-trial-"
_LONGEST_SECONDS = 60.0
# Admission plugins are initialised just after the first attempt to reach etcd.
_GRACE_SECONDS = 3.0
_POLL_SECONDS = 0.3
# What a program logs once it has read its arguments and files, and tries to reach etcd or the API server.
_REACHED = re.compile(
    r"dial tcp|connection refused|network is unreachable|no route to host|context deadline exceeded|storage factory"
    r"|failed to wait for apiserver"
)
# Only directories with a few small files are copied.
_MOST_FILES, _MOST_BYTES = 200, 4 << 20


class UnfitError(Exception):
    """The component cannot be tried here; the message says why."""


@dataclass
class _Run:
    manifest: Manifest
    name: str
    process: Process
    log: str
    reached: float = 0.0

    def output(self) -> str:
        with open(self.log, encoding="utf-8", errors="replace") as handle:
            return handle.read()


def verdict(code: int | None, output: str, seconds: float, reached_for: float) -> bool | None:
    """Whether the program accepts its arguments: C(True), C(False), or C(None) while that is unknown.

    :param code: exit code, C(None) while it runs. :param seconds: since its start.
    :param reached_for: seconds since it first tried to reach etcd or the API server, 0 before.
    """
    if code is None:
        if reached_for > _GRACE_SECONDS or seconds > _LONGEST_SECONDS:
            return True
        return None
    if code == 0:
        return True
    return bool(_REACHED.search(log_excerpt(output).rpartition(" | ")[2]))


def mounts(
    manifest: Manifest, staged: t.Mapping[str, bytes], root: str, scratch: str
) -> list[tuple[str, str, bool]]:
    """The container's mounts: source, target and whether it may write.

    Files that are about to be placed are mounted as if they existed.

    :param staged: their contents by path. :param scratch: directory for copies.
    :raises UnfitError: when a directory is too large for a copy.
    """
    result = []
    for number, volume in enumerate(manifest.volumes):
        source = os.path.join(root, volume.host_path.lstrip("/"))
        own = {path: content for path, content in staged.items() if _below(path, volume.host_path)}
        copy = os.path.join(scratch, f"volume-{number}")
        if volume.host_path in own:
            write_private(copy, own[volume.host_path])
            source = copy
        elif own:
            _copy(source, copy)
            for path, content in own.items():
                target = os.path.join(copy, os.path.relpath(path, volume.host_path))
                os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
                write_private(target, content)
            source = copy
        elif not os.path.exists(source):
            if volume.kind in ("", "DirectoryOrCreate"):
                os.makedirs(copy, mode=0o700)
            elif volume.kind == "FileOrCreate":
                write_private(copy, b"")
            else:
                raise KubeadmError(
                    f"{manifest.component} mounts {volume.host_path} ({volume.kind}), which does not exist.",
                    "Create it first, give it in files, or correct extraVolumes.",
                )
            source = copy
        if re.search(r"[,:=\s]", source + volume.mount_path):
            raise UnfitError(f"the path {volume.host_path} cannot be given to ctr")
        result.append((source, volume.mount_path, not volume.read_only))
    # A mount below another one has to come after it.
    return sorted(result, key=lambda mount: mount[1])


def _below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _copy(source: str, target: str) -> None:
    os.makedirs(target, mode=0o700)
    if not os.path.isdir(source):
        return
    files, size = 0, 0
    for directory, _directories, names in os.walk(source):
        for name in names:
            files += 1
            with contextlib.suppress(OSError):
                size += os.lstat(os.path.join(directory, name)).st_size
        if files > _MOST_FILES or size > _MOST_BYTES:
            raise UnfitError(f"{source} is too large to be copied")
    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)


class Trial:
    """Tries components on one host.

    :param address: path of containerd's socket.
    """

    def __init__(self, host: Host, address: str) -> None:
        self._host = host
        self._ctr = ["ctr", "--address", address, "--namespace", _NAMESPACE]

    def run(self, wanted: t.Sequence[Manifest], staged: t.Mapping[str, bytes]) -> list[str]:
        """Try all components at once.

        :param staged: contents, by path, of files that are not in place yet.
        :return: why some were not tried.
        :raises KubeadmError: with the log of a component that refuses its arguments.
        """
        skipped: list[str] = []
        runs: list[_Run] = []
        self._clear()
        with scratch_directory("trial") as scratch:
            try:
                for manifest in wanted:
                    if manifest.component in TRIED:
                        try:
                            runs.append(self._start(manifest, staged, scratch))
                        except UnfitError as exc:
                            skipped.append(f"{manifest.component}: {exc}")
                for run in runs:
                    skipped.extend(self._result(run))
            finally:
                for run in runs:
                    self._end(run)
        return skipped

    def _start(self, manifest: Manifest, staged: t.Mapping[str, bytes], scratch: str) -> _Run:
        directory = os.path.join(scratch, manifest.component)
        os.makedirs(directory, mode=0o700)
        program = programs.find(self._ctr[0])
        if program is None:
            raise UnfitError("ctr is not installed")
        name = f"{_PREFIX}{manifest.component}-{os.getpid()}"
        argv = [program, *self._ctr[1:], "run", "--rm"]
        for source, target, writable in mounts(manifest, staged, self._host.root, directory):
            options = "rbind:rw" if writable else "rbind:ro"
            argv += ["--mount", f"type=bind,src={source},dst={target},options={options}"]
        log = os.path.join(directory, "log")
        with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
            process = Process(
                [*argv, manifest.image, name, *manifest.command], programs.environment(), handle
            )
        return _Run(manifest, name, process, log)

    def _result(self, run: _Run) -> list[str]:
        began = time.monotonic()
        while True:
            code = run.process.poll()
            output = run.output()
            if code and re.search(r"^ctr: ", output, re.MULTILINE):
                return [f"{run.manifest.component}: {log_excerpt(output)}"]
            now = time.monotonic()
            if not run.reached and _REACHED.search(output):
                run.reached = now
            found = verdict(code, output, now - began, now - run.reached if run.reached else 0.0)
            if found:
                return []
            if found is False:
                raise KubeadmError(
                    f"{self._host.name}: {run.manifest.component} refuses its new configuration:"
                    f" {redact(log_excerpt(output))}. It was tried in a container; nothing was changed.",
                    "Correct the value and run again.",
                    component=run.manifest.component,
                )
            time.sleep(_POLL_SECONDS)

    def _end(self, run: _Run) -> None:
        if run.process.poll() is None:
            programs.command([*self._ctr, "tasks", "kill", "--signal", "SIGKILL", run.name])
            try:
                run.process.wait(15)
            except subprocess.TimeoutExpired:
                run.process.end()
                self._clear()

    def _clear(self) -> None:
        """Remove what an interrupted run left."""
        code, output = programs.command([*self._ctr, "containers", "list", "--quiet"])
        for name in output.split() if code == 0 else []:
            if name.startswith(_PREFIX):
                programs.command([*self._ctr, "tasks", "kill", "--signal", "SIGKILL", name])
                programs.command([*self._ctr, "tasks", "delete", "--force", name])
                programs.command([*self._ctr, "containers", "delete", name])
