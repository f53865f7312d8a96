# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible inventory of the lab: its hosts, and the facts about the lab that a real site does not have."""

from __future__ import annotations

import contextlib
import json
import resource
import shlex
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab import artifacts, cgroups, host
from lab.config import FILES_PORT, REGISTRY_PORT, ROLES, Settings
from lab.run import write_atomic
from lab.state import HostRecord

Checksums = Mapping[str, Mapping[str, Mapping[str, str]]]

_NOTE = "# Written by `lab up` and removed by `lab down`; changes made here are lost.\n"


#: Capabilities in Cilium's chart 1.19.5 (values.yaml, securityContext.capabilities) of the containers that
#: ask for one which a machine may withhold from everything on it.
_CILIUM_CAPABILITIES = {
    "ciliumAgent": (
        *("CHOWN", "KILL", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "SYS_MODULE", "SYS_ADMIN", "SYS_RESOURCE"),
        *("DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID", "SYSLOG"),
    ),
    "cleanCiliumState": ("NET_ADMIN", "SYS_MODULE", "SYS_ADMIN", "SYS_RESOURCE"),
}
#: Numbers of those that machines are known to withhold (linux/capability.h).
_CAPABILITY_BITS = {"SYS_MODULE": 16, "SYS_RESOURCE": 24, "SYSLOG": 34}


@dataclass(frozen=True)
class Machine:
    """Properties of the machine that its hosts share.

    :param unified: whether it has cgroup v2 alone.
    :param missing: capabilities that no process on it can have; runc refuses containers that ask for them.
    :param open_files: the limit per process, when no process may raise it.
    """

    unified: bool
    missing: frozenset[str] = frozenset()
    open_files: int | None = None


def this_machine() -> Machine:
    """The machine that the lab runs on."""
    missing = missing_capabilities(Path("/proc/self/status").read_text(encoding="utf-8"))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    bounded = "SYS_RESOURCE" in missing and most != resource.RLIM_INFINITY
    return Machine(cgroups.unified(), missing, most if bounded else None)


def missing_capabilities(status: str) -> frozenset[str]:
    """Which capabilities are not in the bounding set, from the text of /proc/self/status."""
    line = next(line for line in status.splitlines() if line.startswith("CapBnd:"))
    bounding = int(line.split()[1], 16)
    return frozenset(name for name, bit in _CAPABILITY_BITS.items() if not bounding >> bit & 1)


def hosts_file(settings: Settings) -> Path:
    """Groups, addresses and keys."""
    return settings.paths.inventory / "hosts.yml"


def variables_file(settings: Settings) -> Path:
    """Facts about the lab for the roles."""
    return settings.paths.inventory / "group_vars" / "all.yml"


def files(settings: Settings) -> tuple[Path, ...]:
    """The files that the lab writes outside its state directory."""
    return (hosts_file(settings), variables_file(settings))


def _checksums_file(settings: Settings) -> Path:
    return settings.paths.state / "checksums.json"


def current_checksums(settings: Settings) -> Checksums | None:
    """The checksums of the last `up` with artifacts, None when there was none."""
    with contextlib.suppress(FileNotFoundError):
        result: Checksums = json.loads(_checksums_file(settings).read_text(encoding="utf-8"))
        return result
    return None


def write(settings: Settings, records: Iterable[HostRecord], checksums: Checksums | None) -> None:
    """Write both files.

    :param checksums: component, version, architecture -> digest of what the lab's mirror serves; the lab's
        own builds differ from upstream's bytes. None when there are no artifacts: then no mirror is named
        either.
    """
    if checksums is not None:
        write_atomic(_checksums_file(settings), json.dumps(checksums))
    write_atomic(hosts_file(settings), _yaml(hosts(settings, records)))
    write_atomic(variables_file(settings), _yaml(variables(settings, checksums, this_machine())))


def remove(settings: Settings) -> None:
    """Remove what :func:`write` wrote, and the credentials of the cluster that is gone."""
    directory = settings.paths.inventory
    for file in files(settings):
        file.unlink(missing_ok=True)
    shutil.rmtree(directory / ".credentials", ignore_errors=True)
    for empty in (directory / "group_vars", directory):
        with contextlib.suppress(OSError):
            empty.rmdir()


def _yaml(data: Any) -> str:
    return "---\n" + _NOTE + yaml.safe_dump(data, sort_keys=False, width=120)


