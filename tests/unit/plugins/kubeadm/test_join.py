# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module kubeadm, operation join: workers and control planes."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import bootstrap_plan as plan
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node

from tests.unit.plugins.kubeadm.cluster import (
    KEY,
    TOKEN,
    Cluster,
    cluster_id,
    copy_files_of,
    join_args,
)
from tests.unit.support import certificates
from tests.unit.support.modules import RunModule


def test_join_of_a_worker_is_idempotent(cluster: Cluster, tmp_path: Path, run_module: RunModule) -> None:
    cluster.script(copy_files_of(cluster, cluster.become_worker, tmp_path))
    predicted = run_module("kubeadm", join_args(cluster, token=None, ca_cert_hashes=[]), check=True)
    result = run_module("kubeadm", join_args(cluster))
    assert predicted["changed"] is True
    assert result["steps"] == predicted["steps"] == ["kubeadm join"]
    assert (result["state"], result["node_name"]) == ("member", "node1")
    (document,) = cluster.config
    assert document["kind"] == "JoinConfiguration"
    assert document["discovery"] == {
        "bootstrapToken": {
            "token": TOKEN,
            "apiServerEndpoint": "192.0.2.10:6443",
            "caCertHashes": [cluster.id],
        },
        "tlsBootstrapToken": TOKEN,
    }
    assert "controlPlane" not in document
    assert TOKEN not in " ".join(cluster.argv) + str(result) + (cluster.log / "env").read_text()
    cluster.config_was_private_and_is_removed()
    again = run_module("kubeadm", join_args(cluster, token=None))
    assert (again["changed"], again["steps"]) == (False, [])


def test_control_plane_joins(cluster: Cluster, tmp_path: Path, run_module: RunModule) -> None:
    cluster.script(copy_files_of(cluster, cluster.become_control_plane, tmp_path))
    result = run_module("kubeadm", join_args(cluster, "control_plane", certificate_key=KEY))
    assert result["changed"] is True
    (document,) = cluster.config
    assert document["controlPlane"] == {"certificateKey": KEY}
    assert KEY not in " ".join(cluster.argv) + str(result)
    # One that was interrupted before its node was marked needs no token for the rest.
    cluster.objects["/api/v1/nodes/node1"] = {"metadata": {"labels": {}}}
    (cluster.log / "argv").unlink()
    result = run_module("kubeadm", join_args(cluster, "control_plane", token=None))
    assert result["steps"] == ["kubeadm join phase control-plane-join/mark-control-plane"]
    assert cluster.argv[:4] == ["join", "phase", "control-plane-join", "mark-control-plane"]


def test_member_of_another_cluster_is_refused(cluster: Cluster, run_module: RunModule) -> None:
    other = certificates.authority()
    cluster.become_worker(other)
    result = run_module("kubeadm", join_args(cluster))
    assert result["failed"]
    assert cluster_id(other) in result["msg"]
    assert cluster.id in result["msg"]
    assert cluster.argv == []


def test_join_without_a_token(cluster: Cluster, run_module: RunModule) -> None:
    result = run_module("kubeadm", join_args(cluster, token=None, ca_cert_hashes=[]))
    assert result["failed"]
    assert "kubeadm needs token, ca_cert_hashes" in result["msg"]


def test_leftover_bootstrap_file_is_removed(cluster: Cluster, run_module: RunModule) -> None:
    cluster.become_worker()
    cluster.write(node.BOOTSTRAP_CONF, f"token: {TOKEN}\n")
    assert run_module("kubeadm", join_args(cluster), check=True)["changed"]
    result = run_module("kubeadm", join_args(cluster))
    assert result["changed"] is True
    assert not (cluster.root / node.BOOTSTRAP_CONF.lstrip("/")).exists()
    assert cluster.argv == []


def test_unhealthy_kubelet_is_reported(cluster: Cluster, tmp_path: Path, run_module: RunModule) -> None:
    def prepare() -> None:
        cluster.become_worker()
        cluster.write(plan.KUBELET_CONFIG, "healthzPort: 1\n")

    cluster.script(copy_files_of(cluster, prepare, tmp_path))
    result = run_module("kubeadm", join_args(cluster, ready_timeout=1))
    assert result["failed"]
    assert "the kubelet is not healthy after 1 s" in result["msg"]
