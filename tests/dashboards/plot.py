# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw a dashboard with what Grafana answers to its queries, as a picture for the documentation.

    python -m tests.dashboards.plot --url URL --token-file FILE --cluster NAME [--ca FILE] [--dashboard NAME]
                                    [--node NODE] [--minutes N] OUTPUT.svg

Every query is sent to Grafana's /api/ds/query, as a browser sends it, and drawn by matplotlib. It is no screenshot.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests import checkout

checkout.make_importable()

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics.dashboards import (  # noqa: E402
    of_cluster,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics.grafana import (  # noqa: E402
    HttpTransport,
    Transport,
)

from tests.dashboards.content import DASHBOARDS  # noqa: E402

Json = dict[str, Any]
#: Points of a line.
POINTS = 240
_UNIT_INCHES = (0.6, 0.35)


@dataclass(frozen=True)
class Series:
    """A line, or one value.

    :param labels: of the series. :param times: seconds since 1970. :param values: with nan where there is none.
    """

    name: str
    labels: Mapping[str, str]
    times: tuple[float, ...]
    values: tuple[float, ...]

    @property
    def last(self) -> float:
        """The last value that there is."""
        return next((value for value in reversed(self.values) if not math.isnan(value)), math.nan)


def shown(value: float, unit: str) -> str:
    """A value with its unit, as Grafana writes it."""
    if math.isnan(value):
        return "no data"
    if unit == "percentunit":
        return f"{100 * value:.1f} %"
    if unit == "s":
        for limit, name in ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s")):
            if abs(value) >= limit:
                return f"{value / limit:.1f} {name}"
        return f"{1000 * value:.1f} ms"
    if unit in ("bytes", "Bps"):
        power = min(4, int(math.log(abs(value), 1024))) if abs(value) >= 1 else 0
        suffix = "/s" if unit == "Bps" else ""
        return f"{value / 1024**power:.1f} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[power]}{suffix}"
    suffix = {"reqps": " req/s", "pps": " packets/s"}.get(unit, "")
    return f"{value:.4g}{suffix}"


def legend(pattern: str, labels: Mapping[str, str]) -> str:
    """The name of a series: its legend with the values of labels."""
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda match: labels.get(match[1], ""), pattern)


def series(frames: Sequence[Json], pattern: str) -> list[Series]:
    """What frames of /api/ds/query have: one number with its times each."""
    found = []
    for frame in frames:
        fields, columns = frame["schema"]["fields"], frame["data"]["values"]
        at = next((i for i, one in enumerate(fields) if one["type"] == "time"), None)
        for index, one in enumerate(fields):
            if one["type"] == "number" and at is not None:
                labels = {str(key): str(value) for key, value in (one.get("labels") or {}).items()}
                values = tuple(math.nan if value is None else float(value) for value in columns[index])
                times = tuple(float(when) / 1000 for when in columns[at])
                found.append(Series(legend(pattern, labels), labels, times, values))
    return sorted(found, key=lambda one: one.name)


def ask(transport: Transport, panel: Json, end: float, minutes: float, node: str = "") -> list[Series]:
    """The series of a panel.

    :raises RuntimeError: when Grafana has no answer.
    """
    step = max(15, int(minutes * 60 / POINTS))
    queries = [
        {
            **target,
            "datasource": panel["datasource"],
            "expr": target["expr"]
            .replace("$node", node)
            .replace("$__rate_interval", f"{max(4 * step, 120)}s"),
            "format": "time_series",
            "intervalMs": step * 1000,
            "maxDataPoints": POINTS,
        }
        for target in panel["targets"]
    ]
    body = {
        "queries": queries,
        "from": str(int((end - 60 * minutes) * 1000)),
        "to": str(int(end * 1000)),
    }
    answer = transport("POST", "/api/ds/query", body)
    results = (json.loads(answer.text).get("results") or {}) if answer.status in (200, 207) else {}
    found: list[Series] = []
    for target in panel["targets"]:
        result = results.get(target["refId"]) or {"error": f"HTTP {answer.status}: {answer.text[:200]}"}
        if result.get("error"):
            raise RuntimeError(f"panel {panel['title']}: {result['error']}")
        found += series(result.get("frames") or (), target["legendFormat"])
    return found


def _colour(value: float, panel: Json) -> str:
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    names = {"green": "tab:green", "orange": "tab:orange", "red": "tab:red", "blue": "tab:blue"}
    reached = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
    return "tab:gray" if math.isnan(value) else names[reached[-1]]


