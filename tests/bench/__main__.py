# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the site playbook against the bare path, and show both.

    python -m tests.bench [--rounds N] [--in-place] [--json PATH] [--keep]

It replaces the lab. Being slow is no failure; a phase that does not do its work is (exit code 1).
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console

from lab import state
from lab.config import Settings, settings
from tests.bench import plan, report
from tests.bench.measure import HERE, REPO, BenchError, Lab, measure

BIN = Path(sys.executable).parent
OUTPUT = REPO / "tests" / "output"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def run_lab(*arguments: str) -> None:
    """Run a command of the lab."""
    done = subprocess.run([sys.executable, "-m", "lab", *arguments], cwd=REPO, check=False)
    if done.returncode != 0:
        raise BenchError(f"`lab {' '.join(arguments)}` ended with code {done.returncode}")


def fresh(wanted: Settings) -> Lab:
    """Freshly booted hosts."""
    run_lab("down")
    run_lab("up")
    return Lab(wanted, tuple(state.load(wanted.paths).hosts.values()))


def warm(directory: Path) -> None:
    """Read what the mirror serves, so that the first phase does not pay for the disk alone."""
    for path in directory.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                while file.read(2**20):
                    pass


def one_file(directory: Path, pattern: str) -> Path:
    """The only file that site left in a directory.

    :raises BenchError: there is none, or there are several.
    """
    found = [path for path in directory.glob(pattern) if path.is_file()]
    if len(found) != 1:
        raise BenchError(
            f"{directory}: {len(found)} files called {pattern}; expected one that site put there"
        )
    return found[0]


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
        self.work = work
        self.plan = work / "plan"
        self.phases: list[report.Phase] = []
        self.about: dict[str, Any] = {}

    def _measure(self, lab: Lab, name: str, path: str, number: int, argv: list[str]) -> None:
        directory = self.work / f"{number}-{len(self.phases)}"
        directory.mkdir(exist_ok=True)
        log = OUTPUT / "bench" / f"{number}-{name}-{path}.log"
        changes = name.startswith("create")
        self.phases.append(measure(lab, name, path, number, argv, directory, log, changes=changes))
        print(f"round {number}: {name} by {path} took {self.phases[-1].seconds:.1f} s", flush=True)

    def _site(self, lab: Lab, number: int, cache: Path, name: str, playbook: str = "site") -> None:
        argv = [
            *(str(BIN / "ansible-playbook"), "-i", str(self.wanted.paths.inventory)),
            *("-e", json.dumps({"helm_release_cache": str(cache)}), f"baremetal.kubernetes.{playbook}"),
        ]
        self._measure(lab, name, "site", number, argv)

    def _bare(self, lab: Lab, number: int, name: str, cache: Path | None = None) -> None:
        directory = self.work / f"{number}-{len(self.phases)}"
        directory.mkdir()
        (self.plan / "ssh_config").write_text(
            plan.ssh_config(self.wanted, lab.hosts, directory / "cp"), encoding="utf-8"
        )
        (self.plan / "prepared.sh").write_text(f"PREPARED={'yes' if cache else 'no'}\n", encoding="utf-8")
        if cache:
            shutil.copy2(one_file(cache, "helm*"), directory / "helm")
            shutil.copy2(one_file(cache, "cilium*"), directory / "chart.tgz")
        argv = [str(HERE / "bare.sh"), str(self.plan), str(directory)]
        self._measure(lab, name, "bare", number, argv)

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
        plan.pull(self.wanted, lab.hosts, self.plan)
        return lab

    def round(self, number: int, in_place: bool) -> None:
        """The playbook on fresh hosts, then again; its cluster is the script's input for fresh hosts.

        :param in_place: do both once more on hosts that have files and images.
        """
        lab = fresh(self.wanted)
        self.about = about(self.wanted, lab)
        # The controller, too, starts without helm and chart.
        cache = self.work / f"cache-{number}"
        self._site(lab, number, cache, "create")
        self._site(lab, number, cache, "no-op")
        self._site(lab, number, cache, "preflight", "preflight")
        self.plan.mkdir(exist_ok=True)
        arch = ARCHITECTURES[platform.machine()]
        plan.capture(self.wanted, lab.hosts, one_file(cache, "helm*"), arch, self.plan)
        self._bare(fresh(self.wanted), number, "create")
        if in_place:
            self._site(self._placed(), number, cache, "create in place")
            self._bare(self._placed(), number, "create in place", cache)


def interrupted(_number: int, _frame: FrameType | None) -> None:
    """Handle a signal as Ctrl-C, so that the lab is removed."""
    raise KeyboardInterrupt


def main(
    rounds: Annotated[int, typer.Option(min=1, help="How often everything is done; the best counts.")] = 1,
    output: Annotated[Path, typer.Option("--json", help="Where the figures go.")] = OUTPUT / "bench.json",
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Measure also with files and images in place.")
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
            for number in range(1, rounds + 1):
                bench.round(number, in_place)
        except (BenchError, RuntimeError) as exc:
            failure = str(exc)
        except KeyboardInterrupt:
            failure = "interrupted"
        finally:
            if not keep:
                run_lab("down")
    if bench.phases:
        report.show(bench.phases, console)
        report.write(output, {**report.data(bench.phases, bench.about), "failure": failure})
        console.print(f"Figures: {output}; output of the phases: {OUTPUT / 'bench'}", highlight=False)
    if failure:
        print(f"bench: {failure}", file=sys.stderr)
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
