# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From one minor version to the next. Each test needs those before it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.infra.cluster import Cluster
from tests.infra.hosts import REPO, Host, run_lab
from tests.infra.playbook import Playbook, Run
from tests.infra.service import Service
from tests.infra.waiting import wait_for

Start = Callable[..., Run]
OLD = yaml.safe_load((REPO / "roles" / "cluster" / "defaults" / "main.yml").read_text(encoding="utf-8"))[
    "cluster_kubernetes_version"
]
KUBELET = "status.nodeInfo.kubeletVersion"
#: 1.37 has removed this gate (k8s.io/kubernetes, pkg/features/kube_features.go).
GATES = "/etc/kubernetes/kubelet.conf.d/90-gates.conf"
REMOVED_GATE = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "featureGates": {"SidecarContainers": True},
}
#: Seconds that the client goes on after the last node.
AFTERWARDS = 5


def _kubelets(cluster: Cluster) -> dict[str, str]:
    return {name: version.lstrip("v") for name, version in cluster.nodes(KUBELET).items()}


def _tags(cluster: Cluster) -> dict[str, str]:
    """Tags of the static pods' images by component."""
    images = cluster.pods("kube-system", "tier=control-plane", "spec.containers[0].image")
    return {name.removesuffix("-cp1"): image.rpartition(":")[2] for name, image in images.items()}


@pytest.fixture(scope="session")
def network(variables: dict[str, Any]) -> tuple[str, ...]:
    """Another value for Cilium, which stands for its next version: the lab has one only."""
    values = {**variables["network_values"], "debug": {"enabled": True}}
    return ("-e", json.dumps({"network_values": values}))


@pytest.fixture(scope="session")
def before(hosts: dict[str, Host], service: Service, cluster: Cluster) -> dict[str, str]:
    """The kubelets before anything is upgraded, with the Service in place."""
    found = _kubelets(cluster)
    assert found == dict.fromkeys(hosts, OLD)
    return found


def test_site_refuses_and_names_the_playbook(playbook: Playbook, before: dict[str, str], new: str) -> None:
    run = playbook.run("-e", f"cluster_kubernetes_version={new}", log="site-refuses.log").expect(code=2)
    assert "Run the playbook upgrade first" in run.text
    assert not run.changed


@pytest.mark.parametrize(
    ("version", "reason"),
    [("1.35.7", "nothing is downgraded"), ("1.38.0", "no minor version is skipped")],
)
def test_what_cannot_be_upgraded_is_refused(
    run: Start, before: dict[str, str], cluster: Cluster, version: str, reason: str
) -> None:
    refused = run(version, log=f"refused-{version}.log").expect(code=2)
    assert reason in refused.text
    assert not refused.changed
    assert _kubelets(cluster) == before


@pytest.mark.parametrize("batch", ["0", "101%"])
def test_batch_that_is_no_number_of_hosts_is_refused(
    run: Start, before: dict[str, str], cluster: Cluster, new: str, batch: str
) -> None:
    """Ansible takes 0 for all workers at once."""
    refused = run(new, "-e", f"upgrade_batch={batch}", log="refused-batch.log").expect(code=2)
    assert f"upgrade_batch is {batch}, expected" in refused.text
    assert not refused.changed
    assert _kubelets(cluster) == before


def test_check_mode_shows_the_plan(run: Start, before: dict[str, str], cluster: Cluster, new: str) -> None:
    predicted = run(new, "--check", log="check.log").expect()
    assert f"cp1: kubelet {OLD} -> {new}, control plane {OLD} -> {new}, drained" in predicted.text
    assert f"w2: kubelet {OLD} -> {new}, drained" in predicted.text
    assert {task for _host, task in predicted.changed} == {"baremetal.kubernetes.upgrade : Plan the upgrade"}
    assert _kubelets(cluster) == before


