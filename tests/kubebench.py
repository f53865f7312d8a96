# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kube-bench, with which the audit is compared: built when a test needs it, and kept in the lab's cache."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from lab.config import Paths
from tests import tools

NAME = "kube_bench"


@dataclass(frozen=True)
class KubeBench:
    """Paths of the program.

    :param binary: the program, static. :param definitions: the directory for its ``--config-dir``.
    """

    version: str
    binary: Path
    definitions: Path


def ensure(paths: Paths, console: Console) -> KubeBench:
    """Build the program, and unpack it with its definitions.

    :raises LabError: when that is not possible; the message has the reasons.
    """
    version, directory = tools.ensure(paths, console, NAME, "kube-bench", ("kube-bench", "cfg"))
    return KubeBench(version, directory / "kube-bench", directory / "cfg")


def _paths(paths: Paths, console: Console) -> list[Path]:
    found = ensure(paths, console)
    return [found.binary, found.definitions]


def main() -> int:
    """Print both paths."""
    return tools.show("kube-bench", _paths)


if __name__ == "__main__":
    sys.exit(main())
