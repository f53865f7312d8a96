# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The configuration of an etcd.

With a file (C(--config-file), else C(ETCD_CONFIG_FILE)) it ignores all flags and variables; without one, a flag takes
precedence over its environment variable (etcd, C(etcdmain/config.go)).
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.arguments import Arguments
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.kubelet import document
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.reader import Process, Reader

BOOLEANS = ("auto-tls", "peer-auto-tls", "client-cert-auth", "peer-client-cert-auth", "force-new-cluster")
_TRUE = ("1", "t", "true", "TRUE", "True", "T")
_SECTIONS = {"peer-": "peer-transport-security", "": "client-transport-security"}
_OF_TRANSPORT = ("cert-file", "key-file", "client-cert-auth", "trusted-ca-file", "auto-tls")


@dataclass(frozen=True)
class Settings:
    """Settings of one etcd.

    :param file: its configuration file, empty without one. :param problem: why the file could not be read.
    """

    process: Process
    file: str = ""
    values: t.Mapping[str, t.Any] | None = None
    problem: str = ""

    def text(self, name: str) -> tuple[str, str]:
        """Value of a setting by the name of its flag, and where it is set; both empty when it is not set."""
        if self.file:
            value = self._from_file(name)
            text = ("true" if value else "false") if isinstance(value, bool) else str(value or "")
            return text, self.file if text else ""
        arguments = Arguments(self.process.argv, BOOLEANS)
        given = arguments.last(name)
        if given is not None:
            return given, f"process {self.process.name}"
        variable = "ETCD_" + name.upper().replace("-", "_")
        value = self.process.env.get(variable, "")
        return value, f"{variable} of process {self.process.name}" if value else ""

    def _from_file(self, name: str) -> t.Any:
        prefix = "peer-" if name.startswith("peer-") else ""
        inner = name[len(prefix) :]
        values = self.values or {}
        if inner not in _OF_TRANSPORT:
            return values.get(name)
        section = values.get(_SECTIONS[prefix])
        return section.get(inner) if isinstance(section, dict) else None

    def truth(self, name: str) -> tuple[bool, str]:
        """A boolean setting; anything invalid, with which etcd does not start, counts as false."""
        text, source = self.text(name)
        return text in _TRUE, source


def read(reader: Reader, process: Process) -> Settings:
    """Settings of a running etcd."""
    path = Arguments(process.argv, BOOLEANS).last("config-file") or process.env.get("ETCD_CONFIG_FILE", "")
    if not path:
        return Settings(process)
    try:
        return Settings(process, path, document(reader, path, process))
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else exc
        return Settings(process, path, problem=f"{path} could not be read: {reason}")