def test_manual_edits_are_shown_and_refused(run: Start, hosts: dict[str, Host], new: str) -> None:
    manifest = "/etc/kubernetes/manifests/kube-scheduler.yaml"
    hosts["cp1"].check(
        f"cp -p {manifest} /root/ && sed -i 's/^    - --profiling=false$/&\\n    - --v=3/' {manifest}"
    )
    refused = run(new, log="edited.log").expect(code=2)
    assert "kube-scheduler reconfigured" in refused.text
    assert "-    - --v=3" in refused.text
    hosts["cp1"].check(f"mv /root/kube-scheduler.yaml {manifest}")


def test_control_plane_that_does_not_work_is_undone(
    run: Start, hosts: dict[str, Host], cluster: Cluster, service: Service, new: str
) -> None:
    """The API server of the new version gets an etcd that does not exist."""
    before = _tags(cluster)
    broken = {"apiServer": {"extraArgs": [{"name": "etcd-servers", "value": "https://127.0.0.1:1"}]}}
    values = {"control_plane_cluster_configuration": broken, "upgrade_replace_edits": True}
    failed = run(new, "-e", json.dumps(values), log="undone.log").expect(code=2)
    assert f"the upgrade to {new} was undone at" in failed.text
    assert "run the playbook upgrade again" in failed.text
    wait_for(
        "the former components run",
        lambda: _tags(cluster)["kube-apiserver"] == before["kube-apiserver"],
        seconds=60,
    )
    after = _tags(cluster)
    assert after["etcd"] != before["etcd"]
    assert {name: tag for name, tag in after.items() if name != "etcd"} == {
        name: tag for name, tag in before.items() if name != "etcd"
    }
    assert set(_kubelets(cluster).values()) == {OLD}
    assert cluster.nodes("spec.unschedulable")["cp1"] is None
    assert service.ready() == service.REPLICAS


def test_power_loss_half_way_through_the_control_plane(
    upgrade: Playbook, run: Start, hosts: dict[str, Host], cluster: Cluster, new: str
) -> None:
    """The new API server's manifest is written, the other components are not upgraded yet."""
    host = hosts["cp1"]
    given = ("-e", f"cluster_kubernetes_version={new}", "-e", "upgrade_backup=false")
    process = upgrade.start(*given, log="power.log")
    manifest = "/etc/kubernetes/manifests/kube-apiserver.yaml"
    wait_for(
        "the API server's manifest is new",
        lambda: host.run(f"grep -q 'kube-apiserver:v{new}' {manifest}")[0] == 0,
        seconds=300,
        interval=0.2,
        evidence=lambda: upgrade.text("power.log"),
    )
    run_lab("stop", host.name)
    assert process.wait(timeout=300) != 0
    run_lab("start", host.name)
    host.reconnect()
    wait_for("the node is ready", lambda: cluster.ready(host.name), seconds=180)
    predicted = run(new, "--check", log="after-power.log").expect()
    assert "cp1: kubelet" in predicted.text
    assert "continues an interrupted upgrade" in predicted.text


def test_kubelet_that_does_not_start_is_undone(
    run: Start,
    hosts: dict[str, Host],
    cluster: Cluster,
    new: str,
    record_property: Callable[[str, object], None],
) -> None:
    """A worker has a feature gate that the old version knows and the new one does not."""
    worker = hosts["w1"]
    worker.check(f"mkdir -p {GATES.rpartition('/')[0]} && cat > {GATES} <<'E'\n{json.dumps(REMOVED_GATE)}\nE")
    try:
        began = time.monotonic()
        failed = run(new, log="kubelet-undone.log").expect(code=2)
        record_property("upgrade that is undone, seconds", round(time.monotonic() - began))
    finally:
        worker.check(f"rm {GATES}")
    assert (
        f"The former kubelet {OLD} runs again" in failed.text and "unrecognized feature gate" in failed.text
    )
    found = _kubelets(cluster)
    assert (found["cp1"], found["w1"], found["w2"]) == (new, OLD, OLD)
    assert cluster.ready("w1")
    unschedulable = cluster.nodes("spec.unschedulable")
    assert unschedulable["w1"] is True and not unschedulable["w2"], "no other worker is begun"


