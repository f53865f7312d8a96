# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure how long it takes to plan, write and verify the metrics of a large cluster.

    python -m tests.bench.metrics [--nodes N] [--rounds N]

Ansible runs the task of the playbook `metrics` on this machine, against an API server with N nodes, each as large as a
real one, and a Grafana that answers for all of them, in a process of their own. The second round changes nothing.
Measured are the duration of the process in which Ansible runs the task, the peak memory of that process, including what
it shares with ansible-playbook, and that of the module which it starts to write the files. Exit code 1 when the first
round takes more than 10 s, a further one more than 5 s, or any of them more than 200 MiB.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import controller

Json = dict[str, Any]
FIRST_SECONDS = 10.0
AGAIN_SECONDS = 5.0
MEBIBYTES = 200.0
CLUSTER = "bench"
TOKEN = "glsa_bench"
CONTROL_PLANES = 3
#: node, kubelet, cadvisor, probes, cilium-agent and hubble: six pairs for each node.
JOBS = ["node", "kubelet", "cadvisor", "probes", "apiserver", "cilium-agent", "hubble"]

PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
    names: "{{ lookup('ansible.builtin.file', playbook_dir ~ '/names.json') | from_json }}"
  tasks:
    - measured_metrics:
        kubeconfig: "{{ playbook_dir }}/kubeconfig"
        cluster: bench
        control_planes: "{{ names.control_planes }}"
        workers: "{{ names.workers }}"
        jobs: "{{ names.jobs }}"
        directory: "{{ playbook_dir }}/targets"
        component: ""
        url: "{{ names.grafana }}"
        token: glsa_bench
        deadline: 5
"""
# The same class, measured in the process that Ansible forks for the task.
MEASURED = """
import json, os, resource, time
from pathlib import Path
from ansible_collections.baremetal.kubernetes.plugins.action import cluster_metrics


class ActionModule(cluster_metrics.ActionModule):
    def run(self, tmp=None, task_vars=None):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        result = super().run(tmp, task_vars)
        forked = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        numbers = {
            "seconds": time.clock_gettime(time.CLOCK_BOOTTIME) - forked,
            "cpu": time.process_time(),
            "before": before / 1024,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "module": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
            "pairs": result.get("pairs", 0),
            "changed": result["changed"],
            "missing": len(result.get("missing", ())),
        }
        Path(self._task.args["kubeconfig"]).with_name("numbers.json").write_text(json.dumps(numbers))
        return result
