# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The dashboards that are shipped: by Grafana's own schemas, with a unit, a question and a runbook for each panel."""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

import jsonschema
import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.kubernetes.plugins.filter.metrics import cluster_dashboard
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics import audit, promql
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics.dashboards import (
    CLUSTER,
    RUNBOOKS,
)

from tests.dashboards import __main__ as generator
from tests.dashboards import model
from tests.dashboards.content import DASHBOARDS

Json = dict[str, t.Any]
REPO = Path(__file__).resolve().parents[3]
SCHEMAS = REPO / "tests" / "dashboards" / "schemas"
RULES = REPO / "roles" / "prometheus" / "files" / "rules"
FILES = sorted(generator.FILES.glob("*.json"))


def validator(name: str) -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(json.loads((SCHEMAS / f"{name}.json").read_text()))


def read(path: Path) -> Json:
    return dict(json.loads(path.read_text()))


def panels(dashboard: Json) -> list[Json]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def test_files_are_up_to_date() -> None:
    """`python -m tests.dashboards` writes them."""
    assert generator.main(["--check"]) == 0
    assert {path.stem for path in FILES} == {"overview", "node", "control-plane", "network", "compliance"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_schema_of_grafana(path: Path) -> None:
    dashboard = read(path)
    validator("dashboard").validate(dashboard)
    for panel in panels(dashboard):
        validator(panel["type"]).validate(panel["options"])
        if panel["type"] in ("table", "timeseries"):
            custom = panel["fieldConfig"]["defaults"].get("custom", {})
            validator(f"{panel['type']}-field").validate(custom)


def test_schema_refuses_what_grafana_does_not_know() -> None:
    dashboard = read(FILES[0])
    panels(dashboard)[0]["fieldConfig"]["defaults"]["units"] = "s"
    with pytest.raises(jsonschema.ValidationError):
        validator("dashboard").validate(dashboard)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_panel_explains_itself(path: Path) -> None:
    found = panels(read(path))
    assert found
    for panel in found:
        assert panel["description"].endswith((".", "?")), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["links"][0]["url"].startswith(f"{RUNBOOKS}#")
        for target in panel["targets"]:
            assert promql.metrics(target["expr"]), target["expr"]
            selectors = re.findall(r"\{([^}]*)\}", target["expr"])
            assert selectors and all(f'cluster="{CLUSTER}"' in one for one in selectors), target["expr"]
    assert len({panel["id"] for panel in read(path)["panels"]}) == len(read(path)["panels"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_panels_do_not_overlap(path: Path) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in read(path)["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= model.WIDTH
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, (panel["title"], taken[x, y])
                taken[x, y] = panel["title"]


def test_linked_runbooks_belong_to_alerts() -> None:
    """Rules have the names of alerts, and each has a runbook."""
    known = {
        rule["alert"]
        for path in RULES.glob("*.yml")
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    linked = {panel.alert for dashboard in DASHBOARDS for panel in dashboard.panels}
    assert not RULES.is_dir() or linked <= known, linked - known


def test_files_are_audited() -> None:
    uses, _recorded = audit.read([str(generator.FILES)], [])
    absent = audit.absent(uses, set(), ["node"])
    assert {"up", "node_uname_info", "bmk_cis_checks"} <= {one.metric for one in absent}
    assert not [one for one in absent if one.metric.startswith(("cilium_", "traefik_", "ALERTS"))]


# --- of one cluster -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_dashboard_of_a_cluster(path: Path) -> None:
    made = cluster_dashboard(path.read_text(), "site-a", "https://docs.example.org/runbooks")
    text = json.dumps(made)
    assert "@" not in text
    assert made["uid"] == f"bmk-site-a-{path.stem}"
    assert made["title"].startswith("site-a: ")
    assert "cluster:site-a" in made["tags"] and "managed-by:baremetal.kubernetes" in made["tags"]
    assert panels(made)[0]["links"][0]["url"].startswith("https://docs.example.org/runbooks#")
    assert panels(made)[0]["datasource"]["uid"] == "bmk-site-a"
    validator("dashboard").validate(made)


def test_without_a_page_of_runbooks() -> None:
    made = cluster_dashboard(read(FILES[0]), "site-a")
    assert all(panel["links"] == [] for panel in panels(made))
    assert made["links"], "those to the other dashboards stay"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("{", "takes a dashboard as JSON"),
        ([], "found list"),
        ({"uid": f"bmk-{CLUSTER}-control-plane"}, "at most 22"),
    ],
)
def test_what_is_no_dashboard(given: t.Any, told: str) -> None:
    with pytest.raises(AnsibleFilterError, match=told):
        cluster_dashboard(given, "c" * 30)
