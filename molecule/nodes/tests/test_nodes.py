# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers are added and removed, alive and dead. Each test needs those before it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.cluster import Cluster, image_of_lab, running_and_ready
from tests.infra.fixtures import AGNHOST
from tests.infra.hosts import REPO, Host, run_lab
from tests.infra.playbook import Playbook, Run
from tests.infra.touched import counted
from tests.infra.waiting import wait_for

PREFETCH = "baremetal.kubernetes.container_runtime : Begin to pull images"
NAMESPACE = "nodes"
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 65534,
    "seccompProfile": {"type": "RuntimeDefault"},
}


@pytest.fixture(scope="session")
def new(hosts: dict[str, Host], inventory: Path) -> dict[str, Host]:
    """Hosts of the inventory that are no nodes, of both init systems; C(hosts) does not have them."""
    kinds = {"w3": "systemd", "w4": "openrc", "w5": "systemd"}
    assert kinds.keys().isdisjoint(hosts)
    for name, kind in kinds.items():
        run_lab("add", name, "--kind", kind, "--role", "worker")
    return {name: Host(name, inventory, control_plane=False) for name in kinds}


@pytest.fixture(scope="session")
def add(inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> Playbook:
    return Playbook(inventory, tmp_path_factory.mktemp("add"), name="baremetal.kubernetes.add_node")


@pytest.fixture(scope="session")
def removing(inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> Playbook:
    return Playbook(inventory, tmp_path_factory.mktemp("remove"), name="baremetal.kubernetes.remove_node")


@pytest.fixture(scope="session")
def remove(removing: Playbook) -> Callable[..., Run]:
    def run(names: str, *more: str) -> Run:
        return removing.run("-e", f"node_remove_confirm={names}", *more)

    return run


def wait_ready(cluster: Cluster, names: set[str]) -> None:
    wait_for(
        f"{', '.join(sorted(names))} are ready",
        lambda: set(cluster.nodes()) == names and all(cluster.ready(name) for name in names),
        seconds=180,
    )


def spec(image: str, node: str = "") -> dict[str, Any]:
    """A pod that serves HTTP and ends at once; on a node, where one is named."""
    selector = {"nodeSelector": {"kubernetes.io/hostname": node}} if node else {}
    container = {
        "name": "agnhost",
        "image": image,
        "command": ["/agnhost"],
        "args": ["netexec", "--http-port=8080", "--udp-port=-1"],
        "securityContext": RESTRICTED,
    }
    return {"terminationGracePeriodSeconds": 1, "containers": [container], **selector}


@pytest.fixture(scope="session")
def image(cluster: Cluster) -> str:
    """The image of pods, and a namespace for them."""
    cluster.core.create_namespace({"metadata": {"name": NAMESPACE}})
    return image_of_lab(REPO / "lab" / "catalogue.yml", AGNHOST)


def approver_nodes(host: Host) -> dict[str, Any]:
    found = json.loads(host.check("cat /etc/baremetal-kubernetes/kubelet-csr-approver.json"))
    return dict(found["nodes"])


def test_new_workers_join_and_nothing_runs_elsewhere(
    add: Playbook,
    new: dict[str, Host],
    hosts: dict[str, Host],
    cluster: Cluster,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    with counted(tmp_path / "touched") as tasks:
        run = add.run().expect()
    record_property("tasks by host", dict(tasks))
    assert set(tasks) == {*new, "cp1"}, "only the new hosts and one delegate"
    # The recap has tasks that run once, on the controller, below the first host of the inventory.
    assert {host for host, counts in run.recap.items() if counts.changed} <= {*new, "cp1"}
    assert {(host, PREFETCH) for host in new} <= run.changed, "the CNI's image, before they have joined"
    wait_ready(cluster, {*hosts, *new})
    assert set(new) <= set(approver_nodes(hosts["cp1"]))


def test_second_run_finds_nothing_to_do(add: Playbook, new: dict[str, Host], tmp_path: Path) -> None:
    for arguments in ((), ("--limit", "w3")):
        with counted(tmp_path / "touched") as tasks:
            run = add.run(*arguments).expect_quiet()
        assert not tasks, "not even a question to the hosts"
        assert "Could not match supplied host pattern" not in run.text
    assert set(new) == {"w3", "w4", "w5"}


def test_site_has_nothing_to_change(playbook: Playbook) -> None:
    playbook.run().expect_quiet()


@pytest.mark.parametrize(
    ("names", "more", "message"),
    [
        ("", (), "node_remove_confirm is empty, expected the names of the nodes"),
        ("w3", ("--limit", "w3"), "--limit is .*expected none"),
        ("w33", (), "w33 is neither a host of the inventory nor a node of the cluster.*Similar names: .*w3"),
        ("cp1", (), "No control plane of the inventory would stay"),
    ],
)
def test_what_cannot_be_removed_is_refused(
    names: str, more: tuple[str, ...], message: str, remove: Callable[..., Run]
) -> None:
    run = remove(names, *more).expect(code=2)
    assert re.search(message, run.text.replace('\\"', '"').replace("\n", " ")), run.text[-2000:]
    assert run.changed == set()


def test_pod_that_nothing_creates_again_is_named_before_any_change(
    remove: Callable[..., Run], cluster: Cluster, image: str
) -> None:
    cluster.core.create_namespaced_pod(NAMESPACE, {"metadata": {"name": "alone"}, "spec": spec(image, "w3")})
    wait_for("the pod runs", lambda: running_and_ready(cluster.pods(NAMESPACE)["alone"]), seconds=120)
    run = remove("w3").expect(code=2)
    assert f"{NAMESPACE}/alone" in run.text
    assert run.changed == set()
    assert not cluster.nodes("spec.unschedulable")["w3"]


def test_check_mode_shows_the_removal(remove: Callable[..., Run], cluster: Cluster) -> None:
    run = remove("w3", "-e", "node_drain_force=true", "--check", "--diff").expect()
    for text in (f"{NAMESPACE}/alone", "-directory /etc/kubernetes", "-node w3"):
        assert text in run.text
    assert cluster.ready("w3")


def test_live_worker_is_removed(
    remove: Callable[..., Run], new: dict[str, Host], hosts: dict[str, Host], cluster: Cluster
) -> None:
    run = remove("w3", "-e", "node_drain_force=true").expect()
    assert {host for host, counts in run.recap.items() if counts.changed} <= {"w3", "cp1"}
    assert "Remove w3 from the inventory" in run.text
    assert set(cluster.nodes()) == {*hosts, "w4", "w5"}
    assert "alone" not in cluster.pods(NAMESPACE)
    assert (
        new["w3"].run("ls -d /etc/kubernetes /var/lib/kubelet/* /usr/local/bin/kubelet 2>/dev/null")[1] == ""
    )
    assert "w3" not in approver_nodes(hosts["cp1"]), (
        "it would get certificates with credentials that somebody kept"
    )


def test_second_removal_changes_nothing(remove: Callable[..., Run]) -> None:
    run = remove("w3").expect_quiet()
    assert "w3 was no node of the cluster" in run.text


def test_dead_worker_is_removed_and_its_pods_are_freed(
    remove: Callable[..., Run], new: dict[str, Host], hosts: dict[str, Host], cluster: Cluster, image: str
) -> None:
    cluster.core.create_namespaced_pod(NAMESPACE, {"metadata": {"name": "stuck"}, "spec": spec(image, "w4")})
    wait_for("the pod runs", lambda: running_and_ready(cluster.pods(NAMESPACE)["stuck"]), seconds=120)
    run_lab("stop", new["w4"].name)
    wait_for("w4 is not Ready", lambda: not cluster.ready("w4"), seconds=120)
    run = remove("w4").expect()
    assert "Its host was not reset: turn the machine off" in run.text
    assert set(cluster.nodes()) == {*hosts, "w5"}
    assert "stuck" not in cluster.pods(NAMESPACE)
    remove("w4").expect_quiet()


def test_worker_that_dies_while_it_is_drained_is_removed_as_a_dead_one(
    removing: Playbook,
    remove: Callable[..., Run],
    new: dict[str, Host],
    hosts: dict[str, Host],
    cluster: Cluster,
    image: str,
) -> None:
    """Its pod would end for ten minutes; without a kubelet it never does."""
    slow = spec(image, "w5")
    slow["terminationGracePeriodSeconds"] = 600
    slow["containers"][0]["lifecycle"] = {"preStop": {"sleep": {"seconds": 600}}}
    cluster.core.create_namespaced_pod(NAMESPACE, {"metadata": {"name": "slow"}, "spec": slow})
    wait_for("the pod runs", lambda: running_and_ready(cluster.pods(NAMESPACE)["slow"]), seconds=120)
    began = time.monotonic()
    process = removing.start("-e", "node_remove_confirm=w5", "-e", "node_drain_force=true", log="dies.log")
    wait_for(
        "the drain waits for the pod",
        lambda: f"waiting for {NAMESPACE}/slow (ending)" in removing.text("dies.log"),
        seconds=120,
        evidence=lambda: removing.text("dies.log"),
    )
    run_lab("stop", new["w5"].name)
    code = process.wait(timeout=400)
    text = removing.text("dies.log")
    assert code == 0, text[-3000:]
    assert time.monotonic() - began < 300, "nobody waited for the pod"
    assert "w5 is removed. Its host was not reset: turn the machine off" in text
    assert set(cluster.nodes()) == set(hosts)
    assert "slow" not in cluster.pods(NAMESPACE)
    remove("w5").expect_quiet()


def test_removed_node_returns_under_its_name(
    add: Playbook, new: dict[str, Host], hosts: dict[str, Host], cluster: Cluster, tmp_path: Path
) -> None:
    with counted(tmp_path / "touched") as tasks:
        add.run("--limit", "w3").expect()
    assert set(tasks) == {"w3", "cp1"}
    wait_ready(cluster, {*hosts, "w3"})
    assert "w3" in approver_nodes(hosts["cp1"])


def test_node_that_the_inventory_does_not_know_is_removed(
    remove: Callable[..., Run], inventory: Path, hosts: dict[str, Host], cluster: Cluster
) -> None:
    path = inventory / "hosts.yml"
    before = path.read_text(encoding="utf-8")
    document = yaml.safe_load(before)
    del document["all"]["children"]["worker"]["hosts"]["w3"]
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    try:
        run = remove("w3").expect()
    finally:
        path.write_text(before, encoding="utf-8")
    assert "w3 is removed. Its host was not reset" in run.text
    assert set(cluster.nodes()) == set(hosts)