def hosts(settings: Settings, records: Iterable[HostRecord]) -> dict[str, Any]:
    """Groups and connection data."""
    # The audit also covers an external etcd; an empty group keeps Ansible from warning about a missing one.
    groups: dict[str, Any] = {group: {"hosts": {}} for group in (*ROLES, "etcd")}
    for record in records:
        groups[record.role]["hosts"][record.name] = {"ansible_host": record.address}
    return {
        "all": {
            "vars": {
                "ansible_user": "root",
                "ansible_ssh_private_key_file": str(host.key_file(settings)),
                "ansible_ssh_common_args": shlex.join(
                    [
                        *("-o", f"UserKnownHostsFile={settings.paths.known_hosts}"),
                        *("-o", "GlobalKnownHostsFile=none"),
                        *("-o", "StrictHostKeyChecking=yes"),
                        *("-o", "IdentitiesOnly=yes"),
                    ]
                ),
            },
            "children": groups,
        }
    }


def variables(settings: Settings, checksums: Checksums | None, machine: Machine) -> dict[str, Any]:
    """Variables that the roles need because the hosts are containers on one machine.

    Sources: containerd's docs/cri/config.md (configuration version 3) and pkg/kubelet/apis/config of
    Kubernetes.
    """
    network = settings.network
    mirror: dict[str, Any] = {}
    if checksums is not None:
        mirror = {
            "cluster_files_url": f"https://{network.gateway}:{FILES_PORT}",
            "cluster_registry": f"{network.gateway}:{REGISTRY_PORT}",
            "cluster_ca_file": str(settings.paths.pki / "ca.crt"),
            "cluster_checksums": {name: dict(versions) for name, versions in checksums.items()},
            # The lab's own builds; with them, every digest is known.
            "cluster_image_digests": artifacts.image_digests(settings.paths),
            "cluster_require_image_digests": True,
        }
    limits: dict[str, Any] = {}
    if machine.open_files is not None:
        limits = dict.fromkeys(("container_runtime_limit_nofile", "kubelet_limit_nofile"), machine.open_files)
    return {
        **mirror,
        # kubeadm looks for the kernel's configuration as a module or in /boot, and for swap, which is the
        # machine's.
        "cluster_ignore_preflight_errors": ["SystemVerification", "Swap"],
        # All hosts show the machine's firmware, and share its disk.
        "preflight_ignore": ["duplicate_product_uuid"],
        "preflight_disk_min_mib": {"/var/lib": 500, "/opt": 256, "/etc": 16},
        # The driver that works on every machine: with cgroup v1 systemd no longer offers its own.
        "container_runtime_cgroup_driver": "cgroupfs",
        **limits,
        "container_runtime_config": {
            "plugins": {
                # The machine may forbid scores below its own.
                "io.containerd.cri.v1.runtime": {"restrict_oom_score_adj": True},
                "io.containerd.cri.v1.images": {"discard_unpacked_layers": True},
            }
        },
        "kubelet_config": {
            "failCgroupV1": False,
            # All hosts share one disk, which may be nearly full for reasons that are not theirs.
            "evictionHard": {
                "memory.available": "100Mi",
                "nodefs.available": "500Mi",
                "nodefs.inodesFree": "1%",
                "imagefs.available": "500Mi",
                "imagefs.inodesFree": "1%",
            },
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
        },
        "network_values": network_values(machine),
    }


def network_values(machine: Machine) -> dict[str, Any]:
    """Helm values of Cilium that only the lab needs."""
    values: dict[str, Any] = {
        # The host's init mounted the hierarchies; Cilium must not mount its own.
        "cgroup": {
            "autoMount": {"enabled": False},
            "hostRoot": "/sys/fs/cgroup" if machine.unified else "/sys/fs/cgroup/unified",
        },
        # The lab has no image of Envoy.
        "envoy": {"enabled": False},
        "l7Proxy": False,
        # The chart names upstream's images by digest; the lab's own builds have others.
        "image": {"useDigest": False},
        "operator": {"image": {"useDigest": False}},
    }
    reduced = {
        container: [name for name in names if name not in machine.missing]
        for container, names in _CILIUM_CAPABILITIES.items()
        if machine.missing & set(names)
    }
    if reduced:
        values["securityContext"] = {"capabilities": reduced}
    return values
