# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Whether the cluster's DNS runs on one node alone though there are others. Pure: objects in, a Pod's name out.

kubeadm's Deployment prefers different nodes, but only the scheduler asks for that, and only once: both Pods of a new
cluster are scheduled while there is one node, and nothing moves them when others join. Evicting one Pod is enough, as
the scheduler then has a choice. No field of the Deployment changes, so an upgrade by kubeadm has nothing to overwrite.
"""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.health import Json, condition
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.ending import being_deleted

# From when a node is Ready until its taints for that are gone, and the scheduler has seen it.
_SETTLES = timedelta(seconds=10)


def _time(text: t.Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None


def _since(item: Json, kind: str) -> datetime | None:
    """Since when a condition is what it is."""
    for entry in (item.get("status") or {}).get("conditions") or ():
        if entry.get("type") == kind:
            return _time(entry.get("lastTransitionTime"))
    return None


def tolerates(pod: Json, taint: Json) -> bool:
    """Whether a Pod may be scheduled in spite of a taint."""
    if taint.get("effect") not in ("NoSchedule", "NoExecute"):
        return True
    for one in (pod.get("spec") or {}).get("tolerations") or ():
        key = one.get("key") or ""
        if one.get("effect") not in (None, "", taint.get("effect")):
            continue
        if key not in ("", taint.get("key")):
            continue
        if one.get("operator") == "Exists" or (
            key and (one.get("value") or "") == (taint.get("value") or "")
        ):
            return True
    return False


def _fits(pod: Json, node: Json) -> bool:
    """Whether a Pod may be scheduled on a node that is Ready."""
    spec = node.get("spec") or {}
    labels = (node.get("metadata") or {}).get("labels") or {}
    selector = (pod.get("spec") or {}).get("nodeSelector") or {}
    return (
        condition(node, "Ready")[0]
        and not spec.get("unschedulable", False)
        and all(labels.get(key) == value for key, value in selector.items())
        and all(tolerates(pod, taint) for taint in spec.get("taints") or ())
    )


def crowded(pods: t.Sequence[Json], nodes: t.Sequence[Json]) -> str:
    """The Pod to evict, empty when all is well.

    That is so while a Pod is not Ready, as the others have to answer, and when the scheduler had another node to choose
    when it placed the Pods: then it has its reasons, and would choose the same node again.

    :param pods: all Pods of one Deployment.
    """
    if len(pods) < 2 or any(being_deleted(pod) or not condition(pod, "Ready")[0] for pod in pods):
        return ""
    hosts = {(pod.get("spec") or {}).get("nodeName") for pod in pods}
    if len(hosts) != 1:
        return ""
    placed = [(_since(pod, "PodScheduled"), (pod.get("metadata") or {}).get("name")) for pod in pods]
    known = sorted((moment, str(name)) for moment, name in placed if moment is not None)
    if len(known) < len(pods):
        return ""
    moment, name = known[-1]
    for node in nodes:
        since = _since(node, "Ready")
        other = (node.get("metadata") or {}).get("name") not in hosts
        if other and since is not None and moment < since + _SETTLES and _fits(pods[0], node):
            return name
    return ""
