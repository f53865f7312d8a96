# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Work out what is to be changed, from what audits of hosts said and what a person chose. Pure."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis import (
    catalogue,
    exemptions,
    model,
    profiles,
    remedies,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.combine import combine_named

CLASSES = tuple(risk for risk in catalogue.RISKS if risk != catalogue.NONE)

Json = dict[str, t.Any]


class SelectionError(OperatorError):
    """What was chosen does not exist."""


def select(words: t.Sequence[t.Any]) -> list[str]:
    """The checks that a person chose by id or by class of risk, in the order of the benchmark.

    :raises SelectionError: names what is unknown, and what is known.
    """
    if isinstance(words, str) or not isinstance(words, t.Sequence):
        raise SelectionError(f"cis_remediate is {words!r}, expected a list.", "Write it as a list.")
    unknown = [str(word) for word in words if str(word) not in (*CLASSES, *catalogue.CHECKS)]
    if unknown:
        raise SelectionError(
            f"cis_remediate has {', '.join(unknown)}; known are the classes {', '.join(CLASSES)} and the checks"
            f" {', '.join(catalogue.CHECKS)}.",
            "Correct it; put ids into quotes.",
        )
    chosen = {str(word) for word in words}
    return [check.id for check in catalogue.CHECKS.values() if {check.id, check.risk} & chosen]


def _failing(
    hosts: t.Mapping[str, t.Mapping[str, t.Any]],
    chosen: t.Collection[str],
    accepted: t.Callable[[str, str], bool],
    verdict: t.Callable[[t.Mapping[str, t.Any]], str],
) -> dict[str, dict[str, t.Mapping[str, t.Any]]]:
    """Results that fail, by id and host."""
    found: dict[str, dict[str, t.Mapping[str, t.Any]]] = {}
    for host, audit in hosts.items():
        for result in audit.get("results") or []:
            if result["id"] in chosen and verdict(result) == model.FAIL and not accepted(result["id"], host):
                found.setdefault(result["id"], {})[host] = result
    return {check_id: found[check_id] for check_id in sorted(found, key=model.sort_key)}


def _accepted(entries: t.Sequence[t.Any], profile: str, today: datetime.date) -> t.Callable[[str, str], bool]:
    """Whether the site accepts that a check fails on a host. Wrong entries are the report's to refuse."""
    found, _problems = exemptions.read_exemptions(entries)

    def accepted(check_id: str, host: str) -> bool:
        return any(
            exemption.id == check_id
            and profile in exemption.profiles
            and not exemption.expired(today)
            and exemption.covers(host, "", "")
            for exemption in found
        )

    return accepted


