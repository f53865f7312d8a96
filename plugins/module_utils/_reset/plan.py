# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Decide what of a host is ours and in which order it goes. Pure: an observation in, a plan out."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset import network
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.model import (
    CONTAINERD_SOCKET,
    LOCK,
    NAME,
    NAMESPACE,
    STATE,
    Entry,
    Item,
    Observation,
    Plan,
    Process,
    Service,
)

# Folder of what the collection itself runs on hosts.
LIBRARY = f"/usr/local/lib/{NAME}"
APPROVER = f"{LIBRARY}/kubelet-csr-approver"
# What the services' templates say, and nobody else's units with such a header: program and description.
SERVICES = {
    "kubelet-csr-approver": (APPROVER, "Approver of serving certificates of kubelets"),
    "kubelet": ("/usr/local/bin/kubelet", "Kubernetes node agent"),
    "containerd": ("/usr/local/bin/containerd", "containerd container runtime"),
}
PROGRAMS = (
    "/usr/local/bin/kubelet",
    "/usr/local/bin/kubeadm",
    "/usr/local/bin/kubectl",
    "/usr/local/bin/containerd",
    "/usr/local/bin/containerd-shim-runc-v2",
    "/usr/local/bin/ctr",
    "/usr/local/bin/crictl",
    "/usr/local/sbin/runc",
)
BPF = "/sys/fs/bpf"
CNI_BIN = "/opt/cni/bin"
CNI_CONF = "/etc/cni/net.d"
# Cilium installs its own program and configuration, and moves others' out of the way under this suffix.
CILIUM_CNI = f"{CNI_BIN}/cilium-cni"
CILIUM_CONF = re.compile(r"^\d\d-cilium(?:-cni)?\.conf(?:list)?$")
BACKUP = ".cilium_bak"
# Folders of daemons: taken away with all that is in them, once it is clear that the daemons were ours.
DATA = (
    "/etc/kubernetes",
    "/var/lib/kubelet",
    "/var/lib/etcd",
    "/var/lib/containerd",
    "/var/lib/cilium",
    "/etc/containerd",
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
    "/var/log/kubelet.log",
    "/var/log/containerd.log",
    "/var/log/kubelet-csr-approver.log",
)
# Folders that daemons make and others may use, too: taken away when nothing of others is in them.
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
# libcni remembers there what it gave to each pod: Cilium's answer, and containerd's loopback.
CNI_CACHE = "/var/lib/cni/results"
_CACHED = re.compile(r"^(?:cilium|cni-loopback)-[0-9a-f]{64}-")
# Where unfinished files of a run that was killed lie.
STAGES = (
    "/usr/local/bin",
    "/usr/local/sbin",
    CNI_BIN,
    "/etc",
    "/etc/init.d",
    "/etc/modules-load.d",
    "/etc/sysctl.d",
    "/etc/systemd/system",
)
STAGE_PREFIXES = (".bmk-artifact-", f".{NAME}.conf.")
SECRET_PREFIXES = ("bmk-kubeadm-", "bmk-api-", "bmk-etcd-")
KERNEL_FILES = (f"/etc/modules-load.d/{NAME}.conf", f"/etc/sysctl.d/{NAME}.conf")
KERNEL_HEADER = "# Written by baremetal.kubernetes."
CRICTL = "/etc/crictl.yaml"
SETTINGS = f"/etc/{NAME}"
FSTAB = "/etc/fstab"
SWAP_PREFIX = f"# {NAME.replace('-', '.')}: "
# Mounts below these are made by the kubelet, containerd or Cilium.
MOUNT_PARENTS = ("/var/lib/kubelet", "/var/lib/containerd", "/run/containerd", "/run/cilium")
POD_NETWORK = "/run/netns/cni-"
_MANAGED = re.compile(r"^[#;].*(?:ansible managed|baremetal[.-]kubernetes)", re.IGNORECASE | re.MULTILINE)
_DELETED = " (deleted)"


def managed(text: str) -> bool:
    """Whether a file says at its beginning that Ansible wrote it."""
    return bool(_MANAGED.search("\n".join(text.splitlines()[:4])))


def own_service(service: Service) -> bool:
    """Whether the collection wrote a service's unit or init script."""
    program, description = SERVICES[service.name]
    text = service.text or ""
    return managed(text) and program in text and description in text


def claimed(seen: Observation, checksums: t.Collection[str] = ()) -> bool:
    """Whether the collection has been at work here: only then are the daemons' folders its own.

    Its record is the last thing that a reset takes away, so this holds also after one that was interrupted.
    """
    return (
        seen.recorded is not None
        or any(own_service(service) for service in seen.services)
        or any(own_program(seen, entry, checksums) for entry in seen.entries if entry.path in PROGRAMS)
    )


