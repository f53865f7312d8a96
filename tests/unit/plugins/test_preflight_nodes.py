# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the preflight says of nodes: what is declared for them, and which of them no host is."""

from __future__ import annotations

import typing as t
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight import nodes
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight.model import (
    ERROR,
    WARNING,
    Host,
)

from tests.unit.support.servers import ApiServer

CONTROL_PLANE = [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]


def facts(number: int, state: str = "fresh") -> dict[str, t.Any]:
    return {"node_name": f"node-{number}", "kubernetes": {"state": state}}


def nodes_args(**changes: t.Any) -> dict[str, t.Any]:
    names = ("node_labels", "node_annotations", "node_taints", "control_plane_taints")
    site = {"control_planes": ["cp1"], "workers": ["w1"], "kubeconfig": "", "api_proxy": ""}
    return {**{name: {} for name in names}, **site, **changes}


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({}, []),
        ({"node_labels": {"w1": {"disk": "ssd"}, "other": {"a b": ""}}}, []),
        ({"node_labels": {"w1": {"a b": ""}}}, [("w1", "node_labels")]),
        (
            {"node_taints": {"w1": [{"key": "gpu"}], "cp1": [{"key": "gpu"}]}},
            [("cp1", "node_taints"), ("w1", "node_taints")],
        ),
        ({"node_taints": {"w1": CONTROL_PLANE}}, []),
        ({"node_taints": {"cp1": CONTROL_PLANE}}, [("cp1", "node_taints")]),
        ({"node_taints": {"cp1": CONTROL_PLANE}, "control_plane_taints": {"cp1": []}}, []),
        (
            {"node_taints": {"cp1": CONTROL_PLANE}, "control_plane_taints": {"cp1": "x"}},
            [("cp1", "node_taints")],
        ),
    ],
)
def test_what_is_declared_for_nodes(settings: dict[str, t.Any], found: list[tuple[str, str]]) -> None:
    hosts = [
        Host("cp1", "control_plane", facts(1)),
        Host("w1", "worker", facts(2)),
    ]
    findings = nodes.check_metadata(hosts, nodes_args(**settings))
    assert [(item.host, item.found.partition(":")[0]) for item in findings] == found
    assert {item.severity for item in findings} <= {ERROR}


def test_nodes_that_no_host_is(tmp_path: Path) -> None:
    api = ApiServer()
    try:
        api.lists["/api/v1/nodes"] = [{"metadata": {"name": name}} for name in ("node-1", "node-2", "stray")]
        path = api.kubeconfig(tmp_path / "kubeconfig")
        hosts = [
            Host("cp1", "control_plane", facts(1, "member"), node_name="node-1"),
            Host("w1", "worker", facts(2), node_name="node-2"),
        ]
        findings = nodes.check_nodes(hosts, nodes_args(kubeconfig=path))
        assert [(item.check, item.severity) for item in findings] == [("unknown_nodes", WARNING)]
        assert findings[0].found.startswith("stray in the cluster")
        asked = len(api.requests)
        # Some hosts of the inventory were not read, there is no cluster yet, or no kubeconfig.
        for some, args in (
            (hosts, nodes_args(kubeconfig=path, workers=["w1", "w2"])),
            ([hosts[0], Host("w1", "worker", None)], nodes_args(kubeconfig=path)),
            ([replace(host, node=facts(1)) for host in hosts], nodes_args(kubeconfig=path)),
            (hosts, nodes_args()),
            (hosts, nodes_args(kubeconfig=str(tmp_path / "absent"))),
        ):
            assert nodes.check_nodes(some, args) == []
        assert len(api.requests) == asked
        api.lists["/api/v1/nodes"].pop()
        assert nodes.check_nodes(hosts, nodes_args(kubeconfig=path)) == []
    finally:
        api.close()
    assert nodes.check_nodes(hosts, nodes_args(kubeconfig=path)) == []
