# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run Kubernetes' conformance specs on a cluster by site, and on the same cluster after its upgrade.

    python -m tests.conformance [--cluster site|upgraded] [--focus REGEX] [--procs N] [--existing] [--keep]

It replaces the lab. Exit code 1: a spec failed that tests/conformance/left_out.yml does not list, or an entry of it
no longer applies.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lab import artifacts
from lab.artifacts import catalogue
from lab.config import LabError, settings
from lab.run import write_atomic
from tests.bench.labs import run_lab
from tests.bench.measure import BenchError
from tests.bench.phases import interrupted
from tests.conformance import listed, programs, report
from tests.infra.fixtures import NEXT

REPO = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
OUTPUT = REPO / "tests" / "output" / "conformance"
#: What `lab artifacts` calls the specs with the images that they need.
GROUP = "conformance"
#: Files of the catalogue with the specs, and with kubectl, by cluster.
FILES = {
    "site": ("kubernetes_test", "kubectl"),
    "upgraded": ("kubernetes_test@1.37.1", "kubectl@1.37.1"),
}
#: Specs at once. They wait more than they compute, but their time limits are upstream's, made for larger machines.
PROCESSES = 6
#: Seconds between two lines of progress.
INTERVAL = 30.0


class ConformanceError(Exception):
    """Something other than a spec failed, so that the specs' results are missing."""


