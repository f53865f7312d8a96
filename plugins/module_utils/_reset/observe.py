# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Look at a host's processes, mounts, network and files. It changes nothing."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import re
import stat
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact import journal
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.record import (
    DEFAULT_PATH,
    Record,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.facts import service_manager
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import (
    ETCD_MANIFEST,
    KNOWN_FILES,
    arguments,
    read_text,
    under,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import LOST_AND_FOUND
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.mounts import Mount, parse_mountinfo
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.programs import find
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset import (
    disk,
    evidence,
    network,
    ownership,
    plan,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.model import (
    LOCK,
    STATE,
    Entry,
    Filter,
    IpRule,
    Link,
    Observation,
    Process,
    Route,
    Ruleset,
    Service,
    User,
)

Run = t.Callable[..., tuple[int, str, str]]

SERVICE_PATHS = {"systemd": "/etc/systemd/system/{name}.service", "openrc": "/etc/init.d/{name}"}
VARIANTS = ("iptables-legacy", "iptables-nft", "ip6tables-legacy", "ip6tables-nft")
KUBEADM_FILES = (*KNOWN_FILES, *evidence.ETCD_FILES)
_HEAD = 4096
COMMAND_SECONDS = 60
_BLOCK = 1 << 20


def cgroup_paths(text: str) -> list[str]:
    """The paths in a process's C(/proc/PID/cgroup), each once."""
    return list(dict.fromkeys(line.split(":", 2)[2] for line in text.splitlines() if line.count(":") >= 2))


class Observer:
    """Looks at a host.

    :param run: C(AnsibleModule.run_command).
    :param root: directory that stands for C(/). With another than C(/) only files are looked at.
    """

    def __init__(self, run: Run, root: str = "/") -> None:
        self.run = run
        self.root = root
        self.live = root == "/"
        self.manager = service_manager(root)
        self.record = Record()
        self._users: tuple[User, ...] | None = None
        self._digests: dict[tuple[str, int, int, int], str] = {}

    def command(
        self, *argv: str, data: str | None = None, seconds: int = COMMAND_SECONDS
    ) -> tuple[int, str, str]:
        """Run a program that must not hang.

        :returns: exit code and output; 127 when the program is not there.
        """
        program = find(argv[0])
        if program is None:
            return 127, "", f"there is no {argv[0]} on this host"
        limit = find("timeout")
        prefix = [limit, "-k", "5", str(seconds)] if limit else []
        return self.run([*prefix, program, *argv[1:]], data=data)

    def observe(self) -> Observation:
        """Everything that the plan needs."""
        points = self.mount_points()
        permanent = disk.permanent(self.root)
        self.record = journal.load(under(self.root, DEFAULT_PATH))
        links = self.links()
        # First, as everything else looks at what may be behind a server that is down.
        stuck = disk.stuck((*plan.DATA, *KUBEADM_FILES)) if self.live else ()
        if stuck:
            return Observation(record=self.record, stuck=stuck)
        targets = disk.links(self.root, plan.DATA, (evidence.CONFIG,))
        stores = {path: targets.get(path, path) for path in evidence.STORES}
        return Observation(
            services=tuple(self.services()),
            processes=tuple(self.processes()),
            mounts=tuple(mount.point for mount in points),
            permanent=permanent,
            targets=targets,
            users=self.users(stores),
            namespaces=disk.namespaces(under(self.root, evidence.CONTAINERD)),
            files=tuple(path for path in KUBEADM_FILES if os.path.lexists(under(self.root, path))),
            etcd_data=arguments(read_text(self.root, ETCD_MANIFEST)).get("data-dir", ""),
            links=links,
            rules=self.rules(),
            routes=self.routes(),
            filters=self.filters(links),
            rulesets=self.rulesets(),
            ipsets=self.ipsets(),
            cgroups=tuple(self.cgroups(points)),
            entries=tuple(self.entries({mount.point for mount in points}.union(permanent))),
            record=self.record,
            fstab=tuple((read_text(self.root, plan.FSTAB) or "").splitlines()),
            pods=self.pods(),
        )

    def mount_points(self) -> list[Mount]:
        """Mount points of the host with their file systems."""
        return parse_mountinfo(disk.read_bytes("/proc/self/mountinfo")) if self.live else []

    def users(self, stores: t.Mapping[str, str]) -> tuple[User, ...]:
        """Processes that write to the stores; only before anything is removed."""
        if self._users is None:
            self._users = disk.users(stores) if self.live else ()
        return self._users

    def pods(self) -> tuple[str, ...]:
        """Names of the pods that ran here, by the directories of their logs (namespace_name_uid)."""
        with contextlib.suppress(OSError):
            names = (entry.split("_") for entry in os.listdir(under(self.root, "/var/log/pods")))
            return tuple(sorted(f"{parts[0]}/{parts[1]}" for parts in names if len(parts) == 3))
        return ()

    def services(self) -> t.Iterator[Service]:
        """The services that the record knows, and those whose unit or init script carries the collection's mark."""
        pattern = SERVICE_PATHS.get(self.manager)
        if pattern is None:
            return
        for name in dict.fromkeys((*ownership.services_of(self.record), *self._marked(pattern))):
            path = pattern.format(name=name)
            links = [link for link in self._start_links(name) if self._leads_to(link, path)]
            yield Service(name, path, read_text(self.root, path), tuple(links), self._active(name, path))

    def _marked(self, pattern: str) -> t.Iterator[str]:
        for path in self._names(os.path.dirname(pattern)):
            name = ownership.service_of(path)
            if name and ownership.marked(self._head(under(self.root, path))):
                yield name

    def _start_links(self, name: str) -> list[str]:
        patterns = {
            "systemd": [f"/etc/systemd/system/*.{kind}/{name}.service" for kind in ("wants", "requires")],
            "openrc": [f"/etc/runlevels/*/{name}"],
        }[self.manager]
        prefix = len(self.root.rstrip("/"))
        # A link that leads nowhere is found, too.
        return [
            path[prefix:] for pattern in patterns for path in sorted(glob.glob(under(self.root, pattern)))
        ]

    def _leads_to(self, link: str, path: str) -> bool:
        with contextlib.suppress(OSError):
            target = os.readlink(under(self.root, link))
            return os.path.normpath(os.path.join(os.path.dirname(link), target)) == path
        return False

    def _active(self, name: str, path: str) -> bool:
        if not self.live:
            return False
        if self.manager == "openrc":
            return os.path.lexists(f"/run/openrc/started/{name}")
        _code, out, _err = self.command(
            "systemctl", "show", "-p", "ActiveState,FragmentPath", f"{name}.service"
        )
        fields = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
        running = fields.get("ActiveState") in ("active", "activating", "reloading", "deactivating")
        return running and fields.get("FragmentPath") == path

    def processes(self) -> t.Iterator[Process]:
        """The host's processes, without kernel threads and this one."""
        if not self.live:
            return
        own = os.readlink("/proc/self/ns/pid")
        base = self._cgroup_base()
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == os.getpid():
                continue
            # A process may end at any time.
            with contextlib.suppress(OSError, IndexError, ValueError):
                exe = os.readlink(f"/proc/{entry}/exe")
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as stream:
                    ppid = int(stream.read().rpartition(")")[2].split()[1])
                with open(f"/proc/{entry}/cmdline", "rb") as raw:
                    argv = raw.read().decode("utf-8", "replace").rstrip("\0").split("\0")
                groups = cgroup_paths(read_text("/", f"/proc/{entry}/cgroup") or "")
                yield Process(
                    pid=int(entry),
                    ppid=ppid,
                    exe=exe,
                    argv=tuple(argv),
                    own_namespace=os.readlink(f"/proc/{entry}/ns/pid") == own,
                    pod=any(
                        re.match(rf"{re.escape(base)}/kubepods(?:\.slice)?(?:/|$)", path) for path in groups
                    ),
                )

    def _cgroup_base(self) -> str:
        """Where the host's own control groups begin, which is not the root where the host itself is in a container."""
        paths = cgroup_paths(read_text("/", "/proc/1/cgroup") or "")
        longest = max(paths, key=len, default="")
        return longest.replace("/init.scope", "").rstrip("/")

    def cgroups(self, points: t.Iterable[Mount]) -> t.Iterator[str]:
        """The control groups that the kubelet made for pods."""
        tops = [mount.point for mount in points if mount.kind in ("cgroup", "cgroup2")]
        base = self._cgroup_base().lstrip("/") if self.live else ""
        for top in dict.fromkeys(tops):
            for name in ("kubepods", "kubepods.slice"):
                for path in dict.fromkeys((os.path.join(top, name), os.path.join(top, base, name))):
                    if os.path.isdir(path):
                        yield path

    def links(self) -> tuple[Link, ...]:
        """Network interfaces."""
        return (
            network.parse_links(self.command("ip", "-json", "-details", "link", "show")[1])
            if self.live
            else ()
        )

    def rules(self) -> tuple[IpRule, ...]:
        """Rules of policy routing."""
        families = ("-4", "-6") if self.live else ()
        found = (
            network.parse_rules(family, self.command("ip", family, "rule", "show")[1]) for family in families
        )
        return tuple(rule for rules in found for rule in rules)

    def routes(self) -> tuple[Route, ...]:
        """Routes of the tables that Cilium uses."""
        found: list[Route] = []
        for family in ("-4", "-6") if self.live else ():
            for table in network.TABLES:
                text = self.command("ip", family, "route", "show", "table", table)[1]
                found += network.parse_routes(family, table, text)
        return tuple(found)

    def filters(self, links: t.Iterable[Link]) -> tuple[Filter, ...]:
        """Filters of eBPF at interfaces that stay."""
        found: list[Filter] = []
        if self.live and find("tc"):
            for link in links:
                if not network.own_link(link):
                    for direction in ("ingress", "egress"):
                        text = self.command("tc", "filter", "show", "dev", link.name, direction)[1]
                        found += network.parse_filters(link.name, direction, text)
        return tuple(found)

    def rulesets(self) -> tuple[Ruleset, ...]:
        """The packet filter, as each variant of iptables that is here has it."""
        if not self.live:
            return ()
        programs = [name for name in VARIANTS if find(f"{name}-save")]
        # Some distributions have one variant, under the plain name.
        programs += [
            name
            for name in ("iptables", "ip6tables")
            if find(f"{name}-save") and not any(other.startswith(f"{name}-") for other in programs)
        ]
        return tuple(Ruleset(name, self.command(f"{name}-save")[1]) for name in programs)

    def ipsets(self) -> tuple[str, ...]:
        """Names of ipsets."""
        return tuple(self.command("ipset", "list", "-name")[1].split()) if self.live and find("ipset") else ()

    def entries(self, points: t.Collection[str]) -> t.Iterator[Entry]:
        """The files and directories that a reset may concern."""
        seen = Observation(record=self.record)
        paths = [*plan.DATA, *plan.logs_of(seen), *plan.SHARED, *self.record.files, *self.record.directories]
        paths += ["/etc/containerd", plan.SETTINGS, STATE, LOCK, plan.CILIUM_CNI]
        if self.live:
            paths.append(f"{plan.BPF}/cilium")
            paths += sorted(glob.glob(f"{plan.BPF}/tc/globals/cilium_*"))
        for directory in (plan.CNI_CONF, plan.CNI_CACHE):
            paths += self._names(directory)
        beside = {os.path.dirname(path) for path in (*self.record.files, *self.record.directories)}
        for directory in sorted(beside.union(self.record.temporary)):
            paths += [path for path in self._names(directory) if plan.is_temporary(self.record, path)]
        paths += [
            path for path in self._names("/run") if os.path.basename(path).startswith(plan.SECRET_PREFIXES)
        ]
        for path in dict.fromkeys(paths):
            entry = self.entry(path, points)
            if entry is not None:
                yield entry

    def _names(self, directory: str) -> list[str]:
        with contextlib.suppress(OSError):
            return [os.path.join(directory, name) for name in sorted(os.listdir(under(self.root, directory)))]
        return []

    def entry(self, path: str, points: t.Collection[str]) -> Entry | None:
        """What is at a path, C(None) when nothing is."""
        real = under(self.root, path)
        try:
            info = os.lstat(real)
        except OSError:
            return None
        if stat.S_ISREG(info.st_mode):
            recorded = path in self.record.files
            return Entry(
                path,
                "file",
                self._head(real) if recorded else "",
                self._digest(real, info) if recorded else "",
            )
        if stat.S_ISLNK(info.st_mode) and not (path in plan.DATA and os.path.isdir(real)):
            return Entry(path, "link")
        if stat.S_ISDIR(info.st_mode) or os.path.isdir(real):
            keep = stat.S_ISLNK(info.st_mode) or path in points
            whole = path in plan.DATA or path.startswith((plan.SETTINGS, STATE))
            listed = path in (*plan.SHARED, *self.record.directories) and not whole
            below = tuple(self._below(path, points)) if listed else ()
            return Entry(path, "directory", keep=keep, empty=not contents(real), below=below)
        return Entry(path, "other")

    def _below(self, path: str, points: t.Collection[str]) -> t.Iterator[str]:
        prefix = len(self.root.rstrip("/"))
        for parent, directories, files in os.walk(under(self.root, path)):
            mounted = [name for name in directories if os.path.join(parent, name)[prefix:] in points]
            yield from (os.path.join(parent, name)[prefix:] for name in mounted)
            directories[:] = [name for name in directories if name not in mounted]
            links = [name for name in directories if os.path.islink(os.path.join(parent, name))]
            yield from (os.path.join(parent, name)[prefix:] for name in (*files, *links))

    @staticmethod
    def _head(path: str) -> str:
        with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read(_HEAD)
        return ""

    def _digest(self, path: str, info: os.stat_result) -> str:
        key = (path, info.st_ino, info.st_mtime_ns, info.st_size)
        if key not in self._digests:
            digest = hashlib.sha256()
            try:
                with open(path, "rb") as stream:
                    while block := stream.read(_BLOCK):
                        digest.update(block)
            except OSError:
                return ""
            self._digests[key] = digest.hexdigest()
        return self._digests[key]


def contents(path: str) -> list[str]:
    """Names in a directory, without what the file system itself put there."""
    with contextlib.suppress(OSError):
        return sorted(name for name in os.listdir(path) if name != LOST_AND_FOUND)
    return []
