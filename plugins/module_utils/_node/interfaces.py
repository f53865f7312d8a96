# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Network interfaces of a host and their addresses, from C(ip -json address). Pure."""

from __future__ import annotations

import json
import typing as t

#: Arguments of ip(8) whose output L(parse_interfaces) reads.
COMMAND = ("-json", "address", "show")


def parse_interfaces(text: str) -> list[dict[str, t.Any]]:
    """The interfaces with a usable address, in the kernel's order.

    Loopback interfaces and link-local addresses are left out: nothing outside of the host reaches them.

    :param text: output of ip(8); anything else gives no interfaces.
    :returns: for each C(name), C(mac) (C(None) without one) and C(addresses), each with its prefix length.
    """
    try:
        links = json.loads(text)
    except ValueError:
        return []
    found = []
    for link in links if isinstance(links, list) else ():
        if not isinstance(link, dict) or "LOOPBACK" in link.get("flags", ()):
            continue
        addresses = [
            f"{entry['local']}/{entry['prefixlen']}"
            for entry in link.get("addr_info", ())
            if entry.get("scope") == "global"
            and entry.get("family") in ("inet", "inet6")
            and "local" in entry
        ]
        if addresses:
            # A veth's name comes with its peer's, as in eth0@if7; "ifname" is without it.
            mac = link.get("address") if link.get("link_type") == "ether" else None
            found.append({"name": link["ifname"], "mac": mac, "addresses": addresses})
    return found


def interface_of(interfaces: t.Sequence[t.Mapping[str, t.Any]], address: str | None) -> str | None:
    """Name of the interface that has an address, C(None) when there is none."""
    for interface in interfaces:
        if any(own.partition("/")[0] == address for own in interface["addresses"]):
            return str(interface["name"])
    return None
