# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server does to dashboards that it stores: it fills in defaults, and shows one schema as the other.

The conversions are far smaller than Grafana's. They are there so that tests meet a dashboard that comes back otherwise
than it was sent.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

SCHEMA_VERSION = 42
_BUILT_IN = {
    "builtIn": 1,
    "datasource": {"type": "grafana", "uid": "-- Grafana --"},
    "enable": True,
    "hide": True,
    "iconColor": "rgba(0, 211, 255, 1)",
    "name": "Annotations & Alerts",
    "type": "dashboard",
}


def migrated(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A dashboard of schema 1 with defaults."""
    full = copy.deepcopy(dict(spec))
    full["schemaVersion"] = SCHEMA_VERSION
    full.setdefault("editable", True)
    full.setdefault("graphTooltip", 0)
    full.setdefault("timezone", "browser")
    listed = full.setdefault("annotations", {}).setdefault("list", [])
    if not any(one.get("builtIn") for one in listed):
        listed.insert(0, dict(_BUILT_IN))
    for panel in full.get("panels") or ():
        panel.setdefault("pluginVersion", "13.3.0")
        panel.setdefault("fieldConfig", {"defaults": {}, "overrides": []})
    # Empty values are left out.
    return {key: value for key, value in full.items() if value not in (None, "", [])}


def to_v2(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A dashboard of schema 1 in schema 2."""
    elements, items = {}, []
    for panel in spec.get("panels") or ():
        name = f"panel-{panel.get('id', 0)}"
        elements[name] = {
            "kind": "Panel",
            "spec": {
                "id": panel.get("id", 0),
                "title": panel.get("title", ""),
                "classic": copy.deepcopy(panel),
            },
        }
        items.append(
            {"kind": "GridLayoutItem", "spec": {"element": {"kind": "ElementReference", "name": name}}}
        )
    return {
        "title": spec.get("title", ""),
        "tags": list(spec.get("tags") or ()),
        "description": spec.get("description", ""),
        "elements": elements,
        "layout": {"kind": "GridLayout", "spec": {"items": items}},
        "annotations": [],
        "variables": [],
        "links": [],
    }


def to_v1(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A dashboard of schema 2 in schema 1."""
    panels = [
        {
            **(one["spec"].get("classic") or {}),
            "title": one["spec"].get("title", ""),
            "id": one["spec"].get("id", 0),
        }
        for one in (spec.get("elements") or {}).values()
        if one.get("kind") == "Panel"
    ]
    return migrated({"title": spec.get("title", ""), "tags": list(spec.get("tags") or ()), "panels": panels})
