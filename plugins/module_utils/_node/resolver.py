# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Which resolv.conf of a host pods can use.

The kubelet copies its name servers into pods. One that listens on the host's loopback address is the pod itself there:
CoreDNS then finds that it asks itself, and stops. kubeadm gives the kubelet the file of systemd-resolved where that
service is active; other resolvers of the host write the servers that they ask into a file of their own, too.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import read_text

DEFAULT = "/etc/resolv.conf"
RESOLVED = "/run/systemd/resolve/resolv.conf"
NETWORK_MANAGER = "/run/NetworkManager/no-stub-resolv.conf"
MISSING = "no such file"


def nameservers(text: str) -> list[str]:
    """The name servers of a resolv.conf(5)."""
    words = (line.split() for line in text.splitlines())
    return [line[1] for line in words if len(line) > 1 and line[0] == "nameserver"]


def problem(servers: t.Sequence[str]) -> str:
    """Why pods cannot use these name servers; empty when they can."""
    reachable = []
    for text in servers:
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            continue
        if address.is_loopback or address.is_unspecified:
            return f"nameserver {text}, which in a pod is the pod itself"
        if not address.is_link_local:
            reachable.append(text)
    if reachable:
        return ""
    return f"nameserver {servers[0]} alone, which pods cannot reach" if servers else "no nameserver"


def read(root: str, path: str) -> dict[str, t.Any]:
    """A file: its path, its name servers, and why pods cannot use them."""
    text = read_text(root, path)
    servers = nameservers(text or "")
    return {
        "path": path,
        "nameservers": servers,
        "problem": MISSING if text is None else problem(servers),
    }


def choose(files: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    """The file that the kubelet has to be given; empty when its default and kubeadm's choice are right, or none is.

    :param files: those that exist, in the order in which they are tried.
    """
    usable = [item["path"] for item in files if not item["problem"]]
    # kubeadm asks systemd, not for the file: either of the two may be in force.
    unusable = {item["path"] for item in files if item["problem"]}
    if DEFAULT in usable and RESOLVED not in unusable:
        return ""
    return usable[0] if usable else ""


def observe(root: str) -> dict[str, t.Any]:
    """The files of the host, and the one that the kubelet has to be given."""
    read_ones = (read(root, path) for path in (RESOLVED, DEFAULT, NETWORK_MANAGER))
    files = [item for item in read_ones if item["problem"] != MISSING]
    return {"files": files, "kubelet": choose(files)}
