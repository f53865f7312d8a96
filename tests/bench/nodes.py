# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure add_node and remove_node of one worker in clusters of different sizes.

    python -m tests.bench.nodes [--sizes 3,200,1000] [--rounds N] [--json PATH] [--keep]

The further nodes are simulated: hosts of the inventory that do not exist, and Node objects of them. It replaces the
lab. Being slow is no failure.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from kubernetes import client
from rich.console import Console
from rich.table import Table

from lab.config import Settings, settings
from tests.bench import report
from tests.bench.labs import fresh, one_file, present, run_lab, wait_idle
from tests.bench.measure import BenchError, Lab
from tests.bench.phases import OUTPUT, Phases, interrupted
from tests.bench.report import MIB, Phase, Target
from tests.infra.cluster import Cluster

#: The worker that joins and leaves.
WORKER = "w3"
#: Room for 4,096 nodes; preflight refuses an inventory that has more hosts than the network has room for.
POD_CIDR = "10.128.0.0/12"
#: How much more a node may cost in the largest cluster than in the smallest one.
FLAT = 1.2
#: What is done with it, each time from the beginning: the host named or found, and removed.
ADD, ADD_FOUND, REMOVE = "add", "add, no limit,", "remove"
#: What may not grow with the cluster.
FIGURES: dict[str, Callable[[Phase], float]] = {
    "seconds": lambda phase: phase.seconds,
    "tasks run": lambda phase: phase.run.executions if phase.run else 0,
    "controller's memory": lambda phase: phase.pss,
}
#: What is shown with it. Ansible itself takes more than a second to read a YAML inventory of a thousand hosts.
SHOWN = {**FIGURES, "controller's CPU seconds": lambda phase: phase.cpu_seconds}


def simulated(count: int) -> dict[str, str]:
    """Names and addresses of hosts that do not exist (RFC 2544's network for benchmarks)."""
    return {f"sim{number:04}": f"198.18.{number // 250}.{number % 250 + 1}" for number in range(count)}


def inventory_of(hosts: dict[str, str]) -> str:
    """A file that adds them to the inventory's workers."""
    variables = {name: {"ansible_host": address} for name, address in hosts.items()}
    return yaml.safe_dump({"worker": {"hosts": variables}})


def node_object(name: str, address: str) -> dict[str, Any]:
    """The Node object of a host that does not exist.

    Without the label kubernetes.io/os no DaemonSet of the cluster wants a pod there, and with a range of its own the
    controller manager does not take one of the cluster's for it. It is what the controller manager makes of a node
    whose kubelet is silent, as it would otherwise change each of them while something is measured.
    """
    low = [int(part) for part in address.split(".")]
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "bench": "simulated"}},
        "spec": {
            "podCIDR": f"198.19.{low[2]}.{low[3]}/32",
            "podCIDRs": [f"198.19.{low[2]}.{low[3]}/32"],
            "taints": [
                {"key": "node.kubernetes.io/unreachable", "effect": effect}
                for effect in ("NoSchedule", "NoExecute")
            ],
        },
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}],
            "conditions": [
                {"type": kind, "status": "Unknown", "reason": "NodeStatusUnknown"}
                for kind in ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
            ],
        },
    }


def growth(phases: Iterable[Phase], name: str, figure: Callable[[Phase], float]) -> dict[int, float]:
    """A figure of a phase in each cluster, relative to the smallest one, by the lowest of the rounds of each."""
    best: dict[int, float] = {}
    for phase in phases:
        what, _, size = phase.name.rpartition(" ")
        if what == name:
            best[int(size)] = min(figure(phase), best.get(int(size), figure(phase)))
    return {size: value / best[min(best)] for size, value in sorted(best.items())} if best else {}


def targets(phases: Sequence[Phase]) -> list[Target]:
    """What may not grow, with the most that it has grown by; not measured with one size."""
    found = []
    for name in (ADD, ADD_FOUND, REMOVE):
        for figure, value in FIGURES.items():
            ratios = growth(phases, name, value)
            most = max(ratios.values()) if len(ratios) > 1 else None
            found.append(Target(f"{name.rstrip(',')}: {figure}", "times", FLAT, most))
    return found


