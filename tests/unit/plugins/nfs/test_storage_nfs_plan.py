# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""NFS storage that nodes could not use is refused before anything changes, and classes become objects."""

from __future__ import annotations

import base64
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._nfs import classes, volumes

from tests.unit.support.modules import RunAction
from tests.unit.support.servers import ApiServer

Json = dict[str, t.Any]

OWN = "storage-nfs"
PART_OF = "baremetal.kubernetes/part-of"
DRIVER = "/apis/storage.k8s.io/v1/csidrivers/nfs.csi.k8s.io"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
CONTENTS = "/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents"
NFS: Json = {"name": "nfs", "server": "nfs.example.org", "path": "/srv/kubernetes"}
GOOD: Json = {"server": "nfs.example.org", "path": "/srv/kubernetes", "problem": "", "step": ""}


def volume(name: str, claim: str = "", **annotations: str) -> Json:
    reference = {"claimRef": {"namespace": "shop", "name": claim}} if claim else {}
    attributes = {"server": "nfs.example.org", "share": "/srv/kubernetes", "subDir": name}
    return {
        "metadata": {"name": name, "annotations": annotations},
        "spec": {
            "csi": {"driver": "nfs.csi.k8s.io", "volumeAttributes": attributes},
            "persistentVolumeReclaimPolicy": "Retain",
            **reference,
        },
        "status": {"phase": "Bound" if claim else "Released"},
    }


def pod(name: str, claim: str, phase: str = "Running", namespace: str = "shop") -> Json:
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "volumes": [{"name": "tmp", "emptyDir": {}}, {"persistentVolumeClaim": {"claimName": claim}}]
        },
        "status": {"phase": phase},
    }


OTHERS: Json = {"metadata": {"name": "disk"}, "spec": {"csi": {"driver": "disk.example.org"}}}
DELETION: Json = {
    "volume.kubernetes.io/provisioner-deletion-secret-name": "gone-mount-options",
    "volume.kubernetes.io/provisioner-deletion-secret-namespace": OWN,
}


@pytest.fixture
def api() -> t.Iterator[ApiServer]:
    server = ApiServer(token="sesame")
    server.lists["/api/v1/persistentvolumes"] = [volume("pvc-1", "data"), volume("pvc-2"), OTHERS]
    server.lists["/api/v1/pods"] = [
        pod("web", "data"),
        pod("done", "data", "Succeeded"),
        pod("x", "data", "Running", "y"),
    ]
    server.lists[CLASSES] = []
    yield server
    server.close()


def deployed(server: ApiServer, **labels: str) -> None:
    server.objects[DRIVER] = {"metadata": {"name": "nfs.csi.k8s.io", "labels": labels}}


class Plan(t.Protocol):
    def __call__(self, **options: t.Any) -> Json: ...


@pytest.fixture
def plan(api: ApiServer, tmp_path: Path, run_action: RunAction) -> Plan:
    path = api.kubeconfig(tmp_path / "kubeconfig")

    def run(**options: t.Any) -> Json:
        given: Json = {"kubeconfig": path, "namespace": OWN, "part_of": OWN, "timeout": 5, "classes": [NFS]}
        return run_action("storage_nfs_plan", {**given, "exports": {"w1": [GOOD]}, **options})

    return run


def test_classes_become_objects(plan: Plan) -> None:
    archive = {
        **NFS,
        "name": "archive",
        "mount_options": ["nfsvers=4.2", "nconnect=4"],
        "reclaim_policy": "Retain",
        "on_delete": "archive",
        "subdirectory": "${pvc.metadata.namespace}/${pvc.metadata.name}",
        "permissions": "0770",
        "default": True,
    }
    snapshots = {"name": "snapshots", "mount_options": ["nfsvers=4.2"], "deletion_policy": "Retain"}
    result = plan(classes=[NFS, archive], snapshot_classes=[snapshots], labels={"k8s-app": "csi-nfs"})
    secret, second, plain, other, snapshot = result["objects"]
    assert plain == {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": "nfs",
            "labels": {"k8s-app": "csi-nfs"},
            "annotations": {"storageclass.kubernetes.io/is-default-class": "false"},
        },
        "provisioner": "nfs.csi.k8s.io",
        "parameters": {"server": "nfs.example.org", "share": "/srv/kubernetes", "onDelete": "delete"},
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
        "allowVolumeExpansion": False,
    }
    assert other["parameters"] == {
        "server": "nfs.example.org",
        "share": "/srv/kubernetes",
        "onDelete": "archive",
        "subDir": "${pvc.metadata.namespace}/${pvc.metadata.name}",
        "mountPermissions": "0770",
        "csi.storage.k8s.io/provisioner-secret-name": "archive-mount-options",
        "csi.storage.k8s.io/provisioner-secret-namespace": OWN,
    }
    assert other["mountOptions"] == ["nfsvers=4.2", "nconnect=4"] and other["reclaimPolicy"] == "Retain"
    assert base64.b64decode(secret["data"]["mountOptions"]) == b"nfsvers=4.2,nconnect=4"
    assert (secret["metadata"]["name"], second["metadata"]["name"]) == (
        "archive-mount-options",
        "snapshots-mount-options",
    )
    assert snapshot["parameters"]["mountOptions"] == "nfsvers=4.2" and snapshot["deletionPolicy"] == "Retain"
    assert "server" not in snapshot["parameters"] and "parameters" not in classes.objects([], [
        {"name": "s", "server": "", "path": "", "mount_options": [], "deletion_policy": "Delete", "default": False}
    ], OWN, {})[0]  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": "NFS"}, "has the name 'NFS', expected lower-case letters"),
        ({"server": "nfs:/srv"}, "server is 'nfs:/srv', expected a name or an address"),
        ({"server": "192.0.2.300"}, "server is '192.0.2.300'"),
        ({"path": "srv"}, "path is 'srv', expected an absolute one"),
        ({"path": "/srv/../etc"}, "path is '/srv/../etc'"),
        ({"mount_options": ["nfsvers=5"]}, "mount_options have NFS version 5, expected one of"),
        ({"mount_options": ["hard intr"]}, "expected options without blanks"),
        ({"subdirectory": "/a/${pv.metadata.name}"}, "expected a relative one"),
        (
            {"subdirectory": "${pvc.name}"},
            "has pvc.name in ${}, expected pv.metadata.name, pvc.metadata.name",
        ),
        ({"subdirectory": "everybody"}, "is 'everybody' for every volume, expected one of their own"),
        ({"permissions": "rwx"}, "permissions are 'rwx', expected an octal mode"),
    ],
)
def test_wrong_classes_are_refused(changed: Json, words: str, plan: Plan, api: ApiServer) -> None:
    result = plan(classes=[{**NFS, **changed}])
    assert result["failed"] and words in result["msg"] and "Nothing was changed." in result["msg"]
    assert not api.requests


