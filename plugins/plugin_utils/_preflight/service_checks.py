# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What of a host changes how its daemons run, whatever the collection writes: drop-ins of units, and name servers."""

from __future__ import annotations

import posixpath
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight.model import (
    ERROR,
    WARNING,
    Finding,
    Host,
    Site,
)

Findings = t.Iterator[Finding]

#: They take away what our unit reads: the node's arguments are in a file that kubeadm writes.
_ARGUMENTS = ("Environment KUBELET_KUBEADM_ARGS", "EnvironmentFile=")


def _way_out(item: t.Mapping[str, t.Any]) -> str:
    path, daemon = item["path"], item["daemon"]
    if path.startswith(("/etc/", "/run/")):
        return f"Remove {path}, or these settings from it."
    mask = f"/etc/systemd/system/{daemon}.service.d"
    return (
        f"Remove the package that it is of, or mask it: mkdir -p {mask} &&"
        f" ln -s /dev/null {mask}/{posixpath.basename(path)} && systemctl daemon-reload."
    )


def overrides(host: Host, _site: Site) -> Findings:
    """Files that change the command or the environment of a daemon. Variables alone are a warning."""
    for item in host.extra.get("overrides") or ():
        settings = item["settings"]
        command = [name for name in settings if not name.startswith("Environment") or name in _ARGUMENTS]
        fix = _way_out(item)
        if not command:
            fix += " The variables cluster_http_proxy and cluster_https_proxy give daemons a proxy."
        yield Finding(
            host.name,
            "service_overrides",
            ERROR if command else WARNING,
            f"{item['path']} sets {', '.join(settings)} of {item['daemon']}",
            f"{item['daemon']} as the collection's service starts it",
            fix,
        )


def name_servers(host: Host, _site: Site) -> Findings:
    """The name servers that pods get. On a member, whose pods have some, this is a warning."""
    chosen = host.extra.get("resolv_conf")
    found = host.facts.get("resolver") or {}
    if chosen:
        wrong = [chosen] if chosen["problem"] else []
    else:
        files = found.get("files") or []
        wrong = [] if any(not item["problem"] for item in files) else files
    if not found and not chosen:
        return
    if wrong or not (chosen or found.get("files")):
        shown = ", ".join(f"{item['path']} has {item['problem']}" for item in wrong) or "no /etc/resolv.conf"
        yield Finding(
            host.name,
            "name_servers",
            WARNING if host.is_member else ERROR,
            shown.replace(" has no such file", " does not exist"),
            "a file with name servers that pods reach, none of them on the host's loopback address",
            "Name such servers in /etc/resolv.conf, or in another file on the host and set kubelet_config.resolvConf to"
            " it.",
        )


SERVICE_CHECKS: tuple[t.Callable[[Host, Site], Findings], ...] = (overrides, name_servers)
