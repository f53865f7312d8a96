# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Decide what a reset removes from a host, and in which order. Pure: an observation in, a plan out."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.record import Record
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset import evidence, network
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.model import (
    LOCK,
    NAME,
    NAMESPACE,
    STATE,
    Entry,
    Item,
    Observation,
    Plan,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.ownership import (
    claimed,
    own_file,
    own_service,
    service_of,
    services_of,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.processes import (
    foreign_users,
    processes_of,
    shims,
)

# What the collection placed is in its record. Only what daemons, kubeadm and Cilium create themselves is listed here.

# Directories and files of daemons: removed with everything in them where the daemons are the collection's.
DATA = (
    # kubeadm, and the modules that write beside it: encryption_config and kubeadm.
    "/etc/kubernetes",
    "/var/lib/kubelet",
    "/var/lib/etcd",
    "/var/lib/containerd",
    "/var/lib/cilium",
    "/run/containerd",
    "/run/cilium",
    "/run/kubernetes",
    "/run/nri",
    # An init container of Cilium writes it.
    "/etc/sysctl.d/99-zzz-override_cilium.conf",
    "/var/log/pods",
    "/var/log/containers",
    # The audit log.
    "/var/log/kubernetes",
)
BPF = "/sys/fs/bpf"
CNI_BIN = "/opt/cni/bin"
CNI_CONF = "/etc/cni/net.d"
# Directories that daemons create and others may use, too: removed when nothing of others is in them.
SHARED = (
    "/usr/libexec/kubernetes",
    "/opt/containerd",
    CNI_BIN,
    "/opt/cni",
    CNI_CONF,
    "/etc/cni",
    "/var/lib/cni",
    f"{BPF}/tc",
)
# Cilium installs its own program and configuration, and renames the configurations of others with this suffix.
CILIUM_CNI = f"{CNI_BIN}/cilium-cni"
CILIUM_CONF = re.compile(r"^\d\d-cilium(?:-cni)?\.conf(?:list)?$")
BACKUP = ".cilium_bak"
# libcni stores there what each pod was given: Cilium's answer, and containerd's loopback.
CNI_CACHE = "/var/lib/cni/results"
_CACHED = re.compile(r"^(?:cilium|cni-loopback)-[0-9a-f]{64}-")
# The collection's own: credentials of the approver, the mirror's CA.
SETTINGS = f"/etc/{NAME}"
# What modules and daemons of the collection write into directories that a role has created and recorded.
WRITTEN = (
    "/etc/metrics/ca.crt",
    "/etc/metrics/tls.crt",
    "/etc/metrics/tls.key",
    "/etc/metrics/tls.key.new",
    "/var/lib/node_exporter/textfile/baremetal_kubernetes_etcd_backup.prom",
    "/var/lib/node_exporter/textfile/bmk.prom",
)
# Temporary files and directories of a run that was killed: of artifact, and of modules that hold secrets in memory.
STAGE_PREFIX = ".bmk-artifact-"
SECRET_PREFIXES = ("bmk-kubeadm-", "bmk-api-", "bmk-etcd-")
FSTAB = "/etc/fstab"
SWAP_PREFIX = f"# {NAME.replace('-', '.')}: "
# Mounts below these are made by the kubelet, containerd or Cilium.
MOUNT_PARENTS = ("/var/lib/kubelet", "/var/lib/containerd", "/run/containerd", "/run/cilium")
# Directories in these that daemons mount into.
MOUNTED = re.compile(r"^(?:pods|plugins|io\.containerd\..+)$")
# What of containerd's state is Kubernetes' where others use the same containerd.
OWN_STATE = (
    f"/run/containerd/io.containerd.runtime.v2.task/{NAMESPACE}",
    "/run/containerd/io.containerd.grpc.v1.cri",
)
POD_NETWORK = "/run/netns/cni-"
# On a host where the collection was not at work, these are named in the report, but for logs and what is in memory.
_KUBERNETES = (*DATA, "/etc/containerd")


def _refused(seen: Observation, ours: bool) -> t.Iterator[str]:
    if seen.record.damaged:
        yield (
            f"its record in {STATE} cannot be read, so what the collection placed is unknown. Run the playbook"
            " prepare_nodes on this host, which writes it again"
        )
    for name in sorted({shim.option("-namespace") for shim in shims(seen)} - {NAMESPACE, ""}):
        yield (
            f"containerd also runs containers of the namespace {name!r}, which are not Kubernetes'; they would be"
            " removed with it. Stop and delete them, or move them to another runtime"
        )
    for path in seen.stuck:
        yield (
            f"{path} does not answer; the server of a network file system may be down. Bring it back, or detach the"
            " mount (umount -l)"
        )
    if ours:
        yield from _in_use(seen)


def _in_use(seen: Observation) -> t.Iterator[str]:
    """Who else uses what would be removed."""
    owned = evidence.owned(seen)
    others = evidence.foreign_namespaces(seen)
    if others and evidence.CONTAINERD in owned:
        yield (
            f"{evidence.CONTAINERD} also holds images or containers of the namespaces {', '.join(others)}, which are"
            " not Kubernetes'. Delete them (ctr --namespace), or move them to another runtime"
        )
    for user, process in foreign_users(seen):
        if user.path in owned:
            yield (
                f"process {user.pid} ({process.exe}) writes to files below {user.path} and is no program of this"
                " collection. Stop it, or move its data elsewhere"
            )
    going = [path for path in DATA if path not in _staying(seen)]
    tops = {top for path in going for top in (path, seen.targets.get(path, path))}
    for point in seen.permanent:
        if any(point.startswith(f"{top}/") for top in tops):
            yield (
                f"{point} is a mount point of your own (in fstab, or a unit of systemd), inside a directory that would"
                " be removed. Unmount it and delete the entry"
            )


def _staying(seen: Observation) -> set[str]:
    """Data directories that are not the collection's."""
    return evidence.with_beside(evidence.foreign(seen))


def _services(seen: Observation) -> t.Iterator[Item]:
    for service in seen.services:
        gone = service.text is None and (service.links or service.active)
        if own_service(service) or gone:
            yield Item("service", service.name, (service.path, *service.links))


def _processes(seen: Observation) -> t.Iterator[Item]:
    for name, pids in processes_of(seen).items():
        yield Item("processes of", name, tuple(map(str, pids)))


def _mounts(seen: Observation) -> t.Iterator[Item]:
    parents = _mount_parents(seen)
    for path in reversed(seen.mounts):
        if path in seen.permanent:
            continue
        below = any(path.startswith(f"{parent}/") for parent in parents)
        if below or path.startswith(POD_NETWORK) or path == "/run/cilium":
            yield Item("mount", path)


def _mount_parents(seen: Observation) -> set[str]:
    """Directories below which mounts are the collection's, by the names that the kernel has for them."""
    staying = _staying(seen)
    parents = {path for path in MOUNT_PARENTS if path not in staying}
    # What another link in these directories leads to may have mounts of the operator below it.
    parents |= {
        target
        for path, target in seen.targets.items()
        if path in parents or (os.path.dirname(path) in parents and MOUNTED.match(os.path.basename(path)))
    }
    return parents.union(OWN_STATE if "/run/containerd" in staying else ())


def _attached(seen: Observation) -> t.Iterator[Item]:
    """Programs of Cilium at interfaces that stay."""
    own = {link.name for link in seen.links if network.own_link(link)}
    for found in seen.filters:
        if network.own_program(found.name) and found.device not in own:
            yield Item(
                "tc filter",
                f"{found.name} at {found.device} {found.direction}",
                (found.device, found.direction, found.protocol, found.priority, found.handle),
            )
    for link in seen.links:
        if link.xdp and network.own_program(link.xdp) and link.name not in own:
            yield Item("XDP program", f"{link.xdp} at {link.name}", (link.name, link.xdp_mode))


def _routing(seen: Observation) -> t.Iterator[Item]:
    for family in ("-4", "-6"):
        if network.moved_local_rule(seen.rules, family):
            # First back to its place, for without it the host does not know its own addresses.
            yield Item("routing rule", f"{family} 100: from all lookup local, back to 0", (family, "local"))
    for rule in seen.rules:
        if network.own_rule(rule):
            yield Item(
                "routing rule",
                f"{rule.family} {rule.priority}: {rule.selector}",
                (rule.family, "own", str(rule.priority), *rule.selector.split()),
            )
    for route in seen.routes:
        if network.own_route(route):
            yield Item(
                "route",
                f"{route.family} table {route.table}: {route.text}",
                (route.family, route.table, *route.text.split()),
            )
    for link in seen.links:
        if network.own_link(link):
            yield Item("interface", link.name)


def _packet_filter(seen: Observation) -> t.Iterator[Item]:
    for ruleset in seen.rulesets:
        for edit in network.plan_tables(ruleset.text):
            what = f"{len(edit.chains)} chains and {len(edit.jumps)} rules that lead to them"
            yield Item(
                "packet filter",
                f"{ruleset.program} table {edit.table}: {what}",
                (ruleset.program, edit.table),
            )
    for name in seen.ipsets:
        if name.startswith("cilium_"):
            yield Item("ipset", name)


def _bpf(seen: Observation) -> t.Iterator[Item]:
    if seen.entry(f"{BPF}/cilium") is not None:
        yield Item("eBPF objects", f"{BPF}/cilium", (f"{BPF}/cilium",))
    maps = [entry.path for entry in seen.entries if entry.path.startswith(f"{BPF}/tc/globals/cilium_")]
    if maps:
        yield Item("eBPF objects", f"{BPF}/tc/globals/cilium_* ({len(maps)})", tuple(maps))


def _own_cni(entry: Entry) -> bool:
    """Whether a file of CNI is Cilium's."""
    directory, name = os.path.split(entry.path)
    return entry.path == CILIUM_CNI or bool(
        (directory == CNI_CONF and CILIUM_CONF.match(name))
        or (directory == CNI_CACHE and _CACHED.match(name))
    )


def _cni(seen: Observation) -> t.Iterator[Item]:
    for entry in seen.entries:
        if _own_cni(entry):
            yield Item("file", entry.path)
        elif _is_backup(seen, entry):
            yield Item("original name of", entry.path[: -len(BACKUP)], (entry.path,))


def _is_backup(seen: Observation, entry: Entry) -> bool:
    """Whether Cilium has renamed a configuration of others, and nobody has written a new one since."""
    directory, name = os.path.split(entry.path)
    backup = directory == CNI_CONF and name.endswith(BACKUP) and entry.kind == "file"
    return backup and seen.entry(entry.path[: -len(BACKUP)]) is None


def _data(seen: Observation) -> t.Iterator[Item]:
    staying = _staying(seen)
    for path in (*DATA, *logs_of(seen)):
        entry = seen.entry(path)
        if entry is not None and path not in staying and not (entry.keep and entry.empty):
            yield Item("contents of" if entry.keep else entry.kind, path)


def logs_of(seen: Observation) -> tuple[str, ...]:
    """Logs that OpenRC's scripts write."""
    return tuple(f"/var/log/{name}.log" for name in services_of(seen.record))


def goes_whole(path: str, staying: t.Collection[str] = ()) -> bool:
    """Whether a path is in a directory that is removed with everything in it.

    :param staying: data directories that are not.
    """
    tops = (*(top for top in DATA if top not in staying), SETTINGS, STATE)
    return any(path == top or path.startswith(f"{top}/") for top in tops)


def _written(seen: Observation) -> list[str]:
    """Which of C(WRITTEN) are there, in directories of the record."""
    entries = [seen.entry(path) for path in seen.record.directories]
    below = {path for entry in entries if entry is not None for path in entry.below}
    return [path for path in WRITTEN if path in below]


def _placed(seen: Observation) -> t.Iterator[Item]:
    """What the record says that the collection has placed: files, and directories in which nothing else is."""
    staying = _staying(seen)
    files = [
        path
        for path in reversed(list(seen.record.files))
        if not (goes_whole(path, staying) or service_of(path))
    ]
    own = {path for path in files if own_file(seen, seen.entry(path))}
    written = _written(seen)
    own |= set(written)
    whole: list[str] = []
    for path in sorted(seen.record.directories):
        entry = seen.entry(path)
        if entry is None or entry.kind != "directory" or entry.keep or path in (*SHARED, *DATA):
            continue
        if goes_whole(path, staying):
            continue
        if not any(path.startswith(f"{top}/") for top in whole) and own.issuperset(entry.below):
            whole.append(path)
    for path in files:
        if path in own and not any(path.startswith(f"{top}/") for top in whole):
            yield Item("program" if seen.record.files[path].release else "file", path)
    for path in written:
        if not any(path.startswith(f"{top}/") for top in whole):
            yield Item("file", path)
    for path in whole:
        yield Item("directory", path)


def _leftovers(seen: Observation) -> t.Iterator[Item]:
    """What says by itself that the collection wrote it."""
    for entry in seen.entries:
        directory, name = os.path.split(entry.path)
        secret = directory == "/run" and name.startswith(SECRET_PREFIXES)
        if secret or is_temporary(seen.record, entry.path):
            yield Item("temporary", entry.path)
    if seen.entry(SETTINGS) is not None:
        yield Item("directory", SETTINGS)
    if any(line.startswith(SWAP_PREFIX) for line in seen.fstab):
        yield Item("swap entries of", FSTAB)
    if seen.entry(LOCK) is not None:
        yield Item("file", LOCK)


def is_temporary(record: Record, path: str) -> bool:
    """Whether something is unfinished: of artifact, or of a small file that was about to replace a recorded one."""
    directory, name = os.path.split(path)
    partial = re.fullmatch(r"\.(.+)\.[a-z0-9_]{8}", name)
    return name.startswith(STAGE_PREFIX) or bool(partial and f"{directory}/{partial[1]}" in record.files)


def _shared(seen: Observation, going: t.Sequence[Item]) -> t.Iterator[Item]:
    # What gets its name back is no longer where it was, but stays.
    going = [item for item in going if item.kind != "original name of"]
    paths = {path for item in going for path in (item.name, *item.args)}
    for path in SHARED:
        entry = seen.entry(path)
        if entry is None or entry.kind != "directory" or entry.keep:
            continue
        if all(file in paths for file in entry.below):
            yield Item("empty directory", path)


def _kept(seen: Observation, items: t.Sequence[Item]) -> t.Iterator[str]:
    paths = {item.name for item in items}
    staying = _staying(seen)
    for path, file in seen.record.files.items():
        entry = seen.entry(path)
        own = own_file(seen, entry) or any(item.kind == "service" and path in item.args for item in items)
        if entry is not None and not own and not goes_whole(path, staying):
            yield f"{path} is not what the role {file.component} placed there; it stays"
    if any(path.startswith("/etc/sysctl.d/") and path in seen.record.files for path in paths):
        yield "kernel parameters stay in force and kernel modules loaded until the host is rebooted"
    if FSTAB in paths:
        yield f"swap is in {FSTAB} again, and is used after the next boot"
    if any(item.kind == "contents of" for item in items):
        names = ", ".join(item.name for item in items if item.kind == "contents of")
        yield f"{names}: mounted or linked by you, so emptied and left in place"
    for link, target in seen.targets.items():
        if link not in paths and goes_whole(link, staying) and link not in DATA:
            yield f"{link} leads to {target}: the link goes, what is in {target} stays"
    if any(item.kind == "program" for item in items):
        yield "packages that the role host installed stay"


def _not_ours(seen: Observation) -> t.Iterator[str]:
    """What looks like Kubernetes on a host where the collection has not been at work."""
    entries = [seen.entry(path) for path in _KUBERNETES if not path.startswith(("/run/", "/var/log/"))]
    found = [entry.path for entry in entries if entry is not None and not entry.empty]
    if found:
        yield f"not created by this collection, so left alone: {', '.join(found)}"


def plan_reset(seen: Observation) -> Plan:
    """What is removed, in this order."""
    ours = claimed(seen)
    items: list[Item] = []
    if ours:
        items += [
            *_services(seen),
            *_processes(seen),
            *_mounts(seen),
            *_attached(seen),
            *_routing(seen),
            *_packet_filter(seen),
            *_bpf(seen),
            *(Item("control groups", path) for path in seen.cgroups),
            *_data(seen),
            *_cni(seen),
        ]
    items += [*_placed(seen), *_leftovers(seen)]
    if ours:
        items += _shared(seen, items)
    # What proves that all of this is the collection's goes last, so that an interrupted reset can be repeated.
    if seen.entry(STATE) is not None:
        items.append(Item("record", STATE))
    kept = [*_kept(seen, items), *([] if ours else _not_ours(seen))]
    if ours:
        kept += [f"{path} {why}; it stays" for path, why in evidence.foreign(seen).items()]
    return Plan(tuple(items), tuple(kept), tuple(_refused(seen, ours)))
