# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Make the allow-list of the kubelet CSR approver from the inventory. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._csr import plan

Entry = dict[str, t.Any]


def serving_nodes(
    known: t.Mapping[str, t.Any],
    names: t.Mapping[str, t.Any],
    addresses: t.Mapping[str, t.Any],
    extra: t.Mapping[str, t.Any],
    previous: t.Mapping[str, t.Any],
) -> dict[str, Entry]:
    """The nodes with the addresses and further names that their serving certificates may have.

    :param known: host -> C(node) of C(node_info), empty for a host that was not observed; all hosts of the inventory.
    :param names: host -> node name that the inventory gives it. :param addresses: likewise; several with commas.
    :param extra: node -> further C(addresses) and C(names).
    :param previous: the list in force. Its entries of hosts that were not observed are kept, unless the host has left
        the inventory or another node has one of the names and addresses now.
    :raises InventoryError: when the result is no list that the approver could use.
    """
    found: dict[str, Entry] = {}
    for host, facts in known.items():
        name = str(names.get(host) or facts.get("node_name") or "")
        listed = str(addresses.get(host) or facts.get("address") or "")
        if name and listed:
            own = [one.strip() for one in listed.split(",") if one.strip()]
            if name in found:
                raise plan.InventoryError(
                    f"The hosts {found[name]['host']} and {host} are both the node {name}.",
                    "Give each its own cluster_node_name.",
                )
            found[name] = {"host": str(host), "addresses": own, "names": []}
    observed = {entry["host"] for entry in found.values()}
    kept = {
        str(name): entry
        for name, entry in previous.items()
        if isinstance(entry, t.Mapping) and entry.get("host") in known and entry.get("host") not in observed
    }
    taken = set(found) | {one for entry in found.values() for one in entry["addresses"]}
    for name, entry in kept.items():
        parts = {part: [str(one) for one in entry.get(part) or ()] for part in ("addresses", "names")}
        if not taken.intersection([name, *parts["addresses"], *parts["names"]]):
            # Further names come from `extra` only, which is complete.
            found[name] = {"host": str(entry["host"]), "addresses": parts["addresses"], "names": []}
    for name, entry in extra.items():
        own_entry = found.setdefault(str(name), {"addresses": [], "names": []})
        for part in ("addresses", "names"):
            more = (entry or {}).get(part) or []
            own_entry[part] = own_entry[part] + [one for one in more if one not in own_entry[part]]
    plan.parse_allowed(found)
    return dict(sorted(found.items()))
