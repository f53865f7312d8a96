# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host as tables, and the cases with which every check is tested."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.reader import FileFact, Process

#: Every check needs at least one case of each kind.
KINDS = ("pass", "fail", "odd")


@dataclass(frozen=True)
class Case:
    """One row.

    :param check: id of the check. :param kind: one of KINDS; `odd` is input that a naive audit gets wrong.
    :param name: what is special about it. :param given: makes the input.
    :param status: the effective verdict. :param literal: the literal one, if it differs.
    :param says: words that message and evidence together must have.
    """

    check: str
    kind: str
    name: str
    given: Callable[[], Any]
    status: str
    literal: str = ""
    says: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.check}-{self.kind}-{self.name}".replace(" ", "-")


@dataclass(frozen=True)
class File:
    """A file of the fake host."""

    content: str | bytes = ""
    mode: int = 0o600
    uid: int = 0
    gid: int = 0
    kind: str = "file"
    link: str = ""
    #: errno of reading it, 0 when it can be read.
    unreadable: int = 0


@dataclass(frozen=True)
class FakeReader:
    """A C(reader.Reader) from tables. Every process sees the same files, except those in `seen_by`.

    :param running: processes. :param files: by path. :param seen_by: files by path, by name of the process.
    :param served: DER by port. :param config: the kubelet's configz; a string is the reason that it cannot be asked.
    """

    running: tuple[Process, ...] = ()
    files: Mapping[str, File] = field(default_factory=dict)
    seen_by: Mapping[str, Mapping[str, File]] = field(default_factory=dict)
    served: Mapping[int, bytes] = field(default_factory=dict)
    config: Mapping[str, Any] | str = "not asked in this test"

    def with_(self, **changes: Any) -> FakeReader:
        """A host that differs in something."""
        return replace(self, **changes)

    def with_files(self, files: Mapping[str, File | None]) -> FakeReader:
        """A host with other files; None takes one away."""
        merged = {**self.files, **files}
        return replace(self, files={path: file for path, file in merged.items() if file is not None})

    def _file(self, path: str, process: Process | None) -> File | None:
        own = self.seen_by.get(process.name, {}) if process else {}
        return own.get(path, self.files.get(path))

    def processes(self, name: str) -> tuple[Process, ...]:
        return tuple(process for process in self.running if process.name == name)

    def stat(self, path: str, process: Process | None = None) -> FileFact:
        file = self._file(path, process)
        if file is None:
            below = path.rstrip("/") + "/"
            if any(name.startswith(below) for name in self.files):
                return FileFact(path, "directory", 0o755)
            return FileFact(path)
        if file.kind == "unreachable":
            return FileFact(path, error="Permission denied")
        return FileFact(path, file.kind, file.mode, file.uid, file.gid, link=file.link)

    def read(self, path: str, process: Process | None = None) -> bytes:
        file = self._file(path, process)
        if file is None:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        if file.unreadable:
            raise OSError(file.unreadable, "cannot be read", path)
        return file.content if isinstance(file.content, bytes) else file.content.encode()

    def walk(self, path: str, process: Process | None = None) -> tuple[FileFact, ...]:
        below = path.rstrip("/") + "/"
        own = self.seen_by.get(process.name, {}) if process else {}
        names = sorted(name for name in {**self.files, **own} if name.startswith(below))
        first = self.stat(path, process)
        return () if first.kind == "missing" else (first, *(self.stat(name, process) for name in names))

    def served_certificate(self, address: str, port: int) -> bytes:
        if port not in self.served:
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"nothing answers on {address}:{port}")
        return self.served[port]

    def configz(self) -> dict[str, Any]:
        if isinstance(self.config, str):
            raise OSError(self.config)
        return dict(self.config)


def process(name: str, *arguments: str, pid: int = 1000, env: Mapping[str, str] | None = None) -> Process:
    """A running program with these arguments."""
    return Process(name, pid, (name, *arguments), dict(env or {}))