def own_program(seen: Observation, entry: Entry, checksums: t.Collection[str]) -> bool:
    """Whether a program's bytes are those of a release file that the collection places."""
    name = os.path.basename(entry.path)
    return entry.kind == "file" and any(
        digest in checksums or (name, digest.partition(":")[2]) in (seen.recorded or ())
        for digest in entry.digests
    )


def _runs(process: Process, program: str) -> bool:
    exe = process.exe.replace(_DELETED, "")
    if program == APPROVER:
        # A folder that Python runs.
        return (
            process.own_namespace and os.path.basename(exe).startswith("python") and program in process.argv
        )
    return process.own_namespace and exe == program


def _supervises(process: Process, program: str) -> bool:
    name = os.path.basename(process.exe.replace(_DELETED, ""))
    return process.own_namespace and name == "supervise-daemon" and program in process.argv


def _option(process: Process, name: str) -> str:
    words = list(process.argv)
    return words[words.index(name) + 1] if name in words[:-1] else ""


def shims(seen: Observation) -> list[Process]:
    """The processes that hold our containerd's containers.

    A cluster inside a container (kind, for example) has such processes too, but in its own process namespace.
    """
    return [
        process
        for process in seen.processes
        if process.own_namespace
        and os.path.basename(process.exe.replace(_DELETED, "")).startswith("containerd-shim")
        and _option(process, "-address") == CONTAINERD_SOCKET
    ]


def containers(seen: Observation) -> tuple[int, ...]:
    """Processes of pods, the innermost first, and the shims that hold them last."""
    holders = [process.pid for process in shims(seen) if _option(process, "-namespace") == NAMESPACE]
    children: dict[int, list[int]] = {}
    for process in seen.processes:
        children.setdefault(process.ppid, []).append(process.pid)
    found: list[int] = []
    waiting = list(holders)
    while waiting:
        pid = waiting.pop(0)
        below = [child for child in children.get(pid, ()) if child not in found and child not in holders]
        found += below
        waiting += below
    found += [
        process.pid for process in seen.processes if process.pod and process.pid not in (*found, *holders)
    ]
    return (*reversed(found), *holders)


def _foreign(seen: Observation) -> tuple[str, ...]:
    others = sorted({_option(process, "-namespace") for process in shims(seen)} - {NAMESPACE, ""})
    return tuple(
        f"containerd also runs containers of the namespace {name!r}, which are not Kubernetes'; they would go"
        " with it. Stop and delete them, or move them to another runtime"
        for name in others
    )


def _services(seen: Observation) -> t.Iterator[Item]:
    for service in seen.services:
        gone = service.text is None and (service.links or service.active)
        if own_service(service) or gone:
            yield Item("service", service.name, (service.path, *service.links))


def _processes(seen: Observation) -> t.Iterator[Item]:
    for name, program in (
        ("kubeadm", "/usr/local/bin/kubeadm"),
        *((name, program) for name, (program, _description) in SERVICES.items()),
    ):
        # The supervisor first: it would start the daemon again.
        pids = [p.pid for p in seen.processes if _supervises(p, program)]
        pids += [p.pid for p in seen.processes if _runs(p, program)]
        if pids:
            yield Item("processes of", name, tuple(map(str, pids)))
    pods = containers(seen)
    if pods:
        yield Item("processes of", "pods", tuple(map(str, pods)))


def _mounts(seen: Observation) -> t.Iterator[Item]:
    for path in reversed(seen.mounts):
        below = any(path.startswith(f"{parent}/") for parent in MOUNT_PARENTS)
        if below or path.startswith(POD_NETWORK) or path == "/run/cilium":
            yield Item("mount", path)


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


def _own_cni(seen: Observation, entry: Entry) -> bool:
    """Whether a file of CNI is from our archive, or Cilium's."""
    folder, name = os.path.split(entry.path)
    if folder == CNI_BIN:
        recorded = seen.recorded or ()
        unpacked = any((name, digest.partition(":")[2]) in recorded for digest in entry.digests)
        return unpacked or entry.path == CILIUM_CNI
    return bool(
        (folder == CNI_CONF and CILIUM_CONF.match(name)) or (folder == CNI_CACHE and _CACHED.match(name))
    )


