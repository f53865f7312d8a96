# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What a reset looks at and what it takes away. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field

NAME = "baremetal-kubernetes"
STATE = f"/var/lib/{NAME}"
LOCK = f"/run/{NAME}-kubeadm.lock"
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
NAMESPACE = "k8s.io"
# More things of a kind than these are counted in a summary.
_NAMED = 8


@dataclass(frozen=True)
class Item:
    """One thing that is taken away, or put back as it was.

    :param kind: what it is, as it reads before its name in a report.
    :param name: what it is called.
    :param args: what the host's side needs to know besides.
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

    :param path: its unit or init script, C(text) what is in it (C(None): there is none).
    :param links: links of the init system that start C(path) at boot.
    :param active: whether the init system says that it runs.
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

    :param kind: C(file), C(folder), C(link) or C(other).
    :param head: the first bytes of a file where these tell who wrote it. :param digests: of a program.
    :param keep: whether the folder itself is the operator's: a mount point, or a link to elsewhere.
    :param empty: whether nothing is in the folder. :param below: the files in it, where these decide whether it goes.
    """

    path: str
    kind: str
    head: str = ""
    digests: tuple[str, ...] = ()
    keep: bool = False
    empty: bool = False
    below: tuple[str, ...] = ()


@dataclass(frozen=True)
class Observation:
    """The host, as far as a reset is concerned.

    :param recorded: base name and SHA-256 of the files that `artifact` unpacked here; C(None) without its record.
    :param mounts: mount points in the order in which they were mounted, without those of fstab.
    :param fstab: lines of fstab.
    """

    services: tuple[Service, ...] = ()
    processes: tuple[Process, ...] = ()
    mounts: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    rules: tuple[IpRule, ...] = ()
    routes: tuple[Route, ...] = ()
    filters: tuple[Filter, ...] = ()
    rulesets: tuple[Ruleset, ...] = ()
    ipsets: tuple[str, ...] = ()
    cgroups: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    recorded: frozenset[tuple[str, str]] | None = None
    fstab: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()

    def entry(self, path: str) -> Entry | None:
        """What is at a path that was looked at."""
        return next((entry for entry in self.entries if entry.path == path), None)


@dataclass(frozen=True)
class Plan:
    """What a reset does, in this order, and what it leaves alone.

    :param kept: what stays by intention, as sentences.
    :param foreign: why nothing may be done at all, as sentences.
    """

    items: tuple[Item, ...] = ()
    kept: tuple[str, ...] = ()
    foreign: tuple[str, ...] = field(default=())

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
