# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations and faults in an order that a seed decides, on a cluster with three control planes and a client."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.infra.cluster import Cluster
from tests.infra.hosts import Host, run_lab
from tests.infra.playbook import Playbook, Run, tasks_of
from tests.infra.waiting import wait_for
from tests.infra.writer import Writer

PLANES, WORKER = ("cp1", "cp2", "cp3"), "w1"
STEPS = 10
ETCD = "/usr/local/bin/etcd"
#: A run is killed in one of so many first tasks.
MOST_TASKS = 80
#: Seconds that a node may take until it is Ready after its host was turned on.
RETURN = 240.0
KUBECONFIG = "baremetal.kubernetes.control_plane : Save the administrator's kubeconfig on the controller"


@dataclass
class World:
    """What the operations work on.

    :param failed: the step that has not passed; nothing can be told about those after it.
    """

    playbook: Playbook
    endpoint: tuple[str, ...]
    cluster: Cluster
    hosts: dict[str, Host]
    kubelet_config: dict[str, Any]
    failed: str = ""

    def run(self, name: str, *arguments: str) -> Run:
        made = replace(self.playbook, name=f"baremetal.kubernetes.{name}")
        return made.run(*self.endpoint, *arguments, log=f"{name}.log")

    def killed(self, share: float, name: str, *arguments: str) -> None:
        """Kill the controller somewhere in a run, and let the next run complete it.

        :param share: where, of the most tasks that are waited for; a run may be shorter, and is then not killed.
        """
        made = replace(self.playbook, name=f"baremetal.kubernetes.{name}")
        log, number = f"killed-{name}.log", 1 + int(share * MOST_TASKS)
        process = made.start(*self.endpoint, *arguments, log=log)
        while process.poll() is None and made.text(log).count("\nTASK [") < number:
            time.sleep(0.05)
        begun = tasks_of(made.text(log))
        ended = process.poll() is not None
        made.kill(process)
        print(f"{name} {'ended' if ended else 'killed'} in task {len(begun)}: {begun[-1:]}", flush=True)
        self.run(name, *arguments).expect()

    def start(self, *names: str) -> None:
        """Turn hosts on, and wait until their nodes work."""
        for name in names:
            run_lab("start", name)
            self.hosts[name].reconnect()
        self.wait_ready()

    def wait_ready(self) -> None:
        expected = set(self.hosts)
        wait_for(
            "all nodes are Ready",
            lambda: (
                set(self.cluster.nodes()) == expected and all(self.cluster.ready(name) for name in expected)
            ),
            seconds=RETURN,
        )


@dataclass(frozen=True)
class Step:
    """One entry of the order.

    :param share: for what needs a number between 0 and 1.
    """

    name: str
    plane: str
    node: str
    share: float

    def __str__(self) -> str:
        return f"{self.name}({self.plane}, {self.node}, {self.share:.2f})"


def power_loss(world: World, step: Step) -> None:
    """A control plane loses power, and is away longer than etcd waits for an election."""
    run_lab("stop", step.plane)
    time.sleep(15)
    world.start(step.plane)


def blackout(world: World, _step: Step) -> None:
    """All hosts lose power."""
    for name in world.hosts:
        run_lab("stop", name)
    world.start(*world.hosts)


def killed_components(world: World, step: Step) -> None:
    """The processes of a control plane end."""
    host = world.hosts[step.plane]
    for program in (ETCD, "/usr/local/bin/kube-apiserver"):
        host.check(f"kill -9 {' '.join(map(str, host.pids(program)))}")
    world.wait_ready()


def replaced_control_plane(world: World, step: Step) -> None:
    """A control plane leaves the cluster and comes back."""
    world.run("remove_node", "-e", f"node_remove_confirm={step.plane}").expect()
    world.run("add_node").expect()


def replaced_dead_control_plane(world: World, step: Step) -> None:
    """A control plane dies, is removed, is reset when it is found again, and comes back."""
    run_lab("stop", step.plane)
    wait_for(f"{step.plane} is not Ready", lambda: not world.cluster.ready(step.plane), seconds=120)
    world.run("remove_node", "-e", f"node_remove_confirm={step.plane}").expect()
    run_lab("start", step.plane)
    world.hosts[step.plane].reconnect()
    world.run("reset", "--limit", step.plane, "-e", f"reset_confirm={step.plane}").expect()
    world.run("add_node").expect()


def lost_etcd_data(world: World, step: Step) -> None:
    """A control plane that has joined loses the data of etcd: it is named, removed, and joins again."""
    # kubeadm leaves it to the first one to create a new cluster (docs/recovery.md).
    existing = "grep -q initial-cluster-state=existing /etc/kubernetes/manifests/etcd.yaml"
    joined = [name for name in PLANES if world.hosts[name].run(existing)[0] == 0]
    name = step.plane if step.plane in joined else joined[0]
    host = world.hosts[name]
    host.check(f"rm -rf /var/lib/etcd/member; kill -9 {' '.join(map(str, host.pids(ETCD)))}")
    wait_for(
        f"the repair names the member of {name}",
        lambda: f"{name}: its member of etcd does not serve" in world.run("repair_etcd").text,
        seconds=180,
        interval=5,
        evidence=lambda: world.playbook.text("repair_etcd.log"),
    )
    world.run("remove_node", "-e", f"node_remove_confirm={name}").expect()
    world.run("add_node").expect()


def replaced_worker(world: World, _step: Step) -> None:
    """The worker leaves the cluster and comes back."""
    world.run("remove_node", "-e", f"node_remove_confirm={WORKER}").expect()
    world.run("add_node").expect()


