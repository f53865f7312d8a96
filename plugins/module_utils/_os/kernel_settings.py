# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Kernel modules and parameters: what is in force, what is kept for the next boot, and the steps between."""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t

# What shows that a feature is there when the kernel has it built in and so lists no module. The paths are the kernel's
# own interface; the symbols are what someone who builds a kernel has to turn on.
EVIDENCE: dict[str, str] = {"br_netfilter": "proc/sys/net/bridge/bridge-nf-call-iptables"}
FILESYSTEMS = frozenset({"overlay", "nfs", "fuse", "xfs", "ext4", "btrfs"})
SYMBOLS: dict[str, str] = {
    "br_netfilter": "CONFIG_BRIDGE_NETFILTER",
    "overlay": "CONFIG_OVERLAY_FS",
    "vxlan": "CONFIG_VXLAN",
    "nf_conntrack": "CONFIG_NF_CONNTRACK",
    "ip_vs": "CONFIG_IP_VS",
    "wireguard": "CONFIG_WIREGUARD",
    "fuse": "CONFIG_FUSE_FS",
    "nfs": "CONFIG_NFS_FS",
}
NAME = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_-]*$")
KEY = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$")


@dataclasses.dataclass(frozen=True)
class Desired:
    """What the operator asks for: module names, and parameters by their dotted names."""

    modules: tuple[str, ...]
    sysctls: tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True)
class Observed:
    """What the host has.

    :ivar absent_modules: wanted modules that are neither loaded nor built in.
    :ivar sysctls: value in force by name; None where the kernel has no such parameter.
    :ivar modules_file: bytes of the file that loads the modules at boot; None when it is missing.
    :ivar sysctls_file: the same for parameters.
    """

    absent_modules: tuple[str, ...]
    sysctls: t.Mapping[str, str | None]
    modules_file: str | None
    sysctls_file: str | None


@dataclasses.dataclass(frozen=True)
class Plan:
    """Steps in the order in which they are taken: parameters of a module exist only once it is loaded."""

    load: tuple[str, ...]
    write: tuple[tuple[str, str], ...]
    modules_file: str | None
    sysctls_file: str | None

    @property
    def changed(self) -> bool:
        """Whether any step is left."""
        return bool(self.load or self.write or self.modules_file is not None or self.sysctls_file is not None)


def normalise(value: object) -> str:
    """Give a parameter's value as the kernel prints it: fields parted by single blanks.

    :param value: text or number; fields may be parted by any white space.
    """
    return " ".join(str(value).split())


def render_modules(desired: Desired) -> str:
    """Content of the file in C(/etc/modules-load.d), which systemd and OpenRC both read."""
    return "".join(f"{line}\n" for line in ("# Written by baremetal.kubernetes.", *desired.modules))


def render_sysctls(desired: Desired) -> str:
    """Content of the file in C(/etc/sysctl.d), which systemd and OpenRC both read."""
    lines = ["# Written by baremetal.kubernetes.", *(f"{key} = {value}" for key, value in desired.sysctls)]
    return "".join(f"{line}\n" for line in lines)


def plan_settings(desired: Desired, observed: Observed) -> Plan:
    """Compare what is wanted with what is there, in force and on disk."""
    modules_file, sysctls_file = render_modules(desired), render_sysctls(desired)
    return Plan(
        load=tuple(name for name in desired.modules if name in observed.absent_modules),
        write=tuple((key, value) for key, value in desired.sysctls if observed.sysctls.get(key) != value),
        modules_file=None if observed.modules_file == modules_file else modules_file,
        sysctls_file=None if observed.sysctls_file == sysctls_file else sysctls_file,
    )


def sysctl_path(key: str) -> str:
    """Path below C(/proc/sys) of a dotted name.

    A slash in the name stands for a dot inside a part, as sysctl(8) has it.
    """
    return "/".join(part.replace("/", ".") for part in key.split("."))


class Host:
    """Reads a host's kernel through its files.

    :param root: directory that stands for C(/).
    """

    def __init__(self, root: str = "/") -> None:
        self.root = root

    def path(self, *parts: str) -> str:
        """Absolute path of something below the root."""
        return os.path.join(self.root, *parts)

    def read(self, *parts: str) -> str | None:
        """Text of a file, or None when there is none or it cannot be read."""
        try:
            with open(self.path(*parts), encoding="utf-8", errors="replace") as stream:
                return stream.read()
        except OSError:
            return None

    def has_module(self, name: str, release: str) -> bool:
        """Whether a module is loaded or built in.

        :param name: the module's name; dashes and underscores are the same.
        :param release: the running kernel's release, as C(uname -r) prints it.
        """
        name = name.replace("-", "_")
        if os.path.isdir(self.path("sys/module", name)):
            return True
        if name in EVIDENCE and os.path.exists(self.path(EVIDENCE[name])):
            return True
        if name in FILESYSTEMS and re.search(
            rf"\b{re.escape(name)}$", self.read("proc/filesystems") or "", re.M
        ):
            return True
        builtin = self.read("lib/modules", release, "modules.builtin") or ""
        return any(os.path.basename(line).replace("-", "_") == f"{name}.ko" for line in builtin.splitlines())

    def sysctl(self, key: str) -> str | None:
        """A parameter's value in force, normalised; None when the kernel does not have it."""
        value = self.read("proc/sys", sysctl_path(key))
        return None if value is None else normalise(value)

    def observe(self, desired: Desired, release: str, modules_path: str, sysctls_path: str) -> Observed:
        """Read everything that the plan compares."""
        return Observed(
            absent_modules=tuple(name for name in desired.modules if not self.has_module(name, release)),
            sysctls={key: self.sysctl(key) for key, _value in desired.sysctls},
            modules_file=self.read(modules_path.lstrip("/")),
            sysctls_file=self.read(sysctls_path.lstrip("/")),
        )