"""


@dataclass(frozen=True)
class Measured:
    """One run.

    :param seconds: from the start of its process to the end of the action. :param cpu: those on a CPU.
    :param before: MiB of its process when it begins. :param peak: the most that it ever had. :param module: the same of
        the module that writes. :param pairs: of job and node. :param missing: of those.
    """

    seconds: float
    cpu: float
    before: float
    peak: float
    module: float
    pairs: int
    changed: bool
    missing: int

    def problem(self, number: int) -> str:
        """What is not as it has to be, empty when all is."""
        limit = AGAIN_SECONDS if number else FIRST_SECONDS
        if self.missing or self.changed is bool(number):
            return f"{self.missing} pairs are missing, changed is {self.changed}"
        if self.seconds > limit or max(self.peak, self.module) > MEBIBYTES:
            return f"more than {limit:g} s or {MEBIBYTES:g} MiB"
        return ""


def node(name: str, number: int, control_plane: bool) -> Json:
    """A Node as large as one that has run for a while: most of it are the names of images."""
    digest = "sha256:" + f"{number:064x}"
    images = [
        {
            "names": [
                f"registry.example.org/team/service-{i}@{digest}",
                f"registry.example.org/team/service-{i}:1.{i}.0",
            ]
        }
        for i in range(50)
    ]
    conditions = [
        {
            "type": kind,
            "status": "True" if kind == "Ready" else "False",
            "lastHeartbeatTime": "2026-11-30T20:00:00Z",
            "lastTransitionTime": "2026-11-01T20:00:00Z",
            "reason": f"Kubelet{kind}",
            "message": f"kubelet reports {kind}",
        }
        for kind in ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
    ]
    return {
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                **({"node-role.kubernetes.io/control-plane": ""} if control_plane else {}),
            },
        },
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": f"10.0.{number // 250}.{number % 250 + 1}"},
                {"type": "Hostname", "address": name},
            ],
            "conditions": conditions,
            "images": images,
        },
    }


def names(nodes: int) -> tuple[list[str], list[str]]:
    """Control planes and workers."""
    count = min(CONTROL_PLANES, nodes)
    return [f"cp{i}" for i in range(count)], [f"w{i:04}" for i in range(nodes - count)]


def _serve(nodes: int, directory: str, ready: Any) -> None:
    """Both servers, until the process is ended."""
    # Only here, so that their size is not that of the process which measures.
    from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics import expected, jobs

    from tests.unit.support.grafana import Site
    from tests.unit.support.servers import Answer, ApiServer, Request, Server

    control_planes, workers = names(nodes)
    objects = [
        node(name, number, name in control_planes) for number, name in enumerate([*control_planes, *workers])
    ]
    api = ApiServer(token="bench")
    api.lists["/api/v1/nodes"] = objects
    api.kubeconfig(Path(directory, "kubeconfig"))
    members = expected.expected(
        expected.Inventory(tuple(control_planes), tuple(workers)), map(expected.read_node, objects)
    )
    site = Site(ages=dict.fromkeys(members.pairs(jobs.selected(JOBS, {})), 12.0), cluster=CLUSTER)

    def handle(request: Request) -> Answer:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return Answer(401, {})
        answer = site(request.method, request.target, request.object)
        site.requests.clear()
        return Answer(answer.status, answer.text, dict(answer.headers))

    ready.send(Server(handle).url)
    while True:
        time.sleep(3600)


@contextmanager
def servers(nodes: int, directory: Path) -> Iterator[str]:
    """Both servers; gives the URL of Grafana."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(nodes, str(directory), theirs), daemon=True)
    process.start()
    try:
        if not ours.poll(60):
            raise RuntimeError("the servers did not start")
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def prepare(directory: Path, nodes: int, grafana: str) -> None:
    """A playbook with its action and the names of the hosts."""
    control_planes, workers = names(nodes)
    (directory / "action_plugins").mkdir()
    (directory / "targets").mkdir()
    (directory / "play.yml").write_text(PLAYBOOK)
    (directory / "action_plugins" / "measured_metrics.py").write_text(MEASURED)
    known = {"control_planes": control_planes, "workers": workers, "jobs": JOBS, "grafana": grafana}
    (directory / "names.json").write_text(json.dumps(known))


def run(directory: Path) -> Measured:
    """Run the playbook once.

    :raises RuntimeError: when it fails.
    """
    code, text, numbers = controller.play(directory, "localhost,")
    if numbers is None:
        raise controller.failure(code, text)
    found = Measured(**numbers)
    if code != 0 and not found.missing:
        raise controller.failure(code, text)
    return found


def main(arguments: Sequence[str]) -> int:
    """Measure, and print the results."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.metrics")
    parser.add_argument("--nodes", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=2)
    wanted = parser.parse_args(arguments)
    problems: list[str] = []
    with tempfile.TemporaryDirectory(prefix="bmk-bench-metrics-") as work:
        directory = Path(work)
        with servers(wanted.nodes, directory) as grafana:
            prepare(directory, wanted.nodes, grafana)
            for number in range(wanted.rounds):
                found = run(directory)
                problems += filter(None, [found.problem(number)])
                print(
                    f"round {number + 1}: {wanted.nodes} nodes, {found.pairs} pairs: {found.seconds:.1f} s"
                    f" ({found.cpu:.1f} s of them on a CPU), {found.peak:.0f} MiB at most ({found.before:.0f} MiB"
                    f" before), the module that writes {found.module:.0f} MiB"
                )
    for problem in problems:
        print(problem, file=sys.stderr)
    return int(bool(problems))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
