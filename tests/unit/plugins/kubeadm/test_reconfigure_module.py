# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module kubeadm_reconfigure on hosts that are members, and on those that are not."""

from __future__ import annotations

import json
import time
import typing as t

import pytest
import yaml
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import transaction
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.bootstrap_plan import (
    KUBELET_CONFIG,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import KUBELET_CLIENT
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node

from tests.unit.plugins.kubeadm.cluster import COMPLETE_OBJECTS, DOCUMENTS, Cluster, static_pod
from tests.unit.support.modules import RunModule

PROFILING = [{"component": "kube-scheduler", "name": "profiling", "value": "false"}]


def args(made: Cluster, **more: t.Any) -> dict[str, t.Any]:
    return {"root": str(made.root), "kubeadm_path": str(made.kubeadm), "ready_timeout": 3, **more}


def test_documents_restore_what_was_edited_or_deleted(cluster: Cluster, run_module: RunModule) -> None:
    cluster.become_control_plane()
    cluster.write(KUBELET_CLIENT, "client")
    options = args(cluster, documents=DOCUMENTS, skip_phases=["addon/kube-proxy"])
    result = run_module("kubeadm_reconfigure", options)
    assert (result["changed"], result["steps"], result["role"]) == (False, [], "control_plane")
    assert (result["cluster_id"], result["node_name"]) == (cluster.id, "node1")

    scheduler = node.CONTROL_PLANE_MANIFESTS[2]
    cluster.write(scheduler, static_pod("kube-scheduler", "--profiling=true"))
    edited = run_module("kubeadm_reconfigure", options, check=True)
    assert edited["steps"] == ["kube-scheduler reconfigured"]
    assert "-    - --profiling=true\n" in edited["diff"]["prepared"]

    (cluster.root / scheduler.lstrip("/")).unlink()
    deleted = run_module("kubeadm_reconfigure", options, check=True)
    assert deleted["steps"] == ["kube-scheduler restored: its manifest was missing"]
    assert "kube-scheduler.yaml" in run_module("kubeadm_reconfigure", args(cluster, arguments=[]))["msg"]


def test_a_rollback_that_would_be_impossible_is_reported_in_check_mode_too(
    cluster: Cluster, run_module: RunModule
) -> None:
    cluster.become_control_plane()
    cluster.write(KUBELET_CLIENT, "client")
    scheduler = node.CONTROL_PLANE_MANIFESTS[2]
    cluster.write(scheduler, static_pod("kube-scheduler", "--profiling=true"))
    entry = {"backup": "gone", "mode": 0o600, "uid": 0, "gid": 0}
    cluster.write(f"{transaction.STATE}/pending/journal.json", json.dumps({"files": {scheduler: entry}}))
    options = args(cluster, documents=DOCUMENTS, skip_phases=["addon/kube-proxy"])
    for check in (True, False):
        result = run_module("kubeadm_reconfigure", options, check=check)
        assert result["failed"]
        assert "what it saved is incomplete" in result["msg"]
        assert "pending away, and run again" in result["msg"]


def test_api_server_that_is_not_ready_is_reported(cluster: Cluster, run_module: RunModule) -> None:
    cluster.become_control_plane()
    cluster.api.ready_after = time.monotonic() + 60
    options = args(cluster, documents=DOCUMENTS, skip_phases=["addon/kube-proxy"], ready_timeout=1)
    result = run_module("kubeadm_reconfigure", options)
    assert result["failed"]
    assert "[-]etcd failed" in result["msg"]


def test_worker_follows_the_documents(cluster: Cluster, run_module: RunModule) -> None:
    cluster.become_worker()
    text = (cluster.root / KUBELET_CONFIG.lstrip("/")).read_text()
    cluster.objects[COMPLETE_OBJECTS[0]] = {"data": {"ClusterConfiguration": "kind: ClusterConfiguration\n"}}
    cluster.objects[COMPLETE_OBJECTS[1]] = {"data": {"kubelet": text}}
    (cluster.rendered / "config.yaml").write_text(text + "podPidsLimit: 4096\n")
    (cluster.rendered / "kubelet-config").write_text("")
    result = run_module("kubeadm_reconfigure", args(cluster, documents=[]), check=True)
    assert (result["steps"], result["role"]) == (["kubelet reconfigured"], "worker")
    assert "+podPidsLimit: 4096" in result["diff"]["prepared"]


def test_setting_of_a_cluster_is_refused_when_its_configuration_is_unreadable(
    cluster: Cluster, run_module: RunModule
) -> None:
    cluster.become_control_plane()
    cluster.objects[COMPLETE_OBJECTS[0]] = {"data": {"ClusterConfiguration": "dns: &x {}\nproxy: *x\n"}}
    result = run_module("kubeadm_reconfigure", args(cluster, arguments=PROFILING))
    assert result["failed"]
    for word in ("ClusterConfiguration in the ConfigMap kubeadm-config", "line 1", "no anchors"):
        assert word in result["msg"]


@pytest.mark.parametrize("options", [{"documents": []}, {"arguments": []}, {"kubelet_configuration": {}}])
def test_host_that_is_no_member_is_refused(
    cluster: Cluster, run_module: RunModule, options: dict[str, t.Any]
) -> None:
    result = run_module("kubeadm_reconfigure", args(cluster, **options))
    assert result["failed"]
    assert "no complete member of a cluster (fresh" in result["msg"]
    assert cluster.argv == []


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({}, "one of the following is required: documents, arguments, kubelet_configuration"),
        ({"documents": [], "arguments": PROFILING}, "mutually exclusive: documents|arguments"),
        ({"documents": [], "kubelet_configuration": {"maxPods": 1}}, "mutually exclusive"),
    ],
)
def test_documents_or_settings(
    cluster: Cluster, run_module: RunModule, options: dict[str, t.Any], word: str
) -> None:
    result = run_module("kubeadm_reconfigure", args(cluster, **options))
    assert result["failed"]
    assert word in result["msg"]


def test_settings_are_planned_from_what_the_cluster_stores(cluster: Cluster, run_module: RunModule) -> None:
    """The fake kubeadm renders the same manifests for all documents; what it is given counts here."""
    cluster.become_control_plane()
    result = run_module("kubeadm_reconfigure", args(cluster, arguments=PROFILING), check=True)
    assert not result.get("failed"), result
    assert (result["changed"], result["skipped"]) == (False, [])
    own, cluster_configuration, kubelet = yaml.safe_load_all((cluster.log / "rendered").read_text())
    assert own["nodeRegistration"] == {"name": "node1"}
    assert cluster_configuration["scheduler"]["extraArgs"] == [{"name": "profiling", "value": "false"}]
    assert kubelet["kind"] == "KubeletConfiguration"
