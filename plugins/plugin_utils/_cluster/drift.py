# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Nodes of a cluster that the inventory does not know. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.health import Json

_SHOWN = 10


def unknown_nodes(nodes: t.Iterable[Json], known: t.Collection[str]) -> list[str]:
    """Names of nodes that no host of the inventory has.

    :param nodes: as C(node_view) returns them. :param known: names of the nodes of the inventory; when there are none,
        it is not known which nodes are its own.
    """
    return sorted({str(node["name"]) for node in nodes} - set(known)) if known else []


def listed(names: t.Sequence[str]) -> str:
    """The first names, and how many there are besides."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def unknown_text(names: t.Sequence[str]) -> str:
    """What a run says about them."""
    return (
        f"{listed(names)}: found in the cluster, but no host of the inventory is this node, so no"
        " playbook manages it. Expected a host for every node. Add it to the inventory, or remove the node when its"
        " machine is gone."
    )
