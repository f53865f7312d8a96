# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Which cluster a host belongs to. Pure."""

from __future__ import annotations

import typing as t


def clusters(kubernetes: t.Mapping[str, t.Mapping[str, t.Any]]) -> dict[str, str | None]:
    """The cluster of each host.

    A CA rotation ends on one host after the other. Those where it has ended know the new CA alone, and are in the same
    cluster as those that know both.

    :param kubernetes: host -> C(kubernetes) of C(node_info).
    :return: host -> identifier, which is that of the former CA until a rotation has ended everywhere.
    """
    former = {one.get("new_cluster_id"): one.get("cluster_id") for one in kubernetes.values()}
    former.pop(None, None)
    found = {host: one.get("cluster_id") for host, one in kubernetes.items()}
    return {host: former.get(own, own) for host, own in found.items()}
