# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Read from the API what the health of a cluster is reported by, and take what hosts have said."""

from __future__ import annotations

import datetime
import re
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import ApiError, Client
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster import health, lease
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.lock import (
    Decision,
    Operation,
    Process,
    decide,
    holder_of,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.observe import observe
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._health.model import (
    Cluster,
    Host,
    Json,
    Lock,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._upgrade.observe import node_state

_CHECKS = ("control_plane", "system_pods")
_FAILED_CHECK = re.compile(r"^\[-\](\S+)", re.MULTILINE)
_SERVER = "kube-apiserver"


def read_host(
    name: str,
    control_plane: bool,
    node: Json,
    certificates: Json | None,
    etcd: Json | None,
    backups: Json | None = None,
) -> Host:
    """A host by the results of its tasks."""
    facts = node.get("node")
    error = ""
    if facts is None:
        why = re.sub(r"^Task failed: ", "", str(node.get("msg") or "no result"))[:300].rstrip(".\n ")
        error = f"no answer: {why}" if node.get("unreachable") else f"it cannot be read: {why}"
    elif certificates is not None and "certificates" not in certificates:
        error = f"its certificates cannot be read: {certificates.get('msg', '')}"
    elif etcd is not None and "members" not in etcd and not etcd.get("skipped"):
        error = f"its etcd cannot be read: {etcd.get('msg', '')}"
    elif backups is not None and "scheduled" not in backups and not backups.get("skipped"):
        error = f"its backups cannot be read: {backups.get('msg', '')}"
    return Host(
        name,
        control_plane,
        error,
        facts or {},
        tuple((certificates or {}).get("certificates") or ()),
        etcd if etcd and "members" in etcd else {},
        backups if backups and "scheduled" in backups else {},
    )


def _server(node: str, address: str, server_at: t.Callable[[str], Client]) -> tuple[str, bool]:
    """Why an API server is not ready, and whether it cannot even be reached."""
    if not address:
        return "", False
    try:
        status, text = server_at(address).request("/readyz?verbose")
    except ApiError as exc:
        return exc.message.rstrip("."), True
    failed = ", ".join(_FAILED_CHECK.findall(text))
    if status == 200 and not failed:
        return "", False
    return f"/readyz answers HTTP {status}{f', failed checks: {failed}' if failed else ''}", False


def _address(node: Json) -> str:
    """Where the API server of a node listens."""
    entries = (node.get("status") or {}).get("addresses") or ()
    return next((str(one.get("address")) for one in entries if one.get("type") == "InternalIP"), "")


def _lock(api: Client) -> Lock | None:
    found = api.get(lease.LEASE)
    holder = holder_of(found) if found else None
    if holder is None:
        return None
    nobody = Operation("", "", Process("", 0, ""))
    decision = decide(holder, nobody, lease.alive(holder), datetime.datetime.now(datetime.UTC))
    gone = {
        Decision.LEFT: "it was started on this controller and does not run any more",
        Decision.EXPIRED: f"it has not been renewed since {holder.renewed}",
    }
    return Lock(str(holder), gone.get(decision, ""))


def read_cluster(api: Client, server_at: t.Callable[[str], Client]) -> Cluster:
    """The cluster as it is now.

    :param server_at: the client of the API server at an address.
    """
    seen = observe(api)
    if seen.error:
        return Cluster(error=seen.error)
    pods = {
        (
            str((pod.get("spec") or {}).get("nodeName")),
            str((pod["metadata"].get("labels") or {}).get("component")),
        ): pod
        for pod in seen.static_pods
    }
    views = [health.node_view(node) for node in seen.nodes]
    addresses = {health.name_of(node): _address(node) for node in seen.nodes}
    servers, unreachable = {}, set()
    for name in (view["name"] for view in views if "control-plane" in view["roles"]):
        servers[name], lost = _server(name, addresses[name], server_at)
        # Where the kubelet's own probe succeeds, it is the network of the controller.
        if lost and health.condition(pods.get((name, _SERVER)) or {}, "Ready")[0]:
            unreachable.add(name)
    verdict = health.evaluate(seen, health.Expectation(checks=_CHECKS))
    try:
        lock = _lock(api)
    except ApiError:
        lock = None
    return Cluster(
        nodes=seen.nodes,
        states=tuple(node_state(node, pods) for node in seen.nodes),
        servers=servers,
        unreachable=frozenset(unreachable),
        unmet=verdict.unmet,
        lock=lock,
    )