class Conformance:
    """All runs.

    :param console: for progress.
    :param work: a directory that is removed afterwards.
    :param focus: as programs.select has it.
    :param processes: as programs.run_command has it.
    """

    def __init__(self, console: Console, work: Path, focus: Sequence[str], processes: int) -> None:
        self.console = console
        self.work = work
        self.focus = focus
        self.processes = processes
        self.settings = settings()
        self.catalogue = catalogue.load()
        self.entries = listed.load()
        self.verdicts: list[report.Verdict] = []

    def say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def version(self, cluster: str) -> str:
        return self.catalogue.files[FILES[cluster][0]].version

    def prepare(self, clusters: Sequence[str]) -> None:
        """Make or find the programs and images.

        :raises LabError: one is not available.
        """
        groups = [GROUP, *([NEXT] if "upgraded" in clusters else [])]
        artifacts.ensure(self.settings.paths, self.console, only=groups)

    def playbook(self, name: str, *arguments: str) -> None:
        """Run a playbook.

        :raises ConformanceError: it failed; the message names the log.
        """
        log = OUTPUT / f"{name}.log"
        self.say(f"playbook {name} (log: {log})")
        argv = [str(BIN / "ansible-playbook"), "-i", str(self.settings.paths.inventory), *arguments]
        with log.open("wb") as sink:
            done = subprocess.run(
                [*argv, f"baremetal.kubernetes.{name}"],
                cwd=REPO,
                env={**os.environ, "ANSIBLE_CONFIG": str(REPO / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode != 0:
            raise ConformanceError(f"the playbook {name} ended with code {done.returncode}; see {log}")

    def create(self) -> None:
        """Fresh hosts and a cluster by site.

        :raises BenchError: there are no hosts. :raises ConformanceError: there is no cluster.
        """
        run_lab("down")
        run_lab("up")
        self.playbook("site")

    def upgrade(self) -> None:
        """Upgrade the cluster; a backup is another test's subject.

        :raises ConformanceError: that failed.
        """
        values = {"cluster_kubernetes_version": self.version("upgraded"), "upgrade_backup": False}
        self.playbook("upgrade", "-e", json.dumps(values))

    def specs(self, cluster: str) -> None:
        """Run the specs of a cluster's version on it, and compare with the list.

        :raises ConformanceError: they cannot be listed or run.
        """
        files = self.settings.paths.artifacts_cache / "files"
        tests, kubectl = (files / self.catalogue.files[name].path for name in FILES[cluster])
        version = self.version(cluster)
        made = programs.unpack(tests, self.work / version, version, kubectl)
        # The mirror serves it as a file; the machine runs the same one.
        made.kubectl.chmod(0o755)
        selected = self._list(made)
        entries = listed.applicable(self.entries, cluster)
        skip = listed.left_out(entries, selected)
        path = OUTPUT / f"junit-{cluster}.xml"
        path.unlink(missing_ok=True)
        started = time.monotonic()
        self._run(made, path, sorted(skip), len(selected) - len(skip), OUTPUT / f"specs-{cluster}.log")
        seconds = time.monotonic() - started
        images = [image.reference for image in self.catalogue.images.values()]
        whole = not self.focus
        self.verdicts.append(
            report.evaluate(cluster, version, seconds, report.read(path), selected, entries, images, whole)
        )

    def _list(self, made: programs.Programs) -> list[str]:
        path = self.work / f"{made.version}.xml"
        done = subprocess.run(
            programs.list_command(made, self.focus, path),
            cwd=self.work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ConformanceError(
                f"{made.e2e.name} {made.version} cannot list its specs: {done.stderr[-2000:]}"
            )
        found = sorted(result.spec for result in report.read(path))
        if not found:
            raise ConformanceError(f"no conformance spec of {made.version} matches {' or '.join(self.focus)}")
        return found

    def _run(self, made: programs.Programs, path: Path, skip: list[str], total: int, log: Path) -> None:
        kubeconfig = self.settings.paths.inventory / ".credentials" / "kubernetes.kubeconfig"
        argv = programs.run_command(made, kubeconfig, self.processes, path, self.focus, skip)
        self.say(f"{total} specs of {made.version}, {self.processes} at once (log: {log})")
        started = time.monotonic()
        with log.open("wb") as sink:
            process = subprocess.Popen(
                argv,
                cwd=self.work,
                # kubectl caches what it discovers of a cluster below the home directory.
                env={**os.environ, "HOME": str(self.work)},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
            try:
                while process.poll() is None:
                    try:
                        process.wait(INTERVAL)
                    except subprocess.TimeoutExpired:
                        with log.open(encoding="utf-8", errors="replace") as lines:
                            done = report.progress(lines)
                        took = report.duration(time.monotonic() - started)
                        self.say(f"{took}: {done.ended} of {total} specs have ended, {done.failed} failed")
            finally:
                # Ginkgo ends its processes and writes its report.
                if process.poll() is None:
                    process.send_signal(signal.SIGINT)
                    process.wait()


def main(
    cluster: Annotated[
        list[str] | None, typer.Option(help="`site`, `upgraded`; both unless it is given.")
    ] = None,
    focus: Annotated[
        list[str] | None, typer.Option(help="Run the specs whose text matches this regular expression only.")
    ] = None,
    procs: Annotated[int, typer.Option(min=1, help="How many specs run at once.")] = PROCESSES,
    existing: Annotated[
        bool, typer.Option("--existing", help="Take the lab's cluster as it is and leave it up.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the cluster up.")] = False,
) -> None:
    """Run Kubernetes' conformance specs on a cluster by site and after its upgrade. Replaces the lab."""
    console = Console(width=None if sys.stdout.isatty() else 200)
    clusters = [name for name in listed.CLUSTERS if name in (cluster or listed.CLUSTERS)]
    if set(cluster or ()) - set(listed.CLUSTERS):
        raise typer.BadParameter(f"expected {' or '.join(listed.CLUSTERS)}", param_hint="--cluster")
    failure = ""
    signal.signal(signal.SIGTERM, interrupted)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="conformance-") as work:
        runs = Conformance(console, Path(work), focus or [], procs)
        try:
            runs.prepare(clusters)
            if not existing:
                runs.create()
            if "site" in clusters:
                runs.specs("site")
            if "upgraded" in clusters:
                if not existing or "site" in clusters:
                    runs.upgrade()
                runs.specs("upgraded")
        except (BenchError, ConformanceError, LabError, report.ReportError, KeyError) as exc:
            failure = str(exc)
        except KeyboardInterrupt:
            failure = "interrupted"
        finally:
            if not keep and not existing:
                run_lab("down")
    if runs.verdicts:
        report.show(runs.verdicts, console)
        write_atomic(OUTPUT / "conformance.json", json.dumps(report.data(runs.verdicts), indent=1))
        console.print(f"Reports and logs: {OUTPUT}", highlight=False)
    if failure:
        print(f"conformance: {failure}", file=sys.stderr)
    if failure or not all(verdict.good for verdict in runs.verdicts):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
