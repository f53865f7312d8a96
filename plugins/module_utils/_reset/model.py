# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What a reset looks at and what it removes. Values only."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.record import Record

NAME = "baremetal-kubernetes"
STATE = f"/var/lib/{NAME}"
LOCK = f"/run/{NAME}-kubeadm.lock"
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
NAMESPACE = "k8s.io"
# More things of a kind than these are counted in a summary.
_NAMED = 8


@dataclass(frozen=True)
class Item:
    """One thing that is removed, or restored.

    :param kind: what it is, as it reads before its name in a report.
    :param name: its name or path.
    :param args: what else is needed to remove it.
    """

    kind: str
    name: str
    args: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        return (self.kind, self.name)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Service:
    """A daemon of the node and how it is started.

    :param path: its unit or init script. :param text: content of that, C(None) without one.
    :param links: links by which the service manager starts it at boot.
    :param active: whether the service manager says that it runs.
    """

    name: str
    path: str
    text: str | None = None
    links: tuple[str, ...] = ()
    active: bool = False


@dataclass(frozen=True)
class Process:
    """A process of the host.

    :param own_namespace: whether it is in the host's own process namespace, that is: no container holds it.
    :param pod: whether its control group is one of the kubelet's.
    """

    pid: int
    ppid: int
    exe: str
    argv: tuple[str, ...] = ()
    own_namespace: bool = True
    pod: bool = False

    def option(self, name: str) -> str:
        """The argument that follows a name on the command line, empty without one."""
        words = list(self.argv)
        return words[words.index(name) + 1] if name in words[:-1] else ""


@dataclass(frozen=True)
class User:
    """A process that has a file open for writing below one of the data directories, C(path)."""

    pid: int
    path: str


@dataclass(frozen=True)
class Link:
    """A network interface. C(xdp) is the name of the program at its driver, C(xdp_mode) how it is attached."""

    name: str
    kind: str = ""
    xdp: str = ""
    xdp_mode: str = ""


@dataclass(frozen=True)
class IpRule:
    """A rule of policy routing. C(selector) is everything after the priority, as ip-rule(8) prints and takes it."""

    family: str
    priority: int
    selector: str


@dataclass(frozen=True)
class Route:
    """A route outside the main table, as ip-route(8) prints and takes it."""

    family: str
    table: str
    text: str


@dataclass(frozen=True)
class Filter:
    """An eBPF filter of tc(8) at an interface."""

    device: str
    direction: str
    protocol: str
    priority: str
    handle: str
    name: str


@dataclass(frozen=True)
class Ruleset:
    """What C(save) of one variant of iptables prints.

    :param program: name without C(-save), such as C(ip6tables-nft).
    """

    program: str
    text: str


@dataclass(frozen=True)
class Entry:
    """Something in the file system.

    :param kind: C(file), C(directory), C(link) or C(other).
    :param head: the first bytes of a recorded file. :param sha256: of a recorded file.
    :param keep: whether the directory itself is the operator's: a mount point, in fstab, or a link to elsewhere.
    :param empty: whether nothing is in the directory. :param below: the files in it, where these decide about it.
    """

    path: str
    kind: str
    head: str = ""
    sha256: str = ""
    keep: bool = False
    empty: bool = False
    below: tuple[str, ...] = ()


@dataclass(frozen=True)
class Observation:
    """The host, as far as a reset is concerned.

    :param record: what the collection has placed here.
    :param mounts: mount points in the order in which they were mounted.
    :param permanent: those that the operator has configured, mounted or not.
    :param targets: links among the data directories or in them, and what they lead to outside.
    :param stuck: paths that do not answer; nothing else was looked at then.
    :param users: processes that write to data directories.
    :param namespaces: of containerd's that hold anything, C(None) when its metadata cannot be read.
    :param files: files of kubeadm that are there. :param etcd_data: the directory that the manifest of etcd names.
    :param fstab: lines of fstab.
    """

    services: tuple[Service, ...] = ()
    processes: tuple[Process, ...] = ()
    mounts: tuple[str, ...] = ()
    permanent: tuple[str, ...] = ()
    targets: t.Mapping[str, str] = field(default_factory=dict)
    stuck: tuple[str, ...] = ()
    users: tuple[User, ...] = ()
    namespaces: tuple[str, ...] | None = ()
    files: tuple[str, ...] = ()
    etcd_data: str = ""
    links: tuple[Link, ...] = ()
    rules: tuple[IpRule, ...] = ()
    routes: tuple[Route, ...] = ()
    filters: tuple[Filter, ...] = ()
    rulesets: tuple[Ruleset, ...] = ()
    ipsets: tuple[str, ...] = ()
    cgroups: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    record: Record = field(default_factory=Record)
    fstab: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()

    def entry(self, path: str) -> Entry | None:
        """What is at a path that was looked at."""
        return next((entry for entry in self.entries if entry.path == path), None)


@dataclass(frozen=True)
class Plan:
    """What a reset does, in this order, and what it leaves alone.

    :param kept: what stays by intention, as sentences.
    :param refused: why nothing may be removed at all, as sentences.
    """

    items: tuple[Item, ...] = ()
    kept: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    def summary(self) -> str:
        """The items in one line: names of what is few, numbers of what is many."""
        groups: dict[str, list[str]] = {}
        for item in self.items:
            groups.setdefault(item.kind, []).append(item.name)
        parts: list[str] = []
        for kind, names in groups.items():
            if len(names) > _NAMED:
                parts.append(f"{kind} {names[0]} and {len(names) - 1} others")
            else:
                parts.append(f"{kind} {', '.join(names)}")
        return "; ".join(parts) or "nothing"
