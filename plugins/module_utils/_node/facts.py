# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Facts of a host that determine how it becomes a node. All paths are below a root directory."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import platform
import re
import socket
import sys
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.baremetal.kubernetes.plugins.module_utils._daemon.manager import (
    DAEMONS,
    PROPERTIES,
    OpenRC,
    parse_show,
    reloaded_at,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._daemon.plan import Observed
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import interfaces, resolver
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import (
    KubernetesState,
    observe,
    read_text,
    under,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.security import security
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.process import run
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.programs import (
    SEARCH_PATH,
    environment,
)

# GOARCH of the kernel's machine names, for those that Kubernetes releases exist for.
_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
}
_VERSION_COMMANDS = {
    "kubelet": ("--version",),
    "kubeadm": ("version", "-o", "short"),
    "containerd": ("--version",),
    "runc": ("--version",),
    "crictl": ("--version",),
}
# What kubeadm's preflight and the roles need on every node.
NODE_COMMANDS = (
    "conntrack",
    "ethtool",
    "ip",
    "iptables",
    "losetup",
    "modprobe",
    "mount",
    "nsenter",
    "socat",
    "tc",
)
# Family of distributions (ID and ID_LIKE of os-release) -> its native package manager; others may be installed, too.
_FAMILY_MANAGERS = {
    "debian": "apt",
    "ubuntu": "apt",
    "rhel": "dnf",
    "fedora": "dnf",
    "centos": "dnf",
    "suse": "zypper",
    "opensuse": "zypper",
    "arch": "pacman",
    "archlinux": "pacman",
    "gentoo": "portage",
    "alpine": "apk",
    "void": "xbps",
}
# Program -> package manager as in Ansible's fact pkg_mgr, for distributions of no known family.
_MANAGER_PROGRAMS = {
    "apt-get": "apt",
    "dnf5": "dnf5",
    "dnf": "dnf",
    "microdnf": "dnf",
    "yum": "dnf",
    "zypper": "zypper",
    "pacman": "pacman",
    "emerge": "portage",
    "apk": "apk",
    "xbps-install": "xbps",
}
_VERSION = re.compile(r"\bv?(\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?)")
_COMMAND_SECONDS = 15
#: Programs of the distribution that a role may need, beside C(NODE_COMMANDS).
OPTIONAL_COMMANDS = ("age", "curl", "ganesha.nfsd", "gpg", "keepalived", "mount.nfs", "openssl", "rpc.nfsd")


def _run(argv: t.Sequence[str]) -> tuple[int, str]:
    try:
        done = run(argv, _COMMAND_SECONDS, environment())
    except OSError:
        return 127, ""
    return (127, "") if done.code is None else (done.code, done.stdout)


def find_program(root: str, name: str) -> str | None:
    """Where a program is below C(root)."""
    for directory in SEARCH_PATH:
        path = os.path.join(under(root, directory), name)
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    return None


def parse_version(output: str) -> str | None:
    """The first version number in a program's output, without a leading C(v)."""
    match = _VERSION.search(output)
    return match.group(1) if match else None


def _version(root: str, name: str) -> str | None:
    path = find_program(root, name)
    if path is None:
        return None
    status, output = _run([path, *_VERSION_COMMANDS[name]])
    return parse_version(output) if status == 0 else None


def parse_os_release(text: str) -> dict[str, str]:
    """The assignments of os-release(5)."""
    fields = {}
    for line in text.splitlines():
        key, sep, value = line.strip().partition("=")
        if sep and re.fullmatch(r"[A-Z_0-9]+", key):
            if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
                value = re.sub(r"\\(.)", r"\1", value[1:-1])
            fields[key] = value
    return fields


def distribution(root: str) -> dict[str, t.Any]:
    """The distribution by os-release."""
    text = read_text(root, "/etc/os-release") or read_text(root, "/usr/lib/os-release") or ""
    fields = parse_os_release(text)
    return {
        "id": fields.get("ID", "linux"),
        "version_id": fields.get("VERSION_ID"),
        "pretty_name": fields.get("PRETTY_NAME", "Linux"),
        "like": fields.get("ID_LIKE", "").split(),
    }


def architecture() -> str:
    """The machine's architecture, as in the names of release files."""
    return _ARCHITECTURES.get(platform.machine(), platform.machine())


def package_manager(root: str) -> str:
    """The host's package manager as in Ansible's fact C(pkg_mgr), C(unknown) when there is none.

    The distribution's family decides, as Debian may have dnf installed; for an unknown family, installed programs do.
    On an image-based system (rpm-ostree) it is C(atomic_container).
    """
    if os.path.exists(under(root, "/run/ostree-booted")):
        return "atomic_container"
    system = distribution(root)
    named = [_FAMILY_MANAGERS[name] for name in (system["id"], *system["like"]) if name in _FAMILY_MANAGERS]
    if not named:
        named = [name for program, name in _MANAGER_PROGRAMS.items() if find_program(root, program)]
    if named[:1] == ["dnf"]:
        # The program dnf is a link to dnf5 where that is the system's own.
        found = (find_program(root, name) for name in ("dnf", "microdnf", "dnf5"))
        program = next((path for path in found if path), None)
        return "dnf5" if program and os.path.realpath(program).endswith("/dnf5") else "dnf"
    return named[0] if named else "unknown"


def missing_commands(root: str, names: t.Iterable[str] = NODE_COMMANDS) -> list[str]:
    """Those commands that are in none of the directories that services search."""
    return [name for name in names if find_program(root, name) is None]


def service_manager(root: str) -> str:
    """C(systemd), C(openrc), C(sysvinit) or C(other).

    The directories below C(/run) are the test of sd_booted(3) and of OpenRC itself; otherwise process 1 decides, as
    OpenRC may run below another init.
    """
    if os.path.isdir(under(root, "/run/systemd/system")):
        return "systemd"
    init = (read_text(root, "/proc/1/comm") or "").strip()
    if os.path.isdir(under(root, "/run/openrc")) or init == "openrc-init":
        return "openrc"
    if init == "systemd":
        return "systemd"
    if init == "init" and os.path.exists(under(root, "/etc/inittab")):
        return "sysvinit"
    return "other"


def daemons(root: str, manager: str) -> dict[str, dict[str, t.Any]]:
    """How the node's daemons are: C(enabled), C(running), C(stale) and C(started_at), as C(daemon) observes them."""
    found = {name: _absent() for name in DAEMONS}
    if manager == "systemd":
        program = find_program(root, "systemctl")
        if program:
            units = [f"{name}.service" for name in DAEMONS]
            _status, output = _run([program, "show", f"--property=Id,{PROPERTIES}", *units])
            for block in output.split("\n\n"):
                fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
                name = fields.get("Id", "").removesuffix(".service")
                if name in found:
                    found[name] = _shown(parse_show(fields))
    elif manager == "openrc" and find_program(root, "rc-service"):
        provider = OpenRC(lambda argv: (*_run([find_program(root, argv[0]) or argv[0], *argv[1:]]), ""), root)
        found = {name: _shown(provider.observe(name)) for name in DAEMONS}
    for name, state in found.items():
        state["reloaded_at"] = reloaded_at(name, root) if state["running"] else None
    return found


def _absent() -> dict[str, t.Any]:
    return _shown(Observed(present=False))


def _shown(observed: Observed) -> dict[str, t.Any]:
    return {
        "enabled": observed.enabled,
        "running": observed.running,
        "masked": observed.masked,
        "stale": observed.stale,
        "started_at": observed.started_at,
    }


def source_address(probe: str | None) -> str | None:
    """The source address of this host: connecting a UDP socket makes the kernel choose it and sends nothing.

    :param probe: destination. By default an address of the documentation ranges (RFC 5737, RFC 3849), which only the
        default route can reach, IPv4 before IPv6.
    """
    for target in [probe] if probe else ["192.0.2.1", "2001:db8::1"]:
        family = socket.AF_INET6 if ":" in target else socket.AF_INET
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as handle:
            handle.connect((target, 9))
            return str(handle.getsockname()[0])
    return None


def addresses(root: str) -> list[str]:
    """The host's own addresses without loopback and link-local ones, IPv4 before IPv6."""
    found: set[ipaddress.IPv4Address | ipaddress.IPv6Address] = set()
    last = ""
    for line in (read_text(root, "/proc/net/fib_trie") or "").splitlines():
        words = line.split()
        if words[:1] == ["|--"] and len(words) > 1:
            last = words[1]
        elif words[:3] == ["/32", "host", "LOCAL"] and last:
            found.add(ipaddress.ip_address(last))
    for line in (read_text(root, "/proc/net/if_inet6") or "").splitlines():
        words = line.split()
        if words:
            found.add(ipaddress.IPv6Address(int(words[0], 16)))
    usable = [item for item in found if not item.is_loopback and not item.is_link_local]
    return [str(item) for item in sorted(usable, key=lambda item: (item.version, int(item)))]


def _meminfo(root: str) -> dict[str, int]:
    """Fields of /proc/meminfo in bytes."""
    pattern = re.compile(r"^(\w+):\s+(\d+) kB$", re.MULTILINE)
    return {key: int(value) * 1024 for key, value in pattern.findall(read_text(root, "/proc/meminfo") or "")}


def cgroup(root: str) -> dict[str, t.Any]:
    """Version of the control groups (C(1), C(2) or C(hybrid)) and their available controllers."""
    kinds: dict[str, set[str]] = {}
    for line in (read_text(root, "/proc/mounts") or "").splitlines():
        words = line.split()
        if len(words) > 2:
            kinds.setdefault(words[2], set()).add(words[1])
    if "/sys/fs/cgroup" in kinds.get("cgroup2", set()):
        unified = read_text(root, "/sys/fs/cgroup/cgroup.controllers") or ""
        return {"version": "2", "controllers": sorted(unified.split())}
    controllers = []
    for line in (read_text(root, "/proc/cgroups") or "").splitlines():
        words = line.split()
        if len(words) == 4 and not line.startswith("#") and words[3] == "1":
            controllers.append(words[0])
    return {"version": "hybrid" if kinds.get("cgroup2") else "1", "controllers": sorted(controllers)}


def root_propagation(root: str) -> str:
    """Mount propagation of C(/), C(shared) or C(private) (mount_namespaces(7))."""
    text = read_text(root, "/proc/1/mountinfo") or read_text(root, "/proc/self/mountinfo") or ""
    state = "private"
    for line in text.splitlines():
        words = line.split()
        if len(words) > 6 and words[4] == "/":
            optional = words[6 : words.index("-")] if "-" in words else []
            state = "shared" if any(item.startswith("shared:") for item in optional) else "private"
    return state


def _hostname(root: str) -> str:
    if root == "/":
        return socket.gethostname()
    return (read_text(root, "/etc/hostname") or "").strip() or socket.gethostname()


def kubernetes_facts(state: KubernetesState) -> dict[str, t.Any]:
    """The state of a host in its cluster, as return value."""
    return {
        "state": state.membership.state,
        "role": state.membership.role,
        "missing": list(state.membership.missing),
        "cluster_id": state.cluster_id,
        "new_cluster_id": state.new_cluster_id,
        "api_server": state.api_server,
        "files": list(state.files),
        "static_pods": list(state.static_pods),
        "verifies_kubelets": state.verifies_kubelets,
        "encrypts": state.encrypts,
    }


def python(root: str = "/", running: str | None = None) -> str:
    """Path of the Python that runs this, as services should name it: one that survives an update of the system.

    :param root: directory that stands for C(/). :param running: the interpreter, by default that of this process.
    """
    own = os.path.realpath(running or sys.executable)
    for usual in ("/usr/bin/python3", "/usr/local/bin/python3"):
        found = os.path.realpath(under(root, usual))
        # Gentoo's python-exec is a wrapper that runs whichever Python is selected.
        if found == own or (os.path.basename(found).startswith("python-exec") and os.access(found, os.X_OK)):
            return usual
    return running or sys.executable


def collect(root: str = "/", probe: str | None = None) -> dict[str, t.Any]:
    """All facts of the host.

    :param root: directory that stands for C(/). :param probe: see L(source_address).
    """
    with ThreadPoolExecutor(len(_VERSION_COMMANDS)) as pool:
        pending = {name: pool.submit(_version, root, name) for name in _VERSION_COMMANDS}
        manager = service_manager(root)
        running = daemons(root, manager)
        state = observe(root)
        memory = _meminfo(root)
        hostname = _hostname(root)
        uuid = (read_text(root, "/sys/class/dmi/id/product_uuid") or "").strip().lower()
        return {
            "hostname": hostname,
            "node_name": state.node_name or hostname.lower(),
            "node_name_source": "certificate" if state.node_name else "hostname",
            "machine_id": (read_text(root, "/etc/machine-id") or "").strip() or None,
            "product_uuid": uuid or None,
            "architecture": architecture(),
            "kernel": (read_text(root, "/proc/sys/kernel/osrelease") or platform.release()).strip(),
            "distribution": distribution(root),
            "service_manager": manager,
            "package_manager": package_manager(root),
            "missing_commands": missing_commands(root),
            "optional_commands": {name: find_program(root, name) for name in OPTIONAL_COMMANDS},
            "python_version": platform.python_version(),
            "python": python(root),
            "address": source_address(probe),
            "addresses": addresses(root),
            "interfaces": interfaces.observe(root),
            "memory_bytes": memory.get("MemTotal", 0),
            "swap_bytes": memory.get("SwapTotal", 0),
            "cgroup": cgroup(root),
            "root_propagation": root_propagation(root),
            "resolver": resolver.observe(root),
            "kubernetes": kubernetes_facts(state),
            "versions": {name: job.result() for name, job in pending.items()},
            "daemons": running,
            "security": security(root),
            "observed_at": time.time(),
        }
