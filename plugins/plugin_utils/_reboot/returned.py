# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Whether a node is back after its host has booted. Pure: objects of the API in, what is missing out.

A Node object stays as it was for up to 50 s when its host is gone, and its Pods look Ready all the time until the
kubelet has started them again. So neither tells anything by itself: what the kubelet reports has to be of the new boot.

It reports the boot id of its kernel, which must be the one that the host has now; each boot has another one. (A
container has that of its machine, unless its manager gives it one of its own, as systemd-nspawn does.) And no container
survives a boot, so none may have the id that it had before. Times are not compared: a host's clock may be wrong until
it is synchronised.
"""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.health import (
    Json,
    Unmet,
    condition,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._drain.plan import metadata, pod_name
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.ending import (
    being_deleted,
    finished,
)


def boot_id(node: Json) -> str:
    """The boot that the kubelet has reported last."""
    return str(((node.get("status") or {}).get("nodeInfo") or {}).get("bootID") or "")


def pod_view(pod: Json) -> dict[str, t.Any]:
    """What of a Pod tells later whether it was started again."""
    status = pod.get("status") or {}
    return {
        "pod": pod_name(pod),
        "ready": condition(pod, "Ready")[0],
        "containers": sorted(
            str(one.get("containerID"))
            for one in status.get("containerStatuses") or ()
            if (one.get("state") or {}).get("running") is not None
        ),
    }


def staying(pods: t.Iterable[Json]) -> list[Json]:
    """Pods that the kubelet starts again: those that have not finished and are not deleted."""
    return [pod for pod in pods if not finished(pod) and not being_deleted(pod)]


def missing(
    node: Json, pods: t.Iterable[Json], expected_boot: str, before: t.Iterable[Json]
) -> tuple[Unmet, ...]:
    """What is not back yet.

    :param expected_boot: boot id of the host now.
    :param before: views of its Pods before, as of C(pod_view). Those that were not Ready then are not waited for.
    """
    name = str(metadata(node).get("name"))
    step = f"Look at the kubelet's log on that host, and with: kubectl describe node {name}"
    found = boot_id(node)
    if found != expected_boot:
        text = f"its kubelet has not reported since the boot (boot id {found or 'none'})"
        return (Unmet(f"node {name}", text, f"boot id {expected_boot}", step),)
    unmet = []
    ready, reason = condition(node, "Ready")
    if not ready:
        unmet.append(Unmet(f"node {name}", reason, "Ready", step))
    known = {str(one["pod"]): one for one in before}
    for pod in staying(pods):
        view = pod_view(pod)
        was = known.get(view["pod"])
        if was is not None and not was["ready"]:
            continue
        old = set(was["containers"]) & set(view["containers"]) if was is not None else set()
        look = f"Look at it with: kubectl -n {metadata(pod).get('namespace')} describe pod {metadata(pod).get('name')}"
        if old:
            unmet.append(
                Unmet(f"Pod {view['pod']}", "its containers are those from before the boot", "new ones", look)
            )
        elif not view["ready"]:
            unmet.append(Unmet(f"Pod {view['pod']}", condition(pod, "Ready")[1], "Ready", look))
    return tuple(unmet)
