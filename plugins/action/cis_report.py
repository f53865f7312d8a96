# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of cis_report; the module of the same name documents it.

It is not a module, as Ansible passes arguments of modules through a file and returns them with the result: those of
hundreds of hosts are dozens of megabytes.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark import profiles
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report import (
    drift,
    exemptions,
    files,
    merge,
    shipped,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report import json as as_json
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report.model import (
    STATUSES,
    Drift,
    Report,
    Row,
    counts,
    summary,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report.policy import (
    Policy,
    accepted,
    message,
)

#: Large arguments, which are not validated.
_LARGE = ("hosts", "cluster")
_ONE_OF = "Give either hosts, or variable with expected."
ARGUMENT_SPEC: dict[str, t.Any] = {
    "variable": {"type": "str", "default": ""},
    "expected": {"type": "dict", "default": {}},
    "cluster_name": {"type": "str", "default": "kubernetes"},
    "kubernetes_version": {"type": "str", "default": ""},
    "profile": {"type": "str", "default": profiles.DEFAULT},
    "verdict": {"type": "str", "default": profiles.EFFECTIVE, "choices": list(profiles.BASES)},
    "exemptions": {"type": "list", "elements": "dict", "default": []},
    "shipped_exemptions": {"type": "bool", "default": True},
    "attestations": {"type": "list", "elements": "dict", "default": []},
    "dest": {"type": "path"},
    "formats": {
        "type": "list",
        "elements": "str",
        "default": list(files.FORMATS),
        "choices": list(files.FORMATS),
    },
    "previous": {"type": "path"},
    "fail_on": {
        "type": "dict",
        "apply_defaults": True,
        "options": {
            "levels": {"type": "list", "elements": "int", "default": [1, 2], "choices": [1, 2]},
            "statuses": {
                "type": "list",
                "elements": "str",
                "default": ["fail", "error"],
                "choices": list(STATUSES),
            },
            "threshold": {"type": "int", "default": 0},
            "automated_only": {"type": "bool", "default": False},
        },
    },
    "timestamp": {"type": "str", "default": ""},
}
#: Warnings that a run shows.
_WARNINGS = 20
#: Changes of each kind in a result.
_CHANGES = 100


class RefusedError(Exception):
    """The arguments are invalid; nothing was written."""


def registered(name: str, hosts: t.Iterable[str], task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """A registered variable of several hosts, untemplated.

    A result has no templates, and templating those of hundreds of hosts would take longer than everything else.
    """
    found = {}
    hostvars = task_vars["hostvars"]
    for host in hosts:
        found[host] = hostvars.raw_get(host).get(name) if host in hostvars else None
    return found


def read_time(text: str) -> datetime.datetime:
    """Time of the report, now by default."""
    if not text:
        return datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    try:
        found = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as exc:
        raise RefusedError(f"timestamp is {text}, expected a time such as 2026-11-21T20:00:00Z.") from exc
    return found.astimezone(datetime.UTC) if found.tzinfo else found.replace(tzinfo=datetime.UTC)


def read_expected(given: t.Mapping[t.Any, t.Any]) -> dict[str, list[str]]:
    """Components by host."""
    found: dict[str, list[str]] = {}
    for name, components in given.items():
        items = [components] if isinstance(components, str) else components
        if not isinstance(items, (list, tuple)) or any(item not in merge.COMPONENTS for item in items):
            raise RefusedError(
                f"expected of {name} is {components}, expected a list of {', '.join(merge.COMPONENTS)}."
            )
        found[str(name)] = [str(item) for item in items]
    return found


def read_input(params: t.Mapping[str, t.Any], hosts: t.Any, cluster: t.Any, version: str) -> merge.Input:
    """Input of the report.

    :raises RefusedError: with all problems of exemptions and attestations at once.
    """
    if not isinstance(hosts, dict):
        raise RefusedError("hosts must be a dictionary of results by host, as the role cis registers them.")
    if params["profile"] not in profiles.PROFILES:
        raise RefusedError(
            f"There is no profile {params['profile']}. Choose from: {', '.join(profiles.PROFILES)}."
        )
    own, problems = exemptions.read_exemptions(params["exemptions"])
    brought: list[exemptions.Exemption] = []
    if params["shipped_exemptions"]:
        brought, wrong = exemptions.read_exemptions(shipped.EXEMPTIONS, "shipped exemptions", shipped=True)
        problems += wrong
    attestations, wrong = exemptions.read_attestations(params["attestations"])
    problems += wrong
    if problems:
        raise RefusedError("\n".join(["Nothing was written, as these entries are invalid:", *problems]))
    return merge.Input(
        hosts=hosts,
        expected=read_expected(params["expected"]),
        audit=cluster,
        cluster=params["cluster_name"],
        profile=profiles.PROFILES[params["profile"]],
        time=read_time(params["timestamp"]),
        kubernetes_version=params["kubernetes_version"],
        basis=params["verdict"],
        tool_version=version,
        exemptions=[*own, *brought],
        attestations=attestations,
    )


def compare(report: Report, path: str) -> Drift:
    """Compare with the report in a file."""
    try:
        with open(path, "rb") as stream:
            before = drift.read(stream.read())
    except FileNotFoundError:
        return Drift(note="There is no previous report to compare with.")
    except OSError as exc:
        return Drift(note=f"The previous report, {path}, cannot be read: {exc.strerror}.")
    except ValueError as exc:
        return Drift(note=f"The previous report, {path}, cannot be read: {exc}.")
    return drift.compare(before, report)


def failures(report: Report, rows: t.Iterable[Row]) -> list[dict[str, t.Any]]:
    """Results that count, one entry for each check and status."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.check, row.status), []).append(row)
    return [
        {
            "id": identifier,
            "title": report.checks[identifier].title,
            "level": report.checks[identifier].level,
            "status": status,
            "hosts": [row.host for row in same if row.host],
            "message": same[0].message,
        }
        for (identifier, status), same in found.items()
    ]


def host_results(report: Report) -> dict[str, t.Any]:
    """How many results of each status every host has, and when it was audited: what the host may tell Prometheus."""
    statuses: dict[str, list[str]] = {}
    for row in report.rows:
        if row.host:
            statuses.setdefault(row.host, []).append(row.status)
    at = int(report.time.timestamp())
    return {host: {"time": at, "checks": counts(found)} for host, found in statuses.items()}


def returned_drift(report: Report) -> dict[str, t.Any]:
    """Drift with shortened lists; the JSON report has all of it."""
    found = {
        name: value[:_CHANGES] if isinstance(value, list) else value
        for name, value in as_json.drift(report).items()
    }
    return {**found, "counts": report.drift.counts()}


def collection_version() -> str:
    """Version of the installed collection; empty in a checkout."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    try:
        with open(os.path.join(root, "MANIFEST.json"), encoding="utf-8") as stream:
            return str(json.load(stream)["collection_info"]["version"])
    except (OSError, ValueError, KeyError):
        return ""


class ActionModule(ActionBase):
    """Merges results that the controller has, and writes files there; contacts no host."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the action.

        :return: what the module's documentation lists.
        """
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        given = self._task.args
        large = {name: given.get(name) for name in _LARGE}
        checked = ArgumentSpecValidator(ARGUMENT_SPEC).validate(
            {name: value for name, value in given.items() if name not in _LARGE}
        )
        if checked.error_messages:
            return {**result, "failed": True, "msg": "; ".join(checked.error_messages)}
        params = checked.validated_parameters
        try:
            hosts = large["hosts"]
            if bool(params["variable"]) == ("hosts" in given):
                raise RefusedError(_ONE_OF)
            if params["variable"]:
                hosts = registered(params["variable"], read_expected(params["expected"]), task_vars or {})
            read = read_input(params, hosts, large["cluster"], collection_version())
        except RefusedError as exc:
            return {**result, "failed": True, "msg": str(exc)}
        return {**result, **self._report(params, read)}

    def _report(self, params: t.Mapping[str, t.Any], read: merge.Input) -> dict[str, t.Any]:
        """Merge, compare and write the report, and decide whether it is accepted."""
        report = merge.merge(read)
        dest = os.path.abspath(params["dest"]) if params["dest"] else ""
        before = params["previous"] or (os.path.join(dest, files.FORMATS["json"].file) if dest else "")
        if before:
            report = dataclasses.replace(report, drift=compare(report, before))
        written: dict[str, str] = {}
        if dest and not self._task.check_mode:
            try:
                written = files.write(report, dest, params["formats"])
            except OSError as exc:
                return {
                    "failed": True,
                    "msg": f"{exc.filename or dest} cannot be written: {exc.strerror}."
                    " Choose a directory on the controller that you can write.",
                }
        policy = Policy(
            tuple(params["fail_on"]["levels"]),
            tuple(params["fail_on"]["statuses"]),
            params["fail_on"]["threshold"],
            params["fail_on"]["automated_only"],
        )
        rows = policy.counted(report)
        texts = [*report.notices, *report.warnings]
        for text in texts[:_WARNINGS]:
            self._display.warning(text)
        broken = policy.broken(rows)
        where = written.get("html") or next(iter(written.values()), "")
        return {
            "changed": False,
            "failed": broken,
            "msg": message(report, rows, policy, where) if broken else accepted(report, where),
            "summary": summary(report),
            "host_results": host_results(report),
            "failures": failures(report, rows),
            "drift": returned_drift(report),
            "notices": list(report.notices),
            "report_warnings": list(report.warnings),
            "files": written,
        }
