# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects that the playbook platform has applied, as input of the bare path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.bench import platform
from tests.bench.measure import BenchError
from tests.gates import repo

Json = dict[str, Any]


def stored(kind: str, name: str, namespace: str = "", **fields: Any) -> Json:
    """An object as the API server has it."""
    metadata: Json = {
        "name": name,
        "uid": "u",
        "resourceVersion": "7",
        "generation": 1,
        "creationTimestamp": "2026-11-30T03:00:00Z",
        "managedFields": [{}],
        "labels": {platform.PART_OF: "ingress"},
        **fields.pop("metadata", {}),
    }
    if namespace:
        metadata["namespace"] = namespace
    return {"kind": kind, "metadata": metadata, **fields}


def test_what_the_api_server_writes_is_left_out() -> None:
    service = stored(
        "Service",
        "traefik",
        "ingress",
        spec={
            "type": "NodePort",
            "clusterIP": "10.96.0.9",
            "clusterIPs": ["10.96.0.9"],
            "ports": [{"nodePort": 30080}],
        },
        status={"loadBalancer": {}},
    )
    agent = stored(
        "DaemonSet",
        "traefik",
        "ingress",
        metadata={"annotations": {"deprecated.daemonset.template.generation": "1"}},
        spec={"selector": {}},
    )
    own = {"name": "traefik", "namespace": "ingress", "labels": {platform.PART_OF: "ingress"}}
    assert platform.applied([agent, service]) == [
        {"kind": "Service", "metadata": own, "spec": {"type": "NodePort", "ports": [{"nodePort": 30080}]}},
        {"kind": "DaemonSet", "metadata": own, "spec": {"selector": {}}},
    ]
    assert service["spec"]["clusterIP"], "what was read stays as it is"


def test_objects_are_applied_in_an_order_that_works() -> None:
    listed = [stored(kind, "one") for kind in reversed(platform.KINDS)]
    assert [one["kind"] for one in platform.applied(listed)] == list(platform.KINDS)


def test_namespace_keeps_its_own_labels() -> None:
    labels = {"kubernetes.io/metadata.name": "ingress", "pod-security.kubernetes.io/enforce": "restricted"}
    (found,) = platform.applied(
        [stored("Namespace", "ingress", metadata={"labels": labels}, spec={"finalizers": ["kubernetes"]})]
    )
    assert found == {
        "kind": "Namespace",
        "metadata": {"name": "ingress", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }


def test_unknown_kind_is_told() -> None:
    with pytest.raises(BenchError, match="kinds Widget"):
        platform.applied([stored("Widget", "one")])


def test_every_kind_of_the_roles_is_known() -> None:
    declared: set[str] = set()
    for path in (repo.REPO / "roles").glob("*/vars/main.yml"):
        for name, value in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).items():
            if name.startswith("__") and name.endswith("_kinds") and isinstance(value, list):
                declared |= {one["kind"] for one in value if isinstance(one, dict) and "kind" in one}
    assert {"DaemonSet", "APIService", "GatewayClass"} <= declared <= set(platform.KINDS)


def test_input_of_the_script(tmp_path: Path) -> None:
    objects = platform.applied(
        [
            stored("APIService", "v1beta1.metrics.k8s.io"),
            stored("Deployment", "metrics-server", "metrics-server"),
            stored("CustomResourceDefinition", "gateways.gateway.networking.k8s.io"),
        ]
    )
    platform.write(objects, tmp_path)
    lists = {
        name: json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("definitions", "objects")
    }
    kinds = {name: [one["kind"] for one in found["items"]] for name, found in lists.items()}
    assert kinds == {"definitions": ["CustomResourceDefinition"], "objects": ["Deployment", "APIService"]}
    assert (tmp_path / "waits").read_text(encoding="utf-8").splitlines() == [
        "rollout metrics-server deployments.apps/metrics-server",
        "Available - apiservices.apiregistration.k8s.io/v1beta1.metrics.k8s.io",
    ]