class Bench:
    """All phases, on one cluster that grows.

    :param work: a directory that is removed afterwards; it holds credentials.
    """

    def __init__(self, wanted: Settings, work: Path) -> None:
        self.wanted = wanted
        self.phases = Phases(wanted, work)
        self.phases.variables = {"cluster_pod_cidr": POD_CIDR}
        self.inventory = work / "inventory"
        self._nodes = 0

    def create(self) -> Lab:
        """The cluster, and the worker that is no node yet."""
        self.phases.playbook(fresh(self.wanted), "create", 0, "site")
        run_lab("add", WORKER, "--kind", "systemd", "--role", "worker")
        self.phases.inventory = self.inventory
        return present(self.wanted)

    def grow(self, lab: Lab, size: int) -> Cluster:
        """Add simulated nodes until the cluster has that many."""
        real = len(lab.hosts) - 1
        hosts = simulated(max(0, size - real))
        if self.inventory.exists():
            shutil.rmtree(self.inventory)
        shutil.copytree(self.wanted.paths.inventory, self.inventory)
        if hosts:
            (self.inventory / "simulated.yml").write_text(inventory_of(hosts), encoding="utf-8")
        cluster = Cluster(one_file(self.inventory / ".credentials", "*.kubeconfig"))
        for name in list(hosts)[self._nodes :]:
            try:
                cluster.core.create_node(node_object(name, hosts[name]))
            except client.ApiException as exc:
                raise BenchError(f"the API refuses the simulated node {name}: {exc.body}") from exc
        if len(hosts) > self._nodes:
            # The controllers that look at each new node.
            time.sleep(20)
        self._nodes = len(hosts)
        wait_idle(lambda: sum(lab.seconds().values()))
        return cluster

    def round(self, lab: Lab, size: int, number: int) -> None:
        """A worker joins and leaves: named by a limit, and then found among all hosts of the inventory."""
        cluster = self.grow(lab, size)
        for name, arguments in ((ADD, ("--limit", WORKER)), (ADD_FOUND, ())):
            # A host that was reset has something left, for instance the directories of Linux packages.
            run_lab("wipe", WORKER)
            run_lab("start", WORKER)
            self.phases.playbook(lab, f"{name} {size}", number, "add_node", *arguments)
            if not cluster.ready(WORKER):
                raise BenchError(f"{WORKER} is not Ready after add_node")
            confirm = f"node_remove_confirm={WORKER}"
            self.phases.playbook(lab, f"{REMOVE} {size}", number, "remove_node", "-e", confirm)
            if WORKER in cluster.nodes():
                raise BenchError(f"{WORKER} is a node after remove_node")


def show(phases: Sequence[Phase], console: Console) -> None:
    """The figures of each phase, and how they grow."""
    table = Table(
        "phase", "round", "s", "tasks", "run on hosts", "hosts", "controller MiB", "CPU s", "load before"
    )
    for phase in phases:
        if phase.run:
            table.add_row(
                phase.name,
                str(phase.round),
                f"{phase.seconds:.1f}",
                str(phase.run.tasks),
                str(phase.run.executions),
                " ".join(f"{name} {count}" for name, count in sorted(phase.run.executed.items())),
                f"{phase.pss / MIB:.0f}",
                f"{phase.cpu_seconds:.1f}",
                f"{phase.load:.2f}",
            )
    console.print(table)
    grown = Table("figure", "relative to the smallest cluster", title="How it grows", title_justify="left")
    for name in (ADD, ADD_FOUND, REMOVE):
        for figure, value in SHOWN.items():
            ratios = growth(phases, name, value)
            shown = ", ".join(f"{size} nodes {ratio:.2f}" for size, ratio in ratios.items())
            grown.add_row(f"{name.rstrip(',')}: {figure}", shown or "not measured")
    console.print(grown)
    console.print(report.target_table(targets(phases)))


def main(
    sizes: Annotated[str, typer.Option(help="Nodes of the clusters, the real ones included.")] = "3,200,1000",
    rounds: Annotated[int, typer.Option(min=1, help="How often in each; the lowest figures count.")] = 2,
    output: Annotated[Path, typer.Option("--json", help="Where the figures go.")] = OUTPUT
    / "bench-nodes.json",
    keep: Annotated[bool, typer.Option(help="Leave the cluster up.")] = False,
) -> None:
    """Measure add_node and remove_node of one worker in clusters of different sizes. Replaces the lab."""
    console = Console(width=None if sys.stdout.isatty() else 160)
    failure = ""
    signal.signal(signal.SIGTERM, interrupted)
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        bench = Bench(settings(), Path(work))
        try:
            lab = bench.create()
            for size in sorted(int(text) for text in sizes.split(",")):
                for number in range(1, rounds + 1):
                    bench.round(lab, size, number)
        except (BenchError, RuntimeError, subprocess.SubprocessError) as exc:
            failure = str(exc)
        except KeyboardInterrupt:
            failure = "interrupted"
        finally:
            if not keep:
                run_lab("down")
    show(bench.phases.done, console)
    figures = [
        {
            "name": phase.name,
            "round": phase.round,
            "seconds": phase.seconds,
            "cpu_seconds": phase.cpu_seconds,
            "pss": phase.pss,
            "load": phase.load,
            "calls": phase.calls,
            "executed": phase.run.executed if phase.run else {},
            "plays": phase.run.plays if phase.run else {},
            "slowest": report.slowest(phase),
        }
        for phase in bench.phases.done
    ]
    found = [{**asdict(target), "met": target.met} for target in targets(bench.phases.done)]
    report.write(output, {"phases": figures, "targets": found, "failure": failure})
    if failure:
        print(f"bench: {failure}", file=sys.stderr)
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
