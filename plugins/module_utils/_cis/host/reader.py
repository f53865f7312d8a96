# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What the judges ask a host for. The real one is in C(host.py); tests have one of plain tables."""

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
    :param argv: its command line as the kernel has it, the program first.
    :param env: its environment; only variables that a check reads, as C(ETCD_*).
    """

    name: str
    pid: int
    argv: tuple[str, ...]
    env: t.Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FileFact:
    """What a file is, a symbolic link followed.

    :param kind: C(file), C(directory), C(other), or C(missing).
    :param mode: permission bits. :param error: why it could not be looked at; the rest says nothing then.
    :param link: what the path is a link to, empty when it is none.
    """

    path: str
    kind: str = "missing"
    mode: int = 0
    uid: int = 0
    gid: int = 0
    error: str = ""
    link: str = ""


class Reader(t.Protocol):
    """A host. Paths may be seen as one of its processes does: a container has a root of its own."""

    def processes(self, name: str) -> tuple[Process, ...]:
        """Running programs by the base name of their executable; those of other clusters' containers left out."""

    def stat(self, path: str, process: Process | None = None) -> FileFact:
        """What a file is; never raises."""

    def read(self, path: str, process: Process | None = None) -> bytes:
        """Contents of a file.

        :raises OSError: as opening it does, also when it is larger than any configuration is.
        """

    def walk(self, path: str, process: Process | None = None) -> tuple[FileFact, ...]:
        """All that is below a folder, the folder first, sorted; links are not followed into other folders."""

    def served_certificate(self, address: str, port: int) -> bytes:
        """DER of the certificate that a port shows.

        :raises OSError: when nothing answers there, or not with TLS.
        """

    def configz(self) -> dict[str, t.Any]:
        """The kubelet's configuration in force, C(kubeletconfig) of C(/configz).

        :raises OSError: when it cannot be asked; the message says why.
        """