def _cni(seen: Observation) -> t.Iterator[Item]:
    for entry in seen.entries:
        if _own_cni(seen, entry):
            yield Item("file", entry.path)
        elif _is_backup(seen, entry):
            yield Item("original name of", entry.path[: -len(BACKUP)], (entry.path,))


def _is_backup(seen: Observation, entry: Entry) -> bool:
    """Whether Cilium has put a configuration of others out of the way, and nobody has written a new one since."""
    folder, name = os.path.split(entry.path)
    backup = folder == CNI_CONF and name.endswith(BACKUP) and entry.kind == "file"
    return backup and seen.entry(entry.path[: -len(BACKUP)]) is None


def _data(seen: Observation) -> t.Iterator[Item]:
    for path in DATA:
        entry = seen.entry(path)
        if entry is not None and not (entry.keep and entry.empty):
            yield Item("contents of" if entry.keep else entry.kind, path)


def _programs(seen: Observation, checksums: t.Collection[str]) -> t.Iterator[Item]:
    for path in PROGRAMS:
        entry = seen.entry(path)
        if entry is not None and own_program(seen, entry, checksums):
            yield Item("program", path)


def _marked(seen: Observation) -> t.Iterator[Item]:
    """What says by itself that the collection wrote it."""
    for path in KERNEL_FILES:
        entry = seen.entry(path)
        if entry is not None and entry.head.startswith(KERNEL_HEADER):
            yield Item("file", path)
    crictl = seen.entry(CRICTL)
    if crictl is not None and managed(crictl.head) and CONTAINERD_SOCKET in crictl.head:
        yield Item("file", CRICTL)
    for entry in seen.entries:
        folder, name = os.path.split(entry.path)
        if name.startswith(STAGE_PREFIXES) or (folder == "/run" and name.startswith(SECRET_PREFIXES)):
            yield Item("unfinished", entry.path)
    for path in (SETTINGS, LIBRARY):
        if seen.entry(path) is not None:
            yield Item("folder", path)
    if any(line.startswith(SWAP_PREFIX) for line in seen.fstab):
        yield Item("swap entries of", FSTAB)
    if seen.entry(LOCK) is not None:
        yield Item("file", LOCK)


def _shared(seen: Observation, going: t.Sequence[Item]) -> t.Iterator[Item]:
    # What gets its name back is no longer where it was, but stays.
    going = [item for item in going if item.kind != "original name of"]
    paths = {path for item in going for path in (item.name, *item.args)}
    for path in SHARED:
        entry = seen.entry(path)
        if entry is None or entry.kind != "folder" or entry.keep:
            continue
        if all(file in paths for file in entry.below):
            yield Item("empty folder", path)


def _kept(seen: Observation, checksums: t.Collection[str], items: t.Sequence[Item]) -> t.Iterator[str]:
    paths = {item.name for item in items}
    for path in PROGRAMS:
        entry = seen.entry(path)
        if entry is not None and path not in paths:
            yield f"{path} is no release file that the collection knows; it stays"
    if KERNEL_FILES[1] in paths:
        yield "kernel parameters stay in force and kernel modules loaded until the host is started again"
    if FSTAB in paths:
        yield f"swap is in {FSTAB} again, and is used from the next start of the host on"
    if any(item.kind == "contents of" for item in items):
        names = ", ".join(item.name for item in items if item.kind == "contents of")
        yield f"{names}: mounted or linked by you, so emptied and left in place"
    if any(item.kind == "program" for item in items):
        yield "packages that the role host installed stay"


def _strangers(seen: Observation) -> t.Iterator[str]:
    """What looks like Kubernetes on a host where the collection has not been at work."""
    entries = [seen.entry(path) for path in DATA if not path.startswith(("/run/", "/var/log/"))]
    found = [entry.path for entry in entries if entry is not None and not entry.empty]
    if found:
        yield f"not made by this collection, so left alone: {', '.join(found)}"


def plan_reset(seen: Observation, checksums: t.Collection[str] = ()) -> Plan:
    """What goes, in the order in which it goes.

    :param checksums: of all release files that the collection knows, as C(sha256:...).
    """
    if not claimed(seen, checksums):
        items = list(_marked(seen))
        return Plan(tuple(items), (*_kept(seen, checksums, items), *_strangers(seen)))
    items = [
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
        *_programs(seen, checksums),
        *_marked(seen),
    ]
    items += _shared(seen, items)
    # What proves that all of this was ours goes last, so that an interrupted reset can be taken up.
    if seen.entry(STATE) is not None:
        items.append(Item("record", STATE))
    return Plan(tuple(items), tuple(_kept(seen, checksums, items)), _foreign(seen))
