# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster that gets another API endpoint."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import kubeconfig
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import (
    endpoint,
    manifests,
    plan,
    reconfigure_plan,
)

from tests.unit.plugins.kubeadm.pods import pod
from tests.unit.support import certificates
from tests.unit.support.servers import Answer, ApiServer, Server

OLD, NEW = "https://192.0.2.11:6443", "https://192.0.2.100:6443"
CONFIG = f"""apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: QUJD
    server: {OLD}
  name: kubernetes
contexts:
- context:
    cluster: kubernetes
    user: kubernetes-admin
  name: admin
current-context: admin
kind: Config
users:
- name: kubernetes-admin
  user:
    client-certificate-data: QUJD
    client-key-data: QUJD
"""


def test_only_the_server_of_a_kubeconfig_changes() -> None:
    after = endpoint.moved(CONFIG, NEW)
    assert after == CONFIG.replace(OLD, NEW)
    assert endpoint.moved(after, NEW) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a",
        CONFIG.replace(f"server: {OLD}", ""),
        # A comment would be replaced instead, or as well.
        CONFIG.replace("kind: Config", "kind: Config\n#\n  server: x"),
        CONFIG.replace(f"    server: {OLD}\n", "").replace(
            "- cluster:", f"- cluster: {{server: '{OLD}'}}\n  x:"
        ),
    ],
)
def test_other_kubeconfigs_are_refused(text: str) -> None:
    with pytest.raises(kubeconfig.KubeconfigError):
        endpoint.moved(text, NEW)


def test_files_of_a_control_plane_and_of_a_worker(tmp_path: Path) -> None:
    directory = tmp_path / "etc/kubernetes"
    directory.mkdir(parents=True)
    assert endpoint.administrators_files(str(tmp_path), NEW) == []
    for name in ("admin.conf", "kubelet.conf"):
        (directory / name).write_text(CONFIG, encoding="utf-8")
    (directory / "super-admin.conf").write_text(CONFIG.replace(OLD, NEW), encoding="utf-8")
    (own,) = endpoint.administrators_files(str(tmp_path), NEW)
    assert (own.path, own.kind, own.secret) == ("/etc/kubernetes/admin.conf", "kubeconfig", True)
    assert own.note == f"{OLD} replaced by {NEW}"
    (kubelet,) = endpoint.kubelets_files(str(tmp_path), NEW)
    assert (kubelet.path, kubelet.kind) == ("/etc/kubernetes/kubelet.conf", "kubelet")
    assert endpoint.kubelets_files(str(tmp_path), "") == []
    (directory / "admin.conf").write_text("damaged: [", encoding="utf-8")
    with pytest.raises(plan.KubeadmError, match=r"admin.conf is no kubeconfig of kubeadm's"):
        endpoint.administrators_files(str(tmp_path), NEW)


def _cluster(host: str) -> str:
    return (
        f"apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\ncontrolPlaneEndpoint: {host}\n"
        "kubernetesVersion: v1.36.4\n"
    )


def _planned(new: str, old: str, *files: plan.DesiredFile, **observed: t.Any) -> plan.Plan:
    api = plan.DesiredFile(
        manifests.path_of("kube-apiserver"),
        pod("kube-apiserver", "--advertise-address=192.0.2.11").encode(),
        "manifest",
        "kube-apiserver",
    )
    desired = reconfigure_plan.DesiredConfiguration((api, *files), _cluster(new), None)
    present = {api.path: plan.ObservedFile(api.content, 0o600)}
    for item in files:
        present[item.path] = plan.ObservedFile(CONFIG.encode(), 0o600)
    state = reconfigure_plan.ObservedConfiguration("cp1", present, cluster=_cluster(old), **observed)
    return reconfigure_plan.plan_reconfiguration(reconfigure_plan.Comparison(desired, state))


ADMIN = plan.DesiredFile(
    "/etc/kubernetes/admin.conf", b"new", "kubeconfig", "kubeconfig", secret=True, note="a replaced by b"
)