def _draw_lines(axes: Axes, found: Sequence[Series], unit: str, top: float | None) -> None:
    for one in found:
        times = [datetime.fromtimestamp(when, UTC) for when in one.times]
        # Dates are numbers for matplotlib, which its types do not say.
        axes.plot(times, one.values, linewidth=1, label=f"{one.name}  {shown(one.last, unit)}")  # type: ignore[arg-type]
    axes.yaxis.set_major_formatter(lambda value, _position: shown(value, unit))
    axes.set_ylim(bottom=0, top=top)
    axes.grid(visible=True, linewidth=0.3)
    axes.tick_params(labelsize=6)
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M"))
    if found:
        axes.legend(fontsize=5, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=4, frameon=False)


def _draw_table(axes: Axes, found: Sequence[Series], panel: Json) -> None:
    renamed = panel["transformations"][0]["options"]["renameByName"]
    columns = [name for name in renamed if name != "Value"]
    unit = panel["fieldConfig"]["defaults"]["unit"]
    rows = [[*(one.labels.get(name, "") for name in columns), shown(one.last, unit)] for one in found] or [
        ["no data", *[""] * len(columns)]
    ]
    axes.axis("off")
    table = axes.table(rows, colLabels=list(renamed.values()), loc="upper center", cellLoc="left")
    table.auto_set_font_size(False)
    table.set_fontsize(6)


def _draw_values(axes: Axes, found: Sequence[Series], panel: Json) -> None:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    if panel["type"] == "bargauge":
        names, values = [one.name for one in found], [one.last for one in found]
        axes.barh(names, values, color=[_colour(value, panel) for value in values])
        axes.xaxis.set_major_formatter(lambda value, _position: shown(value, unit))
        axes.tick_params(labelsize=6)
        return
    value = found[0].last if found else math.nan
    axes.axis("off")
    colour = _colour(value, panel)
    axes.text(0.5, 0.4, shown(value, unit), ha="center", va="center", fontsize=16, color=colour)


def draw(dashboard: Json, answers: Mapping[int, Sequence[Series]]) -> Figure:
    """The picture.

    :param dashboard: of one cluster. :param answers: id of a panel -> its series.
    """
    mpl.use("svg")
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
    width, height = 24 * _UNIT_INCHES[0], bottom * _UNIT_INCHES[1] + 0.5
    figure = Figure(figsize=(width, height), facecolor="white")
    figure.suptitle(dashboard["title"], fontsize=12, y=1 - 0.15 / height, va="top")
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        left, top = place["x"] / 24, 1 - (0.5 + place["y"] * _UNIT_INCHES[1]) / height
        if panel["type"] == "row":
            figure.text(0.01, top, panel["title"], fontsize=10, fontweight="bold", va="top")
            continue
        tall = place["h"] * _UNIT_INCHES[1] / height
        margin = 0.28 if panel["type"] == "timeseries" else 0.05
        axes = figure.add_axes(
            (left + 0.045, top - tall * (1 - margin), place["w"] / 24 - 0.06, tall * (1 - margin - 0.16))
        )
        axes.set_title(panel["title"], fontsize=8, loc="left")
        found, defaults = answers.get(panel["id"], ()), panel["fieldConfig"]["defaults"]
        if panel["type"] == "timeseries":
            _draw_lines(axes, found, defaults["unit"], defaults.get("max"))
        elif panel["type"] == "table":
            _draw_table(axes, found, panel)
        else:
            _draw_values(axes, found, panel)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write it, so that the same picture is the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": "baremetal.kubernetes", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main(arguments: Sequence[str]) -> int:
    """Ask and draw."""
    parser = argparse.ArgumentParser(prog="python -m tests.dashboards.plot")
    parser.add_argument("--url", required=True)
    parser.add_argument("--token-file", required=True, type=Path)
    parser.add_argument("--ca", default="")
    parser.add_argument("--cluster", required=True)
    parser.add_argument("--dashboard", default="overview", choices=[one.name for one in DASHBOARDS])
    parser.add_argument("--node", default="")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("output", type=Path)
    wanted = parser.parse_args(arguments)
    transport = HttpTransport(wanted.url, wanted.token_file.read_text().strip(), wanted.ca)
    chosen = next(one for one in DASHBOARDS if one.name == wanted.dashboard)
    dashboard = of_cluster(chosen.render(), wanted.cluster, "")
    end = time.time()
    answers = {
        panel["id"]: ask(transport, panel, end, wanted.minutes, wanted.node)
        for panel in dashboard["panels"]
        if panel["type"] != "row"
    }
    save(draw(dashboard, answers), wanted.output)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
