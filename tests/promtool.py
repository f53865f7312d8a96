# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus and promtool as the collection installs them: built when a test needs them, kept in the lab's cache."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from lab.config import Paths
from tests import tools

NAME = "prometheus"
PROGRAMS = ("prometheus", "promtool")


@dataclass(frozen=True)
class Programs:
    """Paths of the programs, which are static.

    :param prometheus: the server and agent. :param promtool: what checks its configuration and tests its rules.
    """

    version: str
    prometheus: Path
    promtool: Path


def ensure(paths: Paths, console: Console) -> Programs:
    """Build the programs, and unpack them.

    :raises LabError: when that is not possible; the message has the reasons.
    """
    version, directory = tools.ensure(paths, console, NAME, "prometheus", PROGRAMS, top=True)
    return Programs(version, *(directory / name for name in PROGRAMS))


def _paths(paths: Paths, console: Console) -> list[Path]:
    found = ensure(paths, console)
    return [found.prometheus, found.promtool]


def main() -> int:
    """Print both paths."""
    return tools.show("promtool", _paths)


if __name__ == "__main__":
    sys.exit(main())
