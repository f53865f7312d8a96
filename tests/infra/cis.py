# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the CIS audit as an operator does, and kube-bench on the same hosts."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from lab import packages
from tests import differences, kubebench
from tests.infra.hosts import REPO, Host
from tests.infra.playbook import Playbook, Run

AUDIT = "baremetal.kubernetes.cis"
REMEDIATE = "baremetal.kubernetes.cis_remediate"
SCENARIO = REPO / "molecule" / "cis"
#: Host of the results of the cluster.
CLUSTER = ""
PROFILE = "cis-1.12"
T = TypeVar("T")


@dataclass(frozen=True)
class Audit:
    """One run of the playbook.

    :param report: its JSON. :param directory: with all formats, until the next run.
    :param seconds: how long the run took.
    """

    run: Run
    report: dict[str, Any]
    directory: Path
    seconds: float

    def of(self, host: str) -> dict[str, dict[str, Any]]:
        """Results of a host, or of the cluster, by check."""
        return {result["check"]: result for result in self.report["results"] if result["host"] == host}

    def with_status(self, *statuses: str) -> set[tuple[str, str]]:
        """Host and check of each result with one of the statuses."""
        return {(one["host"], one["check"]) for one in self.report["results"] if one["status"] in statuses}

    def verdicts(self, *hosts: str) -> dict[str, tuple[str, str]]:
        """Effective and literal verdict by check, exemptions ignored."""
        return {
            check: (one["effective"], one["literal"])
            for host in hosts
            for check, one in self.of(host).items()
        }


def audit(playbook: Playbook, directory: Path, *arguments: str, **variables: Any) -> Audit:
    """Run the audit, or the remediation with its audit.

    :param directory: for its reports. :param variables: of the role.
    """
    values = json.dumps({"cis_directory": str(directory), **variables})
    started = time.monotonic()
    run = playbook.run("-e", values, *arguments, log=f"audit-{time.monotonic_ns()}.log")
    seconds = time.monotonic() - started
    reports = list(directory.glob("*/cis.json"))
    assert len(reports) == 1, f"{len(reports)} reports in {directory}: ...{run.text[-4000:]}"
    return Audit(run, json.loads(reports[0].read_text(encoding="utf-8")), reports[0].parent, seconds)


def contention() -> float:
    """How many times longer work takes now than on an idle machine."""
    wall, work = time.perf_counter(), time.process_time()
    while time.process_time() - work < 0.2:
        sum(range(1000))
    return max(1.0, (time.perf_counter() - wall) / (time.process_time() - work))


def measured(action: Callable[[], T]) -> tuple[T, float]:
    """Run an action, and measure how busy the machine is otherwise."""
    before = contention()
    result = action()
    return result, (before + contention()) / 2


def place(cluster: str, host: Host) -> str:
    """Name of a host in the list of differences."""
    return f"{cluster}/control_plane" if host.control_plane else f"{cluster}/worker/{host.init}"


def kube_bench_on_hosts(
    inventory: Path, directory: Path, made: kubebench.KubeBench
) -> dict[str, dict[str, str]]:
    """kube-bench's verdicts on each host, for the sections of its group.

    :param directory: for its output. :param made: the program.
    """
    archive = directory / "kube-bench.tar.gz"
    subprocess.run(
        [
            *("tar", "-C", str(made.binary.parent), "-czf", str(archive), made.binary.name),
            *(f"{made.definitions.name}/config.yaml", f"{made.definitions.name}/{PROFILE}"),
        ],
        check=True,
    )
    variables = {
        "kube_bench_archive": str(archive),
        "kube_bench_directory": str(directory),
        "kube_bench_profile": PROFILE,
    }
    playbook = Playbook(inventory, directory, name=str(SCENARIO / "kube_bench.yml"))
    playbook.run("-e", json.dumps(variables), log="kube-bench.log").expect()
    return {
        path.stem: differences.kube_bench_verdicts(path.read_text(encoding="utf-8"))
        for path in directory.glob("*.json")
    }


def kube_bench_on_cluster(kubeconfig: Path, kubectl: Path, made: kubebench.KubeBench) -> dict[str, str]:
    """kube-bench's verdicts on the cluster, run on this machine.

    Its checks need a shell with ``[[``, unlike Debian's ``sh``; and jq.
    """
    packages.install(("jq",))
    programs = kubectl.parent
    assert kubectl.name == "kubectl", kubectl
    script = 'mount --bind "$(command -v bash)" "$(readlink -f /bin/sh)" && exec "$@"'
    done = subprocess.run(
        [
            *(
                "unshare",
                "--mount",
                "--propagation",
                "private",
                "bash",
                "-c",
                script,
                "bash",
                str(made.binary),
            ),
            *(
                "--config-dir",
                str(made.definitions),
                "run",
                "--targets",
                "policies",
                "--benchmark",
                PROFILE,
                "--json",
            ),
        ],
        env={
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"kube-bench: {done.stderr[-2000:]}{done.stdout[-2000:]}"
    return differences.kube_bench_verdicts(done.stdout)


def all_differences(
    cluster: str,
    hosts: Iterable[Host],
    on_hosts: Mapping[str, Mapping[str, str]],
    on_cluster: Mapping[str, str],
    ours: Audit,
) -> set[differences.Difference]:
    """Differences on every host and for the cluster."""
    found: set[differences.Difference] = set()
    for host in hosts:
        said, own = on_hosts[host.name], ours.verdicts(host.name)
        if host.control_plane:
            # Section 3.1 is about the cluster; kube-bench has it with the control plane, and never evaluates it.
            own |= {check: own_ for check, own_ in ours.verdicts(CLUSTER).items() if check.startswith("3.")}
        found |= differences.compare(place(cluster, host), said, own)
    policies = {check: own for check, own in ours.verdicts(CLUSTER).items() if check.startswith("5.")}
    return found | differences.compare(f"{cluster}/cluster", on_cluster, policies)


def write_yaml(path: Path, content: Any) -> Path:
    """A file for Ansible."""
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path