def test_hosts_that_join_get_the_endpoint_before_it_is_stored() -> None:
    found = _planned("192.0.2.100:6443", "192.0.2.11:6443", ADMIN)
    assert [step.name for step in found.local] == ["administrator's kubeconfig moved: a replaced by b"]
    assert [step.target for step in found.of("upload")] == ["cluster-info", "upload-config/kubeadm"]
    assert "/etc/kubernetes/admin.conf: a replaced by b\n" in found.diff()
    assert "QUJD" not in found.diff()
    assert not found.local[0].restarts


def test_endpoint_that_stays_is_not_uploaded() -> None:
    assert _planned("192.0.2.11:6443", "192.0.2.11:6443").names() == []


def test_cluster_does_not_depend_on_one_host_again() -> None:
    with pytest.raises(plan.KubeadmError, match="which is this host alone") as refused:
        _planned("192.0.2.11:6443", "k8s.example.org:6443", ADMIN)
    assert "Set cluster_endpoint to k8s.example.org:6443" in refused.value.next_step


def _member(root: Path, api: ApiServer) -> str:
    directory = root / "etc/kubernetes"
    (directory / "pki").mkdir(parents=True)
    (directory / "pki/ca.crt").write_text(api.authority.pem, encoding="ascii")
    api.kubeconfig(directory / "admin.conf")
    return str(root)


def test_hosts_that_join_are_told_the_endpoint(tmp_path: Path) -> None:
    api = ApiServer()
    root = _member(tmp_path, api)
    info = {
        "metadata": {"name": "cluster-info", "resourceVersion": "7"},
        "data": {"kubeconfig": CONFIG, "jws": "x"},
    }
    api.objects[endpoint.CLUSTER_INFO] = info
    api.answers["PUT", endpoint.CLUSTER_INFO] = Answer(200, {})
    endpoint.update_cluster_info(root, NEW)
    sent = api.requests[-1]
    assert sent.method == "PUT"
    # With its version, so that nobody's change is lost.
    assert sent.object == {**info, "data": {"kubeconfig": CONFIG.replace(OLD, NEW), "jws": "x"}}
    endpoint.update_cluster_info(root, OLD)
    assert api.requests[-1].method == "GET", "it has that endpoint"
    del api.objects[endpoint.CLUSTER_INFO]
    with pytest.raises(plan.KubeadmError, match="has no kubeconfig of kubeadm's"):
        endpoint.update_cluster_info(root, NEW)
    api.close()


def test_endpoint_has_to_lead_to_this_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "_POLL_SECONDS", 0.01)
    api = ApiServer()
    root = _member(tmp_path, api)
    # The test's server asks for a client certificate; the real one does not for this path.
    context = certificates.server_context(
        certificates.issue("api", issuer=api.authority, names=["k8s.example.org"]).pair
    )
    answers = [Answer(503, "")]
    new = Server(lambda _request: answers.pop() if answers else Answer(200, "ok"), context)
    endpoint.require_cluster(root, new.url, named=False, attempts=2)
    assert {request.path for request in new.requests} == {"/readyz"}
    with pytest.raises(
        plan.KubeadmError, match=r"does not lead to an API server of this cluster: .*127\.0\.0\.1"
    ):
        endpoint.require_cluster(root, new.url, named=True, attempts=2)
    new.close()
    other = certificates.authority()
    foreign = Server(
        lambda _request: Answer(200, "ok"),
        certificates.server_context(certificates.issue("api", issuer=other, names=["127.0.0.1"]).pair),
    )
    with pytest.raises(plan.KubeadmError, match="Nothing was changed"):
        endpoint.require_cluster(root, foreign.url, named=False, attempts=2)
    assert not foreign.requests
    foreign.close()
    with pytest.raises(plan.KubeadmError, match="refused"):
        endpoint.require_cluster(root, foreign.url, named=False, attempts=1)
    api.close()
