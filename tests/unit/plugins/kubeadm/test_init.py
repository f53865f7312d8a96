# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module kubeadm, operation init: new, interrupted and complete control planes."""

from __future__ import annotations

import json
import stat
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import runner
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node

from tests.unit.plugins.kubeadm.cluster import (
    CLUSTER_TEXT,
    COMPLETE_OBJECTS,
    KEY,
    TOKEN,
    Cluster,
    copy_files_of,
    init_args,
    static_pod,
)
from tests.unit.support.modules import RunModule


def test_init_of_a_fresh_host_is_idempotent(cluster: Cluster, tmp_path: Path, run_module: RunModule) -> None:
    made = copy_files_of(cluster, cluster.become_control_plane, tmp_path)
    cluster.script(f"echo '[init] Using'; {made}")
    predicted = run_module("kubeadm", init_args(cluster), check=True)
    assert (predicted["changed"], predicted["steps"], predicted["state"]) == (True, ["kubeadm init"], "fresh")
    assert cluster.argv == []

    result = run_module("kubeadm", init_args(cluster))
    assert result["changed"] is True
    assert result["steps"] == predicted["steps"]
    assert result["diff"] == predicted["diff"]
    assert (result["state"], result["node_name"], result["cluster_id"]) == ("member", "node1", cluster.id)
    assert cluster.argv[0] == "init"
    assert "--skip-phases=addon/kube-proxy" in cluster.argv
    assert "--skip-token-print" in cluster.argv
    cluster.config_was_private_and_is_removed()
    (token,) = cluster.config[0]["bootstrapTokens"]
    assert token["groups"] == ["system:bootstrappers:baremetal-kubernetes:unused"]
    assert token["ttl"] == "5m0s"
    assert token["token"] not in " ".join(cluster.argv) + str(result)
    assert cluster.config[0]["nodeRegistration"] == {"name": "node1"}
    assert "LC_ALL=C\n" in (cluster.log / "env").read_text()

    calls = len(cluster.argv)
    again = run_module("kubeadm", init_args(cluster))
    assert (again["changed"], again["steps"], again["state"]) == (False, [], "member")
    assert not run_module("kubeadm", init_args(cluster), check=True)["changed"]
    assert len(cluster.argv) == calls


def test_secrets_in_documents_are_refused_and_not_shown(cluster: Cluster, run_module: RunModule) -> None:
    """With -vvv, a result also has the options."""
    own = init_args(cluster)
    own["documents"] = [
        *own["documents"],
        {"apiVersion": "x/v1", "kind": "Other", "nested": [{"bootstrapTokens": [{"token": TOKEN}]}]},
        {"apiVersion": "x/v1", "kind": "JoinConfiguration", "controlPlane": {"certificateKey": KEY}},
    ]
    refused = run_module("kubeadm", own)
    assert refused["failed"]
    assert "Other.nested[0].bootstrapTokens, JoinConfiguration.controlPlane.certificateKey" in refused["msg"]
    assert "control_plane_cluster_configuration" in refused["msg"]
    assert cluster.argv == []
    assert TOKEN not in str(refused)
    assert KEY not in str(refused)


def test_init_deletes_its_own_token(cluster: Cluster, tmp_path: Path, run_module: RunModule) -> None:
    made = copy_files_of(cluster, cluster.become_control_plane, tmp_path)
    cluster.script(
        f'sed -n \'s/.*"token": "\\([a-z0-9]*\\)\\..*/\\1/p\' {cluster.log}/config > {cluster.log}/id; {made}'
    )
    # The server has every token; the fake kubeadm writes down which one is in its configuration.
    original = cluster.objects

    class Anything(dict[str, t.Any]):
        def pop(self, key: str, default: t.Any = None) -> t.Any:
            return {} if "/secrets/bootstrap-token-" in key else dict.pop(self, key, default)

    cluster.api.objects = Anything(original)
    result = run_module("kubeadm", init_args(cluster))
    assert result["changed"] is True
    assert cluster.deleted == ["bootstrap-token-" + (cluster.log / "id").read_text().strip()]


