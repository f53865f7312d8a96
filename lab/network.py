# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts' network: a bridge in a network namespace of its own, one cable to the machine, a resolver.

The bridge does not stand in the machine's own namespace because br_netfilter sends bridged packets through
the machine's FORWARD chain, whose policy other software (Docker, a firewall) may have set to DROP; changing
foreign rules is out of the question. In a namespace of its own there are no rules. It also makes removal
sure: when the namespace goes, the bridge and every cable go with it.

The machine's end of its cable is called like the lab's bridge would be, and carries the gateway's address.
There is no forwarding and no address translation: hosts reach the mirror and each other, nothing else.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterable
from pathlib import Path

from lab import state
from lab.config import LabError, Network, Paths, Settings
from lab.run import run, spawn, tail, write_atomic

#: Name of the bridge inside the lab's namespace.
INNER_BRIDGE = "bridge"


def namespace(paths: Paths) -> Path:
    """The file onto which the lab's network namespace is mounted (so that it lives without a process)."""
    return paths.state / "netns"


def inside(paths: Paths, *argv: str) -> list[str]:
    """A command that runs in the lab's network namespace, everything else as it is."""
    return ["nsenter", f"--net={namespace(paths)}", "--", *argv]


def resolver_address(network: Network) -> str:
    """The bridge's own address; not the machine's, where port 53 may be taken or filtered."""
    return str(network.subnet[2])


def ensure(settings: Settings) -> None:
    """Create namespace, bridge and cable, whichever is missing.

    :raises LabError: a command failed, or the subnet is in use by something else.
    """
    paths, network = settings.paths, settings.network
    prefix = network.subnet.prefixlen
    file = namespace(paths)
    if not mounted(file):
        # Anything left of a cable belongs to a namespace that is gone.
        run(["ip", "link", "delete", network.bridge], check=False)
        check_subnet_free(network)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        run(["unshare", f"--net={file}", "true"])
    if run(inside(paths, "ip", "link", "show", INNER_BRIDGE), check=False).returncode != 0:
        run(
            inside(
                paths,
                "ip",
                "link",
                "add",
                INNER_BRIDGE,
                "type",
                "bridge",
                "stp_state",
                "0",
                "forward_delay",
                "0",
            )
        )
    run(inside(paths, "ip", "link", "set", "lo", "up"))
    run(inside(paths, "ip", "addr", "replace", f"{resolver_address(network)}/{prefix}", "dev", INNER_BRIDGE))
    run(inside(paths, "ip", "link", "set", INNER_BRIDGE, "up"))
    if run(["ip", "link", "show", network.bridge], check=False).returncode != 0:
        # Created inside and then moved out, so that an incomplete one disappears with the namespace.
        run(inside(paths, "ip", "link", "delete", "uplink"), check=False)
        run(inside(paths, "ip", "link", "add", "uplink", "type", "veth", "peer", "name", network.bridge))
        run(inside(paths, "ip", "link", "set", network.bridge, "netns", str(os.getpid())))
    run(inside(paths, "ip", "link", "set", "uplink", "master", INNER_BRIDGE, "up"))
    run(["ip", "addr", "replace", f"{network.gateway}/{prefix}", "dev", network.bridge])
    run(["ip", "link", "set", network.bridge, "up"])


def mounted(file: Path) -> bool:
    """Whether a file carries a mount."""
    return str(file) in mount_points(Path("/proc/self/mountinfo").read_text(encoding="utf-8"))


def mount_points(mountinfo: str) -> list[str]:
    """All mount points in the text of /proc/self/mountinfo, in the order of mounting."""
    return [line.split()[4].replace("\\040", " ") for line in mountinfo.splitlines()]


def check_subnet_free(network: Network) -> None:
    """:raises LabError: the machine has a route into the lab's subnet."""
    routes = run(["ip", "-4", "route", "show", "root", str(network.subnet)]).stdout.strip()
    covering = run(["ip", "-4", "route", "show", "exact", str(network.subnet)]).stdout.strip()
    if routes or covering:
        raise LabError(
            f"the machine already has a route into the lab's subnet {network.subnet}: {routes or covering}",
            "set BMK_LAB_SUBNET to a free network, such as 10.62.0.0/24",
        )


def dnsmasq_config(network: Network, records: Path, log: Path) -> str:
    """The resolver's configuration.

    It knows the hosts and the mirror, and denies every other name at once: a name that is merely not answered
    costs kubeadm 40 s and hides which upstream name a run queried. Queries are logged so that a test can
    tell.
    """
    lines = [
        "keep-in-foreground",
        "user=root",
        "bind-interfaces",
        f"listen-address={resolver_address(network)}",
        "no-resolv",
        "no-hosts",
        f"hostsdir={records}",
        f"domain={network.domain}",
        f"local=/{network.domain}/",
        # Every other name does not exist.
        "address=/#/",
        "expand-hosts",
        f"host-record={network.mirror_name},{network.gateway}",
        "log-queries",
        f"log-facility={log}",
        "pid-file=",
        "cache-size=1000",
    ]
    return "\n".join(lines) + "\n"


def dnsmasq_hosts(network: Network, addresses: Iterable[tuple[str, str]]) -> str:
    """Records of the hosts, full name first because the first one answers reverse look-ups."""
    return "".join(f"{address} {name}.{network.domain} {name}\n" for name, address in addresses)


def write_records(settings: Settings, addresses: Iterable[tuple[str, str]]) -> None:
    """Write the resolver's records of the hosts; it watches the directory and needs no signal."""
    write_atomic(_records(settings.paths) / "hosts", dnsmasq_hosts(settings.network, addresses))


def _records(paths: Paths) -> Path:
    return paths.state / "resolver" / "hosts.d"


def queries_log(paths: Paths) -> Path:
    """Every name that a host queried, in dnsmasq's format."""
    return paths.logs / "resolver-queries.log"


def start_resolver(settings: Settings) -> int:
    """Start dnsmasq in the lab's namespace.

    :return: its pid.
    :raises LabError: it does not answer within 5 s; the message has its log's end.
    """
    paths = settings.paths
    config = paths.state / "resolver" / "dnsmasq.conf"
    _records(paths).mkdir(parents=True, exist_ok=True)
    write_atomic(config, dnsmasq_config(settings.network, _records(paths), queries_log(paths)))
    log = paths.logs / "resolver.log"
    paths.logs.mkdir(parents=True, exist_ok=True)
    pid = spawn(inside(paths, "dnsmasq", f"--conf-file={config}"), log=log)
    address = resolver_address(settings.network)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if state.start_time(pid) is None:
            break
        with contextlib.suppress(OSError), socket.create_connection((address, 53), timeout=1):
            return pid
        time.sleep(0.05)
    raise LabError(
        f"resolver: dnsmasq does not answer at {address}:53\n{tail(log)}\n{tail(queries_log(paths))}",
        f"the whole output is in {log}",
    )


def interfaces(network: Network, listing: Iterable[str]) -> list[str]:
    """Which of the machine's interfaces are the lab's."""
    return [name for name in listing if name == network.bridge or name.startswith(network.interface_prefix)]


def remove(settings: Settings) -> None:
    """Remove interfaces and namespace; whatever is already gone is no error."""
    listing = [entry.name for entry in Path("/sys/class/net").iterdir()]
    for name in interfaces(settings.network, listing):
        run(["ip", "link", "delete", name], check=False)
    file = namespace(settings.paths)
    while mounted(file):
        run(["umount", "--lazy", str(file)])
    file.unlink(missing_ok=True)
