# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels, annotations and taints that the inventory declares, and nodes that it does not know."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.infra.cluster import Cluster
from tests.infra.playbook import Run

Start = Callable[..., Run]
LABEL, ANNOTATION, TAINT = "example.org/disk", "example.org/rack", "example.org/gpu"
FOREIGN = "example.org/owner"
DECLARED = {
    "node_labels": {LABEL: "nvme"},
    "node_annotations": {ANNOTATION: "7"},
    "node_taints": [{"key": TAINT, "value": "yes", "effect": "PreferNoSchedule"}],
}


def given(**values: Any) -> tuple[str, ...]:
    return ("-e", json.dumps(values))


def found(cluster: Cluster) -> dict[str, tuple[Any, Any, Any]]:
    """Label, annotation and taint of each node."""
    return {
        name: (
            node["metadata"]["labels"].get(LABEL),
            node["metadata"]["annotations"].get(ANNOTATION),
            [taint["value"] for taint in node["spec"].get("taints") or () if taint["key"] == TAINT],
        )
        for name, node in cluster.nodes().items()
    }


def test_declared_values_are_set_once(run: Start, cluster: Cluster) -> None:
    before = found(cluster)
    assert all(values == (None, None, []) for values in before.values())
    predicted = run("verify", *given(**DECLARED), "--check", "--diff").expect()
    assert f"{LABEL}" in predicted.text
    assert found(cluster) == before
    run("verify", *given(**DECLARED)).expect()
    assert all(values == ("nvme", "7", ["yes"]) for values in found(cluster).values())
    run("verify", *given(**DECLARED)).expect_quiet()


def test_values_of_others_stay(run: Start, cluster: Cluster) -> None:
    cluster.core.patch_node("w1", {"metadata": {"labels": {FOREIGN: "somebody"}}})
    refused = run("verify", *given(**{**DECLARED, "node_labels": {FOREIGN: "us"}})).expect(code=2)
    assert FOREIGN in refused.text
    assert "it is never taken from others" in refused.text
    labels = cluster.nodes("metadata.labels")
    assert labels["w1"][FOREIGN] == "somebody"


def test_what_is_no_longer_declared_is_removed(run: Start, cluster: Cluster) -> None:
    run("verify").expect()
    assert all(values == (None, None, []) for values in found(cluster).values())
    labels = cluster.nodes("metadata.labels")
    assert labels["w1"][FOREIGN] == "somebody"
    assert labels["w1"]["kubernetes.io/hostname"] == "w1"
    assert [taint["key"] for taint in cluster.nodes("spec.taints")["cp1"]] == [
        "node-role.kubernetes.io/control-plane"
    ]
    run("verify").expect_quiet()
    cluster.core.patch_node("w1", {"metadata": {"labels": {FOREIGN: None}}})


def test_node_that_the_inventory_does_not_know_is_reported(run: Start, cluster: Cluster) -> None:
    cluster.core.create_node({"metadata": {"name": "ghost"}})
    try:
        for playbook in ("preflight", "verify"):
            text = run(playbook).text
            assert "ghost" in text, playbook
            assert "no host of the inventory is" in " ".join(text.split()), playbook
    finally:
        cluster.core.delete_node("ghost")
    assert "ghost" not in run("verify").expect_quiet().text