def test_second_run_waits_for_the_first(cluster: Cluster, tmp_path: Path, run_module: RunModule) -> None:
    made = copy_files_of(cluster, cluster.become_control_plane, tmp_path)
    cluster.script(f"touch {cluster.log}/begun; sleep 2; {made}")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(run_module, "kubeadm", init_args(cluster))
        while not (cluster.log / "begun").exists():
            time.sleep(0.05)
        second = run_module("kubeadm", init_args(cluster))
        assert first.result()["changed"] is True
    assert (second["changed"], second["state"]) == (False, "member")
    assert cluster.argv.count("init") == 1


def test_interrupted_init_is_resumed(cluster: Cluster, run_module: RunModule) -> None:
    cluster.become_control_plane(complete=False)
    predicted = run_module("kubeadm", init_args(cluster), check=True)
    result = run_module("kubeadm", init_args(cluster))
    assert result["steps"] == predicted["steps"] == ["resume kubeadm init"]
    (ignored,) = [word for word in cluster.argv if word.startswith("--ignore-preflight-errors=")]
    assert {"Port-6443", "Port-10250", "DirAvailable--var-lib-etcd"} <= set(
        ignored.partition("=")[2].split(",")
    )


def test_missing_phases_are_run_alone(cluster: Cluster, run_module: RunModule) -> None:
    cluster.become_control_plane()
    for path in COMPLETE_OBJECTS[2:]:
        del cluster.objects[path]
    # The kubelet has a certificate that it renews, but was not told to use it.
    cluster.write("/var/lib/kubelet/pki/kubelet-client-current.pem", "any")
    result = run_module("kubeadm", init_args(cluster))
    assert result["steps"] == [
        "kubeadm init phase bootstrap-token",
        "kubeadm init phase kubelet-finalize/enable-client-cert-rotation",
        "kubeadm init phase addon/coredns",
    ]
    words = [word for word in cluster.argv if not word.startswith(("/", "--config"))]
    assert words == [
        *("init", "phase", "bootstrap-token", "--skip-token-print"),
        *("init", "phase", "kubelet-finalize", "enable-client-cert-rotation"),
        *("init", "phase", "addon", "coredns"),
    ]
    cluster.config_was_private_and_is_removed()


def test_init_waits_for_readiness_and_names_what_fails(cluster: Cluster, run_module: RunModule) -> None:
    cluster.become_control_plane()
    cluster.api.ready_after = time.monotonic() + 2
    assert run_module("kubeadm", init_args(cluster, ready_timeout=30))["changed"] is False
    cluster.api.ready_after = time.monotonic() + 60
    result = run_module("kubeadm", init_args(cluster, ready_timeout=1))
    assert result["failed"]
    assert "[-]etcd failed" in result["msg"]
    assert "crictl" in result["msg"]
    assert cluster.argv == []


def test_unknown_etcd_is_refused(cluster: Cluster, run_module: RunModule) -> None:
    cluster.write(node.ETCD_DATA + "/snap/db", "precious")
    result = run_module("kubeadm", init_args(cluster))
    assert result["failed"]
    assert "data of an etcd" in result["msg"]
    assert cluster.argv == []


def test_failure_is_explained_without_secrets(cluster: Cluster, run_module: RunModule) -> None:
    cluster.script(
        f"echo '[certs] using {TOKEN}'; echo '--certificate-key {KEY}' >&2; echo 'hash sha256:{KEY}' >&2\n"
        "echo 'error execution phase preflight: [ERROR NumCPU]: one CPU' >&2; exit 1"
    )
    result = run_module("kubeadm", init_args(cluster))
    assert result["failed"]
    assert result["phase"] == "preflight"
    for part in ("[ERROR NumCPU]", "exit code 1", " cluster_ignore_preflight_errors "):
        assert part in result["msg"]
    assert TOKEN not in str(result)
    assert str(result).count(KEY) == str(result).count("sha256:" + KEY) > 0
    cluster.config_was_private_and_is_removed()


