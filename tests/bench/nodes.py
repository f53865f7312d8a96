# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure add_node and remove_node of one worker in clusters of different sizes.

    python -m tests.bench.nodes [--sizes 3,200,1000] [--rounds N]

The further nodes are simulated: hosts of the inventory that do not exist, and Node objects of them. It replaces the
lab. Being slow is no failure.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from kubernetes import client
from rich.console import Console
from rich.table import Table

from lab import state
from lab.config import Settings, settings
from tests.bench.__main__ import BIN, OUTPUT, fresh, interrupted, one_file, run_lab
from tests.bench.measure import BenchError, Lab, measure
from tests.bench.report import MIB, Phase
from tests.infra.cluster import Cluster

#: The worker that joins and leaves.
WORKER = "w3"
#: How much more a node may cost in the largest cluster than in the smallest one.
FLAT = 1.2
READY_SECONDS = 180.0


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
    controller manager does not take one of the cluster's for it.
    """
    low = [int(part) for part in address.split(".")]
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "bench": "simulated"}},
        "spec": {"podCIDR": f"198.19.{low[2]}.{low[3]}/32", "podCIDRs": [f"198.19.{low[2]}.{low[3]}/32"]},
        "status": {"addresses": [{"type": "InternalIP", "address": address}]},
    }


def growth(phases: Iterable[Phase], name: str) -> dict[int, float]:
    """How much longer a phase takes in each cluster than in the smallest one, by the fastest round of each."""
    best: dict[int, float] = {}
    for phase in phases:
        if phase.name.startswith(f"{name} "):
            size = int(phase.name.rpartition(" ")[2])
            best[size] = min(phase.seconds, best.get(size, phase.seconds))
    return {size: seconds / best[min(best)] for size, seconds in sorted(best.items())}


class Bench:
    """All phases, on one cluster that grows.

    :param work: a directory that is removed afterwards; it holds credentials.
    """

    def __init__(self, wanted: Settings, work: Path) -> None:
        self.wanted = wanted
        self.work = work
        self.phases: list[Phase] = []
        self._nodes = 0

    def _playbook(self, lab: Lab, name: str, number: int, *arguments: str) -> None:
        directory = self.work / f"phase-{len(self.phases)}"
        directory.mkdir()
        inventory = self.work / "inventory"
        argv = [str(BIN / "ansible-playbook"), "-i", str(inventory), *arguments]
        log = OUTPUT / "bench" / f"{number}-{name.replace(' ', '-')}.log"
        self.phases.append(measure(lab, name, "site", number, argv, directory, log, changes=True))
        print(f"round {number}: {name} took {self.phases[-1].seconds:.1f} s", flush=True)

    def create(self) -> Lab:
        """The cluster, and the worker that is no node yet."""
        lab = fresh(self.wanted)
        argv = [
            str(BIN / "ansible-playbook"),
            "-i",
            str(self.wanted.paths.inventory),
            "baremetal.kubernetes.site",
        ]
        directory = self.work / "create"
        directory.mkdir()
        measure(lab, "create", "site", 0, argv, directory, OUTPUT / "bench" / "0-create.log", changes=True)
        run_lab("add", WORKER, "--kind", "systemd", "--role", "worker")
        return Lab(self.wanted, tuple(state.load(self.wanted.paths).hosts.values()))

    def grow(self, lab: Lab, size: int) -> Cluster:
        """Add simulated nodes until the cluster has that many."""
        real = len(lab.hosts) - 1
        hosts = simulated(max(0, size - real))
        inventory = self.work / "inventory"
        if inventory.exists():
            shutil.rmtree(inventory)
        shutil.copytree(self.wanted.paths.inventory, inventory)
        if hosts:
            (inventory / "simulated.yml").write_text(inventory_of(hosts), encoding="utf-8")
        cluster = Cluster(one_file(inventory / ".credentials", "*.kubeconfig"))
        for name in list(hosts)[self._nodes :]:
            try:
                cluster.core.create_node(node_object(name, hosts[name]))
            except client.ApiException as exc:
                raise BenchError(f"the API refuses the simulated node {name}: {exc.body}") from exc
        self._nodes = len(hosts)
        # The controllers that look at each new node.
        time.sleep(20 if hosts else 0)
        return cluster

    def round(self, lab: Lab, size: int, number: int) -> None:
        """A worker joins and leaves."""
        cluster = self.grow(lab, size)
        self._playbook(lab, f"add {size}", number, "--limit", WORKER, "baremetal.kubernetes.add_node")
        if not cluster.ready(WORKER):
            raise BenchError(f"{WORKER} is not Ready after add_node")
        remove = ("-e", f"node_remove_confirm={WORKER}", "baremetal.kubernetes.remove_node")
        self._playbook(lab, f"remove {size}", number, *remove)
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
                " ".join(sorted(phase.run.executed)),
                f"{phase.pss / MIB:.0f}",
                f"{phase.cpu_seconds:.1f}",
                f"{phase.load:.2f}",
            )
    console.print(table)
    for name in ("add", "remove"):
        found = growth(phases, name)
        text = ", ".join(f"{size} nodes {ratio:.2f}" for size, ratio in found.items())
        verdict = "" if not found else "met" if max(found.values()) <= FLAT else "missed"
        console.print(
            f"{name}, relative to the smallest cluster: {text} (target {FLAT}: {verdict})", highlight=False
        )


def main(
    sizes: Annotated[str, typer.Option(help="Nodes of the clusters, the real ones included.")] = "3,200,1000",
    rounds: Annotated[int, typer.Option(min=1, help="How often in each; the fastest counts.")] = 2,
    output: Annotated[Path, typer.Option("--json", help="Where the figures go.")] = OUTPUT
    / "bench-nodes.json",
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
            run_lab("down")
    show(bench.phases, console)
    figures = [
        {
            "name": phase.name,
            "round": phase.round,
            "seconds": phase.seconds,
            "pss": phase.pss,
            "load": phase.load,
            "executed": phase.run.executed if phase.run else {},
        }
        for phase in bench.phases
    ]
    output.write_text(json.dumps({"phases": figures, "failure": failure}, indent=1), encoding="utf-8")
    if failure:
        print(f"bench: {failure}", file=sys.stderr)
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
