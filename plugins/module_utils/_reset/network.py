# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What of the packet filter and of the routes is Kubernetes' and Cilium's. Pure: programs' output in, edits out."""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.model import (
    Filter,
    IpRule,
    Link,
    Route,
)

# The kubelet's and Cilium's chains (pkg/datapath/iptables of Cilium renames old ones to OLD_CILIUM_*).
_CHAIN = re.compile(r"^(?:KUBE-|(?:OLD_)?CILIUM_)")
_JUMP = re.compile(r"(?:^|\s)(?:-j|--jump|-g|--goto)\s+(\S+)")
_LINK = re.compile(r"^cilium_\w+$")
# Cilium's end of a pod's cable: "lxc" and hexadecimal digits up to the kernel's 15 characters. LXC's own interfaces are
# called otherwise (lxcbr0, veth...).
_POD_LINK = re.compile(r"^lxc(?:[0-9a-f]{12}|_health)$")
# Marks and tables of Cilium (pkg/datapath/linux/linux_defaults): to and from the proxy, and IPsec.
TABLES = ("2004", "2005", "200")
_RULE = re.compile(r"^from all fwmark 0x[0-9a-f]00/0xf00 lookup (?:2004|2005|200)\b")
_LOCAL = "from all lookup local"
_LOCAL_PRIORITY = 100
_PROGRAM = re.compile(r"\bcil_|^bpf_(?:netdev|network|host|lxc|overlay)|^cilium")
_FILTER = re.compile(
    r"^filter (?:protocol (?P<protocol>\S+) )?pref (?P<pref>\d+) bpf .*?\bhandle (?P<handle>0x[0-9a-f]+) (?P<name>\S+)",
    re.MULTILINE,
)
_XDP_MODES = {1: "xdpdrv", 2: "xdpgeneric", 3: "xdpoffload"}


@dataclass(frozen=True)
class Edit:
    """Changes of one table, to be made at once.

    :param chains: chains that go. :param jumps: rules in other chains that lead to them.
    """

    table: str
    chains: tuple[str, ...]
    jumps: tuple[str, ...]

    def render(self) -> str:
        """Input for C(iptables-restore --noflush): exactly these rules and chains, nothing else of the table."""
        lines = [f"*{self.table}"]
        lines += [f"-D {rule}" for rule in self.jumps]
        lines += [f"-F {chain}" for chain in self.chains]
        lines += [f"-X {chain}" for chain in self.chains]
        return "\n".join([*lines, "COMMIT", ""])


def own_chain(name: str) -> bool:
    """Whether a chain is the kubelet's or Cilium's."""
    return bool(_CHAIN.match(name))


def _target(rule: str) -> str:
    # What is quoted is a comment, and may say anything.
    match = _JUMP.search(re.sub(r'"(?:[^"\\]|\\.)*"', '""', rule))
    return match.group(1) if match else ""


def plan_tables(saved: str) -> tuple[Edit, ...]:
    """The edits that take our chains and the jumps to them out of what C(iptables-save) printed."""
    edits: list[Edit] = []
    table = ""
    chains: list[str] = []
    jumps: list[str] = []
    for line in saved.splitlines():
        if line.startswith("*"):
            table, chains, jumps = line[1:].strip(), [], []
        elif line.startswith(":"):
            name = line[1:].split(" ", 1)[0]
            chains += [name] if own_chain(name) else []
        elif line.startswith("-A "):
            rule = line[3:]
            if not own_chain(rule.split(" ", 1)[0]) and own_chain(_target(rule)):
                jumps.append(rule)
        elif line.strip() == "COMMIT" and table:
            if chains or jumps:
                edits.append(Edit(table, tuple(chains), tuple(jumps)))
            table = ""
    return tuple(edits)


def parse_links(text: str) -> tuple[Link, ...]:
    """Interfaces from C(ip -json -details link show)."""
    links = []
    for entry in _documents(text):
        xdp = entry.get("xdp") or {}
        program = (xdp.get("prog") or {}).get("name") or ""
        kind = (entry.get("linkinfo") or {}).get("info_kind") or ""
        mode = _XDP_MODES.get(int(xdp.get("mode") or 0), "xdp") if program else ""
        links.append(Link(str(entry.get("ifname", "")), str(kind), str(program), mode))
    return tuple(link for link in links if link.name)


def _documents(text: str) -> list[dict[str, t.Any]]:
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return []
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def own_link(link: Link) -> bool:
    """Whether Cilium made an interface."""
    return bool(_LINK.match(link.name) or (link.kind == "veth" and _POD_LINK.match(link.name)))


def own_program(name: str) -> bool:
    """Whether an eBPF program at an interface is Cilium's, by the names that its loader gives."""
    return bool(_PROGRAM.search(name))


def parse_rules(family: str, text: str) -> tuple[IpRule, ...]:
    """Rules from C(ip rule show)."""
    found = []
    for line in text.splitlines():
        priority, sep, selector = line.partition(":")
        if sep and priority.strip().isdigit():
            found.append(IpRule(family, int(priority), " ".join(selector.split())))
    return tuple(found)


def own_rule(rule: IpRule) -> bool:
    """Whether Cilium made a rule of policy routing."""
    return bool(_RULE.match(rule.selector))


def moved_local_rule(rules: t.Iterable[IpRule], family: str) -> bool:
    """Whether Cilium has put the rule for local addresses behind its own."""
    places = {rule.priority for rule in rules if rule.family == family and rule.selector == _LOCAL}
    return _LOCAL_PRIORITY in places


def parse_routes(family: str, table: str, text: str) -> tuple[Route, ...]:
    """Routes from C(ip route show table)."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return tuple(Route(family, table, line) for line in lines if line)


def own_route(route: Route) -> bool:
    """Whether a route of one of Cilium's tables is as Cilium makes it."""
    return route.table in TABLES and (
        bool(re.search(r"\bdev cilium_\w+", route.text)) or route.text.startswith("local default dev lo")
    )


def parse_filters(device: str, direction: str, text: str) -> tuple[Filter, ...]:
    """Filters of eBPF from C(tc filter show)."""
    return tuple(
        Filter(device, direction, match["protocol"] or "all", match["pref"], match["handle"], match["name"])
        for match in _FILTER.finditer(text)
    )
