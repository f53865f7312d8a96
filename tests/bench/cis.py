# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the merge of the audits of many hosts, and the writing of every format.

    python -m tests.bench.cis [--hosts N] [--rounds N]

A playbook runs on N simulated hosts: an action returns a result of `cis_node`, Ansible registers it, and `cis_report`
reads the results as the role does. The second round compares with the report of the first. Measured are the duration of
the process in which Ansible runs the task, including templating, and its peak memory, including what it shares with
ansible-playbook. Exit code 1 for more than 20 s or 500 MiB.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# The first one makes the collection of the checkout importable, which the second one needs.
from tests.bench import controller, simulate

SECONDS = 20.0
MEBIBYTES = 500.0

PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - audited:
        directory: "{{ playbook_dir }}"
      register: __cis_node
- hosts: localhost
  gather_facts: false
  tasks:
    - audited:
        directory: "{{ playbook_dir }}"
        name: cluster
      register: __cis_cluster
    - measured_report:
        variable: __cis_node
        expected: "{{ dict(groups.audited | product([['control_plane', 'etcd', 'node']])) }}"
        cluster: "{{ __cis_cluster }}"
        cluster_name: prod-a
        dest: "{{ playbook_dir }}/out"
        fail_on: {statuses: []}
"""
AUDITED = """
import json, os
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        name = self._task.args.get("name") or task_vars["inventory_hostname"]
        with open(os.path.join(self._task.args["directory"], "results", name + ".json")) as stream:
            return json.load(stream)
"""
# The same class, measured in the process that Ansible forks for the task.
MEASURED = """
import json, os, resource, time
from pathlib import Path
from ansible_collections.baremetal.kubernetes.plugins.action import cis_report


class ActionModule(cis_report.ActionModule):
    def run(self, tmp=None, task_vars=None):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        result = super().run(tmp, task_vars)
        forked = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        numbers = {
            "seconds": time.clock_gettime(time.CLOCK_BOOTTIME) - forked,
            "cpu": time.process_time(),
            "before_mib": before / 1024,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "results": sum(result["summary"]["results"].values()),
        }
        with open(os.path.join(os.path.dirname(self._task.args["dest"]), "numbers.json"), "w") as stream:
            json.dump(numbers, stream)
        return result
"""


@dataclass(frozen=True)
class Measured:
    """One run.

    :param seconds: from the start of its process to the end of the action.
    :param before: MiB of its process when it begins. :param peak: the most that its process ever had.
    :param cpu: those on a CPU. :param play: seconds of the whole playbook. :param sizes: bytes of each file.
    """

    hosts: int
    results: int
    seconds: float
    cpu: float
    before: float
    peak: float
    play: float
    sizes: dict[str, int]


def prepare(directory: Path, hosts: int) -> None:
    """A playbook with its inventory, its two actions and the results."""
    names = simulate.names(hosts)
    (directory / "results").mkdir()
    (directory / "action_plugins").mkdir()
    (directory / "inventory").write_text("[audited]\n" + "\n".join(names) + "\n")
    (directory / "play.yml").write_text(PLAYBOOK.replace("hosts: all", "hosts: audited"))
    (directory / "action_plugins" / "audited.py").write_text(AUDITED)
    (directory / "action_plugins" / "measured_report.py").write_text(MEASURED)
    (directory / "results" / "cluster.json").write_text(json.dumps(simulate.cluster_result()))


def fill(directory: Path, hosts: int, seed: int) -> None:
    """Results of the hosts in this round."""
    for name in simulate.names(hosts):
        result = simulate.host_result(name, seed=seed)
        (directory / "results" / f"{name}.json").write_text(json.dumps(result))


def run(directory: Path, hosts: int) -> Measured:
    """Run the playbook once.

    :raises RuntimeError: when it fails.
    """
    started = time.monotonic()
    code, text, found = controller.play(directory, "inventory", ANSIBLE_FORKS="4")
    if code != 0 or found is None:
        raise controller.failure(code, text)
    return Measured(
        hosts=hosts,
        results=found["results"],
        seconds=found["seconds"],
        cpu=found["cpu"],
        before=found["before_mib"],
        peak=found["peak_mib"],
        play=time.monotonic() - started,
        sizes={path.name: path.stat().st_size for path in sorted((directory / "out").iterdir())},
    )


def main(arguments: Sequence[str]) -> int:
    """Measure, and print the results."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.cis")
    parser.add_argument("--hosts", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=2)
    wanted = parser.parse_args(arguments)
    bad = False
    with tempfile.TemporaryDirectory(prefix="bmk-bench-cis-") as work:
        directory = Path(work)
        prepare(directory, wanted.hosts)
        for number in range(wanted.rounds):
            fill(directory, wanted.hosts, number)
            found = run(directory, wanted.hosts)
            bad = bad or found.seconds > SECONDS or found.peak > MEBIBYTES
            print(
                f"round {number + 1}: {found.hosts} hosts, {found.results} results: {found.seconds:.1f} s"
                f" ({found.cpu:.1f} s of them on a CPU),"
                f" {found.peak:.0f} MiB at most ({found.before:.0f} MiB before); the whole playbook {found.play:.0f} s"
            )
        for name, size in found.sizes.items():
            print(f"  {name:16} {size / 2**20:7.1f} MiB")
    if bad:
        print(f"More than {SECONDS:g} s or {MEBIBYTES:g} MiB.", file=sys.stderr)
    return int(bad)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