def killed_site(world: World, step: Step) -> None:
    """The controller dies in a run that changes every kubelet, and the next run completes it."""
    values = ("-e", json.dumps({"kubelet_config": {**world.kubelet_config, "maxPods": 99}}))
    world.killed(step.share, "site", *values)
    world.run("site").expect()


def killed_removal(world: World, step: Step) -> None:
    """The controller dies while a control plane is removed, and again while it joins."""
    world.killed(step.share, "remove_node", "-e", f"node_remove_confirm={step.plane}")
    world.killed(1 - step.share, "add_node")


def killed_renewal(world: World, step: Step) -> None:
    """The controller dies while all certificates are renewed."""
    world.killed(step.share, "renew_certificates", "-e", "renew_certificates_all=true")


def killed_drain(world: World, step: Step) -> None:
    """The controller dies while a node is drained."""
    world.killed(step.share, "drain_node", "--limit", step.node)
    world.run("uncordon_node", "--limit", step.node).expect()


def rotation(world: World, _step: Step) -> None:
    """Secrets get another key."""
    world.run("rotate_encryption_key").expect()


def defragmentation(world: World, _step: Step) -> None:
    """The members of etcd are defragmented."""
    world.run("repair_etcd", "-e", "repair_etcd_defragment=true").expect()


def reboot(world: World, step: Step) -> None:
    """A host reboots, drained."""
    world.run("reboot_nodes", "--limit", step.node, "-e", "reboot_nodes_force=true").expect()


def maintenance(world: World, step: Step) -> None:
    """A node is drained, loses power, and returns to service."""
    world.run("drain_node", "--limit", step.node).expect()
    run_lab("stop", step.node)
    world.start(step.node)
    world.run("uncordon_node", "--limit", step.node).expect()


OPERATIONS: tuple[Callable[[World, Step], None], ...] = (
    power_loss,
    blackout,
    killed_components,
    replaced_control_plane,
    replaced_dead_control_plane,
    lost_etcd_data,
    replaced_worker,
    killed_site,
    killed_removal,
    killed_renewal,
    killed_drain,
    rotation,
    defragmentation,
    reboot,
    maintenance,
)


def order(seed: int) -> list[Step]:
    """The steps that a seed stands for."""
    source = random.Random(seed)  # noqa: S311 - an order that can be repeated
    chosen = source.sample(OPERATIONS, STEPS)
    return [
        Step(
            operation.__name__,
            source.choice(PLANES),
            source.choice((*PLANES, WORKER)),
            source.random() * 0.95,
        )
        for operation in chosen
    ]


@pytest.fixture(scope="module")
def world(
    playbook: Playbook,
    endpoint: tuple[str, ...],
    cluster: Cluster,
    hosts: dict[str, Host],
    variables: dict[str, Any],
) -> World:
    return World(playbook, endpoint, cluster, hosts, variables["kubelet_config"])


def test_cluster_by_site(world: World) -> None:
    world.run("site").expect()


@pytest.mark.parametrize("number", range(STEPS))
def test_step(
    number: int,
    world: World,
    writer: Writer,
    seed: int,
    record_property: Callable[[str, object], None],
) -> None:
    step = order(seed)[number]
    operation = next(one for one in OPERATIONS if one.__name__ == step.name)
    assert not world.failed, f"{world.failed} did not pass, CHAOS_SEED={seed}"
    world.failed = str(step)
    began = time.monotonic()
    print(f"seed {seed}: {number + 1} of {STEPS}: {step}", flush=True)
    writer.gap()
    operation(world, step)
    wait_for(
        "the health report has no finding",
        lambda: world.run("health").code == 0,
        seconds=180,
        interval=5,
        evidence=lambda: world.playbook.text("health.log"),
    )
    before = len(writer.acknowledged)
    wait_for("writes are acknowledged", lambda: len(writer.acknowledged) > before + 2, seconds=60)
    gap = writer.gap()
    record_property(f"{step}: longest time without an acknowledged write, seconds", round(gap, 1))
    print(
        f"seed {seed}: {step} took {time.monotonic() - began:.0f} s, writes paused for {gap:.1f} s",
        flush=True,
    )
    assert not writer.missing(), f"CHAOS_SEED={seed}"
    world.failed = ""


def test_site_then_changes_nothing(world: World) -> None:
    # The kubeconfig on the controller is that of the first control plane, which may have joined again.
    assert world.run("site").expect().changed <= {("cp1", KUBECONFIG)}
    world.run("site").expect_quiet()


def test_three_control_planes_are_upgraded(
    world: World, writer: Writer, new: str, record_property: Callable[[str, object], None]
) -> None:
    writer.gap()
    began = time.monotonic()
    values = ("-e", f"cluster_kubernetes_version={new}")
    world.run("upgrade", *values, "-e", "upgrade_backup=false").expect()
    gap = writer.gap()
    record_property("upgrade of three control planes and a worker, seconds", round(time.monotonic() - began))
    record_property("longest time without an acknowledged write meanwhile, seconds", round(gap, 1))
    print(f"upgrade took {time.monotonic() - began:.0f} s, writes paused for {gap:.1f} s", flush=True)
    found = world.cluster.nodes("status.nodeInfo.kubeletVersion")
    assert found == dict.fromkeys(world.hosts, f"v{new}")
    world.run("site", *values).expect_quiet()


def test_all_that_was_acknowledged_is_there(
    writer: Writer, seed: int, record_property: Callable[[str, object], None]
) -> None:
    writer.stop()
    record_property("seed", seed)
    record_property("writes", len(writer.acknowledged))
    print(f"seed {seed}: {len(writer.acknowledged)} acknowledged writes")
    assert len(writer.acknowledged) > STEPS * 10
    assert not writer.missing(), f"CHAOS_SEED={seed}"