@pytest.mark.parametrize("server", ["192.0.2.9", "2001:db8::9", "[2001:db8::9]", "nfs-1.example.org"])
def test_servers(server: str, plan: Plan) -> None:
    assert not plan(classes=[{**NFS, "server": server}]).get("failed")


def test_all_problems_of_several_classes_are_told(plan: Plan) -> None:
    both = [{**NFS, "default": True}, {**NFS, "default": True}]
    snapshot = {"name": "nfs", "server": "nfs.example.org"}
    message = plan(classes=both, snapshot_classes=[snapshot])["msg"]
    for words in (
        "has nfs twice",
        "has 2 default ones (nfs, nfs)",
        "has one of server and path",
        "nfs is a class and a snapshot class",
    ):
        assert words in message


def test_findings_of_all_nodes_are_told(plan: Plan, api: ApiServer) -> None:
    bad = {**GOOD, "problem": "192.0.2.9 does not export /srv to 192.0.2.22", "step": "Export it"}
    result = plan(exports={"w1": [GOOD], "w2": [GOOD, bad], "w3": []})
    assert result["failed"] and not api.requests
    assert "- w2: 192.0.2.9 does not export /srv to 192.0.2.22. Export it." in result["msg"]
    assert "- w3 has not asked the NFS servers in this run" in result["msg"] and "w1" not in result["msg"]
    assert not plan(classes=[], exports={"w3": []}).get("failed")


def test_driver_of_another_installation_is_refused(plan: Plan, api: ApiServer) -> None:
    deployed(api, **{"app.kubernetes.io/managed-by": "Helm"})
    result = plan()
    assert result["failed"] and "is of another installation of csi-driver-nfs" in result["msg"]
    # Without it, others may do as they like.
    assert plan(enabled=False)["volumes"] == []


def test_second_default_class_is_refused(plan: Plan, api: ApiServer) -> None:
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    api.lists[CLASSES] = [
        {"metadata": {"name": "nfs", "annotations": default, "labels": {PART_OF: OWN}}},
        {"metadata": {"name": "local", "annotations": default}},
    ]
    result = plan(classes=[{**NFS, "default": True}])
    assert result["failed"] and "The StorageClass local is the default one already" in result["msg"]
    assert not plan().get("failed")


def test_volumes_that_stay_are_named(plan: Plan, api: ApiServer) -> None:
    deployed(api, **{PART_OF: OWN})
    api.lists["/api/v1/pods"] = [pod("done", "data", "Failed")]
    assert plan(enabled=False, classes=[{**NFS, "name": "NOT LOOKED AT"}])["volumes"] == [
        {
            "name": "pvc-1",
            "claim": "shop/data",
            "place": "nfs.example.org:/srv/kubernetes/pvc-1",
            "reclaim_policy": "Retain",
            "phase": "Bound",
        },
        {
            "name": "pvc-2",
            "claim": "",
            "place": "nfs.example.org:/srv/kubernetes/pvc-2",
            "reclaim_policy": "Retain",
            "phase": "Released",
        },
    ]


def test_it_is_not_removed_while_pods_use_it(plan: Plan, api: ApiServer) -> None:
    deployed(api, **{PART_OF: OWN})
    result = plan(enabled=False)
    assert result["failed"] and "- pod shop/web uses the claim data, expected no pod" in result["msg"]
    assert "done" not in result["msg"] and "Delete these pods first" in result["msg"]


def test_secrets_stay_while_a_deletion_needs_them(plan: Plan, api: ApiServer) -> None:
    api.lists["/api/v1/persistentvolumes"] = [volume("pvc-1", **DELETION)]
    api.lists[CONTENTS] = [
        {
            "metadata": {
                "name": "content",
                "annotations": {
                    "snapshot.storage.kubernetes.io/deletion-secret-name": "lost-mount-options",
                    "snapshot.storage.kubernetes.io/deletion-secret-namespace": OWN,
                },
            }
        }
    ]
    api.objects[f"/api/v1/namespaces/{OWN}/secrets/gone-mount-options"] = {
        "data": {"mountOptions": "cG9ydD0x"}
    }
    kept, _class = plan()["objects"]
    assert kept["metadata"]["name"] == "gone-mount-options" and kept["data"] == {"mountOptions": "cG9ydD0x"}
    # A declared one is not there twice.
    named = {**NFS, "name": "gone", "mount_options": ["port=2"]}
    assert [one["kind"] for one in plan(classes=[named])["objects"]] == ["Secret", "StorageClass"]


def test_only_volumes_of_the_driver_count() -> None:
    assert volumes.of_driver([OTHERS, {"spec": {}}, volume("own")]) == [volume("own")]
