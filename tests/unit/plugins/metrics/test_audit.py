# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of metrics in expressions, and panels that read what does not exist."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics import audit, promql


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("up", ["up"]),
        ('up{job="node", cluster=~"$cluster"} == 0', ["up"]),
        ("sum by (node, job) (rate(node_cpu_seconds_total{mode!='idle'}[5m]))", ["node_cpu_seconds_total"]),
        ("sum(rate(a_total[$__rate_interval])) by (le) / ignoring(x) group_left(y) b", ["a_total", "b"]),
        ("histogram_quantile(0.99, sum by (le) (rate(x_bucket[1h30m] offset 5m)))", ["x_bucket"]),
        ("topk(5, job:x:rate5m) and on (node) y unless z", ["job:x:rate5m", "y", "z"]),
        ("time() - max(x) > 2 * 86400 # and comment_total", ["x"]),
        ('{__name__="quoted_total", job="a"}', ["quoted_total"]),
        ('{"utf8.name", job="a"}', ["utf8.name"]),
        ('{__name__=~"many_.*"}', []),
        ("label_replace(a, 'x', '$1', 'y', '(.*)')", ["a"]),
        ("x @ end() + x @ 1609746000 + vector(1) + -Inf + NaN", ["x"]),
        ("a > bool b or c atan2 d", ["a", "b", "c", "d"]),
        ("avg_over_time((up == 1)[10m:1m])", ["up"]),
        ("rate($metric[5m]) + ${metric} + up${suffix}", []),
        ("count(count by (node) (a)) + 1.5e3 + 0x1F + .5", ["a"]),
        ("a[5m", ["a"]),
        ("", []),
    ],
)
def test_metrics_of_an_expression(expression: str, names: list[str]) -> None:
    assert list(promql.metrics(expression)) == names


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ('label_values(node_uname_info{cluster="a"}, node)', ["node_uname_info"]),
        ("label_values(node)", []),
        ("query_result(topk(3, up))", ["up"]),
        ("metrics(node_.*)", []),
    ],
)
def test_metrics_of_a_variable(query: str, names: list[str]) -> None:
    assert list(promql.query_metrics(query)) == names


DASHBOARD = {
    "title": "Nodes",
    "templating": {"list": [{"type": "query", "name": "node", "query": {"query": "label_values(a, node)"}}]},
    "panels": [
        {
            "type": "row",
            "title": "CPU",
            "panels": [{"type": "stat", "title": "Load", "targets": [{"expr": "b / c"}]}],
        },
        {
            "type": "timeseries",
            "title": "Tasks",
            "targets": [{"expr": "container_tasks_state"}, {"expr": " "}],
        },
    ],
}
V2 = {
    "title": "Nodes",
    "elements": {
        "panel-1": {
            "kind": "Panel",
            "spec": {
                "title": "Tasks",
                "vizConfig": {"kind": "VizConfig"},
                "data": {
                    "spec": {"queries": [{"spec": {"query": {"spec": {"expr": "container_tasks_state"}}}}]}
                },
            },
        }
    },
}
RULES = """
groups:
  - name: nodes
    rules:
      - record: node:load
        expr: sum by (node) (node_load1)
      - alert: High
        expr: |
          node:load > 3
            and missing_total > 0
        annotations: {summary: "{{ $labels.node }}"}
"""


def test_dead_panels(tmp_path: Path) -> None:
    (tmp_path / "dashboards").mkdir()
    (tmp_path / "dashboards" / "nodes.json").write_text(json.dumps(DASHBOARD))
    (tmp_path / "dashboards" / "README.md").write_text("no dashboard")
    (tmp_path / "rules.yml").write_text(RULES)
    uses, recorded = audit.read([str(tmp_path / "dashboards")], [str(tmp_path / "rules.yml")])
    assert recorded == {"node:load"}
    found = audit.absent(uses, {"b", "node_load1", *recorded}, ["node"], ["c"])
    assert [one.line() for one in found] == [
        "dashboard Nodes, panel Tasks: Prometheus has no metric container_tasks_state: container_tasks_state",
        "dashboard Nodes, variable node: Prometheus has no metric a: label_values(a, node)",
        "rules rules.yml, High: Prometheus has no metric missing_total: node:load > 3 and missing_total > 0",
    ]
    assert found[0].as_dict()["metric"] == "container_tasks_state"


def test_panel_of_schema_2() -> None:
    assert [(use.where, use.names) for use in audit.of_dashboard(V2, "x.json")] == [
        ("dashboard Nodes, panel Tasks", ("container_tasks_state",))
    ]


def test_metrics_of_a_job_that_is_not_in_use_are_not_expected() -> None:
    uses = [audit.Use("x", "hubble_drop_total + cilium_a", ("hubble_drop_total", "cilium_a"))]
    assert [one.metric for one in audit.absent(uses, set(), ["cilium-agent"])] == ["cilium_a"]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.json", "{", "a.json is no JSON"),
        ("a.json", "[]", "a.json is no dashboard"),
        ("a.yml", "a: [", "a.yml is no YAML"),
        ("a.yml", "a: 1", "a.yml has no list groups"),
        ("b.json", None, "b.json cannot be read: No such file"),
    ],
)
def test_unreadable_file_is_named(tmp_path: Path, name: str, text: str | None, told: str) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    given: dict[str, t.Any] = {"dashboards": [], "rules": []}
    given["rules" if name.endswith("yml") else "dashboards"].append(str(path))
    with pytest.raises(OperatorError, match=told):
        audit.read(**given)


def test_dashboards_for_any_cluster_are_shown_as_that_of_one(tmp_path: Path) -> None:
    panel = {"type": "stat", "title": "Up", "targets": [{"expr": 'up{cluster="@cluster@"}'}]}
    (tmp_path / "a.json").write_text(json.dumps({"title": "@cluster@: Nodes", "panels": [panel]}))
    uses, _recorded = audit.read([str(tmp_path)], [], "prod")
    assert [(use.where, use.expression) for use in uses] == [
        ("dashboard prod: Nodes, panel Up", 'up{cluster="prod"}')
    ]
