# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Dead panels and rules: expressions with metrics that Prometheus does not have. Pure, but for reading files."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass
from pathlib import Path

import yaml
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics import promql
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics.dashboards import CLUSTER

#: Prefix of names -> the job that they come from; the longer ones first.
_OWNERS: t.Final[tuple[tuple[str, str], ...]] = (
    ("cilium_operator_", "cilium-operator"),
    ("cilium_", "cilium-agent"),
    ("hubble_", "hubble"),
    ("traefik_", "traefik"),
    ("certmanager_", "cert-manager"),
    ("coredns_", "coredns"),
    ("metrics_server_", "metrics-server"),
    ("etcd_", "etcd"),
    ("scheduler_", "kube-scheduler"),
)
#: What Prometheus has from the first event on only, in clusters of several control planes, with volumes, a RAID, or an
#: Alertmanager.
_LATE: t.Final = frozenset(
    {
        "ALERTS",
        "ALERTS_FOR_STATE",
        "apiserver_admission_webhook_rejection_count",
        "apiserver_flowcontrol_rejected_requests_total",
        "certmanager_certificate_expiration_timestamp_seconds",
        "cilium_drop_count_total",
        # A minute or two after the start of an agent.
        "cilium_unreachable_nodes",
        "etcd_network_peer_round_trip_time_seconds_bucket",
        "kubelet_volume_stats_available_bytes",
        "kubelet_volume_stats_capacity_bytes",
        "node_md_disks",
        "prometheus_notifications_errors_total",
    }
)


@dataclass(frozen=True)
class Use:
    """An expression of a dashboard or of a rule.

    :param where: dashboard and panel, or file and rule. :param names: the metrics that it reads.
    """

    where: str
    expression: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Absent:
    """A metric that does not exist where one is read."""

    metric: str
    where: str
    expression: str

    def line(self) -> str:
        """For people."""
        return f"{self.where}: Prometheus has no metric {self.metric}: {self.expression}"

    def as_dict(self) -> dict[str, str]:
        """For a result."""
        return {"metric": self.metric, "where": self.where, "expression": self.expression}


def _walk(value: t.Any, where: str, panel: str) -> t.Iterator[Use]:
    if isinstance(value, list):
        for item in value:
            yield from _walk(item, where, panel)
    if not isinstance(value, dict):
        return
    title = value.get("title")
    # The name of what has targets is its title, in schema v1 as in v2.
    own = title if isinstance(title, str) and title and ("type" in value or "vizConfig" in value) else panel
    expression = value.get("expr")
    if isinstance(expression, str) and expression.strip():
        shown = " ".join(expression.split())
        yield Use(f"{where}, panel {own}", shown, promql.metrics(expression))
    for item in value.values():
        yield from _walk(item, where, own)


def _variables(dashboard: t.Mapping[str, t.Any], where: str) -> t.Iterator[Use]:
    for variable in (dashboard.get("templating") or {}).get("list") or ():
        query = variable.get("query")
        text = query.get("query") if isinstance(query, dict) else query
        if variable.get("type") == "query" and isinstance(text, str) and text:
            yield Use(f"{where}, variable {variable.get('name')}", text, promql.query_metrics(text))


def of_dashboard(dashboard: t.Mapping[str, t.Any], name: str) -> list[Use]:
    """What a dashboard reads.

    :param name: of its file, for one without a title.
    """
    where = f"dashboard {dashboard.get('title') or name}"
    return [*_walk({**dashboard, "title": None}, where, "(none)"), *_variables(dashboard, where)]


def of_rules(document: t.Any, name: str) -> tuple[list[Use], set[str]]:
    """What a file of rules reads, and the names of the series that it records.

    :raises OperatorError: when it is none.
    """
    groups = document.get("groups") if isinstance(document, dict) else None
    if not isinstance(groups, list):
        raise OperatorError(f"{name} has no list groups, expected rules of Prometheus.", "Correct the file.")
    uses, recorded = [], set()
    for group in groups:
        for rule in group.get("rules") or ():
            title = rule.get("alert") or rule.get("record") or "(no name)"
            expression = str(rule.get("expr") or "")
            uses.append(
                Use(f"rules {name}, {title}", " ".join(expression.split()), promql.metrics(expression))
            )
            if rule.get("record"):
                recorded.add(str(rule["record"]))
    return uses, recorded


def _each(paths: t.Sequence[str], *suffixes: str) -> t.Iterator[tuple[Path, str]]:
    for given in paths:
        path = Path(given)
        try:
            found = (
                sorted(one for one in path.iterdir() if one.suffix in suffixes) if path.is_dir() else [path]
            )
            for one in found:
                yield one, one.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            reason = getattr(exc, "strerror", None) or "it is no text"
            raise OperatorError(f"{path} cannot be read: {reason}.", "Correct the path.") from exc


def read(
    dashboards: t.Sequence[str], rules: t.Sequence[str], cluster: str = CLUSTER
) -> tuple[list[Use], set[str]]:
    """Everything that files read, and the series that rules record.

    :param dashboards: :param rules: files, or directories of them. :param cluster: as which dashboards for any cluster
        are shown.
    :raises OperatorError: for a file that cannot be read.
    """
    uses: list[Use] = []
    recorded: set[str] = set()
    for path, text in _each(dashboards, ".json"):
        try:
            dashboard = json.loads(text.replace(CLUSTER, cluster))
        except ValueError as exc:
            raise OperatorError(f"{path} is no JSON: {exc}.", "Correct the file.") from exc
        if not isinstance(dashboard, dict):
            raise OperatorError(f"{path} is no dashboard, expected a JSON object.", "Correct the file.")
        uses += of_dashboard(dashboard, path.name)
    for path, text in _each(rules, ".yml", ".yaml"):
        try:
            document = yaml.safe_load(text)
        except yaml.YAMLError as exc:
            raise OperatorError(f"{path} is no YAML: {exc}.", "Correct the file.") from exc
        found, names = of_rules(document, path.name)
        uses += found
        recorded |= names
    return uses, recorded


def absent(
    uses: t.Iterable[Use],
    known: t.Collection[str],
    jobs: t.Collection[str],
    optional: t.Collection[str] = (),
) -> list[Absent]:
    """Which of them read what does not exist.

    :param known: names of all metrics. :param jobs: that are in use: metrics of others are not expected.
    :param optional: names that need not exist yet.
    """
    known = {*known, *optional, *_LATE}
    found: dict[Absent, None] = {}
    for use in uses:
        for name in use.names:
            owner = next((job for prefix, job in _OWNERS if name.startswith(prefix)), "")
            if name not in known and (not owner or owner in jobs):
                found[Absent(name, use.where, use.expression)] = None
    return list(found)
