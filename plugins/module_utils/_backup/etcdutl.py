# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Run etcdutl from the image of etcd that a control plane has anyway: same version, nothing to download."""

from __future__ import annotations

import json
import os
import re
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import programs
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.process import run

SOCKET = "/run/containerd/containerd.sock"
_NAMESPACE = "k8s.io"
_PREFIX = "bmk-etcdutl-"
_PROGRAM = "etcdutl"
_SHOWN = 500


class EtcdutlError(OperatorError):
    """etcdutl fails, or refuses what it is given."""


class Etcdutl:
    """Runs etcdutl in a container without a network, which sees one directory of the host.

    :param host: its name in messages. :param image: reference of etcd's image.
    :param directory: the one that it sees, at the same path. :param address: containerd's socket.
    """

    def __init__(self, host: str, image: str, directory: str, address: str = SOCKET) -> None:
        self._host = host
        self._image = image
        self._directory = directory
        self._ctr = ["ctr", "--address", address, "--namespace", _NAMESPACE]

    def status(self, snapshot: str, seconds: float = 300) -> dict[str, t.Any]:
        """C(hash), C(revision), C(totalKey) and C(totalSize) of a snapshot.

        :raises EtcdutlError: when it is none.
        """
        output = self._run(["snapshot", "status", snapshot, "--write-out", "json"], seconds)
        try:
            found = json.loads(output[output.index("{") :])
            return {name: found[name] for name in ("hash", "revision", "totalKey", "totalSize")}
        except (ValueError, KeyError, TypeError) as exc:
            raise EtcdutlError(
                f"{self._host}: etcdutl snapshot status said {output[:_SHOWN]!r}, expected JSON.",
                "Check which image this control plane has for etcd.",
            ) from exc

    def restore(
        self, snapshot: str, data_directory: str, options: t.Sequence[str] = (), seconds: float = 600
    ) -> None:
        """Make a data directory of a snapshot.

        :param options: further arguments. :raises EtcdutlError: when the snapshot is damaged.
        """
        self._run(["snapshot", "restore", snapshot, "--data-dir", data_directory, *options], seconds)

    def _run(self, argv: t.Sequence[str], seconds: float) -> str:
        program = programs.find(self._ctr[0])
        if program is None or re.search(r"[,:=\s]", self._directory):
            reason = (
                "ctr is not installed" if program is None else f"{self._directory} cannot be given to ctr"
            )
            raise EtcdutlError(
                f"{self._host}: {reason}.", "Run the playbook site, which installs containerd."
            )
        self._clear()
        name = f"{_PREFIX}{os.getpid()}"
        mount = f"type=bind,src={self._directory},dst={self._directory},options=rbind:rw"
        command = [program, *self._ctr[1:], "run", "--rm", "--mount", mount, self._image, name]
        done = run([*command, _PROGRAM, *argv], seconds, programs.environment())
        if done.code != 0:
            self._clear()
            how = f"did not end within {seconds:.0f} s" if done.code is None else f"failed ({done.code})"
            told = _reason(done.stderr) or _reason(done.stdout)
            raise EtcdutlError(
                f"{self._host}: etcdutl {' '.join(argv[:2])} {how}: {told}.",
                f"Check that the image {self._image} is on this host (crictl images), and that there is space.",
            )
        return done.stdout

    def _clear(self) -> None:
        """Remove what an interrupted run left."""
        code, output = programs.command([*self._ctr, "containers", "list", "--quiet"])
        for name in output.split() if code == 0 else []:
            if name.startswith(_PREFIX):
                programs.command([*self._ctr, "tasks", "kill", "--signal", "SIGKILL", name])
                programs.command([*self._ctr, "tasks", "delete", "--force", name])
                programs.command([*self._ctr, "containers", "delete", name])


def _reason(output: str) -> str:
    """The line that says why, without etcd's structured log."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    plain = [line for line in lines if not re.match(r"\d{4}-\d\d-\d\dT|\{", line)]
    return ((plain or lines)[-1:] or ["it said nothing"])[0][-_SHOWN:].rstrip(".")
