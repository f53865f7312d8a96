# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of a benchmark: fresh ones, further ones, snapshots, and when they are idle."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lab import state
from lab.config import Settings
from tests.bench.measure import REPO, BenchError, Lab

#: Processor seconds a second of all hosts together, below which they are idle. Three hosts without work take
#: about 0.4.
IDLE = 0.8
#: Seconds over which that is looked at, and after which the benchmark goes on anyhow.
LOOK, PATIENCE = 5.0, 60.0


def _python(module: str, *arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=REPO, check=False)
    if done.returncode != 0:
        raise BenchError(f"`{module} {' '.join(arguments)}` ended with code {done.returncode}")


def run_lab(*arguments: str) -> None:
    """Run a command of the lab.

    :raises BenchError: it failed.
    """
    _python("lab", *arguments)


def present(wanted: Settings) -> Lab:
    """The hosts that the lab has now."""
    return Lab(wanted, tuple(state.load(wanted.paths).hosts.values()))


def fresh(wanted: Settings) -> Lab:
    """Freshly booted hosts."""
    run_lab("down")
    run_lab("up")
    return present(wanted)


def snapshot(wanted: Settings, verb: str, name: str) -> Lab:
    """Save the hosts or go back to what was saved, and wait until their cluster is ready and idle.

    :param verb: `save` or `restore`; both boot the hosts.
    :raises BenchError: the lab refuses, or the cluster does not become ready.
    """
    _python("tests.infra.snapshots", verb, name)
    lab = present(wanted)
    wait_idle(lambda: sum(lab.seconds().values()))
    return lab


def wait_idle(
    worked: Callable[[], float],
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Wait until hosts that have just booted have nothing to do.

    :param worked: processor seconds of all hosts together since they booted.
    :return: whether they are idle; after a minute it is given up.
    """
    deadline = clock() + PATIENCE
    while clock() < deadline:
        before, moment = worked(), clock()
        sleep(LOOK)
        if worked() - before <= IDLE * (clock() - moment):
            return True
    return False


def one_file(directory: Path, pattern: str) -> Path:
    """The only file of a name that a playbook has left in a directory.

    :raises BenchError: there is none, or there are several.
    """
    found = [path for path in directory.glob(pattern) if path.is_file()]
    if len(found) != 1:
        raise BenchError(
            f"{directory}: {len(found)} files called {pattern}; expected one that a playbook put there"
        )
    return found[0]
