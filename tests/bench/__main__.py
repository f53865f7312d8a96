# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the site playbook against the bare path, and show both.

    python -m tests.bench [--rounds N] [--in-place] [--lifecycle] [--platform] [--json PATH] [--keep]

It replaces the lab. Being slow is no failure; a phase that does not do its work is (exit code 1).
"""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console

from lab.config import Settings, settings
from tests.bench import plan, report
from tests.bench import platform as deployed
from tests.bench.labs import fresh, one_file, run_lab
from tests.bench.lifecycle import Lifecycle, artifacts
from tests.bench.measure import HERE, REPO, BenchError, Lab
from tests.bench.phases import BIN, OUTPUT, Phases, interrupted

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def warm(directory: Path) -> None:
    """Read what the mirror serves, so that the first phase does not pay for the disk alone."""
    for path in directory.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                while file.read(2**20):
                    pass


def about(wanted: Settings, lab: Lab) -> dict[str, Any]:
    """What the figures depend on besides the code."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=REPO, capture_output=True, text=True, check=False
    )
    galaxy = yaml.safe_load((REPO / "galaxy.yml").read_text(encoding="utf-8"))
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "processors": os.cpu_count(),
            "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "kernel": platform.release(),
            "architecture": platform.machine(),
        },
        "versions": {
            "collection": galaxy["version"],
            "commit": commit.stdout.strip(),
            "ansible-core": version("ansible-core"),
            "python": platform.python_version(),
            **plan.Site.load(wanted.paths.inventory).versions(),
        },
        "hosts": [{"name": record.name, "init": record.kind, "role": record.role} for record in lab.hosts],
    }


class Bench:
    """All phases of all rounds.

    :param wanted: the lab's settings.
    :param work: a directory that is removed afterwards; it holds credentials.
    """

    def __init__(self, wanted: Settings, work: Path) -> None:
        self.wanted = wanted
        self.phases = Phases(wanted, work)
        self.about: dict[str, Any] = {}

    def _placed(self) -> Lab:
        """Hosts with files and images."""
        lab = fresh(self.wanted)
        log = OUTPUT / "bench" / "place.log"
        with log.open("wb") as output:
            done = subprocess.run(
                [
                    *(str(BIN / "ansible-playbook"), "-i", str(self.wanted.paths.inventory)),
                    str(HERE / "place.yml"),
                ],
                cwd=REPO,
                env={**os.environ, "ANSIBLE_CONFIG": str(REPO / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode != 0:
            raise BenchError(f"putting files in place ended with code {done.returncode}; see {log}")
        plan.pull(self.wanted, lab.hosts, self.phases.plan)
        return lab

    def round(self, number: int, in_place: bool, lifecycle: bool, deploy: bool) -> None:
        """The playbook on fresh hosts, then again; its cluster is the script's input for fresh hosts.

        :param in_place: do both once more on hosts that have files and images.
        :param lifecycle: measure the other operations, too.
        :param deploy: measure what the playbook platform deploys, too.
        """
        phases = self.phases
        lab = fresh(self.wanted)
        self.about = about(self.wanted, lab)
        phases.playbook(lab, "create", number, "site")
        phases.playbook(lab, "no-op", number, "site", changes=False)
        phases.playbook(lab, "preflight", number, "preflight", changes=False)
        arch = ARCHITECTURES[platform.machine()]
        plan.capture(self.wanted, lab.hosts, one_file(phases.cache(number), "helm*"), arch, phases.plan)
        if lifecycle:
            Lifecycle(phases, number, arch).run()
        if deploy:
            deployed.Platform(phases, number).run()
        phases.script(fresh(self.wanted), "create", number, "create")
        if in_place:
            phases.playbook(self._placed(), "create in place", number, "site")
            phases.script(self._placed(), "create in place", number, "create", prepared=True)


def main(
    rounds: Annotated[int, typer.Option(min=1, help="How often everything is done; the best counts.")] = 1,
    output: Annotated[Path, typer.Option("--json", help="Where the figures go.")] = OUTPUT / "bench.json",
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Measure also with files and images in place.")
    ] = False,
    lifecycle: Annotated[
        bool,
        typer.Option(
            "--lifecycle", help="Measure also workers that join and leave, upgrade, backup, restore."
        ),
    ] = False,
    deploy: Annotated[
        bool, typer.Option("--platform", help="Measure also what the playbook platform deploys.")
    ] = False,
    keep: Annotated[bool, typer.Option(help="Leave the last cluster up.")] = False,
) -> None:
    """Measure the site playbook against a shell script that does the bare minimum. Replaces the lab."""
    console = Console(width=None if sys.stdout.isatty() else 200)
    wanted = settings()
    failure = ""
    signal.signal(signal.SIGTERM, interrupted)
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        bench = Bench(wanted, Path(work))
        try:
            warm(wanted.paths.artifacts_cache / "files")
            warm(wanted.paths.artifacts_cache / "registry")
            if lifecycle:
                artifacts()
            if deploy:
                deployed.artifacts()
            for number in range(1, rounds + 1):
                bench.round(number, in_place, lifecycle, deploy)
        except (BenchError, RuntimeError) as exc:
            failure = str(exc)
        except KeyboardInterrupt:
            failure = "interrupted"
        finally:
            if not keep:
                run_lab("down")
    if bench.phases.done:
        report.show(bench.phases.done, console)
        report.write(output, {**report.data(bench.phases.done, bench.about), "failure": failure})
        console.print(f"Figures: {output}; output of the phases: {OUTPUT / 'bench'}", highlight=False)
    if failure:
        print(f"bench: {failure}", file=sys.stderr)
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
