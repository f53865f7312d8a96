# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Plan the remediation of failed checks, from the audits of all hosts and what the operator chose. Pure."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis import model
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.combine import combine_named
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark import (
    catalogue,
    profiles,
    remedies,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark.check import (
    CLUSTER,
    NONE,
    RISKS,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report import exemptions

#: What C(cis_remediate) takes beside ids.
CLASSES = tuple(risk for risk in RISKS if risk != NONE)

Json = dict[str, t.Any]


class SelectionError(OperatorError):
    """An unknown check, class or profile was chosen."""


def select(selection: t.Sequence[t.Any]) -> list[str]:
    """The checks that were chosen by id or by class of risk, in the order of the benchmark.

    :raises SelectionError: for something unknown; names what is known.
    """
    if isinstance(selection, str) or not isinstance(selection, t.Sequence):
        raise SelectionError(f"cis_remediate is {selection!r}, expected a list.", "Write it as a list.")
    unknown = [str(item) for item in selection if str(item) not in (*CLASSES, *catalogue.CHECKS)]
    if unknown:
        raise SelectionError(
            f"cis_remediate has {', '.join(unknown)}, expected classes ({', '.join(CLASSES)}) or ids of checks"
            f" ({', '.join(catalogue.CHECKS)}).",
            "Correct it; put ids into quotes.",
        )
    chosen = {str(item) for item in selection}
    return [check.id for check in catalogue.CHECKS.values() if {check.id, check.risk} & chosen]


def _failing(
    hosts: t.Mapping[str, t.Mapping[str, t.Any]],
    chosen: t.Collection[str],
    accepted: t.Callable[[str, str], bool],
    verdict: t.Callable[[t.Mapping[str, t.Any]], str],
) -> dict[str, dict[str, t.Mapping[str, t.Any]]]:
    """Failed results, by id and host."""
    found: dict[str, dict[str, t.Mapping[str, t.Any]]] = {}
    for host, audit in hosts.items():
        for result in audit.get("results") or []:
            if result["id"] in chosen and verdict(result) == model.FAIL and not accepted(result["id"], host):
                found.setdefault(result["id"], {})[host] = result
    return {check_id: found[check_id] for check_id in sorted(found, key=model.sort_key)}


def _accepted(entries: t.Sequence[t.Any], profile: str, today: datetime.date) -> t.Callable[[str, str], bool]:
    """Whether an exemption covers a check on a host. Invalid exemptions are ignored here; the report refuses them."""
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
    """Hosts that do not pass a check which every node has to pass, including hosts that could not be audited."""
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
    """Whether a check passes. A kubelet certificate of another CA is useless to an API server with the cluster's."""
    if result.get("status") != model.PASS:
        return False
    by_cluster = [item["observed"] for item in result["evidence"] if item["key"] == model.BY_CLUSTER]
    return result["id"] != "4.2.9" or by_cluster == ["true"]


def _fixes(results: t.Iterable[t.Mapping[str, t.Any]]) -> list[Json]:
    """The fixes of several checks, each path once."""
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


def _skipped(check_id: str, hosts: t.Iterable[str], reason: str) -> Json:
    return {
        "id": check_id,
        "title": catalogue.CHECKS[check_id].title,
        "hosts": sorted(hosts),
        "reason": reason,
    }


def plan(
    hosts: t.Mapping[str, t.Mapping[str, t.Any]],
    selection: t.Sequence[t.Any],
    exempt: t.Sequence[t.Any] = (),
    profile: str = profiles.DEFAULT,
    basis: str = profiles.EFFECTIVE,
    today: datetime.date | None = None,
) -> Json:
    """The remediation that a selection needs.

    Settings of the control plane and of kubelets belong to the cluster: what fails on one host is changed on all.

    :param hosts: results of the module C(cis_node) by host. :param selection: ids and classes.
    :param exempt: exemptions of the site; what they cover is left alone.
    :return: C(checks) (that fail and are remediated), C(hosts) (with C(fixes) and C(etcd_user)), C(arguments), C(files)
        and C(kubelet_configuration) (for the module C(kubeadm_reconfigure)), C(serving) (whether kubelets' CSRs have to
        be approved), C(waiting) (checks for which others have to pass first) and C(skipped) (what is not remediated,
        and why).
    :raises SelectionError: for an unknown check, class or profile.
    """
    if profile not in profiles.PROFILES:
        raise SelectionError(
            f"There is no profile {profile}.", f"Choose from {', '.join(profiles.PROFILES)}."
        )
    release = profiles.PROFILES[profile]

    def verdict(result: t.Mapping[str, t.Any]) -> str:
        literal = result.get("literal") or result["status"]
        return release.verdict(result["id"], result["status"], literal, basis)

    chosen = select(selection)
    accepted = _accepted(exempt, profile, today or datetime.datetime.now(datetime.UTC).date())
    failing = _failing(hosts, chosen, accepted, verdict)
    made: Json = {"checks": [], "arguments": [], "kubelet_configuration": {}, "waiting": [], "skipped": []}
    for check_id, results in failing.items():
        _add(made, check_id, results, hosts, failing)
    made["skipped"] += [
        _skipped(item, [], catalogue.CHECKS[item].remedy.reason)
        for item in map(str, selection)
        if item in catalogue.CHECKS and catalogue.CHECKS[item].host_component == CLUSTER
    ]
    by_file = [
        check_id for check_id in made["checks"] if catalogue.CHECKS[check_id].remedy.kind == remedies.FILE
    ]
    made["hosts"] = {
        host: {
            "fixes": _fixes(failing[check_id][host] for check_id in by_file if host in failing[check_id]),
            "etcd_user": host in failing.get(catalogue.ETCD_USER_CHECK, {}),
        }
        for host in hosts
    }
    paths = sorted({path for argument in made["arguments"] for path in argument.get("files") or []})
    made["files"] = [{"path": path, "content": remedies.CONTENTS[path], "secret": False} for path in paths]
    made["serving"] = bool({*catalogue.SERVING_CHECKS} & {*made["checks"]})
    return made


def _add(
    made: Json,
    check_id: str,
    results: t.Mapping[str, t.Mapping[str, t.Any]],
    hosts: t.Mapping[str, t.Mapping[str, t.Any]],
    failing: t.Mapping[str, t.Any],
) -> None:
    """Add the remedy of one check, or the reason why there is none."""
    remedy = catalogue.CHECKS[check_id].remedy
    if remedy.kind == remedies.NONE:
        made["skipped"].append(_skipped(check_id, results, remedy.reason))
        return
    if check_id == "3.2.2" and not {"3.2.1", "1.2.16"} & {*failing}:
        made["skipped"].append(_skipped(check_id, results, remedy.reason))
        return
    if remedy.needs:
        lacking = unmet(remedy.needs, hosts)
        if lacking:
            made["waiting"].append(check_id)
            made["skipped"].append(
                _skipped(check_id, results, f"{remedy.needs} has to pass on {', '.join(lacking)} first.")
            )
            return
    if remedy.kind == remedies.FILE:
        unfixed = [
            host
            for host, result in results.items()
            if not result.get("fixes") and check_id != catalogue.ETCD_USER_CHECK
        ]
        if unfixed:
            made["skipped"].append(
                _skipped(check_id, unfixed, f"The audit has no fix: {results[unfixed[0]]['message']}")
            )
        if len(unfixed) == len(results):
            return
    made["checks"].append(check_id)
    made["arguments"] += [item for item in map(dict, remedy.arguments) if item not in made["arguments"]]
    made["kubelet_configuration"] = combine_named(made["kubelet_configuration"], remedy.kubelet)