def test_run_that_hangs_is_killed_with_its_children(cluster: Cluster, run_module: RunModule) -> None:
    cluster.script(f"echo '[kubelet-start] x'; sleep 300 & echo $! > {cluster.log}/child; wait")
    result = run_module("kubeadm", init_args(cluster, timeout=1))
    assert result["failed"]
    assert "did not end within 1 s in the phase kubelet-start" in result["msg"]
    child = (cluster.log / "child").read_text().strip()
    for _ in range(50):
        try:
            if Path(f"/proc/{child}/stat").read_text().split()[2] == "Z":
                break
        except FileNotFoundError:
            break
        time.sleep(0.1)
    else:
        pytest.fail("the child is still running")


def test_missing_program(cluster: Cluster, run_module: RunModule) -> None:
    result = run_module("kubeadm", init_args(cluster, kubeadm_path="/nowhere/kubeadm"))
    assert result["failed"]
    assert "/nowhere/kubeadm cannot be run" in result["msg"]


def test_no_secret_file_survives(cluster: Cluster, tmp_path: Path, run_module: RunModule) -> None:
    """The client key of admin.conf is on disk for an instant only, and nowhere else afterwards."""
    private = tmp_path / "private"
    private.mkdir()
    cluster.become_control_plane()
    result = run_module("kubeadm", init_args(cluster), env={"RUNTIME_DIRECTORY": str(private)})
    assert result["changed"] is False
    assert list(private.iterdir()) == []


def test_edited_and_deleted_manifests_are_found(cluster: Cluster, run_module: RunModule) -> None:
    cluster.become_control_plane()
    cluster.write(runner.KUBELET_CLIENT, "client")
    assert run_module("kubeadm", init_args(cluster), check=True)["actions"] == []

    scheduler = node.CONTROL_PLANE_MANIFESTS[2]
    cluster.write(scheduler, static_pod("kube-scheduler", "--profiling=true"))
    edited = run_module("kubeadm", init_args(cluster), check=True)
    assert edited["actions"] == ["kube-scheduler reconfigured"]
    assert "-    - --profiling=true\n" in edited["diff"]["prepared"]

    (cluster.root / scheduler.lstrip("/")).unlink()
    deleted = run_module("kubeadm", init_args(cluster), check=True)
    assert deleted["actions"] == ["kube-scheduler restored: its manifest was missing"]
    assert not (cluster.root / scheduler.lstrip("/")).exists()


def test_upgrade_is_refused(cluster: Cluster, run_module: RunModule) -> None:
    cluster.become_control_plane()
    (cluster.rendered / "cluster").write_text(CLUSTER_TEXT.replace("1.36.4", "1.37.1"))
    result = run_module("kubeadm", init_args(cluster))
    assert result["rc"] == 1
    assert (result["kubernetes_version"], result["expected_kubernetes_version"]) == ("v1.36.4", "v1.37.1")
    assert "upgrade" in result["msg"]


def test_files_come_before_init_and_are_not_logged(
    cluster: Cluster, tmp_path: Path, run_module: RunModule
) -> None:
    made = copy_files_of(cluster, cluster.become_control_plane, tmp_path)
    policy = cluster.root / "etc/audit/policy"
    cluster.script(f"test -s {policy} || exit 1; {made}")
    files = [{"path": "/etc/audit/policy", "content": "a very secret text"}]
    result = run_module("kubeadm", init_args(cluster, files=files))
    assert result["steps"] == ["kubeadm init", "/etc/audit/policy placed"]
    assert stat.S_IMODE(policy.stat().st_mode) == 0o600
    assert "very secret" not in json.dumps(result)
