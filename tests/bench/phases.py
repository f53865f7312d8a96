# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The phases of a benchmark: playbooks and scripts of the bare path, one after the other, each measured."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from lab.config import Settings
from tests.bench import plan, report
from tests.bench.labs import one_file
from tests.bench.measure import HERE, REPO, Lab, measure

BIN = Path(sys.executable).parent
OUTPUT = REPO / "tests" / "output"


class Phases:
    """What was measured so far, and how to measure more.

    :param wanted: the lab's settings.
    :param work: a directory that is removed afterwards; it holds credentials.
    """

    def __init__(self, wanted: Settings, work: Path) -> None:
        self.wanted = wanted
        self.work = work
        self.plan = work / "plan"
        self.plan.mkdir(exist_ok=True)
        self.inventory = wanted.paths.inventory
        #: Variables of every playbook beside those of the inventory.
        self.variables: dict[str, Any] = {}
        self.done: list[report.Phase] = []

    def _measure(self, lab: Lab, name: str, path: str, number: int, argv: list[str], changes: bool) -> None:
        log = OUTPUT / "bench" / f"{number}-{name.replace(' ', '-')}-{path}.log"
        self.done.append(
            measure(lab, name, path, number, argv, self._directory(number), log, changes=changes)
        )
        print(f"round {number}: {name} by {path} took {self.done[-1].seconds:.1f} s", flush=True)

    def _directory(self, number: int) -> Path:
        directory = self.work / f"{number}-{len(self.done)}"
        directory.mkdir(exist_ok=True)
        return directory

    def playbook(
        self, lab: Lab, name: str, number: int, playbook: str, *arguments: str, changes: bool = True
    ) -> None:
        """Run a playbook of the collection.

        :param name: of the phase.
        :param number: of the round. Each has a cache of its own: the controller starts without helm and the chart.
        :param changes: whether it may change something.
        :raises BenchError: it failed, or changed something that it may not.
        """
        variables = {**self.variables, "helm_release_cache": str(self.cache(number))}
        argv = [str(BIN / "ansible-playbook"), "-i", str(self.inventory), "-e", json.dumps(variables)]
        argv += [*arguments, f"baremetal.kubernetes.{playbook}"]
        self._measure(lab, name, "site", number, argv, changes)

    def cache(self, number: int) -> Path:
        """Where the controller keeps helm and the chart in a round."""
        return self.work / f"cache-{number}"

    def script(
        self, lab: Lab, name: str, number: int, script: str, *arguments: str, prepared: bool = False
    ) -> None:
        """Run a script of the bare path.

        :param name: of the phase.
        :param number: of the round.
        :param script: name in the directory `bare`, without suffix.
        :param prepared: whether files and images are in place, for `create`.
        :raises BenchError: it failed.
        """
        directory = self._directory(number)
        (self.plan / "ssh_config").write_text(
            plan.ssh_config(self.wanted, lab.hosts, directory / "cp"), encoding="utf-8"
        )
        (self.plan / "prepared.sh").write_text(f"PREPARED={'yes' if prepared else 'no'}\n", encoding="utf-8")
        if prepared:
            shutil.copy2(one_file(self.cache(number), "helm*"), directory / "helm")
            shutil.copy2(one_file(self.cache(number), "cilium*"), directory / "chart.tgz")
        argv = [str(HERE / "bare" / f"{script}.sh"), str(self.plan), str(directory), *arguments]
        self._measure(lab, name, "bare", number, argv, changes=True)


def interrupted(_number: int, _frame: FrameType | None) -> None:
    """Handle a signal as Ctrl-C, so that the lab is removed."""
    raise KeyboardInterrupt
