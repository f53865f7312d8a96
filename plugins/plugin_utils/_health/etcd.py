# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Evaluate what etcd's members say. Pure: results of C(etcd_info) in, findings out."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.status import CORRUPT, NOSPACE
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._health.model import (
    CRITICAL,
    WARNING,
    Finding,
    Host,
    Json,
    Limits,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight.model import mib

#: A database that is smaller is not worth the pause of a defragmentation.
_WORTH_BYTES = 64 * 1024**2
#: Above it, the database is about to be full.
_NEARLY_FULL = 95
#: Entries that a member may be behind its leader. It takes a snapshot every 10,000.
_BEHIND = 5000
_LOG = "Look at etcd's container on that host (crictl ps -a, crictl logs)"

_REPLACE = (
    "Remove this control plane (remove_node) and add it again (add_node): the other members have its data"
)

Findings = t.Iterator[Finding]


def best(hosts: t.Sequence[Host]) -> Json:
    """The result that knows most: a member without leader knows only of itself, a learner lists nobody."""

    def alive(result: Json) -> int:
        return int((result.get("quorum") or {}).get("alive") or 0)

    return max((host.etcd for host in hosts if host.etcd.get("members")), key=alive, default={})


def _host_of(member: Json, hosts: t.Sequence[Host]) -> str:
    """The host of a member, or what identifies the member."""
    known = {host.node_name: host.name for host in hosts}
    return str(known.get(member["name"], member["label"]))


def _quorum(result: Json) -> Findings:
    quorum = result["quorum"]
    voters, alive, needed = quorum["voters"], quorum["alive"], quorum["needed"]
    if alive < needed:
        yield Finding(
            "",
            "etcd_quorum",
            CRITICAL,
            f"{alive} of {voters} members that serve",
            f"at least {needed}, or the API answers nothing",
            "Start the others again; if most of them are lost for good, restore the cluster from the one that is left"
            " or from a backup (docs/backup.md)",
        )
    elif alive < voters and quorum["spare"] == 0:
        yield Finding(
            "",
            "etcd_quorum",
            CRITICAL,
            f"{alive} of {voters} members that serve: losing one more ends the cluster",
            "one that may be lost",
            "Repair or replace the failed member before any other work on a control plane",
        )
    elif voters > 1 and quorum["spare"] == 0:
        yield Finding(
            "",
            "etcd_quorum",
            WARNING,
            f"{voters} members, none of which may be lost",
            "three members, or one",
            "Add a control plane (docs/high-availability.md)",
        )


def _member(member: Json, host: str, result: Json, limits: Limits) -> Findings:
    if not member["name"]:
        yield Finding(
            host,
            "etcd_member",
            WARNING,
            f"member {member['id']} that has never started ({', '.join(member['peer_urls'])})",
            "a started one",
            "Run the playbook site, which completes an interrupted join, or repair_etcd, which removes it",
        )
        return
    if not member["healthy"]:
        why = member["error"] or "; ".join(member["errors"]) or "it does not reach a leader"
        yield Finding(host, "etcd_member", CRITICAL, f"a member that does not serve: {why}", "ok", _LOG)
        return
    if member["errors"]:
        yield Finding(host, "etcd_member", WARNING, "; ".join(member["errors"]), "no errors", _LOG)
    if member["learner"]:
        yield Finding(
            host,
            "etcd_learner",
            WARNING,
            "a learner, which does not vote",
            "a voting member",
            "Run the playbook repair_etcd, which promotes it or removes it",
        )
    leading = max((other["raft_index"] for other in result["members"]), default=0)
    if leading - member["raft_applied_index"] > _BEHIND:
        behind = leading - member["raft_applied_index"]
        yield Finding(
            host,
            "etcd_member",
            WARNING,
            f"a member {behind} entries behind the others",
            f"{_BEHIND} at most",
            "Look at the load of its disk, and at the network between the control planes",
        )
    yield from _database(member, host, limits)


def _database(member: Json, host: str, limits: Limits) -> Findings:
    if NOSPACE in member["alarms"]:
        return
    size, quota = member["db_size"], member["quota"]
    used = 100 * size // quota if quota else 0
    free = 100 * (size - member["db_size_in_use"]) // size if size else 0
    given_back = f"defragmentation would give back {free} %"
    if used >= limits.used:
        yield Finding(
            host,
            "etcd_database",
            CRITICAL if used >= _NEARLY_FULL else WARNING,
            f"a database of {mib(size)}, {used} % of its quota ({mib(quota)}); {given_back}",
            f"less than {limits.used} %",
            "Find out what fills it (docs/health.md), run the playbook repair_etcd with -e repair_etcd_defragment=true,"
            " or raise quota-backend-bytes in control_plane_cluster_configuration",
        )
    elif free > limits.free and size >= _WORTH_BYTES:
        yield Finding(
            host,
            "etcd_database",
            WARNING,
            f"a database of {mib(size)} with {free} % free pages",
            f"{limits.free} % at most",
            "When little is written, run the playbook repair_etcd with -e repair_etcd_defragment=true",
        )


def _alarms(member: Json, host: str) -> Findings:
    for alarm in member["alarms"]:
        if alarm == NOSPACE:
            yield Finding(
                host,
                "etcd_alarm",
                CRITICAL,
                f"the alarm NOSPACE: its database of {mib(member['db_size'])} has reached its quota"
                f" ({mib(member['quota'])}), and etcd refuses every write",
                "no alarm",
                "Run the playbook repair_etcd, which compacts, defragments and disarms",
            )
        else:
            what = "its data differ from those of the other members" if alarm == CORRUPT else "see etcd's log"
            yield Finding(
                host,
                "etcd_alarm",
                CRITICAL,
                f"the alarm {alarm}: {what}",
                "no alarm",
                "Back up the cluster, remove this control plane (remove_node) and add it again (add_node)",
            )


def _silent(host: Host, control_planes: int) -> Finding:
    """A host whose etcd does not answer; perhaps its disk was wiped."""
    found, step = f"no answer: {str(host.etcd['error']).rstrip('.')}", _LOG
    data = host.etcd.get("data_directory") or {}
    if data and "member" not in data["names"]:
        found += f"; {data['path']} has no data"
        step = (
            _REPLACE
            if control_planes > 1
            else "Restore the cluster from a backup (docs/backup.md), unless its disk is only not mounted"
        )
    return Finding(host.name, "etcd_member", CRITICAL, found, "an answer", step)


def check(hosts: t.Sequence[Host], limits: Limits) -> Findings:
    """All findings about etcd. Without an etcd on the control planes, none."""
    own = [host for host in hosts if host.control_plane and host.etcd.get("local")]
    result = best(own)
    # Learners list no members: what they say themselves is known from the others.
    learners = {_host_of(member, hosts) for member in result.get("members", ()) if member["learner"]}
    failed = {host.name for host in own if host.etcd.get("error")} - learners
    yield from (_silent(host, len(own)) for host in own if host.name in failed)
    if not result:
        return
    yield from _quorum(result)
    for member in result["members"]:
        host_name = _host_of(member, hosts)
        yield from _alarms(member, host_name)
        if host_name not in failed:
            yield from _member(member, host_name, result, limits)
    yield from _membership(own, result)
    versions = {member["version"] for member in result["members"] if member["version"]}
    if len(versions) > 1:
        told = ", ".join(
            f"{member['label']} {member['version']}" for member in result["members"] if member["version"]
        )
        yield Finding(
            "",
            "versions",
            WARNING,
            f"members of etcd of several versions: {told}",
            "one",
            "Complete the upgrade",
        )


def _membership(own: t.Sequence[Host], result: Json) -> Findings:
    names = {member["name"] for member in result["members"]}
    unnamed = [member for member in result["members"] if not member["name"]]
    for host in own:
        if host.member and host.node_name not in names and not unnamed:
            yield Finding(
                host.name,
                "etcd_member",
                CRITICAL,
                f"no member of etcd of this name (members: {', '.join(sorted(names))})",
                "one",
                _REPLACE,
            )


def table(hosts: t.Sequence[Host]) -> list[str]:
    """Lines that describe each member."""
    lines = []
    for member in best([host for host in hosts if host.control_plane]).get("members", ()):
        role = "learner" if member["learner"] else "leader" if member["leader"] else "follower"
        if not member["healthy"]:
            role = "failed"
        size, in_use, quota = member["db_size"], member["db_size_in_use"], member["quota"]
        share = f"{100 * size / quota:.1f} % of {mib(quota)}" if quota else ""
        without = "quorum without it" if member["survives"] else "NO quorum without it"
        lines.append(
            f"{_host_of(member, hosts):<20}{role:<10}{member['version'] or '-':<10}"
            f"{mib(size)} ({mib(in_use)} in use), {share}, {without}"
        )
    return lines
