# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Panels and dashboards in the classic schema (v1) of Grafana, laid out in rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

#: What is replaced when a dashboard is created: label of the cluster, and URL of the page with the runbooks.
CLUSTER, RUNBOOKS = "@cluster@", "@runbooks@"
#: In the braces of every selector.
OWN = f'cluster="{CLUSTER}"'
DATASOURCE = {"type": "prometheus", "uid": f"bmk-{CLUSTER}"}
WIDTH = 24
#: That of Grafana 12; a newer one migrates it when it is opened.
SCHEMA_VERSION = 41

#: Steps of thresholds: value from which on, colour.
Steps = tuple[tuple[float | None, str], ...]
NEUTRAL: Steps = ((None, "blue"),)
ANY_IS_BAD: Steps = ((None, "green"), (1, "red"))


def above(warning: float, critical: float) -> Steps:
    """Green, then orange, then red."""
    return ((None, "green"), (warning, "orange"), (critical, "red"))


def below(warning: float, critical: float) -> Steps:
    """Red, then orange, then green: what becomes too small."""
    return ((None, "red"), (critical, "orange"), (warning, "green"))


@dataclass(frozen=True)
class Panel:
    """One panel.

    :param question: that it answers; its description. :param queries: legend -> expression.
    :param unit: of Grafana. :param kind: type of the panel. :param width: of 24. :param alert: whose runbook it links.
    :param columns: of a table: label -> title, in their order. :param top: greatest value of the axis.
    """

    title: str
    question: str
    queries: Mapping[str, str]
    unit: str
    alert: str
    kind: str = "timeseries"
    width: int = 12
    height: int = 8
    thresholds: Steps = NEUTRAL
    decimals: int | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    top: float | None = None

    def render(self, number: int, x: int, y: int) -> Json:
        """The panel as JSON."""
        defaults: Json = {
            "color": {"mode": "palette-classic" if self.kind == "timeseries" else "thresholds"},
            "noValue": "no data",
            "thresholds": {
                "mode": "absolute",
                "steps": [{"color": color, "value": value} for value, color in self.thresholds],
            },
            "unit": self.unit,
        }
        if self.decimals is not None:
            defaults["decimals"] = self.decimals
        if self.top is not None:
            defaults |= {"max": self.top, "min": 0}
        if self.kind == "table":
            defaults["custom"] = {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False}
        if self.kind == "timeseries":
            defaults["custom"] = {
                "fillOpacity": 10,
                "lineWidth": 1,
                "showPoints": "never",
                "spanNulls": False,
            }
        made: Json = {
            "datasource": dict(DATASOURCE),
            "description": self.question,
            "fieldConfig": {"defaults": defaults, "overrides": []},
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "id": number,
            "links": [self._runbook()],
            "options": self._options(),
            "targets": [
                self._target(chr(ord("A") + index), legend, expression)
                for index, (legend, expression) in enumerate(self.queries.items())
            ],
            "title": self.title,
            "type": self.kind,
        }
        if self.kind == "table":
            made["transformations"] = [self._organise()]
        return made

    def _runbook(self) -> Json:
        return {
            "asDropdown": False,
            "icon": "doc",
            "includeVars": False,
            "keepTime": False,
            "tags": [],
            "targetBlank": True,
            "title": "Runbook",
            "tooltip": f"What to do about {self.alert}",
            "type": "link",
            "url": f"{RUNBOOKS}#{self.alert.lower()}",
        }

    def _target(self, name: str, legend: str, expression: str) -> Json:
        target: Json = {
            "datasource": dict(DATASOURCE),
            "editorMode": "code",
            "expr": expression,
            "refId": name,
        }
        if self.kind == "timeseries":
            return {**target, "legendFormat": legend, "range": True}
        shown = "table" if self.kind == "table" else "time_series"
        return {**target, "format": shown, "instant": True, "legendFormat": legend}

    def _organise(self) -> Json:
        hidden = {"Time": True}
        names = {**self.columns, "Value": self.title}
        order = {name: index for index, name in enumerate([*self.columns, "Value"])}
        return {
            "id": "organize",
            "options": {"excludeByName": hidden, "indexByName": order, "renameByName": names},
        }

    def _options(self) -> Json:
        reduce = {"calcs": ["lastNotNull"], "fields": "", "values": False}
        if self.kind == "stat":
            return {
                "colorMode": "value",
                "graphMode": "none",
                "justifyMode": "auto",
                "orientation": "auto",
                "percentChangeColorMode": "standard",
                "reduceOptions": reduce,
                "showPercentChange": False,
                "textMode": "auto",
                "wideLayout": True,
            }
        if self.kind == "bargauge":
            return {
                "displayMode": "basic",
                "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False},
                "maxVizHeight": 300,
                "minVizHeight": 16,
                "minVizWidth": 8,
                "namePlacement": "auto",
                "orientation": "horizontal",
                "reduceOptions": reduce,
                "showUnfilled": True,
                "sizing": "auto",
                "valueMode": "color",
            }
        if self.kind == "table":
            return {"cellHeight": "sm", "frameIndex": 0, "showHeader": True}
        return {
            "legend": {
                "calcs": ["lastNotNull"],
                "displayMode": "list",
                "placement": "bottom",
                "showLegend": True,
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        }


@dataclass(frozen=True)
class Row:
    """Panels under one title."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Dashboard:
    """One dashboard.

    :param name: end of its uid. :param purpose: its description. :param node: whether it is of one node, which a
        variable selects.
    """

    name: str
    title: str
    purpose: str
    rows: Sequence[Row]
    node: bool = False

    @property
    def panels(self) -> list[Panel]:
        """All panels."""
        return [panel for row in self.rows for panel in row.panels]

    def render(self) -> Json:
        """The dashboard as JSON."""
        panels: list[Json] = []
        y = 0
        for row in self.rows:
            panels.append(
                {
                    "collapsed": False,
                    "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": y},
                    "id": len(panels) + 1,
                    "panels": [],
                    "title": row.title,
                    "type": "row",
                }
            )
            y += 1
            x = height = 0
            for panel in row.panels:
                if x + panel.width > WIDTH:
                    x, y, height = 0, y + height, 0
                panels.append(panel.render(len(panels) + 1, x, y))
                x += panel.width
                height = max(height, panel.height)
            y += height
        return {
            "annotations": {"list": []},
            "description": self.purpose,
            "editable": True,
            "graphTooltip": 1,
            "links": [_others()],
            "panels": panels,
            "refresh": "1m",
            "schemaVersion": SCHEMA_VERSION,
            "tags": ["managed-by:baremetal.kubernetes", f"cluster:{CLUSTER}"],
            "templating": {"list": [_node_variable()] if self.node else []},
            "time": {"from": "now-6h", "to": "now"},
            "timepicker": {},
            "timezone": "browser",
            "title": f"{CLUSTER}: {self.title}",
            "uid": f"bmk-{CLUSTER}-{self.name}",
        }


def _others() -> Json:
    """Links to the other dashboards of the cluster."""
    return {
        "asDropdown": False,
        "icon": "external link",
        "includeVars": False,
        "keepTime": True,
        "tags": [f"cluster:{CLUSTER}"],
        "targetBlank": False,
        "title": "Dashboards of the cluster",
        "tooltip": "",
        "type": "dashboards",
        "url": "",
    }


def _node_variable() -> Json:
    query = f"label_values(node_uname_info{{{OWN}}}, node)"
    return {
        "allowCustomValue": False,
        "datasource": dict(DATASOURCE),
        "hide": 0,
        "includeAll": False,
        "label": "Node",
        "multi": False,
        "name": "node",
        "query": {"qryType": 1, "query": query, "refId": "node"},
        "refresh": 2,
        "sort": 1,
        "type": "query",
    }
