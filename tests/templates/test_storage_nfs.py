# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role storage_nfs applies, with and without snapshots."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.gates import repo
from tests.templates.documents import Objects, named
from tests.templates.test_rendering import rendered  # noqa: F401 - pytest finds it here

ONE_NODE, SNAPSHOTS = "plain systemd", "three control planes"


@pytest.fixture
def applied(rendered: Callable[[str], Path]) -> Callable[[str], Objects]:  # noqa: F811 - the fixture
    """Gives the objects of a site by kind and name."""
    return lambda site: named(rendered(site), "storage")


def pod(objects: Objects, name: str) -> dict[str, Any]:
    return objects[name]["spec"]["template"]["spec"]


def containers(objects: Objects, name: str) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in pod(objects, name)["containers"]}


CONTROLLER, NODE = "Deployment csi-nfs-controller", "DaemonSet csi-nfs-node"


def test_only_the_driver_itself_is_privileged(applied: Callable[[str], Objects]) -> None:
    objects = applied(SNAPSHOTS)
    level = objects["Namespace storage-nfs"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
    assert level == "privileged"
    helpers = {CONTROLLER: {"csi-provisioner", "csi-snapshotter"}, NODE: {"node-driver-registrar"}}
    for name, others in helpers.items():
        found = containers(objects, name)
        assert set(found) == {"nfs", "liveness-probe", *others}
        assert found.pop("nfs")["securityContext"]["privileged"] is True
        for container in found.values():
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
        assert pod(objects, name)["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod(objects, name)["hostNetwork"] is True
    alone = pod(objects, "Deployment snapshot-controller")
    assert alone["securityContext"]["runAsNonRoot"] is True and "hostNetwork" not in alone


def test_node_plugin_has_no_permission(applied: Callable[[str], Objects]) -> None:
    objects = applied(SNAPSHOTS)
    assert pod(objects, NODE)["automountServiceAccountToken"] is False
    subjects = [
        subject["name"] for name, one in objects.items() if "Binding" in name for subject in one["subjects"]
    ]
    assert set(subjects) == {"csi-nfs-controller", "snapshot-controller"}


def test_secrets_are_those_of_its_namespace(applied: Callable[[str], Objects]) -> None:
    objects = applied(SNAPSHOTS)
    for name, one in objects.items():
        reads = [rule for rule in one.get("rules", []) if "secrets" in rule["resources"]]
        assert bool(reads) == (name == "Role csi-nfs-controller")


def test_sockets_and_paths_fit_together(applied: Callable[[str], Objects]) -> None:
    """The kubelet finds the driver at the path that the registrar tells, and the driver mounts where pods look."""
    objects = applied(SNAPSHOTS)
    volumes = {one["name"]: one["hostPath"]["path"] for one in pod(objects, NODE)["volumes"]}
    found = containers(objects, NODE)
    (path,) = (
        argument.partition("=")[2]
        for argument in found["node-driver-registrar"]["args"]
        if argument.startswith("--kubelet-registration-path=")
    )
    assert path == f"{volumes['socket']}/csi.sock"
    mounts = {one["name"]: one for one in found["nfs"]["volumeMounts"]}
    assert mounts["pods"]["mountPath"] == volumes["pods"]
    assert mounts["pods"]["mountPropagation"] == "Bidirectional"
    for name in (CONTROLLER, NODE):
        every = containers(objects, name)
        assert "--endpoint=unix:///csi/csi.sock" in every["nfs"]["args"]
        assert all("--csi-address=/csi/csi.sock" in one["args"] for key, one in every.items() if key != "nfs")
        port = every["nfs"]["livenessProbe"]["httpGet"]["port"]
        assert f"--http-endpoint=localhost:{port}" in every["liveness-probe"]["args"]
    ports = {
        containers(objects, name)["nfs"]["livenessProbe"]["httpGet"]["port"] for name in (CONTROLLER, NODE)
    }
    assert len(ports) == 2, "both are ports of the same host"


def test_controllers_keep_apart_and_node_plugins_are_everywhere(applied: Callable[[str], Objects]) -> None:
    objects = applied(SNAPSHOTS)
    assert pod(objects, NODE)["tolerations"] == [{"operator": "Exists"}]
    spec = objects[CONTROLLER]["spec"]
    assert spec["replicas"] == 2 and spec["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    (term,) = spec["template"]["spec"]["affinity"]["podAntiAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    assert term["labelSelector"]["matchLabels"] == spec["selector"]["matchLabels"]
    assert "PodDisruptionBudget csi-nfs-controller" in objects


def test_without_snapshots_and_with_one_node(applied: Callable[[str], Objects]) -> None:
    objects = applied(ONE_NODE)
    assert not [name for name in objects if "napshot" in name or "PodDisruptionBudget" in name]
    assert objects[CONTROLLER]["spec"]["replicas"] == 1
    assert set(containers(objects, CONTROLLER)) == {"csi-provisioner", "liveness-probe", "nfs"}
    groups = [
        group for rule in objects["ClusterRole baremetal:storage-nfs"]["rules"] for group in rule["apiGroups"]
    ]
    assert "snapshot.storage.k8s.io" not in groups


def test_everything_that_is_applied_can_be_pruned(applied: Callable[[str], Objects]) -> None:
    kinds = {
        (one["api_version"], one["kind"])
        for one in repo.load(repo.REPO / "roles" / "storage_nfs" / "vars" / "main" / "main.yml")[
            "__storage_nfs_kinds"
        ]
    }
    for one in applied(SNAPSHOTS).values():
        assert (one["apiVersion"], one["kind"]) in kinds


def test_each_export_is_asked_for_once(rendered: Callable[[str], Path]) -> None:  # noqa: F811 - the fixture
    exports = yaml.safe_load((rendered(SNAPSHOTS) / "exports.document").read_text(encoding="utf-8"))[
        "exports"
    ]
    assert exports == [
        {"server": "nfs.example.org", "path": "/srv/kubernetes", "mount_options": []},
        {"server": "192.0.2.9", "path": "/srv/old", "mount_options": ["nfsvers=3"]},
    ]


def test_volumes_that_stay_are_named(rendered: Callable[[str], Path]) -> None:  # noqa: F811 - the fixture
    lines = yaml.safe_load((rendered(ONE_NODE) / "volumes.document").read_text(encoding="utf-8"))
    assert lines[1:] == [
        "- pvc-1 (claim shop/data, Retain): nfs.example.org:/srv/pvc-1",
        "- pvc-2 (claim none, Retain): nfs.example.org:/srv/pvc-1",
    ]


def test_nodes_get_an_nfs_client_where_it_is_used(rendered: Callable[[str], Path]) -> None:  # noqa: F811 - the fixture
    clients = {
        site: yaml.safe_load((rendered(site) / "nfs-client.document").read_text(encoding="utf-8"))
        for site in (ONE_NODE, SNAPSHOTS)
    }
    assert clients[ONE_NODE]["wanted"] is False and clients[ONE_NODE]["rpcbind"] is False
    assert clients[SNAPSHOTS] == {
        "wanted": True,
        "packages": ["net-fs/nfs-utils"],
        "missing": True,
        "rpcbind": True,
    }
