# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What the verdict of a preflight needs of a host beside the facts that C(node_info) always reads."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import sys
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import (
    MANIFESTS,
    read_text,
    under,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._preflight import kernel
from ansible_collections.baremetal.kubernetes.plugins.module_utils._preflight.probe import Probes

# include/net/tcp_states.h: TCP_LISTEN, and TCP_CLOSE, which is what a bound UDP socket has.
_LISTENING = {"tcp": "0A", "udp": "07"}
_IMAGE = re.compile(r"^\s*image:\s*[\"']?\S+?:v?(\d+\.\d+\.\d+[^\s\"'@]*)", re.MULTILINE)


@dataclass(frozen=True)
class Request:
    """What to look at.

    :param ports: (protocol, number). :param urls: C({arch}) in them stands for the host's architecture.
    :param ca_pem: authorities of the URLs, beside the system's. :param timeout: seconds for each URL.
    """

    kernel_options: tuple[str, ...] = ()
    ports: tuple[tuple[str, int], ...] = ()
    paths: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    ca_pem: str = ""
    timeout: float = 3.0


def probes(request: Request, arch: str) -> Probes:
    """Start to ask the URLs."""
    return Probes((url.replace("{arch}", arch) for url in request.urls), request.timeout, request.ca_pem)


def _address(field: str) -> str:
    """The kernel writes addresses as hexadecimal words in the byte order of the machine."""
    words = [int(field[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(field), 8)]
    return str(ipaddress.ip_address(b"".join(words)))


def _sockets(root: str, wanted: t.Collection[tuple[str, int]]) -> dict[str, dict[str, t.Any]]:
    """Sockets on the wanted ports by inode."""
    found: dict[str, dict[str, t.Any]] = {}
    for protocol in sorted({protocol for protocol, _number in wanted}):
        for table in (protocol, f"{protocol}6"):
            for line in (read_text(root, f"/proc/net/{table}") or "").splitlines()[1:]:
                words = line.split()
                if len(words) < 10 or words[3] != _LISTENING[protocol]:
                    continue
                address, _sep, number = words[1].partition(":")
                if (protocol, int(number, 16)) in wanted:
                    found[f"{words[9]}/{table}/{words[1]}"] = {
                        "protocol": protocol,
                        "port": int(number, 16),
                        "address": _address(address),
                        "inode": words[9],
                    }
    return found


def _process_name(root: str, pid: str) -> str:
    """The program by its command line, as the kernel cuts its own name for a process to 15 characters."""
    command = (read_text(root, f"/proc/{pid}/cmdline") or "").split("\0")[0]
    return os.path.basename(command) or (read_text(root, f"/proc/{pid}/comm") or "").strip()


def _owners(root: str, inodes: t.Collection[str]) -> dict[str, str]:
    """Name of the process that holds each socket, of those that can be read."""
    names: dict[str, str] = {}
    targets = {f"socket:[{inode}]": inode for inode in inodes}
    for pid in sorted((entry for entry in os.listdir(under(root, "/proc")) if entry.isdigit()), key=int):
        if len(names) == len(targets):
            break
        with contextlib.suppress(OSError):
            for entry in os.scandir(under(root, f"/proc/{pid}/fd")):
                with contextlib.suppress(OSError):
                    inode = targets.get(os.readlink(entry.path))
                    if inode and inode not in names:
                        names[inode] = _process_name(root, pid)
    return names


def ports(root: str, wanted: t.Collection[tuple[str, int]]) -> list[dict[str, t.Any]]:
    """Which of the wanted ports are taken, and by what. Processes are looked at only when one is."""
    sockets = _sockets(root, set(wanted))
    # Sockets of the kernel itself, such as that of a VXLAN device, have no inode.
    owners = _owners(root, {item["inode"] for item in sockets.values()} - {"0"}) if sockets else {}
    found = [
        {
            "protocol": item["protocol"],
            "port": item["port"],
            "address": item["address"],
            "process": "kernel" if item["inode"] == "0" else owners.get(item["inode"]),
        }
        for item in sockets.values()
    ]
    return sorted(found, key=lambda item: (item["port"], item["protocol"], item["address"]))


def disks(root: str, paths: t.Iterable[str]) -> list[dict[str, t.Any]]:
    """Free bytes where each path is, or will be when it is made."""
    found = []
    for path in paths:
        existing = under(root, path)
        while not os.path.exists(existing) and os.path.dirname(existing) != existing:
            existing = os.path.dirname(existing)
        stat = os.statvfs(existing)
        found.append(
            {
                "path": path,
                "free_bytes": stat.f_bavail * stat.f_frsize,
                "device": os.stat(existing).st_dev,
                "writable": not stat.f_flag & os.ST_RDONLY,
            }
        )
    return found


def networks(root: str) -> list[dict[str, str]]:
    """Networks that the host has a route to, without default, host and link-local ones."""
    found = set()
    for line in (read_text(root, "/proc/net/route") or "").splitlines()[1:]:
        words = line.split()
        if len(words) > 7:
            mask = bin(int(words[7], 16)).count("1")
            found.add((words[0], f"{_address(words[1])}/{mask}"))
    for line in (read_text(root, "/proc/net/ipv6_route") or "").splitlines():
        words = line.split()
        if len(words) > 9:
            found.add((words[9], f"{ipaddress.IPv6Address(int(words[0], 16))}/{int(words[1], 16)}"))
    result = []
    for interface, text in sorted(found):
        network = ipaddress.ip_network(text, strict=False)
        local = network.is_link_local or network.is_multicast or network.is_loopback
        if interface != "lo" and not local and 0 < network.prefixlen < network.max_prefixlen:
            result.append({"network": str(network), "interface": interface})
    return result


def cpus() -> int:
    """CPUs that this process may use, which leaves out those that are taken from the host by its hypervisor."""
    with contextlib.suppress(AttributeError, OSError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def apiserver_version(root: str) -> str | None:
    """Version of the API server by its manifest's image tag, C(None) without one."""
    match = _IMAGE.search(read_text(root, f"{MANIFESTS}/kube-apiserver.yaml") or "")
    return match.group(1) if match else None


def gather(root: str, request: Request, release: str, running: Probes, began: float) -> dict[str, t.Any]:
    """All facts.

    :param release: the running kernel's. :param running: see L(probes). :param began: clock of the host when the module
        began.
    """
    return {
        "kernel": kernel.observe(root, release, request.kernel_options),
        "cpus": cpus(),
        "ports": ports(root, request.ports),
        "disks": disks(root, request.paths),
        "networks": networks(root),
        "apiserver_version": apiserver_version(root),
        "urls": running.results(),
        "clock": {"began": began, "ended": time.time()},
    }
