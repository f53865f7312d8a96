# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Facts of a host that only a preflight needs, in addition to those that C(node_info) always reads."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import sys
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._daemon import overrides
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import yaml
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import arp, kernel_config, resolver
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.interfaces import interface_of
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import (
    CONTROL_PLANE_MANIFESTS,
    ETCD_DATA,
    names_in,
    read_text,
    under,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.probe import Lookups, Probes
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.marks import is_foreign
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.proxy import Proxy, read

# include/net/tcp_states.h: TCP_LISTEN, and TCP_CLOSE, the state of a bound UDP socket.
_LISTENING = {"tcp": "0A", "udp": "07"}
#: What a login may set; only the names are told, as the values may have credentials.
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")
#: Configuration that other packages bring, and that the roles replace.
_REPLACED = (
    "/etc/containerd/config.toml",
    "/etc/crictl.yaml",
    "/etc/systemd/system/containerd.service",
    "/etc/systemd/system/kubelet.service",
    "/etc/init.d/containerd",
    "/etc/init.d/kubelet",
)
_TAG = re.compile(r":v?(\d+\.\d+\.\d+[^@]*)(?:@|$)")


@dataclass(frozen=True)
class Request:
    """What to read.

    :param ports: (protocol, number). :param urls: C({arch}) in them is replaced by the host's architecture.
    :param ca_pem: CAs of the URLs, in addition to the system's. :param proxy: for the URLs, C(None) for the
        environment's. :param names: to be resolved. :param resolv_conf: the file that the site gives to the kubelet.
    :param timeout: seconds for each URL and name.
    :param virtual_address: IPv4 address that others in the network of C(interface) are asked for; empty for none.
    """

    kernel_options: tuple[str, ...] = ()
    ports: tuple[tuple[str, int], ...] = ()
    paths: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    ca_pem: str = ""
    proxy: Proxy | None = None
    names: tuple[str, ...] = ()
    virtual_address: str = ""
    interface: str = ""
    node_address: str = ""
    resolv_conf: str = ""
    timeout: float = 3.0


def _port(text: str) -> tuple[str, int]:
    """Protocol and number.

    :raises OperatorError: when it is not a port.
    """
    match = re.fullmatch(r"(\d{1,5})/(tcp|udp)", text)
    if match is None or not 0 < int(match.group(1)) < 65536:
        raise OperatorError(
            f"preflight.ports has {text!r}. Expected a number and a protocol, as in 6443/tcp."
        )
    return match.group(2), int(match.group(1))


def read_request(asked: t.Mapping[str, t.Any], proxy: t.Mapping[str, t.Any] | None = None) -> Request:
    """The options C(preflight) and C(proxy) of C(node_info).

    :raises OperatorError: for an invalid port.
    """
    return Request(
        kernel_options=tuple(asked["kernel_options"]),
        ports=tuple(_port(text) for text in asked["ports"]),
        paths=tuple(asked["paths"]),
        urls=tuple(asked["urls"]),
        ca_pem=asked["ca_pem"],
        proxy=read(proxy),
        names=tuple(asked["names"]),
        virtual_address=asked["virtual_address"],
        interface=asked["interface"],
        node_address=asked["node_address"],
        resolv_conf=asked["resolv_conf"],
        timeout=asked["timeout"],
    )


def probes(request: Request, arch: str) -> tuple[Probes, Lookups]:
    """Start the requests and lookups."""
    urls = (url.replace("{arch}", arch) for url in request.urls)
    return (
        Probes(urls, request.timeout, request.ca_pem, request.proxy),
        Lookups(request.names, request.timeout),
    )


def _address(field: str) -> str:
    """An address of /proc/net: hexadecimal words in the byte order of the machine."""
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
    """The program by its command line, as the kernel truncates its name of a process to 15 characters."""
    command = (read_text(root, f"/proc/{pid}/cmdline") or "").split("\0")[0]
    return os.path.basename(command) or (read_text(root, f"/proc/{pid}/comm") or "").strip()


def _owners(root: str, inodes: t.Collection[str]) -> dict[str, str]:
    """Name of the process that owns each socket, as far as they can be read."""
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
    """Which of the wanted ports are in use, and by what. Processes are read only when one is in use."""
    sockets = _sockets(root, set(wanted))
    # Sockets of the kernel itself, such as a VXLAN device's, have no inode.
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
    """Free bytes at each path, or at its nearest existing parent."""
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
    """Networks that the host has a route to, without default, host and link-local routes."""
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
    """CPUs that this process may use: those of a container or a CPU set only."""
    with contextlib.suppress(AttributeError, OSError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def apiserver_version(root: str) -> str | None:
    """Version of the API server by the image tag in its manifest, C(None) when there is none to read."""
    try:
        pod = yaml.load(read_text(root, CONTROL_PLANE_MANIFESTS[0]) or "")
        image = pod["spec"]["containers"][0]["image"]
    except (yaml.YamlError, KeyError, IndexError, TypeError):
        return None
    match = _TAG.search(str(image))
    return match.group(1) if match else None


def virtual_address(request: Request, node: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """Who has the virtual address: this host, others in its network, or nobody.

    :param node: what is known of the host otherwise. :returns: C(None) when no address is asked for.
    """
    address = request.virtual_address
    if not address:
        return None
    interface = request.interface or interface_of(node["interfaces"], request.node_address or node["address"])
    own = address in node["addresses"]
    found: dict[str, t.Any] = {"macs": [], "error": None}
    if interface and not own and ":" not in address:
        found = arp.who_has(address, interface, request.timeout / 3)
    return {"address": address, "interface": interface, "own": own, **found}


def gather(
    root: str, request: Request, node: t.Mapping[str, t.Any], running: tuple[Probes, Lookups], began: float
) -> dict[str, t.Any]:
    """All facts.

    :param node: what is known of the host otherwise. :param running: see L(probes). :param began: time on the host when
        the module started.
    """
    return {
        "kernel": kernel_config.observe(root, node["kernel"], request.kernel_options),
        "cpus": cpus(),
        "ports": ports(root, request.ports),
        "disks": disks(root, request.paths),
        "networks": networks(root),
        "apiserver_version": apiserver_version(root),
        "etcd_directory": list(names_in(root, os.path.dirname(ETCD_DATA))),
        "foreign_files": [path for path in _REPLACED if is_foreign(under(root, path))],
        "overrides": overrides.observe(root, node["service_manager"]),
        "resolv_conf": resolver.read(root, request.resolv_conf) if request.resolv_conf else None,
        "urls": running[0].results(),
        "names": running[1].results(),
        "virtual_address": virtual_address(request, node),
        "proxy_variables": sorted(name for name in os.environ if name.lower() in _PROXY_VARIABLES),
        "clock": {"began": began, "ended": time.time()},
    }
