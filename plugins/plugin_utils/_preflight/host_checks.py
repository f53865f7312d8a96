# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Checks of a single host."""

from __future__ import annotations

import posixpath
import re
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import (
    CA_CERT,
    CONTROL_PLANE_FILES,
    ETCD_DATA,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import LOST_AND_FOUND
from ansible_collections.baremetal.kubernetes.plugins.module_utils._redact import shown_url
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight.model import (
    ERROR,
    WARNING,
    Finding,
    Host,
    KernelOption,
    Site,
    mib,
    parse_version,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight.service_checks import (
    SERVICE_CHECKS,
)

Findings = t.Iterator[Finding]

# Programs of a node, and of Pods in the host's network namespace: on a member or a partially joined host, they may use
# the node's ports.
OWN_PROGRAMS = (
    "cilium-agent",
    "cilium-envoy",
    "cilium-operator",
    "cilium-operator-generic",
    "containerd",
    "etcd",
    "kernel",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubelet",
)
# Controllers without which the kubelet does not start or Pods are not limited (kubeadm's system verification). In
# cgroup v2, devices and freezer are not separate controllers.
CONTROLLERS = {
    "1": ("cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids"),
    "2": ("cpu", "cpuset", "memory", "pids"),
}
# kubeadm 1.36 refuses a host without the first three; kernel_settings needs modprobe.
ESSENTIAL_COMMANDS = ("cp", "losetup", "mount", "modprobe")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


def reachable(host: Host, _site: Site) -> Findings:
    """The host answered, and its state was read."""
    if host.node is not None:
        return
    if host.unreachable:
        yield Finding(
            host.name,
            "unreachable",
            ERROR,
            host.problem or "no answer",
            "a host that Ansible reaches",
            "Start the host, check address, user and key with `ansible -m ping`, or leave it out with --limit.",
        )
    else:
        yield Finding(
            host.name,
            "facts",
            ERROR,
            host.problem or "no facts",
            "a host whose state can be read",
            "Check that the user may become root and that Python 3.9 or newer is installed.",
        )


def system(host: Host, site: Site) -> Findings:
    """Operating system, init system, architecture and Python."""
    facts = host.facts
    known = facts.get("distribution") or {}
    name, shown = known.get("id", "linux"), known.get("pretty_name") or known.get("id", "Linux")
    if name in site.unsupported_systems or facts.get("package_manager") == "atomic_container":
        yield Finding(
            host.name,
            "os",
            ERROR,
            f"{shown}, whose system directories are read-only",
            f"a distribution like {', '.join(site.tested_systems)}",
            "Install one of these distributions on the host.",
        )
    elif name not in site.tested_systems:
        yield Finding(
            host.name,
            "os",
            WARNING,
            f"{shown}, which is not tested",
            f"one of {', '.join(site.tested_systems)}",
            "Try it on a spare host first.",
        )
    if facts.get("service_manager") not in ("systemd", "openrc"):
        yield Finding(
            host.name,
            "service_manager",
            ERROR,
            f"{facts.get('service_manager')}",
            "systemd or openrc",
            "Boot the host with systemd or OpenRC: containerd and the kubelet run as services.",
        )
    if facts.get("architecture") not in site.architectures:
        yield Finding(
            host.name,
            "architecture",
            ERROR,
            f"{facts.get('architecture')}",
            " or ".join(site.architectures),
            "Use a host of a supported architecture; the collection has no checksums for release files of others.",
        )
    version = parse_version(facts.get("python_version"))
    if version is not None and version < (3, 9, 0):
        yield Finding(
            host.name,
            "python",
            ERROR,
            f"Python {facts['python_version']}",
            "Python 3.9 or newer",
            "Install a newer Python, and set ansible_python_interpreter to it.",
        )


def _values(host: Host, option: KernelOption) -> dict[str, str]:
    states = (host.extra.get("kernel") or {}).get("options") or {}
    return {name: states.get(name, "unknown") for name in option.any_of}


def kernel(host: Host, site: Site) -> Findings:
    """The kernel's version, options and modules. An option whose state is unknown is not reported."""
    facts, extra = host.facts, host.extra.get("kernel") or {}
    version, wanted = parse_version(facts.get("kernel")), parse_version(site.kernel_min)
    # Red Hat backports newer features to its 4.18.
    backported = re.search(r"\.el8", facts.get("kernel") or "")
    if version is not None and wanted is not None and version < wanted and not backported:
        yield Finding(
            host.name,
            "kernel_version",
            ERROR,
            f"{facts['kernel']}",
            f"{site.kernel_min} or newer",
            "Boot a newer kernel.",
        )
    as_modules = []
    for option in site.kernel_options:
        values = _values(host, option)
        as_modules += [name for name, value in values.items() if value == "m"] if option.required else []
        if set(values.values()) <= {"n"}:
            yield Finding(
                host.name,
                "kernel_options",
                ERROR if option.required else WARNING,
                f"{' and '.join(option.any_of)} not set ({extra.get('source')})",
                f"{' or '.join(option.any_of)}=y or =m: {option.needed_by} needs it for {option.reason}",
                "Enable it in the kernel configuration, build and install the kernel and its modules, and reboot.",
            )
    if as_modules and extra.get("modules_installed") is False:
        yield Finding(
            host.name,
            "kernel_modules",
            ERROR,
            f"no modules of {facts.get('kernel')} below /lib/modules, and {', '.join(as_modules[:4])}"
            f"{' and others are' if len(as_modules) > 4 else ' built as a module'}"
            f"{' built as modules' if len(as_modules) > 4 else ''}",
            "the running kernel's modules",
            "Install them (make modules_install), or boot the kernel whose modules are installed.",
        )


def control_groups(host: Host, _site: Site) -> Findings:
    """Version and controllers of the control groups, and mount propagation.

    Since Kubernetes 1.35 the kubelet does not start on cgroup v1 unless failCgroupV1 is false (KEP-5573).
    """
    group = host.facts.get("cgroup") or {}
    version = group.get("version", "2")
    wanted = CONTROLLERS["2" if version == "2" else "1"]
    missing = [name for name in wanted if name not in group.get("controllers", wanted)]
    if missing:
        yield Finding(
            host.name,
            "cgroup",
            ERROR,
            f"cgroup {version} without {', '.join(missing)}",
            f"the controllers {', '.join(wanted)}",
            "Enable them in the kernel (CONFIG_MEMCG, CONFIG_CPUSETS, CONFIG_CGROUP_PIDS, ...), and remove"
            " cgroup_disable= from its command line.",
        )
    if version != "2":
        yield Finding(
            host.name,
            "cgroup",
            WARNING if host.cgroup_v1_allowed else ERROR,
            f"cgroup {'version 1' if version == '1' else 'versions 1 and 2 (hybrid)'}"
            f"{'' if host.cgroup_v1_allowed else ', and the kubelet has no failCgroupV1: false'}",
            "version 2 only",
            "Boot with systemd.unified_cgroup_hierarchy=1, or set rc_cgroup_mode=unified on OpenRC. Until then set"
            " failCgroupV1 to false in kubelet_config.",
        )
    # On OpenRC the containerd service makes it shared.
    if host.facts.get("root_propagation") == "private" and host.facts.get("service_manager") != "openrc":
        yield Finding(
            host.name,
            "mount_propagation",
            ERROR,
            "/ is private",
            "/ shared, so that mounts in one Pod propagate to others",
            "Run `mount --make-rshared /` at boot, and find out what made it private.",
        )


def resources(host: Host, site: Site) -> Findings:
    """CPUs, memory, disk and swap. Too little of them is a warning on a node that is a member already."""
    severity = WARNING if host.is_member else ERROR
    facts = host.facts
    cpus, least = host.extra.get("cpus"), site.cpus_min.get(host.role, 0)
    if cpus is not None and cpus < least:
        yield Finding(
            host.name,
            "cpus",
            severity,
            f"{cpus}",
            f"{least} or more for a {host.role.replace('_', ' ')}",
            "Give the host more CPUs; kubeadm's own check is called NumCPU.",
        )
    memory, floor = facts.get("memory_bytes"), site.memory_min.get(host.role, 0)
    if memory is not None and memory < floor * 1048576:
        yield Finding(
            host.name,
            "memory",
            severity,
            mib(memory),
            f"{floor} MiB or more for a {host.role.replace('_', ' ')}",
            "Give the host more memory, or set preflight_memory_min_mib.",
        )
    for disk in host.extra.get("disks") or ():
        if not disk.get("writable", True):
            yield Finding(
                host.name,
                "disk",
                ERROR,
                f"{disk['path']} is on a file system that is mounted read-only",
                "a writable file system",
                "Find out why it is read-only (dmesg), and mount it read-write.",
            )
        free = site.disk_min.get(disk["path"], 0)
        if disk["free_bytes"] < free * 1048576:
            yield Finding(
                host.name,
                "disk",
                severity,
                f"{mib(disk['free_bytes'])} free at {disk['path']}",
                f"{free} MiB or more",
                "Free space on that file system, or mount a larger one there.",
            )
    if facts.get("swap_bytes") and not host.swap_off and not host.swap_allowed:
        yield Finding(
            host.name,
            "swap",
            ERROR,
            f"{mib(facts['swap_bytes'])} of swap in use, and host_swap_off is false",
            "no swap, or a kubelet with failSwapOn: false",
            "Set host_swap_off to true, or kubelet_config.failSwapOn to false.",
        )


def ports(host: Host, site: Site) -> Findings:
    """Ports of the node that another program uses. The node's own programs are no failure."""
    wanted = set(site.ports.get(host.role, ()))
    joined = host.kubernetes.get("state") in ("member", "partial")
    for item in host.extra.get("ports") or ():
        port = f"{item['port']}/{item['protocol']}"
        own = joined and (item["process"] is None or item["process"] in OWN_PROGRAMS)
        if port in wanted and not own:
            yield Finding(
                host.name,
                "ports",
                ERROR,
                f"{port} is in use on {item['address']} by {item['process'] or 'an unknown process'}",
                f"{port} free for the node",
                "Stop that program, or give it another port.",
            )


def commands(host: Host, site: Site) -> Findings:
    """Commands that are missing and that the role host will not install."""
    missing = list(host.facts.get("missing_commands") or ())
    manager = host.facts.get("package_manager")
    if not missing or (host.packages_managed and manager in site.package_managers):
        return
    essential = [name for name in missing if name in ESSENTIAL_COMMANDS]
    why = "host_packages_managed is false" if not host.packages_managed else f"package manager {manager}"
    yield Finding(
        host.name,
        "commands",
        ERROR if essential else WARNING,
        f"{', '.join(missing)} missing, and the role host does not install them ({why})",
        "these commands in /usr/local/sbin, /usr/local/bin, /usr/sbin, /usr/bin, /sbin, /bin or /opt/bin",
        "Install the packages that provide them.",
    )


def sources(host: Host, _site: Site) -> Findings:
    """Where software comes from. Unreachable sources are a warning on a member, which has everything already."""
    for item in host.extra.get("urls") or ():
        if not item["ok"]:
            proxy, unused = item.get("proxy"), host.extra.get("proxy_variables") or ()
            way = f" through the proxy {proxy}" if proxy else ""
            fix = (
                "Check route, name resolution and CA on that host; cluster_files_url, cluster_registry and"
                " cluster_ca_file configure a mirror, cluster_https_proxy and cluster_no_proxy a proxy."
            )
            if unused and not proxy:
                fix += f" The login's {', '.join(unused)} is not used, as containerd does not have it."
            yield Finding(
                host.name,
                "sources",
                WARNING if host.is_member else ERROR,
                f"{shown_url(item['url'])}: {item['answer']}{way}",
                "an answer",
                fix,
            )


def identity(host: Host, _site: Site) -> Findings:
    """The node's name, address and group."""
    name = host.name_in_cluster
    if len(name) > 253 or not _NAME.fullmatch(name):
        yield Finding(
            host.name,
            "node_name",
            ERROR,
            f"{name!r}",
            "an RFC 1123 name: lower-case letters, digits, dashes and dots, each part at most 63 characters, beginning"
            " and ending with a letter or digit",
            "Rename the host, or set cluster_node_name for it.",
        )
    own = host.facts.get("addresses") or []
    if not host.address:
        yield Finding(
            host.name,
            "node_address",
            ERROR,
            "no route, and so no source address",
            "an address that other nodes reach",
            "Give the host a default route, or set cluster_node_address for it.",
        )
    elif host.node_address and own and host.node_address not in own:
        yield Finding(
            host.name,
            "node_address",
            ERROR,
            f"cluster_node_address {host.node_address}, while the host has {', '.join(own)}",
            "one of the host's own addresses",
            "Correct cluster_node_address.",
        )
    is_now = host.kubernetes.get("role")
    if is_now and not _stray_etcd(host) and is_now != host.role:
        yield Finding(
            host.name,
            "node_role",
            ERROR,
            f"the host is a {is_now.replace('_', ' ')} already",
            f"a {host.role.replace('_', ' ')}, as its group says",
            "Put it into the other group, or reset it before it changes its role.",
        )


def _stray_etcd(host: Host) -> bool:
    """Whether there is data of an etcd without any other file of a control plane: that of a program of the site."""
    files = set(host.kubernetes.get("files") or ())
    return files.intersection(CONTROL_PLANE_FILES) == {ETCD_DATA}


def foreign_files(host: Host, _site: Site) -> Findings:
    """Configuration of others, which the roles replace."""
    for path in host.extra.get("foreign_files") or ():
        yield Finding(
            host.name,
            "foreign_files",
            WARNING,
            f"{path}, which this collection did not write",
            "no file there, or one of this collection",
            f"It will be replaced, and kept as {path}.orig. Carry what you need of it over before: fields of"
            " containerd's configuration to container_runtime_config, files of your own to container_runtime_imports.",
        )


def etcd_directory(host: Host, _site: Site) -> Findings:
    """What is where etcd's data is going to be. kubeadm refuses everything; the module kubeadm allows lost+found."""
    others = [
        name for name in host.extra.get("etcd_directory") or () if name not in (LOST_AND_FOUND, "member")
    ]
    known = host.role == "control_plane" and CA_CERT in (host.kubernetes.get("files") or ())
    if _stray_etcd(host) and not known:
        yield Finding(
            host.name,
            "etcd_directory",
            ERROR,
            f"the data of an etcd in {ETCD_DATA}, on a host that is no control plane",
            "a directory that is empty, or holds nothing but lost+found",
            "Move that etcd and its data to another directory, or take the data away when nobody needs it.",
        )
    elif others and host.role == "control_plane" and not host.is_member:
        yield Finding(
            host.name,
            "etcd_directory",
            ERROR,
            f"{', '.join(others[:3])} in {posixpath.dirname(ETCD_DATA)}",
            "a directory that is empty, or holds nothing but lost+found",
            "Move it away. If it does not matter, add etcd_directory to preflight_ignore and"
            " DirAvailable--var-lib-etcd to cluster_ignore_preflight_errors.",
        )


def versions(host: Host, site: Site) -> Findings:
    """Versions on the host against cluster_kubernetes_version: nothing is downgraded, and site upgrades no cluster.

    A kubelet may be up to three minor versions older than the API servers and never newer (Kubernetes' version skew
    policy), so a newer one must not be installed before they are upgraded.
    """
    wanted = parse_version(site.kubernetes_version)
    if wanted is None or host.kubernetes.get("state") not in ("member", "partial"):
        return
    member = host.kubernetes.get("state") == "member"
    # kubeadm runs nothing: an upgrade that was given up leaves a newer one, which site replaces.
    running = {
        "kube-apiserver": host.extra.get("apiserver_version"),
        "kubelet": (host.facts.get("versions") or {}).get("kubelet"),
    }
    for program, text in running.items():
        version = parse_version(text)
        if version is None:
            continue
        if version > wanted:
            yield Finding(
                host.name,
                "version_skew",
                ERROR,
                f"{program} {text}",
                f"{site.kubernetes_version} or older: nothing is downgraded",
                f"Set cluster_kubernetes_version to {text} or newer.",
            )
        elif program == "kubelet" and version[0] == wanted[0] and wanted[1] - version[1] > 3:
            yield Finding(
                host.name,
                "version_skew",
                ERROR,
                f"{program} {text}",
                f"{wanted[0]}.{wanted[1] - 3} or newer beside API servers of {site.kubernetes_version}",
                "Upgrade the node first.",
            )
        elif version != wanted and (program == "kube-apiserver" or member):
            yield Finding(
                host.name,
                "version_skew",
                ERROR,
                f"{program} {text}",
                f"{site.kubernetes_version}, as in cluster_kubernetes_version: the playbook site upgrades nothing",
                f"Run the playbook upgrade first, or set cluster_kubernetes_version to {text}.",
            )


HOST_CHECKS: tuple[t.Callable[[Host, Site], Findings], ...] = (
    system,
    kernel,
    control_groups,
    resources,
    ports,
    commands,
    sources,
    foreign_files,
    identity,
    etcd_directory,
    versions,
    *SERVICE_CHECKS,
)


def check_host(host: Host, site: Site) -> list[Finding]:
    """All findings on one host."""
    found = list(reachable(host, site))
    if host.node is not None:
        for check in HOST_CHECKS:
            found += check(host, site)
    return found
