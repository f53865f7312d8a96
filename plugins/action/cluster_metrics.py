# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of cluster_metrics; the module of the same name documents it."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._action import ControllerAction, Json
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api import connect
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.action import (
    API_OPTIONS,
    library_failure,
    say,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.objects import patiently
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics import (
    audit,
    graphite,
    jobs,
    targets,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics.expected import (
    Expected,
    Inventory,
    expected,
    read_node,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics.grafana import (
    Grafana,
    GrafanaError,
    HttpTransport,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics.verify import (
    Limits,
    Missing,
    Outcome,
    Request,
    escaped,
    verify,
)

_NODES = "/api/v1/nodes"
#: What a message lists; the results have all.
_SHOWN = 20
#: A metric that had samples in this time exists.
_AUDIT_SECONDS = 3600

_LIST: t.Final[Json] = {"type": "list", "elements": "str", "default": []}
_EMPTY: t.Final[Json] = {"missing": [], "stale": [], "ages": {}, "clocks": {}, "absent": [], "waited": 0.0}


def _shown(lines: t.Sequence[str]) -> str:
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return "\n".join(f"- {line}" for line in [*lines[:_SHOWN], *more])


def inventory_of(params: t.Mapping[str, t.Any]) -> Inventory:
    """What the options say about hosts."""
    return Inventory(
        control_planes=tuple(params["control_planes"]),
        workers=tuple(params["workers"]),
        metrics=tuple(params["metrics_hosts"]),
        names={host: str(name) for host, name in params["names"].items() if name},
        addresses={host: str(address) for host, address in params["addresses"].items() if address},
        removed=frozenset(params["removed"]),
    )


def report(outcome: Outcome, further: t.Sequence[Missing]) -> Json:
    """What a verification returns; a failure when something is not as expected."""
    missing = [*outcome.missing, *further]
    lines = [*outcome.lines(), *(one.line() for one in further)]
    result: Json = {
        "missing": [one.as_dict() for one in missing],
        "stale": [one.as_dict() for one in outcome.stale],
        "ages": {node: dict(ages) for node, ages in outcome.ages.items()},
        "clocks": dict(outcome.clocks),
        "waited": outcome.waited,
    }
    if lines:
        result["failed"] = True
        result["msg"] = (
            f"Metrics are not as expected after {outcome.waited:.0f} s, {len(lines)} finding(s):\n{_shown(lines)}"
        )
    return result


class ActionModule(ControllerAction):
    """Writes targets on the host of the task, and verifies from the controller that their samples arrive."""

    # Only what writes connects to the host.
    _requires_connection = True

    ARGUMENT_SPEC: t.ClassVar[Json] = {
        **API_OPTIONS,
        "api_timeout": {"type": "int", "default": 120},
        "cluster": {"type": "str", "required": True},
        "control_planes": {"type": "list", "elements": "str", "required": True},
        "workers": _LIST,
        "metrics_hosts": _LIST,
        "names": {"type": "dict", "default": {}},
        "addresses": {"type": "dict", "default": {}},
        "removed": _LIST,
        "strict": {"type": "bool", "default": True},
        "jobs": {"type": "list", "elements": "str", "default": list(jobs.DEFAULT)},
        "ports": {"type": "dict", "default": {}},
        "directory": {"type": "path"},
        "component": {"type": "str", "default": "prometheus_targets"},
        "url": {"type": "str"},
        "token": {"type": "str", "no_log": True},
        "ca": {"type": "path"},
        "timeout": {"type": "int", "default": 30},
        "use_proxy": {"type": "bool", "default": True},
        "datasource": {"type": "str"},
        "nodes": _LIST,
        "wait": {"type": "bool", "default": True},
        "deadline": {"type": "int", "default": 120},
        "max_age": {"type": "int", "default": 90},
        "clock_skew": {"type": "int", "default": 30},
        "graphite_datasource": {"type": "str"},
        "graphite_target": {"type": "str"},
        "graphite_max_age": {"type": "int", "default": 180},
        "dashboards": _LIST,
        "rules": _LIST,
        "optional_metrics": _LIST,
    }

    def perform(self, params: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> Json:
        """See C(ControllerAction)."""
        if failure := library_failure():
            return failure
        self._check(params)
        used = jobs.selected(params["jobs"], params["ports"])
        uses, recorded = audit.read(params["dashboards"], params["rules"], params["cluster"])
        inventory = inventory_of(params)
        members, warnings = self._expected(params, inventory)
        result: Json = {
            **_EMPTY,
            "changed": False,
            "nodes": [member.name for member in members.members],
            "pairs": len(members.pairs(used)),
        }
        if params["directory"]:
            written = self._write(params, targets.files(params["cluster"], members, used), task_vars)
            result |= written
            if written.get("failed") or written.get("unreachable"):
                return result
        if params["url"]:
            try:
                result |= self._read(params, members, inventory, used, (uses, recorded), warnings)
            except OperatorError as exc:
                # What was written before is not forgotten.
                return {**result, "failed": True, "msg": str(exc)}
        if warnings:
            result["warnings"] = warnings
        return result

    def _read(
        self,
        params: t.Mapping[str, t.Any],
        members: Expected,
        inventory: Inventory,
        used: tuple[jobs.Job, ...],
        audited: tuple[list[audit.Use], set[str]],
        warnings: list[str],
    ) -> Json:
        """Verify, and find what reads metrics that do not exist."""
        grafana = self._grafana(params, str(params["datasource"] or f"bmk-{params['cluster']}"))
        result = self._verify(params, grafana, members, inventory, used)
        uses, recorded = audited
        if uses and not result.get("failed"):
            names = {*self._names(grafana, params["cluster"]), *recorded}
            absent = audit.absent(uses, names, {job.name for job in used}, params["optional_metrics"])
            result["absent"] = [one.as_dict() for one in absent]
            warnings += [one.line() for one in absent]
        return result

    @staticmethod
    def _check(params: t.Mapping[str, t.Any]) -> None:
        if params["url"] and not params["token"]:
            raise OperatorError("grafana_url is set and there is no token.", "Set grafana_token.")
        if bool(params["graphite_datasource"]) != bool(params["graphite_target"]):
            raise OperatorError(
                "Only one of the data source of Graphite and its target is given.", "Expected both, or none."
            )

    def _expected(self, params: t.Mapping[str, t.Any], inventory: Inventory) -> tuple[Expected, list[str]]:
        """The hosts with metrics, and what a warning has to say.

        :raises OperatorError: when inventory and API disagree.
        """
        api = connect.connect(params["kubeconfig"], params["context"])
        # Objects of nodes are large, above all by their lists of images: only what is needed is kept.
        nodes = patiently(lambda: [read_node(node) for node in api.items(_NODES)], params["api_timeout"], say)
        found = expected(inventory, nodes)
        if not found.disagreements:
            return found, []
        text = _shown(found.disagreements)
        if params["strict"]:
            raise OperatorError(
                f"The inventory and the cluster disagree about {len(found.disagreements)} of the nodes. No target was"
                f" changed. Correct the inventory, or add or remove the nodes, and run again.\n{text}"
            )
        return found, [f"The inventory and the cluster disagree, so that these have no targets:\n{text}"]

    def _write(
        self, params: t.Mapping[str, t.Any], files: t.Mapping[str, str], task_vars: t.Mapping[str, t.Any]
    ) -> Json:
        """Have the host of the task write the files, all or none."""
        directory = str(params["directory"]).rstrip("/")
        arguments: Json = {
            "files": [
                {
                    "name": f"targets of the job {job}",
                    "dest": f"{directory}/{job}.json",
                    "mode": "0644",
                    "content": content,
                }
                for job, content in files.items()
            ],
        }
        if params["component"]:
            arguments["component"] = params["component"]
        written = self._execute_module(
            module_name="baremetal.kubernetes.artifact", module_args=arguments, task_vars=dict(task_vars)
        )
        kept = {
            key: written[key]
            for key in ("failed", "unreachable", "msg", "diff", "warnings")
            if key in written
        }
        paths = [one["dest"] for one in written.get("files") or () if one.get("changed")]
        return {**kept, "changed": bool(written.get("changed")), "written": paths}

    @staticmethod
    def _grafana(params: t.Mapping[str, t.Any], datasource: str) -> Grafana:
        transport = HttpTransport(
            params["url"], params["token"], params["ca"] or "", params["timeout"], params["use_proxy"]
        )
        return Grafana(transport, params["url"], datasource)

    def _verify(
        self,
        params: t.Mapping[str, t.Any],
        grafana: Grafana,
        members: Expected,
        inventory: Inventory,
        used: tuple[jobs.Job, ...],
    ) -> Json:
        # Targets that check mode did not write cannot bring samples, so there is nothing to wait for.
        deadline = float(params["deadline"]) if params["wait"] and not self._task.check_mode else 0.0
        limits = Limits(
            max_age=float(params["max_age"]),
            clock=float(params["clock_skew"]),
            nodes=frozenset(params["nodes"]),
            removed=frozenset(inventory.names.get(host, host) for host in inventory.removed),
        )
        if unknown := sorted(limits.nodes - {member.name for member in members.members}):
            raise OperatorError(
                f"{', '.join(unknown)}: metrics of this node have to be verified, and it is none of the inventory's"
                f" nodes ({', '.join(member.name for member in members.members[:_SHOWN])}).",
                "Correct its name.",
            )
        request = Request(params["cluster"], members, used, limits)
        began = time.monotonic()
        try:
            outcome = verify(grafana, request, deadline, say)
            further: tuple[Missing, ...] = ()
            if params["graphite_datasource"]:
                further = graphite.verify(
                    self._grafana(params, params["graphite_datasource"]),
                    members,
                    params["graphite_target"],
                    float(params["graphite_max_age"]),
                    max(0.0, deadline - (time.monotonic() - began)),
                    limits.nodes,
                )
        except GrafanaError as exc:
            pairs = request.pairs()
            raise OperatorError(
                exc.message,
                f"{exc.next_step} None of {len(pairs)} expected pairs of job and node could be verified, of"
                f" {len({node for _job, node in pairs if node})} nodes.",
            ) from exc
        return report(outcome, further)

    @staticmethod
    def _names(grafana: Grafana, cluster: str) -> frozenset[str]:
        """Names of all metrics of the cluster."""
        start = time.time() + (grafana.clock or 0.0) - _AUDIT_SECONDS
        data = grafana.proxied(
            "/api/v1/label/__name__/values",
            [("match[]", f'{{cluster="{escaped(cluster)}"}}'), ("start", f"{start:.0f}")],
        )
        return frozenset(map(str, data if isinstance(data, list) else ()))
