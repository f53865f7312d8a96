# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture of a dashboard, from answers of /api/ds/query."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics.dashboards import of_cluster
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics.grafana import Answer

from tests.dashboards import plot
from tests.dashboards.content import COMPLIANCE, CONTROL_PLANE, OVERVIEW

Json = dict[str, Any]


def answer(_method: str, _path: str, body: Json) -> Answer:
    """Two nodes for every query; a point is missing."""
    results = {}
    for query in body["queries"]:
        assert "$" not in query["expr"] and "@" not in query["expr"]
        end = int(body["to"])
        times = [end] if query.get("instant") else [end - 60_000, end - 30_000, end]
        values = [[0.1, None, 0.3][-len(times) :], [0.2, 0.3, 0.4][-len(times) :]]
        results[query["refId"]] = {
            "frames": [
                {
                    "schema": {
                        "fields": [
                            {"name": "Time", "type": "time"},
                            {
                                "name": "Value",
                                "type": "number",
                                "labels": {"node": node, "severity": "critical"},
                            },
                        ]
                    },
                    "data": {"values": [times, numbers]},
                }
                for node, numbers in zip(("w1", "cp1"), values, strict=True)
            ]
        }
    return Answer(200, json.dumps({"results": results}))


@pytest.mark.parametrize("one", [OVERVIEW, CONTROL_PLANE, COMPLIANCE], ids=lambda one: one.name)
def test_picture(one: Any, tmp_path: Path) -> None:
    dashboard = of_cluster(one.render(), "site-a", "")
    answers = {
        panel["id"]: plot.ask(answer, panel, 1_790_000_000.0, 60)
        for panel in dashboard["panels"]
        if panel["type"] != "row"
    }
    pictures = []
    for name in ("a.svg", "b.svg"):
        plot.save(plot.draw(dashboard, answers), tmp_path / "pictures" / name)
        pictures.append((tmp_path / "pictures" / name).read_text())
    assert pictures[0] == pictures[1], "the same answers give the same file"
    assert all(panel["title"].replace("&", "&amp;") in pictures[0] for panel in dashboard["panels"])
    assert "cp1" in pictures[0]


def test_dashboard_without_data() -> None:
    dashboard = of_cluster(OVERVIEW.render(), "site-a", "")
    assert plot.draw(dashboard, {}).axes


def test_error_names_the_panel() -> None:
    panel = of_cluster(OVERVIEW.render(), "site-a", "")["panels"][1]
    with pytest.raises(RuntimeError, match="panel Alerts: HTTP 401"):
        plot.ask(lambda *_args: Answer(401, "{}"), panel, 0.0, 60)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.256, "percentunit", "25.6 %"),
        (90.0, "s", "1.5 min"),
        (0.0021, "s", "2.1 ms"),
        (-172800.0, "s", "-2.0 d"),
        (1536.0, "bytes", "1.5 KiB"),
        (0.0, "Bps", "0.0 B/s"),
        (12.0, "reqps", "12 req/s"),
        (3.0, "none", "3"),
        (math.nan, "s", "no data"),
    ],
)
def test_values(value: float, unit: str, text: str) -> None:
    assert plot.shown(value, unit) == text


def test_legend() -> None:
    assert plot.legend("{{node}} {{ device }}/{{x}}", {"node": "w1", "device": "eth0"}) == "w1 eth0/"
