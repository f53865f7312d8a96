# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nothing that the playbook platform deploys, or that developers are told to, makes a drain refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tests.unit.plugins.conftest  # noqa: F401 - makes the collection importable
from tests.infra import guide
from tests.templates.documents import listed
from tests.templates.test_rendering import rendered  # noqa: F401 - pytest finds it here

Json = dict[str, Any]


def pods(objects: list[Json]) -> list[Json]:
    """A pod of each controller, as it runs on a node."""
    found = []
    for one in objects:
        if one["kind"] not in ("Deployment", "StatefulSet", "DaemonSet", "Job"):
            continue
        template = one["spec"]["template"]
        name = one["metadata"]["name"]
        found.append(
            {
                "metadata": {
                    **template.get("metadata", {}),
                    "name": name,
                    "namespace": one["metadata"]["namespace"],
                    "ownerReferences": [
                        {
                            "kind": one["kind"].replace("Deployment", "ReplicaSet"),
                            "name": name,
                            "controller": True,
                        }
                    ],
                },
                "spec": {**template["spec"], "nodeName": "w1"},
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
            }
        )
    return found


def blocked(objects: list[Json]) -> list[str]:
    """What makes a drain refuse."""
    from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._drain.plan import Policy, plan

    running = pods(objects)
    assert running
    return [f"{hold.pod}: {hold.found}" for hold in plan(running, [], {}, Policy()).blocking]


@pytest.mark.parametrize("document", ["metrics-server-objects", "ingress", "certificates", "storage"])
def test_platform_can_be_drained(document: str, rendered: Callable[[str], Path]) -> None:  # noqa: F811 - the fixture
    assert not blocked(listed(rendered("runs pods"), document))


def test_what_developers_are_told_can_be_drained() -> None:
    assert not blocked([one for one in guide.yaml_of("developers.md") if "kind" in one])