def unmet(check_id: str, hosts: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[str]:
    """Hosts that do not pass a check which every node must pass: those that could not be audited as well."""
    lacking = []
    for host, audit in hosts.items():
        own = {result["id"]: result for result in audit.get("results") or []}
        audited_as = audit.get("components")
        if audited_as is not None and "node" not in audited_as:
            continue
        if not _met(own.get(check_id) or {}):
            lacking.append(host)
    return lacking


def _met(result: t.Mapping[str, t.Any]) -> bool:
    """Whether a check passes; that a kubelet has files of another CA does not help an API server with the cluster's."""
    if result.get("status") != model.PASS:
        return False
    by_cluster = [item["observed"] for item in result["evidence"] if item["key"] == model.BY_CLUSTER]
    return result["id"] != "4.2.9" or by_cluster == ["true"]


def _fixes(results: t.Iterable[t.Mapping[str, t.Any]]) -> list[Json]:
    """What several checks say of files, each path once."""
    found: dict[str, Json] = {}
    for result in results:
        for fix in result.get("fixes") or []:
            own = found.setdefault(fix["path"], {"path": fix["path"], "mode": None, "uid": None, "gid": None})
            for key in ("mode", "uid", "gid"):
                if fix.get(key) is not None:
                    own[key] = _stricter(own[key], fix[key]) if key == "mode" else fix[key]
    return list(found.values())


def _stricter(one: str | None, other: str) -> str:
    return other if one is None else f"{int(one, 8) & int(other, 8):04o}"


def _left(check_id: str, hosts: t.Iterable[str], reason: str) -> Json:
    return {
        "id": check_id,
        "title": catalogue.CHECKS[check_id].title,
        "hosts": sorted(hosts),
        "reason": reason,
    }


def plan(
    hosts: t.Mapping[str, t.Mapping[str, t.Any]],
    words: t.Sequence[t.Any],
    exempt: t.Sequence[t.Any] = (),
    profile: str = profiles.DEFAULT,
    basis: str = profiles.EFFECTIVE,
    today: datetime.date | None = None,
) -> Json:
    """What is to be changed.

    Settings of the control plane and of kubelets are the cluster's: what fails on one host is asked for on all.

    :param hosts: what the module C(cis_node) returned, by host. :param words: ids and classes.
    :param exempt: exemptions of the site.
    :return: C(checks) (that fail and get a remedy), C(hosts) (with C(fixes) and C(etcd_user)), C(arguments), C(files)
        and C(kubelet_configuration) (for the module C(kubeadm)), C(serving) (whether requests of kubelets must be
        approved), C(waits) (checks whose remedy needs others first) and C(left) (what gets no remedy, and why).
    :raises SelectionError: for unknown words, or an unknown profile.
    """
    if profile not in profiles.PROFILES:
        raise SelectionError(
            f"There is no profile {profile}.", f"Choose from {', '.join(profiles.PROFILES)}."
        )
    release = profiles.PROFILES[profile]

    def verdict(result: t.Mapping[str, t.Any]) -> str:
        literal = result.get("literal") or result["status"]
        return release.verdict(result["id"], result["status"], literal, basis)

    chosen = select(words)
    accepted = _accepted(exempt, profile, today or datetime.datetime.now(datetime.timezone.utc).date())
    failing = _failing(hosts, chosen, accepted, verdict)
    made: Json = {"checks": [], "arguments": [], "kubelet_configuration": {}, "waits": [], "left": []}
    for check_id, results in failing.items():
        _take(made, check_id, results, hosts, failing)
    made["left"] += [
        _left(word, [], remedies.REMEDIES[word].reason)
        for word in map(str, words)
        if word in catalogue.CHECKS and catalogue.CHECKS[word].host_component == catalogue.CLUSTER
    ]
    by_file = [check_id for check_id in made["checks"] if remedies.REMEDIES[check_id].kind == remedies.FILE]
    made["hosts"] = {
        host: {
            "fixes": _fixes(failing[check_id][host] for check_id in by_file if host in failing[check_id]),
            "etcd_user": host in failing.get(remedies.ETCD_USER_CHECK, {}),
        }
        for host in hosts
    }
    paths = sorted({path for argument in made["arguments"] for path in argument.get("files") or []})
    made["files"] = [{"path": path, "content": remedies.CONTENTS[path], "secret": False} for path in paths]
    made["serving"] = bool({*remedies.SERVING_CHECKS} & {*made["checks"]})
    return made


def _take(
    made: Json,
    check_id: str,
    results: t.Mapping[str, t.Mapping[str, t.Any]],
    hosts: t.Mapping[str, t.Mapping[str, t.Any]],
    failing: t.Mapping[str, t.Any],
) -> None:
    """Put the remedy of one check to the others."""
    remedy = remedies.REMEDIES[check_id]
    if remedy.kind == remedies.NONE:
        made["left"].append(_left(check_id, results, remedy.reason))
        return
    if check_id == "3.2.2" and not {"3.2.1", "1.2.16"} & {*failing}:
        made["left"].append(_left(check_id, results, remedy.reason))
        return
    if remedy.needs:
        lacking = unmet(remedy.needs, hosts)
        if lacking:
            made["waits"].append(check_id)
            made["left"].append(
                _left(check_id, results, f"First {remedy.needs} must pass on {', '.join(lacking)}.")
            )
            return
    if remedy.kind == remedies.FILE:
        unfixed = [
            host
            for host, result in results.items()
            if not result.get("fixes") and check_id != remedies.ETCD_USER_CHECK
        ]
        if unfixed:
            made["left"].append(
                _left(check_id, unfixed, f"The audit knows no fix: {results[unfixed[0]]['message']}")
            )
        if len(unfixed) == len(results):
            return
    made["checks"].append(check_id)
    made["arguments"] += [item for item in map(dict, remedy.arguments) if item not in made["arguments"]]
    made["kubelet_configuration"] = combine_named(made["kubelet_configuration"], remedy.kubelet)
