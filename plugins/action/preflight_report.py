# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs C(preflight_report) on the controller; the module of the same name documents it."""

from __future__ import annotations

import json
import os
import typing as t

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import write_atomic
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._action import ControllerAction
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight import (
    endpoint,
    identity,
    nodes,
    parameters,
    verdict,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight.model import (
    CHECKS,
    ERROR,
    IGNORED,
    WARNING,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight.networks import NETADDR_ERROR


class ActionModule(ControllerAction):
    """Compares what the controller knows of the hosts with the site's requirements."""

    ARGUMENT_SPEC = parameters.ARGUMENT_SPEC

    def perform(self, params: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """See C(ControllerAction)."""
        if NETADDR_ERROR is not None:
            return {"failed": True, "msg": missing_required_lib("netaddr"), "exception": NETADDR_ERROR}
        unknown = sorted({*params["ignore"], *params["warn"]} - set(CHECKS))
        if unknown:
            text = f"There is no check called {', '.join(unknown)} (ignore, warn). Choose from: {', '.join(CHECKS)}."
            return {"failed": True, "msg": text}
        return self._report(params)

    def _report(self, params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Evaluate all checks, and write the report."""
        ignored, warned = params["ignore"], params["warn"]
        hosts = [parameters.read_host(name, found, params) for name, found in params["hosts"].items()]
        findings = verdict.evaluate(hosts, parameters.read_site(params), ignored, warned)
        findings = verdict.arrange(
            [
                *parameters.check_ca(params["ca_file"]),
                *parameters.check_proxy(params),
                *endpoint.check_controller(params["endpoint"]),
                *identity.check_identities(hosts, params),
                *nodes.check_metadata(hosts, params),
                *nodes.check_nodes(hosts, params),
                *findings,
            ],
            hosts,
            ignored,
            warned,
        )
        counts = {name: sum(item.severity == name for item in findings) for name in (ERROR, WARNING, IGNORED)}
        report: dict[str, t.Any] = {
            "ok": counts[ERROR] == 0,
            "counts": counts,
            "findings": [item.as_dict() for item in findings],
        }
        outcome: dict[str, t.Any] = {"changed": False}
        if params["path"]:
            outcome = self._write(params["path"], {**report, "hosts": [host.name for host in hosts]})
        if counts[ERROR]:
            return {**report, **outcome, "failed": True, "msg": verdict.report(findings, len(hosts))}
        warnings = [*outcome.pop("warnings", ()), *verdict.warning_lines(findings)]
        return {**report, **outcome, **({"warnings": warnings} if warnings else {})}

    def _write(self, path: str, report: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Write the JSON file unless it is up to date."""
        path = os.path.abspath(path)
        text = json.dumps(report, indent=2, sort_keys=True) + "\n"
        try:
            with open(path, encoding="utf-8") as stream:
                before = stream.read()
        except (OSError, UnicodeDecodeError):
            before = ""
        if before != text and not self._task.check_mode:
            try:
                write_atomic(path, text.encode("utf-8"), 0o644)
            except OSError as exc:
                warning = (
                    f"The report could not be written to {path}: {exc}. Set preflight_json to another path."
                )
                return {"report_path": path, "changed": False, "warnings": [warning]}
        outcome: dict[str, t.Any] = {"report_path": path, "changed": before != text}
        if self._task.diff and before != text:
            outcome["diff"] = {"before": before, "after": text, "before_header": path, "after_header": path}
        return outcome