def test_no_request_is_lost_while_an_interrupted_upgrade_is_continued(
    run: Start,
    upgrade: Playbook,
    cluster: Cluster,
    service: Service,
    hosts: dict[str, Host],
    new: str,
    network: tuple[str, ...],
    record_property: Callable[[str, object], None],
) -> None:
    address = cluster.nodes("status.addresses[?type=='InternalIP'] | [0].address")["cp1"]
    # What the tests before have done to the hosts is not counted.
    wait_for("the Service answers all requests", lambda: service.steady(address), seconds=60)
    with service.counted(address) as seen:
        began = time.monotonic()
        given = ("-e", f"cluster_kubernetes_version={new}", "-e", "upgrade_backup=false")
        process = upgrade.start(*given, log="interrupted.log")

        def reached() -> bool:
            assert process.poll() is None, upgrade.text("interrupted.log")[-6000:]
            workers = upgrade.text("interrupted.log").partition("PLAY [Upgrade workers]")[2]
            return "Upgrade | Install kubelet and kubectl" in workers

        wait_for("a worker's kubelet is replaced", reached, seconds=900)
        upgrade.kill(process, connections=True)
        kubelets = _kubelets(cluster)
        assert kubelets["cp1"] == new
        assert OLD in kubelets.values()

        continued = run(new, *network, log="continued.log").expect()
        assert f"cp1: {new}, finished" in continued.text
        assert "continues an interrupted upgrade" in continued.text
        record_property("upgrade, seconds", round(time.monotonic() - began))
        time.sleep(AFTERWARDS)
    record_property("requests", seen.requests)
    record_property("lost requests", len(seen.lost))
    print(f"{seen.requests} requests, lost: {seen.lost}")
    assert _kubelets(cluster) == dict.fromkeys(hosts, new)
    assert not any(cluster.nodes("spec.unschedulable").values())
    config = cluster.query("/api/v1/namespaces/kube-system/configmaps/cilium-config", "data.debug")
    assert config == "true", "Cilium follows in the same run"
    assert seen.lost == []


@pytest.mark.parametrize(("batch", "batches"), [("2", 1), ("50%", 2)])
def test_another_upgrade_changes_nothing(
    run: Start, new: str, network: tuple[str, ...], batch: str, batches: int
) -> None:
    """Ansible announces a play once for each batch."""
    again = run(new, *network, "-e", f"upgrade_batch={batch}", log="again.log").expect_quiet()
    assert again.text.count("PLAY [Upgrade workers]") == batches


def test_next_site_changes_nothing(playbook: Playbook, new: str, network: tuple[str, ...]) -> None:
    playbook.run("-e", f"cluster_kubernetes_version={new}", *network, log="site.log").expect_quiet()


def test_everything_has_the_new_version(cluster: Cluster, hosts: dict[str, Host], new: str) -> None:
    tags = _tags(cluster)
    assert {tag for name, tag in tags.items() if name != "etcd"} == {f"v{new}"}
    dns = cluster.query("/apis/apps/v1/namespaces/kube-system/deployments/coredns", "spec.template.spec")
    known = yaml.safe_load((REPO / "roles/cluster/vars/main/releases.yml").read_text(encoding="utf-8"))
    expected = known["cluster_image_tags"][new]
    assert (tags["etcd"], dns["containers"][0]["image"].rpartition(":")[2]) == (
        expected["etcd"],
        expected["coredns"],
    )
    for host in hosts.values():
        assert host.run("test -e /var/lib/baremetal-kubernetes/staging")[0] == 1


def test_nothing_is_downgraded_afterwards(playbook: Playbook, run: Start, cluster: Cluster, new: str) -> None:
    for refused in (run(OLD, log="back.log"), playbook.run(log="site-back.log")):
        assert "nothing is downgraded" in refused.expect(code=2).text
    assert set(_kubelets(cluster).values()) == {new}
