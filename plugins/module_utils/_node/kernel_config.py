# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Which options the running kernel was built with: by its configuration, otherwise by evidence in /proc and /sys."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import typing as t
import zlib

from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import read_text, under

# Evidence for an option when there is no configuration: `path` exists, `module` is loaded or built in, `filesystem` is
# registered, `controller` is in /proc/cgroups, `match`/`target` is in iptables' lists of extensions. A missing path
# proves nothing about a module that could be loaded: the answer is then "unknown".
_EVIDENCE: dict[str, tuple[tuple[str, str], ...]] = {
    "CONFIG_NAMESPACES": (("path", "/proc/self/ns"),),
    "CONFIG_NET_NS": (("path", "/proc/self/ns/net"),),
    "CONFIG_PID_NS": (("path", "/proc/self/ns/pid"),),
    "CONFIG_IPC_NS": (("path", "/proc/self/ns/ipc"),),
    "CONFIG_UTS_NS": (("path", "/proc/self/ns/uts"),),
    "CONFIG_USER_NS": (("path", "/proc/self/ns/user"),),
    "CONFIG_CGROUPS": (("path", "/proc/cgroups"),),
    "CONFIG_CPUSETS": (("controller", "cpuset"),),
    "CONFIG_MEMCG": (("controller", "memory"),),
    "CONFIG_CGROUP_PIDS": (("controller", "pids"),),
    "CONFIG_CGROUP_SCHED": (("controller", "cpu"),),
    "CONFIG_BLK_CGROUP": (("controller", "blkio"),),
    "CONFIG_CGROUP_HUGETLB": (("controller", "hugetlb"),),
    "CONFIG_CFS_BANDWIDTH": (
        ("path", "/proc/sys/kernel/sched_cfs_bandwidth_slice_us"),
        ("path", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
    ),
    "CONFIG_INET": (("path", "/proc/sys/net/ipv4"),),
    "CONFIG_PROC_FS": (("path", "/proc/version"),),
    "CONFIG_OVERLAY_FS": (("filesystem", "overlay"), ("module", "overlay")),
    "CONFIG_EXT4_FS": (("filesystem", "ext4"), ("module", "ext4")),
    "CONFIG_NFS_FS": (("filesystem", "nfs"), ("module", "nfs")),
    "CONFIG_NFS_V4": (("filesystem", "nfs4"), ("module", "nfsv4")),
    "CONFIG_BPF_SYSCALL": (("path", "/proc/sys/kernel/unprivileged_bpf_disabled"), ("filesystem", "bpf")),
    "CONFIG_BPF": (("path", "/proc/sys/kernel/unprivileged_bpf_disabled"), ("filesystem", "bpf")),
    "CONFIG_BPF_JIT": (("path", "/proc/sys/net/core/bpf_jit_enable"),),
    "CONFIG_DEBUG_INFO_BTF": (("path", "/sys/kernel/btf/vmlinux"),),
    "CONFIG_PERF_EVENTS": (("path", "/proc/sys/kernel/perf_event_paranoid"),),
    "CONFIG_SECCOMP": (("path", "/proc/sys/kernel/seccomp"),),
    "CONFIG_SECCOMP_FILTER": (("path", "/proc/sys/kernel/seccomp/actions_avail"),),
    "CONFIG_KEYS": (("path", "/proc/keys"),),
    "CONFIG_POSIX_MQUEUE": (("filesystem", "mqueue"),),
    "CONFIG_SCHEDSTATS": (("path", "/proc/schedstat"),),
    "CONFIG_NETFILTER_XT_MATCH_COMMENT": (("match", "comment"), ("module", "xt_comment")),
    "CONFIG_NETFILTER_XT_MATCH_CONNTRACK": (("match", "conntrack"), ("module", "xt_conntrack")),
    "CONFIG_NETFILTER_XT_MATCH_SOCKET": (("match", "socket"), ("module", "xt_socket")),
    "CONFIG_NETFILTER_XT_SET": (("match", "set"), ("module", "xt_set")),
    "CONFIG_NETFILTER_XT_TARGET_REDIRECT": (("target", "REDIRECT"), ("module", "xt_REDIRECT")),
    "CONFIG_NETFILTER_XT_TARGET_TPROXY": (("target", "TPROXY"), ("module", "xt_TPROXY")),
    "CONFIG_NETFILTER_XT_TARGET_CT": (("target", "CT"), ("module", "xt_CT")),
    "CONFIG_IP_NF_TARGET_REDIRECT": (("target", "REDIRECT"), ("module", "ipt_REDIRECT")),
    "CONFIG_NF_CONNTRACK": (("path", "/proc/sys/net/netfilter"), ("module", "nf_conntrack")),
    "CONFIG_NF_NAT": (("module", "nf_nat"),),
    "CONFIG_NF_TABLES": (("module", "nf_tables"),),
    "CONFIG_IP_NF_IPTABLES": (("module", "ip_tables"), ("path", "/proc/net/ip_tables_names")),
    "CONFIG_BRIDGE": (("module", "bridge"),),
    "CONFIG_BRIDGE_NETFILTER": (("path", "/proc/sys/net/bridge"), ("module", "br_netfilter")),
    "CONFIG_VETH": (("module", "veth"),),
    "CONFIG_VXLAN": (("module", "vxlan"),),
    "CONFIG_GENEVE": (("module", "geneve"),),
    "CONFIG_IP_SET": (("module", "ip_set"),),
    "CONFIG_IP_SET_HASH_IP": (("module", "ip_set_hash_ip"),),
    "CONFIG_NET_CLS_BPF": (("module", "cls_bpf"),),
    "CONFIG_NET_SCH_INGRESS": (("module", "sch_ingress"),),
    "CONFIG_NET_SCH_FQ": (("module", "sch_fq"),),
    "CONFIG_CRYPTO_USER_API_HASH": (("module", "algif_hash"),),
}
_ASSIGNMENT = re.compile(r"^(CONFIG_[A-Za-z0-9_]+)=([ym])$", re.MULTILINE)


def parse_config(text: str, names: t.Collection[str]) -> dict[str, str]:
    """Value of each option in a kernel configuration: C(y), C(m), or C(n) when it is not set."""
    values = dict(_ASSIGNMENT.findall(text))
    return {name: values.get(name, "n") for name in names}


def config_paths(release: str) -> tuple[str, ...]:
    """Where the configuration of a kernel may be, the most reliable path first."""
    return (
        "/proc/config.gz",
        f"/boot/config-{release}",
        f"/lib/modules/{release}/config",
        f"/usr/lib/modules/{release}/config",
        f"/lib/modules/{release}/build/.config",
    )


def read_config(root: str, release: str) -> tuple[str, str] | None:
    """Path and text of the running kernel's configuration, C(None) when there is none."""
    for path in config_paths(release):
        with contextlib.suppress(OSError, EOFError, zlib.error):
            with open(under(root, path), "rb") as stream:
                data = stream.read()
            return path, (gzip.decompress(data) if path.endswith(".gz") else data).decode("ascii", "replace")
    return None


class _Evidence:
    """What the running kernel exposes; each file is read once."""

    def __init__(self, root: str, release: str) -> None:
        self._root = root
        self._release = release
        self._cache: dict[str, set[str]] = {}

    def _words(self, *paths: str) -> set[str]:
        key = paths[0]
        if key not in self._cache:
            texts = (read_text(self._root, path) or "" for path in paths)
            self._cache[key] = {word for text in texts for word in text.split()}
        return self._cache[key]

    def _modules(self, listing: str) -> set[str]:
        """Module names in a file that depmod writes."""
        key = f"modules.{listing}"
        if key not in self._cache:
            text = read_text(self._root, f"/lib/modules/{self._release}/{key}") or ""
            files = (line.partition(":")[0] for line in text.splitlines())
            self._cache[key] = {
                os.path.basename(file).partition(".ko")[0].replace("-", "_") for file in files
            }
        return self._cache[key]

    def state(self, kind: str, name: str) -> str | None:
        """C(y), C(m), C(n) or, without evidence, C(None)."""
        if kind == "path":
            return "y" if os.path.exists(under(self._root, name)) else None
        if kind == "filesystem":
            return "y" if name in self._words("/proc/filesystems") else None
        if kind == "controller":
            listed = read_text(self._root, "/proc/cgroups")
            if listed is None:
                return None
            return "y" if re.search(rf"^{name}\s", listed, re.MULTILINE) else "n"
        if kind in ("match", "target"):
            plural = {"match": "matches", "target": "targets"}[kind]
            return "y" if name in self._words(f"/proc/net/ip_tables_{plural}") else None
        if name in self._modules("builtin") or os.path.isdir(under(self._root, f"/sys/module/{name}")):
            return "y"
        if self._modules("dep"):
            # depmod lists all modules: what is not listed is neither loadable nor built in.
            if name in self._modules("dep"):
                return "m"
            return "n" if self._modules("builtin") else None
        return None


def probe(root: str, release: str, names: t.Iterable[str]) -> dict[str, str]:
    """Each option by what the kernel exposes: C(y), C(m), C(n), or C(unknown)."""
    evidence = _Evidence(root, release)
    values = {}
    for name in names:
        states = [evidence.state(kind, what) for kind, what in _EVIDENCE.get(name, ())]
        known = [state for state in states if state]
        positive = [state for state in known if state != "n"]
        values[name] = (positive or known or ["unknown"])[0]
    return values


def observe(root: str, release: str, names: t.Collection[str]) -> dict[str, t.Any]:
    """The kernel's options, their source, and whether its modules are installed."""
    found = read_config(root, release)
    options = parse_config(found[1], names) if found else probe(root, release, names)
    return {
        "source": found[0] if found else "probe",
        "options": options,
        "modules_installed": any(
            os.path.exists(under(root, f"{directory}/{release}/modules.dep"))
            for directory in ("/lib/modules", "/usr/lib/modules")
        ),
    }
