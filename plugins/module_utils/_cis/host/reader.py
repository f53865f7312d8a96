# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What checks read from a host. C(local.py) has the real reader; tests have one made of plain tables."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

API_SERVER = "kube-apiserver"
CONTROLLER_MANAGER = "kube-controller-manager"
SCHEDULER = "kube-scheduler"
ETCD = "etcd"
KUBELET = "kubelet"
KUBE_PROXY = "kube-proxy"


@dataclass(frozen=True)
class Process:
    """A running program.

    :param name: base name of its executable.
    :param argv: its command line from the kernel, the program first.
    :param env: its environment; only variables that a check reads, such as C(ETCD_*).
    """

    name: str
    pid: int
    argv: tuple[str, ...]
    env: t.Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FileFact:
    """Metadata of a file, symbolic links followed.

    :param kind: C(file), C(directory), C(other), or C(missing).
    :param mode: permission bits. :param error: why it could not be inspected; the other fields mean nothing then.
    :param link: target of the symbolic link, empty when it is none.
    """

    path: str
    kind: str = "missing"
    mode: int = 0
    uid: int = 0
    gid: int = 0
    error: str = ""
    link: str = ""


class Reader(t.Protocol):
    """A host. Paths can be read as one of its processes sees them: a container has a root of its own."""

    def processes(self, name: str) -> tuple[Process, ...]:
        """Running programs by the base name of their executable, without those of other clusters in containers."""

    def stat(self, path: str, process: Process | None = None) -> FileFact:
        """Metadata of a file; never raises."""

    def read(self, path: str, process: Process | None = None) -> bytes:
        """Content of a file.

        :raises OSError: when it cannot be opened, or is larger than any configuration.
        """

    def walk(self, path: str, process: Process | None = None) -> tuple[FileFact, ...]:
        """A directory and all files below it, sorted; links to other directories are not followed."""

    def served_certificate(self, address: str, port: int) -> bytes:
        """The certificate that a port serves, as DER.

        :raises OSError: when nothing answers, or not with TLS.
        """

    def configz(self) -> dict[str, t.Any]:
        """The kubelet's effective configuration, C(kubeletconfig) of C(/configz).

        :raises OSError: when it cannot be read; the message says why.
        """
