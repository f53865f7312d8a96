# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Whether each host is who it says, as far as its certificates depend on it."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._csr import allow_list
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight.model import (
    ERROR,
    Finding,
    Host,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight.parameters import cert_sans


def check_identities(hosts: t.Sequence[Host], params: t.Mapping[str, t.Any]) -> list[Finding]:
    """Names and addresses that a host must not have. Control planes keep those with which each has joined."""
    control_planes = frozenset(params["control_planes"])
    observed = [host for host in hosts if host.node is not None]
    inventory = allow_list.Inventory(
        tuple(host.name for host in observed),
        params["node_names"],
        params["node_addresses"],
        params["connections"],
        control_planes,
        {},
    )
    previous: dict[str, t.Any] = {}
    for host in observed:
        if host.name in control_planes and host.is_member:
            previous.update((host.facts.get("security") or {}).get("serving_nodes") or {})
    try:
        api = allow_list.api_server(
            params["endpoint"],
            list(cert_sans(params)),
            params["service_cidr"],
            params["dns_domain"],
        )
        known = {host.name: host.facts for host in observed}
        problems = list(allow_list.identity_problems(inventory, known, previous, api))
    except ValueError:
        # Networks of another form are findings of their own.
        return []
    return [
        Finding(
            problem.host,
            f"node_{problem.what}",
            ERROR,
            problem.found,
            problem.expected,
            problem.fix.rstrip(".") + ".",
        )
        for problem in problems
    ]
