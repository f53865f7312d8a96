# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus and promtool as the collection installs them: built when a test needs them, kept in the lab's cache."""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from lab import artifacts
from lab.artifacts import catalogue
from lab.artifacts.archive import unpack
from lab.config import LabError, Paths, settings

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
    artifact = catalogue.load().files[NAME]
    made = artifacts.ensure(paths, console, only=[NAME])
    archive = made.files_root / artifact.path
    directory = paths.cache / "tools" / f"prometheus-{artifact.version}"
    # Complete or missing: it is unpacked elsewhere and renamed.
    if not directory.is_dir() or directory.stat().st_mtime < archive.stat().st_mtime:
        _unpack(archive, directory)
    return Programs(artifact.version, *(directory / name for name in PROGRAMS))


def _unpack(archive: Path, directory: Path) -> None:
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
        unpack(archive, Path(scratch))
        (top,) = Path(scratch).iterdir()
        whole = Path(scratch) / "whole"
        whole.mkdir()
        for name in PROGRAMS:
            (top / name).rename(whole / name)
        shutil.rmtree(directory, ignore_errors=True)
        whole.rename(directory)


def main() -> int:
    """Print both paths."""
    try:
        found = ensure(settings().paths, Console(stderr=True))
    except LabError as exc:
        print(f"promtool: {exc}", file=sys.stderr)
        return 1
    print(found.prometheus, found.promtool, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
