# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Evaluate hosts, nodes, API servers, versions, certificates, clocks and the lock. Pure: facts in, findings out."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._backup.schedule import (
    SERVICE as _BACKUP_SERVICE,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.drift import (
    unknown_nodes,
    unknown_text,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.health import (
    condition,
    name_of,
    node_view,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._health import etcd
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._health.model import (
    CRITICAL,
    WARNING,
    Cluster,
    Finding,
    Host,
    Json,
    Limits,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight import model as preflight
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight.cluster_checks import clocks
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._upgrade.plan import (
    KUBELET_SKEW,
    parse_version,
)

#: A clock that is further away breaks tokens and certificates.
_BROKEN_CLOCK = 60.0
_PRESSURE = ("MemoryPressure", "DiskPressure", "PIDPressure")
_ORDER = {CRITICAL: 0, WARNING: 1}
_SHOWN_CERTIFICATES = 40
#: Intervals without a backup that are a finding: one may fail, and is tried again.
_MISSED_BACKUPS = 2

Findings = t.Iterator[Finding]


def _hosts(hosts: t.Sequence[Host]) -> Findings:
    for host in hosts:
        if host.error:
            yield Finding(
                host.name,
                "host",
                CRITICAL,
                host.error,
                "an answer",
                "Check that the host runs and that ssh reaches it; docs/recovery.md says what to do when it is lost",
            )


def _api(cluster: Cluster, names: t.Mapping[str, str]) -> Findings:
    if cluster.error:
        step = "Check that an API server runs and can be reached from here, and that the kubeconfig is the cluster's"
        yield Finding("", "api", CRITICAL, cluster.error, "an answer", step)
        return
    for node, told in sorted(cluster.servers.items()):
        if told:
            yield Finding(
                names.get(node, node),
                "api_server",
                WARNING if node in cluster.unreachable else CRITICAL,
                told,
                "/readyz answers ok",
                "Its pod is ready: let the controller reach its address and port"
                if node in cluster.unreachable
                else "Look at its container on that host (crictl ps -a, crictl logs)",
            )
    for item in cluster.unmet:
        yield Finding("", "system", CRITICAL, f"{item.object}: {item.found}", item.expected, item.next_step)


def _nodes(hosts: t.Sequence[Host], cluster: Cluster, names: t.Mapping[str, str], whole: bool) -> Findings:
    if cluster.error:
        return
    views = {view["name"]: view for view in map(node_view, cluster.nodes)}
    for node in cluster.nodes:
        name = name_of(node)
        host, view = names.get(name, name), views[name]
        if not view["ready"]:
            step = f"Look at the kubelet's log on that host, and with: kubectl describe node {name}"
            yield Finding(host, "node", CRITICAL, view["reason"], "Ready", step)
        elif not view["schedulable"]:
            step = "Return it to service (uncordon_node) when the work on it is done"
            yield Finding(host, "node", WARNING, "a node that is cordoned", "a schedulable one", step)
        for kind in _PRESSURE:
            if condition(node, kind)[0]:
                step = f"Free what it lacks; kubectl describe node {name} shows the kubelet's message"
                yield Finding(host, "node", WARNING, f"{kind}", f"no {kind}", step)
    for host in hosts:
        if not host.error and host.node_name not in views:
            member = host.member
            yield Finding(
                host.name,
                "node",
                CRITICAL if member else WARNING,
                f"no node {host.node_name} in the cluster",
                "a node for every host of the inventory",
                "Look at the kubelet's log on that host"
                if member
                else "Join it (add_node), or remove it from the inventory",
            )
    known = [host.node_name for host in hosts]
    unknown = unknown_nodes([{"name": name} for name in views], known) if whole else []
    if unknown:
        text, _sep, step = unknown_text(unknown).partition(" Expected a host for every node. ")
        yield Finding(
            "", "unknown_nodes", WARNING, text.rstrip("."), "a host for every node", step.rstrip(".")
        )


def _listed(versions: t.Mapping[str, str]) -> str:
    """Versions, each with the nodes that have it."""
    by_version: dict[str, list[str]] = {}
    for name, version in sorted(versions.items()):
        by_version.setdefault(version, []).append(name)
    return "; ".join(
        f"{version} ({', '.join(nodes[:5])}{f' and {len(nodes) - 5} more' if len(nodes) > 5 else ''})"
        for version, nodes in sorted(by_version.items())
    )


def _versions(cluster: Cluster, names: t.Mapping[str, str], wanted: str) -> Findings:
    servers = {state.name: state.api_server for state in cluster.states if state.api_server}
    kubelets = {state.name: state.kubelet for state in cluster.states if state.kubelet}
    parsed = [found for found in map(parse_version, servers.values()) if found]
    for name, version in sorted(kubelets.items()):
        own = parse_version(version)
        if not own or not parsed:
            continue
        if own[:2] > min(parsed)[:2]:
            expected = f"at most {'.'.join(map(str, min(parsed)[:2]))}, the oldest API server"
        elif own[1] + KUBELET_SKEW < max(parsed)[1]:
            expected = f"at least {max(parsed)[0]}.{max(parsed)[1] - KUBELET_SKEW}"
        else:
            continue
        yield Finding(
            names.get(name, name),
            "version_skew",
            CRITICAL,
            f"a kubelet of version {version}",
            expected,
            "Run the playbook upgrade",
        )
    for what, found in (("API servers", servers), ("kubelets", kubelets)):
        if len(set(found.values())) > 1:
            step = "Run the playbook upgrade, which continues where an earlier run ended"
            yield Finding(
                "", "versions", WARNING, f"{what} of several versions: {_listed(found)}", "one version", step
            )
        elif wanted and found and set(found.values()) != {wanted}:
            step = "Run the playbook upgrade, or correct cluster_kubernetes_version"
            yield Finding("", "versions", WARNING, f"{what} of version {_listed(found)}", wanted, step)


def _certificates(hosts: t.Sequence[Host], limits: Limits) -> Findings:
    steps = {
        "kubelet": "The kubelet renews it by itself: look at its log, and run the playbook renew_certificates",
        "nobody": "Run the playbook rotate_ca: all certificates end with it (docs/certificates.md)",
    }
    for host in hosts:
        if (host.node.get("kubernetes") or {}).get("new_cluster_id"):
            yield Finding(
                host.name,
                "certificate",
                WARNING,
                "a CA rotation that has not ended",
                "one CA",
                "Run the playbook rotate_ca, which completes it",
            )
        for own in host.certificates:
            if not own["expired"] and own["days_left"] > limits.within:
                continue
            found = own["error"] or (
                f"{'it has ended' if own['expired'] else 'it ends'} at {own['not_after']}"
            )
            yield Finding(
                host.name,
                "certificate",
                CRITICAL if own["expired"] else WARNING,
                f"{own['name']} ({own['path']}): {found}",
                f"an end in more than {limits.within} days",
                steps.get(own["renewed_by"], "Run the playbook renew_certificates"),
            )


def _backups(hosts: t.Sequence[Host]) -> Findings:
    for host in hosts:
        own = host.backups
        if not own.get("scheduled"):
            continue
        daemon = (host.node.get("daemons") or {}).get(_BACKUP_SERVICE) or {}
        age = own["age_hours"]
        expected = f"one every {own['interval']} hours"
        step = f"Look at the log of {_BACKUP_SERVICE} on that host"
        if own["error"]:
            found, expected = own["error"], "a configuration and a directory that can be read"
            step = "Run the playbook site"
        elif not daemon.get("running"):
            found, expected = f"{_BACKUP_SERVICE} does not run", "it runs"
            step = "Run the playbook site, which starts it"
        elif age is None:
            found = f"no backup in {own['directory']}"
        elif age > _MISSED_BACKUPS * own["interval"]:
            found = f"the newest backup in {own['directory']} of {own['made']}"
        else:
            continue
        yield Finding(host.name, "backup", WARNING, found, expected, step)


def _clocks(hosts: t.Sequence[Host], limits: Limits) -> Findings:
    read = [preflight.Host(host.name, "", host.node) for host in hosts if host.node]
    broken = [item.host for item in clocks(read, preflight.Site("", clock_skew_max=_BROKEN_CLOCK))]
    for item in clocks(read, preflight.Site("", clock_skew_max=limits.skew)):
        severity = CRITICAL if item.host in broken else WARNING
        yield Finding(item.host, "clock", severity, item.found, item.expected, item.fix.rstrip("."))


def _lock(cluster: Cluster) -> Findings:
    lock = cluster.lock
    if lock and lock.gone:
        yield Finding(
            "",
            "lock",
            WARNING,
            f"the lock of {lock.holder}, whose run is gone: {lock.gone}",
            "no lock without a run",
            "Run that operation again, as it was interrupted; a new run takes the lock over (docs/operation-lock.md)",
        )
    elif lock:
        step = "Run this again when it has ended: other findings may be its doing"
        yield Finding(
            "", "lock", WARNING, f"{lock.holder}, which changes the cluster now", "no operation", step
        )


def evaluate(
    hosts: t.Sequence[Host], cluster: Cluster, limits: Limits, wanted: str = "", whole: bool = True
) -> list[Finding]:
    """All findings: the cluster first, then hosts in their order, critical ones before warnings.

    :param wanted: version of Kubernetes by the inventory. :param whole: whether these are all hosts of the inventory.
    """
    names = {host.node_name: host.name for host in hosts}
    found = [
        *_api(cluster, names),
        *_hosts(hosts),
        *etcd.check(hosts, limits),
        *_nodes(hosts, cluster, names, whole),
        *_versions(cluster, names, wanted),
        *_certificates(hosts, limits),
        *_backups(hosts),
        *_clocks(hosts, limits),
        *_lock(cluster),
    ]
    place = {host.name: number for number, host in enumerate(hosts, start=1)}
    late = len(place) + 1
    return sorted(
        dict.fromkeys(found),
        key=lambda item: (place.get(item.host, late if item.host else 0), _ORDER[item.severity]),
    )


def backups_table(hosts: t.Sequence[Host]) -> list[str]:
    """A line for the newest backup of each control plane that makes some."""
    return [
        f"{host.name:<20}{own['made'] or 'none':<22}{own['size'] >> 10} KiB, {own['directory']}/{own['archive']}"
        for host in hosts
        if (own := host.backups) and own["scheduled"] and not own["error"]
    ]


def lines(findings: t.Iterable[Finding], severity: str) -> list[str]:
    """Findings of a severity, one line each; those that several hosts share are one line."""
    about: dict[str, list[str]] = {}
    for item in findings:
        if item.severity == severity:
            about.setdefault(item.line(), []).append(item.host or "the cluster")
    return [f"{', '.join(names)}: {text}" for text, names in about.items()]


def certificates_table(hosts: t.Sequence[Host]) -> list[str]:
    """Lines of a table of all certificates, the one that ends first at the top; of a large cluster, the first ones."""

    def left(own: Json) -> str:
        if own["error"]:
            return str(own["error"])
        return "EXPIRED" if own["expired"] else f"{own['days_left']} days"

    found = sorted(
        ((own["not_after"], host.name, own) for host in hosts for own in host.certificates),
        key=lambda entry: (entry[0], entry[1], entry[2]["name"]),
    )
    shown = [
        f"{name:<20}{own['name']:<26}{end or '-':<22}{left(own):<12}renewed by {own['renewed_by']}"
        for end, name, own in found[:_SHOWN_CERTIFICATES]
    ]
    more = len(found) - len(shown)
    return [*shown, f"and {more} more that end later"] if more else shown
